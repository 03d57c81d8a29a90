"""When blocks are read later: what the rules that look ahead know."""

from __future__ import annotations

import numpy as np

from placement_opt.base.arrays import Flags, Int64
from placement_opt.play.protocol import Ids
from placement_opt.schedulers.hierarchy.future import NEVER, layer_clock
from placement_opt.workload.trace import Trace


class Ahead:
    """Reads of each block, by the clock of its layer (of all steps where blocks are read by steps of several layers).

    Attributes
    ----------
    clock
        int64[T]: the time of each step.
    """

    def __init__(self, trace: Trace) -> None:
        self.clock = layer_clock(trace)
        _, order = trace.by_block
        self._span = trace.num_steps + 2
        self._keys = trace.blocks[order].astype(np.int64) * self._span + self.clock[trace.read_step[order]]
        self._trace, self._now = trace, 0

    def begin(self, step: int) -> None:
        """A step begins."""
        self._now = int(self.clock[step])

    def count(self, ids: Ids, steps: int) -> Int64:
        """int64[n]: how many of the next ``steps`` steps read each of these blocks."""
        base = ids.astype(np.int64) * self._span + self._now
        ends = np.minimum(base + steps, (ids.astype(np.int64) + 1) * self._span - 1)
        return np.asarray(np.searchsorted(self._keys, ends, side="right") - np.searchsorted(self._keys, base, side="right"))

    def soon(self, ids: Ids, steps: int = 1) -> Flags:
        """bool[n]: whether any of the next steps reads it."""
        return self.count(ids, steps) > 0

    def when(self, ids: Ids) -> Int64:
        """int64[n]: when each of these blocks is read next, from the first step on, ``NEVER`` if it is not."""
        at = np.searchsorted(self._keys, ids.astype(np.int64) * self._span)
        key = np.append(self._keys, NEVER)[at]
        return np.where(key // self._span == ids, key % self._span, NEVER)

    def closeness(self, ids: Ids, steps: int) -> np.ndarray:
        """float64[n]: the sum of 1/offset over the reads of each within the next ``steps`` steps."""
        base = ids.astype(np.int64) * self._span + self._now
        first, number = np.searchsorted(self._keys, base, side="right"), self.count(ids, steps)
        owner = np.repeat(np.arange(len(ids)), number)
        at = np.arange(len(owner)) - np.repeat(np.cumsum(number) - number, number) + np.repeat(first, number)
        return np.bincount(owner, weights=1.0 / (self._keys[at] - base[owner]), minlength=len(ids))
