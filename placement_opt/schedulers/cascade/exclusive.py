"""A cascade whose tiers hold different blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from placement_opt.schedulers.base import option
from placement_opt.schedulers.cascade.tiered import ALL, ORDERS, Rule, Tiered


@dataclass
class ExclusiveCascade(Tiered):
    """A block that moves up leaves the tiers below, and what makes way goes one tier down.

    The room of all tiers adds up, where ``inclusive-cascade`` holds the same blocks several times; each way down is a copy
    that has to be made. Under the rule inclusive the home tier keeps everything, and the tiers above it differ from each
    other; under the rule cache what leaves the slowest tier is gone.
    """

    title: ClassVar[str] = "exclusive-cascade"
    family: ClassVar[str] = "cascade"
    source: ClassVar[str] = "Jouppi and Wilton, ISCA 1994 (exclusive levels); Wong and Wilkes, USENIX ATC 2002 (DEMOTE)"

    order: str = option("lru", "what makes way: the least recently read, what came in first, or the least often read",
                        choices=ORDERS)  # fmt: skip

    def rule(self) -> Rule:
        return Rule(order=self.order, move=True, depth=ALL)
