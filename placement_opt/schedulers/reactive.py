"""Bring in whatever was missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.base import Policy, option, passing
from placement_opt.schedulers.hierarchy.hierarchy import NOTHING, Hierarchy
from placement_opt.schedulers.lru import recency


@dataclass
class Reactive(Policy):
    """The paper's reactive migration: every block just read that the fastest tier misses is stored there.

    When the tier is full, the paper's code removes every resident block of the step's layer ("flush") and goes on; what it
    just read and found there is lost with the rest. ``victims=lru`` makes room block by block instead, least recently read
    first, within the layer. Layers share the room as they come. New blocks take the fastest tier only if it has room. A free
    start holds the first reads, layer by layer, oldest first.

    Several tiers: see :mod:`placement_opt.schedulers.hierarchy.hierarchy`. Under the inclusive rule each cache is flushed on
    its own; otherwise only the fastest tier is, and its blocks move down as far as there is room, or stay.
    """

    title: ClassVar[str] = "reactive"
    family: ClassVar[str] = "paper"
    source: ClassVar[str] = "arXiv 2508.13231: NormalMigration, PreferHBM"
    cost: ClassVar[Cost[Size]] = passing("reactive")

    victims: str = option(
        "flush", "what makes room: all blocks of the layer, or the least recently read", choices=("flush", "lru")
    )

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        self._caches = Hierarchy(setting, by_layer=True, shares=False)
        keys = np.full(len(setting.size), -len(first_reads) * len(setting.size) - 1)
        for layer, ids in enumerate(first_reads):
            keys[ids] = -layer * len(setting.size) - ids.astype(np.int64)
        return self._caches.start(keys[setting.initial_blocks])

    def step(self, view: View) -> Moves:
        keys = recency(view)
        self._caches.begin(view, *keys)
        if self.victims == "flush":
            self._caches.flush_in(view.reads)
        else:
            self._caches.admit(view.reads[::-1], keys[0][::-1])
        if len(view.births):
            self._caches.admit(view.births, np.full(len(view.births), NOTHING))
        return self._caches.moves()
