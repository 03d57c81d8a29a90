"""The moves of a hierarchy of caches, one step at a time: who is brought in, who makes way, and where those go."""

from __future__ import annotations

from typing import Any

import numpy as np

from placement_opt.base.compiled import njit
from placement_opt.schedulers.hierarchy.heaps_kernels import (
    BARRED,
    FILED,
    KEY,
    MASK,
    NEAR,
    PLACE,
    PUT,
    QUOTA,
    ROOM,
    ROUND,
    SIZE,
    TAKE,
    TOUCHED,
    UNDO,
    Tables,
    change,
    group_of,
    rekey,
    remove,
    revert,
    top,
)

#: Rules; from ``FREE`` on a block that moves up may leave a spare copy.
INCLUSIVE, EXCLUSIVE, FREE, CACHE = 0, 1, 2, 3
#: A bar below every key: nothing is evicted.
NOTHING = np.int64(-(2**62))
_START = np.int64(0)
_GONE = -1


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _reclaim(t: Tables, k: int, size: int) -> None:
    """Drop spare copies in a tier until ``size`` bytes are free or none is left."""
    spare = len(t.tier) + k
    while t.tier[k, ROOM] < size and t.filled[spare, 0] > 0:
        change(t, TAKE, spare, top(t, spare, _START))


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _fits(block: Any, tier: Any, k: int, b: int) -> bool:
    quota = tier[k, QUOTA + group_of(block, tier, k, b)]
    return bool(tier[k, ROOM] >= block[b, SIZE] and quota >= block[b, SIZE])


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _victim(t: Tables, k: int, b: int, bar: int) -> int:
    """The block that would make way for this one in a tier; -1 if none has a key below the bar."""
    g = group_of(t.block, t.tier, k, b)
    if t.filled[k, g] == 0:
        return -1
    victim = top(t, k, g)
    return victim if t.block[victim, KEY] < bar else -1


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _fall_back(t: Tables, b: int) -> bool:
    """Let the fastest spare copy of a block whose place was taken become its place; False if it has none."""
    tiers = len(t.tier)
    for k in t.order:
        if t.block[b, PLACE + tiers + k] >= 0:
            change(t, TAKE, tiers + k, b)
            change(t, PUT, k, b)
            return True
    return False


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _open(t: Tables, rule: int, level: int, b: int, bar: int, depth: int) -> int:
    """Make room for a block at a level, pushing victims with keys below ``bar`` onto the stack; its depth, -1 if in vain.

    The slowest level has no victims, unless blocks may lie nowhere.
    """
    k, size, mark = t.order[level], t.block[b, SIZE], t.counter[UNDO]
    while True:
        if t.tier[k, QUOTA + group_of(t.block, t.tier, k, b)] >= size:
            _reclaim(t, k, size)
        if _fits(t.block, t.tier, k, b):
            return depth
        victim = _victim(t, k, b, bar) if rule == CACHE or level < len(t.order) - 1 else -1
        if victim < 0:
            revert(t, mark)
            return -1
        change(t, TAKE, k, victim)
        if not _fall_back(t, victim):
            t.stack[0, depth], t.stack[1, depth] = victim, level + 1
            depth += 1


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _settle(t: Tables, rule: int, b: int, start: int, stop: int, bar: int) -> bool:
    """Find a place for a block at levels start..stop-1, and further down for those it displaces; False if there is none.

    Where blocks may lie nowhere, those it displaces need none, and are not moved to levels that they are barred from.
    """
    t.stack[0, 0], t.stack[1, 0] = b, start
    depth = 1
    while depth > 0:
        depth -= 1
        one, level = t.stack[0, depth], t.stack[1, depth]
        limit, end = (bar, stop) if one == b else (t.block[one, KEY], len(t.order))
        opened = -1
        while level < end:
            if rule == CACHE and one != b and t.block[one, BARRED] >> level & 1:
                level += 1
                continue
            opened = _open(t, rule, level, one, limit, depth)
            if opened >= 0:
                break
            level += 1
        if opened < 0:
            if rule == CACHE and one != b:
                continue
            return False
        change(t, PUT, t.order[level], one)
        depth = opened
    return True


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _squeeze(t: Tables, b: int) -> bool:
    """A place for a block that has none wherever there is room at all, quotas aside; False if there is none."""
    for k in t.order:
        _reclaim(t, k, t.block[b, SIZE])
        if t.tier[k, ROOM] >= t.block[b, SIZE]:
            change(t, PUT, k, b)
            return True
    return False


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _level_of(t: Tables, b: int) -> int:
    """The level at which a block has its place; the number of levels if nowhere."""
    for level in range(len(t.order)):
        if t.block[b, PLACE + t.order[level]] >= 0:
            return level
    return len(t.order)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _lift(t: Tables, rule: int, level: int, b: int) -> None:
    """Take a block from its place, if it has one, leaving a spare copy where the rule allows it."""
    if level < len(t.order):
        change(t, TAKE, t.order[level], b)
        if rule >= FREE:
            change(t, PUT, len(t.tier) + t.order[level], b)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _cache(t: Tables, b: int, level: int, bar: int) -> None:
    """Inclusive rule: keep a block at a level, dropping victims with keys below ``bar``, if that makes enough room."""
    k, mark = t.order[level], t.counter[UNDO]
    while not _fits(t.block, t.tier, k, b):
        victim = _victim(t, k, b, bar)
        if victim < 0:
            revert(t, mark)
            return
        change(t, TAKE, k, victim)
    change(t, PUT, k, b)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def begin(t: Tables, home: int, freed: Any, reads: Any, read_keys: Any, births: Any, birth_keys: Any, birth_sizes: Any) -> None:
    """Open a round: blocks freed leave, keys change. ``home`` is the home tier under the inclusive rule, else -1."""
    t.counter[ROUND] += 1
    t.counter[TOUCHED] = 0
    for i in range(len(reads)):
        t.block[reads[i], NEAR] = t.counter[ROUND]
        rekey(t, reads[i], read_keys[i])
    for b in freed:
        for p in range(len(t.heap)):
            if t.block[b, PLACE + p] >= 0:
                remove(t.block, t.tier, t.heap, t.filled, t.first, p, b)
        t.block[b, MASK], t.block[b, NEAR] = 0, _GONE
    for i in range(len(births)):
        b = births[i]
        t.block[b, NEAR], t.block[b, KEY], t.block[b, SIZE] = t.counter[ROUND], birth_keys[i], birth_sizes[i]
        t.block[b, FILED] = birth_keys[i]
        if home >= 0:
            t.block[b, MASK] = 1 << home


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def rekey_all(t: Tables, blocks: Any, keys: Any) -> None:
    """New keys for blocks wherever they are."""
    for i in range(len(blocks)):
        rekey(t, blocks[i], keys[i])


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
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
                    t.counter[UNDO] = 0
                    _cache(t, b, level, bars[i])
        return -1
    for i in range(len(wanted)):
        b, level = wanted[i], _level_of(t, wanted[i])
        if levels[i] >= level or t.block[b, NEAR] == _GONE:
            continue
        t.counter[UNDO] = 0
        born = level == len(t.order)
        _lift(t, rule, level, b)
        if not _settle(t, rule, b, levels[i], level, bars[i]):
            revert(t, _START)
            if rule != CACHE and born and not _squeeze(t, b):
                return int(b)
    return -1


