"""Two relaxations of the whole horizon, written and solved apart, agree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import horizon
from tests.models.two_tier_lp import two_tier_lp
from tests.small import fetch_ahead, make_instance, make_trace, random_instance, two_tier
from tests.worlds import layered_trace


def test_fetching_ahead_pays():
    """0.0496471 s, the exact LP of the problem statement, section 7."""
    assert two_tier_lp(fetch_ahead()) == pytest.approx(0.0496471, abs=5e-8)


def test_no_room_waits_for_the_link():
    """n blocks over the link take n/450 s."""
    assert two_tier_lp(make_instance(two_tier(hbm=0), make_trace([[0, 1, 2]], [-1] * 3))) == pytest.approx(3 / 450, rel=1e-12)


@pytest.mark.parametrize(("layers", "capacity"), [(1, 8), (2, 10), (3, 20)])
def test_layers_births_and_binding_capacity(layers, capacity):
    """On drifting layered traces with a block produced by every step, the same value as the Pyomo statement."""
    trace = layered_trace(np.random.default_rng(layers), layers, prefill=12, tokens=6, share=0.5, drift=0.3)
    instance = make_instance(two_tier(hbm=capacity), trace, fixed=[3, 0, 0, 0])
    value = two_tier_lp(instance)
    assert value == pytest.approx(horizon.value(instance, relax=True), rel=1e-9)
    assert value > two_tier_lp(make_instance(two_tier(hbm=1000), trace, fixed=[3, 0, 0, 0])) * 1.01


@settings(derandomize=True, deadline=None, max_examples=100)
@given(seed=st.integers(0, 2**32 - 1))
def test_random_instances(seed):
    """Shares, deaths, unequal sizes, a given start: the same value as the Pyomo statement."""
    rng = np.random.default_rng(seed)
    shares, deaths, start = (bool(flag) for flag in rng.integers(0, 2, 3))
    instance = random_instance(rng, 2, blocks=6, steps=6, max_size=3, shares=shares, deaths=deaths, given=start)
    assert two_tier_lp(instance) == pytest.approx(horizon.value(instance, relax=True), rel=1e-9)
