"""The moves of a hierarchy of caches, one step at a time: the array code behind it.

Each tier keeps its blocks in binary heaps, one a group, lowest (key, id) on top: the next victim. Plane 0 holds the blocks for
which the tier is the place that counts, plane 1 spare copies (rules "free" and "cache"), which go first when room is needed.
Every change is written to an undo list, so that a promotion whose victims find no room is taken back whole.

One file, although a long one: a compiled function that is cached does not notice when one it calls changes in another file.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from placement_opt.base.compiled import njit

#: Rules; from ``FREE`` on a block that moves up may leave a spare copy.
INCLUSIVE, EXCLUSIVE, FREE, CACHE = 0, 1, 2, 3
#: Columns of ``block``: bytes, group, key (the lower, the sooner evicted), mask of the tiers that hold it, the last rounds in
#: which it was at the processor and in which it was moved, its mask before the latter, and its positions in the heaps.
SIZE, GROUP, KEY, MASK, NEAR, STAMP, BEFORE, PLACE = 0, 1, 2, 3, 4, 5, 6, 7
#: Columns of ``tier``: bytes free, whether it has a heap for each group, and bytes that each group may still take.
ROOM, GROUPED, QUOTA = 0, 1, 2
#: A bar below every key: nothing is evicted.
NOTHING = -(2**62)
_ROUND, _TOUCHED, _UNDO = 0, 1, 2
_PUT, _TAKE = 0, 1
_GONE = -1


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


@njit(cache=True)  # type: ignore[untyped-decorator]
def _less(block: Any, a: int, b: int) -> bool:
    return block[a, KEY] < block[b, KEY] or (block[a, KEY] == block[b, KEY] and a < b)


@njit(cache=True)  # type: ignore[untyped-decorator]
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


@njit(cache=True)  # type: ignore[untyped-decorator]
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


@njit(cache=True)  # type: ignore[untyped-decorator]
def _group(block: Any, tier: Any, p: int, b: int) -> int:
    """The group whose heap holds a block; spare copies are all together."""
    return block[b, GROUP] if p < len(tier) and tier[p, GROUPED] else 0


@njit(cache=True)  # type: ignore[untyped-decorator]
def _insert(block: Any, tier: Any, heap: Any, count: Any, first: Any, p: int, b: int) -> None:
    g = _group(block, tier, p, b)
    k = p % len(tier)
    heap[p, first[g] + count[p, g]] = b
    count[p, g] += 1
    _rise(block, heap, p, first[g], count[p, g] - 1)
    tier[k, ROOM] -= block[b, SIZE]
    if p == k:
        tier[k, QUOTA + g] -= block[b, SIZE]
    block[b, MASK] |= 1 << k


@njit(cache=True)  # type: ignore[untyped-decorator]
def _remove(block: Any, tier: Any, heap: Any, count: Any, first: Any, p: int, b: int) -> None:
    g = _group(block, tier, p, b)
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


@njit(cache=True)  # type: ignore[untyped-decorator]
def _change(t: Tables, kind: int, p: int, b: int) -> None:
    """Put a block into a heap or take it out, and note it."""
    if t.block[b, STAMP] != t.counter[_ROUND]:
        t.block[b, STAMP] = t.counter[_ROUND]
        t.block[b, BEFORE] = t.block[b, MASK]
        t.touched[t.counter[_TOUCHED]] = b
        t.counter[_TOUCHED] += 1
    n = t.counter[_UNDO]
    if n == len(t.undo):  # no bounds are checked in compiled code
        raise IndexError("more changes in one promotion than the undo list holds")
    t.undo[n] = (np.int64(kind) << 40) | (np.int64(p) << 32) | b
    t.counter[_UNDO] = n + 1
    if kind == _PUT:
        _insert(t.block, t.tier, t.heap, t.filled, t.first, p, b)
    else:
        _remove(t.block, t.tier, t.heap, t.filled, t.first, p, b)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _revert(t: Tables, mark: int) -> None:
    """Take back all changes after ``mark``."""
    while t.counter[_UNDO] > mark:
        t.counter[_UNDO] -= 1
        entry = t.undo[t.counter[_UNDO]]
        b, p, kind = entry & 0xFFFFFFFF, (entry >> 32) & 0xFF, entry >> 40
        if kind == _PUT:
            _remove(t.block, t.tier, t.heap, t.filled, t.first, p, b)
        else:
            _insert(t.block, t.tier, t.heap, t.filled, t.first, p, b)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _reclaim(t: Tables, k: int, size: int) -> None:
    """Drop spare copies in a tier until ``size`` bytes are free or none is left."""
    spare = len(t.tier) + k
    while t.tier[k, ROOM] < size and t.filled[spare, 0] > 0:
        _change(t, _TAKE, spare, t.heap[spare, 0])


@njit(cache=True)  # type: ignore[untyped-decorator]
def _fits(block: Any, tier: Any, k: int, b: int) -> bool:
    quota = tier[k, QUOTA + _group(block, tier, k, b)]
    return bool(tier[k, ROOM] >= block[b, SIZE] and quota >= block[b, SIZE])


@njit(cache=True)  # type: ignore[untyped-decorator]
def _victim(t: Tables, k: int, b: int, bar: int) -> int:
    """The block that would make way for this one in a tier; -1 if none has a key below the bar."""
    g = _group(t.block, t.tier, k, b)
    if t.filled[k, g] == 0:
        return -1
    victim = t.heap[k, t.first[g]]
    return victim if t.block[victim, KEY] < bar else -1


@njit(cache=True)  # type: ignore[untyped-decorator]
def _fall_back(t: Tables, b: int) -> bool:
    """Let the fastest spare copy of a block whose place was taken become its place; False if it has none."""
    tiers = len(t.tier)
    for k in t.order:
        if t.block[b, PLACE + tiers + k] >= 0:
            _change(t, _TAKE, tiers + k, b)
            _change(t, _PUT, k, b)
            return True
    return False


@njit(cache=True)  # type: ignore[untyped-decorator]
def _open(t: Tables, rule: int, level: int, b: int, bar: int, depth: int) -> int:
    """Make room for a block at a level, pushing victims with keys below ``bar`` onto the stack; its depth, -1 if in vain.

    The slowest level has no victims, unless blocks may lie nowhere.
    """
    k, size, mark = t.order[level], t.block[b, SIZE], t.counter[_UNDO]
    while True:
        if t.tier[k, QUOTA + _group(t.block, t.tier, k, b)] >= size:
            _reclaim(t, k, size)
        if _fits(t.block, t.tier, k, b):
            return depth
        victim = _victim(t, k, b, bar) if rule == CACHE or level < len(t.order) - 1 else -1
        if victim < 0:
            _revert(t, mark)
            return -1
        _change(t, _TAKE, k, victim)
        if not _fall_back(t, victim):
            t.stack[0, depth], t.stack[1, depth] = victim, level + 1
            depth += 1


@njit(cache=True)  # type: ignore[untyped-decorator]
def _settle(t: Tables, rule: int, b: int, start: int, stop: int, bar: int) -> bool:
    """Find a place for a block at levels start..stop-1, and further down for those it displaces; False if there is none.

    Where blocks may lie nowhere, those it displaces need none.
    """
    t.stack[0, 0], t.stack[1, 0] = b, start
    depth = 1
    while depth > 0:
        depth -= 1
        one, level = t.stack[0, depth], t.stack[1, depth]
        limit, end = (bar, stop) if one == b else (t.block[one, KEY], len(t.order))
        opened = -1
        while level < end:
            opened = _open(t, rule, level, one, limit, depth)
            if opened >= 0:
                break
            level += 1
        if opened < 0:
            if rule == CACHE and one != b:
                continue
            return False
        _change(t, _PUT, t.order[level], one)
        depth = opened
    return True


@njit(cache=True)  # type: ignore[untyped-decorator]
def _squeeze(t: Tables, b: int) -> bool:
    """A place for a block that has none wherever there is room at all, quotas aside; False if there is none."""
    for k in t.order:
        _reclaim(t, k, t.block[b, SIZE])
        if t.tier[k, ROOM] >= t.block[b, SIZE]:
            _change(t, _PUT, k, b)
            return True
    return False


@njit(cache=True)  # type: ignore[untyped-decorator]
def _level_of(t: Tables, b: int) -> int:
    """The level at which a block has its place; the number of levels if nowhere."""
    for level in range(len(t.order)):
        if t.block[b, PLACE + t.order[level]] >= 0:
            return level
    return len(t.order)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _lift(t: Tables, rule: int, level: int, b: int) -> None:
    """Take a block from its place, if it has one, leaving a spare copy where the rule allows it."""
    if level < len(t.order):
        _change(t, _TAKE, t.order[level], b)
        if rule >= FREE:
            _change(t, _PUT, len(t.tier) + t.order[level], b)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _cache(t: Tables, b: int, level: int, bar: int) -> None:
    """Inclusive rule: keep a block at a level, dropping victims with keys below ``bar``, if that makes enough room."""
    k, mark = t.order[level], t.counter[_UNDO]
    while not _fits(t.block, t.tier, k, b):
        victim = _victim(t, k, b, bar)
        if victim < 0:
            _revert(t, mark)
            return
        _change(t, _TAKE, k, victim)
    _change(t, _PUT, k, b)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _refile(t: Tables, b: int) -> None:
    """Move a block whose key has changed to its right place in the heaps that hold it."""
    for p in range(len(t.heap)):
        at = t.block[b, PLACE + p]
        if at >= 0:
            g = _group(t.block, t.tier, p, b)
            _sink(t.block, t.heap, p, t.first[g], t.filled[p, g], at)
            _rise(t.block, t.heap, p, t.first[g], t.block[b, PLACE + p])


@njit(cache=True)  # type: ignore[untyped-decorator]
def begin(t: Tables, home: int, freed: Any, reads: Any, read_keys: Any, births: Any, birth_keys: Any, birth_sizes: Any) -> None:
    """Open a round: blocks freed leave, keys change. ``home`` is the home tier under the inclusive rule, else -1."""
    t.counter[_ROUND] += 1
    t.counter[_TOUCHED] = 0
    for i in range(len(reads)):
        t.block[reads[i], NEAR] = t.counter[_ROUND]
        t.block[reads[i], KEY] = read_keys[i]
        _refile(t, reads[i])
    for b in freed:
        for p in range(len(t.heap)):
            if t.block[b, PLACE + p] >= 0:
                _remove(t.block, t.tier, t.heap, t.filled, t.first, p, b)
        t.block[b, MASK], t.block[b, NEAR] = 0, _GONE
    for i in range(len(births)):
        b = births[i]
        t.block[b, NEAR], t.block[b, KEY], t.block[b, SIZE] = t.counter[_ROUND], birth_keys[i], birth_sizes[i]
        if home >= 0:
            t.block[b, MASK] = 1 << home


@njit(cache=True)  # type: ignore[untyped-decorator]
def admit(t: Tables, rule: int, wanted: Any, bars: Any, levels: Any) -> int:
    """Bring blocks in, in this order, where victims with keys below their bars make room; -1, or the block that found no place.

    Inclusive rule: at every level from ``levels`` on, each level on its own. Otherwise: at the first level from ``levels``
    on where it works that is faster than where the block is; a block that is nowhere yet must find a place, except under
    the rule cache. Blocks freed after this round are left alone.
    """
    if rule == INCLUSIVE:
        for level in range(len(t.order)):
            for i in range(len(wanted)):
                b = wanted[i]
                if level >= levels[i] and t.block[b, PLACE + t.order[level]] < 0 and t.block[b, NEAR] != _GONE:
                    t.counter[_UNDO] = 0
                    _cache(t, b, level, bars[i])
        return -1
    for i in range(len(wanted)):
        b, level = wanted[i], _level_of(t, wanted[i])
        if levels[i] >= level or t.block[b, NEAR] == _GONE:
            continue
        t.counter[_UNDO] = 0
        born = level == len(t.order)
        _lift(t, rule, level, b)
        if not _settle(t, rule, b, levels[i], level, bars[i]):
            _revert(t, 0)
            if rule != CACHE and born and not _squeeze(t, b):
                return int(b)
    return -1


@njit(cache=True)  # type: ignore[untyped-decorator]
def _flush(t: Tables, rule: int, level: int, b: int) -> None:
    """Move every block of this block's group out of a level, as far as there is room further down or it may lie nowhere."""
    k = t.order[level]
    g = _group(t.block, t.tier, k, b)
    members = t.heap[k, t.first[g] : t.first[g] + t.filled[k, g]].copy()
    members.sort()
    for one in members:
        mark = t.counter[_UNDO]
        _change(t, _TAKE, k, one)
        if rule == INCLUSIVE or _fall_back(t, one):
            continue
        out = t.counter[_UNDO]
        if not _settle(t, rule, one, level + 1, len(t.order), NOTHING):
            _revert(t, out if rule == CACHE else mark)


