"""Roofline and the bound of each step with every field of the table of operations and every rule: LPs, MILPs and the ladder."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from placement_opt.bounds import roofline, step
from placement_opt.bounds.dual.evaluate import legal
from placement_opt.bounds.programs.step_data import prove, read_steps
from placement_opt.bounds.result import Bound, Status
from placement_opt.instance.instance import Instance
from placement_opt.memory.operations import Operation
from placement_opt.play.simulate import simulate
from tests.bounds.cases import random_prices, relabelled
from tests.bounds.per_block import step_value
from tests.play.wanderer import Wanderer
from tests.small import chain, make_instance, make_trace
from tests.worlds import any_operations, with_operations


def proven(bound: Bound) -> float:
    assert bound.lower_bound_s is not None
    return bound.lower_bound_s


@pytest.mark.parametrize("part", range(2))
def test_the_roofline_is_the_lp_of_each_step_without_room(part: int) -> None:
    """30 seeds a part: all operations serve, calls and grains count, births are stored as the rule says."""
    for seed in range(30 * part, 30 * part + 30):
        instance = any_operations(seed)
        bound = roofline.bound(instance)
        expected = [step_value(instance, t, room=False) for t in range(instance.num_steps)]
        assert bound.step_s == pytest.approx(expected, rel=1e-7, abs=1e-9), seed
        assert bound.value_s == pytest.approx(math.fsum(expected), rel=1e-7, abs=1e-9), seed


@pytest.mark.parametrize("part", range(2))
def test_equals_the_lp_of_each_step(part: int) -> None:
    """30 seeds a part: step by step the LP over single blocks; value and proof meet."""
    for seed in range(30 * part, 30 * part + 30):
        instance = any_operations(seed)
        bound = step.bound(instance)
        expected = [step_value(instance, t) for t in range(instance.num_steps)]
        assert bound.step_s == pytest.approx(expected, rel=1e-7, abs=1e-9), seed
        assert bound.value_s == pytest.approx(sum(expected), rel=1e-7, abs=1e-9), seed
        assert bound.status is Status.OPTIMAL, seed


@pytest.mark.parametrize("part", range(2))
def test_equals_the_milp_of_each_step(part: int) -> None:
    """30 seeds a part, whole blocks: classes and patterns lose nothing, where a MILP is saved neither."""
    for seed in range(30 * part, 30 * part + 30):
        instance = any_operations(seed)
        bound = step.bound(instance, integer=True)
        expected = [step_value(instance, t, whole=True) for t in range(instance.num_steps)]
        assert bound.step_s == pytest.approx(expected, rel=1e-6, abs=1e-9), seed
        assert bound.status is Status.OPTIMAL, seed


@pytest.mark.parametrize("part", range(2))
def test_no_schedule_takes_less(part: int) -> None:
    """40 seeds a part: roofline <= step <= step with whole blocks <= any legal schedule, step by step too."""
    for seed in range(40 * part, 40 * part + 40):
        instance = any_operations(seed)
        free, linear, whole = roofline.bound(instance), step.bound(instance), step.bound(instance, integer=True)
        assert proven(free) <= proven(linear) <= proven(whole) * (1 + 1e-9), seed
        for other in (seed, seed + 1000):
            run = simulate(instance, Wanderer(instance, other))
            assert proven(whole) <= run.latency_s * (1 + 1e-12), seed
            for bound in (free, linear, whole):
                assert bound.step_s is not None
                assert (bound.step_s <= run.step_s * (1 + 1e-9) + 1e-12).all(), seed


@pytest.mark.parametrize("part", range(2))
def test_any_prices_prove_less_than_each_step(part: int) -> None:
    """Weak duality, 40 seeds a part: at random legal prices no step is charged more than its LP."""
    for seed in range(40 * part, 40 * part + 40):
        instance = any_operations(seed)
        prices = legal(instance, random_prices(instance, np.random.default_rng(seed)))
        for by_size in (False, True):
            found = prove(read_steps(instance, by_size=by_size), prices)
            for t in range(instance.num_steps):
                assert found[t] <= step_value(instance, t) * (1 + 1e-7) + 1e-9, (seed, t)


@pytest.mark.parametrize("seed", range(40))
def test_names_of_blocks_change_nothing(seed: int) -> None:
    """Other block ids give the same values."""
    instance = any_operations(seed)
    other = relabelled(instance, np.random.default_rng(seed))
    for options in ({}, {"integer": True}):
        assert proven(step.bound(other, **options)) == pytest.approx(proven(step.bound(instance, **options)), rel=1e-7)
    assert proven(roofline.bound(other)) == pytest.approx(proven(roofline.bound(instance)), rel=1e-9)


def three(residency: Any, more: list[Operation], room: tuple[int, int, int] = (0, 2, 9), **columns: object) -> Instance:
    """Six blocks of a byte read at once from tiers of 10, 5 and 2 B/s behind links of 4 and 1 B/s."""
    memory = with_operations(chain(room, [10, 5, 2], [4, 1]), more, **columns)
    return make_instance(memory, make_trace([list(range(6))], [-1] * 6), residency)


ANEW = Operation("recompute", None, (1, 0, 0, 0, 0), brings=True)


def test_what_has_no_room_is_made_anew() -> None:
    """Cache, room for one block and for two: 1 B from dram, t over the slow link, 10 t made anew: six take 5/11 s."""
    instance = three("cache", [ANEW], room=(0, 1, 2))
    assert proven(step.bound(instance)) == pytest.approx(5 / 11, rel=1e-9)
    assert proven(step.bound(instance, integer=True)) == pytest.approx(5 / 11, rel=1e-7)
    assert proven(roofline.bound(instance)) == pytest.approx(6 / 15, rel=1e-12)


def test_attending_serves_from_where_a_block_lies_only() -> None:
    """Free of its link dram gives 5 B/s, not 4, beside 1 B/s from cxl; with room for two there four come over that link."""
    attend, roomy = Operation("attend dram", 1, (0, 1, 0, 0, 0)), (0, 9, 9)
    assert proven(step.bound(three("free", [], room=roomy))) == pytest.approx(6 / 5, rel=1e-9)
    assert proven(step.bound(three("free", [attend], room=roomy))) == pytest.approx(6 / 6, rel=1e-9)
    assert proven(step.bound(three("free", [attend]))) == pytest.approx(4, rel=1e-9)
    assert proven(roofline.bound(three("free", [attend]))) == pytest.approx(6 / 16, rel=1e-12)


def test_calls_bind_where_bytes_are_few() -> None:
    """Six blocks of a byte over a link of 4 B/s on which each request counts for one byte more: 3 s, not 1.5."""
    one = np.zeros((2, 3), dtype=np.int64)
    one[:, 2] = 1
    calls = (one, np.zeros_like(one), np.zeros((2, 2, 3), dtype=np.int64))
    memory = chain([0, 9], [10, 5], [4])
    memory = with_operations(memory, calls=calls)
    instance = make_instance(memory, make_trace([list(range(6))], [-1] * 6), "free")
    for found in (roofline.bound(instance), step.bound(instance), step.bound(instance, integer=True)):
        assert proven(found) == pytest.approx(step_value(instance, 0, room=found.method != "roofline"), rel=1e-7)
    assert proven(step.bound(instance)) == pytest.approx(12 / 4, rel=1e-12)


def test_the_rents_of_kinds_are_per_byte() -> None:
    """Two sizes with a call each: one more byte of room, in whole blocks' worth, saves at most its rent."""
    calls = (np.ones((2, 3), dtype=np.int64), np.zeros((2, 3), dtype=np.int64), np.zeros((2, 2, 3), dtype=np.int64))
    memory = with_operations(chain([4, 99], [10, 5], [4]), calls=calls)
    instance = make_instance(memory, make_trace([list(range(6))], [-1] * 6, sizes=[1, 1, 3, 3, 3, 3]), "free")
    bound = step.bound(instance)
    assert bound.prices is not None
    more = replace(instance, capacity=instance.capacity + np.array([1, 0]))
    assert bound.prices.rent[0, 0] == pytest.approx(proven(bound) - proven(step.bound(more)), rel=1e-6)
    assert bound.prices.rent[0, 0] > 0


