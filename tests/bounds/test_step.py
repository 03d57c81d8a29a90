"""Each step's own optimum: the LP and MILP of every step written by another hand, the ladder, section 7, and trouble."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.base.highs import Ended, LinearProgram, Solution, SolverError, solve
from placement_opt.base.limits import Limits
from placement_opt.bounds import roofline, step
from placement_opt.bounds.dual.evaluate import evaluate, legal
from placement_opt.bounds.programs.step_data import prove, read_steps
from placement_opt.bounds.result import Status
from placement_opt.instance.instance import Instance
from tests.bounds.cases import draw, random_prices, relabelled, scaled, tight
from tests.bounds.per_block import step_value
from tests.brute import optimum
from tests.small import chain, fetch_ahead, make_instance, make_trace, two_tier

PROFILE = settings(derandomize=True, deadline=None, max_examples=40)
SEEDS = st.integers(0, 10**6)


def value(instance: Instance, **options: Any) -> float:
    found = step.bound(instance, **options).lower_bound_s
    assert found is not None
    return found


def three_tiers(steps: int = 3) -> Instance:
    """Three tiers, room for two blocks of six in the first and for three in the second; every step's fixed load differs."""
    fixed = np.zeros((steps, 5), dtype=np.int64)
    fixed[:, 0] = 7 * np.arange(steps)
    trace = make_trace([[0, 1, 2, 3, 4, 5]] * steps, [-1] * 6, sizes=[10])
    return make_instance(chain([25, 35, 200], [50, 20, 9], [15, 6]), trace, fixed=fixed)


@PROFILE
@given(SEEDS)
def test_equals_the_lp_of_each_step(seed: int) -> None:
    """Step by step the bound is the LP over single blocks: one to four tiers, all rules, sizes, shares, tight home tiers."""
    instance = tight(draw(seed, tiers=2 if seed % 2 else None), np.random.default_rng(seed))
    bound = step.bound(instance)
    expected = [step_value(instance, t) for t in range(instance.num_steps)]
    assert bound.step_s is not None
    assert bound.step_s == pytest.approx(expected, rel=1e-8, abs=1e-12)
    assert bound.status is Status.OPTIMAL
    assert bound.value_s == pytest.approx(sum(expected), rel=1e-8, abs=1e-12)


@PROFILE
@given(SEEDS)
def test_equals_the_milp_of_each_step(seed: int) -> None:
    """With whole blocks, step by step, it is the MILP over single blocks: classes and patterns lose nothing."""
    instance = tight(draw(seed, shares=seed % 3 == 0), np.random.default_rng(seed))
    bound = step.bound(instance, integer=True)
    expected = [step_value(instance, t, whole=True) for t in range(instance.num_steps)]
    assert bound.step_s is not None
    assert bound.step_s == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert bound.status is Status.OPTIMAL


@PROFILE
@given(SEEDS)
def test_the_ladder(seed: int) -> None:
    """roofline <= step <= step with whole blocks <= optimum, and step <= dual of the horizon at its prices <= optimum."""
    instance = draw(seed, tiers=1 + seed % 3, blocks=3)
    best = optimum(instance).seconds * (1 + 1e-12)
    linear, whole = step.bound(instance), step.bound(instance, integer=True)
    assert linear.prices is not None
    assert whole.prices is not None
    lowest = roofline.bound(instance).lower_bound_s
    assert lowest is not None
    assert linear.lower_bound_s is not None
    assert whole.lower_bound_s is not None
    assert lowest <= linear.lower_bound_s <= whole.lower_bound_s * (1 + 1e-12)
    assert whole.lower_bound_s <= best
    assert linear.lower_bound_s * (1 - 1e-12) <= evaluate(instance, linear.prices).value_s <= best
    assert evaluate(instance, whole.prices).value_s <= best


@PROFILE
@given(SEEDS)
def test_any_prices_prove_less_than_the_optimum(seed: int) -> None:
    """Weak duality: at random legal prices no step is charged more than its LP."""
    rng = np.random.default_rng(seed)
    instance = draw(seed)
    prices = legal(instance, random_prices(instance, rng))
    proven = prove(read_steps(instance), prices)
    for t in range(instance.num_steps):
        assert proven[t] <= step_value(instance, t) * (1 + 1e-8) + 1e-12


