"""First in, first out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.base import Policy, option, passing
from placement_opt.schedulers.hierarchy.hierarchy import Hierarchy
from placement_opt.schedulers.hierarchy.queues import queued
from placement_opt.schedulers.lru import recency, start_keys


@dataclass
class FIFO(Policy):
    """Keep what came in last.

    As ``lru``, but being read makes no block younger: what makes way is what came into the fastest tier first, or was last
    produced or read without having its place there.
    """

    title: ClassVar[str] = "fifo"
    cost: ClassVar[Cost[Size]] = passing("fifo")
    source: ClassVar[str] = "classical; see Belady, Nelson and Shedler, CACM 12(6), 1969"

    scope: str = option("layer", "each layer has its even share of the room, or all compete", choices=("layer", "global"))

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        own = self.scope == "layer"
        self._keys = start_keys(setting, first_reads)
        self._queued = queued(setting, by_layer=own, again=False)
        if self._queued is not None:
            return self._queued.start(self._keys[setting.initial_blocks])
        self._caches = Hierarchy(setting, by_layer=own, shares=own)
        return self._caches.start(self._keys[setting.initial_blocks])

    def step(self, view: View) -> Moves:
        if self._queued is not None:
            return self._queued.step(view)
        keys, birth_keys = recency(view)
        keys = np.where(self._caches.missed(view.reads), keys, self._keys[view.reads])
        self._keys[view.reads], self._keys[view.births] = keys, birth_keys
        self._caches.begin(view, keys, birth_keys)
        arrived, keys = np.concatenate([view.reads, view.births]), np.concatenate([keys, birth_keys])
        newest = np.argsort(keys)[::-1]
        self._caches.admit(arrived[newest], keys[newest])
        return self._caches.moves()
