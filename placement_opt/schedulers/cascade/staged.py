"""Up by one tier at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from placement_opt.schedulers.base import option
from placement_opt.schedulers.cascade.tiered import ALL, ORDERS, Rule, Tiered


@dataclass
class Staged(Tiered):
    """A block read from a tier moves to the next faster one only: from NVMe into DRAM, and from there into HBM.

    So a block has to be read as often as there are tiers above it before it is in the fastest; one read by chance displaces
    nothing there. What makes way goes one tier down. New blocks enter the fastest tier, and under the rule cache so does what
    is nowhere enter the slowest. Under the rule inclusive the first tier above home is the first stage.
    """

    title: ClassVar[str] = "staged"
    family: ClassVar[str] = "cascade"
    source: ClassVar[str] = "vLLM PR #40020 (secondary tiers are promoted through the primary one); this project's reading"

    order: str = option("lru", "what makes way: the least recently read, what came in first, or the least often read",
                        choices=ORDERS)  # fmt: skip
    up: str = option("move", "whether a block that moves up leaves its copies in slower tiers", choices=("move", "copy"))

    def rule(self) -> Rule:
        return Rule(order=self.order, staged=True, move=self.up == "move", depth=ALL)
