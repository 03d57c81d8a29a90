"""Sums of many floats that are rounded once."""

from __future__ import annotations

import math
from itertools import chain

from placement_opt.base.arrays import Float64

#: So many are Python's floats at a time.
_PART = 1 << 14


def exact_sum(values: Float64) -> float:
    """The sum of all entries of an array, correctly rounded (:func:`math.fsum`), without an object for each at a time."""
    flat = values.reshape(-1)
    return math.fsum(chain.from_iterable(flat[n : n + _PART].tolist() for n in range(0, len(flat), _PART)))
