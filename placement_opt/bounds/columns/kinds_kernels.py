"""Ways through intervals that pay at the compact program's multipliers: loops over kinds, steps and tier sets."""

from __future__ import annotations

import numpy as np

from placement_opt.base.arrays import Array
from placement_opt.base.compiled import njit


@njit(cache=True)  # type: ignore[untyped-decorator]
def _cheapest(
    opens: int, closes: int, start: Array, end: Array, rent: Array, adding: Array, v: Array, w: Array, back: Array
) -> tuple[float, int]:
    """(cost, last set) of the cheapest way from state ``opens`` to ``closes``; ``back[t - opens, j]`` is the set before."""
    sets = len(v)
    for j in range(sets):
        v[j] = start[j] + rent[opens + 1, j] - rent[opens, j]
    for t in range(opens, closes):
        for j in range(sets):
            best, came = v[j], j  # ties stay
            for i in range(sets):
                cost = v[i] + adding[t, i, j]
                if cost < best:
                    best, came = cost, i
            w[j] = best + rent[t + 2, j] - rent[t + 1, j]
            back[t + 1 - opens, j] = came
        for j in range(sets):
            v[j] = w[j]
    at = 0
    for j in range(sets):
        v[j] += end[j]
        if v[j] < v[at]:
            at = j
    return v[at], at


