"""The compact LP: never above the optimum, at the exact LP's value once refined, and honest about its objective."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.base.highs import solve
from placement_opt.base.limits import Limits
from placement_opt.bounds import compact, lp, milp
from placement_opt.bounds.columns.kinds import LEVELS, cut_intervals, label_reads, merge_rows
from placement_opt.bounds.columns.pricing import more_ways
from placement_opt.bounds.columns.program import CompactProgram
from placement_opt.bounds.columns.ways import Frame, Ways, simple_ways
from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.dual.evaluate import DualValue, evaluate
from placement_opt.bounds.result import Status
from placement_opt.instance.instance import Instance
from placement_opt.instance.rule import KEEPING
from tests.small import chain, fetch_ahead, make_instance, make_trace, random_instance
from tests.worlds import drifting, swapping

PROFILE = settings(derandomize=True, deadline=None, max_examples=40)


def some_instance(seed: int, tiers: int, residency: str, most_blocks: int = 5, most_steps: int = 7) -> Instance:
    """Births always; unequal sizes, shares, deaths and given starts by turns."""
    rng = np.random.default_rng(seed)
    return random_instance(
        rng,
        tiers,
        residency,  # type: ignore[arg-type]
        blocks=int(rng.integers(1, most_blocks + 1)),
        steps=int(rng.integers(2, most_steps + 1)),
        max_size=1 + seed % 3,
        shares=seed % 5 == 0,
        deaths=seed % 3 == 0,
        given=seed % 7 == 0,
    )


def proven(instance: Instance, levels: Sequence[str] = LEVELS) -> float:
    """The fully refined bound in seconds."""
    found = compact.relax(instance, levels=levels).bound.lower_bound_s
    assert found is not None
    return found


def first_program(instance: Instance) -> CompactProgram:
    """The sums-only program before anything is priced in."""
    frame = Frame(instance)
    intervals = cut_intervals(instance, classify(instance))
    nothing = np.zeros(0, dtype=np.int64)
    return CompactProgram(frame, intervals, simple_ways(frame, intervals), nothing, moves=False)


# ---- values --------------------------------------------------------------------------------------------------------


def test_section_7_prices_fetch_back_in() -> None:
    """Its first objective would be 26 % above a schedule that exists; what is published is the exact LP's 0.0496471 s."""
    result = compact.bound(fetch_ahead())
    assert result.lower_bound_s == pytest.approx(0.0496471, abs=5e-8)
    assert result.details["fetched"] > 0


def test_objective_without_fetch_back_is_no_bound() -> None:
    """The program's first value on that trace is 0.0630385 s, above the optimum 0.0499256 s: the reason for the dual."""
    program = first_program(fetch_ahead())
    assert solve(program.build()).objective * program.frame.time_unit == pytest.approx(0.0630385, abs=5e-8)


def test_ways_priced_in_are_the_cheapest_by_hand() -> None:
    """On that trace blocks 10-19 lie in the slow tier and are copied in one of the idle steps 1-20; nothing else pays."""
    program = first_program(fetch_ahead())
    found = more_ways(program, solve(program.build()).row_dual, 1e-9)
    kinds = program.intervals
    assert len(found) > 0
    for way in range(len(found)):
        legs = slice(found.start[way], found.start[way + 1])
        assert kinds.closes[found.kind[way]] == 21
        assert program.frame.masks[found.held[legs]].tolist() == [0b10, 0b11]
        assert 1 <= found.closes[legs][0] <= 20
        assert found.opens[legs][1] == found.closes[legs][0] + 1


