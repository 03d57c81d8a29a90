"""Budgets and objectives in what computes bounds: numbers known by hand, and what prices of budgets may never prove."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.base.highs import Ended, LinearProgram, Solution, solve
from placement_opt.bounds import compact, intervals, lp, milp, roofline, step
from placement_opt.bounds.ascent import ascend
from placement_opt.bounds.auto import affordable
from placement_opt.bounds.bound import bound
from placement_opt.bounds.dual import tracked
from placement_opt.bounds.dual.evaluate import evaluate, legal
from placement_opt.bounds.dual.shares import evaluate_shares
from placement_opt.bounds.dual.slopes import slopes
from placement_opt.bounds.result import Prices, Status
from placement_opt.bounds.sample import prices_for
from placement_opt.instance.budgets import TIME, Budget
from placement_opt.instance.instance import Instance
from tests.brute_budgets import BudgetedEnumeration
from tests.budgets import CASES
from tests.worlds import any_budgets

#: Prices by hand at which weak duality proves the optimum: rho, mu.
BY_HAND = {
    "no budget": ([0.2, 0.2], []),
    "10 J": ([0.25, 0.0], [0.125]),
    "time and energy": ([0.25, 0.0], []),
    "wear": ([0.0], [2.0]),
}


def prices_of(instance: Instance, rho: list[float], mu: list[float]) -> Prices:
    """The same prices at every step, and no rents."""
    return Prices(np.tile(rho, (instance.num_steps, 1)), np.zeros((instance.num_steps + 1, instance.num_tiers)), np.array(mu))


@pytest.mark.parametrize("name", BY_HAND)
def test_prices_by_hand_prove_the_optimum(name: str) -> None:
    """Section 4 of the statement of operations: value and proof; cut into shares they prove the same."""
    instance, optimum = CASES[name].instance, CASES[name].optimum
    assert optimum is not None
    prices = prices_of(instance, *BY_HAND[name])
    value = evaluate(instance, prices).value_s
    assert optimum * (1 - 1e-12) <= value <= optimum
    shared = evaluate_shares(instance, prices).value_s
    assert optimum * (1 - 1e-12) <= shared <= optimum


def test_a_ray_proves_that_no_schedule_keeps_a_budget() -> None:
    """Eight bytes take 8 J at least: with 7 J the prices mu = 1 prove it; with 10 J nothing is proven of that kind."""
    no_schedule = CASES["7 J"].instance
    ray = prices_of(no_schedule, [0.0, 0.0], [1.0])
    assert evaluate(no_schedule, ray, ray=True).value_s == pytest.approx(1.0, rel=1e-12)
    assert evaluate(CASES["10 J"].instance, ray, ray=True).value_s == 0.0
    # with nothing to minimise a second is worth nothing, unless a budget shrinks by it
    unweighed = replace(no_schedule, objective=replace(TIME, time=Fraction(0)))
    assert not legal(unweighed, prices_of(no_schedule, [0.2, 0.2], [1.0])).rho.any()


def test_prices_of_another_number_of_budgets_are_refused() -> None:
    """None at all stand for zeros; two for one budget are somebody's mistake."""
    instance = CASES["10 J"].instance
    assert evaluate(instance, prices_of(instance, [0.2, 0.2], [])).value_s == pytest.approx(1.6)
    with pytest.raises(InputError, match="found prices of 2 budgets, expected 1, or none at all"):
        evaluate(instance, prices_of(instance, [0.2, 0.2], [1.0, 1.0]))


def test_prices_that_take_more_than_a_second_are_shrunk() -> None:
    """Wear of 0.5 B/s at 7 s/B would take 3.5 s of each second: made legal, it takes one, and proves the optimum."""
    instance = CASES["wear"].instance
    proven = evaluate(instance, prices_of(instance, [1.0], [7.0]))
    assert proven.prices.mu[0] == pytest.approx(2.0, rel=1e-15)
    assert proven.value_s == pytest.approx(20.0, rel=1e-12)
    assert proven.value_s <= 20.0