@pytest.mark.parametrize(("room", "seconds"), [(100, 100 / 5350), (0, 100 / 450), (40, 60 / 450)])
def test_section_7_one_step(room: int, seconds: float) -> None:
    """n/5350 with room for all in hbm, n/450 with none, and the link's share of what does not fit in between."""
    instance = make_instance(two_tier(hbm=room), make_trace([list(range(100))], [-1] * 100))
    assert value(instance) == pytest.approx(seconds, rel=1e-12)
    assert value(instance, integer=True) == pytest.approx(seconds, rel=1e-12)


def test_section_7_fetch_ahead() -> None:
    """No single step knows that fetching ahead pays: the roofline's 0.0482930 s."""
    assert value(fetch_ahead()) == pytest.approx(0.0482930, abs=5e-8)


@pytest.mark.parametrize("residency", ["exclusive", "free"])
def test_a_full_home_tier_drives_blocks_to_a_busy_one(residency: str) -> None:
    """hbm is busy with 4900 bytes, lpddr has room for 3 of 8: 5 bytes add to hbm's load, and lpddr's room has a rent."""
    trace = make_trace([list(range(8))], [-1] * 8)
    instance = make_instance(two_tier(), trace, residency, fixed=[4900, 0, 0, 0])  # type: ignore[arg-type]
    instance = replace(instance, capacity=np.array([8, 3]))
    bound = step.bound(instance)
    assert bound.lower_bound_s == pytest.approx(1 + 5 / 4900, rel=1e-12)
    assert bound.prices is not None
    assert bound.prices.rent[0] == pytest.approx([0.0, 1 / 4900], rel=1e-9)


def test_whole_blocks_leave_room_unused() -> None:
    """Room for two and a half blocks of five: the LP serves 10 of 20 bytes from hbm, whole blocks only 8; no solver needed."""
    instance = make_instance(two_tier(hbm=10), make_trace([[0, 1, 2, 3, 4]], [-1] * 5, sizes=[4]))
    whole = step.bound(instance, integer=True)
    assert value(instance) == pytest.approx(10 / 450, rel=1e-12)
    assert whole.lower_bound_s == pytest.approx(12 / 450, rel=1e-12)
    assert "solver's branch and bound" not in whole.rests_on


def test_one_copy_cannot_be_read_from_two_tiers() -> None:
    """Exclusive: the LP splits the one block, a whole block is read from hbm alone; that rests on the solver's search."""
    instance = make_instance(two_tier(), make_trace([[0]], [-1]), "exclusive")
    whole = step.bound(instance, integer=True)
    assert value(instance) == pytest.approx(1 / 5350, rel=1e-12)
    assert whole.lower_bound_s == pytest.approx(1 / 4900, rel=1e-7)
    assert whole.lower_bound_s <= 1 / 4900
    assert whole.prices is not None
    assert evaluate(instance, whole.prices).value_s == pytest.approx(1 / 5350, rel=1e-12)
    assert "for 1 of 1 steps the dual bound of the solver's branch and bound" in whole.rests_on


def test_small_shares_waste_room() -> None:
    """Room for one of two blocks of 8 bytes, shares 1 and 1/4: the wholly read one takes it, 2 bytes come over the link."""
    trace = make_trace([[0, 1]], [-1, -1], sizes=[8], shares=[[1, 4]], share_base=4)
    instance = make_instance(two_tier(hbm=8), trace)
    assert value(instance) == pytest.approx(2 / 450, rel=1e-12)
    assert step.bound(instance).prices.rent[0, 0] == pytest.approx(0.25 / 450, rel=1e-9)  # type: ignore[union-attr]


