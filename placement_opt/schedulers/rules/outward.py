"""Rules that move out what was skipped, from what was seen."""

from __future__ import annotations

import numpy as np

from placement_opt.schedulers.rules.board import Board

#: Of the source: tokens that leave at once.
TOKENS = 32


def none(board: Board) -> None:
    """NoMigration."""
    del board


def prior(board: Board) -> None:
    """PriorMigration: when the tier is full, the first 32 tokens that are there leave, in all layers."""
    if board.is_full:
        there = np.unique(board.token[board.inside])[:TOKENS]
        board.demote(board.oldest_first(board.of_tokens(there)))


def skipped(board: Board) -> None:
    """SkippedTokensMigration: when the tier is full, the tokens that this step skips leave, in all layers."""
    if board.is_full:
        board.demote(board.oldest_first(board.of_tokens(board.token[board.own & (board.last < board.tick)])))


def window(board: Board) -> None:
    """PastWindowMigration: tokens that any of the last 16 steps skipped leave, in all layers."""
    first = max(0, board.tick - board.numbers.window + 1)
    steady = (board.last == board.tick) & ((board.since <= first) | (board.since == board.born))
    board.demote(board.oldest_first(board.of_tokens(board.token[board.own & ~steady])))
