"""vLLM's offloading connector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.schedulers.base import option
from placement_opt.schedulers.cascade.tiered import ALL, Rule, Tiered, cascading


@dataclass
class VllmOffload(Tiered):
    """vLLM's OffloadingConnector: completed blocks are written to the CPU and to tiers behind it; hits come back through it.

    ``store=on_produce`` writes a block to all slower tiers when it has been touched ``store_threshold`` times, production
    included; ``store=on_evict`` when it makes way in the GPU. Tiers behind the CPU exchange blocks with it alone: what is read
    from one of them enters the CPU as well as the GPU. What makes way in the CPU is dropped where it may be.

    Defaults: lru and a threshold of 1 are those of ``CPUOffloadingManager`` (docs.vllm.ai, v0.26.0). Its other order, arc,
    keeps lists of what is gone and is not here: ``arc`` by itself plays it in every tier. Storing on eviction is what KServe's
    guide describes of the same connector. Under the rule exclusive every block has one copy, so that ``on_evict`` is what
    happens.
    """

    title: ClassVar[str] = "vllm-offload"
    family: ClassVar[str] = "serving"
    cost: ClassVar[Cost[Size]] = cascading("hicache")
    source: ClassVar[str] = (
        "vLLM: docs.vllm.ai, KV offloading usage guide and vllm.v1.kv_offload.cpu.manager v0.26.0; PR #40020"
    )

    store: str = option("on_produce", "when a block is written to slower tiers", choices=("on_produce", "on_evict"))
    store_threshold: int = option(1, "touches after which on_produce writes a block", low=1)

    def rule(self) -> Rule:
        if self.store == "on_evict":
            return Rule(depth=ALL, via=True)
        return Rule(through=self.store_threshold, via=True)
