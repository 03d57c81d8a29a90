"""Whether what a step produces goes to the fastest tier: bool for each birth."""

from __future__ import annotations

import numpy as np

from placement_opt.base.arrays import Flags
from placement_opt.play.protocol import Ids
from placement_opt.schedulers.rules.board import Board

#: Of the source: tokens in a batch, steps looked ahead, and steps that read nothing of a layer until it is unimportant.
BATCH, FAR, IDLE = 16, 1024, 50


def fast(board: Board, births: Ids) -> Flags:
    """PreferHBM: wherever there is room."""
    del board
    return np.ones(len(births), dtype=bool)


def pages(board: Board, births: Ids) -> Flags:
    """PreferHBMPaged, first version: the first token of a page asks for room for it in all layers; the rest follows."""
    return _paged(board, births, len(board.count))


def own_pages(board: Board, births: Ids) -> Flags:
    """PreferHBMPaged, second version: the same, each layer for itself."""
    return _paged(board, births, 1)


def _paged(board: Board, births: Ids, layers: int) -> Flags:
    """Which births belong to pages that were promised room, of which what is left is kept from other pages."""
    wanted, left = np.zeros(len(births), dtype=bool), board.free - sum(board.pages.values())
    for n, (block, token) in enumerate(zip(births.tolist(), board.token[births].tolist(), strict=True)):
        number, size = token // board.numbers.page, int(board.size[block])
        key = (-1 if layers > 1 else int(board.layer[block]), number)
        whole = size * board.numbers.page * layers
        if token % board.numbers.page == 0 and key not in board.pages and whole <= left:
            board.pages[key] = whole
            left -= whole
        wanted[n] = board.pages.get(key, 0) > 0
        if wanted[n]:
            board.pages[key] = max(0, board.pages[key] - size)
    return wanted


def layers(board: Board, births: Ids) -> Flags:
    """SplitToken: layers up to floor(L alpha)."""
    return np.asarray(board.layer[births] <= int(len(board.count) * board.alpha))


def batch(board: Board, births: Ids) -> Flags:
    """BatchRatio: of every 16 tokens those up to floor(16 alpha)."""
    return np.asarray(board.token[births] % BATCH <= int(BATCH * board.alpha))


def balance(board: Board, births: Ids) -> Flags:
    """AlphaLayersDistribution: while at most alpha of the tokens of its layer are there."""
    there = np.bincount(board.layer[board.inside], minlength=len(board.count))
    found = np.zeros(len(births), dtype=bool)
    for n, (layer, token) in enumerate(zip(board.layer[births].tolist(), board.token[births].tolist(), strict=True)):
        found[n] = there[layer] <= board.alpha * token
        there[layer] += found[n]
    return found


def important(board: Board, births: Ids) -> Flags:
    """LayerImportance: unless more than 50 steps of the layer have read nothing."""
    return np.asarray(board.idle[board.layer[births]] <= IDLE)


def unskipped(board: Board, births: Ids) -> Flags:
    """LookAheadBatch: unless the next 1024 steps all skip it; in the code that test never matches."""
    return np.ones(len(births), dtype=bool) if board.slips("place") else board.ahead.soon(births, FAR)


def following(board: Board, births: Ids) -> Flags:
    """LookAheadOnePlacement: if the next step reads it; the oldest that it does not read make way."""
    wanted = board.ahead.soon(births)
    needed = int(board.size[births[wanted]].sum())
    if needed > board.free:
        spare = board.oldest_first(board.own & board.inside)
        spare = spare[~board.ahead.soon(spare)]
        board.demote(spare[: int(np.searchsorted(np.cumsum(board.size[spare]), needed - board.free)) + 1])
    return wanted