@njit(cache=True)  # type: ignore[untyped-decorator]
def _flush(t: Tables, rule: int, level: int, b: int) -> None:
    """Move every block of this block's group out of a level, as far as there is room further down or it may lie nowhere."""
    k = t.order[level]
    g = group_of(t.block, t.tier, k, b)
    members = t.heap[k, t.first[g] : t.first[g] + t.filled[k, g]].copy()
    members.sort()
    for one in members:
        mark = t.counter[UNDO]
        change(t, TAKE, k, one)
        if rule == INCLUSIVE or _fall_back(t, one):
            continue
        out = t.counter[UNDO]
        if not _settle(t, rule, one, level + 1, len(t.order), NOTHING):
            revert(t, out if rule == CACHE else mark)


@njit(cache=True)  # type: ignore[untyped-decorator]
def flush_in(t: Tables, rule: int, wanted: Any) -> None:
    """Bring blocks, in this order, into the fastest level (inclusive rule: each); when it is full, empty it of their group."""
    for level in range(len(t.order) if rule == INCLUSIVE else 1):
        k = t.order[level]
        missed = wanted[np.array([t.block[b, PLACE + k] < 0 and t.block[b, NEAR] != _GONE for b in wanted], dtype=np.bool_)]
        for b in missed:
            t.counter[UNDO] = 0
            if rule != INCLUSIVE:
                _lift(t, rule, _level_of(t, b), b)
                _reclaim(t, k, t.block[b, SIZE])
            if not _fits(t.block, t.tier, k, b):
                _flush(t, rule, level, b)
            if _fits(t.block, t.tier, k, b):
                change(t, PUT, k, b)
            elif rule != INCLUSIVE:
                revert(t, _START)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def fill(t: Tables, rule: int, blocks: Any) -> int:
    """State 0: blocks in this order, each at the fastest level with room (inclusive rule: every one); -1, or one without."""
    for b in blocks:
        t.counter[UNDO] = 0
        if rule == INCLUSIVE:
            for level in range(len(t.order)):
                _cache(t, b, level, NOTHING)
        elif not _settle(t, rule, b, _START, len(t.order), NOTHING) and rule != CACHE and not _squeeze(t, b):
            return int(b)
    if rule >= FREE:
        slowest = t.order[len(t.order) - 1]
        for b in blocks:
            if t.block[b, PLACE + slowest] < 0 and t.tier[slowest, ROOM] >= t.block[b, SIZE]:
                t.counter[UNDO] = 0
                change(t, PUT, len(t.tier) + slowest, b)
    return -1


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def load(t: Tables, rule: int, blocks: Any, masks: Any) -> None:
    """State 0 as given: the fastest copy of each block is its place, others are spare (inclusive rule: each is a place)."""
    for i in range(len(blocks)):
        t.block[blocks[i], MASK] = masks[i]
        p = 0
        t.counter[UNDO] = 0
        for k in t.order:
            if masks[i] >> k & 1:
                change(t, PUT, p + k, blocks[i])
                p = 0 if rule == INCLUSIVE else len(t.tier)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def forget(t: Tables, blocks: Any) -> None:
    """Take blocks from wherever they are; those freed after this round are left alone."""
    for b in blocks:
        if t.block[b, NEAR] != _GONE:
            t.counter[UNDO] = 0
            for p in range(len(t.heap)):
                if t.block[b, PLACE + p] >= 0:
                    change(t, TAKE, p, b)