def test_a_cache_has_no_births_to_store() -> None:
    """Produced and stored nowhere: the step takes nothing; under "free" it takes the cheapest write."""
    trace = make_trace([[]], [-1, 0], sizes=[1, 90])
    memory = with_operations(chain([100, 100], [10, 5], [4]), [Operation("recompute", None, (1, 0, 0))])
    for residency, seconds in (("cache", 0.0), ("free", 90 / 14)):
        instance = make_instance(memory, trace, residency)  # type: ignore[arg-type]
        assert proven(roofline.bound(instance)) == pytest.approx(seconds, rel=1e-12)
        assert proven(step.bound(instance, integer=True)) == pytest.approx(seconds, rel=1e-12)


def test_the_lp_needs_a_solver_for_no_plain_system_of_two_tiers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The closed form is for reads alone; one more way to serve asks the solver."""
    asked = []
    solve = step.solve

    def counting(program: Any, **options: Any) -> Any:
        asked.append(program)
        return solve(program, **options)

    monkeypatch.setattr(step, "solve", counting)
    memory = chain([2, 99], [10, 5], [4])
    trace = make_trace([list(range(6))], [-1] * 6)
    step.bound(make_instance(memory, trace))
    assert not asked
    instance = make_instance(with_operations(memory, [Operation("attend dram", 1, (0, 1, 0))]), trace)
    assert proven(step.bound(instance)) == pytest.approx(step_value(instance, 0), rel=1e-9)
    assert len(asked) == 1
