"""Best paths at given prices, block after block: a shortest path over (state, tier set), and what it loads.

Prices stand while the blocks of a part choose, so that every transition is one number from a table; room that is not there is
never taken.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from placement_opt.schedulers.search.game_kernels import AMOUNT, BEGIN, BORN, FIRST, KIND, LAST, PLACE, READS, SIZE
from placement_opt.schedulers.search.paths_kernels import COPIED, SET
from placement_opt.schedulers.search.smooth_kernels import compiled, steep_of, weigh


@compiled  # type: ignore[untyped-decorator]
def weigh_all(floor: Any, width: Any, value: Any, slope: Any) -> None:
    """Fill ``slope`` float64[T, V] with the derivatives of the smoothed times of all steps."""
    for t in range(len(floor)):
        weigh(floor[t], width[t], value, slope, t)


@compiled  # type: ignore[untyped-decorator]
def _load(g: Any, b: int, sign: int) -> None:
    """Add (sign 1) or remove (-1) what a block loads and takes of the room on its path."""
    kind, path, value = g.block[b, KIND], g.path, g.value
    serve, bring, store, passing, copied = g.serve[kind], g.bring[kind], g.store[kind], g.passing[kind], g.copied[kind]
    first, last, at, size = g.block[b, FIRST], g.block[b, LAST], g.block[b, PLACE], sign * g.block[b, SIZE]
    n, end, amount = g.block[b, READS], g.block[b + 1, READS], sign * g.block[b, AMOUNT]
    if first > 0:
        for v in range(value.shape[1]):
            value[first - 1, v] += amount * store[path[at] & SET, v]
    for t in range(first, last + 1):
        i, near, arc, share = path[at] & SET, path[at] & COPIED == 0, -1, 0.0
        for k in range(g.room.shape[1]):
            if g.member[i, k]:
                g.room[t, k] -= size
        if t < last:
            arc = g.arc[i, path[at + 1] & SET]
        if n < end and g.step[n] == t:
            share = g.share[n]
            n += 1
        at += 1
        if arc < 0:
            if share > 0.0:
                for v in range(value.shape[1]):
                    value[t, v] += amount * share * serve[i, v]
        elif near and share > 0.0:
            for v in range(value.shape[1]):
                value[t, v] += amount * (share * (bring[i, v] + passing[arc, v]) + (1.0 - share) * copied[arc, v])
        else:
            for v in range(value.shape[1]):
                value[t, v] += amount * (share * serve[i, v] + copied[arc, v])


@compiled  # type: ignore[untyped-decorator]
def tabulate(g: Any, kind: int, slope: Any, store: Any, serve: Any, idle: Any, busy: Any, apart: Any, use: Any) -> None:
    """Fill the tables of :func:`choose_all` for a kind of block; ``use`` int64[U]: the sets that are offered."""
    sets, steep = len(use), np.empty(slope.shape[1], dtype=np.int64)
    bring = np.empty(sets)
    for t in range(len(slope)):
        priced = steep_of(slope, t, steep)
        for i in range(sets):
            store[t, i] = serve[t, i] = bring[i] = 0.0
            for v in steep[:priced]:
                store[t, i] += slope[t, v] * g.store[kind, use[i], v]
                serve[t, i] += slope[t, v] * g.serve[kind, use[i], v]
                bring[i] += slope[t, v] * g.bring[kind, use[i], v]
        for i in range(sets):
            for j in range(sets):
                arc = g.arc[use[i], use[j]]
                idle[t, i, j], busy[t, i, j], apart[t, i, j] = 0.0, serve[t, i], False
                if arc < 0:
                    continue
                copied, passing, near, far = 0.0, 0.0, np.inf, np.inf
                for v in steep[:priced]:
                    copied += slope[t, v] * g.copied[kind, arc, v]
                    passing += slope[t, v] * g.passing[kind, arc, v]
                if g.brings[kind, use[i]]:
                    near = bring[i] + passing
                if g.either[use[i]] and not g.bare[arc]:
                    far = serve[t, i] + copied
                idle[t, i, j] = np.inf if g.bare[arc] else copied
                busy[t, i, j], apart[t, i, j] = min(near, far), far < near


@compiled  # type: ignore[untyped-decorator]
def _hold(g: Any, use: Any, hold: Any, t: int, size: int, cost: Any) -> None:
    """Add what holding a block at state t costs in each set, infinitely much where there is no room."""
    for j in range(len(use)):
        cost[j] += size * hold[t, j]
    for k in range(g.room.shape[1]):
        if g.room[t, k] < size:
            for j in range(len(use)):
                if g.member[use[j], k]:
                    cost[j] = np.inf


@compiled  # type: ignore[untyped-decorator]
def _choose(g: Any, b: int, use: Any, store: Any, serve: Any, idle: Any, busy: Any, hold: Any, old: Any, new: Any) -> bool:
    """Write the best path of a block that is not placed; False where it has none."""
    first, last, at, size = g.block[b, FIRST], g.block[b, LAST], g.block[b, PLACE], g.block[b, SIZE]
    n, end, amount, begin = g.block[b, READS], g.block[b + 1, READS], g.block[b, AMOUNT], g.block[b, BEGIN]
    sets, back = len(use), g.back
    for j in range(sets):
        old[j] = 0.0 if begin < 0 or begin == use[j] else np.inf
        if begin == BORN:
            old[j] = amount * store[first - 1, j]
    _hold(g, use, hold, first, size, old)
    for t in range(first, last):
        row = t - first
        share = 0.0
        if n < end and g.step[n] == t:
            share = g.share[n]
            n += 1
        for j in range(sets):
            new[j], back[row, j] = np.inf, j
        for i in range(sets):
            paid = old[i]
            if paid < np.inf:
                for j in range(sets):
                    if share == 0.0:
                        c = paid + amount * idle[t, i, j]
                    elif share == 1.0:
                        c = paid + amount * busy[t, i, j]
                    else:
                        c = paid + amount * (share * busy[t, i, j] + (1.0 - share) * idle[t, i, j])
                    if c < new[j] or (c == new[j] and i == j):
                        new[j], back[row, j] = c, i
        _hold(g, use, hold, t + 1, size, new)
        old, new = new, old
    best, least = -1, np.inf
    for j in range(sets):
        c = old[j]
        if n < end:  # a read in the last state
            c += amount * g.share[n] * serve[last, j]
        if c < least:
            best, least = j, c
    if best < 0:
        return False
    for row in range(last - first, -1, -1):
        g.path[at + row] = use[best]
        if row > 0:
            best = back[row - 1, best]
    return True


@compiled  # type: ignore[untyped-decorator]
def choose_all(
    g: Any,
    some: Any,
    again: bool,
    use: Any,
    number: Any,
    store: Any,
    serve: Any,
    idle: Any,
    busy: Any,
    apart: Any,
    hold: Any,
    old: Any,
    new: Any,
) -> int:
    """Let blocks take their best paths, one after the other; the first that has none, -1 where all have one.

    Parameters
    ----------
    some
        int64[n]: blocks, of one kind.
    again
        Whether they have paths already, which they leave first.
    use, number
        int64[U]: the sets that are offered; int64[S]: their places among them.
    store, serve
        float64[T, U]: storing a new block in a set, reading from one.
    idle, busy
        float64[T, U, U]: from set to set where the block is not read, and where it is read whole.
    apart
        bool[T, U, U]: whether ``busy`` copies although the block is read.
    hold
        float64[T + 1, U]: seconds per byte.
    old, new
        float64[U], scratch.
    """
    for b in some:
        if again:
            _load(g, b, -1)
        if not _choose(g, b, use, store, serve, idle, busy, hold, old, new):
            if again:
                _load(g, b, 1)
            return int(b)
        _mark(g, b, number, apart)
        _load(g, b, 1)
    return -1


@compiled  # type: ignore[untyped-decorator]
def _mark(g: Any, b: int, number: Any, apart: Any) -> None:
    """Mark the steps that copy a block although they read it."""
    first, at = g.block[b, FIRST], g.block[b, PLACE]
    for n in range(g.block[b, READS], g.block[b + 1, READS]):
        t = g.step[n]
        here = at + t - first
        if t < g.block[b, LAST] and apart[t, number[g.path[here] & SET], number[g.path[here + 1] & SET]]:
            g.path[here] |= COPIED
