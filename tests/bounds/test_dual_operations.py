"""The dual with every field of the table of operations, kinds of block and the rule "cache"."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from placement_opt.bounds.ascent import ascend
from placement_opt.bounds.dual import slopes as dual_slopes
from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.dual.evaluate import evaluate, fetch_events, legal
from placement_opt.bounds.dual.price_space import serving_seconds
from placement_opt.bounds.dual.shares import evaluate_shares
from placement_opt.bounds.dual.slopes import slopes
from placement_opt.bounds.dual.tracked import tracked_sets
from placement_opt.bounds.intervals import bound as on_intervals
from placement_opt.bounds.result import Prices
from placement_opt.bounds.sample import SampleAscent
from placement_opt.instance.instance import Instance
from placement_opt.instance.rule import Residency
from placement_opt.memory.operations import Operation, Operations, table
from placement_opt.memory.system import MemorySystem, Tier
from tests.bounds.cases import change, positive_prices, random_prices, scaled, track_few
from tests.brute import num_transitions, optimum
from tests.small import make_instance, make_trace
from tests.twins import cheapest_path, dual_value
from tests.worlds import any_instance, any_operations, with_operations


def tiny(seed: int) -> Instance:
    """One whose optimum is enumerated in a moment."""
    return next(one for one in map(any_operations, range(seed, seed + 10_000, 200)) if num_transitions(one) <= 100_000)


def eager(seed: int) -> Instance:
    """Attending in each tier costs next to nothing, copies are dear, stores cheap, and blocks start in one tier only."""
    instance, rng = any_operations(seed), np.random.default_rng(seed)
    tables, tiers, resources = instance.memory.operations, instance.num_tiers, instance.num_resources
    per_byte = tables.per_byte.copy()
    per_byte[tables.store] //= 2
    per_byte[tables.copies] *= 3
    operations = replace(
        tables,
        names=(*tables.names, *(f"attend {k} as well" for k in range(tiers))),
        source=np.append(tables.source, np.arange(tiers)),
        target=np.append(tables.target, np.full(tiers, -1)),
        serves=np.append(tables.serves, np.ones(tiers, dtype=bool)),
        brings=np.append(tables.brings, np.zeros(tiers, dtype=bool)),
        per_byte=np.vstack([per_byte, np.eye(resources, dtype=np.int64)[rng.integers(resources, size=tiers)]]),
        per_call=np.vstack([tables.per_call, np.zeros((tiers, resources), dtype=np.int64)]),
        grain=np.append(tables.grain, np.ones(tiers, dtype=np.int64)),
        applies=np.vstack([tables.applies, np.ones((tiers, 2), dtype=bool)]),
    )
    instance = replace(instance, memory=replace(instance.memory, operations=operations))
    if instance.forgets:
        return instance
    initial = np.zeros((tiers, instance.num_blocks), dtype=bool)
    initial[instance.home if instance.inclusive else int(rng.integers(tiers))] = instance.first_state == 0
    return replace(instance, initial=initial, capacity=np.maximum(instance.capacity, instance.size.sum()))


def test_the_random_instances_use_everything() -> None:
    """Sets from which one need not bring, the empty set, given starts in no tier, several kinds: each in more than ten."""
    found = np.zeros(4, dtype=int)
    for instance in map(any_operations, range(120)):
        classes = classify(instance)
        empty = instance.forgets and bool(((classes.begin == 0) & (classes.first == 0)).any())
        found += [not instance.loads.brings.all(), instance.forgets, empty, len(set(classes.kind.tolist())) > 1]
    assert (found > 10).all()


@pytest.mark.parametrize("seed", range(60))
def test_values_are_those_of_slow_paths(seed: int) -> None:
    """Class by class and in all; in shares too; to rounding, and never above."""
    instance = any_operations(seed)
    for prices in (random_prices(instance, np.random.default_rng([seed, n])) for n in range(2)):
        dual, classes = evaluate(instance, prices), classify(instance)
        rho, rent = dual.prices.rho, dual.prices.rent
        slow = [cheapest_path(instance, int(block), rho.tolist(), rent.tolist()).cost for block in classes.block]
        np.testing.assert_allclose(dual.paths_s, slow, rtol=1e-12, atol=1e-300)
        value = dual_value(instance, rho, rent)[0]
        assert dual.value_s == pytest.approx(max(0.0, value), rel=1e-9, abs=1e-12)
        assert dual.value_s <= max(0.0, value)
        shared = evaluate_shares(instance, prices)
        assert shared.value_s == pytest.approx(dual.value_s, rel=1e-9, abs=1e-12)
        assert shared.paths_s.tolist() == dual.paths_s.tolist()


def test_it_matters_what_is_brought() -> None:
    """Were blocks that are attended at the processor, values would be lower in many of the eager instances."""
    lower = 0
    for seed in range(60):
        instance = eager(seed)
        prices, tables = positive_prices(instance, np.random.default_rng(seed)), instance.memory.operations
        bringing = replace(tables, brings=tables.brings | tables.serves)
        found = evaluate(replace(instance, memory=replace(instance.memory, operations=bringing)), prices).paths_s.sum()
        paid = evaluate(instance, prices).paths_s.sum()
        assert found <= paid * (1 + 1e-12)
        lower += found < paid * (1 - 1e-6)
    assert lower > 7


@pytest.mark.parametrize("seed", range(40))
def test_what_is_attended_is_copied_or_read_to_be_stored(seed: int) -> None:
    """Values and slopes of eager instances are those of slow paths."""
    instance = eager(seed)
    prices = positive_prices(instance, np.random.default_rng(seed))
    found, (value, load, room) = slopes(instance, prices), dual_value(instance, prices.rho, prices.rent)
    assert evaluate(instance, prices).value_s == pytest.approx(max(0.0, value), rel=1e-9, abs=1e-12)
    assert found.value_s == pytest.approx(value, rel=1e-9, abs=1e-12)
    np.testing.assert_allclose(found.rho, load, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.rent, room, rtol=1e-9, atol=1e-9)
    classes, legally = classify(instance), legal(instance, prices)
    for g, t in zip(*fetch_events(instance, legally, classes), strict=True):
        assert t not in classes.step[classes.start[g] : classes.start[g + 1]]


#: Seed -> (value, softened value) of plain tables, as they were before there were any others.
RECORDED = {
    1: (0.0022395257217881757, 0.0004226485654391099),
    8: (0.3371394134956748, 0.3369760684240625),
    20: (0.25368066944028494, 0.25314411342691706),
    33: (0.2606754082033608, 0.25819050155342826),
    37: (0.04938534109015048, 0.03680296406843564),
}


@pytest.mark.parametrize("seed", RECORDED)
def test_plain_tables_give_what_they_gave(seed: int) -> None:
    """To the rounding of a product of matrices, which another machine may add up in another order."""
    instance = any_instance(seed)
    assert instance.memory.operations.plain
    prices = random_prices(instance, np.random.default_rng(seed))
    value, softened = RECORDED[seed]
    assert evaluate(instance, prices).value_s == pytest.approx(value, rel=1e-13)
    assert slopes(instance, prices, soft=1e-3).value_s == pytest.approx(softened, rel=1e-12)


@pytest.mark.parametrize("seed", range(50))
def test_never_above_the_optimum(seed: int) -> None:
    """Ten price vectors each, against the optimum by enumeration."""
    instance, rng = tiny(seed), np.random.default_rng(seed)
    best = optimum(instance).seconds
    for _ in range(10):
        assert evaluate(instance, random_prices(instance, rng)).value_s <= best * (1 + 1e-9) + 1e-300


@pytest.mark.parametrize("seed", range(50))
def test_slopes_are_those_of_slow_paths(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loads and bytes held of walks over every step, block by block, with either table of idle stretches."""
    monkeypatch.setattr(dual_slopes, "wide_table", lambda *_: seed % 2 == 0)
    instance = any_operations(seed)
    prices = positive_prices(instance, np.random.default_rng(seed))
    found, (value, load, room) = slopes(instance, prices), dual_value(instance, prices.rho, prices.rent)
    assert found.value_s == pytest.approx(value, rel=1e-9, abs=1e-12)
    np.testing.assert_allclose(found.rho, load, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.rent, room, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(30))
