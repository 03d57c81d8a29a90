"""Most recently used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.schedulers.base import passing
from placement_opt.schedulers.classical.caching import Classical, Needs


@dataclass
class MRU(Classical):
    """Evict what was read last.

    Best where a set that is larger than the tier is read in a loop. The block that room is made for is not in the tier yet, so
    it is never its own victim.
    """

    title: ClassVar[str] = "mru"
    source: ClassVar[str] = "Chou and DeWitt, VLDB 1985"
    cost: ClassVar[Cost[Size]] = passing("mru")
    kind: ClassVar[str] = "mru"
    needs: ClassVar[Needs] = Needs(lists=1)
