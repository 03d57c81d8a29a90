"""Heavy hitters and the newest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.schedulers.attention.heavy import Heavy
from placement_opt.schedulers.base import option, passing


@dataclass
class H2O(Heavy):
    """Keep what was read most often, and the newest.

    Of each layer's room a share is for its newest blocks; the rest holds those with most reads so far, each counted since
    the run began, the newer first among equals. A block that is read comes in where one that was read less makes way. The
    paper sums attention weights of each head; here a read counts 1, or its share, and blocks of all heads lie together.
    """

    title: ClassVar[str] = "h2o"
    by_position: ClassVar[bool] = True  # what is there at the start came in the order of ids
    source: ClassVar[str] = "H2O: heavy-hitter oracle, arXiv 2306.14048"
    cost: ClassVar[Cost[Size]] = passing("h2o")

    recent: float = option(0.5, "share of a layer's room for its newest blocks", low=0.0, high=1.0)

    @property
    def _frame(self) -> tuple[int, float, float]:
        return 0, self.recent, 1.0
