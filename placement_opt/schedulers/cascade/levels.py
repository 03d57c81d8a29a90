"""Copies in levels of tiers, the fastest first: who makes way for a block, and where what makes way goes.

Every block has one key, and what has the lowest makes way first, for blocks with higher keys only. A block that leaves a level
and has no other copy goes down, if the rule says so or it has to be somewhere; where no level below takes it, all that was done
for the block that it made way for is undone. In the slowest tier, what has to be somewhere makes no way, but second copies do.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import ScheduleError
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.base import cache_tiers, layer_of
from placement_opt.schedulers.hierarchy.transition import Sources, moves_to
from placement_opt.schedulers.static import needs_room

Bools = npt.NDArray[np.bool_]


class Levels:
    """The copies of one run.

    Parameters
    ----------
    setting
        Of the run.
    demotes
        ``demotes(level, block)``: whether a last copy that leaves this level goes to one below although it need not.
    by_layer
        Whether a level is a cache for each layer, in its even share of the room, and blocks make way for those of their layer
        alone. The slowest level of those that have to have everything stays one for all, and what must be somewhere and has no
        room in its share takes what room there is.

    Attributes
    ----------
    key
        int64[B]: what has the lowest goes first; set by :meth:`rank`.
    held
        bool[K, B]: the copies at the next state.
    tiers
        Tier of each level. Under the inclusive rule those faster than the home tier, otherwise all.
    pickers, watchers
        Cache (see :meth:`cache`) -> what makes way there for a block (-1: nothing), instead of what has the lowest key; and
        what is told of every copy that enters it or leaves it, or whose coming or going is undone. What has to be somewhere
        makes no way in the slowest level all the same.
    """

    def __init__(self, setting: Setting, demotes: Callable[[int, int], bool], *, by_layer: bool = False) -> None:
        self._setting, self._demotes, self._sources = setting, demotes, Sources(setting.memory)
        self.tiers = cache_tiers(setting)
        self.must = needs_room(setting)
        self.key = np.zeros(len(setting.size), dtype=np.int64)
        self.held = np.zeros((len(setting.capacity), len(setting.size)), dtype=np.bool_)
        self.pickers: dict[int, Callable[[int], int]] = {}
        self.watchers: dict[int, Callable[[int, bool], None]] = {}
        layers, last = setting.num_layers if by_layer else 1, len(self.tiers) - 1
        parts = [1 if self.must and level == last else layers for level in range(len(self.tiers))]
        self._first = [sum(parts[:level]) for level in range(len(self.tiers) + 1)]
        self._parts, self._layer = parts, layer_of(setting)
        self.capacity = [
            int(setting.capacity[tier]) * (part + 1) // count - int(setting.capacity[tier]) * part // count
            for tier, count in zip(self.tiers, parts, strict=True)
            for part in range(count)
        ]
        self._room = list(self.capacity)
        self._free = [int(setting.capacity[tier]) for tier in self.tiers]  # in whose share it ever is
        self._heaps: list[list[tuple[int, int]]] = [[] for _ in self._room]
        self._undo: list[tuple[bool, int, int]] = []
        self._changed: set[int] = set()
        self._hopeless = [2**62] * len(self._room)

    def cache(self, level: int, block: int) -> int:
        """The number of the cache of a level in which a block is."""
        return self._first[level] if self._parts[level] == 1 else self._first[level] + int(self._layer[block])

    def caches(self, level: int, ids: Ids) -> Int64:
        """int64[n]: the same of several blocks."""
        return self._first[level] + (
            self._layer[ids].astype(np.int64) if self._parts[level] > 1 else np.zeros(len(ids), np.int64)
        )

    def start(self, order: Ids, through: bool) -> Resident | None:
        """State 0: as given, or blocks in this order, each in the fastest level with room; ``through``: in the others, too."""
        setting, ids = self._setting, self._setting.initial_blocks
        if setting.initial is not None:
            self.held |= setting.initial
        else:
            if setting.residency == "inclusive":
                self.held[setting.home, ids] = True
            self._fill(order.tolist(), through and setting.residency != "exclusive")
        for level, tier in enumerate(self.tiers):
            here = np.flatnonzero(self.held[tier])
            self._take(level, here)
            for cache, key, block in zip(
                self.caches(level, here).tolist(), self.key[here].tolist(), here.tolist(), strict=True
            ):
                self._heaps[cache].append((key, block))
        for heap in self._heaps:
            heapify(heap)
        return None if setting.initial is not None else self.held.copy()

    def _take(self, level: int, ids: Ids, sign: int = 1) -> None:
        """Room of a level for these blocks is taken, or is there again."""
        used = np.zeros(len(self._room), dtype=np.int64)
        np.add.at(used, self.caches(level, ids), self._setting.size[ids])
        for cache in np.flatnonzero(used).tolist():
            self._room[cache] -= sign * int(used[cache])
        self._free[level] -= sign * int(used.sum())

    def _fill(self, order: list[int], through: bool) -> None:
        room, free = list(self._room), list(self._free)
        for again in (False, True) if through else (False,):
            for block in order:
                size = int(self._setting.size[block])
                for level, tier in enumerate(self.tiers):
                    cache = self.cache(level, block)
                    if size <= min(room[cache], free[level]) and not self.held[tier, block]:
                        self.held[tier, block] = True
                        room[cache] -= size
                        free[level] -= size
                        if not again:
                            break
                else:
                    if self.must and not self.held[:, block].any():
                        self._squeeze(block, free)

    def _squeeze(self, block: int, free: list[int]) -> None:
        """A block that must be somewhere at the start, into whatever room there is."""
        for level, tier in enumerate(self.tiers):
            if free[level] >= int(self._setting.size[block]):
                self.held[tier, block] = True
                free[level] -= int(self._setting.size[block])
                return
        raise ScheduleError("no tier has room for it at the start", block=block)

    def begin(self, view: View) -> None:
        """Open a step: what is freed leaves, for good."""
        for tier in range(len(self.held)):
            gone = view.freed[self.held[tier, view.freed]]
            if len(gone) and tier in self.tiers:
                self._take(self.tiers.index(tier), gone, -1)
            self.held[tier, view.freed] = False
        if self._setting.residency == "inclusive":
            self.held[self._setting.home, np.setdiff1d(view.births, view.freed)] = True
        self._step = view.step
        self._changed.clear()
        self._hopeless = [2**62] * len(self._room)

    def rank(self, ids: Ids, keys: Int64) -> None:
        """Give blocks new keys."""
        lower = keys < self.key[ids]
        self.key[ids] = keys
        for block, key in zip(ids[lower].tolist(), keys[lower].tolist(), strict=True):
            for level, tier in enumerate(self.tiers):  # higher keys are seen when their turn comes, lower ones would not be
                if self.held[tier, block]:
                    heappush(self._heaps[self.cache(level, block)], (key, block))

    def missing(self, level: int, ids: Ids) -> Bools:
        """Which of these blocks have no copy in a level; all where there is no such level."""
        if level >= len(self.tiers):
            return np.ones(len(ids), dtype=np.bool_)
        return np.asarray(~self.held[self.tiers[level], ids])

    def missing_below(self, level: int, ids: Ids) -> Bools:
        """Which of these blocks have no copy in this level or a slower one."""
        return np.asarray(~self.held[np.array(self.tiers[level:], dtype=np.int64)][:, ids].any(axis=0))

    def level_of(self, block: int) -> int:
        """The fastest level that has a copy; the number of levels if none has."""
        return next((level for level, tier in enumerate(self.tiers) if self.held[tier, block]), len(self.tiers))

    def bring(self, level: int, block: int, *, move: bool) -> bool:
        """A copy into a level that has none, displacing lower keys; ``move``: copies in slower levels leave. Whether it worked.

        Blocks of one step come with their keys falling: what finds nothing to displace says so for those that follow.
        """
        if int(self._setting.size[block]) >= self._hopeless[self.cache(level, block)]:
            return False
        self._undo.clear()
        for below in range(level + 1, len(self.tiers)) if move else ():
            if self.held[self.tiers[below], block]:
                self._leave(below, block)
        if self._place(level, block):
            return True
        self._revert()
        return False

    def spare(self, level: int, cache: int) -> int:
        """Bytes of a cache of a level that nothing takes."""
        return min(self._room[cache], self._free[level])

    def demote(self, level: int, block: int) -> bool:
        """A copy leaves a level although its room is not needed, as if it were; whether it may."""
        self._undo.clear()
        self._leave(level, block)
        if self._goes(level, block):
            return True
        self._revert()
        return False

    def settle(self, level: int, block: int) -> None:
        """A new block: into this level or the next below that takes it; ScheduleError where it must be somewhere and is not."""
        for each in range(level, len(self.tiers)):
            if self.bring(each, block, move=False):
                return
        for each, tier in enumerate(self.tiers):
            if self.must and self._free[each] >= int(self._setting.size[block]) and not self.held[tier, block]:
                self._enter(each, block)
                return
        if self.must:
            raise ScheduleError("produced, but no tier has room for it", step=self._step, block=block)

    def retire(self, block: int) -> None:
        """A block leaves all levels but, where it has to be somewhere, one: the slowest that has room."""
        copies = [level for level, tier in enumerate(self.tiers) if self.held[tier, block]]
        if self.must and copies:
            size = int(self._setting.size[block])
            room = [level for level in range(len(self.tiers)) if level in copies or self._free[level] >= size]
            if room[-1] not in copies:
                self._enter(room[-1], block)
            copies = [level for level in copies if level != room[-1]]
        for level in copies:
            self._leave(level, block)

    def moves(self, view: View) -> Moves:
        """What all that was done since :meth:`begin` comes to."""
        changed = np.array(sorted(self._changed), dtype=np.int64)
        after = np.zeros(len(changed), dtype=np.uint16)
        for tier, row in enumerate(self.held):
            after |= row[changed].astype(np.uint16) << np.uint16(tier)
        return moves_to(self._setting, view, changed, after, self._sources)

    def _place(self, level: int, block: int) -> bool:
        size, cache = int(self._setting.size[block]), self.cache(level, block)
        if size > self.capacity[cache]:
            return False
        bar = int(self.key[block])
        self._enter(level, block)
        while self._room[cache] < 0 or self._free[level] < 0:
            victim = self._lowest(level, bar, block)
            if victim < 0:
                self._hopeless[cache] = min(self._hopeless[cache], size) if not self._lifted(level) else self._hopeless[cache]
                return False
            self._leave(level, victim)
            if not self._goes(level, victim):
                return False
        return True

    def _lifted(self, level: int) -> bool:
        """Whether this attempt began by taking something from the level: another might find other room."""
        return any(not entered and where == level for entered, where, _ in self._undo)

    def _lowest(self, level: int, bar: int, block: int) -> int:
        """The copy that makes way next for keys below ``bar``; -1: none does."""
        if self.must and level == len(self.tiers) - 1:
            tier = self.tiers[level]
            here = np.flatnonzero(self.held[tier] & (self.held.sum(axis=0) > 1))
            here = here[here != block]
            return int(here[np.argmin(self.key[here])]) if len(here) else -1
        cache, tier = self.cache(level, block), self.tiers[level]
        if cache in self.pickers:
            return self.pickers[cache](block)
        heap = self._heaps[cache]
        while heap:
            key, one = heap[0]
            now = int(self.key[one])
            if not self.held[tier, one] or now < key:
                heappop(heap)
            elif now > key:
                heappop(heap)
                heappush(heap, (now, one))
            else:
                return one if key < bar else -1
        return -1

    def _goes(self, level: int, block: int) -> bool:
        """Whether a copy may go: another is left, it goes down, or it need not be anywhere."""
        if any(self.held[tier, block] for tier in self.tiers):
            return True
        if self.must or self._demotes(level, block):
            for below in range(level + 1, len(self.tiers)):
                mark = len(self._undo)
                if self._place(below, block):
                    return True
                self._revert(mark)
        return not self.must

    def _enter(self, level: int, block: int) -> None:
        cache, size = self.cache(level, block), int(self._setting.size[block])
        self.held[self.tiers[level], block] = True
        self._room[cache] -= size
        self._free[level] -= size
        heappush(self._heaps[cache], (int(self.key[block]), block))
        self._undo.append((True, level, block))
        self._changed.add(block)
        if cache in self.watchers:
            self.watchers[cache](block, True)

    def _leave(self, level: int, block: int) -> None:
        cache, size = self.cache(level, block), int(self._setting.size[block])
        self.held[self.tiers[level], block] = False
        self._room[cache] += size
        self._free[level] += size
        self._hopeless[cache] = 2**62
        self._undo.append((False, level, block))
        self._changed.add(block)
        if cache in self.watchers:
            self.watchers[cache](block, False)

    def _revert(self, mark: int = 0) -> None:
        """Undo what was done since the mark."""
        while len(self._undo) > mark:
            entered, level, block = self._undo.pop()
            tier, size, cache = self.tiers[level], int(self._setting.size[block]), self.cache(level, block)
            self.held[tier, block] = not entered
            self._room[cache] += size if entered else -size
            self._free[level] += size if entered else -size
            if cache in self.watchers:
                self.watchers[cache](block, not entered)
            if not entered:
                heappush(self._heaps[cache], (int(self.key[block]), block))
