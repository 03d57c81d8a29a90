"""A queue with a hand that stays where it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.schedulers.base import passing
from placement_opt.schedulers.classical.caching import Classical, Needs


@dataclass
class Sieve(Classical):
    """Evict, from the hand towards the newest, the first block that was not read since it came in or the hand passed it.

    Blocks stay in the order in which they came in; being read marks one. The hand starts at the oldest, unmarks what it
    passes, stays next to its last victim, and starts again at the oldest after the newest. A block that leaves otherwise
    (moved up, freed) takes the hand on to the next newer one.
    """

    title: ClassVar[str] = "sieve"
    source: ClassVar[str] = "Zhang, Yang, Yue, Vigfusson and Rashmi, NSDI 2024"
    cost: ClassVar[Cost[Size]] = passing("sieve")
    kind: ClassVar[str] = "sieve"
    needs: ClassVar[Needs] = Needs(lists=1)