def test_slopes_lie_above_everywhere(seed: int) -> None:
    """D(p') <= D(p) + slope (p' - p), at prices with many zeros, that is at kinks."""
    instance, rng = any_operations(seed), np.random.default_rng(seed)
    points = [slopes(instance, random_prices(instance, rng)) for _ in range(4)]
    for here, there in itertools.permutations(points, 2):
        size = 1e-9 * (1.0 + abs(here.value_s) + abs(there.value_s))
        assert there.value_s <= here.value_s + change(here, there.prices) + size


@pytest.mark.parametrize("seed", range(30))
def test_softened_values_lie_below_and_have_their_slope(seed: int) -> None:
    """The less the finer, and differences of values are what the gradient says."""
    instance, rng = any_operations(seed), np.random.default_rng(seed)
    soft = 10.0 ** -(2 + seed % 3)
    prices = positive_prices(instance, rng)
    prices = Prices(prices.rho * 0.5, prices.rent)
    sharp, softened = slopes(instance, prices), slopes(instance, prices, soft=soft)
    assert softened.value_s <= slopes(instance, prices, soft=soft / 10).value_s + 1e-9 * (1 + abs(sharp.value_s))
    assert softened.value_s <= sharp.value_s + 1e-9 * (1 + abs(sharp.value_s))
    way = 1e-5 * soft
    rho, rent = rng.random(prices.rho.shape) * way, rng.random(prices.rent.shape) * way
    up = slopes(instance, Prices(prices.rho + rho, prices.rent + rent), soft=soft)
    down = slopes(instance, Prices(prices.rho - rho, prices.rent - rent), soft=soft)
    expected = change(softened, up.prices) - change(softened, down.prices)
    scale = float(np.abs(softened.rho).sum() + np.abs(softened.rent).sum()) * way
    assert up.value_s - down.value_s == pytest.approx(expected, abs=1e-3 * scale + 1e-12 * abs(sharp.value_s))


