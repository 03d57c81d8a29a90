"""Greedy dual, by size and frequency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.schedulers.base import passing
from placement_opt.schedulers.classical.caching import Classical, Needs


@dataclass
class GDSF(Classical):
    """Evict what has the fewest reads for each of its bytes, ageing what is not read.

    A block's key is the number of its reads since it came in over its size in bytes, plus the key of the last victim at the
    time of the last of them; the lowest goes, of these the least recently read. All blocks cost the same to bring. With equal
    sizes it is ``lfu:ageing=dynamic``, but for rounding.
    """

    title: ClassVar[str] = "gdsf"
    source: ClassVar[str] = "Cherkasova, HP Laboratories HPL-98-69R1, 1998"
    cost: ClassVar[Cost[Size]] = passing("gdsf")
    kind: ClassVar[str] = "counted"
    needs: ClassVar[Needs] = Needs(heap=True, keys=True)

    def registers(self, capacity: int) -> list[int]:  # noqa: ARG002
        return [0, 0, 1, 1]
