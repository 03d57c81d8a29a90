"""What operations load and need, as the verifier reads it from the rows of the memory system's table.

Written for the verifier alone: rows are told apart by what they say (whether they serve, which tier they need, which they
fill), not by where they stand. An operation on s bytes loads ``per_call + per_byte * ceil(s / grain) * grain``, and adds
``per_byte * ceil(s / grain) * grain`` to the meters that a budget or the objective of the instance names: M further columns.
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
    source, brings
        V of each: the tier that holds what the operation serves, None where it needs none; whether the block is at the
        processor after it.
    """

    size: int
    store: Exact
    copy: Exact
    serve: Exact
    source: tuple[int | None, ...]
    brings: tuple[bool, ...]

    def ways(self, held: int, *, bringing: bool = False) -> tuple[int, ...]:
        """The operations that can serve a block in a set of tiers (bit mask); only those that bring it to the processor."""
        found = (o for o, tier in enumerate(self.source) if tier is None or held >> tier & 1)
        return tuple(o for o in found if self.brings[o] or not bringing)

    def read(self, tier: int) -> int:
        """The first operation that serves from a tier: the read."""
        return self.source.index(tier)


@dataclass(frozen=True, eq=False)
class Kinds:
    """Blocks by kind: block b, of kind ``kind[b]``, loads ``amount[b]`` times what ``rows[kind[b]]`` say.

    One kind, a byte, where all loads are bytes times a factor; otherwise the blocks of one size are a kind. int64[B] both.
    """

    kind: Int64
    amount: Int64
    rows: tuple[Rows, ...]


def kinds_of(instance: Instance) -> Kinds:
    """The rows of an instance's table, for its blocks."""
    table = instance.memory.operations
    if not table.per_call.any() and (table.grain == 1).all():
        return Kinds(np.zeros(instance.num_blocks, dtype=np.int64), instance.size, (_rows(instance, 1),))
    sizes, kind = np.unique(instance.size, return_inverse=True)
    rows = tuple(_rows(instance, size) for size in sizes.tolist())
    return Kinds(kind.astype(np.int64), np.ones(instance.num_blocks, dtype=np.int64), rows)


def _rows(instance: Instance, size: int) -> Rows:
    """The rows for so many bytes."""
    table, tiers, meters = instance.memory.operations, instance.num_tiers, list(instance.used_meters)
    added = instance.memory.meters.per_byte[:, meters]
    once = np.hstack([table.per_call, np.zeros_like(added)]).tolist()
    each = np.hstack([table.per_byte, added]).tolist()
    loads = [
        [call + byte * (-(-size // grain) * grain) for call, byte in zip(calls, factors, strict=True)]
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
    )


def _exact(values: Any) -> Exact:
    exact = np.array(values, dtype=object)
    return exact.astype(np.int64) if exact.max(initial=0) < 2**62 else exact
