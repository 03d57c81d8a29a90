"""From where blocks are and where they shall be to the moves in between."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from placement_opt.play.protocol import Ids, Moves, Setting, View

Masks = npt.NDArray[np.uint16]


def moves_between(
    blocks: Ids, before: Masks, after: Masks, near: npt.NDArray[np.bool_], sources: npt.NDArray[np.int8]
) -> Moves:
    """The cheapest moves that take blocks from one set of tiers to another.

    Parameters
    ----------
    blocks
        Ids, each once.
    before, after
        uint16: tiers that hold each block at this state and at the next, bit k for tier k. Copies that the inclusive rule
        writes by itself are in both.
    near
        Whether each block is at the processor: it is stored in passing then, and copied otherwise.
    sources
        :func:`placement_opt.play.protocol.cheapest_source` of the memory system.
    """
    gained, lost = after & ~before, before & ~after
    store, fetch, drop = [], [], []
    for tier in range(sources.shape[1]):
        bit = np.uint16(1 << tier)
        comes, goes = (gained & bit) != 0, (lost & bit) != 0
        if comes.any():
            passing, copied = comes & near, comes & ~near
            if passing.any():
                store.append((tier, blocks[passing]))
            if copied.any():
                ids, source = blocks[copied], sources[before[copied], tier]
                fetch += [(int(j), tier, ids[source == j]) for j in np.unique(source)]
        if goes.any():
            drop.append((tier, blocks[goes]))
    return Moves(store, fetch, drop)


def masks_of(view: View, blocks: Ids) -> Masks:
    """uint16: the tiers that hold each of these blocks as the step begins."""
    masks = np.zeros(len(blocks), dtype=np.uint16)
    for tier, row in enumerate(view.resident):
        masks |= row[blocks].astype(np.uint16) << np.uint16(tier)
    return masks


def moves_to(setting: Setting, view: View, blocks: Ids, after: Masks, sources: npt.NDArray[np.int8]) -> Moves:
    """The cheapest moves of this step after which these blocks (ids, each once) lie in these sets of tiers."""
    born = _among(view.births, blocks)
    before = masks_of(view, blocks)
    if setting.residency == "inclusive":
        before[born] = 1 << setting.home
    return moves_between(blocks, before, after, born | _among(view.reads, blocks), sources)


def _among(ascending: Ids, blocks: Ids) -> npt.NDArray[np.bool_]:
    if not len(ascending):
        return np.zeros(len(blocks), dtype=bool)
    at = np.minimum(np.searchsorted(ascending, blocks), len(ascending) - 1)
    return np.asarray(ascending[at] == blocks)
