"""Idle stretches of any length: by the tree and the steps at its ends, against one product after the other."""

from __future__ import annotations

import numpy as np
import pytest

from placement_opt.bounds.dual import evaluate_kernels as kernels


def _slow(low: int, high: int, has: np.ndarray, source: np.ndarray, rent: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The same, step by step and set by set."""
    costs = start.copy()
    for t in range(low, high):
        after = np.full(len(has), np.inf)
        for j in range(len(has)):
            for i in range(len(has)):
                copies = sum(float(source[t, i, k]) for k in np.flatnonzero(has[j] & ~has[i]))
                after[j] = min(after[j], costs[i] + copies)
        costs = after + rent[t + 1]
    return costs


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 23])
@pytest.mark.parametrize("seed", range(3))
def test_any_stretch_costs_what_its_steps_cost(steps: int, seed: int) -> None:
    """From one set, or from any; a set from which nothing can be copied is left by dropping alone."""
    rng = np.random.default_rng((steps, seed))
    tiers = int(rng.integers(1, 4))
    masks = np.arange(seed % 2, 1 << tiers)  # with the empty set, or without
    has = (masks[:, None] >> np.arange(tiers)) & 1 == 1
    source = rng.exponential(1.0, (steps, len(masks), tiers))
    source[:, masks == 0] = np.inf
    rent = rng.exponential(0.3, (steps + 1, len(masks)))
    tree = kernels.idle_tree(has, source, rent)
    for low in range(steps + 1):
        for high in range(low, steps + 1):
            costs = rng.exponential(1.0, len(masks))
            costs[rng.random(len(masks)) < 0.3] = np.inf
            expected = _slow(low, high, has, source, rent, costs)
            kernels._idle(tree, low, high, has, source, rent, costs, np.zeros(len(masks)), np.zeros(64, dtype=np.int64))
            np.testing.assert_allclose(costs, expected, rtol=1e-12)
