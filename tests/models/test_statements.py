"""What is known of the statements without another program: anchors by hand, names, units, refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyomo.environ as pyo
import pytest

from models import flow, horizon, roofline, step
from models.common import prices, solve
from placement_opt.base.errors import PlacementError
from tests.small import chain, fetch_ahead, make_instance, make_trace, two_tier
from tests.worlds import any_instance

#: The constraint names of the problem statement, section 2.
NAMES = {"budget", "served", "resident", "source", "passing", "keep", "alive", "capacity", "rate", "floor"}


def names(model: pyo.ConcreteModel) -> set[str]:
    return {constraint.name for constraint in model.component_objects(pyo.Constraint)}


def test_fetching_ahead_pays():
    """The trace of the problem statement, section 7: roofline, exact LP and MILP to the digits given there."""
    instance = fetch_ahead()
    assert roofline.value(instance) == pytest.approx(0.0482930, abs=5e-8)
    assert horizon.value(instance, relax=True) == pytest.approx(0.0496471, abs=5e-8)
    assert horizon.value(instance) == pytest.approx(0.0499256, abs=5e-8)


def test_the_roofline_and_the_steps_see_no_fetching():
    """There both are 20 bytes at 5350 B/s twice and 10 bytes of weights at 4900 B/s 20 times."""
    by_hand = 2 * 20 / 5350 + 20 * 10 / 4900
    assert roofline.value(fetch_ahead()) == pytest.approx(by_hand, rel=1e-12)
    assert step.value(fetch_ahead()) == pytest.approx(by_hand, rel=1e-12)
    assert step.value(fetch_ahead(), integer=True) == pytest.approx(by_hand, rel=1e-12)


def test_a_step_knows_capacity_and_the_roofline_does_not():
    """Four blocks, room for none: 4/5350 s if capacity is forgotten, 4/450 s if not."""
    instance = make_instance(two_tier(hbm=0), make_trace([[0, 1, 2, 3]], [-1] * 4))
    assert roofline.value(instance) == pytest.approx(4 / 5350, rel=1e-12)
    assert step.value(instance) == pytest.approx(4 / 450, rel=1e-12)


def test_whole_blocks_cost_a_step_more():
    """One exclusive block with room in hbm: split, 1/5350 s; whole, 1/4900 s."""
    instance = make_instance(two_tier(hbm=1), make_trace([[0]], [-1]), "exclusive")
    assert step.value(instance) == pytest.approx(1 / 5350, rel=1e-12)
    assert step.value(instance, integer=True) == pytest.approx(1 / 4900, rel=1e-12)


@pytest.mark.parametrize(("residency", "expected"), [("inclusive", 1 / 450), ("exclusive", 1 / 5350), ("free", 1 / 5350)])
def test_births_are_written_in_every_statement(residency, expected):
    """A block produced by the only step is written home (inclusive) or split over both tiers (relaxed, the other rules)."""
    instance = make_instance(two_tier(hbm=1), make_trace([[]], [0]), residency)
    assert roofline.value(instance) == pytest.approx(expected, rel=1e-12)
    assert step.value(instance) == pytest.approx(expected, rel=1e-12)
    if residency != "free":
        assert horizon.value(instance, relax=True) == pytest.approx(expected, rel=1e-12)


def test_the_constraint_names_are_those_of_the_problem_statement():
    """The horizon has all ten; every other statement has a subset of them."""
    instance = fetch_ahead()
    assert names(horizon.build(instance)) == NAMES
    assert names(flow.build(instance, flow.roofline_prices(instance))) == NAMES - {"rate", "floor"}
    assert names(step.build(instance, 0)) == {"served", "resident", "alive", "capacity", "rate", "floor"}
    assert names(roofline.build(instance)) == {"served", "alive", "rate", "floor"}
    assert horizon.build(instance).capacity["hbm", 3].name == "capacity[hbm,3]"


def test_a_constraint_of_ones_own():
    """Forbidding all copies on the fetch-ahead trace costs what a formulation without fetch-back says: 0.0630385 s."""
    m = horizon.build(fetch_ahead(), relax=True)
    m.no_copies = pyo.Constraint(m.Z, rule=lambda m, b, j, k, t: m.z[b, j, k, t] == 0)
    assert solve(m) == pytest.approx(0.0630385, abs=5e-8)


def test_solving_leaves_the_model_free():
    """The integers fixed for the final evaluation are free again, so a model can be changed and solved once more."""
    instance = make_instance(two_tier(hbm=1), make_trace([[0, 1]] * 2, [-1, -1]))
    m = horizon.build(instance)
    first = solve(m)
    assert not any(var.fixed for var in m.x.values())
    assert all(var.value in (0, 1) for var in m.x.values())
    m.empty = pyo.Constraint(m.STATES, rule=lambda m, t: sum(m.x[b, "hbm", t] for b in m.LIVE[t]) == 0)
    assert solve(m) == pytest.approx(2 * 2 / 450, rel=1e-12)
    assert first < 2 * 2 / 450


@pytest.mark.parametrize("seed", range(6))
def test_units_do_not_matter(seed):
    """All bytes and rates times 2**30, as on real machines: the same seconds from every statement."""
    small = any_instance(seed)
    memory = replace(small.memory, rates=small.memory.rates * 2**30)
    large = replace(
        small,
        memory=memory,
        trace=replace(small.trace, size=small.trace.size * 2**30),
        capacity=small.capacity * 2**30,
        size=small.size * 2**30,
        fixed=small.fixed * 2**30,
    )
    for value in (roofline.value, step.value, horizon.value):
        assert value(large) == pytest.approx(value(small), rel=1e-12)


def test_a_given_start_is_kept():
    """A block given in lpddr alone is read over the link, 1/450 s, though it would fit in hbm."""
    start = np.array([[False], [True]])
    instance = make_instance(two_tier(hbm=1), make_trace([[0]], [-1]), initial=start)
    assert horizon.value(instance) == pytest.approx(1 / 450, rel=1e-12)
    assert horizon.value(replace(instance, initial=None)) == pytest.approx(1 / 5350, rel=1e-12)


def test_capacity_holds_at_the_last_state():
    """A block produced by the last step needs room at T: with hbm full of initial blocks it goes to lpddr."""
    start = np.array([[True, False], [False, False]])
    roomy = make_instance(two_tier(hbm=2), make_trace([[]], [-1, 0]), "exclusive", initial=start)
    full = make_instance(two_tier(hbm=1), make_trace([[]], [-1, 0]), "exclusive", initial=start)
    assert horizon.value(roomy) == pytest.approx(1 / 4900, rel=1e-12)
    assert horizon.value(full) == pytest.approx(1 / 450, rel=1e-12)


def test_what_fits_nowhere_has_no_optimum():
    """Three whole blocks of 2 bytes do not fit two tiers of 3; split ones do."""
    instance = make_instance(chain([3, 3], [2, 1], [1]), make_trace([[0]], [-1] * 3, sizes=[2]), "exclusive")
    with pytest.raises(PlacementError, match=r"^horizon: no optimum found \(.*nfeasible.*\)$"):
        horizon.value(instance)
    assert horizon.value(instance, relax=True) > 0


def test_prices_are_the_multipliers_of_the_rates():
    """A step that waits for the link has its whole price there: 1/450 s per byte and nothing elsewhere."""
    instance = make_instance(two_tier(hbm=0), make_trace([[0, 1]], [-1, -1]))
    rho = prices(horizon.build(instance, relax=True), instance)
    assert rho == pytest.approx(np.array([[0, 0, 1 / 450, 0]]))


@pytest.mark.parametrize(
    ("rho", "message"),
    [
        (np.zeros((1, 2)), r"prices of shape \(1, 2\), expected steps x resources"),
        (np.full((1, 4), -1e-9), "prices must be finite, not negative"),
        (np.full((1, 4), np.nan), "prices must be finite, not negative"),
        (np.array([[0.01, 0, 0, 0]]), "at each step sum_r B_r rho <= 1"),
    ],
)
def test_prices_that_prove_nothing_are_refused(rho, message):
    """Wrong shape, negative, not a number, or more than one second a second: no bound."""
    instance = make_instance(two_tier(), make_trace([[0]], [-1]))
    with pytest.raises(ValueError, match=message):
        flow.value(instance, rho)


def test_the_flow_pays_for_floors():
    """At zero prices all that is left of a step is its floor."""
    instance = make_instance(two_tier(), make_trace([[0], []], [-1]), floor=0.25)
    assert flow.value(instance, np.zeros((2, 4))) == pytest.approx(0.5, rel=1e-12)
