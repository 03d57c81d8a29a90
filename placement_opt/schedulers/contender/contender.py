"""Life tables and prices from the past, beside ghosts of classical rules, of which one is followed that turns out better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from placement_opt.base.arrays import Float64
from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.base import Policy, cache_tiers, option, passing
from placement_opt.schedulers.contender.follow import Follower
from placement_opt.schedulers.contender.ghost import Ghost, Player, ghost
from placement_opt.schedulers.contender.rule import Rule
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
    the blocks where it would have them, every step timed as the simulator times it. The own one leads at first. Another one
    leads from when its steps, those longer ago counting less, took so much less in all that neither a few steps make the
    difference nor the blocks that would have to be brought in eat it up. Where blocks are then follows the leader's
    (:mod:`placement_opt.schedulers.contender.follow`).
    """

    title: ClassVar[str] = "contender"
    family: ClassVar[str] = "ours"
    source: ClassVar[str] = "this project: docs/contender.md"
    cost: ClassVar[Cost[Size]] = passing("contender")

    memory: float = option(8.0, "steps over which prices are averaged", low=1.0)
    window: float = option(300.0, "steps over which the rules are compared", low=1.0)

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        from placement_opt.schedulers import make_scheduler

        self._setting, self._watch = setting, Stopwatch(setting)
        players: list[Player] = [Rule(self.memory), *map(make_scheduler, PANEL)]
        self._ghosts: list[Ghost] = [ghost(player, setting, first_reads) for player in players]
        self._leader = 0
        self._follower: Follower | None = None
        self._taken = np.zeros(len(players))
        self._apart = np.zeros((len(players), len(players)))
        self._last = np.full(len(setting.size), -1, dtype=np.int64)
        return None if setting.initial is not None else self._ghosts[0].resident.copy()

    def step(self, view: View) -> Moves:
        self._last[view.reads] = self._last[view.births] = view.step
        self._compare(self._watch.lap(view, self._ghosts))
        self._choose(view)
        leader = self._ghosts[self._leader]
        return leader.moves() if self._follower is None else self._follower.step(view, leader)

    def _compare(self, took: Float64) -> None:
        """Add a step of each ghost to sums that forget, and the squares of their differences."""
        kept = 1.0 - 1.0 / self.window
        self._taken = kept * self._taken + took
        self._apart = kept * self._apart + (took[:, None] - took) ** 2

    def _choose(self, view: View) -> None:
        best, leader = int(self._taken.argmin()), self._leader
        ahead = self._taken[leader] - self._taken[best]
        if ahead > _SURE * np.sqrt(self._apart[leader, best]) and ahead > _MOVE * self._change(view, best):
            self._leader = best
            if self._follower is None:
                self._follower = Follower(self._setting, view.resident, self._last)
            self._follower.lead()

    def _change(self, view: View, to: int) -> float:
        """Seconds to read all that another one has in the fastest tier and this run lacks there, and to write it there."""
        setting, order = self._setting, cache_tiers(self._setting)
        if not order:
            return 0.0
        lacks = (self._ghosts[to].mask >> np.uint16(order[0]) & 1).astype(np.bool_) & ~view.resident[order[0]]
        operations, slow = setting.memory.operations, setting.home if setting.residency == "inclusive" else order[-1]
        rows = operations.per_byte[[operations.first_serving + slow, order[0]]]
        return float(setting.size[lacks].sum() * (rows / setting.memory.rates).max(axis=1).sum())
