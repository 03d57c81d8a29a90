"""What is counted over a whole run, whatever it takes in any step: energy, bytes written to a tier, bytes moved into one.

A resource has a rate, which bounds what a *step* may load on it. A meter has none: it adds up. Budgets of an instance bound
such sums, its objective may weigh them, and they are reported whether or not anything bounds them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.memory.operations import Operations


@dataclass(frozen=True, eq=False)
class Meters:
    """H meters over the O rows of a table of operations.

    Operation o on a whole block of s bytes in n pieces adds ``per_byte[o] * n * ceil(s / n / grain[o]) * grain[o]``, the grain
    being that of the operation.

    Attributes
    ----------
    names
        H of them: "energy", "written flash", "into hbm".
    units
        H of them: "J", "B".
    parts
        H of them: counts are whole numbers of 1/parts of the unit.
    per_byte
        int64[O, H].
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    parts: tuple[int, ...]
    per_byte: Int64

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        return self.names.index(name)


def no_meters(operations: Operations) -> Meters:
    """None at all."""
    return Meters((), (), (), np.zeros((len(operations.names), 0), dtype=np.int64))
