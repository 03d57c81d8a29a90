"""The engine's interval programs equal programs written out step by step and solved by another route."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from placement_opt.base.highs import solve
from placement_opt.bounds import lp, milp
from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.programs.events import make_events
from placement_opt.bounds.programs.horizon import HorizonProgram
from placement_opt.instance.instance import Instance
from placement_opt.memory.operations import Operation
from tests.bounds.step_by_step import horizon_value
from tests.models.two_tier_lp import two_tier_lp
from tests.small import make_instance, two_tier
from tests.worlds import any_instance, any_operations, layered_trace, with_operations


@pytest.mark.parametrize(
    ("layers", "prefill", "tokens", "capacity", "drift", "seed"),
    [(1, 30, 12, 12, 0.2, 0), (2, 40, 10, 24, 0.1, 1), (3, 25, 8, 30, 0.3, 2), (4, 20, 6, 20, 0.5, 3), (2, 40, 10, 60, 0.2, 4)],
)
def test_births_layers_and_binding_capacity(
    layers: int, prefill: int, tokens: int, capacity: int, drift: float, seed: int
) -> None:
    """Thousands of reads, a block produced by every step, several layers, a fast tier that is too small: equal to 1e-8."""
    trace = layered_trace(np.random.default_rng(seed), layers, prefill=prefill, tokens=tokens, share=0.4, drift=drift)
    instance = make_instance(two_tier(hbm=capacity), trace, fixed=[3, 0, 0, 0])
    result = lp.bound(instance)
    assert result.lower_bound_s == pytest.approx(two_tier_lp(instance), rel=1e-8)
    priced, lp.EVERY_STEP = lp.EVERY_STEP, -1
    try:
        assert lp.bound(instance).lower_bound_s == pytest.approx(result.lower_bound_s, rel=1e-6)
    finally:
        lp.EVERY_STEP = priced


def relaxed(instance: Instance) -> float:
    """Seconds of the program with a copy offered at every step; equal to those with copies where reads are and where asked."""
    program = lp.build(instance)
    return solve(program).objective * program.time_unit


def optimum(instance: Instance) -> float:
    """Seconds of the program of whole blocks."""
    found = milp.search(instance).value_s
    assert found is not None
    return found


@pytest.mark.parametrize("seed", range(0, 80, 20))
def test_every_field_of_the_table(seed: int) -> None:
    """Operations that bring or do not, without a source, calls, grains, every rule, twenty at a time: equal to 1e-8."""
    for n in range(seed, seed + 20):
        instance = any_operations(n)
        assert relaxed(instance) == pytest.approx(horizon_value(instance), rel=1e-8), n


@pytest.mark.parametrize("seed", range(0, 60, 20))
def test_every_field_with_whole_blocks(seed: int) -> None:
    """The same with whole blocks, up to three tiers; the other solver interface stops within 1e-6 of whole."""
    for n in range(seed, seed + 20):
        instance = any_operations(n)
        if instance.num_tiers <= 3:
            assert optimum(instance) == pytest.approx(horizon_value(instance, whole=True), rel=2e-6), n


@pytest.mark.parametrize("seed", range(200, 240, 20))
def test_merged_and_single_blocks_agree(seed: int) -> None:
    """Equal blocks as one class, or every block a class of its own: one value."""
    for n in range(seed, seed + 20):
        instance = any_operations(n)
        values = []
        for classes in (classify(instance), milp.single_blocks(instance)):
            program = HorizonProgram(instance, classes, make_events(instance, classes, None, True))
            values.append(solve(program.build()).objective * program.time_unit)
        assert values[0] == pytest.approx(values[1], rel=1e-8), n


@pytest.mark.parametrize("seed", range(300, 340, 20))
def test_a_new_operation_never_raises_the_value(seed: int) -> None:
    """One more way to serve, bringing or not, from a tier or from nowhere: neither LP nor optimum rises."""
    for n in range(seed, seed + 20):
        rng, plain = np.random.default_rng([n, 11]), any_instance(n)
        source = None if rng.integers(2) else int(rng.integers(plain.num_tiers))
        row = tuple(int(load) for load in rng.integers(0, 3, plain.num_resources))
        more = Operation("another", source, row, brings=bool(rng.integers(2)))
        instance = replace(plain, memory=with_operations(plain.memory, [more]))
        assert relaxed(instance) <= relaxed(plain) * (1 + 1e-9), n
        if plain.num_tiers <= 2:
            assert optimum(instance) <= optimum(plain) * (1 + 1e-8), n


@pytest.mark.parametrize("seed", range(0, 40, 20))
def test_an_operation_that_nobody_takes_changes_nothing(seed: int) -> None:
    """An operation from nowhere a million times as dear as any other: the general form gives the plain one's value."""
    for n in range(seed, seed + 20):
        plain = any_instance(n)
        dear = Operation("dear", None, (10**6,) * plain.num_resources, brings=True)
        instance = replace(plain, memory=with_operations(plain.memory, [dear]))
        assert relaxed(instance) == pytest.approx(relaxed(plain), rel=1e-8), n