@pytest.mark.parametrize("tiers", [1, 2, 3, 4])
@pytest.mark.parametrize("residency", KEEPING)
def test_reaches_the_exact_lp(tiers: int, residency: str) -> None:
    """Sixty random settings of up to eight blocks: at least 0.999 of the exact LP; where many tiers meet partial reads, 0.99.

    There copies have a source that the groups of reads do not know: the rest is left to raising the prices.
    """
    for seed in range(5):
        instance = some_instance(1000 * tiers + 7 * seed, tiers, residency, most_blocks=8, most_steps=10)
        exact = lp.bound(instance).lower_bound_s
        assert exact is not None
        partial = instance.trace.shares is not None and tiers > 2
        assert proven(instance) >= (0.99 if partial else 0.999) * exact, seed


@PROFILE
@given(st.integers(0, 10**6), st.integers(1, 4), st.sampled_from(KEEPING))
def test_never_above_the_optimum(seed: int, tiers: int, residency: str) -> None:
    """All rules, sizes, shares, deaths and given starts of up to four tiers; with two, whole reads: not above the LP."""
    instance = some_instance(seed, tiers, residency, most_blocks=4, most_steps=5)
    found = proven(instance)
    optimum = milp.bound(instance).value_s
    assert optimum is not None
    assert found <= optimum * (1 + 1e-9) + 1e-300
    if tiers <= 2 and seed % 5:
        relaxed = lp.bound(instance).value_s
        assert relaxed is not None
        assert found <= relaxed * (1 + 1e-9) + 1e-300


@pytest.mark.parametrize("residency", KEEPING)
@pytest.mark.parametrize("seed", range(2))
def test_swapping_read_sets(seed: int, residency: str) -> None:
    """The sums-only program loses at most a quarter of the exact LP, refined nothing."""
    instance = swapping(seed, residency)
    exact = lp.bound(instance).lower_bound_s
    assert exact is not None
    assert 0.75 * exact <= proven(instance, LEVELS[:1]) <= exact * (1 + 1e-9)
    assert 0.9995 * exact <= proven(instance) <= exact * (1 + 1e-9)


# ---- laws ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("residency", "loss"), [("inclusive", 0.005), ("exclusive", 0.1), ("free", 0.005)])
def test_each_refinement_can_only_raise_the_bound(residency: str, loss: float) -> None:
    """Drifting, 1,256 reads: no level proves less than the one before, the first loses at most so much of the exact
    LP, the last nothing; every call of ``improved`` brings prices that prove more than those before."""
    instance = replace(drifting(1, 40, prefill=60), residency=residency)  # type: ignore[arg-type]
    calls: list[float] = []

    def note(dual: DualValue) -> None:
        assert evaluate(instance, dual.prices).value_s == pytest.approx(dual.value_s, rel=1e-12)
        calls.append(dual.value_s)

    result = compact.relax(instance, improved=note).bound
    assert calls == sorted(set(calls))
    assert result.lower_bound_s == calls[-1]
    values = [proven(instance, LEVELS[:n]) for n in (1, 2, 3)] + [calls[-1]]
    assert values == sorted(values)
    exact = lp.bound(instance).lower_bound_s
    assert exact is not None
    assert (1 - loss) * exact <= values[0] < 0.999 * exact
    assert values[-1] == pytest.approx(exact, rel=1e-5)


def test_refining_ends_at_the_gap() -> None:
    """A gap of everything ends with the sums-only program, no gap with none of the finer levels left out."""
    instance = drifting(1, 40, prefill=60)
    reached = [compact.relax(instance, gap=gap).bound.details["told apart by"] for gap in (1.0, 0.004, 0.0)]
    assert reached[0] == LEVELS[0]
    assert LEVELS.index(reached[1]) < LEVELS.index(reached[2])
    values = [compact.relax(instance, gap=gap).bound.lower_bound_s for gap in (1.0, 0.004, 0.0)]
    assert values == sorted(values)  # type: ignore[type-var]


def test_the_placement_is_timed_from_above() -> None:
    """The program's placement with every promotion paid for takes at least the exact LP, and at the last level exactly that."""
    instance = drifting(1, 40, prefill=60)
    exact = lp.bound(instance).lower_bound_s
    assert exact is not None
    coarse, fine = (compact.relax(instance, levels=LEVELS[:n]).bound.details["placed_s"] for n in (1, 5))
    assert coarse > exact * 1.001
    assert fine == pytest.approx(exact, rel=1e-5)


