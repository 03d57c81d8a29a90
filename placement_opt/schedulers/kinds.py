"""What serving blocks costs at every price vector, for policies that weigh it: kinds of block, sets of tiers, ways to serve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Flags, Float64, Int64
from placement_opt.instance.law import Loads
from placement_opt.memory.operations import Operations
from placement_opt.memory.split.timing import StepTimer
from placement_opt.memory.system import MemorySystem


def fewest(loads: Loads) -> Loads:
    """The same loads with as few kinds of block: those that the same operations serve, with loads that are multiples of the
    same, are one, counted in these."""
    if loads.operations.uniform:
        return loads
    every, width = np.concatenate([loads.row, loads.metered], axis=2), loads.row.shape[2]
    factor = np.maximum(1, np.gcd.reduce(every.reshape(len(every), -1), axis=1))
    row = every // factor[:, None, None]
    told = np.concatenate([row.reshape(len(row), -1), loads.applies], axis=1)
    _, first, of = np.unique(told, axis=0, return_index=True, return_inverse=True)
    kind: Int64 = of.reshape(-1)[loads.kind].astype(np.int64)
    amount, row = loads.amount * factor[loads.kind], row[first]
    applies = loads.applies[first]
    size, pieces = loads.size[first], loads.pieces[first]
    return Loads(loads.operations, size, pieces, kind, amount, row[:, :, :width], row[:, :, width:], applies)


def chooses(operations: Operations) -> bool:
    """Whether a block that is read may be better copied than stored in passing: not where reads bring it here anyway, and a
    store loads less than any copy."""
    return not operations.plain


@dataclass(frozen=True, eq=False)
class Serving:
    """Price vectors, and what serving a block of each of C kinds, that lies in each of S sets of tiers, costs at each of V.

    Attributes
    ----------
    timer
        Knows the price vectors.
    free
        float64[C, S, V]: in any way.
    bringing
        float64[C, S, V]: in one that leaves the block at the processor; 0 where there is none.
    brings
        bool[C, S]: whether there is one.
    either
        bool[S]: whether copying a block that is read is worth a thought (see :func:`chooses`).
    """

    timer: StepTimer
    free: Float64
    bringing: Float64
    brings: Flags
    either: Flags

    def columns(self, kind: int) -> Float64:
        """float64[V, S]: ``free`` of one kind."""
        sets, width = self.free.shape[1], len(self.timer.patterns) // len(self.free)
        return self.timer.cheapest[:, kind * width : kind * width + sets]


def serving(memory: MemorySystem, kinds: Loads, masks: Int64) -> Serving:
    """What serving costs, for blocks of these kinds in sets of tiers (bit masks) that some operation can serve from."""
    operations, count, sets = kinds.operations, len(kinds.row), len(masks)
    ways = [[kinds.usable(int(mask), kind) for mask in masks] for kind in range(count)]
    bringing = [[kinds.usable(int(mask), kind, bringing=True) for mask in masks] for kind in range(count)]
    brings = np.array(bringing).reshape(count, sets) > 0
    some = [n for n in range(sets) if chooses(operations) and brings[:, n].any()]
    width = len(operations.serving)
    patterns = []
    for kind, (way, bring) in enumerate(zip(ways, bringing, strict=True)):
        patterns += [one << kind * width for one in [*way, *(bring[n] or way[n] for n in some)]]
    timer = StepTimer(memory, patterns, kinds.serve.reshape(count * width, -1))
    cost = timer.cheapest.T.reshape(count, sets + len(some), -1)
    free = np.ascontiguousarray(cost[:, :sets])
    passing = free
    if chooses(operations):
        passing = np.zeros_like(free)
        passing[:, some] = np.where(brings[:, some, None], cost[:, sets:], 0.0)
    return Serving(timer, free, passing, brings, (masks > 0) & chooses(operations))
