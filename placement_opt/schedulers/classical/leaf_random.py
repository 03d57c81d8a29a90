"""Any leaf that was not read lately."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.schedulers.base import option, passing
from placement_opt.schedulers.classical.caching import Needs
from placement_opt.schedulers.classical.leaves import Leaves


@dataclass
class LeafRandom(Leaves):
    """Evict one of the leaves that were not read in this phase, each as likely as the others.

    Randomised leaf token eviction (RLT): blocks are marked when they are read, what goes is drawn from the unmarked leaves
    of the tree of prefixes, and where there is none a new phase begins with no block marked. The tree is that of
    ``prefix-lru``, whose words on paths hold here. The source evicts tokens and begins a phase when as many were marked
    as the cache holds, or too few unmarked leaves are left; here blocks go, and a phase ends when no unmarked leaf is left.
    Draws as in ``random``, by the seed, in every tier.
    """

    title: ClassVar[str] = "leaf-random"
    source: ClassVar[str] = "Wu, Silwal and Zhang, arXiv 2601.18999 (RLT); marking: Fiat et al., J. Algorithms 12(4), 1991"
    cost: ClassVar[Cost[Size]] = passing("random")
    kind: ClassVar[str] = "leaf_random"
    needs: ClassVar[Needs] = Needs(heap=True)
    drawn: ClassVar[bool] = True

    seed: int = option(0, "seed of the draws", low=0, high=2**62)

    def registers(self, capacity: int) -> list[int]:  # noqa: ARG002
        return [0, self.seed, 0, 1]
