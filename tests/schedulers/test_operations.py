"""Every scheduler with every field of the table of operations and under the rule cache: legal, and what caches obey."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from placement_opt.instance.instance import Instance
from placement_opt.instance.law import loads_of, tier_sets
from placement_opt.memory.operations import Operation, table
from placement_opt.memory.system import MemorySystem, Tier
from placement_opt.play.protocol import Moves
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from placement_opt.schedulers.hierarchy.transition import Sources
from placement_opt.schedulers.kinds import fewest, serving
from placement_opt.schedulers.packing import Packing
from placement_opt.schedulers.search.bundles import bundle
from tests.schedulers.cases import SPECS, Scripted, any_instance, as_cache, ids, with_layers
from tests.schedulers.reference import followed
from tests.small import chain, make_instance, make_trace, random_instance
from tests.twins import label_of
from tests.worlds import any_operations, with_operations


@pytest.mark.parametrize("spec", [*SPECS, "packing", "optimised:budget=1"])
def test_legal_with_every_field(spec: str) -> None:
    """Attending, recomputing, calls, grains, shares, layers, every rule: the simulator accepts every move."""
    for seed in range(12 if spec.startswith("optimised") else 30):
        instance = any_operations(seed)
        instance = with_layers(instance, 2) if seed % 3 == 0 else instance
        run = simulate(instance, Packing() if spec == "packing" else make_scheduler(spec))
        assert run.latency_s >= 0.0


@pytest.mark.parametrize("spec", SPECS)
def test_legal_in_larger_caches(spec: str) -> None:
    """Ten blocks, ten steps, tight tiers, and now and then nothing that leaves a missing block at the processor."""
    for seed in range(30):
        assert simulate(as_cache(any_instance(seed), seed), make_scheduler(spec)).latency_s >= 0.0


def one_cache(seed: int, room: int | None = None) -> Instance:
    """One tier of equal blocks, empty at first, and recomputation."""
    rng = np.random.default_rng(seed)
    instance = random_instance(rng, 1, "free", blocks=12, steps=14)
    memory = with_operations(instance.memory, [Operation("recompute", None, (3,), brings=True)])
    initial = np.zeros((1, instance.num_blocks), dtype=bool)
    capacity = np.array([int(rng.integers(1, 6)) if room is None else room])
    return replace(instance, memory=memory, residency="cache", initial=initial, capacity=capacity)


@pytest.mark.parametrize("seed", range(20))
def test_belady_misses_least_of_all_caches(seed: int) -> None:
    """A cache that may pass blocks by: no policy that only stores in passing finds more of its reads there."""
    instance = one_cache(seed)
    best = simulate(instance, make_scheduler("belady")).hit_rate
    others = ["static", "sa:window=3,ratio=1.0", "lru", "lru:scope=global", "reactive", "reactive:victims=lru"]
    assert best >= max(simulate(instance, make_scheduler(spec)).hit_rate for spec in others)


@pytest.mark.parametrize("seed", range(20))
def test_with_room_for_all_it_is_all_one(seed: int) -> None:
    """lru, belady and reactive migration then miss exactly what is read for the first time and was not produced."""
    instance = one_cache(seed, room=100)
    reads = instance.trace.blocks[np.sort(np.unique(instance.trace.blocks, return_index=True)[1])]
    first = int((instance.trace.birth[reads] < 0).sum())
    expected = 1.0 - first / instance.trace.num_reads if instance.trace.num_reads else 1.0
    for spec in ("lru", "belady", "reactive"):
        assert simulate(instance, make_scheduler(spec)).hit_rate == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(30))
def test_belady_keeps_nothing_after_its_last_read(seed: int) -> None:
    """Where blocks may lie nowhere those that nobody reads again do, except what a given start holds before the first step."""
    instance = as_cache(any_instance(seed), seed)
    states = followed(instance, simulate(instance, make_scheduler("belady"), record=True).schedule)
    for state, held in enumerate(states):
        later = set(instance.trace.blocks[instance.trace.indptr[state] :].tolist())
        if state or instance.initial is None:
            assert all(b in later for b, where in held.items() if where)


def test_packing_keeps_nothing_where_nothing_need_be_kept() -> None:
    """Under the rule cache it stores and moves nothing."""
    for seed in range(20):
        run = simulate(as_cache(any_instance(seed), seed), Packing(), record=True)
        assert run.schedule.num_moves == 0
        assert run.instance.initial is not None or not run.schedule.initial.any()


def test_static_leaves_out_what_does_not_fit() -> None:
    """Room for two of three blocks, and for none that is produced: no failure, what is left over is made anew each time."""
    memory = with_operations(chain([2], [4], []), [Operation("recompute", None, (2,), brings=True)])
    instance = make_instance(memory, make_trace([[0, 1, 2], [3]], [-1, -1, -1, 0]), "cache")
    run = simulate(instance, make_scheduler("static"), record=True)
    assert followed(instance, run.schedule) == [
        {0: {0}, 1: {0}, 2: set()},
        {0: {0}, 1: {0}, 2: set(), 3: set()},
        {0: {0}, 1: {0}, 2: set(), 3: set()},
    ]
    assert run.step_s.tolist() == [1.0, 0.5]


def test_page_brings_what_is_missing_only_as_it_is_read() -> None:
    """Of a page that is read next, what lies nowhere is stored if this step reads it; the rest is not there to be had."""
    memory = with_operations(chain([4], [4], []), [Operation("recompute", None, (2,), brings=True)])
    start = np.zeros((1, 4), dtype=bool)
    instance = make_instance(memory, make_trace([[0, 1], [0, 1, 2]], [-1] * 4), "cache", initial=start)
    run = simulate(instance, make_scheduler("page:blocks=4"), record=True)
    assert [sorted(b for b, where in held.items() if where) for held in followed(instance, run.schedule)] == [
        [],
        [0, 1],
        [0, 1],
    ]
    refetched = replace(instance, memory=with_operations(chain([4], [4], []), [Operation("refetch", None, (2,))]))
    assert simulate(refetched, make_scheduler("page:blocks=4"), record=True).schedule.num_moves == 0


def test_a_victim_without_a_place_is_dropped() -> None:
    """Two tiers of one block: the third block read pushes the second down, and the first out."""
    memory = with_operations(chain([1, 1], [9, 5], [4]), [Operation("recompute", None, (1, 0, 0), brings=True)])
    instance = make_instance(memory, make_trace([[0], [1], [2], []], [-1] * 3), "cache", initial=np.zeros((2, 3), dtype=bool))
    run = simulate(instance, make_scheduler("lru"), record=True)
    assert followed(instance, run.schedule)[3] == {0: set(), 1: {1}, 2: {0}}


def flash(*, grain: int = 1, calls: int = 0) -> MemorySystem:
    """DRAM of 4 B/s; flash with an array of 10 B/s behind a channel of 1 B/s, over which 1/16 of what is attended goes (counted
    in sixteenths); copies go by a channel of their own, of 1 B/s."""
    #                 dram array channel bus
    read = np.array([[1, 0, 0, 0], [0, 1, 16, 0]])
    write = np.array([[1, 0, 0, 0], [0, 1, 16, 0]])
    copy = np.zeros((2, 2, 4), dtype=np.int64)
    copy[1, 0], copy[0, 1] = [1, 1, 0, 1], [1, 1, 0, 1]
    more = [Operation("attend flash", 1, (0, 1, 1, 0), (0, 0, calls, 0) if calls else (), grain)]
    return MemorySystem(
        name="flash",
        processor="gpu",
        tiers=(Tier("dram", 1000, "gpu", 4, 4, True), Tier("flash", 1000, "gpu", 10, 10, True)),
        links=(),
        resources=("dram", "array", "channel", "bus"),
        rates=np.array([4, 10, 16, 1]),
        operations=table(("dram", "flash"), read, write, copy, more),
        routes={},
    )


def test_what_is_attended_is_copied_where_that_is_cheaper() -> None:
    """Storing a block that was attended means to read it instead, over the channel that is busy; the bus is not."""
    trace = make_trace([[0], *[[0, 1]] * 9], [-1, 0])
    start = np.array([[False, False], [True, False]])
    instance = replace(make_instance(flash(), trace, "free"), capacity=np.array([1, 10]))
    stored = Scripted({0: Moves(store=[(0, ids(0)), (1, ids(1))])}, start)
    copied = Scripted({0: Moves(store=[(1, ids(1))], fetch=[(1, 0, ids(0))])}, start)
    assert simulate(instance, stored).step_s[0] == pytest.approx(2.0)
    assert simulate(instance, copied).step_s[0] == pytest.approx(1.0 + 1 / 16)


def test_kinds_whose_loads_are_multiples_are_one() -> None:
    """Sizes 5 and 16 fill one grain, 40 three of them: one kind, counted 1, 1 and 3; with calls they are kinds of their own."""
    sizes = np.array([5, 16, 40])
    grained = table(("a",), np.array([[1]]), np.array([[2]]), np.zeros((1, 1, 1), np.int64), grains=grains(16))
    found = fewest(loads_of(grained, sizes))
    assert (len(found.row), found.kind.tolist()) == (1, [0, 0, 0])
    assert (found.amount // found.amount[0]).tolist() == [1, 1, 3]
    rebuilt = found.amount[:, None, None] * found.row[found.kind]
    assert np.array_equal(rebuilt, loads_of(grained, sizes).row[loads_of(grained, sizes).kind])
    calls = (np.array([[1]]), np.array([[0]]), np.zeros((1, 1, 1), np.int64))
    called = table(("a",), np.array([[1]]), np.array([[2]]), np.zeros((1, 1, 1), np.int64), calls=calls, grains=grains(16))
    assert len(fewest(loads_of(called, sizes)).row) == 2


def grains(grain: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.array([grain]), np.array([grain]), np.full((1, 1), grain)


@pytest.mark.parametrize("seed", range(30))
def test_prices_of_serving_are_the_cheapest_of_what_serves(seed: int) -> None:
    """For every kind, set of tiers and price vector, in any way and in one that brings the block."""
    instance = any_operations(seed)
    kinds, masks = fewest(instance.loads), tier_sets(instance)
    found = serving(instance.memory, kinds, masks)
    for c, n in np.ndindex(len(kinds.row), len(masks)):
        prices = kinds.serve[c] @ found.timer.rho.T
        block = int(np.argmax(kinds.kind == c))
        for bringing, cost in ((False, found.free), (True, found.bringing)):
            ways = _serving(instance, block, int(masks[n]), bringing=bringing)
            assert cost[c, n] == pytest.approx(prices[ways].min(axis=0) if ways else 0.0)
        assert found.brings[c, n] == bool(ways)
        assert found.columns(c)[:, n] == pytest.approx(found.free[c, n])


def _serving(instance: Instance, block: int, mask: int, *, bringing: bool) -> list[int]:
    """Positions among the operations that serve of those that serve a block in these tiers."""
    table, found = instance.memory.operations, []
    for v, o in enumerate(table.serving.tolist()):
        near = table.source[o] < 0 or mask >> int(table.source[o]) & 1
        if near and table.applies[o, label_of(instance, block)] and (table.brings[o] or not bringing):
            found.append(v)
    return found


@pytest.mark.parametrize("seed", range(30))
def test_copies_come_from_where_a_block_takes_least_time(seed: int) -> None:
    """Calls and grains counted, for every size, set of tiers and target."""
    instance = any_operations(seed)
    memory, tiers, sources = instance.memory, instance.num_tiers, Sources(instance.memory)
    masks = np.arange(1 << tiers, dtype=np.uint16)
    for size in np.unique(instance.size).tolist():
        seconds = (loads_of(memory.operations, np.array([size])).copy[0] / memory.rates).max(axis=-1)
        for target in range(tiers):
            for mask, source in zip(masks.tolist(), sources.of(masks, target, np.full(len(masks), size)), strict=True):
                others = [j for j in range(tiers) if mask >> j & 1 and j != target]
                least = min((seconds[j, target] for j in others), default=None)
                assert source == -1 if least is None else seconds[source, target] == pytest.approx(least)


def test_nothing_is_bundled_where_a_bundle_loads_less() -> None:
    """Four blocks in one call are not four calls: bundles only where loads are by the byte."""
    instance = make_instance(flash(), make_trace([[0, 1]] * 3, [-1] * 400), "free")
    assert bundle(instance, 200) is not None
    assert bundle(replace(instance, memory=flash(calls=1)), 200) is None
    assert bundle(replace(instance, memory=flash(grain=4)), 200) is None
