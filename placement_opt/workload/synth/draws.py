"""What several generators draw: log-normal lengths and pauses, ranks by Zipf's law, sums within sessions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.units import parse_duration

Floats = npt.NDArray[np.float64]


def lengths(rng: np.random.Generator, median: float, spread: float, count: int) -> Int64:
    """int64[count], at least 1: log-normal, ``spread`` the standard deviation of the logarithm."""
    return np.maximum(1, np.exp(rng.normal(np.log(median), spread, count))).astype(np.int64)


def pauses(rng: np.random.Generator, median: str, spread: float, count: int) -> Floats:
    """float64[count] seconds, log-normal; ``median`` with its unit."""
    return np.asarray(np.exp(rng.normal(np.log(max(1e-9, float(parse_duration(median)))), spread, count)))


def running(values: npt.NDArray[Any], first: Int64, count: Int64) -> npt.NDArray[Any]:
    """Running sums that begin anew at each ``first``, of ``count`` values each."""
    total = np.cumsum(values)
    return np.asarray(total - np.repeat(total[first] - values[first], count))


def popularity(ranks: int, exponent: float) -> Floats:
    """float64[ranks]: the chance of each rank by Zipf's law, ``rank**-exponent`` over their sum."""
    weight = np.arange(1, ranks + 1) ** -exponent
    return np.asarray(weight / weight.sum())


def sorted_ranks(rng: np.random.Generator, below: Floats, count: int) -> Int64:
    """int64[count] ranks from 0, drawn independently, ascending: faster than in the order of draws.

    ``below``: running sums of the chances. Whoever wants them in random order permutes what they belong to.
    """
    keys = rng.random(count)
    keys.sort()
    return np.asarray(np.minimum(np.searchsorted(below, keys * below[-1], side="right"), len(below) - 1))