@njit(cache=True)  # type: ignore[untyped-decorator]
def flush_in(t: Tables, rule: int, wanted: Any) -> None:
    """Bring blocks, in this order, into the fastest level (inclusive rule: each); when it is full, empty it of their group."""
    for level in range(len(t.order) if rule == INCLUSIVE else 1):
        k = t.order[level]
        missed = wanted[np.array([t.block[b, PLACE + k] < 0 and t.block[b, NEAR] != _GONE for b in wanted], dtype=np.bool_)]
        for b in missed:
            t.counter[_UNDO] = 0
            if rule != INCLUSIVE:
                _lift(t, rule, _level_of(t, b), b)
                _reclaim(t, k, t.block[b, SIZE])
            if not _fits(t.block, t.tier, k, b):
                _flush(t, rule, level, b)
            if _fits(t.block, t.tier, k, b):
                _change(t, _PUT, k, b)
            elif rule != INCLUSIVE:
                _revert(t, 0)


@njit(cache=True)  # type: ignore[untyped-decorator]
def fill(t: Tables, rule: int, blocks: Any) -> int:
    """State 0: blocks in this order, each at the fastest level with room (inclusive rule: every one); -1, or one without."""
    for b in blocks:
        t.counter[_UNDO] = 0
        if rule == INCLUSIVE:
            for level in range(len(t.order)):
                _cache(t, b, level, NOTHING)
        elif not _settle(t, rule, b, 0, len(t.order), NOTHING) and rule != CACHE and not _squeeze(t, b):
            return int(b)
    if rule >= FREE:
        slowest = t.order[len(t.order) - 1]
        for b in blocks:
            if t.block[b, PLACE + slowest] < 0 and t.tier[slowest, ROOM] >= t.block[b, SIZE]:
                t.counter[_UNDO] = 0
                _change(t, _PUT, len(t.tier) + slowest, b)
    return -1


