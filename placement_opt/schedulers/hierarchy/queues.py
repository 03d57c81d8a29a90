"""The caches of ``lru``, ``fifo``, ``tail-lru`` and ``clock`` where they need no heaps: one cache above a tier that keeps
everything."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.base import cache_tiers, layer_of
from placement_opt.schedulers.hierarchy.hierarchy import UNLIMITED, even_shares


class Queued:
    """Makes the moves of :class:`placement_opt.schedulers.hierarchy.hierarchy.Hierarchy` with the keys of the first three.

    Parameters
    ----------
    setting
        Of the run; see :func:`queued`.
    by_layer
        Whether each layer has its even share of the room, and blocks displace only those of their own.
    again
        Whether being read makes blocks younger that are in the cache.
    stacked
        Whether there are two queues, and all of the first is older than the second, which all blocks are in at first.

    Attributes
    ----------
    tier
        The cache.
    queues, noted
        What compiled loops are handed; room for the blocks that make way in a step.
    """

    def __init__(self, setting: Setting, *, by_layer: bool, again: bool, stacked: bool = False) -> None:
        from placement_opt.schedulers.hierarchy import queues_kernels as kernels

        self._kernels, self._setting, self._again, self._stacked = kernels, setting, again, stacked
        [self.tier] = cache_tiers(setting)
        blocks, groups = len(setting.size), 2 if stacked else setting.num_layers if by_layer else 1
        node = np.zeros((blocks, 4), dtype=np.int32)
        node[:, kernels.AT] = -1
        node[:, kernels.QUEUE] = 1 if stacked else layer_of(setting) if by_layer else 0
        room = np.zeros(kernels.QUOTA + groups, dtype=np.int64)
        room[kernels.ROOM] = room[kernels.CAPACITY] = setting.capacity[self.tier]
        shared = groups > 1 and not stacked
        room[kernels.QUOTA :] = even_shares(setting, groups)[self.tier] if shared else UNLIMITED
        counts = np.full(2, blocks) if stacked else np.bincount(node[:, kernels.QUEUE], minlength=groups)
        first = np.append(0, np.cumsum(2 * counts))
        row = np.empty(int(first[-1]), dtype=np.int32)
        self.queues = kernels.Queues(node, setting.size, room, row, first, *(first[:-1].copy() for _ in range(3)))
        self.noted = np.empty(blocks, dtype=np.int32)

    def start(self, keys: Int64) -> Resident | None:
        """State 0, as given or chosen by the keys of the initial blocks: bool[K, B]."""
        blocks, given = self._setting.initial_blocks, self._setting.initial
        newest = blocks[np.argsort(keys, kind="stable")[::-1]]
        return self.fill(newest if given is None else newest[given[self.tier, newest]])

    def fill(self, newest: Ids) -> Resident | None:
        """State 0 with these blocks, as far as they have room, if it is not given."""
        given = self._setting.initial is not None
        self._kernels.fill(self.queues, newest.astype(np.int64), given)
        if given:
            return None
        resident = np.zeros((len(self._setting.capacity), len(self._setting.size)), dtype=bool)
        resident[self.tier] = self.queues.node[:, self._kernels.BITS] & self._kernels.IN
        resident[self._setting.home, self._setting.initial_blocks] = True
        return resident

    def step(self, view: View) -> Moves:
        """Bring in all that is at the processor: what is read, then what is produced, ids ascending."""
        return self.bring(view, near(view), 0)

    def bring(self, view: View, near: Int64, vain: int) -> Moves:
        """Bring in these, all that are at the processor, their keys ascending; the first ``vain`` into the first queue."""
        lists, stored = np.empty((2, len(near)), dtype=np.int32), np.empty(len(near), dtype=np.int64)
        freed = view.freed.astype(np.int64, copy=False)
        came, dropped = self._kernels.step(
            self.queues, freed, near, self._again, self._stacked, vain, lists, stored, self.noted
        )
        return self.moves(stored[:came], self.noted[:dropped])

    def held(self, ids: Ids) -> npt.NDArray[np.uint16]:
        """uint16[n]: the tiers that hold each of these blocks, bit k for tier k."""
        bits = self.queues.node[ids, self._kernels.BITS]
        held = (bits & self._kernels.IN) << self.tier | 1 << self._setting.home
        return np.where(bits & self._kernels.GONE, 0, held).astype(np.uint16)

    def turns(self, view: View, highest: int) -> Moves:
        """A clock's step: reads are counted up to ``highest``, what is missing comes in, each in its turn."""
        ids = near(view)
        stored = np.empty(len(ids), dtype=np.int32)
        freed = view.freed.astype(np.int64, copy=False)
        came, dropped = self._kernels.turns(self.queues, freed, ids, highest, stored, self.noted)
        return self.moves(np.sort(stored[:came]), np.sort(self.noted[:dropped]))

    def moves(self, stored: Ids, dropped: Ids) -> Moves:
        """What blocks that came, and that made way, come to."""
        store = [(self.tier, stored.astype(np.int64, copy=False))] if len(stored) else []
        return Moves(store, drop=[(self.tier, dropped.astype(np.int64))] if len(dropped) else [])


def near(view: View) -> Int64:
    """What is at the processor, in the order of its keys."""
    ids = np.concatenate([view.reads, view.births]) if len(view.births) else view.reads
    return ids.astype(np.int64)


def queued(setting: Setting, *, by_layer: bool, again: bool, stacked: bool = False) -> Queued | None:
    """The caches without heaps; None where they need them: more caches than one, or blocks that must lie in one of them.

    Blocks that keep their age have turns in its order, which is known within a queue only.
    """
    whole = again or not by_layer or setting.num_layers == 1
    return Queued(setting, by_layer=by_layer, again=again, stacked=stacked) if alone(setting) and whole else None


def alone(setting: Setting) -> bool:
    """Whether there is one cache, above a tier that keeps everything."""
    return setting.residency == "inclusive" and len(cache_tiers(setting)) == 1
