"""The rules of the game with every field of the table of operations: what is charged, what is legal, what a run tells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from placement_opt.base.errors import InputError, ScheduleError
from placement_opt.instance.instance import Instance
from placement_opt.memory.operations import Operation, Operations, table
from placement_opt.memory.system import MemorySystem, Tier
from placement_opt.play.protocol import Moves, cheapest_source
from placement_opt.play.replay import Replay
from placement_opt.play.simulate import simulate
from tests.play.per_step import played
from tests.play.wanderer import Wanderer
from tests.schedulers.cases import Scripted, ids
from tests.small import make_instance, make_trace
from tests.worlds import any_operations


def system(
    rates: dict[str, int],
    tiers: dict[str, int],
    read: Sequence[Sequence[int]],
    write: Sequence[Sequence[int]] | None = None,
    copy: np.ndarray | None = None,
    more: Sequence[Operation] = (),
    **columns: object,
) -> MemorySystem:
    """Loads as plain tables; what is not given loads nothing. ``rates``: of resources, ``tiers``: capacities."""
    count, resources = len(tiers), len(rates)
    return MemorySystem(
        name="made",
        processor="gpu",
        tiers=tuple(Tier(name, room, "gpu", 1, 1, True) for name, room in tiers.items()),
        links=(),
        resources=tuple(rates),
        rates=np.array(list(rates.values()), dtype=np.int64),
        operations=table(
            tuple(tiers),
            np.array(read, dtype=np.int64),
            np.zeros((count, resources), dtype=np.int64) if write is None else np.array(write, dtype=np.int64),
            np.zeros((count, count, resources), dtype=np.int64) if copy is None else copy,
            more,
            **columns,  # type: ignore[arg-type]
        ),
        routes={},
    )


@pytest.mark.parametrize("part", range(2))
def test_random_legal_schedules_take_what_the_lp_of_every_step_says(part: int) -> None:
    """40 seeds a part, every field of the table and every rule: step by step the same time as an LP over single blocks."""
    for seed in range(40 * part, 40 * part + 40):
        instance = any_operations(seed)
        run = simulate(instance, Wanderer(instance, seed), record=True)
        assert run.step_s == pytest.approx(played(instance, run.schedule), rel=1e-7, abs=1e-9), seed
        assert float(run.exact_latency()) == pytest.approx(run.latency_s, rel=1e-12, abs=1e-300), seed
        again = simulate(instance, Replay(run.schedule))
        assert again.exact_latency() == run.exact_latency()


def test_the_wanderer_wanders() -> None:
    """What the test above says it covers: last copies dropped, births nowhere, stores of what lies nowhere, blocks attended."""
    seen = set()
    for seed in range(80):
        instance = any_operations(seed)
        run = simulate(instance, Wanderer(instance, seed), record=True)
        seen |= {name.split()[0] for name in run.operation_bytes}
        if instance.forgets:
            seen |= _forgotten(instance, run.schedule)
        if not instance.loads.operations.uniform and len(instance.loads.row) > 1:
            seen.add("kinds")
    assert seen >= {"store", "copy", "read", "attend", "recompute", "refetch"}
    assert seen >= {"last copy", "born nowhere", "made anew", "kinds"}


def _forgotten(instance: Instance, schedule) -> set[str]:
    """What happened to blocks without a copy."""
    held, found = schedule.initial.copy(), set()
    for t in range(instance.num_steps):
        moves = schedule.moves(t)
        before = held.any(axis=0)
        for k, blocks in moves.store:
            old = blocks[instance.first_state[blocks] <= t]
            found |= {"made anew"} if (~before[old]).any() else set()
            held[k, blocks] = True
        for _, k, blocks in moves.fetch:
            held[k, blocks] = True
        for k, blocks in moves.drop:
            held[k, blocks] = False
            found |= {"last copy"} if (~held[:, blocks].any(axis=0)).any() else set()
        born = np.flatnonzero((instance.first_state == t + 1) & (instance.last_state > t))
        found |= {"born nowhere"} if (~held[:, born].any(axis=0)).any() else set()
    return found


@pytest.mark.parametrize("seed", range(60))
def test_what_a_run_tells_adds_up(seed: int) -> None:
    """Bytes by operation, loads by resource and the table of the steps say the same, whatever the kinds and the ways."""
    instance = any_operations(seed)
    run = simulate(instance, Wanderer(instance, seed), per_step=True, record=True)
    told, steps = run.operation_bytes, run.per_step
    names = instance.memory.operations.names
    assert run.read_bytes == instance.read_bytes.sum() / instance.share_base
    assert run.served_bytes.sum() == pytest.approx(run.read_bytes)
    assert run.tier_read_bytes.tolist() == run.served_bytes[: instance.num_tiers].tolist()
    assert run.stored_bytes.sum() + run.copied_bytes.sum() == pytest.approx(
        sum(size for name, size in told.items() if name.startswith(("store", "copy")))
    )
    assert {name: pytest.approx(steps[name].sum()) for name in names if name in steps and steps[name].any()} == told
    assert steps["read"].sum() == run.read_bytes
    assert steps["hit"].sum() == pytest.approx(run.hit_rate * run.read_bytes)
    hits = sum(
        int(instance.read_bytes[i])
        for t, held in enumerate(_held(instance, run.schedule))
        for i in range(instance.trace.indptr[t], instance.trace.indptr[t + 1])
        if held[instance.memory.fastest, instance.trace.blocks[i]]
    )
    assert steps["hit"].sum() == hits / instance.share_base
    busy = (run.loads / instance.memory.rates).max()
    assert busy <= run.latency_s * (1 + 1e-9)
    if instance.memory.operations.uniform:
        rows = instance.memory.operations.per_byte
        assert run.loads == pytest.approx(instance.fixed.sum(axis=0) + sum(told[n] * rows[names.index(n)] for n in told))


def _held(instance: Instance, schedule) -> list[np.ndarray]:
    """bool[K, B] at every state before the last."""
    held, states = schedule.initial.copy(), []
    for t in range(instance.num_steps):
        states.append(held.copy())
        moves = schedule.moves(t)
        if instance.inclusive:
            held[instance.home] |= instance.first_state == t + 1
        for k, blocks in [*moves.store, *((k, blocks) for _, k, blocks in moves.fetch)]:
            held[k, blocks] = True
        for k, blocks in moves.drop:
            held[k, blocks] = False
    return states


FLASH = {"array": 10, "channel": 16}  # the channel in sixteenths of a byte


def flash(size: int, blocks: int, *, attends: bool, grain: int = 1, dram: int = 0) -> Instance:
    """Flash that computes: a read crosses the channel whole, attending to a block sends a sixteenth of it."""
    rates, rooms, read = dict(FLASH), {"flash": 10**6}, [[1, 16]]
    if dram:
        rates, rooms, read = rates | {"dram": dram}, {"dram": 10**6, "flash": 10**6}, [[0, 0, 1], [1, 16, 0]]
    load = (1, 1, 0)[: len(rates)]
    more = [Operation("attend flash", len(rooms) - 1, load, grain=grain)] if attends else []
    grains = (np.full(len(rooms), grain), *(np.ones(shape, dtype=np.int64) for shape in (len(rooms), (len(rooms),) * 2)))
    memory = system(rates, rooms, read, more=more, grains=grains)
    trace = make_trace([list(range(blocks))], [-1] * blocks, sizes=[size])
    return make_instance(memory, trace, "free", initial=np.ones((len(rooms), blocks), dtype=bool))


@pytest.mark.parametrize(
    ("instance", "seconds"),
    [
        (flash(16, 10, attends=True), Fraction(16)),
        (flash(16, 10, attends=False), Fraction(160)),
        (flash(16, 10, attends=True, dram=4), Fraction(160, 14)),
        (flash(20, 8, attends=True), Fraction(16)),
        (flash(20, 8, attends=True, grain=16), Fraction(256, 10)),
    ],
)
def test_flash_that_computes(instance: Instance, seconds: Fraction) -> None:
    """160 bytes: 16 s attended, 160 s read; 14 B/s with a copy in DRAM, the paper's split; 20 B are two pages of 16."""
    assert simulate(instance, Scripted()).exact_latency() == seconds


