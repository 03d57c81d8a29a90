"""Least frequently used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.schedulers.base import option, passing
from placement_opt.schedulers.classical.caching import Classical, Needs


@dataclass
class LFU(Classical):
    """Evict what was read least often since it came in, of these the least recently read.

    ``ageing=dynamic`` (LFU-DA): a block's key is the number of its reads plus the key of the last victim at the time of the
    last of them, so that what was read often long ago goes in the end. What is evicted is forgotten: its reads count from 1
    when it comes again.
    """

    title: ClassVar[str] = "lfu"
    source: ClassVar[str] = "classical; with ageing Arlitt, Cherkasova, Dilley, Friedrich and Jin, SIGMETRICS PER 27(4), 2000"
    cost: ClassVar[Cost[Size]] = passing("lfu")
    kind: ClassVar[str] = "counted"
    needs: ClassVar[Needs] = Needs(heap=True, keys=True)

    ageing: str = option("none", "reads count for ever, or less the longer ago they were", choices=("none", "dynamic"))

    def registers(self, capacity: int) -> list[int]:  # noqa: ARG002
        return [0, 0, int(self.ageing == "dynamic"), 0]
