"""One layer's schedule, turn after turn, from its runs: who stays in the fast tier, and who is stored there in passing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from placement_opt.base.arrays import Array
from placement_opt.base.compiled import njit
from placement_opt.layered.choose_kernels import AWAY, FOLLOW, Listing, Loads, State, choose, look_ahead
from placement_opt.layered.prices_kernels import worth_in_run

#: Waits beyond this many turns are not told apart, nor numbers of reads beyond 2**15.
_WAITS, _LEVELS = 2048, 16
_KEYS = _WAITS * _LEVELS


class Wanted(NamedTuple):
    """What tells blocks apart: ``level`` int8[M] of each run, or ``worth`` float32[M] with the prices that it was made with."""

    level: Array
    worth: Array
    gain: Array
    write: Array
    gains: Array
    rents: Array


def new_listing(blocks: int) -> Listing:
    """Room for every block."""
    who, key, rank, lag = np.empty((4, blocks), dtype=np.int64)
    fresh, turned = np.empty((2, blocks), dtype=np.bool_)
    return Listing(who, key, rank, lag, fresh, turned, np.empty(blocks, dtype=np.int8), np.zeros(_KEYS, dtype=np.int64))


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
        kept, total = choose(turn, listed, top, room, stretch, loads, state, listing)
        if ahead > 0 and 0 <= turn < turns - 1:
            kept = look_ahead(turn, listed, top, room, kept, total, ahead, loads, state, listing)
        if turn >= 0:
            state.stores[turn] = kept
            state.usual[2, 0] += FOLLOW * (kept - state.usual[2, 0])
        for n in range(listed):
            inside = listing.fate[n] != AWAY
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
