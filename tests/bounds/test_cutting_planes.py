"""Masters of the level method, against what is known of small concave functions."""

from __future__ import annotations

import numpy as np
import pytest

from placement_opt.base.highs import SolverError
from placement_opt.base.limits import Limits
from placement_opt.bounds.programs.cutting_planes import Cuts


def tent(points: list[float], peak: float = 2.0) -> Cuts:
    """Cuts of -|x - peak| seen at some points, over 0 <= x <= 10."""
    slope = np.array([1.0 if x < peak else -1.0 for x in points])[:, None]
    offset = np.array([-abs(x - peak) for x in points]) - slope[:, 0] * np.array(points)
    return Cuts(offset, slope, np.array([10.0]), np.array([-1]))


def test_cuts_promise_the_most_that_all_allow() -> None:
    """One cut promises its best corner; two on either side the peak, each half of it."""
    promised, weight = tent([0.0]).promise(Limits())
    assert promised == pytest.approx(8.0)
    assert weight == pytest.approx([1.0])
    promised, weight = tent([0.0, 5.0]).promise(Limits())
    assert promised == pytest.approx(0.0, abs=1e-7)
    assert weight == pytest.approx([0.5, 0.5])


def test_the_nearest_point_that_promises_a_level() -> None:
    """From either side; a point that promises it already stays."""
    cuts, one = tent([0.0, 5.0]), np.ones(1)
    assert cuts.nearest(np.array([0.0]), one, -0.5, Limits()) == pytest.approx([1.5])
    assert cuts.nearest(np.array([9.0]), one, -0.5, Limits()) == pytest.approx([2.5])
    assert cuts.nearest(np.array([2.25]), one, -0.5, Limits()) == pytest.approx([2.25])


def test_moves_are_measured_in_widths_and_budgets_are_kept() -> None:
    """The wider variable moves; two of one budget never add up to more than 1."""
    cuts = Cuts(np.array([0.0]), np.array([[1.0, 1.0]]), np.array([5.0, 5.0]), np.array([-1, -1]))
    found = cuts.nearest(np.zeros(2), np.array([0.1, 1.0]), 1.1, Limits())
    assert found == pytest.approx([0.1, 1.0])
    shared = Cuts(np.array([0.0]), np.array([[2.0, 1.0]]), np.ones(2), np.array([0, 0]))
    assert shared.promise(Limits())[0] == pytest.approx(2.0)
    assert shared.nearest(np.array([0.0, 1.0]), np.ones(2), 1.5, Limits()).sum() <= 1.0 + 1e-9


def test_a_level_that_nothing_promises_has_no_point() -> None:
    """The solver has no answer, and that is said."""
    with pytest.raises(SolverError, match="cutting planes"):
        tent([0.0, 5.0]).nearest(np.zeros(1), np.ones(1), 1.0, Limits())
