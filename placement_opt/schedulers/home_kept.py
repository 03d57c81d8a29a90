"""Inclusive schedules where the rule is free: what keeps a copy of every block in the home tier is legal there too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from placement_opt.base.limits import Limits
from placement_opt.instance.instance import Instance
from placement_opt.play.protocol import Ids, Moves, Resident, Scheduler, Setting, View
from placement_opt.play.replay import Replay
from placement_opt.play.schedule import Schedule


def inclusive_reading(instance: Instance) -> Instance | None:
    """A free instance under the inclusive rule; None where the home tier lacks the room, or a copy at a given start."""
    if instance.residency != "free":
        return None
    home = instance.home
    if int(instance.alive_bytes.max()) > int(instance.capacity[home]):
        return None
    if instance.initial is not None and not instance.initial[home, instance.first_state == 0].all():
        return None
    return replace(instance, residency="inclusive")


def as_free(instance: Instance, schedule: Schedule) -> Schedule:
    """A schedule of the inclusive reading as one of the free instance: births are stored at home by moves of its own."""
    ends, born = instance.trace.births_by_step
    moves, births = np.diff(schedule.indptr), np.diff(ends)
    indptr = schedule.indptr + ends
    own = np.repeat(ends[1:], moves) + np.arange(len(schedule.op))  # where its moves go: behind the births of their step
    added = np.repeat(schedule.indptr[:-1], births) + np.arange(len(born))
    op, block = np.empty(indptr[-1], dtype=np.int16), np.empty(indptr[-1], dtype=np.int32)
    op[own], block[own] = schedule.op, schedule.block
    op[added], block[added] = instance.home, born
    return Schedule(schedule.scheduler, schedule.initial, indptr, op, block)


class HomeKept:
    """A scheduler run on the inclusive reading of a free instance, and what it did there played under the free rule."""

    online = False
    source = "this project: the inclusive rule where the rule is free"

    def __init__(self, scheduler: Scheduler, reading: Instance) -> None:
        self._scheduler, self._reading = scheduler, reading

    @property
    def name(self) -> str:
        return f"{self._scheduler.name}, home kept"

    def plan(self, instance: Instance, limits: Limits) -> None:
        """Run the scheduler on the reading; ``instance`` is the free one that it was read from."""
        from placement_opt.play.simulate import simulate  # it imports this package; only policies that run others need it

        run = simulate(self._reading, self._scheduler, record=True, limits=limits)
        assert run.schedule is not None
        self._replay = Replay(as_free(instance, run.schedule))

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        return self._replay.start(setting, first_reads)

    def step(self, view: View) -> Moves:
        return self._replay.step(view)


def home_kept(instance: Instance, scheduler: Scheduler) -> HomeKept | None:
    """The scheduler with every block kept at home, to be simulated on a free instance; None where that is not possible."""
    reading = inclusive_reading(instance)
    return None if reading is None else HomeKept(scheduler, reading)
