"""Rows of different items, drawn one after another without putting back, in time that grows with the rows alone.

Items are ranks of chances that never rise. A draw falls among all items from the first that is not taken yet on, by their
chances, and is repeated where it hits one that is taken: those left are then drawn in proportion, which is the law, and what is
taken before that first one, mostly all that is taken, is never hit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int32, Int64
from placement_opt.workload.synth.draws import Floats

#: Uniform numbers that are drawn at once, so many for each place to fill.
_PER_PLACE = 1.3
#: Equal parts of all chances for which it is known where to search.
_GUIDE = 2**14


class Distinct:
    """Draws rows, part by part.

    Parameters
    ----------
    chance
        float64[B], positive, never rising; need not add up to 1.
    count
        Items of a row, from 1 to B.
    rng
        Draws whatever is drawn.
    back, keep
        A row keeps each item of the row so many before it (over all parts) with this chance, before it draws the others.
    """

    def __init__(self, chance: Floats, count: int, rng: np.random.Generator, back: int = 0, keep: float = 0.0) -> None:
        self.count, self.rng, self.back, self.keep = count, rng, back, keep
        self.left = np.ascontiguousarray(np.cumsum(chance[::-1])[::-1])
        edges = np.linspace(0, self.left[0], _GUIDE + 1)
        self.guide = (len(chance) - 1 - np.searchsorted(self.left[::-1], edges, side="right")).astype(np.int32)
        self.stamp: Int64 = np.full(len(chance), -1, dtype=np.int64)
        self.done = 0
        self.before: Int32 = np.zeros((0, count), dtype=np.int32)

    def rows(self, many: int) -> npt.NDArray[np.int32]:
        """The next so many rows: int32[many, count], in the order of draws."""
        from placement_opt.workload.synth.distinct_kernels import fill

        begun = len(self.before)
        out = np.empty((begun + many, self.count), dtype=np.int32)
        out[:begun] = self.before
        keeps = np.zeros((1, 1), dtype=np.int32)
        if self.back:
            keeps = np.zeros(out.shape, dtype=np.int32)
            keeps[begun:] = self.rng.random((many, self.count)) < self.keep
        state = np.array([begun, -1, 0, self.done - begun], dtype=np.int64)
        while state[0] < len(out):
            missing = (len(out) - int(state[0])) * self.count
            fill(
                self.rng.random(int(_PER_PLACE * missing) + 8), self.left, self.guide, keeps, self.back, out, self.stamp, state
            )
        self.done += many
        self.before = out[len(out) - min(self.back, len(out)) :].copy()
        return out[begun:]