@PROFILE
@given(st.integers(0, 10**6), st.integers(1, 4), st.sampled_from(KEEPING), st.integers(1, len(LEVELS)))
def test_no_prices_prove_more_than_the_placement(seed: int, tiers: int, residency: str, levels: int) -> None:
    """Whichever level it is from, the share counted by which kinds may go ways too often."""
    instance = some_instance(seed, tiers, residency)
    placed = compact.placed_s(compact.relax(instance, levels=LEVELS[:levels]).bound)
    exact = lp.bound(instance).lower_bound_s
    assert exact is not None
    assert placed >= exact * (1.0 - 1e-9) - 1e-300


@PROFILE
@given(st.integers(0, 10**6), st.sampled_from(KEEPING))
def test_laws_of_scale_and_names(seed: int, residency: str) -> None:
    """Blocks named otherwise, all bytes and rates times seven: the same seconds. All rates times two: half of them."""
    instance = some_instance(seed, 2 + seed % 2, residency)
    value = proven(instance)
    order = np.random.default_rng(seed).permutation(instance.num_blocks)
    trace = instance.trace
    rows = [np.sort(order[trace.reads(t)]) for t in range(trace.num_steps)]
    if trace.shares is None:
        back = np.argsort(order)
        named = make_trace([r.tolist() for r in rows], trace.birth[back].tolist(), trace.death[back].tolist())
        other = replace(
            instance,
            trace=named,
            size=instance.size[back],
            initial=None if instance.initial is None else instance.initial[:, back],
        )
        assert proven(other) == pytest.approx(value, rel=1e-6)
    memory = instance.memory
    larger = replace(
        instance,
        memory=replace(memory, rates=memory.rates * 7),
        size=instance.size * 7,
        fixed=instance.fixed * 7,
        capacity=instance.capacity * 7,
    )
    assert proven(larger) == pytest.approx(value, rel=1e-6)
    faster = replace(instance, memory=replace(memory, rates=memory.rates * 2))
    assert proven(faster) == pytest.approx(value / 2, rel=1e-6)


