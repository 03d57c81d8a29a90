"""Prices on few intervals: never above the optimum, strong where programs are slow, and going on where they stopped."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS, milp
from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.dual.evaluate import evaluate
from placement_opt.bounds.dual.futures import merge_futures
from placement_opt.bounds.intervals import MOST, PriceIntervals
from placement_opt.bounds.programs.cutting_planes import Cuts
from placement_opt.bounds.result import Status
from placement_opt.bounds.sample import sampled_futures
from placement_opt.instance.instance import Instance
from tests.bounds.cases import draw
from tests.small import chain, make_instance, make_trace, random_instance


def search(instance: Instance) -> PriceIntervals:
    return PriceIntervals(instance, merge_futures(classify(instance)))


def requests(residency: str, count: int = 30, seed: int = 1) -> Instance:
    """Requests that produce blocks, some read again later, on three tiers of which the slow one writes slowly."""
    rng = np.random.default_rng(seed)
    births = np.sort(rng.integers(0, count, 4 * count))
    reads = [sorted(set(rng.choice(4 * count, 12).tolist()) & set(np.flatnonzero(births < t).tolist())) for t in range(count)]
    memory = chain([20, 60, 8 * count], [1000, 200, 20], [100, 10])
    return make_instance(memory, make_trace(reads, births.tolist()), residency=residency)


@settings(derandomize=True, deadline=None, max_examples=16)
@given(st.integers(0, 10**6))
def test_never_above_the_optimum(seed: int) -> None:
    """On random instances of all rules and numbers of tiers; the value is what its prices prove."""
    rng = np.random.default_rng(seed)
    tiers, residency = int(rng.integers(1, 5)), ("inclusive", "exclusive", "free")[seed % 3]
    instance = random_instance(rng, tiers, residency, blocks=5, steps=6, max_size=2, shares=seed % 2 == 0)
    found = METHODS["intervals"](instance)
    optimum = milp.bound(instance).value_s
    assert optimum is not None
    assert found.lower_bound_s is not None
    assert found.prices is not None
    assert found.lower_bound_s <= optimum * (1 + 1e-9) + 1e-300
    assert found.lower_bound_s == evaluate(instance, found.prices).value_s
    assert found.status is Status.BOUND


@pytest.mark.parametrize("residency", ["exclusive", "free", "inclusive"])
def test_strong_on_requests(residency: str) -> None:
    """Where the roofline is nothing, what must be stored in the end is most of the bound: nine tenths of the LP and more."""
    instance = requests(residency)
    roofline, lp = METHODS["roofline"](instance).lower_bound_s, METHODS["lp"](instance).lower_bound_s
    found = METHODS["intervals"](instance).lower_bound_s
    assert roofline is not None
    assert lp is not None
    assert found is not None
    assert found >= 0.9 * lp
    if residency != "inclusive":
        assert found > 3 * roofline


def test_steep_cuts_of_small_variables_promise_what_they_say() -> None:
    """x <= 1e-8 with f(x) <= 1 + 1e9 x promises 11: in units of 1 the value would be lost beside so steep a slope."""
    cuts = Cuts(np.array([1.0]), np.array([[1e9]]), np.array([1e-8]), np.array([-1]))
    promised, weight = cuts.promise(Limits())
    assert promised == pytest.approx(11.0)
    assert weight.tolist() == [1.0]


def test_more_intervals_never_lower_the_value() -> None:
    """Each split starts from prices that say the same."""
    instance, values = draw(7, 3, blocks=20), list[float]()
    one = search(instance)
    one.run(Limits(), settled=lambda: values.append(one.value_s))
    assert values == sorted(values)
    assert len(values) == one.levels
    assert one.intervals <= 2 * MOST
    assert one.over
    assert one.exact
    assert evaluate(instance, one.prices).value_s == pytest.approx(one.value_s, rel=1e-9)


def test_it_goes_on_where_it_stopped() -> None:
    """Level by level it comes to where one run does."""
    instance = requests("free")
    whole, steps = search(instance), search(instance)
    whole.run(Limits())
    while not steps.over:
        steps.run(Limits(), levels=steps.levels + 1)
    assert (steps.value_s, steps.passes) == (whole.value_s, whole.passes)


def test_enough_and_limits_end_it() -> None:
    """After the first evaluation at least; a stop request proves what is known by then."""
    instance = requests("free")
    one = search(instance)
    one.run(Limits(), enough=1e-9)
    assert (one.passes, one.over) == (1, False)
    stopped = Limits()
    stopped.interrupt()
    found = METHODS["intervals"](instance, limits=stopped)
    assert found.status is Status.INTERRUPTED
    assert found.lower_bound_s is not None


def test_a_sample_stands_for_all_where_there_are_many_futures() -> None:
    """Few futures are taken whole; of many about as many as asked for, which weigh as much as all."""
    instance = requests("free")
    classes = classify(instance)
    all_of_them, some = sampled_futures(instance, classes), sampled_futures(instance, classes, most=10)
    assert len(some[0]) < len(all_of_them[0])
    assert some[0].cell_bytes.sum() == pytest.approx(all_of_them[0].cell_bytes.sum())
