"""The one table of operations: what each of them loads, and what it needs and leaves.

Everything that needs costs reads this table and nothing else. With K tiers its rows are, in this order,

* ``k``: store a block that is at the processor to tier k, in passing;
* ``K + j K + k``: copy from tier j to tier k (the diagonal is zero and never used);
* ``K + K K + k``: read from tier k;
* further operations that serve a read: from a tier in another way, or without any source.

Moves in certificates have the numbers of the first two kinds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from placement_opt.base.arrays import Flags, Int64
from placement_opt.base.errors import InputError

#: What blocks may be; a trace labels them by position.
BLOCK_KINDS = ("kv", "weights")


@dataclass(frozen=True)
class Operation:
    """A further operation that serves reads.

    Attributes
    ----------
    name
        Such as "attend flash" or "recompute".
    source
        The tier that must hold the block; None: the block is made anew, or comes from outside.
    per_byte
        Load on each resource for each byte.
    per_call
        Load on each resource for each block served, whatever its size; empty: none.
    grain
        Bytes are rounded up to multiples of it.
    brings
        Whether the block is at the processor afterwards, so that it may be stored in passing at the same step.
    kinds
        The kinds of block that it serves, of :data:`BLOCK_KINDS`; None: any. Reads from tiers, stores and copies are for any,
        so that a block can be served from wherever it lies.
    """

    name: str
    source: int | None
    per_byte: tuple[int, ...]
    per_call: tuple[int, ...] = ()
    grain: int = 1
    brings: bool = False
    kinds: frozenset[str] | None = None


@dataclass(frozen=True, eq=False)
class Operations:
    """The table: O rows over R resources.

    A whole block of s bytes in n pieces loads ``n * per_call + per_byte * n * ceil(s / n / grain) * grain``: each piece is a
    request of its own and rounded up by itself. One read in part by several operations loads each in proportion to its part.

    Attributes
    ----------
    tiers
        K.
    names
        O of them.
    source, target
        int64[O]: the tier that must hold the block, and the one that holds it from the next state on; -1 for none.
    serves, brings
        bool[O]: pays for a read; leaves the block at the processor.
    per_byte, per_call
        int64[O, R]: loads on each resource, in its own unit (a resource that an operation loads by fractions counts in
        fractions, and so does its rate).
    grain
        int64[O].
    applies
        bool[O, kinds]: the kinds of block (:data:`BLOCK_KINDS`) that it may be applied to; all but for some of the further
        operations.

    Raises
    ------
    InputError
        A read from a tier, store or copy is limited to some kinds.
    """

    tiers: int
    names: tuple[str, ...]
    source: Int64
    target: Int64
    serves: Flags
    brings: Flags
    per_byte: Int64
    per_call: Int64
    grain: Int64
    applies: Flags

    def __post_init__(self) -> None:
        limited = np.flatnonzero(~self.applies[: self.first_serving + self.tiers].all(axis=1))
        if len(limited):
            expected = "expected any: reads from tiers, stores and copies are for all blocks"
            raise InputError(f"found {self.names[limited[0]]!r} for some kinds of block", expected, field="kinds")

    @property
    def store(self) -> slice:
        """Rows that store to each tier."""
        return slice(0, self.tiers)

    @property
    def copies(self) -> slice:
        """Rows that copy, source by source."""
        return slice(self.tiers, self.tiers * (1 + self.tiers))

    @property
    def first_serving(self) -> int:
        """The row of the read from tier 0: this one and all that follow serve, none before."""
        return self.tiers * (1 + self.tiers)

    @cached_property
    def serving(self) -> Int64:
        """int64[V]: rows that serve; the first K read from a tier each."""
        return np.arange(self.first_serving, len(self.names))

    @cached_property
    def uniform(self) -> bool:
        """Whether every load is bytes times a factor: no calls, no grain."""
        return not self.per_call.any() and bool((self.grain == 1).all())

    @cached_property
    def limited(self) -> bool:
        """Whether some operation is for some kinds of block only."""
        return not self.applies.all()

    @cached_property
    def remakes(self) -> Flags:
        """bool[kinds]: whether an operation without source brings blocks of each kind to the processor."""
        anew = self.serves & (self.source < 0) & self.brings
        return np.asarray(self.applies[anew].any(axis=0))

    @cached_property
    def plain(self) -> bool:
        """Whether there are only reads, stores and copies, and every load is bytes times a factor."""
        return self.uniform and len(self.names) == self.first_serving + self.tiers

    def counted_bytes(self, size: int, pieces: int = 1) -> Int64:
        """int64[O]: bytes that each operation counts for a whole block of so many, in so many equal pieces."""
        return pieces * (-(-(size // pieces) // self.grain) * self.grain)

    def block_loads(self, size: int, pieces: int = 1) -> Int64:
        """int64[O, R]: what each operation loads for a whole block of so many bytes, in so many equal pieces."""
        return pieces * self.per_call + self.per_byte * self.counted_bytes(size, pieces)[:, None]

    def usable(self, mask: int, *, bringing: bool = False) -> int:
        """Bit mask over the serving rows of those that can serve a block, of a kind they apply to, held in a set of tiers (bit
        mask).

        ``bringing``: only those after which the block is at the processor.
        """
        found = 0
        for bit, row in enumerate(self.serving.tolist()):
            source = int(self.source[row])
            held = source < 0 or mask >> source & 1
            found |= int(bool(held and (self.brings[row] or not bringing))) << bit
        return found


def table(
    names: Sequence[str],
    read: Int64,
    write: Int64,
    copy: Int64,
    more: Sequence[Operation] = (),
    *,
    calls: tuple[Int64, Int64, Int64] | None = None,
    grains: tuple[Int64, Int64, Int64] | None = None,
) -> Operations:
    """The table of a memory system.

    Parameters
    ----------
    names
        Of the K tiers.
    read, write
        int64[K, R]: loads of reading one byte from (storing one byte to) each tier.
    copy
        int64[K, K, R]: the same for copying from tier to tier.
    more
        Further operations.
    calls
        The loads of one block, whatever its size, in the same three shapes; None: none.
    grains
        int64[K], int64[K], int64[K, K]: to what bytes are rounded up; None: 1.
    """
    tiers, resources = read.shape
    none = -np.ones(tiers, dtype=np.int64)
    every = np.arange(tiers, dtype=np.int64)
    per_call = calls or (np.zeros_like(read), np.zeros_like(write), np.zeros_like(copy))
    grain = grains or (np.ones(tiers, dtype=np.int64), np.ones(tiers, dtype=np.int64), np.ones((tiers, tiers), dtype=np.int64))

    def rows(three: tuple[Int64, Int64, Int64], width: tuple[int, ...]) -> list[Int64]:
        return [three[1].reshape(-1, *width), three[2].reshape(-1, *width), three[0].reshape(-1, *width)]

    def extra(values: Sequence[tuple[int, ...]]) -> Int64:
        padded = [value or (0,) * resources for value in values]
        return np.array(padded, dtype=np.int64).reshape(len(more), resources)

    sources = np.array([-1 if one.source is None else one.source for one in more], dtype=np.int64)
    labels = [f"store {name}" for name in names]
    labels += [f"copy {start}->{end}" for start in names for end in names]
    labels += [f"read {name}" for name in names]
    classic = tiers * (2 + tiers)
    return Operations(
        tiers=tiers,
        names=(*labels, *(one.name for one in more)),
        source=np.concatenate([none, np.repeat(every, tiers), every, sources]),
        target=np.concatenate([every, np.tile(every, tiers), none, -np.ones(len(more), dtype=np.int64)]),
        serves=np.arange(classic + len(more)) >= classic - tiers,
        brings=np.concatenate([np.arange(classic) >= classic - tiers, np.array([one.brings for one in more], dtype=np.bool_)]),
        per_byte=np.concatenate([*rows((read, write, copy), (resources,)), extra([one.per_byte for one in more])]),
        per_call=np.concatenate([*rows(per_call, (resources,)), extra([one.per_call for one in more])]),
        grain=np.concatenate([*rows(grain, ()), np.array([one.grain for one in more], dtype=np.int64)]),
        applies=np.concatenate([np.ones((classic, len(BLOCK_KINDS)), dtype=np.bool_), *map(_applies, more)]),
    )


def _applies(one: Operation) -> Flags:
    """bool[1, kinds]: what a further operation applies to; InputError where it names no kind, or none that there is."""
    named = frozenset(BLOCK_KINDS) if one.kinds is None else one.kinds
    if not named or not named <= set(BLOCK_KINDS):
        found = f"found {', '.join(map(repr, sorted(named))) or 'none'} for {one.name!r}"
        raise InputError(found, f"expected some of {', '.join(BLOCK_KINDS)}, or any", field="kinds")
    return np.array([[kind in named for kind in BLOCK_KINDS]], dtype=np.bool_)
