"""The roofline: an LP a step written by another hand, exact rationals, section 7, and what must not change it."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.base.limits import Limits
from placement_opt.bounds import roofline
from placement_opt.bounds.dual.evaluate import evaluate
from placement_opt.bounds.result import Status
from placement_opt.memory.split.timing import StepTimer
from tests.bounds.cases import draw, relabelled, scaled
from tests.bounds.per_block import step_value
from tests.small import chain, fetch_ahead, make_instance, make_trace, random_instance, two_tier

PROFILE = settings(derandomize=True, deadline=None, max_examples=40)
SEEDS = st.integers(0, 10**6)


@PROFILE
@given(SEEDS)
def test_equals_the_lp_of_each_step(seed: int) -> None:
    """Step by step the roofline is the optimum of the LP without residency and capacity, all rules, one to four tiers."""
    instance = draw(seed)
    bound = roofline.bound(instance)
    expected = [step_value(instance, t, room=False) for t in range(instance.num_steps)]
    assert bound.step_s is not None
    assert bound.step_s == pytest.approx(expected, rel=1e-8, abs=1e-12)
    assert bound.lower_bound_s == pytest.approx(math.fsum(bound.step_s), rel=1e-13)
    assert bound.status is Status.OPTIMAL


@PROFILE
@given(SEEDS)
def test_is_below_the_exact_rational(seed: int) -> None:
    """What is published never exceeds the exact value, and misses it by rounding only."""
    rng = np.random.default_rng(seed)
    instance = random_instance(
        rng, int(rng.integers(1, 4)), "inclusive", blocks=6, steps=6, max_size=1000, shares=seed % 2 == 0
    )
    timer = StepTimer(instance.memory, [(1 << instance.num_tiers) - 1])
    base = instance.share_base
    exact = Fraction(0)
    for t in range(instance.num_steps):
        born = int(instance.size[instance.first_state == t + 1].sum())
        load = instance.fixed[t] + born * instance.memory.write[instance.home]
        served = int(instance.read_bytes[instance.trace.indptr[t] : instance.trace.indptr[t + 1]].sum())
        exact += timer.exact([served], [base * int(x) for x in load], base)
    published = roofline.bound(instance).lower_bound_s
    assert published is not None
    assert Fraction(published) <= exact
    assert published == pytest.approx(float(exact), rel=1e-12)


@pytest.mark.parametrize("residency", ["inclusive", "exclusive", "free"])
def test_section_7_one_step(residency: str) -> None:
    """n bytes take n/5350 s whatever the capacity: alpha = 4900/5350 from hbm."""
    instance = make_instance(two_tier(hbm=0), make_trace([list(range(50))], [-1] * 50), residency)  # type: ignore[arg-type]
    assert roofline.bound(instance).lower_bound_s == pytest.approx(50 / 5350, rel=1e-13)


def test_section_7_fetch_ahead() -> None:
    """Roofline 0.0482930 s."""
    assert roofline.bound(fetch_ahead()).lower_bound_s == pytest.approx(0.0482930, abs=5e-8)


@pytest.mark.parametrize(("link", "alpha"), [(300, 0.942), (450, 0.916), (64, 0.987)])
def test_the_seed_constants(link: int, alpha: float) -> None:
    """alpha* = B_hbm / (B_hbm + min(B_link, B_ext)) of arXiv 2508.13231 is the split at which the roofline is reached."""
    instance = make_instance(two_tier(rates=(4900, link, 500)), make_trace([list(range(100))], [-1] * 100))
    seconds = roofline.bound(instance).lower_bound_s
    assert seconds is not None
    assert seconds * 4900 / 100 == pytest.approx(alpha, abs=5e-4)


@pytest.mark.parametrize(("residency", "expected"), [("inclusive", 90 / 450), ("exclusive", 90 / 5350), ("free", 90 / 5350)])
def test_births_go_home_or_anywhere(residency: str, expected: float) -> None:
    """A produced block is written through to the home tier under the inclusive rule, else split over the tiers like a read."""
    trace = make_trace([[]], [-1, 0], sizes=[1, 90])
    instance = make_instance(two_tier(), trace, residency)  # type: ignore[arg-type]
    assert roofline.bound(instance).lower_bound_s == pytest.approx(expected, rel=1e-13)


def test_the_floor_counts_where_it_is_higher() -> None:
    """A step takes its floor or its transfers, whichever is longer; its prices are zero where the floor counts."""
    instance = make_instance(two_tier(), make_trace([[0], [0, 1]], [-1, -1], sizes=[535]), floor=0.15)
    bound = roofline.bound(instance)
    assert bound.step_s == pytest.approx([0.15, 0.2], rel=1e-13)
    assert bound.prices is not None
    assert not bound.prices.rho[0].any()


@PROFILE
@given(SEEDS)
def test_its_prices_prove_it(seed: int) -> None:
    """The prices are legal, their rents zero, and the dual of the horizon at them is no lower than the roofline."""
    instance = draw(seed)
    bound = roofline.bound(instance)
    assert bound.prices is not None
    assert bound.lower_bound_s is not None
    assert (bound.prices.rho >= 0).all()
    assert (bound.prices.rho @ instance.memory.rates <= 1.0).all()
    assert not bound.prices.rent.any()
    assert evaluate(instance, bound.prices).value_s >= bound.lower_bound_s * (1 - 1e-12)


@PROFILE
@given(SEEDS, st.integers(0, 30))
def test_more_rate_never_hurts_and_capacity_is_nothing_to_it(seed: int, more: int) -> None:
    """A faster resource never raises the roofline; capacities do not enter."""
    instance = draw(seed)
    before = roofline.bound(instance).lower_bound_s
    assert before is not None
    rates = instance.memory.rates.copy()
    rates[seed % len(rates)] += more
    faster = roofline.bound(replace(instance, memory=replace(instance.memory, rates=rates))).lower_bound_s
    assert faster is not None
    assert faster <= before * (1 + 1e-12)
    assert roofline.bound(replace(instance, capacity=instance.capacity * 2)).lower_bound_s == before


@PROFILE
@given(SEEDS, st.sampled_from([3, 1024, 10**9]))
def test_names_and_units_change_nothing(seed: int, factor: int) -> None:
    """Other block ids give the same value; so do all bytes and rates times one factor."""
    instance = draw(seed)
    value = roofline.bound(instance).lower_bound_s
    assert roofline.bound(relabelled(instance, np.random.default_rng(seed))).lower_bound_s == pytest.approx(value, rel=1e-13)
    assert roofline.bound(scaled(instance, factor)).lower_bound_s == pytest.approx(value, rel=1e-12)


def test_a_stop_request_is_passed_on() -> None:
    """The roofline is complete all the same, and says that somebody asked for a stop."""
    limits = Limits()
    limits.interrupt()
    bound = roofline.bound(fetch_ahead(), limits=limits)
    assert bound.status is Status.INTERRUPTED
    assert bound.lower_bound_s == roofline.bound(fetch_ahead()).lower_bound_s


def test_steps_without_reads_cost_their_fixed_load() -> None:
    """Nothing read, nothing produced: the fixed load over its rate."""
    instance = make_instance(chain([5, 9], [10, 5], [4]), make_trace([[], []], [-1]), fixed=[3, 0, 0])
    assert roofline.bound(instance).lower_bound_s == pytest.approx(0.6, rel=1e-13)
