"""SGLang's hierarchical cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids
from placement_opt.schedulers.base import option
from placement_opt.schedulers.cascade.tiered import ALL, Rule, Tiered, cascading


@dataclass
class HiCache(Tiered):
    """HiCache: GPU, host and storage; blocks are written down when produced or read, at the n-th time, or when they make way.

    ``write_through`` stores what is produced or read in all slower tiers at once, ``write_through_selective`` when it was
    touched ``hits`` times, ``write_back`` when it makes way in the fastest. What has a copy below is dropped from above. What
    makes way without one is dropped where it may (write_through_selective) or goes down. A read brings its block into the
    GPU; one found in storage comes through the host and stays there as well. At one step at most ``share`` of what the host
    holds more than the GPU comes from storage, and nothing if that is fewer than ``least`` blocks.

    Readings: SGLang prefetches from storage while a request waits, with a timeout or without; here a step lasts as long as
    its transfers, so its policies best_effort, wait_complete and timeout do not differ. ``share`` 0.8 of the difference of host
    and device is what sglang#26449 quotes; the threshold it quotes, 256 tokens, is ``least`` in blocks (a trace does not say
    their tokens), by default one. write_through is what the examples of its guide use (docs.sglang.io, HiCache best
    practices). The count of write_through_selective was not found in the documentation: ``hits`` 2 is our choice. The
    ``write_back_threshold`` between the two (sglang#40576) is not modelled otherwise than by ``hits``. Under the rule inclusive
    the tiers are those above home, which has everything; under exclusive every block has one copy and nothing is written
    through.
    """

    title: ClassVar[str] = "hicache"
    family: ClassVar[str] = "serving"
    cost: ClassVar[Cost[Size]] = cascading("hicache")
    source: ClassVar[str] = "SGLang HiCache: docs.sglang.io, HiCache design and best practices; sglang#26449, #40576"

    write: str = option("write_through", "when a block is written to slower tiers",
                        choices=("write_through", "write_through_selective", "write_back"))  # fmt: skip
    hits: int = option(2, "reads, production included, after which write_through_selective writes", low=1)
    order: str = option("lru", "what makes way: the least recently or the least often read", choices=("lru", "lfu"))
    share: float = option(0.8, "of what the host has more room than the GPU, how much comes from storage a step", low=0, high=1)
    least: int = option(1, "blocks found in storage at a step, below which none is brought", low=1)

    def rule(self) -> Rule:
        through = {"write_through": 1, "write_through_selective": self.hits, "write_back": 0}[self.write]
        return Rule(order=self.order, through=through, depth=ALL if self.write == "write_back" else 0, via=True)

    def promoted(self, reads: Ids) -> Ids:
        levels = self._levels
        if len(levels.tiers) < 3:
            return reads
        stored = levels.missing(1, reads) & ~levels.missing_below(2, reads)
        device, host = (int(self._setting.capacity[tier]) for tier in levels.tiers[:2])
        found = np.flatnonzero(stored)[::-1]  # the newest first
        budget = int(self.share * max(host - device, 0))
        comes = ~stored
        if len(found) >= self.least:
            comes[found[np.cumsum(self._setting.size[reads[found]]) <= budget]] = True
        return reads[comes]
