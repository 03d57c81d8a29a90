"""Which of the blocks that a turn lists lie in the fast tier after it: the best that there is room and time for.

The next turns are looked at as well: what they would lack is kept or stored all the same.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from placement_opt.base.arrays import Array
from placement_opt.base.compiled import njit

#: How fast averages over turns follow what happens, and the share of the usual supply that is counted upon.
FOLLOW, _COUNTED_UPON = 0.1, 0.5
#: What becomes of a listed block: it goes, stays or comes, or has to be there for the reads that come soon.
AWAY, _THERE, _SURE = 0, 1, 2


class Loads(NamedTuple):
    """Seconds: ``base`` float64[N, R] with all reads served from home; ``hit`` and ``stored`` float64[R] are what one read
    served from the fast tier instead, and one store into it, add. ``reads`` int64[N]; ``floor`` float64[1] under every step."""

    base: Array
    hit: Array
    stored: Array
    reads: Array
    floor: Array


class State(NamedTuple):
    """Where a schedule stands between two turns.

    Of each block: ``at`` int64[B] its present or next run, ``opens`` and ``closes`` int32[B] the turns of it (N: none),
    ``grade`` int8[B] and ``value`` float32[B] its level and worth, ``held`` bool[B]. The runs themselves do not fit into any
    cache. ``usual`` float64[3, .]: by how many turns ahead, how many reads to be found a turn adds without being asked, and how
    many more it could add; stores a turn at [2, 0]. ``hits`` and ``stores`` int64[N].
    """

    at: Array
    opens: Array
    closes: Array
    grade: Array
    value: Array
    held: Array
    usual: Array
    hits: Array
    stores: Array


class Listing(NamedTuple):
    """The blocks that one turn may keep or store, one entry each, and counts by key that are 0 between uses.

    ``who`` int64[B]; ``key`` its place among all that could be held, ``rank`` among what could be stored, the smaller the
    better; ``lag`` turns until it is read; ``fresh``: not held; ``turned``: its last run ends now; ``fate`` int8[B].
    """

    who: Array
    key: Array
    rank: Array
    lag: Array
    fresh: Array
    turned: Array
    fate: Array
    counts: Array


@njit(cache=True)  # type: ignore[untyped-decorator]
def step_time(base: Array, hit: Array, most: int, stored: Array, stores: int) -> tuple[float, float]:
    """(seconds, fast reads) of a step on the best split, the fewest fast reads of equals.

    That is min over h in [0, most] of max_r base + h hit + stores stored (float64[R] each); the minimum lies at an end or where
    two resources take equally long.
    """
    best, where = np.inf, 0.0
    count = len(base)
    for r in range(count):
        for q in range(r, count):
            slope = hit[r] - hit[q]
            at = 0.0 if r == 0 else float(most)
            if q > r:
                if slope == 0.0:
                    continue
                at = (base[q] - base[r] + stores * (stored[q] - stored[r])) / slope
            at = min(max(at, 0.0), float(most))
            worst = 0.0
            for p in range(count):
                worst = max(worst, base[p] + at * hit[p] + stores * stored[p])
            if worst < best * (1.0 - 1e-12) or (worst <= best * (1.0 + 1e-12) and at < where):
                best, where = min(best, worst), at
    return best, where


@njit(cache=True)  # type: ignore[untyped-decorator]
def affordable(base: Array, hit: Array, most: int, stored: Array, floor: float, stretch: float, wanted: int) -> int:
    """How many of the wanted stores leave the step's time within ``1 + stretch`` of what it is without any."""
    limit = max(floor, step_time(base, hit, most, stored, 0)[0]) * (1.0 + stretch) * (1.0 + 1e-12)
    if step_time(base, hit, most, stored, wanted)[0] <= limit:
        return wanted
    low, high = 0, wanted
    while high - low > 1:
        middle = (low + high) // 2
        if step_time(base, hit, most, stored, middle)[0] <= limit:
            low = middle
        else:
            high = middle
    return low


@njit(cache=True)  # type: ignore[untyped-decorator]
def _cut(counts: Array, most: int) -> tuple[int, int]:
    """(key, rest): every entry of smaller key fits into ``most``, and ``rest`` of those at the key."""
    total = 0
    for key in range(len(counts)):
        if total + counts[key] > most:
            return key, most - total
        total += counts[key]
    return len(counts), 0


