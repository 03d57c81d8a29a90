"""What operations load and need, as the verifier reads it from the rows of the memory system's table.

Written for the verifier alone: rows are told apart by what they say (whether they serve, which tier they need, which they
fill), not by where they stand. An operation on s bytes in n pieces loads
``n * per_call + per_byte * n * ceil(s / n / grain) * grain``, and adds ``per_byte * n * ceil(s / n / grain) * grain`` to the
meters that a budget or the objective of the instance names: M further columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from placement_opt.base.arrays import Array, Int64
from placement_opt.instance.instance import Instance

#: Exact integers: int64 where they fit, Python integers (dtype object) elsewhere.
Exact = Array


@dataclass(frozen=True, eq=False)
class Rows:
    """The loads of blocks of one kind, K tiers, R resources, M meters, V operations that serve.

    Attributes
    ----------
    size
        Bytes that a tier has less room for: of a block of this kind, or 1 where loads are those of a byte.
    store, copy, serve
        Integers [K, R + M], [K, K, R + M] (source first) and [V, R + M].
    source, brings, applies
        V of each: the tier that holds what the operation serves, None where it needs none; whether the block is at the
        processor after it; whether it is for blocks of this kind.
    """

    size: int
    store: Exact
    copy: Exact
    serve: Exact
    source: tuple[int | None, ...]
    brings: tuple[bool, ...]
    applies: tuple[bool, ...]

    def ways(self, held: int, *, bringing: bool = False) -> tuple[int, ...]:
        """The operations that can serve a block in a set of tiers (bit mask); only those that bring it to the processor."""
        found = (o for o, tier in enumerate(self.source) if self.applies[o] and (tier is None or held >> tier & 1))
        return tuple(o for o in found if self.brings[o] or not bringing)

    def read(self, tier: int) -> int:
        """The first operation that serves from a tier: the read."""
        return self.source.index(tier)


@dataclass(frozen=True, eq=False)
class Kinds:
    """Blocks by kind: block b, of kind ``kind[b]``, loads ``amount[b]`` times what ``rows[kind[b]]`` say.

    One kind, a byte, where all loads are bytes times a factor; otherwise the blocks of one size, in equally many pieces, are a
    kind. Where operations are for some blocks only, KV and after it weights have kinds of their own. int64[B] both.
    """

    kind: Int64
    amount: Int64
    rows: tuple[Rows, ...]


def kinds_of(instance: Instance) -> Kinds:
    """The rows of an instance's table, for its blocks."""
    table = instance.memory.operations
    by_byte = not table.per_call.any() and bool((table.grain == 1).all())
    size = np.ones(instance.num_blocks, dtype=np.int64) if by_byte else instance.size
    amount = instance.size if by_byte else np.ones(instance.num_blocks, dtype=np.int64)
    label = instance.trace.block_kind
    if label is None or table.applies.all():
        label = np.zeros(instance.num_blocks, dtype=np.int8)
    pieces = np.ones(instance.num_blocks, dtype=np.int64)
    if instance.trace.pieces is not None and not by_byte:
        pieces *= instance.trace.pieces
    told = np.stack([label.astype(np.int64), size, pieces], axis=1)
    each, kind = np.unique(told, axis=0, return_inverse=True)
    rows = tuple(_rows(instance, one, parts, which) for which, one, parts in each.tolist())
    return Kinds(kind.reshape(-1).astype(np.int64), amount, rows)


def _rows(instance: Instance, size: int, pieces: int, label: int) -> Rows:
    """The rows for so many bytes, in so many pieces, of blocks that are so labelled."""
    table, tiers, meters = instance.memory.operations, instance.num_tiers, list(instance.used_meters)
    added = instance.memory.meters.per_byte[:, meters]
    once = np.hstack([table.per_call, np.zeros_like(added)]).tolist()
    each = np.hstack([table.per_byte, added]).tolist()
    loads = [
        [pieces * (call + byte * (-(-size // (pieces * grain)) * grain)) for call, byte in zip(calls, factors, strict=True)]
        for grain, calls, factors in zip(table.grain.tolist(), once, each, strict=True)
    ]
    nothing = [0] * (instance.num_resources + len(meters))
    store, copy = [nothing] * tiers, [[nothing] * tiers for _ in range(tiers)]
    serving = [o for o, serves in enumerate(table.serves.tolist()) if serves]
    for o, (source, target) in enumerate(zip(table.source.tolist(), table.target.tolist(), strict=True)):
        if o in serving:
            continue
        if source < 0:
            store[target] = loads[o]
        else:
            copy[source][target] = loads[o]
    return Rows(
        size,
        _exact(store),
        _exact(copy),
        _exact([loads[o] for o in serving]),
        tuple(None if table.source[o] < 0 else int(table.source[o]) for o in serving),
        tuple(bool(table.brings[o]) for o in serving),
        tuple(bool(table.applies[o, label]) for o in serving),
    )


def _exact(values: Any) -> Exact:
    exact = np.array(values, dtype=object)
    return exact.astype(np.int64) if exact.max(initial=0) < 2**62 else exact
