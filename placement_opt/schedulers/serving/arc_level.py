"""Which copies make way in one level of a cascade, by ARC as vLLM has it."""

from __future__ import annotations

from collections.abc import Iterable

from placement_opt.play.protocol import Ids, Setting
from placement_opt.schedulers.cascade.levels import Levels


class ArcLevel:
    """The lists of a level: T1 and T2 of what is there, B1 and B2 of what was, the longest unread first, all in bytes.

    As in vLLM's policy, and unlike Megiddo and Modha's, a block that comes enters T1 even where B2 remembers it, T1 gives way
    from its target on, and each list of what is gone has at most as many bytes as the level.
    """

    def __init__(self, setting: Setting, levels: Levels, level: int, cache: int, there: Iterable[int]) -> None:
        self._size, self._held, self._capacity = setting.size, levels.held[levels.tiers[level]], levels.capacity[cache]
        self._lists: tuple[dict[int, None], dict[int, None]] = (dict.fromkeys(there), {})
        self._gone: tuple[dict[int, None], dict[int, None]] = ({}, {})
        self._bytes = [sum(int(self._size[block]) for block in self._lists[0]), 0]
        self._gone_bytes = [0, 0]
        self.target = 0.0
        self._changed: dict[int, None] = {}
        self._came: set[int] = set()
        self._protected: frozenset[int] = frozenset()
        levels.pickers[cache] = self.pick
        levels.watchers[cache] = self.watch

    def begin(self, freed: Ids, arrived: Ids) -> None:
        """A step: what is freed is forgotten, what is read or produced is touched, the last of it first, and stays."""
        for block in freed.tolist():
            for which in (0, 1):
                if block in self._lists[which]:
                    del self._lists[which][block]
                    self._bytes[which] -= int(self._size[block])
                self._forget(which, block)
        self._protected = frozenset(arrived.tolist())
        for block in arrived.tolist()[::-1]:
            size = int(self._size[block])
            if block in self._lists[0]:
                del self._lists[0][block]
                self._lists[1][block] = None
                self._bytes[0] -= size
                self._bytes[1] += size
            elif block in self._lists[1]:
                self._lists[1][block] = self._lists[1].pop(block)
            elif block in self._gone[0]:
                more = size * max(1.0, self._gone_bytes[1] / self._gone_bytes[0])
                self.target = min(self.target + more, float(self._capacity))
            elif block in self._gone[1]:
                self.target = max(self.target - size * max(1.0, self._gone_bytes[0] / self._gone_bytes[1]), 0.0)

    def pick(self, block: int) -> int:
        """What makes way for a block: the oldest of T1 where that has its target or more, else of T2; -1: nothing may."""
        once = self._bytes[0] - (int(self._size[block]) if block in self._lists[0] else 0)  # it has entered already
        for which in (0, 1) if once >= self.target else (1, 0):
            for one in self._lists[which]:
                if self._held[one] and one != block and one not in self._protected:
                    return one
        return -1

    def watch(self, block: int, entered: bool) -> None:
        """A copy comes or goes, or its coming or going is undone."""
        self._changed[block] = None
        which = 1 if block in self._lists[1] else 0
        if entered and block not in self._lists[which]:
            self._lists[0][block] = None
            self._came.add(block)
        self._bytes[which] += int(self._size[block]) * (1 if entered else -1)

    def end(self) -> None:
        """The step is done: what is gone is remembered, what is back is not, and the oldest memories go."""
        for block in self._changed:
            which = 1 if block in self._lists[1] else 0
            if self._held[block]:
                self._forget(0, block)
                self._forget(1, block)
                continue
            self._lists[which].pop(block, None)
            if block not in self._came:
                self._gone[which][block] = None
                self._gone_bytes[which] += int(self._size[block])
        for which in (0, 1):
            while self._gone_bytes[which] > self._capacity:
                self._forget(which, next(iter(self._gone[which])))
        self._changed.clear()
        self._came.clear()

    def _forget(self, which: int, block: int) -> None:
        if block in self._gone[which]:
            del self._gone[which][block]
            self._gone_bytes[which] -= int(self._size[block])