@njit(cache=True)  # type: ignore[untyped-decorator]
def choose(
    turn: int, listed: int, top: int, room: int, stretch: float, loads: Loads, state: State, listing: Listing
) -> tuple[int, int]:
    """Those of best key that there is room for, stores as far as they are affordable: (stores, blocks held)."""
    key, rank, fresh, fate, counts = listing.key, listing.rank, listing.fresh, listing.fate, listing.counts[:top]
    for n in range(listed):
        counts[key[n]] += 1
    edge, rest = _cut(counts, room)
    counts[:] = 0
    # of equals at the edge those that are held already stay
    for n in range(listed):
        fate[n] = AWAY
        rest -= key[n] == edge and not fresh[n]
    few = 0
    for n in range(listed):
        if fresh[n] and (key[n] < edge or (key[n] == edge and rest > 0)):
            rest -= key[n] == edge
            few += 1
            counts[rank[n]] += 1
            fate[n] = _THERE
    if turn >= 0 and few > 0:
        few = affordable(loads.base[turn], loads.hit, state.hits[turn], loads.stored, loads.floor[0], stretch, few)
    edge, rest = _cut(counts, few)
    counts[:] = 0
    kept = 0
    for n in range(listed):
        if fate[n] == _THERE:
            if rank[n] < edge or (rank[n] == edge and rest > 0):
                rest -= rank[n] == edge
                kept += 1
            else:
                fate[n] = AWAY
        elif not fresh[n]:
            fate[n] = _THERE
    return kept, kept + _drop(listed, listing, counts, room - kept, 0)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _drop(listed: int, listing: Listing, counts: Array, room: int, ahead: int) -> int:
    """Of the blocks held before that need not stay, keep the best that there is room for; how many.

    With ``ahead`` those that are read so soon are no part of it.
    """
    key, fresh, fate, lag = listing.key, listing.fresh, listing.fate, listing.lag
    for n in range(listed):
        if fate[n] == _THERE and not fresh[n] and lag[n] > ahead:
            counts[key[n]] += 1
    edge, rest = _cut(counts, max(0, room))
    counts[:] = 0
    kept = 0
    for n in range(listed):
        if fate[n] == _THERE and not fresh[n] and lag[n] > ahead:
            if key[n] < edge or (key[n] == edge and rest > 0):
                rest -= key[n] == edge
                kept += 1
            else:
                fate[n] = AWAY
    return kept


@njit(cache=True)  # type: ignore[untyped-decorator]
def look_ahead(
    turn: int,
    listed: int,
    top: int,
    room: int,
    kept: int,
    total: int,
    ahead: int,
    loads: Loads,
    state: State,
    listing: Listing,
) -> int:
    """Keep and store what the next turns lack; the number of stores by then."""
    need = _lacking(turn, listed, ahead, loads, state, listing)
    if need.max() <= 0:
        return kept
    who, lag, fresh, fate = listing.who, listing.lag, listing.fresh, listing.fate
    line = np.empty(listed, dtype=np.int64)
    for stores in (False, True):  # what lies there already costs nothing
        count = 0
        for n in range(listed):
            if fate[n] == AWAY and fresh[n] == stores and lag[n] <= ahead and need[lag[n]] > 0:
                line[count] = n
                count += 1
        order = np.argsort(listing.rank[line[:count]], kind="mergesort")
        for n in line[order]:
            if need[lag[n]] > 0:
                fate[n] = _SURE
                total += 1
                kept += stores
                for k in range(lag[n], min(state.closes[who[n]] - turn, ahead) + 1):
                    need[k] -= 1
    if total > room:
        total -= _waiting(listed, listing, ahead)
        total += _drop(listed, listing, listing.counts[:top], room - total, ahead)
    for n in range(listed):
        if total > room and fate[n] == _SURE:
            fate[n] = AWAY
            total -= 1
            kept -= fresh[n]
    return kept


@njit(cache=True)  # type: ignore[untyped-decorator]
def _waiting(listed: int, listing: Listing, ahead: int) -> int:
    """Blocks that :func:`_drop` decides about."""
    count = 0
    for n in range(listed):
        count += listing.fate[n] == _THERE and not listing.fresh[n] and listing.lag[n] > ahead
    return count


@njit(cache=True)  # type: ignore[untyped-decorator]
def _lacking(turn: int, listed: int, ahead: int, loads: Loads, state: State, listing: Listing) -> Array:
    """int64[ahead + 2]: by turns ahead, the reads that should find a fast copy and will not unless something is done now."""
    found, added, spare = np.zeros((3, ahead + 2), dtype=np.int64)
    for n in range(listed):
        k = listing.lag[n]
        if k > ahead:
            continue
        end = min(state.closes[listing.who[n]] - turn, ahead) + 1
        here = listing.fate[n] == _THERE
        new = listing.fresh[n] or listing.turned[n]
        change = int(new) if here else -int(not new)
        unused = not here and listing.fresh[n]
        found[k] += here
        found[end] -= here
        added[k] += change
        added[end] -= change
        spare[k] += unused
        spare[end] -= unused
    need, usual = np.zeros(ahead + 2, dtype=np.int64), state.usual
    later, stores = 0.0, int(usual[2, 0] + 0.5)
    for k in range(1, ahead + 1):
        found[k] += found[k - 1]
        added[k] += added[k - 1]
        spare[k] += spare[k - 1]
        t = turn + k
        if t < len(loads.reads):
            target = step_time(loads.base[t], loads.hit, loads.reads[t], loads.stored, stores)[1]
            need[k] = int(np.ceil(target - later)) - found[k]
        later += usual[0, k] + _COUNTED_UPON * usual[1, k]
        usual[0, k] += FOLLOW * (added[k] - usual[0, k])
        usual[1, k] += FOLLOW * (spare[k] - usual[1, k])
    return need
