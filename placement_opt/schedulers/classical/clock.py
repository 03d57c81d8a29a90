"""Second chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.base import option, passing
from placement_opt.schedulers.cache import start_levels
from placement_opt.schedulers.classical.caching import Classical, Needs
from placement_opt.schedulers.hierarchy.queues import queued


@dataclass
class Clock(Classical):
    """Evict what came in first and was not read since the hand last came by.

    A hand goes round the blocks in the order in which they came in. One with a reference count above 0 loses one and is
    passed, the first with 0 goes. Being read adds one, up to 2^bits - 1; what comes in has 0 and is behind the hand, that is
    last to be looked at. The source has one bit and does not say what a new page's is: here it is clear until the next read.
    """

    title: ClassVar[str] = "clock"
    source: ClassVar[str] = "Corbató, A paging experiment with the Multics system, MIT Project MAC, 1968"
    cost: ClassVar[Cost[Size]] = passing("clock")
    kind: ClassVar[str] = "clock"
    needs: ClassVar[Needs] = Needs(lists=1)

    bits: int = option(1, "bits of the reference count", low=1, high=30)

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        self._queued = queued(setting, by_layer=False, again=False)
        if self._queued is None:
            return super().start(setting, first_reads)
        [came] = start_levels(setting, first_reads)
        return self._queued.fill(came[::-1])

    def step(self, view: View) -> Moves:
        return super().step(view) if self._queued is None else self._queued.turns(view, 2**self.bits - 1)

    def registers(self, capacity: int) -> list[int]:  # noqa: ARG002
        return [2**self.bits - 1]