@pytest.mark.parametrize("seed", range(30))
def test_a_new_operation_never_raises_the_value(seed: int) -> None:
    """Another way from a tier, one without a source, one that attends: at any prices the value stays or falls."""
    instance, rng = any_operations(seed), np.random.default_rng(seed)
    prices, tables = random_prices(instance, rng), instance.memory.operations
    before = evaluate(instance, prices).value_s
    for source, brings in ((None, True), (0, False), (instance.num_tiers - 1, True)):
        row = rng.integers(0, 3, instance.num_resources)
        more = replace(
            tables,
            names=(*tables.names, "another"),
            source=np.append(tables.source, -1 if source is None else source),
            target=np.append(tables.target, -1),
            serves=np.append(tables.serves, True),
            brings=np.append(tables.brings, brings),
            per_byte=np.vstack([tables.per_byte, row]),
            per_call=np.vstack([tables.per_call, np.zeros_like(row)]),
            grain=np.append(tables.grain, 1),
            applies=np.vstack([tables.applies, [[True, True]]]),
        )
        wider = replace(instance, memory=replace(instance.memory, operations=more))
        assert evaluate(wider, prices).value_s <= before * (1 + 1e-12)


@pytest.mark.parametrize("seed", range(30))
def test_grains_that_round_nothing_change_nothing(seed: int) -> None:
    """Sizes that are multiples of the grain: counted per block, kind by kind, what is counted per byte without it."""
    instance = any_instance(seed)
    if instance.share_base > 1:
        instance = any_instance(seed + 1000)
    if instance.share_base > 1:
        instance = replace(instance, trace=replace(instance.trace, shares=None, share_base=1))
    instance, tiers = scaled(instance, 4), instance.num_tiers
    grains = tuple(np.full(shape, 4, dtype=np.int64) for shape in (tiers, tiers, (tiers, tiers)))
    paged = replace(instance, memory=with_operations(instance.memory, grains=grains))
    assert not paged.memory.operations.uniform
    prices = positive_prices(instance, np.random.default_rng(seed))
    assert evaluate(paged, prices).value_s == pytest.approx(evaluate(instance, prices).value_s, rel=1e-12)
    for soft in (0.0, 1e-3):
        one, other = slopes(instance, prices, soft=soft), slopes(paged, prices, soft=soft)
        assert other.value_s == pytest.approx(one.value_s, rel=1e-9)
        np.testing.assert_allclose(other.rho, one.rho, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(other.rent, one.rent, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("sets", [1, 2, 4])
@pytest.mark.parametrize("seed", range(20))
def test_few_tracked_tiers_prove_less(monkeypatch: pytest.MonkeyPatch, seed: int, sets: int) -> None:
    """Whatever serves, and where a block may lie nowhere: no more than with all tiers, nor than the optimum."""
    instance, rng = tiny(seed), np.random.default_rng(seed)
    prices = [random_prices(instance, rng) for _ in range(3)]
    whole = [evaluate(instance, each).value_s for each in prices]
    best = optimum(instance).seconds
    track_few(monkeypatch, sets)
    for each, value in zip(prices, whole, strict=True):
        less = evaluate(instance, each).value_s
        assert less <= min(value * (1 + 1e-12), best * (1 + 1e-9)) + 1e-300
        assert max(0.0, slopes(instance, each).value_s) == pytest.approx(less, rel=1e-9, abs=1e-12)
    points = [slopes(instance, each, soft=soft) for each in prices for soft in (0.0,)]
    for here, there in itertools.permutations(points, 2):
        size = 1e-9 * (1.0 + abs(here.value_s) + abs(there.value_s))
        assert there.value_s <= here.value_s + change(here, there.prices) + size


def test_which_sets_a_cache_tracks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The empty set is one; where a tier is not tracked, blocks lie there in its stead, and are born there for nothing."""
    instance = next(one for one in map(any_operations, range(100)) if one.forgets and one.num_tiers == 3)
    assert tracked_sets(instance).masks.tolist() == list(range(8))
    track_few(monkeypatch, 4)
    found = tracked_sets(instance)
    assert len(found.masks) == 4
    assert found.always.bit_count() == 1
    assert found.masks[found.nowhere].tolist() == [found.always]
    assert found.begin(np.array([0, -1])).tolist() == [found.always, -1]


@pytest.mark.parametrize("seed", range(40))
def test_fetched_ahead_where_nothing_is_read(seed: int) -> None:
    """Copies found lie in a block's life, at steps that do not read it."""
    instance = any_operations(seed)
    classes, prices = classify(instance), legal(instance, random_prices(instance, np.random.default_rng(seed)))
    for g, t in zip(*fetch_events(instance, prices, classes), strict=True):
        assert t not in classes.step[classes.start[g] : classes.start[g + 1]]
        assert classes.first[g] <= t < classes.last[g]


@pytest.mark.parametrize("seed", range(6))
def test_searches_for_prices_improve_and_stay_below(seed: int) -> None:
    """Ascents from any prices, from a sample, and prices on few intervals."""
    instance, rng = tiny(seed), np.random.default_rng(seed)
    best, start = optimum(instance).seconds * (1 + 1e-9) + 1e-300, random_prices(instance, rng)
    before = evaluate(instance, start)
    climbed = ascend(instance, start)
    assert before.value_s <= climbed.value_s == evaluate(instance, climbed.prices).value_s <= best
    part = SampleAscent(instance, before, lambda prices: evaluate(instance, prices), share=0.4)
    part.run()
    assert before.value_s <= part.best.value_s <= best
    found = on_intervals(instance)
    assert found.lower_bound_s is not None
    assert found.lower_bound_s <= best
    assert climbed.value_s >= 0.9 * found.lower_bound_s


def test_merged_blocks_of_a_cache() -> None:
    """Given in no tier is another beginning than produced, and than free; of two sizes are two kinds where calls count."""
    row = ints([1, 0])
    calls = (ints([0, 1]), ints([0, 1]), np.zeros((1, 1, 2), dtype=np.int64))
    again = Operation("recompute", None, (0, 1), brings=True)
    operations = table(["slow"], row, row, np.zeros((1, 1, 2), dtype=np.int64), [again], calls=calls)
    trace = make_trace([[0, 1, 2], [0, 1, 2, 3]], [-1, -1, -1, 0, 0], sizes=[1, 1, 2, 1, 1])
    instance = make_instance(
        system([1, 2], [4], operations), trace, "cache", initial=np.array([[False, False, False, False, False]])
    )
    classes = classify(instance)
    assert classes.of.tolist() == [0, 0, 1, 2, 3]
    assert classes.begin.tolist() == [0, 0, 0, 0]
    assert classes.first.tolist() == [0, 0, 1, 1]
    assert classes.kind.tolist() == [0, 1, 0, 0]
    assert classes.amount.tolist() == [1, 1, 1, 1]
    free = classify(replace(instance, initial=None))
    assert free.begin.tolist() == [-1, -1, 0, 0]


# ---- numbers of the page ---------------------------------------------------------------------------------------------


def ints(*rows: object) -> np.ndarray:
    return np.array(rows, dtype=np.int64)


def system(rates: Sequence[int], capacity: Sequence[int], operations: Operations) -> MemorySystem:
    """Tiers that are what the table says they are."""
    tiers = tuple(Tier(f"tier{k}", room, "gpu", 1, 1, True) for k, room in enumerate(capacity))
    return MemorySystem(
        "by hand", "gpu", tiers, (), tuple(f"r{n}" for n in range(len(rates))), np.array(rates, dtype=np.int64), operations, {}
    )


def flash(size: int, count: int, *, attends: bool = True, dram: bool = False, grain: int = 1) -> Instance:
    """An array of 10 B/s behind a channel of 1 B/s, which counts sixteenths; DRAM of 4 B/s where asked for; one step."""
    rates, read = [10, 16], [[1, 16]]
    if dram:
        rates, read = [10, 16, 4], [[1, 16, 0], [0, 0, 1]]
    tiers, row = len(read), ints(*read)
    copy = row[:, None] + row[None, :]
    copy[np.arange(tiers), np.arange(tiers)] = 0
    grains = (ints(*[grain] * tiers), ints(*[grain] * tiers), np.full((tiers, tiers), grain, dtype=np.int64))
    attend = [Operation("attend flash", 0, (1, 1, 0)[: len(rates)], grain=grain)] if attends else []
    operations = table([f"tier{k}" for k in range(tiers)], row, row, copy, attend, grains=grains)
    trace = make_trace([list(range(count))], [-1] * count, sizes=[size] * count)
    start = np.ones((tiers, count), dtype=bool)
    return make_instance(system(rates, [size * count] * tiers, operations), trace, "free", initial=start)


def proven(instance: Instance, *rho: Sequence[float]) -> float:
    """Seconds at these resource prices, one row a step, and no rent."""
    return evaluate(instance, Prices(np.array(rho), np.zeros((instance.num_steps + 1, instance.num_tiers)))).value_s


def test_attending_and_reading_in_flash() -> None:
    """160 B: 16 s in the array, 160 s over the channel without attending; beside DRAM 160/14 s; in pages of 16 B 25.6 s."""
    assert proven(flash(16, 10), [1 / 10, 0]) == pytest.approx(16.0, rel=1e-12)
    assert proven(flash(16, 10, attends=False), [0, 1 / 16]) == pytest.approx(160.0, rel=1e-12)
    assert proven(flash(16, 10, dram=True), [1 / 14, 0, 1 / 14]) == pytest.approx(160 / 14, rel=1e-12)
    assert proven(flash(20, 8), [1 / 10, 0]) == pytest.approx(16.0, rel=1e-12)
    assert proven(flash(20, 8, grain=16), [1 / 10, 0]) == pytest.approx(25.6, rel=1e-12)


def test_calls() -> None:
    """Eight blocks of any sizes, one request each, 100 requests a second: 0.08 s."""
    row, none = ints([1, 0]), np.zeros((1, 1, 2), dtype=np.int64)
    operations = table(["disk"], row, row, none, calls=(ints([0, 1]), ints([0, 1]), none))
    trace = make_trace([list(range(8))], [-1] * 8, sizes=[1, 10, 100, 1000] * 2)
    assert proven(make_instance(system([10**9, 100], [10**4], operations), trace), [0, 1 / 100]) == pytest.approx(0.08)


@pytest.mark.parametrize(("copy", "best"), [(2, 1 + 2), (3, 1 + 3), (6, 4 + 1), (100, 4 + 1)])
def test_what_was_attended_costs_a_copy(copy: int, best: int) -> None:
    """Attending takes 1 s, reading 4 s, storing 1 s, and from DRAM all is free: attended and copied, or read and stored."""
    copies = ints([[0], [copy]], [[1], [0]])
    operations = table(["flash", "dram"], ints([4], [0]), ints([1], [1]), copies, [Operation("attend flash", 0, (1,))])
    trace = make_trace([[0]] * 8, [-1])
    instance = make_instance(system([1], [1, 1], operations), trace, "free", initial=np.array([[True], [False]]))
    assert proven(instance, *[[1.0]] * 8) == pytest.approx(best, rel=1e-12)
    assert optimum(instance).seconds == pytest.approx(best, rel=1e-9)


def cached(reads: Sequence[Sequence[int]], initial: np.ndarray | None) -> Instance:
    """A slow tier of 1 B/s with room for one block of 1 B, recomputing 2 B/s, resources of their own."""
    row, none = ints([1, 0]), np.zeros((1, 1, 2), dtype=np.int64)
    operations = table(["slow"], row, row, none, [Operation("recompute", None, (0, 1), brings=True)])
    rule: Residency = "cache"
    return make_instance(system([1, 2], [1], operations), make_trace(reads, [-1] * 3), rule, initial=initial)


def test_a_cache() -> None:
    """Empty, three blocks read once each: 1.5 s; block 0 once more: 11/6 s, below the 2 s of whole blocks.

    From a free start the relaxation has a third of each block lie there: no prices prove the 4/3 s of whole blocks.
    """
    empty = np.zeros((1, 3), dtype=bool)
    assert proven(cached([[0], [1], [2]], empty), *[[0, 1 / 2]] * 3) == pytest.approx(1.5, rel=1e-12)
    again = cached([[0], [1], [2], [0]], empty)
    assert proven(again, *[[0, 1 / 2]] * 3, [1 / 3, 1 / 3]) == pytest.approx(11 / 6, rel=1e-12)
    assert optimum(again).seconds == pytest.approx(2.0, rel=1e-9)
    free = cached([[0], [1], [2]], None)
    assert proven(free, *[[1 / 3, 1 / 3]] * 3) == pytest.approx(1.0, rel=1e-12)
    assert optimum(free).seconds == pytest.approx(4 / 3, rel=1e-9)


def test_what_serves_fastest_is_the_measure() -> None:
    """Seconds per byte by which rents are measured: the best way from each tier, or without a source."""
    assert serving_seconds(flash(16, 10)).tolist() == pytest.approx([1 / 10])
    assert serving_seconds(flash(16, 10, attends=False)).tolist() == pytest.approx([1.0])
    assert serving_seconds(flash(20, 8, grain=16)).tolist() == pytest.approx([32 / 20 / 10])
    assert serving_seconds(cached([[0], [1], [2]], None)).tolist() == pytest.approx([1.0, 0.5])
