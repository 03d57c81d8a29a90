"""Life tables and prices from the past, beside ghosts of classical rules, of which one is followed that turns out better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from placement_opt.base.arrays import Float64
from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.base import Policy, cache_tiers, option, passing
from placement_opt.schedulers.contender.follow import Follower
from placement_opt.schedulers.contender.ghost import Player, ghost
from placement_opt.schedulers.contender.rule import Rule
from placement_opt.schedulers.contender.sample import sample
from placement_opt.schedulers.contender.stopwatch import Stopwatch

#: Classical rules that are played beside the own one: by last use in each layer, mixing, filtering, by frequency, by distance.
PANEL = ("lru", "arc", "s3-fifo", "w-tinylfu", "lirs")
#: Another one leads when it is ahead by more than this many roots of the sum of squared differences of their steps, and by
#: more than this part of what it takes to bring its blocks into the fastest tier.
_SURE, _MOVE = 2.0, 0.5


@dataclass
class Contender(Policy):
    """Keep what saves most for its room, by life tables and prices; follow a classical rule while one is clearly faster.

    The own rule (:mod:`placement_opt.schedulers.contender.rule`) and a panel of classical ones are each played as a ghost: with
    the blocks where it would have them, every step timed as the simulator times it; where there are many blocks, in small
    (:mod:`placement_opt.schedulers.contender.sample`). The own one leads at first. Another one
    leads from when its steps, those longer ago counting less, took so much less in all that neither a few steps make the
    difference nor the blocks that would have to be brought in eat it up. Where blocks are then follows the leader's
    (:mod:`placement_opt.schedulers.contender.follow`); where it is known in small only, it begins from where they are.
    """

    title: ClassVar[str] = "contender"
    family: ClassVar[str] = "ours"
    source: ClassVar[str] = "this project: docs/contender.md"
    cost: ClassVar[Cost[Size]] = passing("contender")

    memory: float = option(8.0, "steps over which prices are averaged", low=1.0)
    window: float = option(300.0, "steps over which the rules are compared", low=1.0)

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        from placement_opt.schedulers import make_scheduler

        self._setting, self._leader = setting, 0
        players: list[Player] = [Rule(self.memory), *map(make_scheduler, PANEL)]
        self._ghosts = [ghost(player, setting) for player in players]
        self._taken = np.zeros(len(self._ghosts))
        self._apart = np.zeros((len(self._ghosts), len(self._ghosts)))
        self._follower: Follower | None = None
        self._begun = len(setting.initial_blocks) > 0
        if self._begun:
            return self._begin(setting.initial_blocks, first_reads)
        return None if setting.initial is not None else np.zeros((len(setting.capacity), len(setting.size)), dtype=np.bool_)

    def _begin(self, known: Ids, first_reads: Sequence[Ids]) -> Resident | None:
        """Start as soon as there are blocks, whose size tells how many a tier holds."""
        setting = self._setting
        self._sample = sample(setting, known)
        if self._sample is None:
            self._watch = Stopwatch(setting)
            self._last = np.full(len(setting.size), -1, dtype=np.int64)
            start, *_ = [one.start(setting, first_reads) for one in self._ghosts]
            return start
        self._watch = Stopwatch(self._sample.setting)
        for one in self._ghosts:
            one.start(self._sample.setting, self._sample.first_reads(first_reads))
        self._actor: Player = Rule(self.memory)
        return self._actor.start(setting, first_reads)

    def step(self, view: View) -> Moves:
        if not self._begun:
            if not len(view.births):
                return Moves()
            self._begun = True
            self._begin(view.births, [])
        if self._sample is None:
            self._last[view.reads] = self._last[view.births] = view.step
            self._compare(self._watch.lap(view, self._ghosts))
            if self._choose(view):
                self._follow(view)
            leader = self._ghosts[self._leader]
            return leader.moves() if self._follower is None else self._follower.step(view, leader)
        small = self._sample.view(view)
        self._compare(self._watch.lap(small, self._ghosts))
        if self._choose(small):
            self._anew(view)
        return self._actor.step(view)

    def _compare(self, took: Float64) -> None:
        """Add a step of each ghost to sums that forget, and the squares of their differences."""
        kept = 1.0 - 1.0 / self.window
        self._taken *= kept
        self._taken += took
        self._apart *= kept
        self._apart += np.square(took[:, None] - took)

    def _choose(self, view: View) -> bool:
        """Whether another one leads from here on."""
        best, leader = int(self._taken.argmin()), self._leader
        if best == leader:
            return False
        ahead = self._taken[leader] - self._taken[best]
        if ahead <= _SURE * np.sqrt(self._apart[leader, best]) or ahead <= _MOVE * self._change(view, best):
            return False
        self._leader = best
        return True

    def _follow(self, view: View) -> None:
        """Bring blocks to where the leader has them."""
        if self._follower is None:
            self._follower = Follower(self._setting, view.resident, self._last)
        self._follower.lead()

    def _anew(self, view: View) -> None:
        """The leader is known in small only: it begins with the blocks where they are."""
        from placement_opt.schedulers import make_scheduler

        there = np.flatnonzero(view.resident.any(axis=0))
        setting = replace(self._setting, initial=view.resident, initial_blocks=there)
        own = self._ghosts[0].player
        assert isinstance(own, Rule)
        self._actor = Rule(self.memory) if self._leader == 0 else make_scheduler(PANEL[self._leader - 1])
        self._actor.start(setting, [])
        if isinstance(self._actor, Rule):
            self._actor.adopt(own)

    def _change(self, view: View, to: int) -> float:
        """Seconds to read all that another one has in the fastest tier and this run lacks there, and to write it there."""
        setting = self._setting if self._sample is None else self._sample.setting
        order = cache_tiers(setting)
        if not order:
            return 0.0
        there = np.flatnonzero(~view.resident[order[0]])
        lacks = there[self._ghosts[to].held(there) >> np.uint16(order[0]) & 1 > 0]
        operations, slow = setting.memory.operations, setting.home if setting.residency == "inclusive" else order[-1]
        rows = operations.per_byte[[operations.first_serving + slow, order[0]]]
        return float(setting.size[lacks].sum() * (rows / setting.memory.rates).max(axis=1).sum())
