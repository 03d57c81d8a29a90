"""The best path of one block while all others stay: a shortest path over (state, tier set), exactly."""

from __future__ import annotations

from typing import Any

import numpy as np

from placement_opt.schedulers.search.game_kernels import (
    AMOUNT,
    BEGIN,
    BORN,
    FIRST,
    KIND,
    LAST,
    PLACE,
    READS,
    SIZE,
    WEIGHED,
    WEIGHT,
    WORK,
)
from placement_opt.schedulers.search.paths_kernels import COPIED, SET
from placement_opt.schedulers.search.smooth_kernels import compiled, fined, smoothed_once, steep_of, weigh

#: What a step's time and its slope may be wrong by, as a share of it: nothing is left out for less.
_ROUNDING = 1e-12


@compiled  # type: ignore[untyped-decorator]
def _charge(
    room: Any, rent: Any, fine: Any, blur: Any, member: Any, t: int, size: int, tie: float, over: float, cost: Any, row: int
) -> None:
    """Add to the costs of all sets what holding them at state t costs: rent, and for room that is not there either the fine or
    ``over`` times the rent, infinitely much if ``over`` is negative."""
    for k in range(len(fine)):
        c, left = tie * rent[t, k] * size, room[t, k] - size
        if fine[k] > 0.0:
            c += fined(fine[k], blur[k], left) - fined(fine[k], blur[k], room[t, k])
        elif left < 0:
            c += over * rent[t, k] * min(-left, size) if over >= 0.0 else np.inf
        for j in range(cost.shape[1]):
            if member[j, k]:
                cost[row, j] += c


@compiled  # type: ignore[untyped-decorator]
def _forget(low: Any, idle: Any, t: int) -> None:
    """What is known of a step's arcs is out of date: each is reckoned again when it is asked for."""
    for arc in range(low.shape[1]):
        low[t, arc] = idle[t, arc] = np.nan


@compiled  # type: ignore[untyped-decorator]
def _least(slope: Any, steep: Any, count: int, copied: Any, low: Any, t: int, arc: int) -> float:
    """By how much, at least, a step's time grows with what an arc copies of a block that counts 1 and is not read."""
    if np.isnan(low[t, arc]):
        x = 0.0
        for n in range(count):
            x += slope[t, steep[n]] * copied[arc, steep[n]]
        low[t, arc] = x
    return float(low[t, arc])


