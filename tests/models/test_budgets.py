"""Enumeration and the statement of the horizon agree on budgets and objectives; the other statements know of time alone."""

from __future__ import annotations

import numpy as np
import pytest

from models import flow, horizon, roofline, step
from placement_opt.base.errors import InputError, PlacementError
from placement_opt.bounds import lp
from placement_opt.bounds.result import Status
from placement_opt.instance.instance import Instance
from tests.brute_budgets import BudgetedEnumeration
from tests.budgets import CASES
from tests.worlds import any_budgets

SAME = 1e-9


def value(instance: Instance, *, relax: bool) -> float | None:
    """The statement's value; None where nothing satisfies it."""
    try:
        return horizon.value(instance, relax)
    except PlacementError as error:
        if "nfeasible" not in str(error):
            raise
        return None


@pytest.mark.parametrize("name", CASES)
def test_numbers_by_hand(name: str) -> None:
    """MILP, LP and enumeration give the values of the statement of operations."""
    instance, optimum = CASES[name].instance, CASES[name].optimum
    for found in (value(instance, relax=False), value(instance, relax=True), BudgetedEnumeration(instance).objective()):
        assert found == (None if optimum is None else pytest.approx(optimum, rel=SAME))


def test_statement_enumeration_and_engine_agree() -> None:
    """MILP = brute force and LP = LP of the engine, on random instances with budgets of all kinds and objectives."""
    looked_at = 0
    for seed in range(1000, 1050):
        found = BudgetedEnumeration(any_budgets(seed))
        if found.sequences > 2_000:
            continue
        optimum, looked_at = found.objective(), looked_at + 1
        assert value(found.instance, relax=False) == (None if optimum is None else pytest.approx(optimum, rel=SAME, abs=1e-12))
        relaxed, engine = value(found.instance, relax=True), lp.bound(found.instance)
        if relaxed is None:
            assert engine.status is Status.INFEASIBLE
        else:
            assert engine.lower_bound_s == pytest.approx(relaxed, rel=SAME, abs=1e-12)
    assert looked_at >= 12


def test_statements_of_time_alone_refuse_another_objective() -> None:
    """Budgets only leave fewer schedules, which the roofline and the steps may forget; the flow is refused them too."""
    instance, budgeted = CASES["time and energy"].instance, CASES["10 J"].instance
    with pytest.raises(InputError, match="found an objective besides time, expected time alone"):
        roofline.value(instance)
    with pytest.raises(InputError, match="found an objective besides time, expected time alone"):
        step.value(instance)
    assert roofline.value(budgeted) == pytest.approx(1.6)
    assert step.value(budgeted) == pytest.approx(1.6)
    with pytest.raises(InputError, match="found budgets, or an objective besides time, expected none"):
        flow.build(budgeted, np.zeros((1, 2)))
