"""Adaptive replacement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.schedulers.base import passing
from placement_opt.schedulers.classical.caching import Classical, Needs


@dataclass
class ARC(Classical):
    """Keep by last use what was read once and what was read again apart; the split follows what is missed.

    T1 holds what was read once, T2 what was read again, by last use; B1 and B2 remember what was evicted from them. A block
    that is missed and remembered in B1 raises p, the bytes that T1 should take, by its size times max(1, B2/B1), one in B2
    lowers it by its size times max(1, B1/B2), and comes into T2. The least recently read of T1 goes where T1 takes more than p
    (or just p, for a block of B2), else that of T2. T1 and B1 together remember as many bytes as the tier has, all four twice
    as many. Counted in bytes instead of pages, p not rounded; a block that leaves otherwise (moved up, freed) is forgotten.
    """

    title: ClassVar[str] = "arc"
    source: ClassVar[str] = "Megiddo and Modha, FAST 2003"
    cost: ClassVar[Cost[Size]] = passing("arc")
    kind: ClassVar[str] = "arc"
    needs: ClassVar[Needs] = Needs(lists=4)
