"""LMCache's tiers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.schedulers.base import option
from placement_opt.schedulers.cascade.tiered import ORDERS, Rule, Tiered, cascading


@dataclass
class LMCache(Tiered):
    """LMCache: what is stored is written to CPU, disk and remote at once; a hit further down comes into the GPU and the CPU.

    What makes way is dropped, because the tiers below had it from the start; where they had no room for it and it has to be
    somewhere, it goes down. A block of the trace is a chunk (256 tokens by default there). LMCache leaves out blocks of the
    answer by default (``save_decode_cache`` false); a trace does not say which blocks are of answers, so all are stored.
    Under the rule exclusive, where every block has one copy, it is ``exclusive-cascade``.
    """

    title: ClassVar[str] = "lmcache"
    family: ClassVar[str] = "serving"
    cost: ClassVar[Cost[Size]] = cascading("hicache")
    source: ClassVar[str] = "LMCache: docs.lmcache.ai, configuring LMCache (chunk_size 256, cache_policy LRU)"

    order: str = option("lru", "cache_policy: what makes way", choices=ORDERS)

    def rule(self) -> Rule:
        return Rule(order=self.order, through=1, via=True)
