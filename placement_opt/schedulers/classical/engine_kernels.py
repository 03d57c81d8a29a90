"""The caches of :mod:`placement_opt.schedulers.cache` on arrays: the same moves, without Python for each read."""

from __future__ import annotations

from typing import Any

import numpy as np

from placement_opt.base.compiled import njit
from placement_opt.schedulers.classical import hooks_kernels as hooks
from placement_opt.schedulers.classical.state_kernels import (
    BEFORE,
    CAPACITY,
    LIST,
    MASK,
    MOVED,
    NEAR,
    ROOM,
    ROUND,
    TIER,
    TIERS,
    TOUCHED,
    State,
)

INCLUSIVE, EXCLUSIVE, FREE, CACHE = 0, 1, 2, 3
#: The round of a block that is freed.
GONE = -1
#: Handed on as they are, literals would have everything below compiled once more for each of them.
_NONE, _NO, _YES = np.int64(-1), np.bool_(False), np.bool_(True)


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def _holds(s: State, k: int, b: int) -> bool:
    return bool(s.block[b, MASK] >> s.level[k, TIER] & 1)


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def _note(s: State, b: int) -> None:
    """A block's mask changes in this round."""
    if s.block[b, MOVED] != s.level[-1, ROUND]:
        mask = s.block[b, MASK] & TIERS
        s.block[b, MOVED], s.block[b, MASK] = s.level[-1, ROUND], mask | mask << BEFORE
        s.block[s.level[-1, TOUCHED], LIST] = b
        s.level[-1, TOUCHED] += 1


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def _enter(s: State, kind: int, k: int, b: int) -> None:
    _note(s, b)
    s.level[k, ROOM] -= s.size[b]
    s.block[b, MASK] |= 1 << s.level[k, TIER]
    hooks.miss(s, kind, k, b)


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def _leave(s: State, kind: int, k: int, b: int, evicted: bool) -> None:
    _note(s, b)
    s.level[k, ROOM] += s.size[b]
    s.block[b, MASK] &= ~(1 << s.level[k, TIER])
    hooks.free(s, kind, k, b, evicted)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _make_room(s: State, kind: int, rule: int, k: int, b: int) -> bool:
    """Evict until there is room for a block; whether there is. Victims that must lie somewhere go down, or stay."""
    size = s.size[b]
    if size > s.level[k, CAPACITY]:
        return False
    hooks.ask(s, kind, k, b)
    while s.level[k, ROOM] < size:
        victim = hooks.evict(s, kind, k)
        if victim < 0:  # no bounds are checked in compiled code
            raise IndexError("a full tier without a victim")
        _leave(s, kind, k, victim, _YES)
        may_go = rule == INCLUSIVE or s.block[victim, MASK] & TIERS != 0
        if not may_go:
            for below in range(k + 1, len(s.level) - 1):
                if _make_room(s, kind, rule, below, victim):
                    _enter(s, kind, below, victim)
                    may_go = True
                    break
        if not may_go and rule != CACHE:
            _enter(s, kind, k, victim)
            return False
    return True


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def _hit_or_bring(s: State, kind: int, rule: int, k: int, b: int) -> int:
    """1 if the block is in the tier then, 0 if not, -1 if its old place was taken."""
    if _holds(s, k, b):
        hooks.hit(s, kind, k, b)
        return 1
    old: Any = _NONE
    if rule == EXCLUSIVE:
        for below in range(k + 1, len(s.level) - 1):
            if _holds(s, below, b):  # its old place is there for a victim
                old = below
                _leave(s, kind, below, b, _NO)
    if _make_room(s, kind, rule, k, b):
        _enter(s, kind, k, b)
        return 1
    if old >= 0:
        if not _make_room(s, kind, rule, old, b):
            return -1
        _enter(s, kind, old, b)
    return 0


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def _touch(s: State, kind: int, rule: int, b: int, born: bool) -> bool:
    """A block is at the processor; False where it has to lie somewhere and finds no place."""
    if rule == INCLUSIVE:
        for k in range(len(s.level) - 1):
            _hit_or_bring(s, kind, rule, k, b)
        return True
    for k in range(len(s.level) - 1 if born else 1):
        found = _hit_or_bring(s, kind, rule, k, b)
        if found:
            return bool(found > 0)
    return bool(not born or rule == CACHE)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def fill(s: State, kind: int, blocks: Any, level: Any) -> None:
    """State 0: blocks in this order, each into its level."""
    for i in range(len(blocks)):
        _enter(s, kind, level[i], blocks[i])


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def step(s: State, kind: int, rule: int, home: int, freed: Any, touched: Any, born: int, until: int) -> int:
    """One step: blocks freed leave, then those at the processor have their turns, of which ``born`` to ``until`` are produced.

    -1, or the block that found no place. ``home`` is the home tier under the inclusive rule, else -1. Blocks that cannot be
    brought in are not among those touched.
    """
    s.level[-1, ROUND] += 1
    s.level[-1, TOUCHED] = 0
    for b in freed:
        for k in range(len(s.level) - 1):
            if _holds(s, k, b):
                _leave(s, kind, k, b, _NO)
        s.block[b, NEAR] = GONE
    now, fastest = s.level[-1, ROUND], np.int64(0)
    # A hit of the only level, or of the fastest where only that one is asked, is all there is to do for a block.
    bit = 1 << s.level[0, TIER] if rule != INCLUSIVE or len(s.level) == 2 else 0
    for i in range(len(touched)):
        b = touched[i]
        if s.block[b, NEAR] != GONE:
            s.block[b, NEAR] = now
            if s.block[b, MASK] & bit:
                hooks.hit(s, kind, fastest, b)
                continue
            if home >= 0 and born <= i < until:
                s.block[b, MASK] |= 1 << home
            if not _touch(s, kind, rule, b, born <= i < until):
                return int(b)
    return -1


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def split(s: State, ids: Any, found: Any, counts: Any) -> None:
    """What became of the blocks that were moved in this round, apart from those freed.

    Row 3 * k of ``found`` has those stored to tier k in passing, the next those copied there, the next those that left it;
    ``counts``, of zeros, says how many.
    """
    for i in range(len(ids)):
        b = ids[i]
        if s.block[b, NEAR] == GONE:
            continue
        copied = s.block[b, NEAR] != s.level[-1, ROUND]
        before = s.block[b, MASK] >> BEFORE & TIERS
        changed, tier = before ^ (s.block[b, MASK] & TIERS), 0
        while changed >> tier:
            if changed >> tier & 1:
                row = 3 * tier + (2 if before >> tier & 1 else int(copied))
                found[row, counts[row]] = b
                counts[row] += 1
            tier += 1


@njit(cache=True)  # type: ignore[untyped-decorator]
def changes(s: State) -> tuple[Any, Any, Any, Any]:
    """(blocks, masks before, masks now, whether at the processor) of what was moved in this round, apart from those freed."""
    n, count = s.level[-1, TOUCHED], 0
    blocks, near = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.bool_)
    before, now = np.empty(n, dtype=np.uint16), np.empty(n, dtype=np.uint16)
    for i in range(n):
        b = s.block[i, LIST]
        if s.block[b, NEAR] != GONE:
            blocks[count], near[count] = b, s.block[b, NEAR] == s.level[-1, ROUND]
            before[count], now[count] = s.block[b, MASK] >> BEFORE & TIERS, s.block[b, MASK] & TIERS
            count += 1
    return blocks[:count], before[:count], now[:count], near[:count]
