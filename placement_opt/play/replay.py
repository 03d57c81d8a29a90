"""Play a recorded schedule again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from placement_opt.base.errors import ScheduleError
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.play.schedule import Schedule


@dataclass(frozen=True, eq=False)
class Replay:
    """Moves as they were recorded (``simulate(..., record=True).schedule``); online, as it looks at nothing.

    Where the start is free it is the recorded one. Not in the registry: it needs a schedule, not options.
    """

    schedule: Schedule

    online: ClassVar[bool] = True
    source: ClassVar[str] = "a recorded schedule"

    @property
    def name(self) -> str:
        return f"replay of {self.schedule.scheduler}"

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        del first_reads
        return self.schedule.initial if setting.free_start else None

    def step(self, view: View) -> Moves:
        if view.step >= self.schedule.num_steps:
            raise ScheduleError(f"the schedule has moves for {self.schedule.num_steps} steps only", step=view.step)
        return self.schedule.moves(view.step)