def test_requests_have_a_rate() -> None:
    """8 blocks, one request each, 100 requests a second, bytes free: 0.08 s; bytes are reported all the same."""
    one = (np.ones((1, 1), dtype=np.int64), np.zeros((1, 1), dtype=np.int64), np.zeros((1, 1, 1), dtype=np.int64))
    memory = system({"requests": 100}, {"disk": 10**6}, [[0]], calls=one)
    trace = make_trace([list(range(8))], [-1] * 8, sizes=[4096] * 4 + [512] * 4)
    run = simulate(make_instance(memory, trace, "free"), Scripted(), per_step=True)
    assert run.exact_latency() == Fraction(8, 100)
    assert (run.read_bytes, run.loads.tolist()) == (4 * (4096 + 512), [8])
    assert run.per_step["read disk"].tolist() == [4 * (4096 + 512)]


def attended(shares: list[list[int]] | None = None) -> Instance:
    """One block of 8 bytes in flash, read once; attending is free, reading and storing take 1 s a byte, a copy to dram 2 s."""
    rates = {"out": 1, "in": 1, "across": 1}
    copy = np.zeros((2, 2, 3), dtype=np.int64)
    copy[1, 0] = [0, 0, 2]
    more = [Operation("attend flash", 1, (0, 0, 0))]
    memory = system(rates, {"dram": 100, "flash": 100}, [[1, 0, 0], [1, 0, 1]], [[0, 1, 0], [0, 1, 0]], copy, more)
    trace = make_trace([[0]], [-1], sizes=[8], shares=shares, share_base=1 if shares is None else 4)
    return make_instance(memory, trace, "free", initial=np.array([[False], [True]]))


