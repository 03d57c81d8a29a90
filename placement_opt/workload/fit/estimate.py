"""What an estimate is, and what estimates are made with."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64, Int64

#: Digits of an estimated number: more would say nothing true.
_DIGITS = 3


@dataclass(frozen=True)
class Estimate:
    """Parameters of a generator, and what it cannot have of the trace.

    Attributes
    ----------
    parameters
        As the generator takes them; those that are left out are at their defaults.
    lost
        In words, what the trace has and no parameters of the generator make.
    """

    parameters: dict[str, Any]
    lost: tuple[str, ...] = ()


def rounded(value: float, digits: int = _DIGITS) -> float:
    """To so many digits."""
    return float(f"{value:.{digits}g}")


def least_digits(low: float, high: float) -> float:
    """The decimal number of fewest digits in [low, high): what somebody who chose a number in there would have written."""
    for digits in range(1, 17):
        scale = 10.0**digits
        found = math.ceil(low * scale - 1e-9) / scale
        if found < high:
            return found
    return low


def share_taken(part: Int64, whole: Int64) -> float:
    """The share s of fewest digits with ``part = floor(s * whole)`` mostly, never more; else the ratio of the sums."""
    some = whole > 0
    part, whole = part[some], whole[some]
    if not len(part) or not part.any():
        return 0.0
    low = float((part / whole).max())
    found = least_digits(low, low + 1.0 / float(whole.max()))
    if found <= 1 and 2 * np.count_nonzero(np.floor(found * whole + 1e-9) == part) > len(part):
        return found
    return rounded(min(1.0, float(part.sum() + len(part) / 2) / float(whole.sum())))


class LogNormal:
    """A log-normal length in tokens, by its median and the standard deviation of its logarithm."""

    def __init__(self, median: float, spread: float) -> None:
        self.middle, self.spread = math.log(median), max(spread, 1e-3)

    def below(self, length: npt.NDArray[np.floating[Any]]) -> Float64:
        """The probability of at most so much."""
        return _normal((np.log(np.maximum(length, 1e-300)) - self.middle) / self.spread)

    def spared(self, length: Float64) -> Float64:
        """The mean of what is left of ``length`` behind it: of max(0, length - it)."""
        score = (np.log(np.maximum(length, 1e-300)) - self.middle) / self.spread
        mean = math.exp(min(700.0, self.middle + self.spread**2 / 2))
        found: Float64 = np.where(length > 0, length * _normal(score) - mean * _normal(score - self.spread), 0.0)
        return found


def likeliest_length(chances: Callable[[LogNormal, int], Float64], count: Int64, middle: float) -> tuple[float, float]:
    """Median and spread of a log-normal length by maximum likelihood, of what is seen of it in whole blocks.

    Parameters
    ----------
    chances
        The law and K to float64[K]: how likely each observation 0 .. K - 1 is.
    count
        int64[K]: how often each is observed.
    middle
        A first guess of the median.
    """

    def loss(at: tuple[float, ...]) -> float:
        if not (0 <= at[1] <= 5 and 0 <= at[0] <= 40):
            return math.inf
        likely = chances(LogNormal(math.exp(at[0]), at[1]), len(count))
        return float(-(count @ np.log(np.maximum(likely, 1e-12))))

    median, spread = least(loss, (math.log(max(1.0, middle)), 1.0))
    return math.exp(median), max(0.0, spread)


def least(loss: Callable[[tuple[float, ...]], float], start: tuple[float, ...], step: float = 1.0) -> tuple[float, ...]:
    """Where a function of two or three numbers is least: a pattern search, without derivatives, from ``start`` on."""
    best = loss(start)
    while step > 1e-3:
        moves = itertools.product((-step, 0.0, step), repeat=len(start))
        found = [tuple(at + by for at, by in zip(start, move, strict=True)) for move in moves]
        values = [loss(each) for each in found]
        if min(values) < best - 1e-9:
            best = min(values)
            start = found[values.index(best)]
        else:
            step /= 2
    return start


def _normal(score: npt.NDArray[np.floating[Any]]) -> Float64:
    """The standard normal law at each score."""
    return 0.5 * (1.0 + np.array([math.erf(each / math.sqrt(2.0)) for each in score.tolist()]))
