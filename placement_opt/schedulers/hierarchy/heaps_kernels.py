"""Where a hierarchy of caches keeps its blocks: binary heaps, one a tier and group, and the list that takes changes back.

The lowest (key, id) is on top: the next victim. Where the key of a block grows, the heap is put right when somebody comes upon
it (:func:`top`): until then it is further up than it should be, which does not harm the others. Plane 0 holds the blocks for
which the tier is the place that counts, plane 1 spare copies (rules "free" and "cache"), which go first when room is needed.
Every change is written to an undo list, so that a promotion whose victims find no room is taken back whole.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from placement_opt.base.compiled import njit

#: Columns of ``block``: bytes, group, key (the lower, the sooner evicted), mask of the tiers that hold it, the last rounds in
#: which it was at the processor and in which it was moved, its mask before the latter, the key by which the heaps order it (at
#: most its own), the levels, bit by bit, that it does not go down to where it may lie nowhere, and its positions in the heaps.
SIZE, GROUP, KEY, MASK, NEAR, STAMP, BEFORE, FILED, BARRED, PLACE = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
#: Columns of ``tier``: bytes free, whether it has a heap for each group, and bytes that each group may still take.
ROOM, GROUPED, QUOTA = 0, 1, 2
ROUND, TOUCHED, UNDO = 0, 1, 2
#: No literals, for each of which everything that is handed one would be compiled once more.
PUT, TAKE = np.int64(0), np.int64(1)


class Tables(NamedTuple):
    """K tiers, B blocks, G groups, L levels. Row p = plane * K + k is tier k of a plane."""

    block: Any  #: int64[B, PLACE + 2 * K]
    tier: Any  #: int64[K, QUOTA + G]
    heap: Any  #: int32[2 * K, B]: blocks of plane and tier; a group's heap begins at ``first``
    filled: Any  #: int64[2 * K, G]: blocks in each heap
    first: Any  #: int64[G]
    order: Any  #: int64[L]: tiers, fastest first
    counter: Any  #: int64[3]: round, blocks touched in it, entries of ``undo``
    touched: Any  #: int32[B]
    undo: Any  #: int64[6 * B + 64]: (put or take, row, block) of the open promotion
    stack: Any  #: int32[2, B + 1]: blocks without a place, and the levels to try from


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _less(block: Any, a: int, b: int) -> bool:
    return block[a, FILED] < block[b, FILED] or (block[a, FILED] == block[b, FILED] and a < b)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _rise(block: Any, heap: Any, p: int, base: int, i: int) -> None:
    one = heap[p, base + i]
    while i > 0:
        parent = (i - 1) // 2
        above = heap[p, base + parent]
        if not _less(block, one, above):
            break
        heap[p, base + i] = above
        block[above, PLACE + p] = i
        i = parent
    heap[p, base + i] = one
    block[one, PLACE + p] = i


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _sink(block: Any, heap: Any, p: int, base: int, count: int, i: int) -> None:
    one = heap[p, base + i]
    while True:
        child = 2 * i + 1
        if child >= count:
            break
        if child + 1 < count and _less(block, heap[p, base + child + 1], heap[p, base + child]):
            child += 1
        below = heap[p, base + child]
        if not _less(block, below, one):
            break
        heap[p, base + i] = below
        block[below, PLACE + p] = i
        i = child
    heap[p, base + i] = one
    block[one, PLACE + p] = i


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def group_of(block: Any, tier: Any, p: int, b: int) -> int:
    """The group whose heap holds a block; spare copies are all together."""
    return block[b, GROUP] if p < len(tier) and tier[p, GROUPED] else 0


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _file(block: Any, tier: Any, heap: Any, count: Any, first: Any, b: int) -> None:
    """Move a block whose key has changed to its right place in the heaps that hold it."""
    block[b, FILED] = block[b, KEY]
    for p in range(len(heap)):
        if block[b, PLACE + p] >= 0:
            g = group_of(block, tier, p, b)
            _sink(block, heap, p, first[g], count[p, g], block[b, PLACE + p])
            _rise(block, heap, p, first[g], block[b, PLACE + p])


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def rekey(t: Tables, b: int, key: int) -> None:
    """Give a block another key."""
    t.block[b, KEY] = key
    if key < t.block[b, FILED]:
        _file(t.block, t.tier, t.heap, t.filled, t.first, b)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def top(t: Tables, p: int, g: int) -> int:
    """The block of the lowest (key, id) in a heap that is not empty."""
    while True:
        b = t.heap[p, t.first[g]]
        if t.block[b, FILED] == t.block[b, KEY]:
            return int(b)
        _file(t.block, t.tier, t.heap, t.filled, t.first, b)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _insert(block: Any, tier: Any, heap: Any, count: Any, first: Any, p: int, b: int) -> None:
    if block[b, FILED] != block[b, KEY]:
        _file(block, tier, heap, count, first, b)
    g = group_of(block, tier, p, b)
    k = p % len(tier)
    heap[p, first[g] + count[p, g]] = b
    count[p, g] += 1
    _rise(block, heap, p, first[g], count[p, g] - 1)
    tier[k, ROOM] -= block[b, SIZE]
    if p == k:
        tier[k, QUOTA + g] -= block[b, SIZE]
    block[b, MASK] |= 1 << k


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def remove(block: Any, tier: Any, heap: Any, count: Any, first: Any, p: int, b: int) -> None:
    g = group_of(block, tier, p, b)
    k, i = p % len(tier), block[b, PLACE + p]
    count[p, g] -= 1
    last = heap[p, first[g] + count[p, g]]
    block[b, PLACE + p] = -1
    if last != b:
        heap[p, first[g] + i] = last
        block[last, PLACE + p] = i
        _sink(block, heap, p, first[g], count[p, g], i)
        _rise(block, heap, p, first[g], block[last, PLACE + p])
    tier[k, ROOM] += block[b, SIZE]
    if p == k:
        tier[k, QUOTA + g] += block[b, SIZE]
    block[b, MASK] &= ~(1 << k)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def change(t: Tables, kind: int, p: int, b: int) -> None:
    """Put a block into a heap or take it out, and note it."""
    if t.block[b, STAMP] != t.counter[ROUND]:
        t.block[b, STAMP] = t.counter[ROUND]
        t.block[b, BEFORE] = t.block[b, MASK]
        t.touched[t.counter[TOUCHED]] = b
        t.counter[TOUCHED] += 1
    n = t.counter[UNDO]
    if n == len(t.undo):  # no bounds are checked in compiled code
        raise IndexError("more changes in one promotion than the undo list holds")
    t.undo[n] = (np.int64(kind) << 40) | (np.int64(p) << 32) | b
    t.counter[UNDO] = n + 1
    if kind == PUT:
        _insert(t.block, t.tier, t.heap, t.filled, t.first, p, b)
    else:
        remove(t.block, t.tier, t.heap, t.filled, t.first, p, b)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def revert(t: Tables, mark: int) -> None:
    """Take back all changes after ``mark``."""
    while t.counter[UNDO] > mark:
        t.counter[UNDO] -= 1
        entry = t.undo[t.counter[UNDO]]
        b, p, kind = entry & 0xFFFFFFFF, (entry >> 32) & 0xFF, entry >> 40
        if kind == PUT:
            remove(t.block, t.tier, t.heap, t.filled, t.first, p, b)
        else:
            _insert(t.block, t.tier, t.heap, t.filled, t.first, p, b)


@njit(cache=True)  # type: ignore[untyped-decorator]
def changes(t: Tables) -> tuple[Any, Any, Any, Any]:
    """(blocks, masks before, masks now, whether at the processor) of all that was moved in this round."""
    n = t.counter[TOUCHED]
    blocks, near = t.touched[:n].copy(), np.empty(n, dtype=np.bool_)
    before, now = np.empty(n, dtype=np.uint16), np.empty(n, dtype=np.uint16)
    for i in range(n):
        b = blocks[i]
        before[i], now[i] = t.block[b, BEFORE], t.block[b, MASK]
        near[i] = t.block[b, NEAR] == t.counter[ROUND]
    return blocks, before, now, near
