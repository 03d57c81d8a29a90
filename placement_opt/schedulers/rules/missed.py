"""Rules that bring in what was just read and missed; the bytes are at the processor."""

from __future__ import annotations

import numpy as np

from placement_opt.schedulers.rules.board import Board


def reactive(board: Board) -> None:
    """NormalMigration: whatever was missed; when the tier is full, the oldest of the layer make way one by one. The code's loop
    has no break, so that all of the layer leave, what was just stored among them."""
    missed = board.oldest_first(board.own_reads & ~board.inside)
    if not board.slips("migrate"):
        board.promote(missed, board.oldest_first(board.own & board.inside & ~board.read))
        return
    for block in missed.tolist():
        if board.size[block] > board.free:
            board.demote(board.oldest_first(board.own & board.inside))
        board.promote(np.array([block]))


def just_in_time(board: Board) -> None:
    """JITMigration: whatever was missed; random victims among what the layer did not use in this step."""
    spare = np.flatnonzero(board.own & board.inside & ~board.read)
    board.promote(board.oldest_first(board.own_reads & ~board.inside), board.rng.permutation(spare))
