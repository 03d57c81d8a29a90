"""Column generation for one step: rationals behind floats."""

from __future__ import annotations

import numpy as np
import pytest

from placement_opt.memory.split import read_split
from placement_opt.memory.split.read_split import Ways, exact_time, solve_split
from tests.memory.systems import random_tree
from tests.small import two_tier


def test_rationals_decide_where_floats_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A result in floats whose two sides do not meet is replaced by the exact one; a search that does not end is, too."""
    memory, members = two_tier(), [[0, 1]]
    served, base = np.array([5350.0]), np.array([535.0, 0.0, 0.0, 0.0])
    good = solve_split(Ways(memory.rates, memory.read), members, served, base)
    assert good.time == pytest.approx(1.1, rel=1e-14)
    for name, value in (("_GAP", -1.0), ("_MOST_PIVOTS", 1)):
        with monkeypatch.context() as patch:
            patch.setattr(read_split, name, value)
            exact = solve_split(Ways(memory.rates, memory.read), members, served, base)
        assert exact.time == pytest.approx(1.1, rel=1e-15)
        np.testing.assert_allclose(exact.bytes, good.bytes, rtol=1e-12)
        np.testing.assert_allclose(exact.prices, good.prices, rtol=1e-12)


def test_degenerate_steps_end() -> None:
    """Equal loads, equal rates, empty patterns: ties everywhere do not keep the search going round."""
    rng = np.random.default_rng(5)
    for _ in range(40):
        memory = random_tree(rng, 4, largest_rate=2)
        assert set(memory.rates.tolist()) == {1}
        members = [[0, 1, 2, 3], [0, 1], [2, 3], [1]]
        served, base = [4, 0, 4, 0], [0] * len(memory.resources)
        exact = exact_time(Ways(memory.rates, memory.read), members, served, base)
        found = solve_split(
            Ways(memory.rates, memory.read), members, np.array(served, dtype=float), np.array(base, dtype=float)
        )
        assert found.time == pytest.approx(float(exact), rel=1e-12)


def test_no_load_and_one_load_elsewhere() -> None:
    """Nothing to read: the time is that of the other loads, and zero without any."""
    memory = two_tier()
    nothing = solve_split(Ways(memory.rates, memory.read), [[0, 1]], np.zeros(1), np.zeros(4))
    assert nothing.time == 0.0
    assert memory.rates @ nothing.prices == pytest.approx(1.0)
    assert not nothing.bytes.any()
    assert exact_time(Ways(memory.rates, memory.read), [[0, 1]], [0], [0, 0, 0, 0]) == 0
    elsewhere = solve_split(Ways(memory.rates, memory.read), [[0, 1]], np.zeros(1), np.array([0.0, 0.0, 0.0, 9.0]))
    assert elsewhere.time == pytest.approx(9 / 450)
    np.testing.assert_allclose(elsewhere.prices, [0, 0, 0, 1 / 450])
