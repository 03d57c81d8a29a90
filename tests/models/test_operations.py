"""Enumeration and the statements in algebra on tables that use every field; ``tests/test_agreement.py`` has random ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models import flow, horizon
from placement_opt.base.errors import InputError
from placement_opt.memory.operations import Operation
from tests.brute import num_transitions, optimum
from tests.operations import CASES, attended, cached
from tests.worlds import any_instance, any_operations, with_operations

#: Two statements of one value differ by rounding only.
SAME = 1e-9
#: Pairs of joint residencies beyond which a random instance is passed over.
FEW = 100_000


def at_most(low: float, high: float) -> bool:
    return low <= high * (1 + SAME)


def test_the_flow_at_the_best_prices_is_the_relaxation() -> None:
    """Strong duality: at the horizon LP's own multipliers the relaxed flow gives that LP's value."""
    for seed in range(2000, 2030):
        instance = any_operations(seed)
        paid = flow.value(instance, flow.horizon_prices(instance), relax=True)
        assert paid == pytest.approx(horizon.value(instance, relax=True), rel=SAME)


def test_a_new_operation_never_raises_the_optimum() -> None:
    """An operation more, attending or making anew: at most what it was, and sometimes less."""
    lower = 0
    for seed in range(60):
        instance, rng = any_instance(seed), np.random.default_rng(seed)
        if num_transitions(instance) > FEW:
            continue
        row = tuple(rng.integers(0, 2, instance.num_resources).tolist())
        one = Operation("another", [None, 0][seed % 2], row, brings=bool(seed % 3))
        before = optimum(instance).seconds
        after = optimum(replace(instance, memory=with_operations(instance.memory, [one]))).seconds
        assert at_most(after, before)
        lower += after < before * (1 - SAME)
    assert lower >= 10


@pytest.mark.parametrize("name", CASES)
def test_numbers_by_hand(name: str) -> None:
    """Enumeration, MILP and LP of small systems that compute, count calls, round up or forget."""
    case = CASES[name]
    assert optimum(case.instance).seconds == pytest.approx(case.optimum, rel=SAME)
    assert horizon.value(case.instance) == pytest.approx(case.optimum, rel=SAME)
    assert horizon.value(case.instance, relax=True) == pytest.approx(case.relaxed, rel=SAME)


def test_further_operations_go_by_their_names() -> None:
    """Reads are called like their tiers, as without further operations, and these have the names of the table."""
    m = horizon.build(attended())
    assert list(m.WAYS) == ["0", "1", "attend"]
    assert list(m.BRING) == ["0", "1"]
    assert list(m.FROM["0"]) == ["0", "attend"]
    assert list(m.FROM["1"]) == ["1"]
    assert m.y[0, "attend", 0].name == "y[0,attend,0]"
    assert {key[1] for key in m.y} == set(m.WAYS)


def test_operations_of_one_name_are_refused() -> None:
    """A variable has one name, so an operation cannot be called like another one, or like a tier."""
    instance = cached([[0]])
    for name in ("recompute", "0"):
        more = [Operation("recompute", None, (0, 1)), Operation(name, 0, (1, 0))]
        twice = replace(instance, memory=with_operations(instance.memory, more))
        with pytest.raises(
            InputError, match=rf"memory: found operations called 0, recompute, {name}, expected names that differ"
        ):
            horizon.build(twice)
