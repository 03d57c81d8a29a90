"""From recorded moves to the tier set of every block at every state, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from placement_opt.base.compiled import njit


@njit(cache=True)  # type: ignore[untyped-decorator]
def follow(first: Any, start: Any, held: Any, indptr: Any, block: Any, adds: Any, loses: Any, numbers: Any, path: Any) -> None:
    """Fill ``path`` with the tier sets of all blocks.

    Parameters
    ----------
    first, start
        int64[B], int64[B + 1]: first state of each block, and where its states lie in ``path``.
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
            for state in range(since[b], t + 1):
                path[start[b] + state - first[b]] = numbers[held[b]]
            since[b] = max(since[b], t + 1)
            held[b] = (held[b] | adds[m]) & ~loses[m]
    for b in range(len(first)):
        for at in range(start[b] + since[b] - first[b], start[b + 1]):
            path[at] = numbers[held[b]]


@njit(cache=True)  # type: ignore[untyped-decorator]
def changes(first: Any, start: Any, path: Any) -> Any:
    """(int64[C] blocks, int64[C] steps) at which a block's set changes from one of its states to the next."""
    count = 0
    for b in range(len(first)):
        for at in range(start[b], start[b + 1] - 1):
            if path[at] != path[at + 1]:
                count += 1
    blocks, steps = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    count = 0
    for b in range(len(first)):
        for at in range(start[b], start[b + 1] - 1):
            if path[at] != path[at + 1]:
                blocks[count], steps[count] = b, first[b] + at - start[b]
                count += 1
    return blocks, steps
