"""From where blocks are to where another scheduler has them: read by read, not all at once."""

from __future__ import annotations

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.base import cache_tiers
from placement_opt.schedulers.contender.ghost import Ghost
from placement_opt.schedulers.hierarchy.hierarchy import Hierarchy

_CLASS = 2**40  # of a key: a level; within it those read longer ago go first


class Follower:
    """Brings blocks that are at the processor to the level at which the leader has them; what it has further down, or
    nowhere, makes way first."""

    def __init__(self, setting: Setting, resident: Resident, last: Int64) -> None:
        order = cache_tiers(setting)
        self._levels, self._last = len(order), last
        self._level = np.full(1 << len(setting.capacity), self._levels, dtype=np.int64)  # of each set of tiers, the fastest
        for level, tier in reversed(list(enumerate(order))):
            self._level[np.arange(len(self._level)) >> tier & 1 == 1] = level
        self._caches = Hierarchy(setting, by_layer=False, shares=False)
        self._caches.place(resident)
        self._all = True

    def lead(self) -> None:
        """Another one leads from here on."""
        self._all = True

    def step(self, view: View, leader: Ghost) -> Moves:
        """Moves behind those that the leader just made."""
        near = np.concatenate([view.reads, view.births]).astype(np.int64)
        level = self._level[leader.held(near)]
        keys = self._keys(level, near)
        self._caches.begin(view, keys[: len(view.reads)], keys[len(view.reads) :])
        others = self._caches.held if self._all else leader.touched
        self._all = False
        self._caches.rekey(others, self._keys(self._level[leader.held(others)], others))
        wanted = np.flatnonzero(level < self._levels)[::-1]
        self._caches.admit(near[wanted], (self._levels - level[wanted]) * _CLASS, level[wanted])
        return self._caches.moves()

    def _keys(self, level: Int64, ids: Ids) -> Int64:
        return (self._levels - level) * _CLASS + self._last[ids]
