"""Clocks with adaptive replacement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.schedulers.base import passing
from placement_opt.schedulers.classical.caching import Classical, Needs


@dataclass
class CAR(Classical):
    """As ``arc``, but being read only marks a block.

    T1 and T2 are clocks: at the hand of T1 a marked block loses its mark and moves to T2, at that of T2 it loses its mark and
    stays, an unmarked one goes. The hand of T1 moves where T1 takes at least p bytes. p follows what is remembered as in
    ``arc``, but after room was made. Counted in bytes instead of pages; a block that leaves otherwise (moved up, freed) is
    forgotten.
    """

    title: ClassVar[str] = "car"
    source: ClassVar[str] = "Bansal and Modha, FAST 2004"
    cost: ClassVar[Cost[Size]] = passing("car")
    kind: ClassVar[str] = "car"
    needs: ClassVar[Needs] = Needs(lists=4)
