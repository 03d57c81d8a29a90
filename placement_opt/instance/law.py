"""What the table of operations and the residency rule say of blocks: where they may lie, and what an operation on one loads.

This is the one place that joins the two; programs, dual, simulator and schedulers take it from here. The verifier does not: it
reads the rows by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Flags, Int64
from placement_opt.memory.operations import Operations

if TYPE_CHECKING:
    from placement_opt.instance.instance import Instance


@dataclass(frozen=True, eq=False)
class Loads:
    """What each operation loads on each resource for a block of an instance.

    Block b is of kind ``kind[b]`` and counts ``amount[b]``: operation o on the whole of it loads
    ``amount[b] * row[kind[b], o]``. Where every load is bytes times a factor there is one kind, a byte, and the amounts are the
    sizes; otherwise blocks of one size in equally many pieces are a kind, each amount is 1, and an instance has no reads of
    parts of blocks. Where operations are for some kinds of block only
    (:data:`placement_opt.memory.operations.BLOCK_KINDS`), KV and weights are kinds apart in either case.

    Attributes
    ----------
    operations
        The table.
    size
        int64[C]: bytes of a block of each kind; 1 where its unit is a byte.
    pieces
        int64[C]: pieces in which it is stored; 1 where its unit is a byte.
    kind
        int64[B].
    amount
        int64[B].
    row
        int64[C, O, R].
    metered
        int64[C, O, M]: likewise, what it adds to each meter that the instance uses.
    applies
        bool[C, V]: which of the operations that serve are for blocks of each kind.
    """

    operations: Operations
    size: Int64
    pieces: Int64
    kind: Int64
    amount: Int64
    row: Int64
    metered: Int64
    applies: Flags

    @cached_property
    def counted(self) -> Loads:
        """The same with meters as R + 1st to R + Mth resource: what prices, and programs, see in them."""
        if not self.metered.shape[2]:
            return self
        row = np.concatenate([self.row, self.metered], axis=2)
        return replace(self, row=row, metered=self.metered[:, :, :0])

    @property
    def by_size(self) -> bool:
        """Whether the size of a block tells its kind."""
        return not self.operations.limited and bool((self.pieces == 1).all())

    @property
    def _tiers(self) -> int:
        return self.operations.tiers

    @cached_property
    def store(self) -> Int64:
        """int64[C, K, R]: storing to each tier."""
        return self.row[:, self.operations.store]

    @cached_property
    def copy(self) -> Int64:
        """int64[C, K, K, R]: copying from tier j to tier k."""
        return self.row[:, self.operations.copies].reshape(len(self.row), self._tiers, self._tiers, -1)

    @cached_property
    def read(self) -> Int64:
        """int64[C, K, R]: reading from each tier."""
        first = self.operations.first_serving
        return self.row[:, first : first + self._tiers]

    @cached_property
    def serve(self) -> Int64:
        """int64[C, V, R]: each serving operation; the first K read from a tier each."""
        return self.row[:, self.operations.first_serving :]

    @cached_property
    def serves_from(self) -> Int64:
        """int64[V]: the tier that each serving operation needs, -1 for none."""
        return self.operations.source[self.operations.serving]

    @cached_property
    def brings(self) -> Flags:
        """bool[V]: whether the block is at the processor after it."""
        return self.operations.brings[self.operations.serving]

    @cached_property
    def remade(self) -> Flags:
        """bool[C]: whether a block of each kind that lies nowhere can be at the processor after an operation that serves it."""
        return np.array([self.usable(0, kind, bringing=True) > 0 for kind in range(len(self.row))], dtype=np.bool_)

    def usable(self, mask: int, kind: int, *, bringing: bool = False) -> int:
        """The same as :meth:`placement_opt.memory.operations.Operations.usable` for blocks of a kind."""
        applies = sum(1 << int(v) for v in np.flatnonzero(self.applies[kind]))
        return self.operations.usable(mask, bringing=bringing) & applies


def loads_of(
    operations: Operations,
    sizes: Int64,
    per_byte: Int64 | None = None,
    labels: npt.NDArray[np.int8] | None = None,
    pieces: Int64 | None = None,
) -> Loads:
    """The loads for blocks of these sizes, int64[B] bytes.

    ``per_byte``: int64[O, M], what each operation adds to each meter that matters; None: none does. ``labels``: int8[B], what
    blocks are, as in a trace. ``pieces``: int64[B], in how many each is stored; None: in one.
    """
    if per_byte is None:
        per_byte = np.zeros((len(operations.names), 0), dtype=np.int64)
    what: Int64 = np.zeros(len(sizes), dtype=np.int64)
    if operations.limited and labels is not None:
        what = labels.astype(np.int64)
    if operations.uniform:
        label, kind = np.unique(what, return_inverse=True)
        one = np.ones(len(label), dtype=np.int64)
        row, metered = (np.tile(each, (len(label), 1, 1)) for each in (operations.per_byte, per_byte))
        return Loads(operations, one, one, kind.astype(np.int64), sizes, row, metered, _applies(operations, label))
    told = np.stack([what, sizes, np.ones_like(sizes) if pieces is None else pieces])
    (label, size, parts), kind = np.unique(told, axis=1, return_inverse=True)
    kind = kind.reshape(-1)
    each = list(zip(size.tolist(), parts.tolist(), strict=True))
    row = np.array([operations.block_loads(*one) for one in each], dtype=np.int64).reshape(-1, *operations.per_byte.shape)
    counted = np.array([operations.counted_bytes(*one) for one in each], dtype=np.int64).reshape(-1, len(operations.grain))
    metered = per_byte * counted[:, :, None]
    amount, applies = np.ones(len(sizes), dtype=np.int64), _applies(operations, label)
    return Loads(operations, size, parts, kind.astype(np.int64), amount, row, metered, applies)


def kinds_among(mine: Loads, whole: Loads) -> Int64:
    """int64[C]: which kind of ``whole`` loads what each kind of ``mine`` does, whose blocks are some of those of ``whole``."""
    alike = (whole.size == mine.size[:, None]) & (whole.pieces == mine.pieces[:, None])
    alike &= (whole.applies == mine.applies[:, None]).all(axis=2)
    return np.asarray(alike.argmax(axis=1))


def kind_and_sources(loads: Loads, pattern: int) -> tuple[int, int]:
    """Of reads that a pattern tells by the operations that may serve them: their kind, and the set of tiers that these need."""
    sources, first = loads.serves_from.tolist(), (pattern & -pattern).bit_length() - 1
    kind = first // len(sources)
    ways = pattern >> kind * len(sources)
    return kind, sum(1 << tier for tier in {tier for v, tier in enumerate(sources) if ways >> v & 1 and tier >= 0})


def _applies(operations: Operations, label: Int64) -> Flags:
    """bool[C, V]: which of the operations that serve are for blocks that are so labelled."""
    return np.ascontiguousarray(operations.applies[operations.serving][:, label].T)


def median_block(instance: Instance) -> tuple[int, int]:
    """(bytes, pieces) of a block of median size; where blocks are in pieces, of the one in the middle by size, then pieces."""
    if instance.pieces is None:
        return int(np.median(instance.size)), 1
    middle = np.lexsort((instance.pieces, instance.size))[instance.num_blocks // 2]
    return int(instance.size[middle]), int(instance.pieces[middle])


def tier_sets(instance: Instance) -> Int64:
    """int64[S]: bit masks of the tier sets in which a block may lie under the instance's rule, ascending."""
    tiers, home = instance.num_tiers, instance.home
    masks: Int64 = np.arange(0 if instance.forgets else 1, 1 << tiers, dtype=np.int64)
    if instance.residency == "inclusive":
        masks = masks[(masks >> home) & 1 == 1]
    if instance.residency == "exclusive":
        masks = masks[masks & (masks - 1) == 0]
    return masks


def behind(place: npt.NDArray[np.int32], held: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """bool[n]: which of a step's reads, by their places in its prefix, no copy may serve under strict prefixes.

    Those from the first place on whose block is not held; one that no read has is of a block that is not there yet.
    """
    there = np.sort(place[held])
    first = int(np.argmax(np.append(there, -1) != np.arange(len(there) + 1)))
    return place >= first


def serving_ways(loads: Loads, masks: Int64, kind: int) -> Flags:
    """bool[S, V]: which serving operations can serve a block of a kind in each of these sets of tiers (bit masks)."""
    source = loads.serves_from
    held = (source < 0) | ((masks[:, None] >> np.maximum(source, 0)) & 1 == 1)
    return np.asarray(held & loads.applies[kind])
