"""Rules that know the next step of the layer."""

from __future__ import annotations

import numpy as np

from placement_opt.schedulers.rules.board import Board


def skipped_next(board: Board) -> None:
    """LookAheadMigration: the tokens that the next step skips leave, in all layers; any others come while there is room."""
    own = np.flatnonzero(board.own)
    skipped = board.of_tokens(board.token[own[~board.ahead.soon(own)]])
    board.demote(board.oldest_first(skipped))
    board.promote(board.oldest_first(board.alive & ~skipped & ~board.inside))


def skipped_batch(board: Board) -> None:
    """LookAheadBatchMigration: what all of the next 16 steps skip leaves, what they do not comes while there is room, in this
    layer alone; the code takes the present step's list for all of them."""
    own = board.oldest_first(board.own)
    needed = board.read[own] if board.slips("migrate") else board.ahead.soon(own, board.numbers.window)
    board.demote(own[~needed])
    board.promote(own[needed])


def balanced(board: Board) -> None:
    """AlphaMigration: as much as lets both sides of the next step finish together. Above it the oldest that are read next
    leave; below it the newest come, and what is not read next makes way."""
    own = board.oldest_first(board.own)
    needed = own[board.ahead.soon(own)]
    target = board.alpha * float(board.size[needed].sum()) - board.kept_back
    there = needed[board.inside[needed]]
    excess = float(board.size[there].sum()) - target
    if excess > 0:
        board.demote(there[: int(np.searchsorted(np.cumsum(board.size[there]), excess, side="right"))])
    else:
        missing = needed[~board.inside[needed]][::-1]
        spare = own[board.inside[own]]
        coming = missing[np.cumsum(board.size[missing]) <= -excess]
        board.promote(coming, spare[~board.ahead.soon(spare)])


def paid_for(board: Board) -> None:
    """LookAheadOneMigration, first version: towards the same amount, but only what is read now and next comes, as its read is
    paid for, and only what is read now and not next makes way. Nothing leaves for balance."""
    own = board.oldest_first(board.own)
    soon = board.ahead.soon(own)
    needed, now = own[soon], own[board.read[own]]
    there = needed[board.inside[needed]]
    lacking = board.alpha * float(board.size[needed].sum()) - board.kept_back - float(board.size[there].sum())
    coming = now[board.ahead.soon(now) & ~board.inside[now]]
    coming = coming[np.cumsum(board.size[coming]) <= lacking]
    board.promote(coming, now[~board.ahead.soon(now) & board.inside[now]])


def everything(board: Board) -> None:
    """LookAheadOneMigration, second version: all that the next step needs; random victims among what it does not."""
    own = board.oldest_first(board.own)
    soon = board.ahead.soon(own)
    board.promote(own[soon], board.rng.permutation(own[~soon & board.inside[own]]))
