"""Low inter-reference recency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.schedulers.base import option, passing
from placement_opt.schedulers.classical.caching import Classical, Needs


@dataclass
class LIRS(Classical):
    """Evict what was read again only after many others; how recently does not count alone.

    Blocks whose last two reads lie close (LIR) take all but a small share of the tier; the others (HIR) pass through a queue,
    first in first out, whose front goes. A stack by last use holds the LIR blocks, and the HIR ones, gone or not, that were
    read after the oldest of these. One that is read while in the stack becomes LIR, and the oldest LIR blocks go to the end
    of the queue until they fit; one that is not in the stack goes to the end of the queue again. What is below the oldest LIR
    block leaves the stack, and is forgotten where it has gone. Blocks that come in while the LIR blocks leave room are LIR. The
    source takes 1 % for HIR blocks, at least a page (here a byte); as there, the stack has no other limit. Where the queue is
    empty the oldest LIR block goes. A block that leaves otherwise (moved up, freed) is forgotten.
    """

    title: ClassVar[str] = "lirs"
    source: ClassVar[str] = "Jiang and Zhang, SIGMETRICS 2002"
    cost: ClassVar[Cost[Size]] = passing("lirs")
    kind: ClassVar[str] = "lirs"
    needs: ClassVar[Needs] = Needs(lists=2, nodes=2)

    hir: float = option(0.01, "share of the tier for blocks that are read again late", low=0.0, high=1.0)

    def registers(self, capacity: int) -> list[int]:
        return [capacity - min(capacity, max(1, int(self.hir * capacity)))]