@PROFILE
@given(st.integers(0, 10**6), st.sampled_from(KEEPING))
def test_more_room_never_proves_more(seed: int, residency: str) -> None:
    """Every tier larger by half: no schedule becomes impossible, and the refined bound of two tiers does not rise."""
    instance = some_instance(seed, 2, residency)
    roomy = replace(instance, capacity=instance.capacity + instance.capacity // 2)
    assert proven(roomy) <= proven(instance) * (1 + 1e-6)


# ---- kinds and programs --------------------------------------------------------------------------------------------


def test_equal_intervals_are_one_column() -> None:
    """Thirty blocks with the same two reads give one interval to the first read, one to the second, one trailing."""
    instance = make_instance(chain([10, 100], [9, 5], [4]), make_trace([list(range(30)), [], list(range(30))], [-1] * 30))
    intervals = cut_intervals(instance, classify(instance))
    assert intervals.count.tolist() == [30, 30, 30]
    assert intervals.closes.tolist() == [0, 2, 3]


def test_labels_tell_reads_apart() -> None:
    """Block 0 is read at 0, 1, 2; block 1 at 0, 1 and 4: they part by what comes, one level after the other."""
    instance = make_instance(chain([1, 9], [9, 5], [4]), make_trace([[0, 1], [0, 1], [0], [], [1]], [-1, -1]))
    classes = classify(instance)
    read = {level: label_reads(instance, classes, level).tolist() for level in LEVELS}
    assert read["one"] == [0] * 6
    assert read["end of the run"] == [2, 1, 0, 1, 0, 0]
    assert read["nearness of the end"] == [2, 1, 0, 1, 0, 0]
    assert read["end and return"] == [20, 13, 6, 11, 4, 6]
    assert read["class"] == [0, 0, 0, 1, 1, 1]
    kinds = [len(cut_intervals(instance, classes, label_reads(instance, classes, level))) for level in LEVELS]
    assert kinds == sorted(kinds)


@PROFILE
@given(st.integers(0, 10**6))
def test_rows_are_merged_like_numpy_does(seed: int) -> None:
    """Packed keys, huge ranges included, group rows exactly as ``numpy.unique`` over whole rows."""
    rng = np.random.default_rng(seed)
    columns = [rng.integers(0, 3, 40) * int(rng.choice([1, 2**40, 2**59])) for _ in range(6)]
    first, of = merge_rows(columns)
    _, expected_first, expected = np.unique(np.stack(columns, axis=1), axis=0, return_index=True, return_inverse=True)
    assert first.tolist() == expected_first.tolist()
    assert of.tolist() == expected.reshape(-1).tolist()


def test_a_given_start_limits_what_can_be_kept() -> None:
    """A block that does not start in the fast tier cannot be kept there before its first read; the one that does can."""
    instance = make_instance(chain([10, 100], [9, 5], [4]), make_trace([[], [0, 1, 2]], [-1] * 3))
    started = replace(instance, initial=np.array([[True, False, False], [True, True, True]]))
    program = first_program(started)
    kinds, ways = program.intervals, program.ways
    early = kinds.closes[ways.kind] == 1
    assert kinds.count[ways.kind[early]].tolist() == [1]


def test_a_given_start_may_be_left_at_once() -> None:
    """Exclusive, two full tiers that start the wrong way round: the program offers to move before the first read."""
    instance = make_instance(chain([2, 2], [9, 5], [4]), make_trace([[], [0, 1]], [-1] * 3), "exclusive")
    started = replace(instance, initial=np.array([[False, False, True], [True, True, False]]))
    ways = first_program(started).ways
    moving = np.diff(ways.start) == 2
    assert moving.any()
    assert (ways.closes[ways.start[:-1]][moving] == 0).all()


def test_ways_join() -> None:
    """Legs keep their ways when two lists become one."""
    one = Ways(np.array([4]), np.array([0, 2]), np.array([1, 2]), np.array([0, 3]), np.array([2, 5]))
    joined = one.joined(one)
    assert joined.start.tolist() == [0, 2, 4]
    assert joined.owner.tolist() == [0, 0, 1, 1]


def test_resources_that_never_bind_are_left_out() -> None:
    """A link as fast as the tier behind it is never the busier of the two; a slower one is never the idler."""
    fast_link = make_instance(chain([1, 9], [9, 5], [5]), make_trace([[0]], [-1]))
    slow_link = make_instance(chain([1, 9], [9, 5], [4]), make_trace([[0]], [-1]))
    assert Frame(fast_link).binding.tolist() == [0, 1]
    assert Frame(slow_link).binding.tolist() == [0, 2]


# ---- limits --------------------------------------------------------------------------------------------------------


def test_an_expired_limit_falls_back_to_the_per_step_bound() -> None:
    """Without time for the program, the per-step prices still prove the roofline, and the status says what happened."""
    result = compact.bound(fetch_ahead(), limits=Limits(0.0))
    assert result.status is Status.LIMIT
    assert result.lower_bound_s == pytest.approx(0.0482930, abs=5e-8)
    assert "per-step bound" in result.note


def test_a_stop_between_programs_keeps_what_is_proven() -> None:
    """A stop request at the first improvement ends the work; the prices then in hand are what is published."""
    limits = Limits()
    values: list[float] = []

    def stop(dual: DualValue) -> None:
        values.append(dual.value_s)
        limits.interrupt()

    result = compact.relax(swapping(0), limits=limits, improved=stop).bound
    assert result.status is Status.INTERRUPTED
    assert result.lower_bound_s is not None
    assert result.lower_bound_s >= values[-1]
    assert len(values) == 1
