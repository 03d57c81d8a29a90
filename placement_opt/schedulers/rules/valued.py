"""Rules that rank blocks by their reads to come."""

from __future__ import annotations

import math

import numpy as np

from placement_opt.schedulers.rules.board import Board

#: Of the source: steps whose reads are counted.
COUNTED = 100


def slack(board: Board) -> None:
    """OnlineAdaptiveMigration: blocks by their reads in the next 100 steps, divided by two if they have to be read for it, come
    within the time that the faster side of this step's reads waits for the slower: as many bytes as the fastest tier writes
    then where the others are slower, else as many as they read. In the code what is spent counts twice: half is used."""
    reads, rate, other = board.own_reads, board.rates[0], board.rates[1]
    near, far = (float(board.size[reads & side].sum()) for side in (board.inside, ~board.inside))
    waiting = (far / other if other else 0.0) - near / rate
    budget = rate * waiting if waiting > 0 else -other * waiting
    own = np.flatnonzero(board.own & ~board.inside)
    value = board.ahead.count(own, COUNTED) / np.where(board.read[own], 1.0, 2.0)
    ranked = np.lexsort((board.token[own], board.size[own], -value))
    own, value = own[ranked], value[ranked]
    # what is read now need not be read for it, and is no burden where reads are what is short
    spent = np.where(board.read[own] & (waiting <= 0), 0, board.size[own])
    used = np.cumsum(spent) * (2 if board.slips("migrate") else 1)
    spare = np.flatnonzero(board.own & board.inside & ~board.read)
    board.promote(own[(value > 0) & (used <= budget)], board.rng.permutation(spare))


def soon(board: Board) -> None:
    """SAMigration: of what was read, missed and is read again within the window the first share by the sum of 1/offset; what is
    not read within it makes way. ``sa`` finds window and share by annealing, as the source does."""
    missed = board.oldest_first(board.own_reads & ~board.inside)
    score = board.ahead.closeness(missed, board.numbers.window)
    ranked = missed[np.argsort(-score, kind="stable")][: math.ceil(board.numbers.ratio * np.count_nonzero(score))]
    spare = board.oldest_first(board.own & board.inside)
    board.promote(ranked, spare[~board.ahead.soon(spare, board.numbers.window)])
