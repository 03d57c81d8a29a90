"""Whole numbers by how often each occurs: percentiles, and counts in octaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Float64, Int64

QUANTILES = (10, 25, 50, 75, 90, 99)


@dataclass(frozen=True)
class Distribution:
    """Some whole numbers by their count, mean, extremes and percentiles (the smallest value that so many percent reach)."""

    count: int
    mean: float
    least: int
    greatest: int
    percentiles: dict[str, int]

    @classmethod
    def of_histogram(cls, histogram: Int64) -> Distribution | None:
        """From how often each of 0, 1, 2, ... occurs; None where nothing does."""
        below = np.cumsum(histogram)
        count = int(below[-1])
        if count == 0:
            return None
        values = np.flatnonzero(histogram)
        mean = float(histogram[values] @ values.astype(np.float64)) / count
        ranks = [-(-count * q // 100) for q in QUANTILES]
        at = np.searchsorted(below, ranks)
        percentiles = {f"p{q}": int(value) for q, value in zip(QUANTILES, at, strict=True)}
        return cls(count, mean, int(values[0]), int(values[-1]), percentiles)


@dataclass(frozen=True)
class Octaves:
    """How many of some whole numbers from 1 on lie in each octave.

    Attributes
    ----------
    low
        1, 2, 4, ...: octave k has the numbers from ``low[k]`` to ``2 * low[k] - 1``; the last octave that is listed has some.
    count
        How many there are in each.
    """

    low: list[int]
    count: list[int]

    @classmethod
    def of_histogram(cls, histogram: Int64) -> Octaves:
        """From how often each of 0, 1, 2, ... occurs; zeros are left out."""
        if len(histogram) < 2:
            return cls([], [])
        edges = octave_edges(len(histogram) - 1)
        return cls.of_counts(np.add.reduceat(histogram, edges))

    @classmethod
    def of_counts(cls, counts: Int64) -> Octaves:
        """From the counts of the octaves themselves, empty ones at the end left out."""
        last = int(np.max(np.flatnonzero(counts), initial=-1)) + 1
        return cls([1 << k for k in range(last)], [int(count) for count in counts[:last]])

    def shares(self, octaves: int) -> Float64:
        """float64[octaves]: the share of all that each octave has; zeros where there is nothing at all."""
        found: Float64 = np.zeros(octaves)
        found[: len(self.count)] = self.count
        found /= max(1.0, float(found.sum()))
        return found


def octave_edges(most: int) -> Int64:
    """1, 2, 4, ... up to ``most``."""
    return np.left_shift(np.int64(1), np.arange(max(1, int(most).bit_length()), dtype=np.int64))
