"""A time to live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from placement_opt.play.protocol import Ids, Resident, Setting, View
from placement_opt.schedulers.base import option
from placement_opt.schedulers.cascade.tiered import ALL, Rule, Tiered


@dataclass
class TTL(Tiered):
    """What was not read for ``steps`` steps leaves the fast tiers, whether or not its room is needed.

    It goes to the slowest tier where it has to be somewhere (rules exclusive and free; it stays where that has no room),
    and is gone under the rule cache; under the rule inclusive home has it. Otherwise ``exclusive-cascade`` by least recently
    read. Blocks that are there at the start count as read at step 0. Time is counted in steps, as a policy does not see how
    long they take.
    """

    title: ClassVar[str] = "ttl"
    family: ClassVar[str] = "serving"
    source: ClassVar[str] = "time to live of cached prefixes: vllm#52113, LMCache#4456; the default is ours"

    steps: int = option(100, "steps unread after which a block goes", low=1)

    def rule(self) -> Rule:
        return Rule(move=True, depth=ALL)

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        self._touched = np.full(len(setting.size), 2**62, dtype=np.int64)
        self._touched[setting.initial_blocks] = 0
        return super().start(setting, first_reads)

    def see(self, view: View, reads: Ids, births: Ids) -> None:
        self._touched[reads], self._touched[births] = view.step, view.step
        self._touched[view.freed] = 2**62
        for block in np.flatnonzero(self._touched <= view.step - self.steps).tolist():
            self._touched[block] = 2**62  # once
            self._levels.retire(block)
