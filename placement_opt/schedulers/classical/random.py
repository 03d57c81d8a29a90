"""Any block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.schedulers.base import option, passing
from placement_opt.schedulers.classical.caching import Classical, Needs


@dataclass
class Random(Classical):
    """Evict one of the blocks, each as likely as the others.

    Drawn by SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), started with the seed, in every tier: the same seed gives the same
    moves. Blocks are numbered as they come in, the last takes the number of one that leaves.
    """

    title: ClassVar[str] = "random"
    source: ClassVar[str] = "classical; see Belady, IBM Systems Journal 5(2), 1966"
    cost: ClassVar[Cost[Size]] = passing("random")
    kind: ClassVar[str] = "random"
    needs: ClassVar[Needs] = Needs(heap=True)

    seed: int = option(0, "seed of the draws", low=0, high=2**62)

    def registers(self, capacity: int) -> list[int]:  # noqa: ARG002
        return [0, self.seed]
