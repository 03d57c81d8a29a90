"""Enumeration and the statements in algebra agree on tables that use every field, and on the rule cache."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models import flow, horizon, roofline, step
from placement_opt.base.errors import InputError
from placement_opt.instance.instance import Instance
from placement_opt.memory.operations import Operation
from tests.brute import num_transitions, optimum
from tests.models.systems import any_instance
from tests.operations import CASES, attended, cached
from tests.worlds import any_operations, with_operations

#: Two statements of one value differ by rounding only.
SAME = 1e-9
#: Pairs of joint residencies beyond which a random instance is passed over.
FEW = 100_000
SEEDS = 270


def small(seeds: range) -> list[Instance]:
    """Those of the random instances that are enumerated in no time."""
    return [one for one in map(any_operations, seeds) if num_transitions(one) <= FEW]


def at_most(low: float, high: float) -> bool:
    return low <= high * (1 + SAME)


@pytest.mark.parametrize("part", range(3))
def test_the_milp_is_the_optimum_by_enumeration(part: int) -> None:
    """All rules, ways to serve, calls, grains, shares: MILP = brute force, and its LP is below."""
    seen = small(range(part * SEEDS // 3, (part + 1) * SEEDS // 3))
    assert len(seen) >= 60
    for instance in seen:
        best = optimum(instance).seconds
        assert horizon.value(instance) == pytest.approx(best, rel=SAME), instance.hash
        assert at_most(horizon.value(instance, relax=True), best)


def test_what_is_looked_at_has_everything() -> None:
    """Among the instances that are small enough every rule and every field of the table is there often."""
    seen = small(range(SEEDS))
    tables = [one.memory.operations for one in seen]
    assert len(seen) >= 190
    assert {one.residency for one in seen} == {"inclusive", "exclusive", "free", "cache"}
    counts = [
        sum(one.residency == "cache" for one in seen),
        sum(not one.uniform for one in tables),
        sum(not one.brings[one.serving].all() for one in tables),
        sum(bool((one.source[one.serving] < 0).any()) for one in tables),
        sum(one.share_base > 1 and not one.memory.operations.plain for one in seen),
    ]
    assert min(counts) >= 30, counts


def test_the_ladder_of_values() -> None:
    """roofline <= step LPs <= horizon LP <= optimum, and step LPs <= step MILPs <= optimum."""
    seen = small(range(1000, 1060))
    assert len(seen) >= 40
    for instance in seen:
        steps, relaxed, best = step.value(instance), horizon.value(instance, relax=True), optimum(instance).seconds
        whole = step.value(instance, integer=True)
        ladder = [roofline.value(instance), steps, relaxed, best]
        assert all(map(at_most, ladder, ladder[1:])), ladder
        assert at_most(steps, whole)
        assert at_most(whole, best)


def test_the_flow_at_the_best_prices_is_the_relaxation() -> None:
    """Strong duality: at the horizon LP's own multipliers the relaxed flow gives that LP's value."""
    for seed in range(2000, 2040):
        instance = any_operations(seed)
        paid = flow.value(instance, flow.horizon_prices(instance), relax=True)
        assert paid == pytest.approx(horizon.value(instance, relax=True), rel=SAME)


def test_a_new_operation_never_raises_the_optimum() -> None:
    """An operation more, attending or making anew: at most what it was, and sometimes less."""
    lower = 0
    for seed in range(120):
        instance, rng = any_instance(seed), np.random.default_rng(seed)
        if num_transitions(instance) > FEW:
            continue
        row = tuple(rng.integers(0, 2, instance.num_resources).tolist())
        one = Operation("another", [None, 0][seed % 2], row, brings=bool(seed % 3))
        before = optimum(instance).seconds
        after = optimum(replace(instance, memory=with_operations(instance.memory, [one]))).seconds
        assert at_most(after, before)
        lower += after < before * (1 - SAME)
    assert lower >= 20


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
