"""Segmented least recently used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.schedulers.base import option, passing
from placement_opt.schedulers.classical.caching import Classical, Needs


@dataclass
class SLRU(Classical):
    """Evict the least recently read of those that were read once; what is read again is protected.

    What comes in is on probation; being read there moves it to the protected part, whose least recently read go back to
    probation (as its most recently read) when it takes more than its share of the tier's bytes. Where nothing is on probation
    the least recently read of the protected goes. The share is open in general; here 80 % by default.
    """

    title: ClassVar[str] = "slru"
    source: ClassVar[str] = "Karedla, Love and Wherry, IEEE Computer 27(3), 1994"
    cost: ClassVar[Cost[Size]] = passing("slru")
    kind: ClassVar[str] = "slru"
    needs: ClassVar[Needs] = Needs(lists=2)

    protected: float = option(0.8, "share of the tier for what was read again", low=0.0, high=1.0)

    def registers(self, capacity: int) -> list[int]:
        return [int(self.protected * capacity)]
