"""A cascade whose slower tiers hold what the faster ones do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from placement_opt.schedulers.base import option
from placement_opt.schedulers.cascade.tiered import ORDERS, Rule, Tiered


@dataclass
class InclusiveCascade(Tiered):
    """Whatever is read or produced enters every tier, and what makes way is dropped: the tiers below have it.

    The reading of a hierarchy of processor caches that is filled on a miss at all levels. Two upper tiers that hold the same
    blocks serve as one: ``exclusive-cascade`` avoids that. Nothing is invalidated above because it leaves below. Where nothing
    below has it although it has to be somewhere (rule free), what makes way goes down after all. Under the rule exclusive,
    where there is one copy, it is ``exclusive-cascade``.
    """

    title: ClassVar[str] = "inclusive-cascade"
    family: ClassVar[str] = "cascade"
    source: ClassVar[str] = "Baer and Wang, ISCA 1988: inclusion in multi-level caches (without invalidation from below)"

    order: str = option("lru", "what makes way: the least recently read, what came in first, or the least often read",
                        choices=ORDERS)  # fmt: skip

    def rule(self) -> Rule:
        return Rule(order=self.order, through=1)
