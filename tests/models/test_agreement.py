"""Flows at prices against the horizon's program, on random tiny instances; ``tests/test_agreement.py`` has what else agrees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import flow, horizon
from tests.brute import optimum
from tests.small import random_instance
from tests.worlds import any_instance

SEEDS = st.integers(0, 2**32 - 1)
#: Two statements of one value differ by rounding only.
SAME = 1e-9


def at_most(low: float, high: float) -> bool:
    return low <= high * (1 + SAME)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(seed=SEEDS)
def test_the_flow_at_the_best_prices_is_the_relaxation(seed):
    """Strong duality: at the horizon LP's own multipliers the relaxed flow gives that LP's value."""
    instance = any_instance(seed)
    paid = flow.value(instance, flow.horizon_prices(instance), relax=True)
    assert paid == pytest.approx(horizon.value(instance, relax=True), rel=SAME)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(seed=SEEDS)
def test_the_flow_at_any_prices_is_a_bound(seed):
    """Weak duality: at arbitrary prices the relaxed flow is at most the LP, the flow at most the optimum."""
    instance = any_instance(seed)
    rng = np.random.default_rng(seed)
    rho = rng.random((instance.num_steps, instance.num_resources)) * rng.integers(0, 2, (1, instance.num_resources))
    rho /= np.maximum(1e-9, rho @ instance.memory.rates)[:, None] * rng.choice([1.0, 1.5])
    assert at_most(flow.value(instance, rho, relax=True), horizon.value(instance, relax=True))
    assert at_most(flow.value(instance, rho), optimum(instance).seconds)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(seed=SEEDS, residency=st.sampled_from(["inclusive", "exclusive"]))
def test_the_flow_of_two_tiers_and_equal_sizes_is_integral(seed, residency):
    """Two tiers, equal sizes, whole reads: splitting blocks gains nothing once prices are fixed."""
    rng = np.random.default_rng(seed)
    deaths, start = (bool(flag) for flag in rng.integers(0, 2, 2))
    instance = random_instance(rng, 2, residency, blocks=6, steps=6, deaths=deaths, given=start)
    rho = flow.horizon_prices(instance)
    assert flow.value(instance, rho, relax=True) == pytest.approx(flow.value(instance, rho), rel=SAME)
