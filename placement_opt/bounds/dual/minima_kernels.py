"""Minima of costs, hard or softened, and how what pays them is divided over the alternatives.

With ``soft`` > 0 the minimum of costs c is ``-soft log(sum exp(-c / soft))``, which lies below it, and amounts are spread over
the alternatives in proportion to ``exp(-c / soft)``; with 0 the first of the cheapest takes all.
"""

from __future__ import annotations

import numpy as np

from placement_opt.base.arrays import Array
from placement_opt.base.compiled import njit

#: exp(-40) is lost in the rounding of a sum.
FAR = 40.0
_CELLS = 64
_POWERS = np.exp(-np.arange(int(FAR) * _CELLS + 2) / _CELLS)


@njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def decay(x: float) -> float:
    """exp(-x) for 0 <= x <= 40 to nine digits, from a table: slopes need no more, and most of a pass is spent here."""
    cell = int(x * _CELLS)
    rest = x - cell / _CELLS
    value: float = _POWERS[cell] * (1.0 - rest * (1.0 - rest * (0.5 - rest / 6.0)))
    return value


@njit(cache=True)  # type: ignore[untyped-decorator]
def least_of(c: Array, soft: float) -> float:
    """The (softened) minimum of a vector."""
    low = np.inf
    for i in range(len(c)):
        low = min(low, c[i])
    if soft <= 0.0 or low == np.inf:
        return low
    total, reach = 0.0, low + FAR * soft
    for i in range(len(c)):
        if c[i] == low:
            total += 1.0
        elif c[i] <= reach:
            total += decay((c[i] - low) / soft)
    return low - soft * np.log(total) if total > 1.0 else low


@njit(cache=True)  # type: ignore[untyped-decorator]
def spread(c: Array, least: float, amount: float, soft: float, out: Array) -> None:
    """out := amount, divided over the alternatives whose (softened) minimum is ``least``."""
    if soft > 0.0:
        reach, total = least + FAR * soft, 0.0
        for i in range(len(c)):
            out[i] = decay(max(0.0, c[i] - least) / soft) if c[i] <= reach else 0.0
            total += out[i]
        for i in range(len(c)):
            out[i] *= amount / total
    else:
        at = 0
        for i in range(len(c)):
            out[i] = 0.0
            if c[i] < c[at]:
                at = i
        out[at] = amount
