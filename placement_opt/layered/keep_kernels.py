"""One layer's schedule, turn after turn, from its runs: who stays in the fast tier, and who is stored there in passing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from placement_opt.base.arrays import Array
from placement_opt.base.compiled import njit
from placement_opt.layered.prices_kernels import worth_in_run

#: Waits beyond this many turns are not told apart, nor numbers of reads beyond 2**15.
_WAITS, _LEVELS = 2048, 16
_KEYS = _WAITS * _LEVELS
#: How fast averages over turns follow what happens, and the share of the usual supply that is counted upon.
_FOLLOW, _COUNTED_UPON = 0.1, 0.5
#: What becomes of a listed block: it goes, stays or comes, or has to be there for the reads that come soon.
_AWAY, _THERE, _SURE = 0, 1, 2


class Wanted(NamedTuple):
    """What tells blocks apart: ``level`` int8[M] of each run, or ``worth`` float32[M] with the prices that it was made with."""

    level: Array
    worth: Array
    gain: Array
    write: Array
    gains: Array
    rents: Array


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


def new_listing(blocks: int) -> Listing:
    """Room for every block."""
    who, key, rank, lag = np.empty((4, blocks), dtype=np.int64)
    fresh, turned = np.empty((2, blocks), dtype=np.bool_)
    return Listing(who, key, rank, lag, fresh, turned, np.empty(blocks, dtype=np.int8), np.zeros(_KEYS, dtype=np.int64))


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
def chains(start: Array, first: Array, last: Array, patience: int) -> Array:
    """int8[M]: logarithm of the reads from each run on until a pause of more than ``patience`` turns."""
    level = np.empty(len(first), dtype=np.int8)
    for b in range(len(start) - 1):
        reads = 0
        for n in range(start[b + 1] - 1, start[b] - 1, -1):
            if n + 1 < start[b + 1] and first[n + 1] - last[n] - 1 > patience:
                reads = 0
            reads += last[n] - first[n] + 1
            level[n] = 0
            while level[n] < _LEVELS - 1 and (reads >> (level[n] + 1)) > 0:
                level[n] += 1
    return level


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
def _soonest(wait: int, level: int) -> tuple[int, int]:
    """(key, rank) by the wait until the next read."""
    wait, level = min(wait, _WAITS - 1), _LEVELS - 1 - level
    return wait * _LEVELS + level, level * _WAITS + wait


@njit(cache=True)  # type: ignore[untyped-decorator]
def _priced(worth: float, toll: float, best: float) -> tuple[int, int]:
    """(key, rank) by worth less toll; ``best`` is the most that anything can be worth."""
    scale = (_KEYS // 2) / best
    return min(max(int((best - worth + toll) * scale), 0), _KEYS - 1), min(max(int((best - worth) * scale), 0), _KEYS - 1)


@njit(cache=True)  # type: ignore[untyped-decorator]
def open_state(start: Array, first: Array, last: Array, wanted: Wanted, turns: int, ahead: int) -> State:
    """Before anything is chosen: every block at its first run, none held."""
    blocks = len(start) - 1
    state = State(
        start[:-1].copy(),
        np.empty(blocks, dtype=np.int32),
        np.empty(blocks, dtype=np.int32),
        np.zeros(blocks, dtype=np.int8),
        np.zeros(blocks, dtype=np.float32),
        np.zeros(blocks, dtype=np.bool_),
        np.zeros((3, ahead + 2)),
        np.zeros(turns, dtype=np.int64),
        np.zeros(turns, dtype=np.int64),
    )
    for b in range(blocks):
        _turn_to(b, start[b + 1], first, last, wanted, state)
    return state


@njit(cache=True)  # type: ignore[untyped-decorator]
def _turn_to(b: int, end: int, first: Array, last: Array, wanted: Wanted, state: State) -> None:
    """Make the run ``state.at`` the present one of a block; turns past the last where there is none."""
    run = state.at[b]
    if run == end:
        state.opens[b] = state.closes[b] = len(state.hits)
        return
    state.opens[b], state.closes[b] = first[run], last[run]
    if len(wanted.level) > 0:
        state.grade[b] = wanted.level[run]
    if len(wanted.worth) > 0:
        state.value[b] = wanted.worth[run]


@njit(cache=True)  # type: ignore[untyped-decorator]
def keep(
    birth: Array,
    start: Array,
    first: Array,
    last: Array,
    wanted: Wanted,
    loads: Loads,
    room: int,
    stretch: float,
    ahead: int,
    low: int,
    high: int,
    state: State,
    listing: Listing,
    moves: Array,
) -> tuple[int, int]:
    """Choose what lies in the fast tier after each of the turns ``low .. high - 1``; (turn reached, moves written down).

    Turn -1 is the start, which is free. ``moves`` int32[3, .] takes (turn, block, 1 stored or 0 dropped); with any columns at
    all it ends before a turn whose moves might not fit.

    Wanted are the blocks worth most, those that would have to be stored less the price of it, or, without worths, those of
    least wait until their next read, among equals those with more reads to come. Stores that stretch the turn by more than
    ``1 + stretch`` are left out, least wanted first. Then the next ``ahead`` turns are looked at: where less lies there than
    they would best serve from the fast tier, less what turns in between usually add, blocks that they read are kept or stored
    all the same, in place of blocks that wait for longer.
    """
    made, turns = 0, len(loads.reads)
    best = max(1e-300, (wanted.gain + wanted.write).max())
    for turn in range(low, high):
        if 0 < moves.shape[1] < made + 2 * len(birth):
            return turn, made
        listed, top, made = _list(turn, birth, start, first, last, wanted, best, state, listing, moves, made)
        kept, total = _choose(turn, listed, top, room, stretch, loads, state, listing)
        if ahead > 0 and 0 <= turn < turns - 1:
            kept = _look_ahead(turn, listed, top, room, kept, total, ahead, loads, state, listing)
        if turn >= 0:
            state.stores[turn] = kept
            state.usual[2, 0] += _FOLLOW * (kept - state.usual[2, 0])
        for n in range(listed):
            inside = listing.fate[n] != _AWAY
            if inside == listing.fresh[n]:
                state.held[listing.who[n]] = inside
                made = _note(moves, made, turn, listing.who[n], inside)
    return high, made


@njit(cache=True)  # type: ignore[untyped-decorator]
def _note(moves: Array, made: int, turn: int, block: int, stored: int) -> int:
    """One more move, written down if moves are."""
    if moves.shape[1] > 0:
        moves[0, made], moves[1, made], moves[2, made] = turn, block, stored
    return made + 1


@njit(cache=True)  # type: ignore[untyped-decorator]
def _list(
    turn: int,
    birth: Array,
    start: Array,
    first: Array,
    last: Array,
    wanted: Wanted,
    best: float,
    state: State,
    listing: Listing,
    moves: Array,
    made: int,
) -> tuple[int, int, int]:
    """Serve a turn's reads and list what may lie in the fast tier after it: (entries, keys in use, moves made)."""
    listed, top, turns = 0, 0, len(state.hits)
    opens, closes, held, priced = state.opens, state.closes, state.held, len(wanted.worth) > 0
    for b in range(len(birth)):
        if birth[b] > turn:
            continue
        near, turned = birth[b] == turn, False
        if opens[b] <= turn:
            near = True
            state.hits[turn] += held[b]
            if closes[b] == turn:
                turned = True
                state.at[b] += 1
                _turn_to(b, start[b + 1], first, last, wanted, state)
        if not (held[b] or near):
            continue
        if opens[b] == turns:
            if held[b]:
                held[b] = False
                made = _note(moves, made, turn, b, 0)
            continue
        soon = max(opens[b], turn + 1)
        if priced:
            value = worth_in_run(state.value[b], soon, closes[b], wanted.gain, wanted.write, wanted.gains, wanted.rents)
            value -= wanted.rents[soon + 1] - wanted.rents[turn + 1]
            toll = 0.0 if held[b] or turn < 0 else wanted.write[turn]
            key, rank = _priced(value, toll, best)
        else:
            key, rank = _soonest(soon - turn - 1, state.grade[b])
        listing.who[listed], listing.key[listed], listing.rank[listed] = b, key, rank
        listing.lag[listed], listing.fresh[listed], listing.turned[listed] = soon - turn, not held[b], turned
        top = max(top, key + 1, rank + 1)
        listed += 1
    return listed, top, made


@njit(cache=True)  # type: ignore[untyped-decorator]
def _choose(
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
        fate[n] = _AWAY
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
                fate[n] = _AWAY
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
                fate[n] = _AWAY
    return kept


@njit(cache=True)  # type: ignore[untyped-decorator]
def _look_ahead(
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
            if fate[n] == _AWAY and fresh[n] == stores and lag[n] <= ahead and need[lag[n]] > 0:
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
            fate[n] = _AWAY
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
        usual[0, k] += _FOLLOW * (added[k] - usual[0, k])
        usual[1, k] += _FOLLOW * (spare[k] - usual[1, k])
    return need
