"""Runs of one layer and its reads, turn after turn: the loops."""

from __future__ import annotations

import numpy as np

from placement_opt.base.arrays import Array
from placement_opt.base.compiled import njit


@njit(cache=True)  # type: ignore[untyped-decorator]
def begun_less_ended(first: Array, last: Array, turns: int) -> Array:
    """int64[N]: runs that begin at each turn, less those that ended before it; no copy of the runs is made for it."""
    change = np.zeros(turns + 1, dtype=np.int64)
    for n in range(len(first)):
        change[first[n]] += 1
        change[last[n] + 1] -= 1
    return change[:turns]


@njit(cache=True)  # type: ignore[untyped-decorator]
def scatter(block: Array, first: Array, last: Array, place: Array, out_first: Array, out_last: Array) -> None:
    """Regroup runs by block, in the order given; ``place`` int64[B] is the next free entry of each block, moved on."""
    for n in range(len(block)):
        at = place[block[n]]
        out_first[at], out_last[at] = first[n], last[n]
        place[block[n]] = at + 1


@njit(cache=True)  # type: ignore[untyped-decorator]
def put(first: Array, last: Array, said: Array, place: Array, out: Array) -> None:
    """Write for every read what is said of its run (``said``, [M]), each turn's from ``place`` (int64[N]) on, moved on."""
    for run in range(len(first)):
        for turn in range(first[run], last[run] + 1):
            out[place[turn]] = said[run]
            place[turn] += 1


@njit(cache=True)  # type: ignore[untyped-decorator]
def gather(
    start: Array,
    first: Array,
    last: Array,
    order: Array,
    born: Array,
    each: int,
    place: Array,
    blocks: Array,
    shares: Array,
    tail: Array,
) -> None:
    """Reads of pages of ``each`` blocks one after the other, turn by turn, from the runs of their blocks.

    Parameters
    ----------
    start, first, last
        The runs of each block, as in a layer.
    order, born
        int64[Q]: the page that has each number, and the turn that produces each page.
    place
        int64[N]: the next free entry of each turn, moved on.
    blocks, shares
        int32[M] and uint16[M]: the number of each page that is read, and how many of its blocks are; without entries they are
        counted alone.
    tail
        int64[N]: to which is added how many blocks each turn reads from pages that are not there yet.
    """
    change = np.zeros(len(tail) + 1, dtype=np.int64)
    for number in range(len(order)):
        page = order[number]
        low, high = start[page * each], start[min((page + 1) * each, len(start) - 1)]
        begin, end, read = len(tail), -1, 0
        for run in range(low, high):
            change[first[run]] += 1
            change[last[run] + 1] -= 1
            begin, end = min(begin, first[run]), max(end, last[run])
        for turn in range(begin, end + 1):
            read += change[turn]
            change[turn] = 0
            if read > 0 and turn <= born[page]:
                tail[turn] += read
            elif read > 0:
                at = place[turn]
                if len(blocks) > 0:
                    blocks[at] = number
                if len(shares) > 0:
                    shares[at] = read
                place[turn] = at + 1
        change[end + 1] = 0
