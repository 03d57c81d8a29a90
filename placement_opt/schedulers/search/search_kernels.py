"""The best path of one block while all others stay, and chains of them, for :mod:`placement_opt.schedulers.search.search`.

The time of a step is the largest of V values, one for each extreme price vector of the memory system
(:mod:`placement_opt.memory.split.timing`), and every block adds to them what its reads and moves cost at those prices. So what
a block's path costs, all others given, is a shortest path over (state, tier set), exactly. The objective is the sum of the
step times plus a small rent for what is held, which breaks ties in favour of holding less.

One file, although a long one: a compiled function that is cached does not notice when one it calls changes in another file.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from placement_opt.base.compiled import njit
from placement_opt.schedulers.search.paths_kernels import COPIED, SET

#: Columns of ``block``: bytes, first and last state, tier set at state 0 (``FREE`` where it is chosen, ``BORN`` where the block
#: is produced later), where its reads and its states begin, what it counts (bytes, where prices are by the byte), and its kind;
#: one row more than there are blocks.
SIZE, FIRST, LAST, BEGIN, READS, PLACE, AMOUNT, KIND = 0, 1, 2, 3, 4, 5, 6, 7
FREE, BORN = -1, -2
#: Entries of ``count``: (block, state) pairs visited, each times its weight; links in the open chain; that weight.
WORK, LINKS, WEIGHT = 0, 1, 2
#: Blocks looked at, at random, for one that holds room where it is needed.
_LOOKS = 64


#: Without Python's check for division by zero, which keeps small functions from being compiled into their callers.
_compiled = njit(cache=True, error_model="numpy")


class Game(NamedTuple):
    """C kinds of block, S tier sets, A arcs between sets that add a copy, V price vectors, L tiers with limited room; T steps,
    B blocks.

    Prices are seconds at each price vector, for a block of a kind that counts 1.
    """

    serve: Any  #: float64[C, S, V]: a read
    bring: Any  #: float64[C, S, V]: a read that leaves the block at the processor
    brings: Any  #: bool[S]: whether there is one
    either: Any  #: bool[S]: whether a block that is read may be copied instead of stored in passing
    store: Any  #: float64[C, S, V]: storing a new block in every tier of a set
    arc: Any  #: int64[S, S]: number of the arc from set to set, -1 where no copy is added
    passing: Any  #: float64[C, A, V]: an arc's moves of what is at the processor
    copied: Any  #: float64[C, A, V]: an arc's moves of what is not
    bare: Any  #: bool[A]: whether there is nothing to copy from
    member: Any  #: bool[S, L]
    block: Any  #: int64[B + 1, 8]
    step: Any  #: int64[N]: reads, block after block
    share: Any  #: float64[N]
    path: Any  #: uint8[.]: number of the set of every block at every state, with ``COPIED``
    value: Any  #: float64[T, V]: seconds at each price vector
    time: Any  #: float64[T]: the time of each step, smoothed
    floor: Any  #: float64[T]
    width: Any  #: float64[T]: of the smoothing; 0 for none
    room: Any  #: int64[T + 1, L]: bytes left
    rent: Any  #: float64[T + 1, L]: what a byte of room may be worth
    fine: Any  #: float64[L]: seconds per byte and state beyond the room, where that is allowed at a fine; 0 where it is not
    blur: Any  #: float64[L]: bytes on either side of the room over which the fine sets in
    slope: Any  #: float64[T, V]: by how much a step's time grows with each value
    low: Any  #: float64[T, A]: by how much, at least, with each byte that takes an arc while it is not read
    idle: Any  #: float64[T, A]: by how much exactly for a block; not a number where that is not known
    fresh: Any  #: int64[T]: bytes of that block; 0: the three above are out of date
    cost: Any  #: float64[2, S], scratch
    back: Any  #: uint8[T + 2, S], scratch
    sums: Any  #: float64[2, V], scratch
    stay: Any  #: float64[S], scratch
    saved: Any  #: uint8[(links + 2) * (T + 2)]: paths of the open chain before it
    chain: Any  #: int64[links + 1]: its blocks
    count: Any  #: int64[3]
    dice: Any  #: uint64[1]


@_compiled  # type: ignore[untyped-decorator]
def _roll(g: Any, below: int) -> int:
    """A random number from 0 to below - 1 (a 64-bit congruential generator)."""
    g.dice[0] = g.dice[0] * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
    return int(np.int64(g.dice[0] >> np.uint64(33)) % below)


@_compiled  # type: ignore[untyped-decorator]
def _level(floor: float, width: float, values: Any, row: int, top: float) -> float:
    """What lies above it adds up to ``width``; ``top``, the largest, where the width is below rounding."""
    level, higher = top - width, -np.inf
    while level > higher:
        higher, total, n = level, 0.0, 0
        if floor > higher:
            total, n = floor, 1
        for v in range(values.shape[1]):
            if values[row, v] > higher:
                total += values[row, v]
                n += 1
        if n == 0:
            return top
        level = (total - width) / n
    return level


@_compiled  # type: ignore[untyped-decorator]
def smoothed(floor: float, width: float, values: Any, row: int) -> float:
    """The largest of a row of values and the floor, smoothed over a width.

    ``max over p in the simplex of p @ values - width / 2 * (p @ p - 1)``: equal to the largest where the next is further than
    ``width`` below it, above it by less than ``width / 2`` otherwise; convex, never below the largest.
    """
    top, second = floor, -np.inf
    for v in range(values.shape[1]):
        x = values[row, v]
        if x > top:
            top, second = x, top
        elif x > second:
            second = x
    if second <= top - width:
        return top
    level: float = _level(floor, width, values, row, top)
    if level >= top:  # a width below rounding
        return top
    excess = max(floor - level, 0.0) ** 2
    for v in range(values.shape[1]):
        excess += max(values[row, v] - level, 0.0) ** 2
    return level + excess / (2 * width) + width / 2


@_compiled  # type: ignore[untyped-decorator]
def fined(fine: float, blur: float, room: float) -> float:
    """The fine for what a state holds, given the room left: none above ``blur``, linear below ``-blur``, smooth between."""
    if room >= blur:
        return 0.0
    if room <= -blur:
        return -fine * room
    return fine * (blur - room) ** 2 / (4 * blur)


@_compiled  # type: ignore[untyped-decorator]
def smooth(g: Any) -> None:
    """Time all steps again, with the present width of the smoothing."""
    for t in range(len(g.time)):
        g.time[t] = smoothed(g.floor[t], g.width[t], g.value, t)
        g.fresh[t] = 0


@_compiled  # type: ignore[untyped-decorator]
def place(g: Any, b: int, sign: int, tie: float) -> float:
    """Add (sign 1) or remove (-1) a block with the path it has; the change of the objective."""
    kind, arcs, member = g.block[b, KIND], g.arc, g.member
    serve, bring, store, passing, copied = g.serve[kind], g.bring[kind], g.store[kind], g.passing[kind], g.copied[kind]
    step, shares, path, value, time, floor, width = g.step, g.share, g.path, g.value, g.time, g.floor, g.width
    room, rent, fine, blur, fresh = g.room, g.rent, g.fine, g.blur, g.fresh
    size, first, last, at = sign * g.block[b, SIZE], g.block[b, FIRST], g.block[b, LAST], g.block[b, PLACE]
    n, end, amount = g.block[b, READS], g.block[b + 1, READS], sign * g.block[b, AMOUNT]
    change, held = 0.0, 0.0
    for t in range(first - 1, last + 1):
        share, i, arc, near = 0.0, path[at] & SET, -1, path[at] & COPIED == 0
        if t < first:
            if t < 0:
                continue
        else:
            for k in range(room.shape[1]):
                if member[i, k]:
                    if fine[k] > 0.0:
                        change += fined(fine[k], blur[k], room[t, k] - size) - fined(fine[k], blur[k], room[t, k])
                    room[t, k] -= size
                    held += rent[t, k]
            if t < last:
                arc = arcs[i, path[at + 1] & SET]
            if n < end and step[n] == t:
                share = shares[n]
                n += 1
            at += 1
            if share == 0.0 and arc < 0:
                continue
        for v in range(value.shape[1]):
            if t < first:
                x = store[i, v]
            elif arc < 0:
                x = share * serve[i, v]
            elif near:
                x = share * bring[i, v]
                x += share * passing[arc, v] + (1.0 - share) * copied[arc, v]
            else:
                x = share * serve[i, v] + copied[arc, v]
            value[t, v] += amount * x
        change -= time[t]
        time[t] = smoothed(floor[t], width[t], value, t)
        change += time[t]
        fresh[t] = 0
    return float(change + tie * size * held)


@_compiled  # type: ignore[untyped-decorator]
def place_all(g: Any) -> None:
    """Add all blocks with the paths they have."""
    for b in range(len(g.block) - 1):
        place(g, b, 1, 0.0)


@_compiled  # type: ignore[untyped-decorator]
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


@_compiled  # type: ignore[untyped-decorator]
def weigh(floor: float, width: float, values: Any, slope: Any, row: int) -> None:
    """Fill a row of ``slope`` with the derivatives of :func:`smoothed` (of equal values the first has all of it at width 0)."""
    top, first = floor, -1
    for v in range(values.shape[1]):
        slope[row, v] = 0.0
        if values[row, v] > top:
            top, first = values[row, v], v
    level = _level(floor, width, values, row, top)
    if level >= top:
        if first >= 0:
            slope[row, first] = 1.0
        return
    for v in range(values.shape[1]):
        slope[row, v] = max(values[row, v] - level, 0.0) / width


@_compiled  # type: ignore[untyped-decorator]
def _refresh(
    floor: float,
    width: float,
    value: Any,
    copied: Any,
    more: bool,
    slope: Any,
    low: Any,
    idle: Any,
    fresh: Any,
    t: int,
    size: int,
) -> None:
    """Make what is known of a step's slopes fit its time, and what is known of arcs a block of so many bytes and,
    if there are more kinds of block than one, its kind."""
    if fresh[t] == 0:
        weigh(floor, width, value, slope, t)
    if fresh[t] == 0 or more:
        for arc in range(low.shape[1]):
            x = 0.0
            for v in range(value.shape[1]):
                x += slope[t, v] * copied[arc, v]
            low[t, arc] = x
    fresh[t] = size
    for arc in range(low.shape[1]):
        idle[t, arc] = np.nan


@_compiled  # type: ignore[untyped-decorator]
def best_path(g: Any, b: int, tie: float, over: float) -> float:
    """Give a block that was removed its best path; what it adds to the objective (infinite if it has none).

    Arcs that cannot be cheaper are told by the slope of the step's time, which is convex, and are not timed.
    """
    kind, more, arcs, member, shares = g.block[b, KIND], len(g.serve) > 1, g.arc, g.member, g.share
    serve, bring, passing, copied = g.serve[kind], g.bring[kind], g.passing[kind], g.copied[kind]
    brings, either, bare = g.brings, g.either, g.bare
    value, time, floor, width, slope, low = g.value, g.time, g.floor, g.width, g.slope, g.low
    room, rent, fine, blur, stays = g.room, g.rent, g.fine, g.blur, g.stay
    idle, fresh, cost, back, sums, step, path = g.idle, g.fresh, g.cost, g.back, g.sums, g.step, g.path
    size, first, last, at = g.block[b, SIZE], g.block[b, FIRST], g.block[b, LAST], g.block[b, PLACE]
    n, end, amount = g.block[b, READS], g.block[b + 1, READS], g.block[b, AMOUNT]
    sets, vectors = serve.shape
    _enter(g, b)
    _charge(room, rent, fine, blur, member, first, size, tie, over, cost, 0)
    now = 0
    for t in range(first, last):
        new, row = 1 - now, t - first
        if n < end and step[n] == t:  # the step reads the block
            share = shares[n]
            n += 1
            if fresh[t] == 0:
                _refresh(floor[t], width[t], value, copied, more, slope, low, idle, fresh, t, size)
            for j in range(sets):
                cost[new, j] = np.inf
            for i in range(sets):
                stay = np.inf
                if cost[now, i] < np.inf:
                    for v in range(vectors):
                        sums[0, v] = value[t, v] + amount * share * serve[i, v]
                    stay = cost[now, i] + (smoothed(floor[t], width[t], sums, 0) - time[t])
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
                        for v in range(vectors):
                            x = amount * (share * (bring[i, v] + passing[arc, v]) + (1.0 - share) * copied[arc, v])
                            sums[1, v] = value[t, v] + x
                            least += slope[t, v] * x
                        if least < cost[new, j]:
                            c = cost[now, i] + (smoothed(floor[t], width[t], sums, 1) - time[t])
                            if c < cost[new, j]:
                                cost[new, j], back[row, j] = c, i
                    if either[i] and not bare[arc]:
                        for v in range(vectors):
                            sums[1, v] = value[t, v] + amount * (share * serve[i, v] + copied[arc, v])
                        c = cost[now, i] + (smoothed(floor[t], width[t], sums, 1) - time[t])
                        if c < cost[new, j]:
                            cost[new, j], back[row, j] = c, i | COPIED
        else:
            for j in range(sets):
                cost[new, j], back[row, j] = cost[now, j], j
            for i in range(sets):
                for j in range(sets):
                    if cost[now, i] < cost[new, j]:
                        arc, c = arcs[i, j], cost[now, i]
                        if arc >= 0:
                            if bare[arc]:
                                continue
                            if fresh[t] != size:
                                _refresh(floor[t], width[t], value, copied, more, slope, low, idle, fresh, t, size)
                            if c + amount * low[t, arc] >= cost[new, j]:
                                continue
                            if np.isnan(idle[t, arc]):
                                for v in range(vectors):
                                    sums[1, v] = value[t, v] + amount * copied[arc, v]
                                idle[t, arc] = smoothed(floor[t], width[t], sums, 1) - time[t]
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
            c += smoothed(floor[last], width[last], sums, 0) - time[last]
        if c < cheapest:
            best, cheapest = j, c
    if cheapest < np.inf:
        for row in range(last - first, -1, -1):
            path[at + row] = best
            if row > 0:
                best = back[row - 1, best & SET]
    return cheapest


@_compiled  # type: ignore[untyped-decorator]
def _enter(g: Any, b: int) -> None:
    """What it costs a block to begin in each set."""
    t, begin, store = g.block[b, FIRST] - 1, g.block[b, BEGIN], g.store[g.block[b, KIND]]
    for j in range(len(store)):
        g.cost[0, j] = 0.0 if begin < 0 or begin == j else np.inf
        if begin == BORN:
            for v in range(g.value.shape[1]):
                g.sums[0, v] = g.value[t, v] + g.block[b, AMOUNT] * store[j, v]
            g.cost[0, j] = smoothed(g.floor[t], g.width[t], g.sums, 0) - g.time[t]


@_compiled  # type: ignore[untyped-decorator]
def _save(g: Any, b: int, slot: int) -> None:
    """Keep the path of a block in a slot."""
    length = g.block[b, LAST] - g.block[b, FIRST] + 1
    base = slot * len(g.back)
    for n in range(length):
        g.saved[base + n] = g.path[g.block[b, PLACE] + n]


@_compiled  # type: ignore[untyped-decorator]
def _restore(g: Any, b: int, slot: int) -> None:
    """Give a block back the path in a slot."""
    length = g.block[b, LAST] - g.block[b, FIRST] + 1
    base = slot * len(g.back)
    for n in range(length):
        g.path[g.block[b, PLACE] + n] = g.saved[base + n]


@_compiled  # type: ignore[untyped-decorator]
def _moved(g: Any, b: int) -> bool:
    """Whether the path of a block differs from the one in slot 0."""
    at = g.block[b, PLACE]
    for n in range(g.block[b, LAST] - g.block[b, FIRST] + 1):  # noqa: SIM110
        if g.path[at + n] != g.saved[n]:
            return True
    return False


@_compiled  # type: ignore[untyped-decorator]
def _overfull(g: Any) -> tuple[int, int]:
    """A (state, limited tier) that a block of the open chain overfills; -1, -1 if there is none."""
    for link in range(g.count[LINKS]):
        b = g.chain[link]
        at = g.block[b, PLACE]
        for t in range(g.block[b, FIRST], g.block[b, LAST] + 1):
            for k in range(g.room.shape[1]):
                if g.room[t, k] < 0 and g.member[g.path[at] & SET, k]:
                    return t, k
            at += 1
    return -1, -1


@_compiled  # type: ignore[untyped-decorator]
def _holds(g: Any, b: int, t: int, k: int) -> bool:
    """Whether a block outside the open chain lies in a limited tier at a state."""
    if t < g.block[b, FIRST] or t > g.block[b, LAST]:
        return False
    if not g.member[g.path[g.block[b, PLACE] + t - g.block[b, FIRST]] & SET, k]:
        return False
    for link in range(g.count[LINKS]):  # noqa: SIM110
        if g.chain[link] == b:
            return False
    return True


@_compiled  # type: ignore[untyped-decorator]
def _eject(g: Any, t: int, k: int, probes: int, tie: float, least: float) -> float:
    """Let one of a few random blocks that hold room where it lacks move out of the way, the one to which that costs least.

    Returns the change of the objective; infinite, with nothing changed, if it were not below ``least``.
    """
    blocks, spare = len(g.block) - 1, len(g.chain)
    chosen, found = -1, 0
    for _ in range(_LOOKS):
        c = _roll(g, blocks)
        if not _holds(g, c, t, k):
            continue
        _save(g, c, g.count[LINKS])
        change = place(g, c, -1, tie)
        change += best_path(g, c, tie, -1.0)
        if change < least:
            least, chosen = change, c
            _save(g, c, spare)
        _restore(g, c, g.count[LINKS])
        place(g, c, 1, tie)
        found += 1
        if found == probes:
            break
    if chosen < 0:
        return np.inf
    _save(g, chosen, g.count[LINKS])
    change = place(g, chosen, -1, tie)
    _restore(g, chosen, spare)
    change += place(g, chosen, 1, tie)
    g.chain[g.count[LINKS]] = chosen
    g.count[LINKS] += 1
    return float(change)


@_compiled  # type: ignore[untyped-decorator]
def _undo(g: Any, tie: float) -> None:
    for link in range(g.count[LINKS] - 1, -1, -1):
        place(g, g.chain[link], -1, tie)
        _restore(g, g.chain[link], link)
        place(g, g.chain[link], 1, tie)


@_compiled  # type: ignore[untyped-decorator]
def _improve(g: Any, b: int, tie: float, over: float, probes: int, least: float) -> float:
    """Give one block its best path, others making room in a chain if it needs any; undone unless the objective falls."""
    _save(g, b, 0)
    change = place(g, b, -1, tie)
    cost = best_path(g, b, tie, over)
    if cost == np.inf or not _moved(g, b):
        _restore(g, b, 0)
        place(g, b, 1, tie)
        return 0.0
    change += place(g, b, 1, tie)
    g.chain[0], g.count[LINKS] = b, 1
    while change < -least:
        t, k = _overfull(g) if probes > 0 else (-1, -1)
        if t < 0:
            return float(change)
        if g.count[LINKS] == len(g.chain):
            break
        change += _eject(g, t, k, probes, tie, -change)
    _undo(g, tie)
    return 0.0


@_compiled  # type: ignore[untyped-decorator]
def sweep(g: Any, order: Any, tie: float, over: float, probes: int, least: float, budget: int) -> float:
    """Improve one block after the other until the budget of work is spent; the change of the objective.

    Parameters
    ----------
    order
        int64[.]: blocks, in this order.
    tie
        Share of the rent that belongs to the objective.
    over
        Share of the rent (times a random number from 0.2 to 1.5) at which a block may take room that is not there, so that
        others have to make way; negative: it may not, except at a fine.
    probes
        How many blocks are asked to make way, of which one does; 0: none has to.
    least
        Smaller improvements are not made.
    budget
        Of weighted (block, state) pairs in all; see ``count``.
    """
    change = 0.0
    for b in order:
        if g.count[WORK] >= budget:
            break
        price = over * (0.2 + 1.3 * _roll(g, 1 << 20) / (1 << 20)) if over >= 0.0 else over
        change += _improve(g, b, tie, price, probes, least)
    return change


@_compiled  # type: ignore[untyped-decorator]
def repair(g: Any, order: Any, tie: float) -> bool:
    """Let the blocks that lie where there is no room take their best paths elsewhere; whether all then have room."""
    for b in order:
        g.chain[0], g.count[LINKS] = b, 1
        if _overfull(g)[0] >= 0:
            place(g, b, -1, tie)
            best_path(g, b, tie, -1.0)
            place(g, b, 1, tie)
    for t in range(g.room.shape[0]):
        for k in range(g.room.shape[1]):
            if g.room[t, k] < 0:
                return False
    return True
