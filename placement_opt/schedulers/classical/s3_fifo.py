"""Three queues, each first in first out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.schedulers.base import option, passing
from placement_opt.schedulers.classical.caching import Classical, Needs


@dataclass
class S3FIFO(Classical):
    """Evict quickly what is not read again soon after it came in.

    A block comes into the small queue, or, if it is remembered, into the main one. Reads are counted up to 3. The oldest of the
    small queue moves to the main one if it was read at least twice, else it goes and is remembered, up to as many bytes of
    blocks as the main queue may take; the oldest of the main queue goes if its count is 0, else it loses one and is the newest.
    Victims are taken from the main queue when it takes more than its share. The source evicts from the main queue at once where
    a block that moves there makes it too large, and leaves open whether it takes its count along: here, as in its authors'
    simulator libCacheSim, the next victim comes from there, and the count begins at 0.
    """

    title: ClassVar[str] = "s3-fifo"
    source: ClassVar[str] = "Yang, Zhang, Qiu, Yue and Rashmi, SOSP 2023"
    cost: ClassVar[Cost[Size]] = passing("s3-fifo")
    kind: ClassVar[str] = "s3_fifo"
    needs: ClassVar[Needs] = Needs(lists=3)

    small: float = option(0.1, "share of the tier for the small queue", low=0.0, high=1.0)

    def registers(self, capacity: int) -> list[int]:
        main = capacity - min(capacity, max(1, int(self.small * capacity)))
        return [main, main]
