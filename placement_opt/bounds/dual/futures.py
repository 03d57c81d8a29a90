"""Blocks with the same future share their cheapest paths: a class's reads, cut where futures begin to agree.

From a read on, what a block costs depends only on the reads still to come and on the state in which it lives last, not on its
size or past. Futures therefore form a tree (every future is one hop, then a shorter future), usually much smaller than the list
of reads; values run through it from the ends to the starts and bytes from the starts to the ends, one small step each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64, Int64
from placement_opt.bounds.dual.actions import PricedActions
from placement_opt.bounds.dual.classes import Classes, by_kind


@dataclass(frozen=True, eq=False)
class Units:
    """Cheapest paths of all blocks of a kind: what they cost together, and how many units of blocks take each action.

    Attributes
    ----------
    cost_s
        Seconds.
    served, brought
        float64[T, S]: read in a set in the cheapest way, and in the cheapest that brings it to the processor (where all do,
        the first).
    copied, stored
        float64[T, S, K], float64[T, K]: at steps that read them.
    held
        float64[T + 1, S]: in states at which an idle stretch does not end.
    idle
        float64[T, S, S]: from set to set at steps that do not read them.
    """

    cost_s: float
    served: Float64
    brought: Float64
    copied: Float64
    stored: Float64
    held: Float64
    idle: Float64


@dataclass(frozen=True, eq=False)
class Futures:
    """H hops, N futures, E ways to begin, C cells (classes with one way to begin and one future), of blocks of one kind.

    A hop is a read and the idle steps after it; a way to begin, the idle steps before the first read.

    Attributes
    ----------
    kind
        Of the blocks.
    hop_step, hop_until
        int64[H]: step of the read; the state of the next read, or the last one (then equal to the step if nothing comes after
        the read, not even a state).
    hop_share
        float64[H]: share of the block that is read.
    node_hop, node_next
        int64[N]: first hop of each future, and the future after it (a smaller number), -1 where nothing is read any more.
    entry_first, entry_begin, entry_until
        int64[E]: first state, start as in :class:`Classes`, and state of the first read (or the last one).
    cell_entry, cell_node
        int64[C]; node -1 for blocks that are never read.
    cell_bytes
        float64[C]: bytes of all blocks together.
    elsewhere
        What passes over them, where that is not done here: given priced actions, seconds per unit by which minima are
        softened, and bytes of a unit.
    """

    kind: int
    hop_step: Int64
    hop_until: Int64
    hop_share: npt.NDArray[np.float64]
    node_hop: Int64
    node_next: Int64
    entry_first: Int64
    entry_begin: Int64
    entry_until: Int64
    cell_entry: Int64
    cell_node: Int64
    cell_bytes: npt.NDArray[np.float64]
    elsewhere: Callable[[PricedActions, float, float], Units] | None = None

    def __len__(self) -> int:
        return len(self.node_hop)


def merge_futures(classes: Classes, weight: npt.NDArray[np.float64] | None = None) -> tuple[Futures, ...]:
    """The futures of all classes, one object for each kind of block.

    ``weight``: float64[G], bytes that each class counts; without it every class weighs what its blocks do.
    """
    bytes_of = classes.count.astype(np.float64) * classes.size if weight is None else weight
    return tuple(_merge(kind, part, bytes_of[chosen]) for kind, chosen, part in by_kind(classes))


def _merge(kind: int, classes: Classes, bytes_of: npt.NDArray[np.float64]) -> Futures:
    from placement_opt.bounds.dual.futures_kernels import chain_futures

    reads = len(classes.step)
    until = np.empty(reads, dtype=np.int64)
    until[:-1] = classes.step[1:]
    ends = classes.start[1:][np.diff(classes.start) > 0] - 1
    until[ends] = classes.last[np.diff(classes.start) > 0]
    hops, hop = _unique(classes.step, until, classes.share)
    head, node_hop, node_next = chain_futures(classes.start, hop)
    empty = np.diff(classes.start) == 0
    begins = classes.last.copy()
    begins[~empty] = classes.step[classes.start[:-1][~empty]]
    entries, entry = _unique(classes.first, begins, classes.begin)
    cells, cell = _unique(entry, head)
    return Futures(
        kind=kind,
        hop_step=hops[0],
        hop_until=hops[1],
        hop_share=hops[2],
        node_hop=node_hop,
        node_next=node_next,
        entry_first=entries[0],
        entry_until=entries[1],
        entry_begin=entries[2],
        cell_entry=cells[0],
        cell_node=cells[1],
        cell_bytes=np.bincount(cell, bytes_of, len(cells[0])).astype(np.float64),
    )


def _unique(*columns: npt.NDArray[Any]) -> tuple[list[npt.NDArray[Any]], Int64]:
    """(unique rows, column by column; row of each)."""
    order = np.lexsort(columns[::-1])
    new = np.ones(len(order), dtype=bool)
    new[1:] = np.any([column[order][1:] != column[order][:-1] for column in columns], axis=0)
    row = np.empty(len(order), dtype=np.int64)
    row[order] = np.cumsum(new) - 1
    return [column[order[new]] for column in columns], row
