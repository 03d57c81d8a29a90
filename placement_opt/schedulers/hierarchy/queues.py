"""The caches of ``lru`` and ``fifo`` where they need no heaps: one cache above a tier that keeps everything."""

from __future__ import annotations

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.play.protocol import Moves, Resident, Setting, View
from placement_opt.schedulers.base import cache_tiers, layer_of
from placement_opt.schedulers.hierarchy.hierarchy import UNLIMITED, even_shares


class Queued:
    """Makes the moves of :class:`placement_opt.schedulers.hierarchy.hierarchy.Hierarchy` with the keys of those two.

    Parameters
    ----------
    setting
        Of the run; see :func:`queued`.
    by_layer
        Whether each layer has its even share of the room, and blocks displace only those of their own.
    again
        Whether being read makes blocks younger that are in the cache.
    """

    def __init__(self, setting: Setting, *, by_layer: bool, again: bool) -> None:
        from placement_opt.schedulers.hierarchy import queues_kernels as kernels

        self._kernels, self._setting, self._again = kernels, setting, again
        [self._tier] = cache_tiers(setting)
        blocks, groups = len(setting.size), setting.num_layers if by_layer else 1
        node = np.zeros((blocks + groups, 4), dtype=np.int32)
        node[:, kernels.OLDER] = node[:, kernels.NEWER] = np.arange(blocks + groups)
        if by_layer:
            node[:blocks, kernels.GROUP] = layer_of(setting)
        room = np.full(kernels.QUOTA + groups, UNLIMITED, dtype=np.int64)
        room[kernels.ROOM] = setting.capacity[self._tier]
        if groups > 1:
            room[kernels.QUOTA :] = even_shares(setting, groups)[self._tier]
        self._queues = kernels.Queues(node, setting.size, room, np.zeros(groups, dtype=np.int32))
        self._found = np.empty((2, blocks), dtype=np.int32)

    def start(self, keys: Int64) -> Resident | None:
        """State 0, as given or chosen by the keys of the initial blocks: bool[K, B]."""
        blocks, given = self._setting.initial_blocks, self._setting.initial
        newest = blocks[np.argsort(keys, kind="stable")[::-1]]
        if given is not None:
            newest = newest[given[self._tier, newest]]
        self._kernels.fill(self._queues, newest, given is not None)
        if given is not None:
            return None
        resident = np.zeros((len(self._setting.capacity), len(self._setting.size)), dtype=bool)
        resident[self._tier] = self._queues.node[: len(self._setting.size), self._kernels.BITS] & self._kernels.IN
        resident[self._setting.home, blocks] = True
        return resident

    def step(self, view: View) -> Moves:
        """Bring in all that is at the processor."""
        near = np.concatenate([view.reads, view.births]) if len(view.births) else view.reads
        freed = view.freed.astype(np.int64, copy=False)
        counts = self._kernels.step(self._queues, freed, near.astype(np.int64), self._again, self._found)
        store, drop = (row[:count].astype(np.int64) for row, count in zip(self._found, counts, strict=True))
        return Moves(
            store=[(self._tier, store)] if len(store) else [],
            drop=[(self._tier, drop)] if len(drop) else [],
        )


def queued(setting: Setting, *, by_layer: bool, again: bool) -> Queued | None:
    """The caches without heaps; None where they need them: more caches than one, or blocks that must lie in one of them.

    Blocks that keep their age have turns in its order, which is known within a queue only.
    """
    one = setting.residency == "inclusive" and len(cache_tiers(setting)) == 1
    whole = again or not by_layer or setting.num_layers == 1
    return Queued(setting, by_layer=by_layer, again=again) if one and whole else None
