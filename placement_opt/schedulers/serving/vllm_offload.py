"""vLLM's offloading connector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, Resident, Setting, View
from placement_opt.schedulers.base import option
from placement_opt.schedulers.cascade.tiered import ALL, Rule, Tiered, cascading
from placement_opt.schedulers.serving.arc_level import ArcLevel


@dataclass
class VllmOffload(Tiered):
    """vLLM's OffloadingConnector: completed blocks are written to the CPU and to tiers behind it; hits come back through it.

    ``store=on_produce`` writes a block to all slower tiers when it has been touched ``store_threshold`` times, production
    included; ``store=on_evict`` when it makes way in the GPU. Tiers behind the CPU exchange blocks with it alone: what is read
    from one of them enters the CPU as well as the GPU. What makes way in the CPU is dropped where it may be.

    ``evict=arc`` has its adaptive order decide what makes way in the CPU (:class:`ArcLevel`): every read touches what the CPU
    has or remembers, whether or not the GPU has it, too, and what a step reads makes no way in it. GPU and tiers behind the CPU
    stay with least recently read.

    Defaults: lru and a threshold of 1 are those of ``CPUOffloadingManager`` (docs.vllm.ai, v0.26.0); its ``eviction_policy`` is
    lru or arc (vllm#27039). Storing on eviction is what KServe's guide describes of the same connector. Its ARC counts blocks;
    here all is counted in bytes. Where the CPU is the last tier and everything has to be somewhere, nothing makes way in it but
    second copies. Under the rule exclusive every block has one copy, so that ``on_evict`` is what happens.
    """

    title: ClassVar[str] = "vllm-offload"
    family: ClassVar[str] = "serving"
    cost: ClassVar[Cost[Size]] = cascading("hicache")
    source: ClassVar[str] = (
        "vLLM: docs.vllm.ai, KV offloading usage guide and vllm.v1.kv_offload.cpu.manager v0.26.0; PR #40020"
    )

    store: str = option("on_produce", "when a block is written to slower tiers", choices=("on_produce", "on_evict"))
    store_threshold: int = option(1, "touches after which on_produce writes a block", low=1)

    evict: str = option("lru", "what makes way in the CPU: the least recently read, or by ARC", choices=("lru", "arc"))

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        found = super().start(setting, first_reads)
        self._arcs: dict[int, ArcLevel] = {}
        levels = self._levels
        if self.evict == "arc" and len(levels.tiers) > 1:
            there = np.flatnonzero(levels.held[levels.tiers[1]])
            there = there[np.argsort(levels.key[there], kind="stable")]
            of = levels.caches(1, there)
            for cache in np.unique(levels.caches(1, np.arange(len(setting.size)))).tolist():
                self._arcs[cache] = ArcLevel(setting, levels, 1, cache, there[of == cache].tolist())
        return found

    def see(self, view: View, reads: Ids, births: Ids) -> None:
        arrived = np.concatenate([reads, births])
        for cache, arc in self._arcs.items():
            arc.begin(*(ids[self._levels.caches(1, ids) == cache] for ids in (view.freed, arrived)))

    def after(self, view: View) -> None:
        del view
        for arc in self._arcs.values():
            arc.end()

    def rule(self) -> Rule:
        if self.store == "on_evict":
            return Rule(depth=ALL, via=True)
        return Rule(through=self.store_threshold, via=True)
