"""A cache of what the fastest tier evicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from placement_opt.schedulers.base import option
from placement_opt.schedulers.cascade.tiered import ORDERS, Rule, Tiered


@dataclass
class Victim(Tiered):
    """What the fastest tier evicts goes to the next one, which nothing else enters; what that evicts is dropped.

    A read that finds its block in the victim tier swaps it back. Where what leaves the victim tier has no other copy and has
    to be somewhere (rules exclusive and free), it goes further down instead. With two tiers that is ``exclusive-cascade``
    but for the rule cache and the last tier. A free start fills all tiers, the fastest first.
    """

    title: ClassVar[str] = "victim"
    family: ClassVar[str] = "cascade"
    source: ClassVar[str] = "Jouppi, ISCA 1990: victim caches (fully associative; LRU there)"

    order: str = option("lru", "what makes way: the least recently read, what came in first, or the least often read",
                        choices=ORDERS)  # fmt: skip

    def rule(self) -> Rule:
        return Rule(order=self.order, move=True, depth=1)
