"""One layer of the drift generator as runs, drawn in one loop; its twin is :func:`.drift.layer_reads`.

Numbers are those that ``numpy.random.default_rng`` draws (PCG64) and its ``choice`` makes of them, bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from placement_opt.base.arrays import Array
from placement_opt.base.compiled import njit

_LOW, _HALF, _ONE = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(1)
#: Of PCG64: the multiplier in two words, and where the turn of a word is found.
_HIGH_FACTOR, _LOW_FACTOR = np.uint64(0x2360ED051FC65DA4), np.uint64(0x4385DF649FCCF645)
_TURNED_BY, _WORD = np.uint64(58), np.uint64(63)
#: Of ``choice`` without shuffling: from larger populations a share of more than one in so many is shuffled to the end.
_LARGE, _SHARE = 10_000, 20


@njit(cache=True)  # type: ignore[untyped-decorator]
def _next(stream: Array) -> Any:
    """32 bits. ``stream`` uint64[6]: state and increment, high word first, whether half a number is left, and that half."""
    if stream[4] != 0:
        stream[4] = 0
        return stream[5]
    high, low = stream[0], stream[1]
    # 64 x 64 -> 128 bits of low times the factor's low word, by halves
    a, b, c, d = low >> _HALF, low & _LOW, _LOW_FACTOR >> _HALF, _LOW_FACTOR & _LOW
    middle = a * d + ((b * d) >> _HALF)
    rest = (middle & _LOW) + b * c
    carried = a * c + (middle >> _HALF) + (rest >> _HALF)
    high = high * _LOW_FACTOR + low * _HIGH_FACTOR + carried + stream[2]
    low = low * _LOW_FACTOR + stream[3]
    if low < stream[3]:
        high += _ONE
    stream[0], stream[1] = high, low
    word, turned = high ^ low, high >> _TURNED_BY
    word = (word >> turned) | (word << ((~turned + _ONE) & _WORD))
    stream[4], stream[5] = _ONE, word >> _HALF
    return word & _LOW


@njit(cache=True)  # type: ignore[untyped-decorator]
def _up_to(most: int, stream: Array) -> Any:
    """A number from 0 to ``most``, both included, all equally likely."""
    if most == 0:
        return 0
    count = np.uint64(most + 1)
    drawn = _next(stream) * count
    if drawn & _LOW < count:
        least = (_LOW - np.uint64(most)) % count
        while drawn & _LOW < least:
            drawn = _next(stream) * count
    return np.int64(drawn >> _HALF)


@njit(cache=True)  # type: ignore[untyped-decorator]
def choice(some: Array, count: int, marks: Array, stream: Array) -> None:
    """Bring ``count`` of the entries, drawn at random, to the end of ``some``; the others are lost.

    ``marks`` bool[> len(some)]: False before and after.
    """
    size = len(some)
    if size > _LARGE and count > size // _SHARE:
        for i in range(size - 1, max(size - count, 1) - 1, -1):
            j = _up_to(i, stream)
            some[i], some[j] = some[j], some[i]
        return
    # Floyd's way: places, then what lies at them
    places = np.empty(count, dtype=np.int64)
    for j in range(size - count, size):
        place = _up_to(j, stream)
        if marks[place]:
            place = j
        marks[place] = True
        places[j - size + count] = place
    for n in range(count):
        marks[places[n]] = False
        places[n] = some[places[n]]
    some[size - count :] = places


@njit(cache=True)  # type: ignore[untyped-decorator]
def _listed(reading: Array, low: int, high: int, wanted: bool, out: Array) -> int:
    """The tokens low .. high - 1 that are read, or that are not; how many."""
    count = 0
    for token in range(low, high):
        out[count] = token
        count += reading[token] == wanted
    return count


@njit(cache=True)  # type: ignore[untyped-decorator]
def _oldest(reading: Array, wanted: int, out: Array) -> None:
    """The first tokens that are read, so many; no branch depends on which these are."""
    count, token = 0, 0
    while count < wanted:
        out[count] = token
        count += reading[token]
        token += 1


@njit(cache=True)  # type: ignore[untyped-decorator]
def draw(
    low: int,
    high: int,
    prefill: int,
    wants: Array,
    oldest: Array,
    swaps: Array,
    leave_oldest: bool,
    stream: Array,
    reading: Array,
    opened: Array,
    marks: Array,
    held: int,
    out: Array,
    filled: int,
) -> tuple[int, int, int]:
    """Turns ``low .. high - 1``, or until the runs that end might not fit: (turn reached, tokens read, runs filled).

    ``wants`` and ``oldest`` int64[N]: tokens that each turn wants to read, and the oldest that may enter; ``swaps`` int64[.]:
    how many are swapped by the size of the set. ``reading`` bool[B], ``opened`` int32[B]: which tokens are read, and since
    when; ``marks`` as :func:`choice` wants it. Runs that ended are written to ``out`` int32[3, .] as (token, first, last).
    """
    free = np.empty(len(reading) + 1, dtype=np.int64)
    old = np.empty(len(reading) + 1, dtype=np.int64)
    for turn in range(low, high):
        if out.shape[1] < filled + len(reading):
            return turn, held, filled
        end, swap = prefill + turn, swaps[held]
        count = _listed(reading, oldest[turn], end, False, free)
        grown = min(wants[turn] - held, count)
        if grown > 0:
            choice(free[:count], grown, marks, stream)
            for n in range(count - grown, count):
                reading[free[n]], opened[free[n]] = True, turn
            held += grown
            count = _listed(reading, oldest[turn], end, False, free)
        swap = min(swap, count)
        choice(free[:count], swap, marks, stream)
        if leave_oldest:
            _oldest(reading, swap, old)
        else:
            choice(old[: _listed(reading, 0, end, True, old)], swap, marks, stream)
        begin = 0 if leave_oldest else held - swap
        for token in old[begin : begin + swap]:
            reading[token] = False
            out[0, filled], out[1, filled], out[2, filled] = token, opened[token], turn - 1
            filled += opened[token] < turn
        for n in range(count - swap, count):
            reading[free[n]], opened[free[n]] = True, turn
    return high, held, filled
