"""One cache above a tier that keeps everything, whose blocks are in queues: the moves of heaps and lists, without them.

A queue is what is written at the end of a row of block ids and looked at from a hand on: whoever enters or is read anew is
written again, and what stands in its older places counts no longer, because a block knows its one place. So a read costs the
block's own line and the end of the row, no neighbours. A row that is full is written anew without what does not count.

Keys of :mod:`placement_opt.schedulers.lru`, :mod:`placement_opt.schedulers.fifo` and, in each of two queues,
:mod:`placement_opt.schedulers.tail_lru` only grow, so that a queue is in their order (:func:`step`). What a step reads or
produces and the tier lacks is written down first, where it belongs, and forgotten again where no room is made for it; what
makes way keeps its place until the step's end, because it may still come back (blocks of unequal sizes).
Where most of the time goes ids are unsigned: numba then does not ask whether they count from the end.
:mod:`placement_opt.schedulers.classical.clock` takes its blocks in turn (:func:`turns`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from placement_opt.base.compiled import njit

#: Columns of ``node``: the block's place (-1: none), bits, the last round in which it was at the processor or its count of
#: reads, and the queue that it is in.
AT, BITS, SEEN, QUEUE = 0, 1, 2, 3
#: In the tier; was in it and made way, or nearly did; is among those noted; freed for good.
IN, WAS, NOTED, GONE = 1, 2, 4, 8
#: Of ``room``: bytes free and in all, the round, whether a block of this round made way, and what each queue may still take.
ROOM, CAPACITY, ROUND, DEEP, QUOTA = 0, 1, 2, 3, 4


class Queues(NamedTuple):
    """B blocks, G queues."""

    node: Any  #: int32[B, 4]
    size: Any  #: int64[B], the setting's
    room: Any  #: int64[QUOTA + G]
    row: Any  #: int32: the rows of all queues
    first: Any  #: int64[G + 1]: where each row begins, and ends
    hand: Any  #: int64[G]: what is written before it does not count, is not in the tier, or made way in this round
    end: Any  #: int64[G]: where each row is written next
    begun: Any  #: int64[G]: where it was written first in this round


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def _write(q: Queues, c: int, b: int) -> None:
    """A block's place is the end of a queue now."""
    q.row[q.end[c]] = b
    q.node[b, AT] = q.end[c]
    q.end[c] += 1


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _anew(q: Queues, c: int) -> None:
    """Write a row anew, without what does not count."""
    end = q.first[c]
    for p in range(q.hand[c], q.end[c]):
        b = q.row[p]
        if q.node[b, AT] == p:
            q.row[end] = b
            q.node[b, AT] = end
            end += 1
    q.hand[c], q.end[c] = q.first[c], end


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def _holds(q: Queues, p: int) -> bool:
    """Whether the block that stands here has its place here, and is in the tier."""
    b = np.uint64(q.row[np.uint64(p)])
    return bool((q.node[b, AT] == p) & (q.node[b, BITS] & IN != 0))


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def _come(q: Queues, b: int) -> None:
    q.room[ROOM] -= q.size[b]
    q.room[QUOTA + q.node[b, QUEUE]] -= q.size[b]
    q.node[b, BITS] |= IN


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def _go(q: Queues, b: int) -> None:
    q.room[ROOM] += q.size[b]
    q.room[QUOTA + q.node[b, QUEUE]] += q.size[b]
    q.node[b, BITS] &= ~IN


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def _make_way(q: Queues, u: int) -> None:
    _go(q, u)
    if q.node[u, SEEN] == q.room[ROUND]:
        q.room[DEEP] = 1


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def _swap(q: Queues, u: int, b: int) -> None:
    """One block makes way for another of its queue."""
    more, own = q.size[u] - q.size[b], q.node[b, QUEUE]
    q.room[ROOM] += more
    q.room[QUOTA + own] += more
    q.node[u, BITS] &= ~IN
    q.node[b, BITS] |= IN
    if q.node[u, SEEN] == q.room[ROUND]:
        q.room[DEEP] = 1


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def _lacks(q: Queues, b: int) -> int:
    """Bytes that have to go before there is room for a block."""
    return int(max(q.size[b] - min(q.room[ROOM], q.room[QUOTA + q.node[b, QUEUE]]), 0))


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def fill(q: Queues, blocks: Any, given: bool) -> None:
    """State 0: blocks, newest first, all of them, or those that have room when their turn comes."""
    for b in blocks:
        if given or _lacks(q, b) == 0:
            _come(q, b)
    for i in range(len(blocks) - 1, -1, -1):
        if q.node[blocks[i], BITS] & IN:
            _write(q, q.node[blocks[i], QUEUE], blocks[i])


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def _free(q: Queues, freed: Any) -> None:
    """Blocks leave for good."""
    for b in freed:
        if q.node[b, BITS] & IN:
            _go(q, b)
        q.node[b, AT], q.node[b, BITS] = -1, GONE


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _admit(q: Queues, b: int, lowest: int, noted: Any, count: int) -> int:
    """Bring a block in if older ones make enough room; how many blocks are ``noted`` then.

    They are those before it in its queue, after all of the queues from ``lowest`` on.
    """
    lacks, own = _lacks(q, b), q.node[b, QUEUE]
    if lacks > 0:
        for c in range(lowest, own + 1):
            until, v = np.int64(q.node[b, AT]) if c == own else q.end[c], q.hand[c]
            while v < until and not _holds(q, v):
                v += 1
            q.hand[c] = v
            while lacks > 0 and v < until:
                if _holds(q, v):
                    u = q.row[v]
                    lacks -= q.size[u]
                    if not q.node[u, BITS] & WAS:
                        q.node[u, BITS] |= WAS
                        noted[count] = u
                        count += 1
                v += 1
        if lacks > 0:
            return count
        for c in range(lowest, own + 1):
            until, v = np.int64(q.node[b, AT]) if c == own else q.end[c], q.hand[c]
            while v < until and _lacks(q, b) > 0:
                if _holds(q, v):
                    _make_way(q, q.row[v])
                v += 1
            q.hand[c] = v
    _come(q, b)
    return count


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def _first_to_go(q: Queues, c: int, most: int, oldest: Any) -> int:
    """The places of the oldest blocks of a queue, of those that no block of this round can be older than; how many."""
    count = 0
    for v in range(q.hand[c], q.begun[c]):
        if count == most:
            break
        oldest[count] = v
        count += int(_holds(q, v))
    return count


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def _settle(q: Queues, b: int) -> bool:
    """At a step's end: a block that is not in the tier has no place, one that is has one that counts; whether it is."""
    if not q.node[b, BITS] & IN:
        q.node[b, AT] = -1
        return False
    c = q.node[b, QUEUE]
    q.hand[c] = min(q.hand[c], q.node[b, AT])
    return True


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def step(
    q: Queues, freed: Any, near: Any, again: bool, stacked: bool, vain: int, lists: Any, stored: Any, noted: Any
) -> tuple[int, int]:
    """One step: blocks freed leave, those at the processor come in, of which ``near`` has the keys ascending.

    Newest first, so that nothing comes that a later block would push out again. ``again``: whether being read makes blocks
    younger that are in the tier. ``stacked``: of two queues all of the first is older than the second, and the first ``vain``
    blocks go into that; otherwise each block has its queue. Blocks stored and dropped, in the order of the heaps, come in
    ``stored`` and ``noted``; how many there are of each comes back. ``stored`` and the two ``lists`` are as long as ``near``.
    """
    missing, oldest, lowest = lists[0], lists[1], np.int64(0)
    lacked, came, count, dropped = 0, 0, 0, 0
    _free(q, freed)
    q.room[ROUND] += 1
    q.room[DEEP] = 0
    for c in range(len(q.hand)):
        most = (q.first[c + 1] - q.first[c]) // 2  # a row is twice as long as there are blocks for it
        if q.end[c] + min(most, len(near)) > q.first[c + 1]:
            _anew(q, c)
        q.begun[c] = q.end[c]
    for i in range(len(near)):
        b = np.uint64(near[i])
        lacks = 1 - (q.node[b, BITS] & IN)
        if q.node[b, BITS] == GONE:
            continue
        q.node[b, SEEN] = q.room[ROUND]
        if stacked:
            q.node[b, QUEUE] = 1 if i >= vain else 0
        missing[lacked] = i  # of no account, like the place below, where it is not one: no branch is faster than a wrong guess
        lacked += lacks
        queue = np.uint64(q.node[b, QUEUE])
        end = q.end[queue]
        q.row[np.uint64(end)] = b
        q.node[b, AT] = end if again or lacks else q.node[b, AT]
        q.end[queue] = end + (1 if again else lacks)
    # One goes for each that comes, mostly: who they are is looked up beforehand, which waits for nothing.
    turn, i, used, ready, common = lacked, len(near), 0, 0, np.int64(-1)
    if lacked > 0 and not stacked:
        common = np.int64(q.node[near[missing[lacked - 1]], QUEUE])
        ready = _first_to_go(q, common, lacked, oldest)
    while i > 0:
        if q.room[DEEP] and again:  # what was there when the step began may be missing now
            i -= 1
        elif turn > 0:
            turn -= 1
            i = missing[turn]
        else:
            break
        b = near[i]
        if q.node[b, BITS] & (IN | GONE) == 0 and (again or not q.node[b, BITS] & WAS):
            lacks, own = _lacks(q, b), np.int64(q.node[b, QUEUE])
            if lacks > 0 and own == common and used < ready and lacks <= q.size[q.row[oldest[used]]]:
                u = np.int64(q.row[oldest[used]])
                q.hand[own] = oldest[used] + 1
                used += 1
                q.node[u, BITS] |= WAS
                noted[count] = u
                count += 1
                _swap(q, u, b)
            else:
                count = _admit(q, b, lowest if stacked else own, noted, count)
                if lacks > 0 and own == common:
                    used = ready
            if q.node[b, BITS] & (IN | WAS) == IN:
                stored[came] = b
                came += 1
    if q.room[DEEP] and not again:  # of those that keep their age the newest has its turn first
        for i in range(count - 1, -1, -1):
            b = np.uint64(noted[i])
            if not q.node[b, BITS] & IN and q.node[b, SEEN] == q.room[ROUND]:
                _admit(q, b, np.int64(q.node[b, QUEUE]), noted, count)
    if stacked or (again and q.room[DEEP]) or came < lacked:  # else all came and stayed, and no hand is beyond their places
        for i in range(lacked):
            _settle(q, near[missing[i]])
    for i in range(count):
        b = noted[i]
        if not _settle(q, b):
            noted[dropped] = b
            dropped += 1
        q.node[b, BITS] &= IN
    return came, dropped


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def _note(q: Queues, b: int, noted: Any, count: int) -> int:
    """A block comes or goes for the first time in this round."""
    bits = q.node[b, BITS]
    if not bits & NOTED:
        q.node[b, BITS] = bits | NOTED | (WAS if bits & IN else 0)
        noted[count] = b
        count += 1
    return count


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def turns(q: Queues, freed: Any, near: Any, highest: int, stored: Any, noted: Any) -> tuple[int, int]:
    """One step of a clock, blocks in turn: one that is there counts a read, up to ``highest``, one that is not comes in.

    For that the oldest go, but those with a count lose one and are written anew. As :func:`step` says what was stored and
    dropped, in no order.
    """
    count, came, dropped = 0, 0, 0
    _free(q, freed)
    room, hand, end = q.room[ROOM], q.hand[0], q.end[0]  # in hand for the round, where nothing else uses them
    for block in near:
        b = np.uint64(block)
        bits, size = q.node[b, BITS], q.size[b]
        if bits & IN:
            q.node[b, SEEN] = min(q.node[b, SEEN] + 1, highest)
        elif bits != GONE and size <= q.room[CAPACITY]:
            count = _note(q, b, noted, count)
            while True:  # room for it, then itself
                if end == q.first[1]:
                    q.hand[0], q.end[0] = hand, end
                    _anew(q, 0)
                    hand, end = q.hand[0], q.end[0]
                if room >= size:
                    break
                u = np.uint64(q.row[np.uint64(hand)])
                if q.node[u, AT] == hand and q.node[u, SEEN] > 0:
                    q.node[u, SEEN] -= 1
                    q.row[end], q.node[u, AT] = u, end
                    end += 1
                elif q.node[u, AT] == hand:
                    count = _note(q, u, noted, count)
                    q.node[u, BITS] &= ~IN
                    q.node[u, AT] = -1
                    room += q.size[u]
                hand += 1
            q.node[b, BITS] |= IN
            q.node[b, SEEN] = 0
            q.row[end], q.node[b, AT] = b, end
            room, end = room - size, end + 1
    q.room[ROOM], q.hand[0], q.end[0] = room, hand, end
    for i in range(count):
        b = noted[i]
        bits = q.node[b, BITS]
        if bits & (IN | WAS) == IN:
            stored[came] = b
            came += 1
        elif bits & (IN | WAS) == WAS:
            noted[dropped] = b
            dropped += 1
        q.node[b, BITS] &= IN
    return came, dropped
