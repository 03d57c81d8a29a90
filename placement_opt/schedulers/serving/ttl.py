"""A time to live."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from placement_opt.play.protocol import Ids, Resident, Setting, View
from placement_opt.schedulers.base import option
from placement_opt.schedulers.cascade.tiered import ALL, Rule, Tiered, seconds_so_far


@dataclass
class TTL(Tiered):
    """What was not read for ``steps`` steps leaves the fast tiers, whether or not its room is needed.

    It goes to the slowest tier where it has to be somewhere (rules exclusive and free; it stays where that has no room),
    and is gone under the rule cache; under the rule inclusive home has it. Otherwise ``exclusive-cascade`` by least recently
    read. Blocks that are there at the start count as read at step 0. With ``seconds`` time is that of the run so far, read
    when a step begins, which is when its blocks count as read; else it is counted in steps.
    """

    title: ClassVar[str] = "ttl"
    family: ClassVar[str] = "serving"
    source: ClassVar[str] = "time to live of cached prefixes: vllm#52113, LMCache#4456; the default is ours"

    steps: int = option(100, "steps unread after which a block goes", low=1)
    seconds: float = option(0.0, "seconds of the simulated time unread after which it goes instead; 0: steps count", low=0.0)

    def rule(self) -> Rule:
        return Rule(move=True, depth=ALL)

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        self._touched = np.full(len(setting.size), math.inf)
        self._touched[setting.initial_blocks] = 0.0
        return super().start(setting, first_reads)

    def see(self, view: View, reads: Ids, births: Ids) -> None:
        now, life = (seconds_so_far(view, self.title), self.seconds) if self.seconds else (float(view.step), float(self.steps))
        self._touched[reads], self._touched[births] = now, now
        self._touched[view.freed] = math.inf
        for block in np.flatnonzero(self._touched + life <= now).tolist():
            self._touched[block] = math.inf  # once
            self._levels.retire(block)
