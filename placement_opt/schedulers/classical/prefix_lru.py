"""Least recently used, leaves first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.schedulers.base import passing
from placement_opt.schedulers.classical.caching import Needs
from placement_opt.schedulers.classical.leaves import Leaves


@dataclass
class PrefixLRU(Leaves):
    """Evict the least recently read of the blocks that no other block of the tier extends.

    Prefixes that requests share form a tree; only its leaves go, so that what is held of a prefix can be used. A block extends
    the one before it on the path of the first step that reads or produces it (of its layer, where blocks have layers), and so
    for good. The path of a step is known by the places of its reads under strict prefixes; elsewhere nothing tells it, and ids,
    which follow the order of production, are taken for it. Steps have their turns from the end of their path, so that where a
    path is larger than the tier its beginning stays. Two things differ from the source, which has no tiers below and keeps
    what a running request holds: where tiers keep what the one above evicts, each evicts its own leaves; and a step holds
    nothing, it only was the last to read.
    """

    title: ClassVar[str] = "prefix-lru"
    source: ClassVar[str] = "Zheng et al., SGLang (RadixAttention), arXiv 2312.07104, section 3"
    cost: ClassVar[Cost[Size]] = passing("lfu")
    kind: ClassVar[str] = "prefix_lru"
    needs: ClassVar[Needs] = Needs(heap=True)
    drawn: ClassVar[bool] = False
