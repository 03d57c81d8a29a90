"""Cheapest paths of sampled blocks at prices that are the same for all steps of a turn, and what they load: the loop."""

from __future__ import annotations

import numpy as np

from placement_opt.base.arrays import Array
from placement_opt.base.compiled import njit


@njit(cache=True)  # type: ignore[untyped-decorator]
def path_counts(
    birth: Array, start: Array, first: Array, last: Array, slow: Array, fast: Array, write: Array, rent: Array
) -> Array:
    """int64[4, N]: blocks that each turn reads from home, reads from the fast tier, stores there, and finds held there.

    ``slow``, ``fast`` and ``write`` float64[N]: cost of a read from either tier and of a store in passing; ``rent`` float64[N]:
    of lying in the fast tier when a turn begins. Per block the worth of lying there is found backwards: ``worth[n]`` is what it
    saves from turn n on, the rent of turn n paid. Stored is what is worth more than the write, kept what is worth anything; the
    start is free.
    """
    turns = len(slow)
    counts = np.zeros((4, turns), dtype=np.int64)
    worth = np.zeros(turns + 1)
    for b in range(len(birth)):
        turn = turns - 1
        for n in range(start[b + 1] - 1, start[b] - 1, -1):
            while turn > last[n]:
                worth[turn] = max(0.0, worth[turn + 1]) - rent[turn]
                turn -= 1
            while turn >= first[n]:
                worth[turn] = slow[turn] - fast[turn] + min(max(worth[turn + 1], 0.0), write[turn]) - rent[turn]
                turn -= 1
        while turn > birth[b]:
            worth[turn] = max(0.0, worth[turn + 1]) - rent[turn]
            turn -= 1
        held = worth[turn + 1] > 0.0
        if birth[b] >= 0:
            held = worth[turn + 1] > write[turn]
            counts[2, turn] += held
        turn += 1
        for n in range(start[b], start[b + 1]):
            while turn < first[n]:
                counts[3, turn] += held
                held = held and worth[turn + 1] > 0.0
                turn += 1
            while turn <= last[n]:
                counts[3, turn] += held
                if held:
                    counts[1, turn] += 1
                    held = worth[turn + 1] > 0.0
                else:
                    counts[0, turn] += 1
                    held = worth[turn + 1] > write[turn]
                    counts[2, turn] += held
                turn += 1
    return counts


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
