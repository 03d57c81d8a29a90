"""Each layer by itself, and how overlap changes over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Flags, Float64, Int64
from placement_opt.workload.trace import Trace

_STRETCHES = 100


@dataclass(frozen=True)
class LayerInfo:
    """One layer: its steps, their reads, the distinct blocks they read, and how much its consecutive steps share."""

    layer: int
    steps: int
    reads: int
    read_blocks: int
    jaccard_mean: float | None
    kept_mean: float | None


@dataclass(frozen=True)
class OverlapOverTime:
    """Mean Jaccard index of steps with their predecessors (of their layer) in at most 100 equal stretches, ``end`` excluded."""

    end: list[int]
    jaccard_mean: list[float | None]


def by_layer(trace: Trace, reads: Int64, previous: Int64, shared: Int64) -> list[LayerInfo] | None:
    """Of every layer that has steps, ascending; None for a trace without layers.

    ``reads``, ``previous``, ``shared``: int64[T], how many blocks each step reads, its predecessor (-1: none), and how many
    blocks both read.
    """
    if trace.step_layer is None:
        return None
    layer = trace.step_layer.astype(np.int64)
    count = int(layer.max()) + 1
    pairs = np.unique(np.repeat(layer, reads) << 32 | trace.blocks)
    blocks = np.bincount(pairs >> 32, minlength=count)
    steps = np.bincount(layer, minlength=count)
    total = np.bincount(layer, weights=reads, minlength=count)
    means = [_means(values, layer, known, count) for values, known in _ratios(reads, previous, shared)]
    return [
        LayerInfo(number, int(steps[number]), int(total[number]), int(blocks[number]), means[0][number], means[1][number])
        for number in np.flatnonzero(steps).tolist()
    ]


def overlap_over_time(reads: Int64, previous: Int64, shared: Int64) -> OverlapOverTime:
    """Of the arrays of :func:`by_layer`."""
    steps = len(reads)
    stretches = min(steps, _STRETCHES)
    stretch = np.arange(steps) * stretches // steps
    values, known = _ratios(reads, previous, shared)[0]
    ends = np.searchsorted(stretch, np.arange(stretches), side="right")
    return OverlapOverTime(ends.tolist(), _means(values, stretch, known, stretches))


def _ratios(reads: Int64, previous: Int64, shared: Int64) -> list[tuple[Float64, Flags]]:
    """float64[T] Jaccard indices and kept shares, each with the bool[T] steps that have one."""
    before = np.where(previous >= 0, reads[previous], 0)
    either = before + reads - shared
    found = []
    for of in (either, before):
        known = (previous >= 0) & (of > 0)
        found.append((np.where(known, shared / np.maximum(of, 1), 0.0), known))
    return found


def _means(values: Float64, group: Int64, known: Flags, count: int) -> list[float | None]:
    """Means of the known values of each group; None where there is none."""
    total = np.bincount(group[known], weights=values[known], minlength=count)
    of = np.bincount(group[known], minlength=count)
    return [float(value) / int(number) if number else None for value, number in zip(total, of, strict=True)]
