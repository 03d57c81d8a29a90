"""One cache above a tier that keeps everything, whose blocks are in queues: the moves of the heaps, without them.

Keys of :mod:`placement_opt.schedulers.lru` and :mod:`placement_opt.schedulers.fifo` only grow, so that a list in the order of
keys takes new ones at its end. What a step reads or produces and the tier lacks is put into its list first, where it belongs,
and taken out again where no room is made for it; what makes way stays in its list until the step's end, because it may still
come back (blocks of unequal sizes).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from placement_opt.base.compiled import njit

#: Columns of ``node``: neighbours, bits, and the group whose queue a block is in.
OLDER, NEWER, BITS, GROUP = 0, 1, 2, 3
#: In the tier; was in it and made way, or nearly did; at the processor; its queue's hand has passed it; freed for good.
IN, WAS, NEAR, PASSED, GONE = 1, 2, 4, 8, 16
#: Of ``room``: bytes free, and what each group may still take.
ROOM, QUOTA = 0, 1


class Queues(NamedTuple):
    """B blocks, G groups; node B + g is the head of a group's queue, whose newer neighbour is the oldest block."""

    node: Any  #: int32[B + G, 4]
    size: Any  #: int64[B], the setting's
    room: Any  #: int64[QUOTA + G]
    hand: Any  #: int32[G]: all that is older has made way, or is not in the tier


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def _link(q: Queues, b: int, newer: int) -> None:
    older = q.node[newer, OLDER]
    q.node[b, OLDER], q.node[b, NEWER] = older, newer
    q.node[older, NEWER] = q.node[newer, OLDER] = b


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def _unlink(q: Queues, b: int) -> None:
    older, newer = q.node[b, OLDER], q.node[b, NEWER]
    q.node[older, NEWER], q.node[newer, OLDER] = newer, older


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def _come(q: Queues, b: int) -> None:
    q.room[ROOM] -= q.size[b]
    q.room[QUOTA + q.node[b, GROUP]] -= q.size[b]
    q.node[b, BITS] |= IN


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def _go(q: Queues, b: int) -> None:
    q.room[ROOM] += q.size[b]
    q.room[QUOTA + q.node[b, GROUP]] += q.size[b]
    q.node[b, BITS] &= ~IN


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def _lacks(q: Queues, b: int) -> int:
    """Bytes that have to go before there is room for a block."""
    return int(max(q.size[b] - min(q.room[ROOM], q.room[QUOTA + q.node[b, GROUP]]), 0))


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def fill(q: Queues, blocks: Any, given: bool) -> None:
    """State 0: blocks, newest first, all of them, or those that have room when their turn comes."""
    head = len(q.size)
    for b in blocks:
        if given or _lacks(q, b) == 0:
            _link(q, b, q.node[head + q.node[b, GROUP], NEWER])
            _come(q, b)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _admit(q: Queues, b: int, out: Any, count: int) -> int:
    """Bring a block in if older ones of its group make enough room; how many blocks are noted in ``out`` then."""
    head, lacks = len(q.size) + q.node[b, GROUP], _lacks(q, b)
    v = q.hand[q.node[b, GROUP]]
    if lacks > 0:
        if q.node[b, BITS] & (WAS | PASSED):  # nothing older is left
            return count
        while v != head and not q.node[v, BITS] & IN:
            if v == b:
                q.hand[q.node[b, GROUP]] = v
                return count
            q.node[v, BITS] |= PASSED
            v = q.node[v, NEWER]
        q.hand[q.node[b, GROUP]] = v
        while lacks > 0 and v != b and v != head:
            if q.node[v, BITS] & IN:
                lacks -= q.size[v]
                if not q.node[v, BITS] & WAS:
                    q.node[v, BITS] |= WAS
                    out[count] = v
                    count += 1
            v = q.node[v, NEWER]
        if lacks > 0:
            return count
        u = q.hand[q.node[b, GROUP]]
        while u != v:
            if q.node[u, BITS] & IN:
                _go(q, u)
            else:
                q.node[u, BITS] |= PASSED
            u = q.node[u, NEWER]
        q.hand[q.node[b, GROUP]] = v
    _come(q, b)
    return count


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def step(q: Queues, freed: Any, near: Any, again: bool, found: Any) -> tuple[int, int]:
    """One step: blocks freed leave, those at the processor come in: what is read, then what is produced, ids ascending.

    Newest first, so that nothing comes that a later block would push out again. ``again``: whether being read makes blocks
    younger that are in the tier. Blocks stored and dropped, in the order of the heaps, come in the rows of ``found``, which are
    as long as all blocks; how many there are of each comes back.
    """
    head, stored, noted, dropped = len(q.size), 0, 0, 0
    for b in freed:
        if q.node[b, BITS] & IN:
            _go(q, b)
            _unlink(q, b)
        q.node[b, BITS] = GONE
    for b in near:
        bits = q.node[b, BITS]
        if bits != GONE:
            q.node[b, BITS] = bits | NEAR
            if again and bits & IN:
                _unlink(q, b)
            if again or not bits & IN:
                _link(q, b, head + q.node[b, GROUP])
    for g in range(len(q.hand)):
        q.hand[g] = q.node[head + g, NEWER]
    for i in range(len(near) - 1, -1, -1):
        b = near[i]
        bits = q.node[b, BITS]
        if bits & (IN | GONE) == 0 and (again or not bits & WAS):
            noted = _admit(q, b, found[1], noted)
            if q.node[b, BITS] & (IN | WAS) == IN:
                found[0, stored] = b
                stored += 1
    if not again:  # of those that keep their age the newest has its turn first
        for i in range(noted - 1, -1, -1):
            b = np.int64(found[1, i])
            if q.node[b, BITS] & (IN | NEAR) == NEAR:
                _admit(q, b, found[1], noted)
    for b in near:
        if q.node[b, BITS] & (IN | WAS | GONE) == 0:
            _unlink(q, b)
        if q.node[b, BITS] != GONE:
            q.node[b, BITS] &= IN | WAS
    for i in range(noted):
        b = found[1, i]
        if q.node[b, BITS] & IN == 0:
            _unlink(q, b)
            found[1, dropped] = b
            dropped += 1
        q.node[b, BITS] &= IN
    return stored, dropped
