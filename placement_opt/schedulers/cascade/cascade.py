"""A cascade of tiers, each of its rules by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from placement_opt.schedulers.base import option
from placement_opt.schedulers.cascade.tiered import ALL, ORDERS, Rule, Tiered


@dataclass
class Cascade(Tiered):
    """A cascade of tiers by its rules: what goes first, how blocks move up, and what becomes of what makes way.

    New blocks enter the fastest tier. A block that is read ``promote`` times (its production is one) moves up, and what ranks
    lower makes way for it; what ranks higher does not. ``up=copy`` leaves the copies in slower tiers, which are dropped first
    where the slowest tier needs room; ``up=move`` drops them. What makes way goes one tier down or, where that does not
    take it, further (``down=demote``), or is dropped (``down=drop``) where the residency rule allows it: a copy elsewhere,
    a home tier, or the rule cache. Under the rule exclusive ``up`` is move, and under exclusive and free the last copy is
    never dropped. Under the rule inclusive the tiers are those faster than the home tier. A free start holds the first reads,
    then what is newest. The named cascades (``inclusive-cascade``, ``exclusive-cascade``, ``victim``, ``staged``, ``nth-hit``)
    are settings of this one.
    """

    title: ClassVar[str] = "cascade"
    family: ClassVar[str] = "cascade"
    source: ClassVar[str] = "this project: what cascades differ in, one option each"

    order: str = option("lru", "what makes way: the least recently read, what came in first, or the least often read",
                        choices=ORDERS)  # fmt: skip
    up: str = option("move", "whether a block that moves up leaves its copies in slower tiers", choices=("move", "copy"))
    down: str = option("demote", "whether what makes way goes down or is dropped", choices=("demote", "drop"))
    promote: int = option(1, "reads after which a block moves up", low=1)
    path: str = option("straight", "up into the fastest tier, or (staged) by one tier", choices=("straight", "staged"))

    def rule(self) -> Rule:
        return Rule(
            order=self.order,
            hits=self.promote,
            staged=self.path == "staged",
            move=self.up == "move",
            depth=ALL if self.down == "demote" else 0,
        )
