"""A hierarchy of caches whose blocks stand on shelves, one for each level and state of a block.

All blocks in a state are worth the same, so that the next victim of a level is the block longest on its least worthy shelf: no
heap of keys is kept, and nothing is put right when values change but the order of the shelves. What happens under each rule is
stated in :mod:`placement_opt.schedulers.hierarchy.hierarchy`; a block's place is its fastest copy, others are spare (inclusive
rule: each is a place). Every change is written to a list, so that a promotion whose victims find no room is taken back whole.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from placement_opt.base.compiled import njit

#: Columns: quantiles of position in a read set. Rows: runs of consecutive reads, by their logarithm. Classes: reads so far,
#: 0, 1, 2, then by their logarithm; as many reads as that counts.
COLUMNS, ROWS, CLASSES = 16, 5, 8
MOST_READS = 48
#: States of blocks just read, and the state of those just produced; the state of those that were never seen.
BORN = COLUMNS * ROWS
STATES = BORN + 1
UNKNOWN = 255
#: Read no more.
GONE = -1
#: Of a block: when it was last read or produced, by its layer's clock (-1: never); the round in which it was at the processor
#: (``GONE`` once it is freed) and in which it was moved; its neighbours among those of its layer and age; the tiers that hold
#: it now and before it was moved; its state when it was last seen; steps in a row that read it and reads, as far as they count;
#: the interval of its age, -1 where it is less than a step old, -2 where it is in no list.
BLOCK = np.dtype(
    [
        *(("last", "i4"), ("near", "i4"), ("moved", "i4"), ("above", "i4"), ("below", "i4"), ("mask", "u2"), ("before", "u2")),
        *(("state", "u1"), ("run", "u1"), ("reads", "u1"), ("age", "i1")),
    ],
    align=True,
)
INCLUSIVE, EXCLUSIVE, FREE, CACHE = 0, 1, 2, 3
ROUND, TOUCHED, UNDO, RULE, AGES = 0, 1, 2, 3, 4
#: No literals, for each of which everything that is handed one would be compiled once more.
PUT, TAKE = np.int64(0), np.int64(1)
NOTHING = np.float64(-np.inf)
_START = np.int64(0)
_SPARE_CHANGES = 64  # what one promotion may still change when no further victim is looked for


class Shelves(NamedTuple):
    """B blocks, K tiers, L levels, S shelves a level. List l < L has the places of level l, list L + l spare copies there."""

    block: Any  #: BLOCK[B]
    size: Any  #: int64[B], the setting's
    layer: Any  #: int32[B], the setting's, or empty
    group: Any  #: int64[layers]: whose tables it has
    link: Any  #: int32[1 or L, B + L * S, 2]: older and newer neighbour on a shelf; heads of shelves behind the blocks
    order: Any  #: int64[L]: tiers, fastest first
    room: Any  #: int64[K]: bytes free
    worth: Any  #: float64[V, S]: of the blocks on a shelf, at each level that has values of its own
    rank: Any  #: int32[S]: of shelves by worth at level 0
    shelf: Any  #: int32[S]: by rank
    low: Any  #: int64[2L]: no shelf of lower rank has blocks
    filled: Any  #: int64[2L]: blocks
    barred: Any  #: uint16[S]: levels, bit by bit, that a block does not go down to where it may lie nowhere
    count: Any  #: int64[5]: round, blocks moved in it, entries of ``undo``, the rule, intervals of age
    touched: Any  #: int32[B]: blocks moved
    undo: Any  #: int32[N, 3]: (list or, beyond all lists, list taken from, block, older neighbour) of the open promotion
    stack: Any  #: int32[2, N]: blocks without a place, and the levels to try from


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def class_of(t: Shelves, b: int) -> Any:
    """By the group of its layer, and how often a block was read."""
    many = np.int64(t.block[b].reads)
    kind: Any = min(many, np.int64(3))
    while many >= 6:
        many //= 2
        kind += 1
    return kind + (CLASSES * t.group[t.layer[b]] if len(t.layer) else 0)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def shelf_of(t: Shelves, b: int) -> Any:
    """The shelf of a block's state: just read or produced, unread since, or, the last one, never seen."""
    if t.block[b].age >= 0:
        return STATES + class_of(t, b) * t.count[AGES] + np.int64(t.block[b].age)
    return t.worth.shape[1] - 1 if t.block[b].state == UNKNOWN else np.int64(t.block[b].state)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _row(t: Shelves, p: int) -> Any:
    """The row of ``link`` that a list uses: a block is in one of those that share a row."""
    levels = len(t.order)
    if p >= levels:
        return p - levels
    return p if t.count[RULE] == INCLUSIVE else 0


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _unlink(t: Shelves, p: int, b: int) -> Any:
    """Its older neighbour comes back."""
    row = _row(t, p)
    older, newer = t.link[row, b, 0], t.link[row, b, 1]
    t.link[row, older, 1] = newer
    t.link[row, newer, 0] = older
    return np.int64(older)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _link(t: Shelves, p: int, b: int, older: Any) -> None:
    """Put a block on its shelf, behind a neighbour; behind all where that is negative."""
    row, levels, s = _row(t, p), len(t.order), shelf_of(t, b)
    if older < 0:
        older = np.int64(t.link[row, len(t.block) + (p % levels) * t.worth.shape[1] + s, 0])
    newer = t.link[row, older, 1]
    t.link[row, b, 0], t.link[row, b, 1] = older, newer
    t.link[row, older, 1] = b
    t.link[row, newer, 0] = b
    t.low[p] = min(t.low[p], np.int64(t.rank[s]))


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def restate(t: Shelves, b: int) -> None:
    """Put a block whose state has changed on its shelf wherever it is held, as the newest."""
    mask, levels, place = np.int64(t.block[b].mask), len(t.order), True
    for level in range(levels):
        if mask >> t.order[level] & 1:
            p = level if place or t.count[RULE] == INCLUSIVE else levels + level
            _unlink(t, p, b)
            _link(t, p, b, GONE)
            place = False


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def top(t: Shelves, p: int) -> Any:
    """The block of a list that is worth least, and longest on its shelf; -1 where there is none."""
    if t.filled[p] == 0:
        return -1
    levels, row = len(t.order), _row(t, p)
    base = len(t.block) + (p % levels) * t.worth.shape[1]
    while True:
        head = base + t.shelf[t.low[p]]
        if t.link[row, head, 1] != head:
            return np.int64(t.link[row, head, 1])
        t.low[p] += 1


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def worth_of(t: Shelves, level: int, b: int) -> Any:
    """Of a block at a level, where that has values of its own; else at the fastest."""
    return t.worth[level if level < len(t.worth) else 0, shelf_of(t, b)]


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _put(t: Shelves, p: int, b: int, older: int) -> None:
    k = t.order[p % len(t.order)]
    _link(t, p, b, older)
    t.filled[p] += 1
    t.room[k] -= t.size[b]
    t.block[b].mask = np.int64(t.block[b].mask) | 1 << k


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def take(t: Shelves, p: int, b: int) -> Any:
    """Take a block off its shelf; its older neighbour comes back."""
    k = t.order[p % len(t.order)]
    t.filled[p] -= 1
    t.room[k] += t.size[b]
    t.block[b].mask = np.int64(t.block[b].mask) & ~(1 << k)
    return _unlink(t, p, b)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def change(t: Shelves, kind: int, p: int, b: int) -> None:
    """Put a block on its shelf or take it off, and note it."""
    if t.block[b].moved != t.count[ROUND]:
        t.block[b].moved = t.count[ROUND]
        t.block[b].before = t.block[b].mask
        t.touched[t.count[TOUCHED]] = b
        t.count[TOUCHED] += 1
    n = t.count[UNDO]
    if n == len(t.undo):  # no bounds are checked in compiled code
        raise IndexError("more changes in one promotion than the undo list holds")
    t.count[UNDO] = n + 1
    t.undo[n, 1] = b
    if kind == PUT:
        t.undo[n, 0] = p
        _put(t, p, b, GONE)
    else:
        t.undo[n, 0] = 2 * len(t.order) + p
        t.undo[n, 2] = take(t, p, b)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def revert(t: Shelves, mark: int) -> None:
    """Take back all changes after ``mark``: everything stands where it stood."""
    while t.count[UNDO] > mark:
        t.count[UNDO] -= 1
        p, b, older = np.int64(t.undo[t.count[UNDO], 0]), np.int64(t.undo[t.count[UNDO], 1]), t.undo[t.count[UNDO], 2]
        if p < 2 * len(t.order):
            take(t, p, b)
        else:
            _put(t, p - 2 * len(t.order), b, np.int64(older))


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _full(t: Shelves) -> bool:
    return bool(t.count[UNDO] > len(t.undo) - _SPARE_CHANGES)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _reclaim(t: Shelves, level: int, size: int) -> None:
    """Drop spare copies at a level until ``size`` bytes are free or none is left."""
    spare = len(t.order) + level
    while t.room[t.order[level]] < size and t.filled[spare] > 0 and not _full(t):
        change(t, TAKE, spare, top(t, spare))


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _victim(t: Shelves, level: int, bar: float) -> Any:
    """The block that would make way at a level; -1 if none is worth less than the bar."""
    if t.filled[level] == 0 or _full(t):
        return -1
    victim = top(t, level)
    return victim if worth_of(t, 0, victim) < bar else -1


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _fall_back(t: Shelves, b: int) -> bool:
    """Let the fastest spare copy of a block whose place was taken become its place; False if it has none."""
    for level in range(len(t.order)):
        if np.int64(t.block[b].mask) >> t.order[level] & 1:
            change(t, TAKE, len(t.order) + level, b)
            change(t, PUT, level, b)
            return True
    return False


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _open(t: Shelves, level: int, b: int, bar: float, depth: int) -> int:
    """Make room for a block at a level, pushing victims worth less than ``bar`` onto the stack; its depth, -1 if in vain.

    The slowest level has no victims, unless blocks may lie nowhere.
    """
    size, mark = t.size[b], t.count[UNDO]
    while True:
        _reclaim(t, level, size)
        if t.room[t.order[level]] >= size:
            return depth
        victim = _victim(t, level, bar) if t.count[RULE] == CACHE or level < len(t.order) - 1 else -1
        if victim < 0:
            revert(t, mark)
            return -1
        change(t, TAKE, level, victim)
        if not _fall_back(t, victim):
            t.stack[0, depth], t.stack[1, depth] = victim, level + 1
            depth += 1


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _settle(t: Shelves, b: int, start: int, stop: int, bar: float) -> bool:
    """Find a place for a block at levels start..stop-1, and further down for those it displaces; False if there is none.

    Where blocks may lie nowhere, those it displaces need none, and are not moved to levels that they are barred from.
    """
    t.stack[0, 0], t.stack[1, 0] = b, start
    depth = 1
    while depth > 0:
        depth -= 1
        one, level = np.int64(t.stack[0, depth]), np.int64(t.stack[1, depth])
        own = one == b
        limit, end = (bar, stop) if own else (worth_of(t, 0, one), len(t.order))
        opened = -1
        while level < end:
            if not own and t.count[RULE] == CACHE and t.barred[shelf_of(t, one)] >> level & 1:
                level += 1
                continue
            opened = _open(t, level, one, limit, depth)
            if opened >= 0:
                break
            level += 1
        if opened < 0:
            if t.count[RULE] == CACHE and not own:
                continue
            return False
        change(t, PUT, level, one)
        depth = opened
    return True


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _squeeze(t: Shelves, b: int) -> bool:
    """A place for a block that has none wherever there is room at all; False if there is none."""
    for level in range(len(t.order)):
        t.count[UNDO] = 0
        while t.room[t.order[level]] < t.size[b] and t.filled[len(t.order) + level] > 0:
            t.count[UNDO] = 0
            change(t, TAKE, len(t.order) + level, top(t, len(t.order) + level))
        if t.room[t.order[level]] >= t.size[b]:
            change(t, PUT, level, b)
            return True
    return False


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def level_of(t: Shelves, b: int) -> int:
    """The level at which a block has its place; the number of levels if nowhere."""
    for level in range(len(t.order)):
        if np.int64(t.block[b].mask) >> t.order[level] & 1:
            return level
    return len(t.order)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _cache(t: Shelves, b: int, level: int, bar: float) -> None:
    """Inclusive rule: keep a block at a level, dropping victims worth less than ``bar``, if that makes enough room."""
    t.count[UNDO] = 0
    while t.room[t.order[level]] < t.size[b]:
        victim = _victim(t, level, bar)
        if victim < 0:
            revert(t, _START)
            return
        change(t, TAKE, level, victim)
    change(t, PUT, level, b)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def promote(t: Shelves, b: int, target: int, bar: float) -> Any:
    """Bring a block in at the first level from ``target`` on that is faster than where it is, where blocks worth less than the
    bar make room; not under the inclusive rule. False where it has to lie somewhere and finds no place."""
    level = level_of(t, b)
    if target >= level:
        return True
    t.count[UNDO] = 0
    if level < len(t.order):
        change(t, TAKE, level, b)
        if t.count[RULE] >= FREE:
            change(t, PUT, len(t.order) + level, b)
    if not _settle(t, b, target, level, bar):
        revert(t, _START)
        if t.count[RULE] != CACHE and level == len(t.order):
            return _squeeze(t, b)
    return True


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def admit(t: Shelves, wanted: Any, bars: Any, levels: Any) -> int:
    """Bring blocks in, in this order; -1, or one that found no place. Inclusive rule: at every level from ``levels`` on."""
    if t.count[RULE] == INCLUSIVE:
        for level in range(len(t.order)):
            for i in range(len(wanted)):
                b = np.int64(wanted[i])
                if level >= levels[i] and not np.int64(t.block[b].mask) >> t.order[level] & 1:
                    _cache(t, b, level, bars[i])
        return -1
    for i in range(len(wanted)):
        if not promote(t, np.int64(wanted[i]), levels[i], bars[i]):
            return int(wanted[i])
    return -1


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def fill(t: Shelves, blocks: Any) -> int:
    """State 0: blocks in this order, each at the fastest level with room (inclusive rule: every one); -1, or one without.

    Those that came last are the oldest then.
    """
    for b in blocks:
        if t.count[RULE] == INCLUSIVE:
            for level in range(len(t.order)):
                _cache(t, b, level, NOTHING)
        else:
            t.count[UNDO] = 0
            if not _settle(t, b, _START, len(t.order), NOTHING) and t.count[RULE] != CACHE and not _squeeze(t, b):
                return int(b)
    if t.count[RULE] >= FREE:
        last = len(t.order) - 1
        for b in blocks:
            if not np.int64(t.block[b].mask) >> t.order[last] & 1 and t.room[t.order[last]] >= t.size[b]:
                t.count[UNDO] = 0
                change(t, PUT, len(t.order) + last, b)
    for i in range(len(blocks) - 1, -1, -1):
        restate(t, blocks[i])
    return -1


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def load(t: Shelves, blocks: Any, masks: Any) -> None:
    """State 0 as given, blocks oldest first; ``masks`` has the home tier's bit under the inclusive rule."""
    for i in range(len(blocks)):
        b, mask, p = np.int64(blocks[i]), np.int64(masks[i]), 0
        t.count[UNDO] = 0
        t.block[b].mask = mask
        for level in range(len(t.order)):
            if mask >> t.order[level] & 1:
                change(t, PUT, p + level, b)
                p = 0 if t.count[RULE] == INCLUSIVE else len(t.order)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def split(t: Shelves, ids: Any, found: Any, counts: Any) -> None:
    """What became of the blocks that were moved in this round, apart from those freed.

    Row 3 * k of ``found`` has those stored to tier k in passing, the next those copied there, the next those that left it;
    ``counts``, of zeros, says how many.
    """
    for b in ids:
        if t.block[b].near == GONE:
            continue
        copied = np.int64(t.block[b].near != t.count[ROUND])
        before = np.int64(t.block[b].before)
        changed, tier = before ^ np.int64(t.block[b].mask), 0
        while changed >> tier:
            if changed >> tier & 1:
                row = 3 * tier + (2 if before >> tier & 1 else copied)
                found[row, counts[row]] = b
                counts[row] += 1
            tier += 1


@njit(cache=True)  # type: ignore[untyped-decorator]
def changes(t: Shelves) -> tuple[Any, Any, Any, Any]:
    """(blocks, masks before, masks now, whether at the processor) of what was moved in this round, apart from those freed."""
    n, count = t.count[TOUCHED], 0
    blocks, near = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.bool_)
    before, now = np.empty(n, dtype=np.uint16), np.empty(n, dtype=np.uint16)
    for i in range(n):
        b = np.int64(t.touched[i])
        if t.block[b].near != GONE:
            blocks[count], near[count] = b, t.block[b].near == t.count[ROUND]
            before[count], now[count] = t.block[b].before, t.block[b].mask
            count += 1
    return blocks[:count], before[:count], now[:count], near[:count]
