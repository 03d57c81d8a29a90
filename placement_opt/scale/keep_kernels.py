"""One layer's schedule, turn after turn, from its runs: who stays in the fast tier, and who is stored there in passing."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from placement_opt.scale.prices_kernels import worth_in_run

Array = npt.NDArray[Any]

#: Waits beyond this many turns are not told apart, nor numbers of reads beyond 2**15.
_WAITS, _LEVELS = 2048, 16
_KEYS = _WAITS * _LEVELS
#: A store is never charged more than so many times its price.
_MOST_TOLL = 3.0


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
    """(key, rank): the place among all that could be held, and among what could be stored; both the smaller the better."""
    wait, level = min(wait, _WAITS - 1), _LEVELS - 1 - level
    return wait * _LEVELS + level, level * _WAITS + wait


@njit(cache=True)  # type: ignore[untyped-decorator]
def _priced(worth: float, toll: float, best: float) -> tuple[int, int]:
    """(key, rank) by worth less toll; ``best`` is the most that anything can be worth."""
    scale = (_KEYS // 2) / best
    return min(max(int((best - worth + toll) * scale), 0), _KEYS - 1), min(max(int((best - worth) * scale), 0), _KEYS - 1)


@njit(cache=True)  # type: ignore[untyped-decorator]
def keep(
    birth: Array,
    start: Array,
    first: Array,
    last: Array,
    level: Array,
    worth: Array,
    gain: Array,
    write: Array,
    gains: Array,
    rents: Array,
    room: int,
    base: Array,
    hit: Array,
    stored: Array,
    floor: float,
    stretch: float,
    repair: float,
    pull: float,
    reads: Array,
    moves: Array,
) -> tuple[Array, Array, int]:
    """(hits, stores) int64[N] of every turn, and the number of moves made.

    ``base`` float64[N, R]: seconds that each turn loads on each resource with every read served from home; ``hit`` and
    ``stored`` float64[R]: what one read served from the fast tier instead, and one store into it, add. ``moves`` int32[3, .]
    takes (turn, block, 1 stored or 0 dropped; turn -1: held at the start) as far as there is room for them.

    With ``worth`` float32[M] (and the prices that it was made with) wanted are the blocks worth most, those that would have to
    be stored less the price of it; without (length 0) those of least wait until their next read, among equals those with more
    reads to come. Stores that take time are left out, least wanted first. Where fewer than ``repair`` times the reads that the
    next turn (``reads`` int64[N]) would best serve from the fast tier lie there, blocks that it reads are stored all the same,
    in place of blocks that it does not. With ``pull`` above 0 the price of a store falls while hits fall short of the best
    split, and rises while there are more than enough.
    """
    turns, blocks = len(base), len(birth)
    hits, stores = np.zeros(turns, dtype=np.int64), np.zeros(turns, dtype=np.int64)
    at, held = start[:-1].copy(), np.zeros(blocks, dtype=np.bool_)
    # each block's present or next run, side by side: the runs themselves do not fit into any cache
    opens, closes = np.full(blocks, turns, dtype=np.int32), np.full(blocks, turns, dtype=np.int32)
    grade, value_at = np.zeros(blocks, dtype=np.int8), np.zeros(blocks, dtype=np.float32)
    for b in range(blocks):
        _turn_to(b, at[b], start[b + 1], first, last, level, worth, opens, closes, grade, value_at, turns)
    who, key, rank = np.empty(blocks, dtype=np.int64), np.empty(blocks, dtype=np.int64), np.empty(blocks, dtype=np.int64)
    fresh, near_next = np.empty(blocks, dtype=np.bool_), np.empty(blocks, dtype=np.bool_)
    counts, taken = np.zeros(_KEYS, dtype=np.int64), np.zeros(_KEYS, dtype=np.int64)
    made, priced = 0, len(worth) > 0
    best, eager = max(1e-300, (gain + write).max()), 1.0
    for turn in range(-1, turns):
        listed, wanted, top, ranks = 0, 0, 0, 0
        for b in range(blocks):
            if birth[b] > turn:
                continue
            near = birth[b] == turn
            if opens[b] <= turn:
                near = True
                hits[turn] += held[b]
                if closes[b] == turn:
                    at[b] += 1
                    _turn_to(b, at[b], start[b + 1], first, last, level, worth, opens, closes, grade, value_at, turns)
            if not (held[b] or near):
                continue
            if opens[b] == turns:
                if held[b]:
                    held[b] = False
                    made = _note(moves, made, turn, b, 0)
                continue
            soon = max(opens[b], turn + 1)
            if priced:
                value = worth_in_run(value_at[b], soon, closes[b], gain, write, gains, rents)
                value -= rents[soon + 1] - rents[turn + 1]
                toll = 0.0 if held[b] or turn < 0 else eager * write[turn]
                key[listed], rank[listed] = _priced(value, toll, best)
            else:
                key[listed], rank[listed] = _soonest(soon - turn - 1, grade[b])
            who[listed], fresh[listed], near_next[listed] = b, not held[b], soon == turn + 1
            counts[key[listed]] += 1
            top, ranks = max(top, key[listed] + 1), max(ranks, rank[listed] + 1)
            listed += 1
        edge, rest = _cut(counts[:top], room)
        counts[:top] = 0
        # of equals at the edge those that are held already stay
        for n in range(listed):
            if key[n] == edge and not fresh[n]:
                rest -= 1
        for n in range(listed):
            if fresh[n]:
                if key[n] < edge or (key[n] == edge and rest > 0):
                    rest -= key[n] == edge
                    wanted += 1
                    taken[rank[n]] += 1
                else:
                    key[n] = -1
        few = wanted
        if turn >= 0 and wanted > 0:
            few = affordable(base[turn], hit, hits[turn], stored, floor, stretch, wanted)
        last_rank, over = _cut(taken[:ranks], few)
        taken[:ranks] = 0
        kept = 0
        for n in range(listed):
            if fresh[n] and key[n] >= 0 and (rank[n] < last_rank or (rank[n] == last_rank and over > 0)):
                over -= rank[n] == last_rank
                held[who[n]] = True
                kept += 1
                made = _note(moves, made, turn, who[n], 1)
        if repair > 0.0 and 0 <= turn < turns - 1:
            target = repair * step_time(base[turn + 1], hit, reads[turn + 1], stored, 0)[1]
            added = _urgent(listed, who, key, rank, fresh, near_next, held, taken[:ranks], room, kept, target)
            for n in range(listed):
                if fresh[n] and key[n] == -2:
                    made = _note(moves, made, turn, who[n], 1)
            kept += added
        if turn >= 0:
            stores[turn] = kept
            balanced = step_time(base[turn], hit, reads[turn], stored, kept)[1]
            short = (balanced - hits[turn]) / max(1.0, reads[turn] - balanced)
            eager = min(max(eager - pull * short, 0.0), _MOST_TOLL)
        made = _drop(turn, listed, who, key, fresh, held, counts[:top], room - kept, moves, made)
    return hits, stores, made


@njit(cache=True)  # type: ignore[untyped-decorator]
def _urgent(
    listed: int,
    who: Array,
    key: Array,
    rank: Array,
    fresh: Array,
    near_next: Array,
    held: Array,
    taken: Array,
    room: int,
    kept: int,
    target: float,
) -> int:
    """Store, beyond the ``kept`` already, blocks that the next turn reads until it finds ``target``; how many (key -2)."""
    ready, sure = 0, 0
    for n in range(listed):
        if held[who[n]]:
            ready += near_next[n]
            sure += near_next[n] and not fresh[n]
    missing = min(int(target) - ready, room - kept - sure)
    if missing <= 0:
        return 0
    for n in range(listed):
        if fresh[n] and near_next[n] and not held[who[n]]:
            taken[rank[n]] += 1
    last_rank, over = _cut(taken, missing)
    taken[:] = 0
    added = 0
    for n in range(listed):
        if not near_next[n]:
            continue
        if not fresh[n]:
            key[n] = 0  # stays: it is one of those that the next turn reads
        elif not held[who[n]] and (rank[n] < last_rank or (rank[n] == last_rank and over > 0)):
            over -= rank[n] == last_rank
            held[who[n]] = True
            key[n] = -2
            added += 1
    return added


@njit(cache=True)  # type: ignore[untyped-decorator]
def _turn_to(
    b: int,
    run: int,
    end: int,
    first: Array,
    last: Array,
    level: Array,
    worth: Array,
    opens: Array,
    closes: Array,
    grade: Array,
    value: Array,
    turns: int,
) -> None:
    """Make a run the present one of its block; turns past the last where there is none."""
    if run == end:
        opens[b] = closes[b] = turns
        return
    opens[b], closes[b] = first[run], last[run]
    if len(level) > 0:
        grade[b] = level[run]
    if len(worth) > 0:
        value[b] = worth[run]


@njit(cache=True)  # type: ignore[untyped-decorator]
def _note(moves: Array, made: int, turn: int, block: int, kind: int) -> int:
    """One more move, written down if there is room."""
    if made < moves.shape[1]:
        moves[0, made], moves[1, made], moves[2, made] = turn, block, kind
    return made + 1


@njit(cache=True)  # type: ignore[untyped-decorator]
def _drop(
    turn: int,
    listed: int,
    who: Array,
    key: Array,
    fresh: Array,
    held: Array,
    counts: Array,
    room: int,
    moves: Array,
    made: int,
) -> int:
    """Of the blocks held before, keep as many as there is room for, the most wanted first; the number of moves by then."""
    for n in range(listed):
        if not fresh[n]:
            counts[key[n]] += 1
    edge, rest = _cut(counts, room)
    counts[:] = 0
    for n in range(listed):
        if not fresh[n] and key[n] >= edge:
            if key[n] == edge and rest > 0:
                rest -= 1
                continue
            held[who[n]] = False
            made = _note(moves, made, turn, who[n], 0)
    return made
