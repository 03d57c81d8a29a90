"""An ascent raises the dual value from any start, never lowers it, and stops when told."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.base.backend import Backend
from placement_opt.base.limits import Limits
from placement_opt.bounds import lp, milp, roofline
from placement_opt.bounds.ascent import ascend
from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.dual.climb import Climb
from placement_opt.bounds.dual.evaluate import DualValue, evaluate
from placement_opt.bounds.dual.futures import merge_futures
from placement_opt.bounds.dual.price_space import PriceSpace
from placement_opt.bounds.dual.shares import evaluate_on
from placement_opt.bounds.dual.tracked import Tracked
from placement_opt.bounds.result import Prices
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import load_instance
from tests.bounds.cases import absurd_prices, draw
from tests.small import fetch_ahead
from tests.worlds import any_operations


def roofline_prices(instance: Instance) -> Prices:
    prices = roofline.bound(instance).prices
    assert prices is not None
    return prices


@settings(derandomize=True, deadline=None, max_examples=8)
@given(st.integers(0, 10**6))
def test_never_below_its_start_and_never_above_the_optimum(seed: int) -> None:
    """From absurd prices too; what comes back is what the proof says of the prices that come back."""
    rng = np.random.default_rng(seed)
    instance = draw(seed)
    start = absurd_prices(rng, instance, 0.5)
    found = ascend(instance, start)
    assert found.value_s >= evaluate(instance, start).value_s
    assert found.value_s == evaluate(instance, found.prices).value_s
    optimum = milp.bound(instance).value_s
    assert optimum is not None
    assert found.value_s <= optimum * (1 + 1e-9) + 1e-300


@pytest.mark.parametrize("seed", range(8))
def test_it_comes_close_to_the_lp(seed: int) -> None:
    """From the roofline of small instances with binding capacity and whole reads: 99.9 % of the LP value or more."""
    instance = draw(seed + 100, 2 + seed % 2, shares=False, blocks=12)
    value = lp.bound(instance).lower_bound_s
    assert value is not None
    assert ascend(instance, roofline_prices(instance)).value_s >= 0.999 * value


def test_section_7_fetch_ahead() -> None:
    """Where fetching ahead pays, from the roofline's 0.0482930 s to within 0.01 % of the LP's 0.0496471 s."""
    instance = fetch_ahead()
    assert ascend(instance, roofline_prices(instance)).value_s == pytest.approx(0.0496471, rel=1e-4)


def test_improvements_are_told_as_they_are_proven() -> None:
    """Values rise strictly, each is what its prices prove, and the last is the result."""
    instance = fetch_ahead()
    told: list[DualValue] = []
    found = ascend(instance, roofline_prices(instance), improved=told.append)
    values = [dual.value_s for dual in told]
    assert len(values) > 1
    assert values == sorted(set(values))
    assert values == [evaluate(instance, dual.prices).value_s for dual in told]
    assert found is told[-1]


def test_enough_is_enough() -> None:
    """A start that is enough comes back at once; otherwise the first proof that is enough is the last."""
    instance = fetch_ahead()
    start = roofline_prices(instance)
    told: list[DualValue] = []
    assert ascend(instance, start, enough=0.048, improved=told.append).value_s == evaluate(instance, start).value_s
    assert told == []
    found = ascend(instance, start, enough=0.049, improved=told.append)
    assert found.value_s >= 0.049
    assert all(dual.value_s < 0.049 for dual in told[:-1])


def test_a_stop_request_leaves_the_start() -> None:
    """Asked to stop before it begins, it returns what the start proves."""
    instance = fetch_ahead()
    limits = Limits()
    limits.interrupt()
    start = roofline_prices(instance)
    assert ascend(instance, start, limits=limits).value_s == evaluate(instance, start).value_s


def test_a_stop_request_on_the_way_keeps_what_is_proven() -> None:
    """Stopped at the first improvement, that improvement is the result."""
    instance = fetch_ahead()
    limits = Limits()
    told: list[DualValue] = []

    def stop(dual: DualValue) -> None:
        told.append(dual)
        limits.interrupt()

    assert ascend(instance, roofline_prices(instance), limits=limits, improved=stop) is told[0]
    assert len(told) == 1


def test_prices_of_nothing_are_a_start() -> None:
    """From prices that are all zero, which prove nothing, it begins with equal shares of all resources."""
    instance = fetch_ahead()
    nothing = Prices(np.zeros((22, 4)), np.zeros((23, 2)))
    assert evaluate(instance, nothing).value_s == 0.0
    assert ascend(instance, nothing).value_s > 0.0493


def test_a_backend_makes_the_proofs() -> None:
    """Handed a backend, values are those of its integer sums."""
    instance = fetch_ahead()
    backend = Backend()
    found = ascend(instance, roofline_prices(instance), backend=backend)
    assert found.value_s == evaluate_on(backend, instance, found.prices).value_s
    assert found.value_s == pytest.approx(0.0496471, rel=1e-4)


def test_softening_hurries_before_a_deadline() -> None:
    """Without a deadline it shrinks at its own pace; with few steps left as fast as it takes, within reason."""

    class Left(Limits):
        remaining = math.inf

    instance, limits = fetch_ahead(), Left()
    best = evaluate(instance, roofline_prices(instance))
    climb = Climb(instance, merge_futures(classify(instance)), best, lambda _: best, limits=limits)
    assert climb.shrink(0.1, 1.0) == 0.97
    limits.remaining = 40.0
    assert climb.shrink(0.1, 1.0) == pytest.approx((2e-5 / 0.1) ** (1 / 40))
    limits.remaining = 2.0
    assert climb.shrink(0.1, 1.0) == 0.7
    assert climb.shrink(1e-6, 1.0) == 0.97


def _cache(nvme: str) -> Instance:
    """Requests in front of a drive; what lies nowhere is recomputed."""
    path = Path(__file__).parents[2] / "instances" / "requests" / "nvme4-cache.toml"
    return load_instance(path, {"memory.nvme.capacity": nvme})


def test_tiers_that_hardly_anything_lies_in_are_left_out() -> None:
    """Where room on the drive is dear, it is left out, until it is cheap again; a drive with too little room never is."""
    for nvme, scarce in (("64 GiB", False), ("1 GiB", True)):
        instance = _cache(nvme)
        rho = np.zeros((instance.num_steps, instance.num_resources))
        anew = list(instance.memory.resources).index("recompute")
        rho[:, anew] = 1.0 / instance.memory.rates[anew]
        dear = np.full((instance.num_steps + 1, instance.num_tiers), 1e-6)
        cheap = dear * (np.arange(instance.num_tiers) < 2)
        start = evaluate(instance, Prices(rho, dear))
        climb = Climb(instance, merge_futures(classify(instance)), start, partial(evaluate, instance), limits=Limits())
        every = len(climb._tracked.masks)
        climb.look(start.prices)
        assert len(climb._tracked.masks) == (every if scarce else every // 2)
        climb.look(Prices(rho, cheap))
        assert len(climb._tracked.masks) == every


def test_a_cache_that_nobody_reads_has_rents_too() -> None:
    """Their unit goes by what is read; of nothing it is no 0 that prices would be divided by."""
    instance = next(one for one in map(any_operations, range(100)) if one.forgets)
    trace = instance.trace
    unread = replace(
        trace, indptr=trace.indptr * 0, blocks=trace.blocks[:0], shares=None if trace.shares is None else trace.shares[:0]
    )
    instance = replace(instance, trace=unread, capacity=instance.capacity * 0, initial=None)
    assert (PriceSpace.of(instance).rent_unit > 0.0).all()


def test_softening_never_takes_more_than_the_whole_value() -> None:
    """However far there may be to go: on a log whose blocks are kept for long the coarsest softening takes far more."""
    instance = _cache("64 GiB")
    futures = merge_futures(classify(instance))
    start = evaluate(instance, roofline_prices(instance))
    climb = Climb(instance, futures, start, lambda prices: evaluate(instance, prices), limits=Limits())
    climb.begin(math.inf)
    coarsest = 0.05 * climb.space.slowest
    assert climb.slopes(start.prices, coarsest).value_s < 0.0 <= climb.slopes(start.prices, climb._soft).value_s


def test_tiers_stay_left_out_while_softening_hides_more_than_they_are_worth(monkeypatch: pytest.MonkeyPatch) -> None:
    """What prices promise without them holds a value down only where it is more than what softening takes away."""
    climb, allowed = _begun(), list[float]()

    def seen(*given: object) -> tuple[Tracked, float]:
        allowed.append(given[3])  # type: ignore[arg-type]
        return climb._tracked, 0.0

    monkeypatch.setattr("placement_opt.bounds.dual.climb.needed_sets", seen)
    for climb.hidden in (1e-5, 0.02, np.inf):
        climb.look(climb.best.prices)
    assert allowed == [1e-3, 0.02, 1e-3]


def _begun() -> Climb:
    """A climb of a small log, a few steps on its way."""
    instance = _cache("64 GiB")
    start = evaluate(instance, roofline_prices(instance))
    climb = Climb(instance, merge_futures(classify(instance)), start, partial(evaluate, instance), limits=Limits())
    climb.begin(0.03)
    for _ in range(3):
        climb.hidden = climb._step()
    return climb


def test_a_step_that_falls_far_is_taken_back() -> None:
    """The next begins at the top again and is shorter; where steps are short already, it goes on from where it is."""
    climb = _begun()
    top = climb._at_top
    climb._top += 1.0
    climb._step()
    stiff = climb._metric.rho.max()
    assert climb._y is top
    assert climb._x is top
    assert climb._momentum == 1.0
    climb._metric.rho = np.full_like(climb._metric.rho, 1e7)
    climb._top += 1.0
    climb._step()
    assert climb._y is not top
    assert climb._metric.rho.max() < 1e7 * 4
    assert stiff > 0.0


def test_with_more_sets_of_tiers_softening_takes_no_more_than_before() -> None:
    """The softening is chosen anew, and the climb goes on from where it is without its momentum."""
    climb = _begun()
    before, climb.hidden, here = climb._soft, 1e-4, climb._x
    climb._retrack()
    assert climb._soft < before
    assert climb._momentum == 1.0
    assert climb._y is here
    lost = 1.0 - climb.slopes(climb.best.prices, climb._soft).value_s / climb.best.value_s
    assert lost <= 1e-4
