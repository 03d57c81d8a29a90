"""Passes over the reads of a trace, compiled; slow twins are in the tests."""

from __future__ import annotations

import numpy as np

from placement_opt.base.arrays import Int32, Int64
from placement_opt.base.compiled import njit


@njit(cache=True)  # type: ignore[untyped-decorator]
def reuse_distances(indptr: Int64, blocks: Int32, num_blocks: int, turn: Int64, layer: Int32) -> tuple[Int64, Int64, bool]:
    """How far back the previous read of each read block is.

    Parameters
    ----------
    indptr, blocks
        The rows of the trace.
    num_blocks
        Ids are below this.
    turn, layer
        int64[T], int32[T]: the layer of each step and which step of its layer it is.

    Returns
    -------
    steps_apart, turns_apart
        int64[T + 1] histograms of the steps, and of the layer's turns, since the previous read of the same block; turns count
        where both reads are of one layer.
    mixed
        Whether some block is read by two layers in a row.
    """
    steps = len(indptr) - 1
    steps_apart = np.zeros(steps + 1, np.int64)
    turns_apart = np.zeros(steps + 1, np.int64)
    last = np.full(num_blocks, -1, np.int64)
    mixed = False
    for step in range(steps):
        for block in blocks[indptr[step] : indptr[step + 1]]:
            then = last[block]
            last[block] = step
            if then < 0:
                continue
            steps_apart[step - then] += 1
            if layer[then] == layer[step]:
                turns_apart[turn[step] - turn[then]] += 1
            else:
                mixed = True
    return steps_apart, turns_apart, mixed


@njit(cache=True)  # type: ignore[untyped-decorator]
def stack_distances(indptr: Int64, blocks: Int32, num_blocks: int, born_at: Int64, born: Int64) -> Int64:
    """How many distinct blocks were used since the previous use of each read block; a use is a read or the production.

    A Fenwick tree over the steps counts the blocks whose latest use is there (Bennett and Kruskal 1975, with steps in the
    place of single accesses), so a read costs O(log T).

    Parameters
    ----------
    indptr, blocks
        The rows of the trace.
    num_blocks
        Ids are below this.
    born_at, born
        int64[T + 1] pointers into int64 ids: the blocks that each step produces.

    Returns
    -------
    int64[B + 1]
        Histogram over the reads of blocks used before: blocks whose latest use before the step is at the step of the block's
        own or later, itself included.
    """
    steps = len(indptr) - 1
    histogram = np.zeros(num_blocks + 1, np.int64)
    last = np.full(num_blocks, -1, np.int64)
    tree = np.zeros(steps + 1, np.int64)
    used = 0
    for step in range(steps):
        reads = blocks[indptr[step] : indptr[step + 1]]
        known, known_before = -1, 0
        for block in reads:
            then = last[block]
            if then < 0:
                continue
            if then != known:  # runs of blocks with the same past share one query
                known, known_before = then, _below(tree, then)
            histogram[used - known_before] += 1
        for block in reads:
            if last[block] < 0:
                used += 1
            else:
                _add(tree, last[block], -1)
            last[block] = step
        births = born[born_at[step] : born_at[step + 1]]
        for block in births:
            last[block] = step
        used += len(births)
        _add(tree, step, len(reads) + len(births))
    return histogram


@njit(cache=True)  # type: ignore[untyped-decorator]
def _below(tree: Int64, end: int) -> int:
    """Sum of the entries 0 .. end - 1 of a Fenwick tree."""
    total = 0
    while end > 0:
        total += tree[end]
        end -= end & -end
    return total


@njit(cache=True)  # type: ignore[untyped-decorator]
def _add(tree: Int64, entry: int, amount: int) -> None:
    """Add to one entry of a Fenwick tree."""
    entry += 1
    while entry < len(tree):
        tree[entry] += amount
        entry += entry & -entry


@njit(cache=True)  # type: ignore[untyped-decorator]
def shared_reads(indptr: Int64, blocks: Int32, previous: Int64) -> Int64:
    """int64[T]: how many blocks each step has in common with step ``previous[t]`` (0 where that is -1)."""
    shared = np.zeros(len(indptr) - 1, np.int64)
    for step in range(len(shared)):
        if previous[step] < 0:
            continue
        here, there = indptr[step], indptr[previous[step]]
        end_here, end_there = indptr[step + 1], indptr[previous[step] + 1]
        while here < end_here and there < end_there:
            if blocks[here] == blocks[there]:
                shared[step] += 1
                here += 1
                there += 1
            elif blocks[here] < blocks[there]:
                here += 1
            else:
                there += 1
    return shared
