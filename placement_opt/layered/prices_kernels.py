"""Cheapest paths of sampled blocks at prices that are the same for all steps of a turn, and what they load: the loop."""

from __future__ import annotations

import numpy as np

from placement_opt.base.arrays import Array
from placement_opt.base.compiled import njit

#: Blocks side by side, so that one instruction serves several; what is known of a block at a turn, in bits: the turn reads it,
#: may store it (it reads or produces it), it is worth keeping from there on, and worth storing.
_WIDE = 64
_READ, _NEAR, _KEEP, _STORE = 1, 2, 4, 8


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
    known = np.empty((turns, _WIDE), dtype=np.uint8)
    worth, held = np.empty(_WIDE), np.empty(_WIDE, dtype=np.uint8)
    for low in range(0, len(birth), _WIDE):
        known[:] = 0
        worth[:] = 0.0
        some = min(_WIDE, len(birth) - low)
        for k in range(some):
            if birth[low + k] >= 0:
                known[birth[low + k], k] = _NEAR
            for n in range(start[low + k], start[low + k + 1]):
                for turn in range(first[n], last[n] + 1):
                    known[turn, k] = _READ | _NEAR
        for turn in range(turns - 1, -1, -1):
            _backwards(known[turn], worth, slow[turn] - fast[turn], write[turn], rent[turn])
        for k in range(_WIDE):
            held[k] = k < some and birth[low + k] < 0 and worth[k] > 0.0
        for turn in range(turns):
            _forwards(known[turn], held, counts, turn)
    return counts


@njit(cache=True)  # type: ignore[untyped-decorator]
def _backwards(known: Array, worth: Array, gain: float, write: float, rent: float) -> None:
    """From what lying in the fast tier is worth after a turn to what it is before; what that says goes into ``known``."""
    for k in range(_WIDE):
        later, bits = worth[k], known[k]
        kept = later if later > 0.0 else 0.0
        read = gain + (kept if kept < write else write) - rent
        known[k] = bits | (_KEEP if later > 0.0 else 0) | (_STORE if later > write else 0)
        worth[k] = read if bits & _READ else kept - rent


@njit(cache=True)  # type: ignore[untyped-decorator]
def _forwards(known: Array, held: Array, counts: Array, turn: int) -> None:
    """Count what a turn does with blocks that are held (1) or not (0) when it begins, and move on."""
    slow = fast = stores = lying = 0
    for k in range(_WIDE):
        bits, here = known[k], held[k]
        read, stored = bits & _READ, (bits >> 1) & (bits >> 3) & (here ^ 1)
        slow += read & (here ^ 1)
        fast += read & here
        stores += stored
        lying += here
        held[k] = (here & (bits >> 2) & 1) | stored
    counts[0, turn] += slow
    counts[1, turn] += fast
    counts[2, turn] += stores
    counts[3, turn] += lying


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
