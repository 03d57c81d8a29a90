"""Up only at the n-th read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from placement_opt.schedulers.base import option
from placement_opt.schedulers.cascade.tiered import ALL, ORDERS, Rule, Tiered


@dataclass
class NthHit(Tiered):
    """A block moves into the fastest tier when it has been read ``hits`` times, its production being the first.

    Blocks that are there before step 0 begin at none. Reads are counted for good, whether or not the block moves meanwhile.
    New blocks enter the fastest tier. What makes way goes one tier down.
    """

    title: ClassVar[str] = "nth-hit"
    family: ClassVar[str] = "cascade"
    source: ClassVar[str] = "admission on the n-th hit: Maggs and Sitaraman, CCR 45(3), 2015 (n = 2); vLLM's store_threshold"

    hits: int = option(2, "reads after which a block moves up; 1 is exclusive-cascade, with up=move", low=1)
    order: str = option("lru", "what makes way: the least recently read, what came in first, or the least often read",
                        choices=ORDERS)  # fmt: skip
    up: str = option("move", "whether a block that moves up leaves its copies in slower tiers", choices=("move", "copy"))

    def rule(self) -> Rule:
        return Rule(order=self.order, hits=self.hits, move=self.up == "move", depth=ALL)