# ---- methods --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_methods_find_the_values_by_hand(name: str) -> None:
    """LP, MILP and compact prove the optimum, prices in intervals nearly; the roofline and the steps are below it."""
    instance, optimum = CASES[name].instance, CASES[name].optimum
    for method in ("lp", "milp", "compact", "intervals", "auto"):
        found = bound(instance, method)
        if optimum is None:
            assert found.status is Status.INFEASIBLE
            assert found.lower_bound_s is None
            assert found.prices is not None
            assert evaluate(instance, found.prices, ray=True).value_s > 0.0
        else:
            assert found.lower_bound_s == pytest.approx(optimum, rel=2e-4 if method == "intervals" else 1e-9)
            assert found.lower_bound_s <= optimum
    for method in ("roofline", "step", "step-integer"):
        found = bound(instance, method)
        assert found.lower_bound_s is not None
        assert 0.0 < found.lower_bound_s <= (np.inf if optimum is None else optimum)
        assert found.prices is not None
        proven = evaluate(instance, found.prices).value_s
        assert found.lower_bound_s == pytest.approx(proven, rel=1e-9)


def test_the_flow_is_of_time_alone() -> None:
    """Neither budgets nor another objective; and it is not offered for them."""
    for name in ("10 J", "time and energy"):
        with pytest.raises(InputError, match="found budgets, or an objective besides time, expected none"):
            bound(CASES[name].instance, "flow")
        assert "flow" not in affordable(CASES[name].instance, 1e9)
    assert "flow" in affordable(CASES["no budget"].instance, 1e9)


