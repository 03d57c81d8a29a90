"""Hits of caches, compiled: of LRU by the sizes of what was used since, of the best by when blocks are read again."""

from __future__ import annotations

import numpy as np

from placement_opt.base.arrays import Flags, Int32, Int64
from placement_opt.base.compiled import njit


@njit(cache=True)  # type: ignore[untyped-decorator]
def read_after(indptr: Int64, blocks: Int32, num_blocks: int, born_at: Int64, born: Int64) -> tuple[Int32, Int32]:
    """The step at which each read block, and each produced one, is read next; T where it is not.

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
    of_reads, of_births
        int32[N] and int32[len(born)].
    """
    steps = len(indptr) - 1
    of_reads, of_births = np.empty(len(blocks), np.int32), np.empty(len(born), np.int32)
    coming = np.full(num_blocks, steps, np.int32)
    for step in range(steps - 1, -1, -1):
        for n in range(born_at[step], born_at[step + 1]):
            of_births[n] = coming[born[n]]
        for n in range(indptr[step], indptr[step + 1]):
            of_reads[n] = coming[blocks[n]]
            coming[blocks[n]] = step
    return of_reads, of_births


@njit(cache=True)  # type: ignore[untyped-decorator]
def sized_stack_distances(
    indptr: Int64, blocks: Int32, size: Int64, born_at: Int64, born: Int64, edges: Int64
) -> tuple[Int64, Int64]:
    """Reads, and their sizes, by the size of the distinct blocks used since the previous use of the block, itself included.

    As ``stack_distances`` with sizes in the place of counts.

    Parameters
    ----------
    indptr, blocks, born_at, born
        As for ``read_after``.
    size
        int64[B].
    edges
        Ascending.

    Returns
    -------
    reads, sizes
        int64[len(edges) + 1]: entry n has the reads of blocks used before whose distance is above ``edges[n - 1]`` and at
        most ``edges[n]``.
    """
    steps = len(indptr) - 1
    counts, sizes = np.zeros(len(edges) + 1, np.int64), np.zeros(len(edges) + 1, np.int64)
    last = np.full(len(size), -1, np.int64)
    tree = np.zeros(steps + 1, np.int64)
    used = 0
    for step in range(steps):
        known, place, fresh = -1, 0, 0
        for n in range(indptr[step], indptr[step + 1]):
            block = blocks[n]
            then = last[block]
            if then < 0:
                continue
            if then != known:  # runs of blocks with the same past share one query
                below, end = 0, then
                while end > 0:
                    below += tree[end]
                    end -= end & -end
                known, place = then, int(np.searchsorted(edges, used - below))
            counts[place] += 1
            sizes[place] += size[block]
        for n in range(indptr[step], indptr[step + 1]):
            block = blocks[n]
            fresh += size[block]
            if last[block] < 0:
                used += size[block]
            else:
                entry = last[block] + 1
                while entry <= steps:
                    tree[entry] -= size[block]
                    entry += entry & -entry
            last[block] = step
        for n in range(born_at[step], born_at[step + 1]):
            last[born[n]] = step
            fresh += size[born[n]]
            used += size[born[n]]
        entry = step + 1
        while entry <= steps:
            tree[entry] += fresh
            entry += entry & -entry
    return counts, sizes


@njit(cache=True)  # type: ignore[untyped-decorator]
def optimal_hits(
    indptr: Int64, blocks: Int32, size: Int64, born_at: Int64, born: Int64, of_reads: Int32, of_births: Int32, room: int
) -> int:
    """The most that a cache of this room can hit, in units of ``size``, where blocks may be kept in part.

    What a step reads or produces may be kept from then on; what is kept until the step that reads it next is hit there. Of
    what does not fit, what is read furthest ahead is dropped first (Belady 1966): optimal for units, each of which is worth
    and takes the same.

    Parameters
    ----------
    indptr, blocks, size, born_at, born
        As for ``sized_stack_distances``.
    of_reads, of_births
        What ``read_after`` found.
    room
        In units of ``size``.
    """
    steps = len(indptr) - 1
    width = 1
    while width < steps + 1:
        width *= 2
    some = np.zeros(2 * width, np.bool_)  # a tree over the steps: is anything kept until one of these?
    kept = np.zeros(steps + 1, np.int64)
    held, hits = 0, 0
    for step in range(steps):
        if kept[step]:
            hits += kept[step]
            held -= kept[step]
            kept[step] = 0
            _mark(some, width, step, False)
        for n in range(indptr[step], indptr[step + 1]):
            until = of_reads[n]
            if until < steps:
                held += size[blocks[n]]
                if not kept[until]:
                    _mark(some, width, until, True)
                kept[until] += size[blocks[n]]
        for n in range(born_at[step], born_at[step + 1]):
            until = of_births[n]
            if until < steps:
                held += size[born[n]]
                if not kept[until]:
                    _mark(some, width, until, True)
                kept[until] += size[born[n]]
        while held > room:
            until = _furthest(some, width)
            dropped = min(kept[until], held - room)
            held -= dropped
            kept[until] -= dropped
            if not kept[until]:
                _mark(some, width, until, False)
    return hits


@njit(cache=True)  # type: ignore[untyped-decorator]
def _mark(some: Flags, width: int, leaf: int, value: bool) -> None:
    """Set a leaf of the tree and what follows for those above it."""
    node = width + leaf
    some[node] = value
    while node > 1:
        node //= 2
        found = some[2 * node] or some[2 * node + 1]
        if some[node] == found:
            return
        some[node] = found


@njit(cache=True)  # type: ignore[untyped-decorator]
def _furthest(some: Flags, width: int) -> int:
    """The last leaf that is set; one is."""
    node = 1
    while node < width:
        node = 2 * node + 1 if some[2 * node + 1] else 2 * node
    return node - width
