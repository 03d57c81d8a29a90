"""Cheapest paths of sampled blocks at prices that are the same for all steps of a turn, and what they load: the loop."""

from __future__ import annotations

from typing import Any

import numpy as np

from placement_opt.base.arrays import Array
from placement_opt.base.compiled import njit

#: Blocks side by side, so that one instruction serves several, and words of 8 of them.
WIDE = 64
_WORDS = WIDE // 8
#: What is known of a block at a turn, in bits: the turn reads it, may store it (it reads or produces it), it is worth keeping
#: from there on, and worth storing; it is read from here on where it was not, or no more where it was.
_READ, _NEAR, _KEEP, _STORE, _TURNS = 1, 2, 4, 8, 16
#: The lowest bit of each of eight bytes, which are added up in the highest by a product.
_ONES, _TOP = np.uint64(0x0101010101010101), np.uint64(56)
_ONE, _TWO, _THREE = np.uint64(1), np.uint64(2), np.uint64(3)


@njit(cache=True)  # type: ignore[untyped-decorator]
def path_counts(
    birth: Array, start: Array, first: Array, last: Array, slow: Array, fast: Array, write: Array, rent: Array
) -> Array:
    """int64[4, N]: blocks that each turn reads from home, reads from the fast tier, stores there, and finds held there.

    ``slow``, ``fast`` and ``write`` float64[N]: cost of a read from either tier and of a store in passing; ``rent`` float64[N]:
    of lying in the fast tier when a turn begins. Per block the worth of lying there is found backwards: what it saves from a
    turn on, the rent of that turn paid. Stored is what is worth more than the write, kept what is worth anything; the start is
    free.
    """
    turns = len(slow)
    counts = np.zeros((4, turns), dtype=np.int64)
    known = np.empty((turns + 1, WIDE), dtype=np.uint8)
    words = known.reshape(-1).view(np.uint64)
    worth, held, gain = np.empty(WIDE), np.empty(WIDE, dtype=np.uint8), slow - fast
    for low in range(0, len(birth), WIDE):
        some = np.arange(low, min(low + WIDE, len(birth)))
        judge(some, birth, start, first, last, gain, write, rent, known, worth)
        for k in range(WIDE):
            held[k] = k < len(some) and birth[low + k] < 0 and worth[k] > 0.0
        here = held.view(np.uint64)
        for turn in range(turns):
            forwards(words[turn * _WORDS : (turn + 1) * _WORDS], here, counts, turn)
    return counts


@njit(cache=True)  # type: ignore[untyped-decorator]
def judge(
    blocks: Array,
    birth: Array,
    start: Array,
    first: Array,
    last: Array,
    gain: Array,
    write: Array,
    rent: Array,
    known: Array,
    worth: Array,
) -> None:
    """What up to :data:`WIDE` blocks are worth at each turn goes into ``known`` uint8[N + 1, .], in the end into ``worth``."""
    known[:] = 0
    worth[:] = 0.0
    for k in range(len(blocks)):
        b = blocks[k]
        for n in range(start[b], start[b + 1]):
            known[first[n], k] = _TURNS
            known[last[n] + 1, k] = _TURNS
        if birth[b] >= 0:
            known[birth[b], k] |= _NEAR
    reading = known[len(gain)] // _TURNS
    for turn in range(len(gain) - 1, -1, -1):
        _read_or_not(known[turn], reading)
        _backwards(known[turn], worth, gain[turn], write[turn], rent[turn])


@njit(cache=True)  # type: ignore[untyped-decorator]
def _read_or_not(known: Array, reading: Array) -> None:
    """Whether blocks are read at a turn, from whether they are (1) or not (0) at the end of it; then whether before it."""
    for k in range(WIDE):
        bits, here = known[k], reading[k]
        known[k] = (bits & _NEAR) | (here * (_READ | _NEAR))
        reading[k] = here ^ (bits // _TURNS)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _backwards(known: Array, worth: Array, gain: float, write: float, rent: float) -> None:
    """From what lying in the fast tier is worth after a turn to what it is before; what that says goes into ``known``."""
    for k in range(WIDE):
        later, bits = worth[k], known[k]
        kept = later if later > 0.0 else 0.0
        read = gain + (kept if kept < write else write) - rent
        known[k] = bits | (_KEEP if later > 0.0 else 0) | (_STORE if later > write else 0)
        worth[k] = read if bits & _READ else kept - rent


@njit(cache=True)  # type: ignore[untyped-decorator]
def forwards(known: Array, held: Array, counts: Array, turn: int) -> Any:
    """Count what a turn does with blocks that are held (1) or not (0) when it begins, and move on; how many are held then.

    Eight blocks a word. ``counts`` [4, .] as :func:`path_counts`; ``known`` becomes 1 where a block is stored, 2 where it goes.
    """
    slow = fast = stores = before = after = np.uint64(0)
    for w in range(_WORDS):
        bits, here = known[w], held[w]
        read = bits & _ONES
        stored = (bits >> _ONE) & (bits >> _THREE) & ~here & _ONES
        there = (here & (bits >> _TWO)) | stored
        known[w] = stored | (here & ~there) << _ONE
        held[w] = there
        slow += read & ~here
        fast += read & here
        stores += stored
        before += here
        after += there
    counts[0, turn] += np.int64((slow * _ONES) >> _TOP)
    counts[1, turn] += np.int64((fast * _ONES) >> _TOP)
    counts[2, turn] += np.int64((stores * _ONES) >> _TOP)
    counts[3, turn] += np.int64((before * _ONES) >> _TOP)
    return np.int64((after * _ONES) >> _TOP)


@njit(cache=True)  # type: ignore[untyped-decorator]
def worth_at_end(start: Array, first: Array, last: Array, gain: Array, write: Array, gains: Array, rents: Array) -> Array:
    """float32[M]: what lying in the fast tier saves when the last read of each run begins.

    ``gain`` float64[N]: what a read saves; ``gains`` and ``rents`` float64[N + 1]: sums over the turns before each.
    """
    worth = np.empty(len(first), dtype=np.float32)
    for b in range(len(start) - 1):
        later = 0.0
        for n in range(start[b + 1] - 1, start[b] - 1, -1):
            end = last[n]
            if n + 1 < start[b + 1]:
                later = worth_in_run(worth[n + 1], first[n + 1], last[n + 1], gain, write, gains, rents)
                later -= rents[first[n + 1] + 1] - rents[end + 1]
            worth[n] = gain[end] + min(max(later, 0.0), write[end])
    return worth


@njit(cache=True)  # type: ignore[untyped-decorator]
def worth_in_run(at_end: float, turn: int, end: int, gain: Array, write: Array, gains: Array, rents: Array) -> float:
    """What lying in the fast tier saves when a turn of a run begins: the value at the run's end, carried back.

    Exact where prices are constant; where they change, it is close, which is all that choosing blocks needs.
    """
    carried: float = at_end + (gains[end] - gains[turn]) - (rents[end + 1] - rents[turn + 1])
    worth: float = min(max(carried, gain[turn]), gain[turn] + write[turn])
    return worth