def test_what_is_attended_is_not_at_the_processor() -> None:
    """Nothing moved: attended, 0 s. Wanted in dram next: a copy, 16 s; or a store, 8 s, and then it is read, not attended."""
    assert simulate(attended(), Scripted()).exact_latency() == 0
    copied = simulate(attended(), Scripted({0: Moves(fetch=[(1, 0, ids(0))])}))
    assert copied.exact_latency() == 16
    assert copied.operation_bytes == {"copy flash->dram": 8, "attend flash": 8}
    stored = simulate(attended(), Scripted({0: Moves(store=[(0, ids(0))])}))
    assert stored.exact_latency() == 8
    assert stored.operation_bytes == {"store dram": 8, "read flash": 8}
    assert stored.loads.tolist() == [8, 8, 8]


def test_a_store_of_a_part_brings_that_part() -> None:
    """A quarter read and stored: 2 bytes out and in, the other 6 are copied at 2 s a byte."""
    run = simulate(attended([[1]]), Scripted({0: Moves(store=[(0, ids(0))])}))
    assert run.loads.tolist() == [2, 2, 2 + 12]
    assert run.operation_bytes == {"store dram": 2, "copy flash->dram": 6, "read flash": 2}


REMAKE = (0, 1)


def cache(*, start: bool, again: bool = False, brings: bool = True, shares: list[list[int]] | None = None) -> Instance:
    """A slow tier of 1 B/s with room for one byte, recompute 2 B/s; 3 blocks of one, read at steps 0, 1, 2, the first again."""
    memory = system(
        {"slow": 1, "compute": 2}, {"slow": 1}, [[1, 0]], [[1, 0]], more=[Operation("recompute", None, REMAKE, brings=brings)]
    )
    reads = [[0], [1], [2], [0]][: 4 if again else 3]
    trace = make_trace(reads, [-1] * 3, shares=shares, share_base=1 if shares is None else 2)
    initial = None if start else np.zeros((1, 3), dtype=bool)
    return make_instance(memory, trace, "cache", initial=initial)