@njit(cache=True)  # type: ignore[untyped-decorator]
def load(t: Tables, rule: int, blocks: Any, masks: Any) -> None:
    """State 0 as given: the fastest copy of each block is its place, others are spare (inclusive rule: each is a place)."""
    for i in range(len(blocks)):
        t.block[blocks[i], MASK] = masks[i]
        p = 0
        t.counter[_UNDO] = 0
        for k in t.order:
            if masks[i] >> k & 1:
                _change(t, _PUT, p + k, blocks[i])
                p = 0 if rule == INCLUSIVE else len(t.tier)


@njit(cache=True)  # type: ignore[untyped-decorator]
def forget(t: Tables, blocks: Any) -> None:
    """Take blocks from wherever they are; those freed after this round are left alone."""
    for b in blocks:
        if t.block[b, NEAR] != _GONE:
            t.counter[_UNDO] = 0
            for p in range(len(t.heap)):
                if t.block[b, PLACE + p] >= 0:
                    _change(t, _TAKE, p, b)


@njit(cache=True)  # type: ignore[untyped-decorator]
def changes(t: Tables) -> tuple[Any, Any, Any, Any]:
    """(blocks, masks before, masks now, whether at the processor) of all that was moved in this round."""
    n = t.counter[_TOUCHED]
    blocks, near = t.touched[:n].copy(), np.empty(n, dtype=np.bool_)
    before, now = np.empty(n, dtype=np.uint16), np.empty(n, dtype=np.uint16)
    for i in range(n):
        b = blocks[i]
        before[i], now[i] = t.block[b, BEFORE], t.block[b, MASK]
        near[i] = t.block[b, NEAR] == t.counter[_ROUND]
    return blocks, before, now, near
