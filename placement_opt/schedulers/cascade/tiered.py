"""What cascades and servers share: blocks ranked by how they were read, a rule for who enters which level and what goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.cost import Cost
from placement_opt.base.errors import InputError
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.base import Policy, option, passing
from placement_opt.schedulers.cascade.levels import Levels
from placement_opt.schedulers.hierarchy.transition import stuck
from placement_opt.schedulers.lru import start_keys

ORDERS = ("lru", "fifo", "lfu")
_TIMES = 2**40  # more than there are touches in a run
_MOST = 2**21  # counts above this are equal
#: Levels whose victims go down: all of them.
ALL = 2**30


def cascading(section: str) -> Cost[Size]:
    """What a policy takes that goes through the trace once and moves block by block: what makes way in a level may go to any
    level below it, and what makes way there again."""
    return replace(
        passing(section),
        seconds={
            "per_step": lambda size: size.steps,
            "per_read_and_levels": lambda size: size.all_reads * size.tiers * (size.tiers - 1) // 2,
        },
    )


def seconds_so_far(view: View, field: str) -> float:
    """The simulated time when a step begins; InputError where steps have none."""
    if (seconds := view.elapsed_s) is None:
        raise InputError("found a question in runs, whose layers have no clock", "expected one in rows", field=field)
    return seconds


@dataclass(frozen=True)
class Rule:
    """Who enters and who goes.

    ``order``: what goes first: the least recently read, what came in first, or the least often read (then the least recently).
    ``hits``: reads after which a block moves up; new blocks enter the fastest level at once.
    ``staged``: up by one level, not straight into the fastest.
    ``move``: what moves up leaves the levels below; under the exclusive rule it always does.
    ``through``: reads after which it is stored in the levels below as well, production being one; 0: never. Not under the
    exclusive rule.
    ``via``: what comes into the fastest level from below the second enters that, too. Not under the exclusive rule.
    ``depth``: levels, from the fastest, whose victims go down although they need not.
    """

    order: str = "lru"
    hits: int = 1
    staged: bool = False
    move: bool = False
    through: int = 0
    depth: int = 0
    via: bool = False


@dataclass
class Tiered(Policy):
    """A policy that is a :class:`Rule`; those with more of their own override what they need."""

    cost: ClassVar[Cost[Size]] = cascading("cascade")

    scope: str = option("global", "all layers compete, or each has its even share of the room", choices=("global", "layer"))

    def rule(self) -> Rule:
        """What the options come to."""
        raise NotImplementedError

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        self._rule, self._setting = self.rule(), setting
        self._levels = Levels(setting, self.demotes, by_layer=self.scope == "layer")
        self._only = setting.residency == "exclusive"
        self._count = np.zeros(len(setting.size), dtype=np.int64)
        ids = setting.initial_blocks
        order = ids[np.argsort(start_keys(setting, first_reads)[ids], kind="stable")]
        self._time, self._last = len(ids), np.zeros(len(setting.size), dtype=np.int64)
        self._last[order] = np.arange(len(ids))
        self._levels.key[ids] = self.keys(ids)
        return self._levels.start(order[::-1], through=self._rule.through == 1)

    def step(self, view: View) -> Moves:
        out = stuck(self._setting, view)
        reads = np.setdiff1d(view.reads, np.concatenate([view.freed, out])).astype(np.int64)
        births = np.setdiff1d(view.births, view.freed).astype(np.int64)
        self._levels.begin(view)
        arrived = np.concatenate([reads, births])
        self._count[arrived] += 1
        times = self._time + np.arange(len(arrived))
        self._time += len(arrived)
        aged = np.ones(len(arrived), dtype=bool)
        if self._rule.order == "fifo":
            aged = self._levels.missing(0, arrived)
        self._last[arrived[aged]] = times[aged]
        self.see(view, reads, births)
        self._levels.rank(arrived, self.keys(arrived))
        for block in self._falling(births):
            self._levels.settle(0, block)
        self._promote(reads)
        if self._rule.through and not self._only:
            self._write_through(arrived)
        self.after(view)
        return self._levels.moves(view)

    def see(self, view: View, reads: Ids, births: Ids) -> None:
        """The step, before keys are given: what else a policy takes note of."""

    def after(self, view: View) -> None:
        """Once the step's blocks have their places."""

    def keys(self, ids: Ids) -> Int64:
        """What these blocks are ranked by, from when and how often they were read."""
        return self._last[ids] + (np.minimum(self._count[ids], _MOST) * _TIMES if self._rule.order == "lfu" else 0)

    def promoted(self, reads: Ids) -> Ids:
        """Which of these blocks, which the fastest level lacks, come up."""
        return reads

    def demotes(self, level: int, block: int) -> bool:  # noqa: ARG002
        """Whether a last copy goes to a level below this one although it need not."""
        return level < self._rule.depth

    def _falling(self, ids: Ids) -> list[int]:
        found: list[int] = ids[np.argsort(self._levels.key[ids], kind="stable")[::-1]].tolist()
        return found

    def _promote(self, reads: Ids) -> None:
        rule, levels = self._rule, self._levels
        if not levels.tiers:
            return
        wanted = self.promoted(reads[levels.missing(0, reads) & (self._count[reads] >= rule.hits)])
        for block in self._falling(wanted):
            here = levels.level_of(block)
            target = max(here - 1, 0) if rule.staged else 0
            if target < here and levels.bring(target, block, move=rule.move or self._only) and rule.via and here > 1:
                self._stage(block)

    def _stage(self, block: int) -> None:
        if not self._only and len(self._levels.tiers) > 1:
            self._levels.bring(1, block, move=False)

    def _write_through(self, arrived: Ids) -> None:
        ripe = arrived[self._count[arrived] >= self._rule.through]
        for level in range(1, len(self._levels.tiers)):
            for block in self._falling(ripe[self._levels.missing(level, ripe)]):
                self._levels.bring(level, block, move=False)
