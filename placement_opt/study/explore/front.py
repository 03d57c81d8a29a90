"""What bounds and schedules say of designs on some axes, all of them minimised: who cannot be better, and who is on the front.

``lower`` is float64[D, A]: what no schedule of a design falls below, on each axis; a *point* is what one schedule (one for each
workload) of a design reaches on all of them at once; ``gap`` float64[A] is the share of each axis that does not matter. With
one axis the front is the best design.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Flags, Float64, Int64


@dataclass(frozen=True)
class Reached:
    """A point: its design, and what it reaches on each axis."""

    design: int
    values: tuple[float, ...]


def eliminate(lower: Float64, points: Sequence[Reached], off: Int64, gap: Float64) -> None:
    """Who is at most ``gap`` better than somebody else, on every axis, is off; ``off`` int64[D] has by whom, -1 for none.

    Nobody is put off by one who is off, so that of equals one stays.
    """
    with np.errstate(invalid="ignore"):
        most = lower * (1.0 + gap)
    for point in sorted(points, key=lambda one: (one.values, one.design)):
        if off[point.design] >= 0:
            continue
        beaten = (np.array(point.values) <= most).all(axis=1) & (off < 0)
        beaten[point.design] = False
        off[beaten] = point.design


def settle(lower: Float64, points: Sequence[Reached], gap: Float64) -> Int64:
    """Who is off in the end, by all that is known: the smallest value is the best, whoever put it off on the way.

    With a gap somebody may have been put off by one who was put off later; if nobody left over does it, that is open.
    """
    off = np.full(len(lower), -1, dtype=np.int64)
    eliminate(lower, points, off, gap)
    return off


def proven_on(lower: Float64, points: Sequence[Reached], off: Int64, gap: Float64) -> Flags:
    """bool[D]: designs with a point that no other can better on one axis, by more than ``gap``, without losing on another.

    Every other design is above it on some axis, or nowhere more than the gap below it.
    """
    found = np.zeros(len(lower), dtype=np.bool_)
    with np.errstate(invalid="ignore"):
        most = lower * (1.0 + gap)
    for point in points:
        if off[point.design] >= 0 or found[point.design]:
            continue
        values = np.array(point.values)
        safe = np.asarray((lower > values).any(axis=1) | (values <= most).all(axis=1))
        safe[point.design] = True
        if safe.all():
            found[point.design] = True
    return found


def in_order(lower: Float64, means: Int64) -> Int64:
    """int64[D]: designs, those first that may be best: by the sum of their ranks on the axes; of equals, those of more means.

    ``means`` int64[D]: the more of it, the more a design has of everything. A bound of such a one says the most of others.
    """
    ranks = np.zeros(len(lower), dtype=np.int64)
    for column in lower.T:
        ranks += np.unique(column, return_inverse=True)[1].reshape(-1)
    return np.lexsort((-means, ranks)).astype(np.int64)
