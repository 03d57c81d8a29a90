"""How much is alive and how much is read, over time and over the length of a window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.workload.profile.distribution import octave_edges
from placement_opt.workload.trace import Trace

#: Stretches that the steps are divided into.
_STRETCHES = 100


@dataclass(frozen=True)
class WorkingSet:
    """W(t, w) is the set of blocks that the steps t - w + 1 .. t read (Denning 1968).

    Attributes
    ----------
    end
        The steps that end each of at most 100 equal stretches, excluded.
    alive_blocks, alive_size
        At the state before step ``end``; freed blocks are gone.
    read_blocks, read_size
        Distinct blocks that the steps of the stretch read.
    window
        1, 2, 4, ...: lengths of windows in steps.
    mean_blocks
        Mean of ``|W(t, window)|`` over all steps t (windows that begin before step 0 are shorter).
    """

    end: list[int]
    alive_blocks: list[int]
    alive_size: list[int]
    read_blocks: list[int]
    read_size: list[int]
    window: list[int]
    mean_blocks: list[float]


def working_set(trace: Trace, steps_apart: Int64) -> WorkingSet:
    """Of a trace; ``steps_apart``: int64[T + 1], how many reads come so many steps after the previous one of their block."""
    steps = trace.num_steps
    end = np.unique(-(-steps * np.arange(1, _STRETCHES + 1) // _STRETCHES))
    blocks, size = (alive(trace, amount)[end] for amount in (np.ones(trace.num_blocks, dtype=np.int64), trace.sizes))
    starts = np.concatenate([[0], end[:-1]])
    read = [np.unique(trace.blocks[trace.indptr[a] : trace.indptr[b]]) for a, b in zip(starts, end, strict=True)]
    window = octave_edges(steps)
    return WorkingSet(
        end=end.tolist(),
        alive_blocks=blocks.tolist(),
        alive_size=size.tolist(),
        read_blocks=[len(ids) for ids in read],
        read_size=[int(trace.sizes[ids].sum()) for ids in read],
        window=window.tolist(),
        mean_blocks=_means(trace, steps_apart, window),
    )


def alive(trace: Trace, amount: Int64) -> Int64:
    """int64[T + 1]: the sum of ``amount`` (int64[B]) over the blocks alive at each state."""
    change = np.zeros(trace.num_steps + 2, dtype=np.int64)
    np.add.at(change, trace.birth + 1, amount)
    np.subtract.at(change, trace.death.astype(np.int64) + 1, amount)
    return np.cumsum(change)[:-1]


def _means(trace: Trace, steps_apart: Int64, window: Int64) -> list[float]:
    """A read keeps its block in the window until the next read, until the window has passed or until the end."""
    steps = trace.num_steps
    last = np.full(trace.num_blocks, -1, dtype=np.int64)
    last[trace.blocks] = trace.read_step  # ascending: the last read stays
    stay = steps_apart + np.bincount(steps - last[last >= 0], minlength=steps + 1)
    times = np.arange(steps + 1, dtype=np.float64)
    return [float(stay @ np.minimum(times, w)) / steps for w in window]
