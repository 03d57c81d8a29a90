"""Least recently used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.base import Policy, option, passing
from placement_opt.schedulers.hierarchy.hierarchy import Hierarchy
from placement_opt.schedulers.hierarchy.queues import queued

_IDS = 2**31  # more than there are blocks


@dataclass
class LRU(Policy):
    """Keep what was read last.

    Every block that a step reads or produces is brought into the fastest tier, and those that have gone unread longest make
    way. A step reads its blocks in order of their ids, oldest first, and then produces its own, so that of a read set larger
    than the tier the newest blocks stay. Several tiers form a hierarchy (:mod:`placement_opt.schedulers.hierarchy.hierarchy`).
    A free start holds the first reads, and then what is newest.
    """

    title: ClassVar[str] = "lru"
    source: ClassVar[str] = "classical; see e.g. Sleator and Tarjan, CACM 28(2), 1985"
    cost: ClassVar[Cost[Size]] = passing("lru")

    scope: str = option("layer", "each layer has its even share of the room, or all compete", choices=("layer", "global"))

    @property
    def by_layer(self) -> bool:
        return self.scope == "layer"

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        own, keys = self.scope == "layer", start_keys(setting, first_reads)[setting.initial_blocks]
        self.queued = queued(setting, by_layer=own, again=True)
        if self.queued is not None:
            return self.queued.start(keys)
        self._caches = Hierarchy(setting, by_layer=own, shares=own)
        return self._caches.start(keys)

    def step(self, view: View) -> Moves:
        if self.queued is not None:
            return self.queued.step(view)
        read_keys, birth_keys = recency(view)
        self._caches.begin(view, read_keys, birth_keys)
        # Newest first: nothing is brought in that a later block of the same step would push out again.
        arrived, keys = np.concatenate([view.reads, view.births]), np.concatenate([read_keys, birth_keys])
        self._caches.admit(arrived[::-1], keys[::-1])
        return self._caches.moves()


def recency(view: View) -> tuple[Int64, Int64]:
    """Keys of the reads and of the births of a step: later steps are higher, then births, then higher ids."""
    return 2 * view.step * _IDS + view.reads.astype(np.int64), (2 * view.step + 1) * _IDS + view.births.astype(np.int64)


def start_keys(setting: Setting, first_reads: Sequence[Ids]) -> Int64:
    """int64[B]: keys before step 0; first reads are more recent than the others, then those further behind among the initial
    blocks, which are in order of their ids at the start of a run."""
    keys = np.full(len(setting.size), -2 * _IDS)
    keys[setting.initial_blocks] += np.arange(len(setting.initial_blocks))
    for ids in first_reads:
        keys[ids] = ids.astype(np.int64) - _IDS
    return keys
