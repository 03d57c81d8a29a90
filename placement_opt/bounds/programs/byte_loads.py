"""What operations load for a byte: the form in which programs that count bytes take their coefficients.

Meters that the instance uses are further columns, after the resources: M of them, usually none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from placement_opt.base.arrays import Flags, Float64, Int64
from placement_opt.base.highs import SPREAD, rate_unit
from placement_opt.instance.instance import Instance
from placement_opt.instance.law import median_block
from placement_opt.memory.operations import Operations


@dataclass(frozen=True, eq=False)
class ByteLoads:
    """Loads of one byte of a whole block of each of C kinds.

    Attributes
    ----------
    operations
        The table.
    kind
        int64[B]: of each block.
    row
        float64[C, O, R + M]. Where every load is bytes times a factor these are the factors.
    applies
        bool[C, V]: which of the operations that serve are for blocks of each kind.
    """

    operations: Operations
    kind: Int64
    row: Float64
    applies: Flags

    def __len__(self) -> int:
        return len(self.row)

    @cached_property
    def store(self) -> Float64:
        """float64[C, K, R + M]: storing to each tier."""
        return self.row[:, self.operations.store]

    @cached_property
    def copy(self) -> Float64:
        """float64[C, K, K, R + M]: copying from tier j to tier k."""
        tiers = self.operations.tiers
        return self.row[:, self.operations.copies].reshape(len(self.row), tiers, tiers, -1)

    @cached_property
    def serve(self) -> Float64:
        """float64[C, V, R + M]: each serving operation; the first K read from a tier each."""
        return self.row[:, self.operations.first_serving :]

    @cached_property
    def source(self) -> list[int]:
        """The tier that each serving operation needs, -1 for none."""
        found: list[int] = self.operations.source[self.operations.serving].tolist()
        return found

    @cached_property
    def brings(self) -> list[bool]:
        """Whether the block is at the processor after each serving operation."""
        found: list[bool] = self.operations.brings[self.operations.serving].tolist()
        return found


def byte_loads(instance: Instance) -> ByteLoads:
    """The loads of an instance's blocks, per byte."""
    loads = instance.loads.counted
    return ByteLoads(loads.operations, loads.kind, loads.row / loads.size[:, None, None].astype(np.float64), loads.applies)


def time_unit(instance: Instance, unit: float) -> float:
    """Seconds that are one unit of time in a program whose unit of size is ``unit`` bytes.

    With reads, stores and copies of bytes alone: a unit of size on a resource of :func:`rate_unit`. Otherwise rates are in
    several units, and it is what serving a block of median size takes from the slowest tier in its best way; or, where another
    source is faster by more than the solver tells apart, the middle between the two.
    """
    operations, rates = instance.memory.operations, instance.memory.rates
    if operations.plain:
        return unit / rate_unit(rates)
    seconds = (operations.block_loads(*median_block(instance)) / rates).max(axis=1)[operations.serving]
    source = operations.source[operations.serving]
    best = [float(seconds[source == k].min()) for k in range(instance.num_tiers)]
    slowest, fastest = max(best), min([*best, *seconds[source < 0].tolist()])
    if min(slowest, fastest) == 0.0:
        return slowest or float(seconds.max()) or 1.0
    return slowest if slowest <= SPREAD * fastest else float(np.sqrt(slowest) * np.sqrt(fastest))
