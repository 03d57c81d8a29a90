"""A window, and admission by frequency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.schedulers.base import option, passing
from placement_opt.schedulers.classical.caching import Classical, Needs


@dataclass
class WTinyLFU(Classical):
    """Keep in the main part what was read more often than what would go for it.

    A block comes into a window that is kept by last use. When room is needed and the window has its share, its least recently
    read is held against the main part's next victim: what was read more often stays (and is in the main part), the other goes;
    of two alike the main part's stays. The main part is segmented (``slru``), 80 % of it protected. Reads are counted up to 15,
    also of blocks that have gone; all counts are halved when the bytes read since come to ``sample`` times the tier's. The
    source counts in a sketch; here blocks are numbered, so counts are exact (no collisions, no doorkeeper). The window holds at
    least the newest block. While there is room what leaves the window enters the main part unasked.
    """

    title: ClassVar[str] = "w-tinylfu"
    source: ClassVar[str] = "Einziger, Friedman and Manes, ACM Transactions on Storage 13(4), 2017"
    cost: ClassVar[Cost[Size]] = passing("w-tinylfu")
    kind: ClassVar[str] = "w_tinylfu"
    needs: ClassVar[Needs] = Needs(lists=3)

    window: float = option(0.01, "share of the tier for the window", low=0.0, high=1.0)
    sample: int = option(10, "bytes read between two halvings of the counts, over the tier's", low=1, high=1000)

    def registers(self, capacity: int) -> list[int]:
        window = min(capacity, max(1, int(self.window * capacity)))
        return [window, int(0.8 * (capacity - window)), self.sample * capacity]
