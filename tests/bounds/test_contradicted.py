"""What a solver says against what is proven: the proof stands, and no value is published beyond it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from placement_opt.base.highs import LinearProgram, Solution, rate_unit, solve
from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS, lp, milp, roofline, step
from placement_opt.bounds.result import Status
from placement_opt.instance.instance import Instance
from placement_opt.instance.rule import KEEPING
from placement_opt.memory.operations import table
from placement_opt.memory.system import MemorySystem, Tier
from placement_opt.play.replay import Replay
from placement_opt.play.simulate import simulate
from placement_opt.schedulers.branch_and_bound import milp_schedule
from tests.bounds.cases import half_copied_twice
from tests.small import fetch_ahead, make_instance, make_trace, random_instance
from tests.worlds import any_instance


def side_by_side(capacity: tuple[int, int], rates: tuple[int, int]) -> MemorySystem:
    """Two tiers at the processor, a resource each."""
    path = np.eye(2, dtype=np.int64)
    copy = (path[:, None] + path[None]) * (1 - np.eye(2, dtype=np.int64))[:, :, None]
    return MemorySystem(
        name="side by side",
        processor="gpu",
        tiers=tuple(Tier(n, c, "gpu", r, r, True) for n, c, r in zip(("hbm", "slow"), capacity, rates, strict=True)),
        links=(),
        resources=("hbm", "slow"),
        rates=np.array(rates, dtype=np.int64),
        operations=table(("hbm", "slow"), path, path, copy),
        routes={},
    )


def far_apart() -> Instance:
    """Blocks of 1 MB that fit into 1 GB/s beside 1 B/s: every read comes from hbm, 1 ms each, and so does the one birth."""
    memory = side_by_side((10**7, 2 * 10**7), (10**9, 1))
    return make_instance(memory, make_trace([[0], [0], [0], [0, 1]], [-1, 1], sizes=[10**6, 10**6]), "free")


@pytest.mark.parametrize("method", ["lp", "milp", "compact", "step", "step-integer"])
def test_rates_a_billion_times_apart(method: str) -> None:
    """The fast resource's loads are no dust to the solver: 6 ms, where the LP and the MILP once said 0 s and "optimal"."""
    found = METHODS[method](far_apart())
    assert found.lower_bound_s == pytest.approx(0.006 if method != "step" else found.lower_bound_s, rel=1e-6)
    assert found.lower_bound_s >= (roofline.bound(far_apart()).lower_bound_s or 0.0) * (1 - 1e-9)
    if method in ("lp", "milp"):
        assert found.status is Status.OPTIMAL


def test_what_a_unit_of_rate_is() -> None:
    """The slowest rate while they are near enough, what lies in the middle of those far apart."""
    assert rate_unit(np.array([5_000, 7, 300], dtype=np.int64)) == 7.0
    assert rate_unit(np.array([10**9, 50, 1], dtype=np.int64)) == pytest.approx(10**4.5)


@pytest.mark.parametrize("seed", range(12))
def test_any_rates_keep_the_order(seed: int) -> None:
    """Rates over ten decades, two and three tiers: roofline <= every method <= the best schedule, and the MILP meets it."""
    rng = np.random.default_rng(seed)
    drawn = random_instance(
        rng,
        2 + seed % 2,
        KEEPING[seed % 3],
        blocks=int(rng.integers(1, 4)),
        steps=int(rng.integers(1, 5)),
        max_size=1 + seed % 3,
    )
    rates = drawn.memory.rates * 10 ** rng.integers(0, 10, drawn.num_resources)
    instance = replace(drawn, memory=replace(drawn.memory, rates=rates), home_tier=drawn.home)
    schedule, least = milp_schedule(instance), roofline.bound(instance).lower_bound_s
    assert schedule is not None
    assert least is not None
    best = simulate(instance, Replay(schedule)).latency_s
    for method in ("step", "step-integer", "compact", "lp", "milp"):
        value = METHODS[method](instance).lower_bound_s
        assert value is not None
        assert least * (1 - 1e-12) <= value <= best * (1 + 1e-9), method
    assert METHODS["milp"](instance).lower_bound_s == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize("shares", [False, True])
def test_an_lp_below_what_is_proven_discredits_the_lp(monkeypatch: pytest.MonkeyPatch, shares: bool) -> None:
    """The solver claims half of the value: not believed, not called optimal; what prices prove is published whole."""

    def halved(*arguments: Any, **options: Any) -> Solution:
        found = solve(*arguments, **options)
        return replace(found, objective=0.5 * found.objective)

    instance = fetch_ahead()
    if shares:
        half = np.full(instance.trace.num_reads, 1, dtype=np.uint16)
        instance = replace(instance, trace=replace(instance.trace, shares=half, share_base=2))
    right = lp.bound(instance).lower_bound_s
    monkeypatch.setattr(lp, "solve", halved)
    found = lp.bound(instance)
    assert found.status is Status.BOUND
    assert found.note.startswith("the solver's value 0.0")
    assert found.note.endswith("and is not believed")
    assert found.value_s is None
    assert found.lower_bound_s == pytest.approx(right, rel=1e-6)
    assert found.step_s is not None
    assert found.step_s.tolist() == pytest.approx(step.bound(instance).step_s)


def test_an_incumbent_below_what_is_proven_discredits_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """An incumbent of no time at all: the root bound stands, with a note, and is not called optimal."""

    def idle(arrays: LinearProgram, solution: Solution) -> np.ndarray:
        del solution
        return np.zeros(arrays.num_columns)

    monkeypatch.setattr(milp, "incumbent", idle)
    found = milp.bound(fetch_ahead())
    assert found.lower_bound_s == pytest.approx(0.0496471, abs=5e-8)
    assert (found.status, found.value_s) == (Status.BOUND, None)
    assert found.note.startswith("the solver's incumbent 0 s lies below what is proven, 0.049647")
    assert found.note.endswith("nothing of it is believed")


@pytest.mark.parametrize("seed", range(30))
def test_the_optimum_is_rounded_down(seed: int) -> None:
    """In exact fractions the published value is at most what the best schedule takes, to the last bit."""
    instance = any_instance(seed)
    found, schedule = milp.bound(instance), milp_schedule(instance)
    assert schedule is not None
    assert found.lower_bound_s is not None
    taken = simulate(instance, Replay(schedule)).exact_latency()
    assert Fraction(found.lower_bound_s) <= taken
    assert found.value_s is not None
    assert found.lower_bound_s >= found.value_s * (1 - 2 * milp.MARGIN)


def test_rounded_down_where_floors_add_up() -> None:
    """Three floors of 0.3 s are less than 0.9: their doubles add up to 0.9 and a little less than its double."""
    memory = side_by_side((9, 9), (4724, 2389))
    instance = make_instance(memory, make_trace([[], [], []], [-1], sizes=[9]), "free", floor=0.3)
    found = milp.bound(instance).lower_bound_s
    assert found is not None
    assert Fraction(found) <= 3 * Fraction(0.3)


def test_branch_and_bound_begins_where_the_dual_ends() -> None:
    """Three tiers: the LP, which splits blocks, says less than the dual proves; without time for a search the dual stands."""
    instance = half_copied_twice()
    best = [METHODS[name](instance).lower_bound_s or 0.0 for name in ("lp", "compact")]
    assert best[0] < 0.7 * best[1]
    found = milp.publish(
        instance, milp.root_bound(instance, Limits()), milp.search(instance, limits=Limits(0.0)), Limits(), 0.0
    )
    assert found.lower_bound_s == best[1]
    assert found.rests_on.startswith("weak duality at the root")