def test_a_solver_that_calls_budgets_impossible_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without prices that prove it, what it says is a note beside the bound that is proven."""

    def wrong(program: LinearProgram, **options: Any) -> Solution:
        found = solve(program, **options)
        return replace(found, ended=Ended.INFEASIBLE, x=np.zeros(0), row_dual=np.zeros(0), message="infeasible")

    monkeypatch.setattr(lp, "solve", wrong)
    monkeypatch.setattr(compact, "solve", wrong)
    for method in (lp, compact):
        found = method.bound(CASES["7 J"].instance)
        assert found.status is not Status.INFEASIBLE
        assert found.lower_bound_s == pytest.approx(1.6, rel=1e-9)
        assert "infeasible" in found.note


def test_prices_climb_from_none() -> None:
    """An ascent finds the price of a budget, though prices of resources leave no room for it to begin with."""
    for name in ("10 J", "wear", "time and energy"):
        instance, optimum = CASES[name].instance, CASES[name].optimum
        assert optimum is not None
        even = np.full((1, instance.num_resources), 1.0) / instance.memory.rates / instance.num_resources
        found = ascend(instance, Prices(even, np.zeros((2, instance.num_tiers))))
        assert optimum * (1 - 1e-4) <= found.value_s <= optimum


def test_prices_of_another_run_keep_those_of_budgets() -> None:
    """Where there are as many budgets; else they begin at nothing."""
    instance = CASES["10 J"].instance
    prices = prices_of(instance, [0.25, 0.0], [0.125])
    assert prices_for(instance, prices).mu.tolist() == [0.125]
    assert prices_for(instance, replace(prices, mu=np.zeros(2))).mu.tolist() == [0.0]


def test_rows_and_columns_have_names() -> None:
    """An exported program says which rows are budgets, and which columns meters."""
    program = lp.build(CASES["10 J"].instance)
    assert program.names is not None
    columns, rows = program.names()
    assert columns[-1] == "meter[energy]"
    assert rows[-2:] == ["meter[energy]", "budget[energy]"]
    assert (len(columns), len(rows)) == (program.num_columns, program.num_rows)


# ---- laws -----------------------------------------------------------------------------------------------------------------


@cache
def seen() -> list[tuple[Instance, float | None]]:
    """Random instances with budgets, and their optimum by enumeration."""
    worlds = [BudgetedEnumeration(any_budgets(seed)) for seed in range(120)]
    return [(one.instance, one.objective()) for one in worlds if one.sequences <= 5_000]


def test_what_is_looked_at_has_everything() -> None:
    """Every rule, every kind of budget and of objective, calls and grains, and budgets that cannot be kept."""
    instances = [instance for instance, _ in seen()]
    budgets = [budget for instance in instances for budget in instance.budgets]
    assert {one.residency for one in instances} == {"inclusive", "exclusive", "free", "cache"}
    counts = [
        len(instances) - 30,
        sum(optimum is None for _, optimum in seen()),
        sum(one.meter is None for one in budgets),
        sum(one.meter is not None and one.per_second < 0 for one in budgets),
        sum(one.per_second > 0 for one in budgets),
        sum(one.per_second == 0 for one in budgets),
        sum(one.objective.time == 0 for one in instances),
        sum(one.objective.time > 0 and not one.objective.plain for one in instances),
        sum(not one.memory.operations.uniform for one in instances),
        sum(one.share_base > 1 for one in instances),
        sum(one.fixed_metered is not None for one in instances),
        sum(len(one.used_meters) == 2 for one in instances),
    ]
    assert min(counts) >= 3, counts


def test_every_bound_is_below_the_optimum() -> None:
    """By enumeration; that budgets cannot be kept is proven where split blocks cannot keep them either, and never elsewhere."""
    proven = dict.fromkeys((lp, compact, intervals), 0)
    for n, (instance, optimum) in enumerate(seen()):
        for method in (roofline, step, lp, compact, intervals)[: 4 + (optimum is None or n % 3 == 0)]:
            found = method.bound(instance)
            if found.status is Status.INFEASIBLE:
                proven[method] += 1
                assert optimum is None
                assert found.prices is not None
                assert evaluate(instance, found.prices, ray=True).value_s > 0.0
                continue
            assert found.lower_bound_s is not None
            assert found.lower_bound_s <= (np.inf if optimum is None else optimum) * (1 + 1e-9) + 1e-15
            assert found.prices is not None
            assert evaluate(instance, found.prices).value_s >= found.lower_bound_s * (1 - 1e-9)
    impossible = sum(optimum is None for _, optimum in seen())
    assert min(proven.values()) >= 0.8 * impossible, (proven, impossible)


def test_the_milp_is_the_optimum_by_enumeration() -> None:
    """Published less its margin; that budgets cannot be kept it says where the LP proves it; the solver is not believed."""
    for instance, optimum in seen()[::2]:
        found = milp.bound(instance)
        if optimum is None:
            assert found.status is Status.INFEASIBLE or "which is not believed" in found.note
        else:
            assert found.lower_bound_s == pytest.approx(optimum, rel=2e-9, abs=1e-15)


def any_prices(rng: np.random.Generator, instance: Instance) -> Prices:
    """Prices of any size and sign, some absurd."""
    rho = rng.exponential(0.5, (instance.num_steps, instance.num_resources)) / instance.memory.rates
    rent = rng.exponential(0.01, (instance.num_steps + 1, instance.num_tiers))
    mu = rng.exponential(rng.choice([0.01, 1.0, 100.0]), len(instance.budgets))
    for values in (rho, rent, mu):
        values[rng.random(values.shape) < 0.3] = 0.0
        if rng.random() < 0.3:
            values[rng.random(values.shape) < 0.2] = rng.choice([np.nan, np.inf, -np.inf, 1e300, 1e-300, -5.0])
    return Prices(rho, rent, mu)


def test_no_prices_prove_more_than_the_optimum() -> None:
    """Six an instance, also with nothing to minimise, which prove something only where there is none; shared, the same."""
    rng = np.random.default_rng(5)
    proven = 0
    for instance, optimum in seen():
        for _ in range(6):
            prices = any_prices(rng, instance)
            value, ray = evaluate(instance, prices).value_s, evaluate(instance, prices, ray=True).value_s
            if optimum is None:
                proven += ray > 0.0
                continue
            assert value <= optimum * (1 + 1e-9) + 1e-15
            assert ray == 0.0
            shared = evaluate_shares(instance, prices).value_s
            assert shared == pytest.approx(value, rel=1e-9, abs=1e-9 * optimum)
    assert proven > 0


def test_no_extreme_prices_prove_that_no_schedule_exists() -> None:
    """Of any size and sign, the smallest floats among them: where a schedule exists, nothing proves that there is none."""
    rng = np.random.default_rng(9)
    extreme = np.array([0.0, 1e-300, 5e-324, 1e-160, 1e300, 1.7e308, -1e300, np.inf, np.nan, 1.0, 1 / 3])
    for instance, optimum in seen():
        for _ in range(4 if optimum is not None else 0):
            prices = any_prices(rng, instance)
            parts = [
                np.where(rng.random(part.shape) < 0.7, rng.choice(extreme, part.shape), part)
                for part in (prices.rho, prices.rent, prices.mu)
            ]
            parts[1] = parts[1] if rng.random() < 0.5 else np.zeros_like(prices.rent)
            assert evaluate(instance, Prices(*parts), ray=True).value_s == 0.0


@pytest.mark.parametrize("sets", [1, 3])
def test_with_few_sets_tracked_prices_prove_no_more(monkeypatch: pytest.MonkeyPatch, sets: int) -> None:
    """Tiers that are not tracked: what is proven stays below the optimum, and slopes are still those of the value."""
    instances = [(one, optimum) for one, optimum in seen() if one.num_tiers >= 3 and optimum is not None]
    assert len(instances) >= 5
    for name in ("FEW_SETS", "MOST_SETS"):
        monkeypatch.setattr(tracked, name, sets)
    rng = np.random.default_rng(10)
    for instance, optimum in instances:
        for _ in range(4):
            prices = legal(instance, any_prices(rng, instance))
            value = evaluate(instance, prices).value_s
            assert value <= optimum * (1 + 1e-9) + 1e-15
            assert evaluate(instance, prices, ray=True).value_s == 0.0
            if prices.rent.max() < 1e6:
                here = slopes(instance, prices)
                assert max(0.0, here.value_s) == pytest.approx(value, rel=1e-9, abs=1e-9 * (1 + abs(here.value_s)))


def test_slopes_are_of_the_value() -> None:
    """Value as proven, and D(p') <= D(p) + slope . (p' - p) for prices of resources, rents and budgets together."""
    rng = np.random.default_rng(6)
    for instance, _ in seen():
        points = [slopes(instance, legal(instance, any_prices(rng, instance))) for _ in range(4)]
        points = [one for one in points if one.prices.rent.max() < 1e6 and one.prices.mu.max(initial=0.0) < 1e6]
        for here in points:
            value = evaluate(instance, here.prices).value_s
            assert max(0.0, here.value_s) == pytest.approx(value, rel=1e-9, abs=1e-9 * (1 + abs(here.value_s)))
            for other in points:
                moved = np.vdot(here.rho, other.prices.rho - here.prices.rho) + here.mu @ (other.prices.mu - here.prices.mu)
                moved += np.vdot(here.rent, other.prices.rent - here.prices.rent)
                assert other.value_s <= here.value_s + moved + 1e-9 * (1 + abs(here.value_s) + abs(moved))


def test_a_new_budget_never_lowers_the_value() -> None:
    """Nor does it make a schedule where there is none."""
    for instance, optimum in seen()[::3]:
        more = replace(instance, budgets=(*instance.budgets, Budget("more", None, Fraction(10**6), Fraction(-1))))
        less = replace(instance, budgets=instance.budgets[1:])
        values = [lp.bound(one) for one in (less, instance, more)]
        found = [np.inf if one.status is Status.INFEASIBLE else one.lower_bound_s or 0.0 for one in values]
        assert found[0] <= found[1] * (1 + 1e-9) + 1e-12
        assert found[1] <= found[2] * (1 + 1e-9) + 1e-12
        assert found[2] < np.inf or optimum is None


def test_the_unit_of_a_meter_does_not_matter() -> None:
    """All loads and budgets of each meter times seven, its weight by seven: prices in the new unit prove the same."""
    rng = np.random.default_rng(7)
    for instance, _ in seen():
        counted = instance.memory.meters
        memory = replace(instance.memory, counted=replace(counted, per_byte=counted.per_byte * 7))
        budgets = [
            one if one.meter is None else replace(one, fixed=one.fixed * 7, per_second=one.per_second * 7)
            for one in instance.budgets
        ]
        weights = tuple((meter, weight / 7) for meter, weight in instance.objective.weights)
        fixed = None if instance.fixed_metered is None else instance.fixed_metered * 7
        same = replace(
            instance,
            memory=memory,
            budgets=tuple(budgets),
            objective=replace(instance.objective, weights=weights),
            fixed_metered=fixed,
        )
        prices = legal(instance, any_prices(rng, instance))
        unit = np.array([1.0 if one.meter is None else 7.0 for one in instance.budgets])
        value = evaluate(instance, prices).value_s
        assert evaluate(same, replace(prices, mu=prices.mu / unit)).value_s == pytest.approx(value, rel=1e-9, abs=1e-9)


def test_meters_that_nobody_asks_for_change_nothing() -> None:
    """To the last bit: what only is counted is in no price, row or column."""
    rng = np.random.default_rng(8)
    for instance, _ in seen()[::4]:
        counted = replace(instance, budgets=(), objective=TIME)
        without = replace(counted, memory=replace(instance.memory, counted=None), fixed_metered=None)
        assert counted.hash == without.hash
        prices = replace(any_prices(rng, instance), mu=np.zeros(0))
        assert evaluate(counted, prices).value_s == evaluate(without, prices).value_s
        one, other = lp.build(counted), lp.build(without)
        assert one.value.tobytes() == other.value.tobytes()
        assert one.row_upper.tobytes() == other.row_upper.tobytes()