@njit(cache=True)  # type: ignore[untyped-decorator]
def find_ways(
    opens: Array,
    closes: Array,
    start: Array,
    end: Array,
    rent: Array,
    adding: Array,
    copies: Array,
    known: Array,
    most: int,
    spread: float,
) -> tuple[Array, Array, Array, Array, Array]:
    """(kind, number of legs) of ways and (set, first, last state) of their legs: cheaper than ``known`` float64[J].

    For every kind the cheapest way of all, and of the ways with one change in between, for each two sets, those with up to
    ``most`` steps at which to change. ``start``, ``end`` float64[J, S]: what it costs to begin and end in a set; ``rent``
    float64[T + 2, S]: running sums over states; ``adding`` float64[T, S, S]: copies that turn one set into another; ``copies``
    bool[S, S]: whether there are any; ``spread``: up to this share of what is gained, costs are told apart as if at random.
    """
    kinds, sets = start.shape
    longest = 1
    for g in range(kinds):
        longest = max(longest, closes[g] - opens[g] + 1)
    back = np.zeros((longest, sets), dtype=np.int16)
    v, w = np.zeros(sets), np.zeros(sets)
    cost, at = np.zeros(most), np.zeros(most, dtype=np.int64)
    way_kind, way_legs = [0], [0]
    leg_set, leg_first, leg_last = [0], [0], [0]
    for g in range(kinds):
        if opens[g] > closes[g]:
            continue
        least, final = _cheapest(opens[g], closes[g], start[g], end[g], rent, adding, v, w, back)
        if not least < known[g]:
            continue
        changes, j = 0, final
        for t in range(closes[g], opens[g], -1):
            came = back[t - opens[g], j]
            if came != j:
                changes += 1
            j = came
        first = len(leg_set)
        last, j = closes[g], final
        for t in range(closes[g], opens[g] - 1, -1):
            came = back[t - opens[g], j] if t > opens[g] else -1
            if came != j:
                leg_set.append(j)
                leg_first.append(t)
                leg_last.append(last)
                last = t - 1
                j = came
        for n in range((changes + 1) // 2):  # found from the last to the first
            a, b = first + n, first + changes - n
            leg_set[a], leg_set[b] = leg_set[b], leg_set[a]
            leg_first[a], leg_first[b] = leg_first[b], leg_first[a]
            leg_last[a], leg_last[b] = leg_last[b], leg_last[a]
        way_kind.append(g)
        way_legs.append(changes + 1)
        best_at = leg_last[first] if changes == 1 else -1
        for i in range(sets):
            if not start[g, i] < np.inf:
                continue
            for j in range(sets):
                if not copies[i, j] or not end[g, j] < np.inf:
                    continue
                fixed = start[g, i] - rent[opens[g], i] + rent[closes[g] + 1, j] + end[g, j]
                for n in range(most):
                    cost[n] = known[g]
                for t in range(opens[g], closes[g]):
                    value = fixed + rent[t + 1, i] + adding[t, i, j] - rent[t + 1, j]
                    # many steps may cost the same: not all kinds should change at the first of them
                    value += spread * (known[g] - least) * (((t * 40503 + g * 30341) & 1023) / 1024.0)
                    n = most
                    while n > 0 and value < cost[n - 1]:
                        n -= 1
                    if n < most:
                        for m in range(most - 1, n, -1):
                            cost[m], at[m] = cost[m - 1], at[m - 1]
                        cost[n], at[n] = value, t
                for n in range(most):
                    if cost[n] < known[g] and not (at[n] == best_at and i == leg_set[first] and j == final):
                        way_kind.append(g)
                        way_legs.append(2)
                        leg_set.append(i)
                        leg_first.append(opens[g])
                        leg_last.append(at[n])
                        leg_set.append(j)
                        leg_first.append(at[n] + 1)
                        leg_last.append(closes[g])
    return (
        np.array(way_kind[1:], dtype=np.int64),
        np.array(way_legs[1:], dtype=np.int64),
        np.array(leg_set[1:], dtype=np.int64),
        np.array(leg_first[1:], dtype=np.int64),
        np.array(leg_last[1:], dtype=np.int64),
    )


@njit(cache=True)  # type: ignore[untyped-decorator]
def spread_counts(
    member: Array,
    pointer: Array,
    leads: Array,
    count: Array,
    before: Array,
    opening: Array,
    closing: Array,
    total: Array,
    tiers: Array,
    exclusive: bool,
) -> tuple[Array, Array]:
    """Shares float64[K, I] of each interval of each class that each tier holds as it opens and as it closes.

    Intervals ``member[pointer[j]:pointer[j + 1]]`` are of kind j, those first that keep a copy longest; kinds ascend in time.
    ``leads`` int64[I]: the interval that each follows, or -1, then ``before`` float64[K, I] says what was held; ``count``
    float64[I], ``total`` float64[J]: blocks; ``opening``, ``closing`` float64[K, J]: blocks of each kind to be held;
    ``tiers``: in the order in which they are filled. What is there already stays before anything is brought in, and what no
    tier so far holds is held before anything is held twice.
    """
    opens, closes = np.zeros(before.shape), np.zeros(before.shape)
    covered = np.zeros(len(count))
    for k in tiers:
        for j in range(len(pointer) - 1):
            left = opening[k, j]
            for turn in range(4):
                if turn >= 2 and exclusive:
                    break
                for n in range(pointer[j], pointer[j + 1]):
                    if left <= 0.0:
                        break
                    i = member[n]
                    top = before[k, i] if leads[i] < 0 else closes[k, leads[i]]
                    if turn % 2 == 1:
                        top = 1.0
                    if turn < 2:
                        top = min(top, 1.0 - covered[i])
                    more = min((top - opens[k, i]) * count[i], left)
                    if more > 0.0:
                        opens[k, i] += more / count[i]
                        left -= more
            rises = closing[k, j] - opening[k, j]
            for n in range(pointer[j], pointer[j + 1]):
                i = member[n]
                part = opens[k, i]
                if rises > 0.0 and total[j] > opening[k, j]:
                    part += (1.0 - part) * rises / (total[j] - opening[k, j])
                elif rises < 0.0 and opening[k, j] > 0.0:
                    part *= closing[k, j] / opening[k, j]
                closes[k, i] = part
        for i in range(len(count)):
            covered[i] = min(1.0, covered[i] + opens[k, i])
    return opens, closes