def test_a_cache_may_hold_nothing() -> None:
    """Empty start: 1.5 s, all recomputed; free: 4/3 s, one read split. Block 0 again: 2 s, and keeping it costs more."""
    assert simulate(cache(start=False), Scripted()).exact_latency() == Fraction(3, 2)
    chosen = np.array([[True, False, False]])
    split = simulate(cache(start=True), Scripted(initial=chosen), per_step=True)
    assert split.exact_latency() == Fraction(4, 3)
    assert split.per_step["recompute"].tolist() == pytest.approx([2 / 3, 1, 1])
    assert simulate(cache(start=True), Scripted(initial=~chosen & chosen)).exact_latency() == Fraction(3, 2)
    again = cache(start=False, again=True)
    assert simulate(again, Scripted()).exact_latency() == 2
    assert simulate(again, Scripted({0: Moves(store=[(0, ids(0))])})).exact_latency() == 1 + Fraction(1, 2) * 2 + Fraction(1, 3)
    kept_in_vain = {0: Moves(store=[(0, ids(0))]), 1: Moves(drop=[(0, ids(0))])}
    assert simulate(again, Scripted(kept_in_vain)).exact_latency() == 1 + Fraction(1, 2) * 3


def test_births_of_a_cache_need_no_place() -> None:
    """A block produced and stored nowhere costs nothing, and is made anew when it is read."""
    instance = cache(start=False)
    trace = replace(instance.trace, birth=np.array([-1, 0, 0], dtype=np.int32))
    run = simulate(replace(instance, trace=trace), Scripted())
    assert run.exact_latency() == Fraction(3, 2)
    assert run.operation_bytes == {"recompute": 3}


@pytest.mark.parametrize(
    ("instance", "moves", "message"),
    [
        (
            cache(start=False, brings=False),
            Moves(store=[(0, ids(0))]),
            "step 0, block 0: stored to slow, but no tier holds it and nothing that serves it brings it here",
        ),
        (
            cache(start=False, shares=[[1], [2], [2]]),
            Moves(store=[(0, ids(0))]),
            "step 0, block 0: stored to slow, but only a part is read and no tier holds the rest",
        ),
        (cache(start=False), Moves(fetch=[(-1, 0, ids(0))]), "step 0: fetch: found tier -1, expected 0 to 0"),
        (cache(start=False), Moves(drop=[(0, ids(0))]), "step 0, block 0: dropped from slow, where it is not"),
        (
            cache(start=False),
            Moves(store=[(0, ids(1))]),
            "step 0, block 1: stored to slow, but neither read nor produced at this step",
        ),
    ],
)
def test_what_a_cache_refuses(instance: Instance, moves: Moves, message: str) -> None:
    """What lies nowhere can be stored only if all of it is brought here, and copied from nowhere."""
    with pytest.raises(ScheduleError) as caught:
        simulate(instance, Scripted({0: moves}))
    assert str(caught.value) == f"scheduler scripted, {message}"


def test_a_cache_stores_what_is_read_whole_of_partial_traces() -> None:
    """Shares elsewhere do not matter: the second block is read whole, so it may be kept."""
    instance = cache(start=False, shares=[[1], [2], [2]])
    run = simulate(instance, Scripted({1: Moves(store=[(0, ids(1))])}))
    assert run.exact_latency() == Fraction(1, 4) + 1 + Fraction(1, 2)


