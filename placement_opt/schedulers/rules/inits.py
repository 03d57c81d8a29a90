"""What lies in the fastest tier at first: ids, in the order in which it is filled until one does not fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from placement_opt.play.protocol import Ids
from placement_opt.schedulers.rules.board import Board

#: Of the source: the stretch of tokens that "spread" shares out, and how many of a page its paged start stores.
STRETCH, STORED = 32, 15


def oldest(board: Board, first_reads: Sequence[Ids]) -> Ids:
    """HBMInit: token by token, each in all layers."""
    del first_reads
    return board.oldest_first(board.alive)


def pages(board: Board, first_reads: Sequence[Ids]) -> Ids:
    """HBMInitPaged: whole pages across all layers until one does not fit; the code stores 15 of the 16 tokens of each."""
    del first_reads
    ids = board.oldest_first(board.alive)
    page = board.token[ids] // board.numbers.page
    if board.slips("init"):
        kept = board.token[ids] % board.numbers.page < max(1, board.numbers.page * STORED // 16)
        ids, page = ids[kept], page[kept]
    total = np.cumsum(board.size[ids])
    ends = np.searchsorted(page, page, side="right") - 1
    fits = total[ends] <= board.setting.capacity[board.tiers[0]] if len(ids) else np.zeros(0, dtype=bool)
    return np.asarray(ids[fits])


def spread(board: Board, first_reads: Sequence[Ids]) -> Ids:
    """TokenLevelBestRatioInit, first version: of every 32 tokens the first floor(32 alpha) + 1."""
    del first_reads
    ids = board.oldest_first(board.alive)
    return np.asarray(ids[board.token[ids] % STRETCH < int(STRETCH * board.alpha) + 1])


def first_step(board: Board, first_reads: Sequence[Ids]) -> Ids:
    """LookAheadInit: what the first step of each layer reads, told to every start; largest first, until one does not fit."""
    ids = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *(one.astype(np.int64) for one in first_reads)]))
    return ids[np.lexsort((board.layer[ids], board.token[ids], -board.size[ids]))]


def soonest(board: Board, first_reads: Sequence[Ids]) -> Ids:
    """TokenLevelBestRatioInit, second version: in the order in which the trace reads them."""
    del first_reads
    ids = np.flatnonzero(board.alive)
    return ids[np.lexsort((board.token[ids], board.layer[ids], board.ahead.when(ids)))]
