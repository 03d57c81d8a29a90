"""The time of a step, smoothed, with its derivatives, and the fine for room that is not there."""

from __future__ import annotations

from typing import Any

import numpy as np

from placement_opt.base.compiled import njit

#: Without Python's check for division by zero, which keeps small functions from being compiled into their callers.
compiled = njit(cache=True, error_model="numpy")


@compiled  # type: ignore[untyped-decorator]
def _level(floor: float, width: float, values: Any, row: int, count: int, top: float) -> float:
    """What of so many values lies above it adds up to ``width``; ``top``, the largest, where the width is below rounding."""
    level, higher = top - width, -np.inf
    while level > higher:
        higher, total, n = level, 0.0, 0
        if floor > higher:
            total, n = floor, 1
        for v in range(count):
            if values[row, v] > higher:
                total += values[row, v]
                n += 1
        if n == 0:
            return top
        level = (total - width) / n
    return level


@compiled  # type: ignore[untyped-decorator]
def _largest(floor: float, values: Any, row: int) -> Any:
    """The largest of a row of values and the floor, and the next."""
    top, second = floor, -np.inf
    for v in range(values.shape[1]):
        x = values[row, v]
        if x > top:
            top, second = x, top
        elif x > second:
            second = x
    return top, second


@compiled  # type: ignore[untyped-decorator]
def smoothed(floor: float, width: float, values: Any, row: int) -> float:
    """The largest of a row of values and the floor, smoothed over a width.

    ``max over p in the simplex of p @ values - width / 2 * (p @ p - 1)``: equal to the largest where the next is further than
    ``width`` below it, above it by less than ``width / 2`` otherwise; convex, never below the largest.
    """
    top, second = _largest(floor, values, row)
    if second <= top - width:
        return float(top)
    return float(_above_level(floor, width, values, row, values.shape[1], top))


@compiled  # type: ignore[untyped-decorator]
def smoothed_once(floor: float, width: float, values: Any, row: int) -> float:
    """The same, to the last bit, of a row that nobody wants afterwards: those too small to matter are looked at no more."""
    top, second = _largest(floor, values, row)
    if second <= top - width:
        return float(top)
    count = 0
    for v in range(values.shape[1]):
        x = values[row, v]
        if x > top - width:
            values[row, count] = x
            count += 1
    return float(_above_level(floor, width, values, row, count, top))


@compiled  # type: ignore[untyped-decorator]
def _above_level(floor: float, width: float, values: Any, row: int, count: int, top: float) -> float:
    """What :func:`smoothed` is where more than one of so many values matters."""
    level: float = _level(floor, width, values, row, count, top)
    if level >= top:  # a width below rounding
        return top
    excess = max(floor - level, 0.0) ** 2
    for v in range(count):
        excess += max(values[row, v] - level, 0.0) ** 2
    return level + excess / (2 * width) + width / 2


@compiled  # type: ignore[untyped-decorator]
def fined(fine: float, blur: float, room: float) -> float:
    """The fine for what a state holds, given the room left: none above ``blur``, linear below ``-blur``, smooth between."""
    if room >= blur:
        return 0.0
    if room <= -blur:
        return -fine * room
    return fine * (blur - room) ** 2 / (4 * blur)


@compiled  # type: ignore[untyped-decorator]
def weigh(floor: float, width: float, values: Any, slope: Any, row: int) -> None:
    """Fill a row of ``slope`` with the derivatives of :func:`smoothed` (of equal values the first has all of it at width 0)."""
    top, first = floor, -1
    for v in range(values.shape[1]):
        slope[row, v] = 0.0
        if values[row, v] > top:
            top, first = values[row, v], v
    level = _level(floor, width, values, row, values.shape[1], top)
    if level >= top:
        if first >= 0:
            slope[row, first] = 1.0
        return
    for v in range(values.shape[1]):
        slope[row, v] = max(values[row, v] - level, 0.0) / width


@compiled  # type: ignore[untyped-decorator]
def steep_of(slope: Any, t: int, steep: Any) -> int:
    """Fill in the values with which a step's time grows; how many they are. The others add nothing to a sum of slopes."""
    count = 0
    for v in range(slope.shape[1]):
        if slope[t, v] != 0.0:
            steep[count] = v
            count += 1
    return count