def test_sources_of_nothing_and_of_free_bytes() -> None:
    """No source for the empty set; where bytes are free the number of calls decides, then the order of the tiers."""
    copy_calls = np.zeros((3, 3, 1), dtype=np.int64)
    copy_calls[0, 2] = 2
    copy_calls[1, 2] = 1
    calls = (np.ones((3, 1), dtype=np.int64), np.ones((3, 1), dtype=np.int64), copy_calls)
    memory = system({"requests": 1}, {"a": 9, "b": 9, "c": 9}, [[0]] * 3, calls=calls)
    sources = cheapest_source(memory)
    assert sources[0].tolist() == [-1, -1, -1]
    assert sources[0b011, 2] == 1
    assert (memory.by_speed, memory.fastest) == ((0, 1, 2), 0)


def _with_row(operations: Operations, load: np.ndarray) -> Operations:
    """The table with one more way to serve what lies in the last tier, that leaves nothing at the processor."""
    last: dict[str, object] = {"source": operations.tiers - 1, "target": -1, "serves": True, "brings": False, "grain": 1}
    columns = {name: np.append(getattr(operations, name), value) for name, value in last.items()}
    rows = {"per_byte": load, "per_call": np.zeros_like(load)}
    columns |= {name: np.concatenate([getattr(operations, name), row[None]]) for name, row in rows.items()}
    columns["applies"] = np.concatenate([operations.applies, [[True, True]]])
    return replace(operations, names=(*operations.names, "another way"), **columns)


@pytest.mark.parametrize("part", range(4))
def test_a_further_operation_never_makes_a_schedule_slower(part: int) -> None:
    """The same moves with one more way to serve take no longer, exactly; where it loads what the read loads, as long."""
    faster = 0
    for seed in range(20 * part, 20 * part + 20):
        instance = any_operations(seed)
        rng, operations = np.random.default_rng(seed), instance.memory.operations
        run = simulate(instance, Wanderer(instance, seed), record=True)
        old = run.exact_latency()
        row = _with_row(operations, rng.integers(0, 2, instance.num_resources))
        more = replace(instance, memory=replace(instance.memory, operations=row))
        new = simulate(more, Replay(run.schedule)).exact_latency()
        assert new <= old, seed
        faster += new < old
        if operations.uniform:
            row = _with_row(operations, instance.memory.read[-1])
            same = replace(instance, memory=replace(instance.memory, operations=row))
            assert simulate(same, Replay(run.schedule)).exact_latency() == old, seed
    assert faster > 3


def test_many_kinds_are_timed_though_their_price_vectors_are_too_many() -> None:
    """Blocks of large, odd sizes with calls: loads beyond what price vectors are enumerated for, the same exact time."""
    rng = np.random.default_rng(1)
    sizes = rng.integers(2**24, 2**25, 12).tolist()
    read = np.array([[1, 0], [0, 1]], dtype=np.int64)
    calls = (np.array([[3, 0], [0, 5]]), np.zeros((2, 2), dtype=np.int64), np.zeros((2, 2, 2), dtype=np.int64))
    memory = system({"a": 300, "b": 100}, {"a": 2**40, "b": 2**40}, read.tolist(), calls=calls)
    trace = make_trace([list(range(12))], [-1] * 12, sizes=sizes)
    instance = make_instance(memory, trace, "free", initial=np.ones((2, 12), dtype=bool))
    run = simulate(instance, Scripted(), record=True)
    assert not run.timer.complete
    assert float(run.exact_latency()) == pytest.approx(run.latency_s, rel=1e-12)
    assert run.step_s == pytest.approx(played(instance, run.schedule), rel=1e-9)
    assert math.isclose(run.read_bytes, sum(sizes))


def test_instances_of_a_cache_need_something_that_serves_what_lies_nowhere() -> None:
    """Without an operation without source the rule is refused before any schedule is."""
    instance = cache(start=False)
    memory = replace(instance.memory, operations=system({"slow": 1, "compute": 2}, {"slow": 1}, [[1, 0]]).operations)
    with pytest.raises(InputError, match="found no operation without a source under the rule cache"):
        replace(instance, memory=memory)
