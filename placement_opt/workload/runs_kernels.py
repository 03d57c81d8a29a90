"""Reads of one layer, turn after turn, as runs: the loops."""

from __future__ import annotations

from placement_opt.base.arrays import Array
from placement_opt.base.compiled import njit


@njit(cache=True)  # type: ignore[untyped-decorator]
def advance(turn: int, reads: Array, before: Array, opened: Array, seen: Array, out: Array) -> int:
    """Close the runs of blocks that turn ``turn`` reads no more and open those of new ones; how many were closed.

    ``before`` holds the reads of the turn before; ``opened`` int32[B] the first turn of each open run (-1: none); ``seen``
    int32[B] the last turn that read each block. Closed runs are written to ``out`` int32[3, .] as (block, first, last).
    """
    for n in range(len(reads)):
        block = reads[n]
        seen[block] = turn
        if opened[block] < 0:
            opened[block] = turn
    closed = 0
    for n in range(len(before)):
        block = before[n]
        if seen[block] != turn:
            out[0, closed], out[1, closed], out[2, closed] = block, opened[block], turn - 1
            opened[block] = -1
            closed += 1
    return closed


@njit(cache=True)  # type: ignore[untyped-decorator]
def scatter(block: Array, first: Array, last: Array, place: Array, out_first: Array, out_last: Array) -> None:
    """Regroup runs by block, in the order given; ``place`` int64[B] is the next free entry of each block, moved on."""
    for n in range(len(block)):
        at = place[block[n]]
        out_first[at], out_last[at] = first[n], last[n]
        place[block[n]] = at + 1
