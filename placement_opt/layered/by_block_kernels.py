"""One layer's schedule, block after block: each does what is cheapest for it at prices that answer to those before it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from placement_opt.base.arrays import Array
from placement_opt.base.compiled import njit
from placement_opt.layered.prices_kernels import WIDE, forwards, judge

_WORDS = WIDE // 8
#: Where a move of one number has its turn (counted from 1, 0: the start) and its block; the lowest bit: stored, not dropped.
TURN, BLOCK = 32, 1
_NO_TURN = (1 << TURN) - 1


class Costs(NamedTuple):
    """Of the two resources that share the price: float64[2] seconds of a slow read, a fast read and a store of a block;
    float64[N, 2] of all that a turn loads besides, ``whole`` float64[N] of a turn, ``top`` the largest price of the first."""

    slow: Array
    fast: Array
    write: Array
    fixed: Array
    whole: Array
    top: float


class Answering(NamedTuple):
    """``theta`` and ``rent`` float64[N]: prices to begin with, as :class:`placement_opt.layered.prices.Worths` has them.

    theta falls by ``pull`` times the share of a turn by which slow reads take longer than the rest, plus ``margin``; rents rise
    by ``push`` units times the share of the room that is held beyond what there is.
    """

    theta: Array
    rent: Array
    unit: float
    pull: float
    push: float
    margin: float


@njit(cache=True)  # type: ignore[untyped-decorator]
def settle(counts: Array, costs: Costs, answering: Answering, part: float, room: int, least: Array, prices: Array) -> None:
    """Prices for the next blocks after a ``part`` of all, ``prices`` float64[3, N]: what a fast read saves, what a store costs,
    and rents. ``least`` float64[2]: shares of a store that a read saves and a turn costs at least."""
    slow, fast, write = costs.slow, costs.fast, costs.write
    for t in range(len(costs.whole)):
        ahead = part * (costs.fixed[t, 1] - costs.fixed[t, 0]) + counts[0, t] * (slow[1] - slow[0])
        ahead += counts[1, t] * (fast[1] - fast[0]) + counts[2, t] * (write[1] - write[0])
        theta = answering.theta[t] - answering.pull * (ahead / costs.whole[t] + answering.margin * part)
        theta = min(max(theta, 0.0), costs.top)
        store = theta * write[0] + (1.0 - theta) * write[1]
        gain = theta * (slow[0] - fast[0]) + (1.0 - theta) * (slow[1] - fast[1])
        over = (counts[3, t] - part * room) / room
        prices[0, t] = max(gain, least[0] * store)
        prices[1, t] = store
        prices[2, t] = max(answering.rent[t] + answering.push * answering.unit * over, least[1] * store)


@njit(cache=True)  # type: ignore[untyped-decorator]
def follow(
    blocks: Array,
    birth: Array,
    start: Array,
    first: Array,
    last: Array,
    prices: Array,
    room: int,
    counts: Array,
    known: Array,
    moves: Array,
    made: int,
) -> int:
    """Let up to :data:`WIDE` blocks go their cheapest ways as far as there is room; moves written down by then.

    ``counts`` int64[4, N + 1] as :func:`placement_opt.layered.prices_kernels.path_counts` has them, of all blocks so far; of
    the end only what is held. ``moves`` int64[.] takes a number each; without any length it takes none.
    """
    turns = prices.shape[1]
    worth, held = np.empty(WIDE), np.zeros(WIDE, dtype=np.uint8)
    words, here = known.reshape(-1).view(np.uint64), held.view(np.uint64)
    judge(blocks, birth, start, first, last, prices[0], prices[1], prices[2], known, worth)
    total = 0
    for k in range(len(blocks)):
        if birth[blocks[k]] < 0 and worth[k] > 0.0 and counts[3, 0] + total < room:
            held[k] = 1
            total += 1
            if len(moves) > 0:
                moves[made] = np.int64(blocks[k]) << BLOCK | 1
                made += 1
    for turn in range(turns):
        total = forwards(words[turn * _WORDS : (turn + 1) * _WORDS], here, counts, turn)
        over = counts[3, turn + 1] + total - room
        if over > 0:
            _let_go(known[turn], held, counts, turn, over)
    return _noted(blocks, known, words[: turns * _WORDS], moves, made) if len(moves) > 0 else made


@njit(cache=True)  # type: ignore[untyped-decorator]
def put_in_order(moves: Array, together: int, turns: int) -> None:
    """Sort the moves of all blocks, those of the blocks n, n + ``together``, ... one n after the other and each of them in the
    order of their turns: counted into the places of their blocks among those, and from there into turns."""
    spare = np.empty_like(moves)
    ends = np.zeros(WIDE + 1, dtype=np.int64)
    for move in moves:
        ends[((move & _NO_TURN) >> BLOCK) // together + 1] += 1
    ends = np.cumsum(ends)
    for move in moves:
        place = ((move & _NO_TURN) >> BLOCK) // together
        spare[ends[place]] = move
        ends[place] += 1
    ends = np.zeros(turns + 3, dtype=np.int64)
    for move in moves:
        ends[(move >> TURN) + 1] += 1
    ends = np.cumsum(ends)
    for move in spare:
        moves[ends[move >> TURN]] = move
        ends[move >> TURN] += 1


@njit(cache=True)  # type: ignore[untyped-decorator]
def _let_go(moved: Array, held: Array, counts: Array, turn: int, over: int) -> None:
    """Hold so many blocks less after a turn, of those just stored first."""
    for stored in (1, 0):
        for k in range(WIDE):
            if over > 0 and held[k] and (moved[k] & 1) == stored:
                held[k], moved[k] = 0, 0 if stored else 2
                counts[2, turn] -= stored
                over -= 1


@njit(cache=True)  # type: ignore[untyped-decorator]
def _noted(blocks: Array, known: Array, words: Array, moves: Array, made: int) -> int:
    """Write the moves of some blocks down."""
    for w in range(len(words)):
        if words[w] == 0:
            continue
        turn, low = w // _WORDS, 8 * (w % _WORDS)
        for k in range(low, low + 8):
            if known[turn, k]:
                moves[made] = np.int64(turn + 1) << TURN | np.int64(blocks[k]) << BLOCK | np.int64(known[turn, k] & 1)
                made += 1
    return made
