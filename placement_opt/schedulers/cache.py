"""Caches by five hooks: for those who want to write an eviction rule and nothing else.

A :class:`CachePolicy` is told what is hit, what comes in and what goes, and says what is to go next. It is a scheduler on any
hierarchy: every tier that is a cache (all but the one that keeps everything) has a copy of it, made anew for each run. A step's
reads come in the order of their ids, then what it produces. A block that is not in the fastest tier is brought in; for that

* inclusive: each tier faster than the home tier is a cache over the same reads, and victims are dropped;
* exclusive: the block leaves its old place, and victims move down, where they are misses of the next tier's policy;
* free: the same, but the old copy stays, and a victim that has one below is dropped;
* cache: the same, and what finds no place in the slowest tier is dropped.

Where a victim finds no place below, it stays (it is a miss again), and nothing is brought in for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import numpy as np

from placement_opt.base.errors import ScheduleError
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.base import cache_tiers
from placement_opt.schedulers.hierarchy.transition import Sources, moves_to, stuck
from placement_opt.schedulers.static import first_fit


class CachePolicy:
    """What to evict from one tier. Derive from it, and hand the class' file, or an object of it, to whatever takes a scheduler.

    Options are the arguments of ``__init__``.

    Examples
    --------
    Least recently used:

    >>> class Recent(po.CachePolicy):
    ...     "Keep what was read last."
    ...     def init(self, capacity):
    ...         self.queue = {}
    ...     def hit(self, block, size):
    ...         self.queue[block] = self.queue.pop(block)
    ...     def miss(self, block, size):
    ...         self.queue[block] = size
    ...     def evict(self):
    ...         return next(iter(self.queue))
    ...     def free(self, block):
    ...         del self.queue[block]
    >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
    >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
    >>> policy = Recent()
    >>> policy.ask(0, 4_500_000)  # room is about to be made: this one does not care for whom
    >>> po.simulate(instance, policy)
    Run(Recent on instance: 2.88411e-05 s)
    >>> policy.name, policy.online, policy.source, callable(policy.start), callable(policy.step)
    ('Recent', True, 'Keep what was read last.', True, True)
    """

    online = True

    @property
    def name(self) -> str:
        """What tables call it: as it was asked for, or its class."""
        given: str = self.__dict__.get("_name") or type(self).__name__
        return given

    @name.setter
    def name(self, value: str) -> None:
        self._name = value

    @property
    def source(self) -> str:
        """Where it comes from: the first line of its docstring."""
        return (type(self).__doc__ or "").strip().partition("\n")[0]

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        """Begin a run with a copy of this policy, as it is, for each tier that is a cache.

        Parameters
        ----------
        setting, first_reads
            As of :class:`placement_opt.Scheduler`.

        Returns
        -------
        ndarray or None
            The residency at state 0 where the start is free.
        """
        self.__dict__.pop("_caches", None)
        self._caches = Caches(self, setting)
        return self._caches.start(first_reads)

    def step(self, view: View) -> Moves:
        """What one step's hits and misses come to.

        Parameters
        ----------
        view
            The present step.

        Returns
        -------
        Moves
            Taking effect at the next state.
        """
        return self._caches.step(view)

    def init(self, capacity: int) -> None:
        """Begin, with nothing in the tier.

        Parameters
        ----------
        capacity
            Bytes of the tier.
        """

    def hit(self, block: int, size: int) -> None:
        """A block that is in the tier is read.

        Parameters
        ----------
        block, size
            Its id, and its bytes.
        """

    def ask(self, block: int, size: int) -> None:
        """A block that is not in the tier is wanted there; room is made for it next, and if that works it comes in.

        For rules whose victim depends on what it makes way for; most need nothing here.

        Parameters
        ----------
        block, size
            Its id, and its bytes.
        """

    def miss(self, block: int, size: int) -> None:
        """A block comes into the tier, for which room was made.

        Parameters
        ----------
        block, size
            Its id, and its bytes.
        """

    def evict(self) -> int:
        """The block of the tier that shall go next; :meth:`free` is told when it has gone.

        Returns
        -------
        int
            Its id.
        """
        raise ScheduleError("no evict is defined, so that no room can be made")

    def free(self, block: int) -> None:
        """A block leaves the tier: evicted, moved up, or freed for good.

        Parameters
        ----------
        block
            Its id.
        """


class Caches:
    """The caches of one run, each with a copy of a policy (``policies``, the fastest tier's first)."""

    def __init__(self, policy: CachePolicy, setting: Setting) -> None:
        self._setting, self._sources = setting, Sources(setting.memory)
        self._tiers = cache_tiers(setting)
        self._home = setting.home if setting.residency == "inclusive" else -1
        self.policies = [deepcopy(policy) for _ in self._tiers]
        self._room = [int(setting.capacity[tier]) for tier in self._tiers]
        self._held = np.zeros((len(setting.capacity), len(setting.size)), dtype=np.bool_)
        self._step: int | None = None
        for own, room in zip(self.policies, self._room, strict=True):
            own.init(room)

    def start(self, first_reads: Sequence[Ids]) -> Resident | None:
        """State 0, level by level."""
        for level, blocks in enumerate(start_levels(self._setting, first_reads)):
            for block in blocks.tolist():
                self._enter(level, block)
        if self._setting.initial is not None:
            self._held |= self._setting.initial
            return None
        if self._home >= 0:
            self._held[self._home, self._setting.initial_blocks] = True
        return self._held.copy()

    def step(self, view: View, turns: Ids | None = None) -> Moves:
        """Hits and misses of the reads, then of what is produced, or of both in another order; the moves that they come to."""
        self._step = view.step
        before = self._held.copy()
        for block in view.freed.tolist():
            for level in range(len(self._tiers)):
                if self._held[self._tiers[level], block]:
                    self._leave(level, block)
        gone, out = set(view.freed.tolist()), set(stuck(self._setting, view).tolist())
        born = set(view.births.tolist())
        for block in (np.concatenate([view.reads, view.births]) if turns is None else turns).tolist():
            if block not in gone and block not in out:
                self._touch(block, born=block in born)
        changed = np.flatnonzero((before != self._held).any(axis=0))
        changed = changed[~np.isin(changed, view.freed)]
        after = np.zeros(len(changed), dtype=np.uint16)
        for tier, row in enumerate(self._held):
            after |= row[changed].astype(np.uint16) << np.uint16(tier)
        if self._home >= 0:
            after |= np.uint16(1 << self._home)
        return moves_to(self._setting, view, changed, after, self._sources)

    def _touch(self, block: int, *, born: bool = False) -> None:
        """A block is at the processor: a hit of the tiers that hold it, a miss of the others."""
        if self._home >= 0:
            for level in range(len(self._tiers)):
                self._hit_or_bring(level, block)
            return
        if self._hit_or_bring(0, block) or not born:
            return
        for level in range(1, len(self._tiers)):
            if self._hit_or_bring(level, block):
                return
        if self._setting.residency != "cache":
            raise ScheduleError("produced, but no tier has room for it", step=self._step, block=block)

    def _hit_or_bring(self, level: int, block: int) -> bool:
        """Whether the block is in the tier then."""
        size = int(self._setting.size[block])
        if self._held[self._tiers[level], block]:
            self.policies[level].hit(block, size)
            return True
        moving = self._setting.residency == "exclusive"
        old = [below for below in range(level + 1, len(self._tiers)) if self._held[self._tiers[below], block]] if moving else []
        for below in old:  # its old place is there for a victim
            self._leave(below, block)
        if self._make_room(level, block):
            self._enter(level, block)
            return True
        for below in old:
            if not self._make_room(below, block):
                raise ScheduleError("its old place was taken", step=self._step, block=block)
            self._enter(below, block)
        return False

    def _make_room(self, level: int, block: int) -> bool:
        """Evict until there is room for a block; whether there is."""
        tier, size = self._tiers[level], int(self._setting.size[block])
        if size > int(self._setting.capacity[tier]):
            return False
        self.policies[level].ask(block, size)
        while self._room[level] < size:
            victim = self.policies[level].evict()
            if not 0 <= victim < self._held.shape[1] or not self._held[tier, victim]:
                trouble = f"evicted from {self._setting.memory.tier_names[tier]}, which does not hold it"
                raise ScheduleError(trouble, step=self._step, block=victim)
            self._leave(level, victim)
            if not self._place_below(level, victim):
                self._enter(level, victim)
                return False
        return True

    def _place_below(self, level: int, victim: int) -> bool:
        """Whether a victim may go: nothing need keep it, something below does, or finds room for it."""
        if self._home >= 0 or any(self._held[self._tiers[below], victim] for below in range(len(self._tiers))):
            return True
        for below in range(level + 1, len(self._tiers)):
            if self._make_room(below, victim):
                self._enter(below, victim)
                return True
        return self._setting.residency == "cache"

    def _enter(self, level: int, block: int) -> None:
        size = int(self._setting.size[block])
        self._room[level] -= size
        self._held[self._tiers[level], block] = True
        self.policies[level].miss(block, size)

    def _leave(self, level: int, block: int) -> None:
        self._room[level] += int(self._setting.size[block])
        self._held[self._tiers[level], block] = False
        self.policies[level].free(block)


def start_levels(setting: Setting, first_reads: Sequence[Ids]) -> list[Ids]:
    """The blocks in each cache at state 0, in the order in which they come in: as given, in their order; otherwise those
    that are read first and then the newest, each in the fastest tier that has room (inclusive: in all that have), the most
    wanted last. ScheduleError where one has to lie somewhere and finds no room."""
    tiers, inclusive = cache_tiers(setting), setting.residency == "inclusive"
    if setting.initial is not None:
        there = setting.initial_blocks
        return [there[setting.initial[tier, there]] for tier in tiers]
    order = np.concatenate([*first_reads, setting.initial_blocks[::-1]]).astype(np.int64)
    _, first = np.unique(order, return_index=True)
    left: Ids = order[np.sort(first)]
    levels: list[Ids] = []
    for tier in tiers:
        fits = first_fit(setting.size[left], int(setting.capacity[tier]))
        levels.append(left[fits][::-1])
        left = left if inclusive else left[~fits]
    if len(left) and not inclusive and setting.residency != "cache":
        raise ScheduleError("no tier has room for it at the start", block=int(left[0]))
    return levels
