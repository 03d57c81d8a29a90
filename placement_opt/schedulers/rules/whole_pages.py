"""Rules that move whole pages for the next step of the layer."""

from __future__ import annotations

import numpy as np

from placement_opt.base.arrays import Flags
from placement_opt.play.protocol import Ids
from placement_opt.schedulers.rules.board import Board


def all_layers(board: Board) -> None:
    """PageMigration, first version: a missed token of the next step brings its page in all layers; the pages of lowest number
    older than it make way, and where they do not suffice it stays out."""
    page = board.token // board.numbers.page
    for number in _missed(board, page).tolist():
        members = board.alive & (page == number)
        held = board.oldest_first(board.inside & (page < number) & ~members)
        _bring(board, members, held, page)


def own_layer(board: Board) -> None:
    """PageMigration, second version: pages of this layer alone; random ones that this step did not touch make way."""
    page = board.token // board.numbers.page
    for number in _missed(board, page).tolist():
        inside = board.own & board.inside
        touched = np.unique(page[board.own & board.read])
        idle = np.setdiff1d(np.unique(page[inside]), np.append(touched, number))
        order = board.rng.permutation(idle)
        rank = np.full(int(page.max(initial=0)) + 1, -1, dtype=np.int64)
        rank[order] = np.arange(len(order))
        held = np.flatnonzero(inside)
        held = held[rank[page[held]] >= 0]
        _bring(board, board.own & (page == number), held[np.argsort(rank[page[held]], kind="stable")], page)


def _missed(board: Board, page: Ids) -> Ids:
    own = np.flatnonzero(board.own & ~board.inside)
    return np.unique(page[own[board.ahead.soon(own)]])


def _bring(board: Board, members: Flags, held: Ids, page: Ids) -> None:
    """Whole pages of ``held``, in their order, make way for what is missing of a page, if that suffices."""
    coming = board.oldest_first(members & ~board.inside)
    lacking = int(board.size[coming].sum()) - board.free
    victims = held[:0]
    if lacking > 0:
        total = np.cumsum(board.size[held])
        if not len(held) or total[-1] < lacking:
            return
        last = page[held[int(np.searchsorted(total, lacking))]]
        victims = held[: int(np.flatnonzero(page[held] == last)[-1]) + 1]
    board.demote(victims)
    board.promote(coming)
