"""The engine's interval LP equals an LP written out step by step and solved by another route."""

from __future__ import annotations

import numpy as np
import pytest

from placement_opt.bounds import lp
from tests.models.systems import layered_trace
from tests.models.two_tier_lp import two_tier_lp
from tests.small import make_instance, two_tier


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
