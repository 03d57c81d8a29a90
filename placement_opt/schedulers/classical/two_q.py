"""Two queues and a memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.schedulers.base import option, passing
from placement_opt.schedulers.classical.caching import Classical, Needs


@dataclass
class TwoQ(Classical):
    """Evict what came in first; what is missed again soon after that is kept by last use.

    The full version: a block comes into the queue A1in, whose oldest goes when it takes more than ``kin`` of the tier's bytes,
    whatever was read meanwhile; its id is remembered in A1out, up to ``kout`` of the tier's bytes of blocks, oldest forgotten
    first. A block that is missed while it is remembered comes into Am, which is kept by last use and whose victims are not
    remembered. The source proposes 25 % and 50 %. Counted in bytes instead of pages; where Am is empty the oldest of A1in goes.
    A block that leaves otherwise (moved up, freed) is not remembered.
    """

    title: ClassVar[str] = "2q"
    source: ClassVar[str] = "Johnson and Shasha, VLDB 1994"
    cost: ClassVar[Cost[Size]] = passing("2q")
    kind: ClassVar[str] = "two_q"
    needs: ClassVar[Needs] = Needs(lists=3)

    kin: float = option(0.25, "share of the tier for what came in first", low=0.0, high=1.0)
    kout: float = option(0.5, "bytes of blocks remembered, as a share of the tier's", low=0.0, high=16.0)

    def registers(self, capacity: int) -> list[int]:
        return [int(self.kin * capacity), int(self.kout * capacity)]
