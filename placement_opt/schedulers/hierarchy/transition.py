"""From where blocks are and where they shall be to the moves in between."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.memory.system import MemorySystem
from placement_opt.play.protocol import Ids, Moves, Setting, View, cheapest_source

Masks = npt.NDArray[np.uint16]
Choice = npt.NDArray[np.int8]


class Sources:
    """The tiers from which copies take least time: one table where loads are by the byte, else one for each size of block, and
    number of its pieces."""

    def __init__(self, memory: MemorySystem) -> None:
        self._memory = memory
        self.tiers = len(memory.tiers)
        self._each = cheapest_source(memory) if memory.operations.uniform else None
        self._by_size: dict[tuple[int, int], Choice] = {}

    def table(self, size: int, pieces: int = 1) -> Choice:
        """:func:`placement_opt.play.protocol.cheapest_source` for blocks of so many bytes in so many pieces."""
        if self._each is not None:
            return self._each
        if (size, pieces) not in self._by_size:
            table = self._memory.operations
            whole, none = table.block_loads(size, pieces), np.zeros_like(table.per_call)
            blocks = replace(table, per_byte=whole, per_call=none, grain=np.ones_like(table.grain))  # a block as its byte
            self._by_size[size, pieces] = cheapest_source(replace(self._memory, operations=blocks))
        return self._by_size[size, pieces]

    def of(self, held: Masks, target: int, sizes: Int64, pieces: Int64 | None = None) -> Choice:
        """int8: for each block of these bytes (in so many pieces), held by a set of tiers, the tier to copy from; -1: none."""
        if self._each is not None:
            return np.asarray(self._each[held, target])
        found = np.empty(len(held), dtype=np.int8)
        parts = np.ones_like(sizes) if pieces is None else pieces
        for size, count in np.unique(np.stack([sizes, parts], axis=1), axis=0).tolist():
            here = (sizes == size) & (parts == count)
            found[here] = self.table(size, count)[held[here], target]
        return found


def moves_between(
    blocks: Ids,
    before: Masks,
    after: Masks,
    near: npt.NDArray[np.bool_],
    sources: Sources,
    sizes: Int64,
    pieces: Int64 | None = None,
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
        Of the memory system.
    sizes
        int64: bytes of each block.
    pieces
        int64: in how many each is stored; None: in one.
    """
    gained, lost = after & ~before, before & ~after
    arriving, leaving = (int(np.bitwise_or.reduce(masks)) for masks in (gained, lost))
    store, fetch, drop = [], [], []
    for tier in range(sources.tiers):
        bit = np.uint16(1 << tier)
        if arriving >> tier & 1:
            comes = np.flatnonzero(gained & bit)
            here = near[comes]
            passing = comes[here]
            if len(passing):
                store.append((tier, blocks[passing]))
            if len(passing) < len(comes):
                copied = comes[~here]
                parts = None if pieces is None else pieces[copied]
                fetch += copies(blocks[copied], before[copied], tier, sources, sizes[copied], parts)
        if leaving >> tier & 1:
            drop.append((tier, blocks[np.flatnonzero(lost & bit)]))
    return Moves(store, fetch, drop)


def copies(
    blocks: Ids, before: Masks, tier: int, sources: Sources, sizes: Int64, pieces: Int64 | None = None
) -> list[tuple[int, int, Ids]]:
    """(source, target, ids) of blocks that are copied to a tier from where that takes least time, by source."""
    source = sources.of(before, tier, sizes, pieces)
    return [(int(j), tier, blocks[source == j]) for j in np.unique(source)]


def masks_of(view: View, blocks: Ids) -> Masks:
    """uint16: the tiers that hold each of these blocks as the step begins."""
    masks = np.zeros(len(blocks), dtype=np.uint16)
    for tier, row in enumerate(view.resident):
        masks |= row[blocks].astype(np.uint16) << np.uint16(tier)
    return masks


def stuck(setting: Setting, view: View) -> Ids:
    """Blocks read at this step that cannot be brought into any tier: they lie nowhere, and either they are read in part, or no
    operation without a source leaves them at the processor."""
    if setting.residency != "cache":
        return np.zeros(0, dtype=np.int64)
    nowhere = ~view.resident[:, view.reads].any(axis=0)
    partly = False if view.shares is None else view.shares < setting.share_base
    return view.reads[nowhere & (partly | ~remade(setting, view.reads))]


def remade(setting: Setting, ids: Ids) -> npt.NDArray[np.bool_]:
    """bool[n]: whether an operation without a source leaves each of these blocks at the processor."""
    labels = np.zeros(len(ids), dtype=np.int8) if setting.block_kind is None else setting.block_kind[ids]
    return np.asarray(setting.memory.operations.remakes[labels])


def moves_to(
    setting: Setting, view: View, blocks: Ids, after: Masks, sources: Sources, copied: npt.NDArray[np.bool_] | None = None
) -> Moves:
    """The cheapest moves of this step after which these blocks (ids, each once) lie in these sets of tiers.

    ``copied``: blocks that are copied although they are read, so that they need not be brought to the processor.
    """
    born = _among(view.births, blocks)
    before = masks_of(view, blocks)
    if setting.residency == "inclusive":
        before[born] = 1 << setting.home
    near = born | _among(view.reads, blocks)
    near = near if copied is None else near & ~copied
    return moves_between(blocks, before, after, near, sources, setting.size[blocks], pieces_at(setting, blocks))


def pieces_at(setting: Setting, blocks: Ids) -> Int64 | None:
    """int64: in how many pieces each of these blocks is stored; None where that changes nothing."""
    return None if setting.pieces is None else setting.pieces[blocks]


def _among(ascending: Ids, blocks: Ids) -> npt.NDArray[np.bool_]:
    if not len(ascending):
        return np.zeros(len(blocks), dtype=bool)
    at = np.minimum(np.searchsorted(ascending, blocks), len(ascending) - 1)
    return np.asarray(ascending[at] == blocks)