@compiled  # type: ignore[untyped-decorator]
def best_path(g: Any, b: int, tie: float, over: float) -> float:
    """Give a block that was removed its best path; what it adds to the objective (infinite if it has none).

    Arcs that cannot be cheaper are told by the slope of the step's time, which is convex, and are not timed.
    """
    kind, arcs, member, shares = g.block[b, KIND], g.arc, g.member, g.share
    serve, bring, passing, copied = g.serve[kind], g.bring[kind], g.passing[kind], g.copied[kind]
    brings, either, bare = g.brings[kind], g.either, g.bare
    value, time, floor, width, slope, low = g.value, g.time, g.floor, g.width, g.slope, g.low
    room, rent, fine, blur, stays, steep = g.room, g.rent, g.fine, g.blur, g.stay, g.steep
    idle, fresh, cost, back, sums, step, path = g.idle, g.fresh, g.cost, g.back, g.sums, g.step, g.path
    size, first, last, at = g.block[b, SIZE], g.block[b, FIRST], g.block[b, LAST], g.block[b, PLACE]
    n, end, amount = g.block[b, READS], g.block[b + 1, READS], g.block[b, AMOUNT]
    sets, vectors = serve.shape
    like = size * len(g.serve) + kind
    _enter(g, b)
    _charge(room, rent, fine, blur, member, first, size, tie, over, cost, 0)
    now = 0
    for t in range(first, last):
        new, row = 1 - now, t - first
        if n < end and step[n] == t:  # the step reads the block
            share = shares[n]
            n += 1
            if fresh[t] == 0:
                weigh(floor[t], width[t], value, slope, t)
                fresh[t] = WEIGHED
            steeps = steep_of(slope, t, steep)
            for j in range(sets):
                cost[new, j] = np.inf
            for i in range(sets):
                stay = np.inf
                if cost[now, i] < np.inf:
                    for v in range(vectors):
                        sums[0, v] = value[t, v] + amount * share * serve[i, v]
                    stay = cost[now, i] + (smoothed_once(floor[t], width[t], sums, 0) - time[t])
                stays[i] = stay
                for j in range(sets):
                    if arcs[i, j] < 0 and (stay < cost[new, j] or (i == j and stay == cost[new, j])):
                        cost[new, j], back[row, j] = stay, i
            for i in range(sets):
                for j in range(sets):
                    arc = arcs[i, j]
                    if arc < 0 or stays[i] >= cost[new, j]:
                        continue
                    if brings[i] and (share == 1.0 or not bare[arc]):
                        least = cost[now, i]
                        for m in range(steeps):
                            v = steep[m]
                            x = amount * (share * (bring[i, v] + passing[arc, v]) + (1.0 - share) * copied[arc, v])
                            least += slope[t, v] * x
                        if least < cost[new, j]:
                            for v in range(vectors):
                                x = amount * (share * (bring[i, v] + passing[arc, v]) + (1.0 - share) * copied[arc, v])
                                sums[1, v] = value[t, v] + x
                            c = cost[now, i] + (smoothed_once(floor[t], width[t], sums, 1) - time[t])
                            if c < cost[new, j]:
                                cost[new, j], back[row, j] = c, i
                    if either[i] and not bare[arc]:
                        least = cost[now, i] - _ROUNDING * time[t]
                        for m in range(steeps):
                            v = steep[m]
                            least += slope[t, v] * (amount * (share * serve[i, v] + copied[arc, v]))
                        if least >= cost[new, j]:
                            continue
                        for v in range(vectors):
                            sums[1, v] = value[t, v] + amount * (share * serve[i, v] + copied[arc, v])
                        c = cost[now, i] + (smoothed_once(floor[t], width[t], sums, 1) - time[t])
                        if c < cost[new, j]:
                            cost[new, j], back[row, j] = c, i | COPIED
        else:
            steeps = -1
            for j in range(sets):
                cost[new, j], back[row, j] = cost[now, j], j
            for i in range(sets):
                for j in range(sets):
                    if cost[now, i] < cost[new, j]:
                        arc, c = arcs[i, j], cost[now, i]
                        if arc >= 0:
                            if bare[arc]:
                                continue
                            if fresh[t] != like:
                                if fresh[t] == 0:
                                    weigh(floor[t], width[t], value, slope, t)
                                _forget(low, idle, t)
                                fresh[t] = like
                            if steeps < 0:
                                steeps = steep_of(slope, t, steep)
                            if c + amount * _least(slope, steep, steeps, copied, low, t, arc) >= cost[new, j]:
                                continue
                            if np.isnan(idle[t, arc]):
                                for v in range(vectors):
                                    sums[1, v] = value[t, v] + amount * copied[arc, v]
                                idle[t, arc] = smoothed_once(floor[t], width[t], sums, 1) - time[t]
                            c += idle[t, arc]
                        if c < cost[new, j]:
                            cost[new, j], back[row, j] = c, i
        now = new
        _charge(room, rent, fine, blur, member, t + 1, size, tie, over, cost, now)
    g.count[WORK] += (last - first + 1) * g.count[WEIGHT]
    best, cheapest = 0, np.inf
    for j in range(sets):
        c = cost[now, j]
        if n < end:  # a read in the last state
            for v in range(vectors):
                sums[0, v] = value[last, v] + amount * shares[n] * serve[j, v]
            c += smoothed_once(floor[last], width[last], sums, 0) - time[last]
        if c < cheapest:
            best, cheapest = j, c
    if cheapest < np.inf:
        for row in range(last - first, -1, -1):
            path[at + row] = best
            if row > 0:
                best = back[row - 1, best & SET]
    return cheapest


@compiled  # type: ignore[untyped-decorator]
def _enter(g: Any, b: int) -> None:
    """What it costs a block to begin in each set."""
    t, begin, store = g.block[b, FIRST] - 1, g.block[b, BEGIN], g.store[g.block[b, KIND]]
    for j in range(len(store)):
        g.cost[0, j] = 0.0 if begin < 0 or begin == j else np.inf
        if begin == BORN:
            for v in range(g.value.shape[1]):
                g.sums[0, v] = g.value[t, v] + g.block[b, AMOUNT] * store[j, v]
            g.cost[0, j] = smoothed_once(g.floor[t], g.width[t], g.sums, 0) - g.time[t]
