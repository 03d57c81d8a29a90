"""The best paths of two blocks together while all others stay: exchanges that neither a block alone nor a chain can see.

A shortest path over (state, tier set of one, tier set of the other), exactly timed and not smoothed; it costs S**4 a step and
is for small instances. Paths that cost no less than the present ones are not followed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from placement_opt.schedulers.search.game_kernels import (
    AMOUNT,
    BEGIN,
    FIRST,
    FREE,
    KIND,
    LAST,
    PLACE,
    READS,
    SIZE,
    WORK,
    place,
)
from placement_opt.schedulers.search.paths_kernels import COPIED, SET
from placement_opt.schedulers.search.smooth_kernels import compiled

#: Steps of one set and set and set and set and price vector that take as long as a (block, state) pair of two tiers.
_PAIR = 200


@compiled  # type: ignore[untyped-decorator]
def pair_weight(g: Any) -> int:
    """(Block, state) pairs that a state of two blocks counts for."""
    return int(max(1, len(g.arc) ** 4 * g.value.shape[1] // _PAIR))


@compiled  # type: ignore[untyped-decorator]
def _share(g: Any, b: int, t: int) -> float:
    """The share of a block that a step reads."""
    low, high = g.block[b, READS], g.block[b + 1, READS]
    while low < high:
        middle = (low + high) // 2
        if g.step[middle] < t:
            low = middle + 1
        else:
            high = middle
    return float(g.share[low]) if low < g.block[b + 1, READS] and g.step[low] == t else 0.0


@compiled  # type: ignore[untyped-decorator]
def _loads(g: Any, b: int, t: int, x: Any, may: Any) -> tuple[int, int]:
    """Fill x[i, j, w, v] with what a block adds to the values of step t on its way from set i to set j, stored in passing as
    far as it is read (w 0) or copied (1), and may[i, j, w] with what is possible; how many sets i and j there are (1 where it
    does not exist)."""
    here = g.block[b, FIRST] <= t <= g.block[b, LAST]
    there = g.block[b, FIRST] <= t + 1 <= g.block[b, LAST]
    before, after = len(g.arc) if here else 1, len(g.arc) if there else 1
    amount, share, kind = g.block[b, AMOUNT], _share(g, b, t) if here else 0.0, g.block[b, KIND]
    serve, bring, store, passing, copied = g.serve[kind], g.bring[kind], g.store[kind], g.passing[kind], g.copied[kind]
    for i in range(before):
        for j in range(after):
            arc = g.arc[i, j] if here and there else -1
            bare = arc >= 0 and g.bare[arc]
            may[i, j, 0] = arc < 0 or ((share == 0.0 or g.brings[kind, i]) and (share == 1.0 or not bare))
            may[i, j, 1] = arc >= 0 and share > 0.0 and g.either[i] and not bare
            for v in range(g.value.shape[1]):
                load = 0.0
                if here:
                    load = share * serve[i, v] if arc < 0 else share * bring[i, v]
                if there and not here:
                    load += store[j, v]
                elif arc >= 0:
                    load += share * passing[arc, v] + (1.0 - share) * copied[arc, v]
                x[i, j, 0, v] = amount * load
                if may[i, j, 1]:
                    x[i, j, 1, v] = amount * (share * serve[i, v] + copied[arc, v])
    return before, after


@compiled  # type: ignore[untyped-decorator]
def _fits(g: Any, b: int, c: int, i: int, j: int, t: int) -> bool:
    """Whether two blocks have room at state t in these sets, as far as they exist."""
    for k in range(g.room.shape[1]):
        left = g.room[t, k]
        if g.block[b, FIRST] <= t <= g.block[b, LAST] and g.member[i, k]:
            left -= g.block[b, SIZE]
        if g.block[c, FIRST] <= t <= g.block[c, LAST] and g.member[j, k]:
            left -= g.block[c, SIZE]
        if left < 0 and left < g.room[t, k]:
            return False
    return True


@compiled  # type: ignore[untyped-decorator]
def _begins(g: Any, b: int, i: int) -> bool:
    """Whether a block that exists at state 0 may begin in a set."""
    return bool(g.block[b, BEGIN] == FREE or g.block[b, BEGIN] == i)


@compiled  # type: ignore[untyped-decorator]
def _step(g: Any, b: int, c: int, t: int, xb: Any, xc: Any, may: Any, cost: Any, new: Any, back: Any, most: float) -> None:
    """From the costs of all pairs of sets at state t to those at state t + 1, with the pairs that they come from."""
    from_b, to_b = _loads(g, b, t, xb, may[0])
    from_c, to_c = _loads(g, c, t, xc, may[1])
    new[:] = np.inf
    for i in range(from_b):
        for j in range(from_c):
            if cost[i, j] >= most:
                continue
            for p in range(to_b):
                for q in range(to_c):
                    for way in range(4):
                        w, u = way >> 1, way & 1
                        if cost[i, j] >= new[p, q] or not (may[0, i, p, w] and may[1, j, q, u]):
                            continue
                        top = g.floor[t]
                        for v in range(g.value.shape[1]):
                            top = max(top, g.value[t, v] + xb[i, p, w, v] + xc[j, q, u, v])
                        total = cost[i, j] + top - g.time[t]
                        if total < new[p, q] and total < most:
                            new[p, q], back[p, q] = total, (i | w * COPIED) << 8 | j | u * COPIED
    for p in range(to_b):
        for q in range(to_c):
            if new[p, q] < np.inf and not _fits(g, b, c, p, q, t + 1):
                new[p, q] = np.inf


@compiled  # type: ignore[untyped-decorator]
def _best_pair(g: Any, b: int, c: int, most: float) -> bool:
    """Give two blocks that were removed their best paths; whether there are any that add less than ``most`` to the time."""
    sets, steps = len(g.arc), len(g.floor)
    low, high = min(g.block[b, FIRST], g.block[c, FIRST]), max(g.block[b, LAST], g.block[c, LAST])
    begin, end = max(0, low - 1), min(steps, high + 1)  # states between which the two change anything
    xb, xc = np.zeros((sets, sets, 2, g.value.shape[1])), np.zeros((sets, sets, 2, g.value.shape[1]))
    may = np.zeros((2, sets, sets, 2), dtype=np.bool_)
    cost, new = np.full((sets, sets), np.inf), np.empty((sets, sets))
    back = np.zeros((end - begin + 1, sets, sets), dtype=np.int32)
    for i in range(sets if g.block[b, FIRST] <= begin else 1):
        for j in range(sets if g.block[c, FIRST] <= begin else 1):
            legal = (g.block[b, FIRST] > begin or _begins(g, b, i)) and (g.block[c, FIRST] > begin or _begins(g, c, j))
            if legal and _fits(g, b, c, i, j, begin):
                cost[i, j] = 0.0
    for t in range(begin, end):
        _step(g, b, c, t, xb, xc, may, cost, new, back[t + 1 - begin], most)
        cost, new = new, cost
    g.count[WORK] += (end - begin + 1) * pair_weight(g)
    at = int(np.argmin(cost))
    if not cost[at // sets, at % sets] < most:
        return False
    at = (at // sets) << 8 | at % sets
    for t in range(end, begin - 1, -1):
        i, j = at >> 8, at & 255
        if g.block[b, FIRST] <= t <= g.block[b, LAST]:
            g.path[g.block[b, PLACE] + t - g.block[b, FIRST]] = i
        if g.block[c, FIRST] <= t <= g.block[c, LAST]:
            g.path[g.block[c, PLACE] + t - g.block[c, FIRST]] = j
        at = back[t - begin, i & SET, j & SET]
    return True


@compiled  # type: ignore[untyped-decorator]
def sweep_pairs(g: Any, pairs: Any, least: float, budget: int) -> float:
    """Improve one pair of blocks after the other, the times not smoothed, until the budget of work is spent; the change of the
    time.

    Parameters
    ----------
    pairs
        int64[., 2]
    least
        Smaller improvements are not made.
    budget
        As in :func:`placement_opt.schedulers.search.search_kernels.sweep`.
    """
    total = 0.0
    for n in range(len(pairs)):
        if g.count[WORK] >= budget:
            break
        b, c = pairs[n, 0], pairs[n, 1]
        gain = place(g, b, -1, 0.0) + place(g, c, -1, 0.0)
        if _best_pair(g, b, c, -gain - least):
            total += gain
            total += place(g, b, 1, 0.0) + place(g, c, 1, 0.0)
        else:
            place(g, b, 1, 0.0)
            place(g, c, 1, 0.0)
    return total
