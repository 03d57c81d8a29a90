"""The best paths of two blocks together while all others stay: exchanges that neither a block alone nor a chain can see.

A shortest path over (state, tier set of one, tier set of the other), exactly timed and not smoothed; it costs S**4 a step and
is for small instances. Paths that cost no less than the present ones are not followed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from placement_opt.base.compiled import njit
from placement_opt.schedulers.search.paths_kernels import COPIED, SET
from placement_opt.schedulers.search.search_kernels import (
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

#: Steps of one set and set and set and set and price vector that take as long as a (block, state) pair of two tiers.
_PAIR = 200

_compiled = njit(cache=True, error_model="numpy")


@_compiled  # type: ignore[untyped-decorator]
def pair_weight(g: Any) -> int:
    """(Block, state) pairs that a state of two blocks counts for."""
    return int(max(1, len(g.arc) ** 4 * g.value.shape[1] // _PAIR))


@_compiled  # type: ignore[untyped-decorator]
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


@_compiled  # type: ignore[untyped-decorator]
def _loads(g: Any, b: int, t: int, x: Any, way: Any) -> tuple[int, int]:
    """Fill x[i, j, v] with what a block adds to the values of step t on its way from set i to set j; how many of each there are
    (1 where it does not exist).

    Where it may be stored or copied, ``way[i, j]`` says which takes less of the step (0 or ``COPIED``).
    """
    here = g.block[b, FIRST] <= t <= g.block[b, LAST]
    there = g.block[b, FIRST] <= t + 1 <= g.block[b, LAST]
    before, after = len(g.arc) if here else 1, len(g.arc) if there else 1
    amount, share, kind = g.block[b, AMOUNT], _share(g, b, t) if here else 0.0, g.block[b, KIND]
    serve, store, passing, copied = g.serve[kind], g.store[kind], g.passing[kind], g.copied[kind]
    for i in range(before):
        for j in range(after):
            arc = g.arc[i, j] if here and there else -1
            way[i, j] = 0
            for v in range(g.value.shape[1]):
                load = share * serve[i, v] if here else 0.0
                if there and not here:
                    load += store[j, v]
                elif arc >= 0:
                    load += share * passing[arc, v] + (1.0 - share) * copied[arc, v]
                x[i, j, v] = amount * load
            if arc >= 0 and (g.bare[arc] or (share > 0.0 and g.either[i])):
                _choose(g, t, i, arc, amount, share, kind, x[i, j], way[i, j : j + 1])
    return before, after


@_compiled  # type: ignore[untyped-decorator]
def _choose(g: Any, t: int, i: int, arc: int, amount: int, share: float, kind: int, x: Any, way: Any) -> None:
    """Replace what an arc of a block adds to a step's values by the better of both ways, infinitely much if there is none."""
    best, by = np.inf, -1
    for copies in range(2):
        if copies == 0 and not (share > 0.0 and g.brings[i] and (share == 1.0 or not g.bare[arc])):
            continue
        if copies == 1 and g.bare[arc]:
            continue
        top = g.floor[t]
        for v in range(len(x)):
            top = max(top, g.value[t, v] + amount * _arc(g, kind, i, arc, share, copies, v))
        if top < best:
            best, by = top, copies
    for v in range(len(x)):
        x[v] = amount * _arc(g, kind, i, arc, share, by, v) if by >= 0 else np.inf
    way[0] = COPIED if by == 1 else 0


@_compiled  # type: ignore[untyped-decorator]
def _arc(g: Any, kind: int, i: int, arc: int, share: float, copies: int, v: int) -> float:
    """Serving a share from a set, and the moves of an arc, stored in passing or copied, at one price vector."""
    if copies == 1:
        return float(share * g.serve[kind, i, v] + g.copied[kind, arc, v])
    return float(share * (g.bring[kind, i, v] + g.passing[kind, arc, v]) + (1.0 - share) * g.copied[kind, arc, v])


@_compiled  # type: ignore[untyped-decorator]
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


@_compiled  # type: ignore[untyped-decorator]
def _begins(g: Any, b: int, i: int) -> bool:
    """Whether a block that exists at state 0 may begin in a set."""
    return bool(g.block[b, BEGIN] == FREE or g.block[b, BEGIN] == i)


@_compiled  # type: ignore[untyped-decorator]
def _step(g: Any, b: int, c: int, t: int, xb: Any, xc: Any, ways: Any, cost: Any, new: Any, back: Any, most: float) -> None:
    """From the costs of all pairs of sets at state t to those at state t + 1, with the pairs that they come from."""
    from_b, to_b = _loads(g, b, t, xb, ways[0])
    from_c, to_c = _loads(g, c, t, xc, ways[1])
    new[:] = np.inf
    for i in range(from_b):
        for j in range(from_c):
            if cost[i, j] >= most:
                continue
            for p in range(to_b):
                for q in range(to_c):
                    if cost[i, j] >= new[p, q]:
                        continue
                    top = g.floor[t]
                    for v in range(g.value.shape[1]):
                        top = max(top, g.value[t, v] + xb[i, p, v] + xc[j, q, v])
                    total = cost[i, j] + top - g.time[t]
                    if total < new[p, q] and total < most:
                        new[p, q], back[p, q] = total, (i | ways[0, i, p]) << 8 | j | ways[1, j, q]
    for p in range(to_b):
        for q in range(to_c):
            if new[p, q] < np.inf and not _fits(g, b, c, p, q, t + 1):
                new[p, q] = np.inf


@_compiled  # type: ignore[untyped-decorator]
def _best_pair(g: Any, b: int, c: int, most: float) -> bool:
    """Give two blocks that were removed their best paths; whether there are any that add less than ``most`` to the time."""
    sets, steps = len(g.arc), len(g.floor)
    low, high = min(g.block[b, FIRST], g.block[c, FIRST]), max(g.block[b, LAST], g.block[c, LAST])
    begin, end = max(0, low - 1), min(steps, high + 1)  # states between which the two change anything
    xb, xc = np.zeros((sets, sets, g.value.shape[1])), np.zeros((sets, sets, g.value.shape[1]))
    ways = np.zeros((2, sets, sets), dtype=np.int64)
    cost, new = np.full((sets, sets), np.inf), np.empty((sets, sets))
    back = np.zeros((end - begin + 1, sets, sets), dtype=np.int32)
    for i in range(sets if g.block[b, FIRST] <= begin else 1):
        for j in range(sets if g.block[c, FIRST] <= begin else 1):
            legal = (g.block[b, FIRST] > begin or _begins(g, b, i)) and (g.block[c, FIRST] > begin or _begins(g, c, j))
            if legal and _fits(g, b, c, i, j, begin):
                cost[i, j] = 0.0
    for t in range(begin, end):
        _step(g, b, c, t, xb, xc, ways, cost, new, back[t + 1 - begin], most)
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


@_compiled  # type: ignore[untyped-decorator]
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