def test_rents_are_worth_what_room_is() -> None:
    """One more byte of hbm saves what the rent says, and T has no rent of its own."""
    instance = make_instance(two_tier(hbm=40), make_trace([list(range(100))], [-1] * 100))
    prices = step.bound(instance).prices
    assert prices is not None
    more = replace(instance, capacity=instance.capacity + np.array([1, 0]))
    assert prices.rent[0, 0] == pytest.approx(value(instance) - value(more), rel=1e-9)
    assert not prices.rent[1].any()
    assert not prices.rent[:, 1].any()


@PROFILE
@given(SEEDS, st.booleans())
def test_more_room_or_rate_never_hurts(seed: int, integer: bool) -> None:
    """Raising a capacity or a rate never raises the bound, the home tier being the same."""
    instance = draw(seed)
    instance = replace(instance, home_tier=instance.home)
    before = value(instance, integer=integer) * (1 + 1e-7)
    rng = np.random.default_rng(seed)
    more = np.where(instance.capacity > 0, rng.integers(0, 5, instance.num_tiers), 0)
    assert value(replace(instance, capacity=instance.capacity + more), integer=integer) <= before
    rates = instance.memory.rates + rng.integers(0, 9, instance.num_resources)
    assert value(replace(instance, memory=replace(instance.memory, rates=rates)), integer=integer) <= before


@PROFILE
@given(SEEDS, st.sampled_from([3, 1024, 10**9]), st.booleans())
def test_names_and_units_change_nothing(seed: int, factor: int, integer: bool) -> None:
    """Other block ids give the same value; so do all bytes and rates times one factor."""
    instance = draw(seed)
    expected = pytest.approx(value(instance, integer=integer), rel=1e-7)
    assert value(relabelled(instance, np.random.default_rng(seed)), integer=integer) == expected
    assert value(scaled(instance, factor), integer=integer) == expected


