"""From recorded moves to the tier set of every block at every state, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from placement_opt.base.compiled import njit

#: Parts of an entry of a path: the number of the set that holds the block at a state, and whether the copies that the step
#: adds are copied although it reads the block, which then need not be brought to the processor.
SET, COPIED = 127, 128


@njit(cache=True)  # type: ignore[untyped-decorator]
def follow(
    first: Any, last: Any, start: Any, held: Any, indptr: Any, block: Any, adds: Any, loses: Any, numbers: Any, path: Any
) -> None:
    """Fill ``path`` with the tier sets of all blocks.

    Parameters
    ----------
    first, last, start
        int64[B], int64[B], int64[B + 1]: first and last state of each block, and where its states lie in ``path``. What happens
        to it after its last state is not looked at.
    held
        uint16[B], changed: tier set with which each block enters its first state, moves of that step not counted.
    indptr, block
        Moves of step t are ``indptr[t]:indptr[t + 1]``.
    adds, loses
        uint16[M]: tiers that each move adds to and removes from its block's set.
    numbers
        uint8[2**K]: number of each tier set.
    path
        uint8[start[B]], filled.
    """
    since = first.copy()  # the states of each block before this one are written
    for t in range(len(indptr) - 1):
        for m in range(indptr[t], indptr[t + 1]):
            b = block[m]
            for state in range(since[b], min(t, last[b]) + 1):
                path[start[b] + state - first[b]] = numbers[held[b]]
            since[b] = max(since[b], t + 1)
            held[b] = (held[b] | adds[m]) & ~loses[m]
    for b in range(len(first)):
        for at in range(start[b] + since[b] - first[b], start[b + 1]):
            path[at] = numbers[held[b]]


@njit(cache=True)  # type: ignore[untyped-decorator]
def let_go(first: Any, start: Any, pointers: Any, step: Any, empty: int, path: Any) -> None:
    """Let every block lie nowhere from the step on that reads it last, or from the beginning if none does.

    Parameters
    ----------
    pointers, step
        Reads by block (as ``Trace.by_block``), and the step of each.
    empty
        Number of the empty set.
    """
    for b in range(len(first)):
        keep = 0
        if pointers[b] < pointers[b + 1]:
            keep = step[pointers[b + 1] - 1] + 1 - first[b]
        for at in range(start[b] + keep, start[b + 1]):
            path[at] = empty
        if keep > 0:
            path[start[b] + keep - 1] &= SET


@njit(cache=True)  # type: ignore[untyped-decorator]
def changes(first: Any, start: Any, path: Any) -> Any:
    """(int64[C] blocks, int64[C] steps) at which a block's set changes from one of its states to the next."""
    count = 0
    for b in range(len(first)):
        for at in range(start[b], start[b + 1] - 1):
            if path[at] & SET != path[at + 1] & SET:
                count += 1
    blocks, steps = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    count = 0
    for b in range(len(first)):
        for at in range(start[b], start[b + 1] - 1):
            if path[at] & SET != path[at + 1] & SET:
                blocks[count], steps[count] = b, first[b] + at - start[b]
                count += 1
    return blocks, steps


@njit(cache=True)  # type: ignore[untyped-decorator]
def are_read(pointers: Any, step: Any, block: Any, at: Any, found: Any) -> None:
    """Fill ``found`` bool[n] with whether step ``at[n]`` reads ``block[n]``; reads by block (as ``Trace.by_block``)."""
    for n in range(len(block)):
        low, high = pointers[block[n]], pointers[block[n] + 1]
        end = high
        while low < high:
            middle = (low + high) // 2
            if step[middle] < at[n]:
                low = middle + 1
            else:
                high = middle
        found[n] = low < end and step[low] == at[n]


@njit(cache=True)  # type: ignore[untyped-decorator]
def put_in_order(which: Any, op: Any, step: Any, block: Any, indptr: Any, ordered: Any, blocks: Any) -> None:
    """Write moves step by step, those of one step in the order given.

    Parameters
    ----------
    which, op
        int[M], int16[M]: of each move the row of ``step`` and ``block``, and the operation.
    indptr, ordered, blocks
        int64[T + 1] of zeros, int16[M], int32[M], filled as in :class:`placement_opt.play.schedule.Schedule`.
    """
    for n in which:
        indptr[step[n] + 1] += 1
    for t in range(len(indptr) - 1):
        indptr[t + 1] += indptr[t]
    for n in range(len(which)):
        at = indptr[step[which[n]]]
        ordered[at], blocks[at] = op[n], block[which[n]]
        indptr[step[which[n]]] += 1
    for t in range(len(indptr) - 1, 0, -1):
        indptr[t] = indptr[t - 1]
    indptr[0] = 0


@njit(cache=True)  # type: ignore[untyped-decorator]
def spread(indptr: Any, op: Any, bundle: Any, start: Any, members: Any, ends: Any, ops: Any, blocks: Any) -> None:
    """Write a move of a bundle as one of each of its blocks, ``members[start[n]:start[n + 1]]``.

    ``ends`` int64[T + 1] of zeros, ``ops`` int16 and ``blocks`` int32, as many as those are, are filled.
    """
    at = 0
    for t in range(len(indptr) - 1):
        for n in range(indptr[t], indptr[t + 1]):
            for m in range(start[bundle[n]], start[bundle[n] + 1]):
                ops[at], blocks[at] = op[n], members[m]
                at += 1
        ends[t + 1] = at