def test_equal_steps_are_solved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty steps, two kinds of them: two steps in the LP, two MILPs."""
    programs: list[LinearProgram] = []

    def counting(program: LinearProgram, **options: Any) -> Solution:
        programs.append(program)
        return solve(program, **options)

    instance = three_tiers(2)
    trace = make_trace([[0, 1, 2, 3, 4, 5], [0, 1, 2, 3]] * 10, [-1] * 6, sizes=[10])
    instance = make_instance(instance.memory, trace)
    monkeypatch.setattr(step, "solve", counting)
    bound = step.bound(instance, integer=True)
    assert [int(program.cost.sum()) for program in programs] == [2, 1, 1]
    assert bound.step_s is not None
    assert bound.step_s.reshape(10, 2) == pytest.approx(np.tile(bound.step_s[:2], (10, 1)), abs=0)


def test_several_processes_find_the_same() -> None:
    """Many distinct steps: the work is cut the same way whatever the number of processes, so is the result."""
    instance = three_tiers(80)
    one, two = step.bound(instance, jobs=1), step.bound(instance, jobs=2)
    assert one.lower_bound_s == two.lower_bound_s
    assert np.array_equal(one.prices.rho, two.prices.rho)  # type: ignore[union-attr]
    assert one.status is two.status is Status.OPTIMAL


def test_a_deadline_leaves_the_roofline() -> None:
    """No time at all: every step counts with its roofline, and the bound says so; two tiers need no time."""
    instance = three_tiers()
    bound = step.bound(instance, limits=Limits(0.0))
    assert bound.lower_bound_s == roofline.bound(instance).lower_bound_s
    assert bound.lower_bound_s is not None
    assert bound.lower_bound_s < value(instance)
    assert bound.status is Status.LIMIT
    assert bound.note == "3 of 3 steps were not solved to the end; each counts at least with its roofline"
    assert step.bound(fetch_ahead(), limits=Limits(0.0)).status is Status.OPTIMAL


def test_a_stop_request_between_lp_and_milp_keeps_the_lp(monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted after the LPs: the whole-block bound is the LP's, with whole capacities, and says that it was interrupted."""
    limits = Limits()

    def once(program: LinearProgram, **options: Any) -> Solution:
        solution = solve(program, **options)
        limits.interrupt()
        return solution

    instance = three_tiers()
    monkeypatch.setattr(step, "solve", once)
    bound = step.bound(instance, integer=True, limits=limits)
    assert bound.status is Status.INTERRUPTED
    rounded = replace(instance, capacity=instance.capacity // 10 * 10)
    monkeypatch.setattr(step, "solve", solve)
    assert bound.lower_bound_s == pytest.approx(value(rounded), rel=1e-12)


def _refusing(_: LinearProgram, **__: Any) -> Solution:
    raise SolverError("the model has costs from 1 to 1e+20: wrongly scaled")


def _infeasible(_: LinearProgram, **__: Any) -> Solution:
    return Solution(Ended.INFEASIBLE, np.zeros(0), np.zeros(0), np.inf, np.inf, "Infeasible")


def _nonsense(program: LinearProgram, **_: Any) -> Solution:
    rows, columns = program.num_rows, program.num_columns
    return Solution(Ended.SOLVED, np.full(columns, -1.0), np.full(rows, -1e9), 1e9, np.nan, "Optimal")


@pytest.mark.parametrize(
    ("solver", "said"),
    [
        (_refusing, "the model has costs from 1 to 1e+20: wrongly scaled"),
        (_infeasible, "the solver ended with 'Infeasible' on some steps, which count with what is proven without it"),
        (_nonsense, "3 of 3 steps were not solved to the end; each counts at least with its roofline"),
    ],
)
@pytest.mark.parametrize("integer", [False, True])
def test_a_failing_solver_costs_quality_only(
    monkeypatch: pytest.MonkeyPatch, solver: Callable[..., Solution], said: str, integer: bool
) -> None:
    """Refusal, a false "infeasible", multipliers from nowhere: at least the roofline is proven, never more than is true."""
    instance = three_tiers()
    truth, lowest = value(instance, integer=integer), roofline.bound(instance).lower_bound_s
    monkeypatch.setattr(step, "solve", solver)
    bound = step.bound(instance, integer=integer)
    assert bound.lower_bound_s is not None
    assert lowest is not None
    assert lowest <= bound.lower_bound_s <= truth * (1 + 1e-7)
    assert bound.status is Status.BOUND
    assert said in bound.note


def test_a_dual_bound_above_a_checked_placement_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The solver claims twice its own solution's value: the LP's value is published and the note says why."""

    def lying(program: LinearProgram, **options: Any) -> Solution:
        solution = solve(program, **options)
        return replace(solution, dual_bound=2.0 * solution.objective) if program.integral is not None else solution

    instance = three_tiers()
    monkeypatch.setattr(step, "solve", lying)
    bound = step.bound(instance, integer=True)
    rounded = replace(instance, capacity=instance.capacity // 10 * 10)
    monkeypatch.setattr(step, "solve", solve)
    assert bound.lower_bound_s == pytest.approx(value(rounded), rel=1e-12)
    assert "the solver's dual bound exceeds a checked placement; the step's LP counts instead" in bound.note
    assert "branch and bound" not in bound.rests_on


@pytest.mark.parametrize("integer", [False, True])
def test_a_placement_that_does_not_fit_confirms_nothing(monkeypatch: pytest.MonkeyPatch, integer: bool) -> None:
    """A "solution" that puts every block into the first tier has no time: the LP's value stands, but is not called optimal."""

    def overfull(program: LinearProgram, **options: Any) -> Solution:
        solution = solve(program, **options)
        steps = int(program.cost.sum())
        patterns = 3 if program.integral is None else int(program.integral.sum()) // steps
        x = np.zeros(program.num_columns)
        x[steps : steps * (1 + patterns) : patterns] = 6.0  # 6 blocks; the LP's are scaled to their bytes
        return replace(solution, x=x)

    instance = replace(three_tiers(), residency="exclusive")
    rounded = replace(instance, capacity=instance.capacity // 10 * 10) if integer else instance
    truth = value(rounded)
    monkeypatch.setattr(step, "solve", overfull)
    bound = step.bound(instance, integer=integer)
    assert bound.lower_bound_s == truth
    assert bound.value_s is None
    assert bound.status is Status.BOUND
