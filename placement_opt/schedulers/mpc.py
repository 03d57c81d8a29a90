"""Model-predictive placement: the relaxation of the next steps, solved anew at every step."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

import numpy as np

from placement_opt.base.arrays import Ints
from placement_opt.base.cost import Cost
from placement_opt.base.errors import InputError, ScheduleError
from placement_opt.base.limits import Limits
from placement_opt.bounds.size import Size
from placement_opt.instance.instance import Instance
from placement_opt.play.protocol import Effort, Ids, Moves, Resident, Setting, View
from placement_opt.play.schedule import Schedule, moves_of
from placement_opt.schedulers.base import Policy, cache_tiers, option, passing
from placement_opt.schedulers.hierarchy.future import NEVER, horizon
from placement_opt.schedulers.lp_rounded import BUDGET, SOLVER_WORK, LpRounded
from placement_opt.schedulers.static import needs_room, prefer_fast
from placement_opt.schedulers.window import exists, window

#: Reads in all windows together beyond which nothing is tried: some minutes' worth.
MOST_READS = 100_000
#: When a block is read that the window does not show: after all that it shows, if ever.
_LATER = NEVER // 2
#: What a new plan must save, relatively, to replace the one at hand.
_INERTIA = 1e-2


class _Rounded(LpRounded):
    """``lp-rounded`` on a window, for which the trace goes on behind it: blocks read last are expected first."""

    def __init__(self, first: int, last_read: Ids, budget: int) -> None:
        super().__init__(budget=budget)
        self._begins, self._last_read = first, last_read

    def plan(self, instance: Instance, limits: Limits) -> None:
        super().plan(instance, limits)
        ahead, steps = self._future, self._begins + instance.trace.read_step.astype(np.int64)
        after = np.where(ahead.after_read == NEVER, _LATER - steps, ahead.after_read)
        first = np.where(ahead.first == NEVER, _LATER - self._last_read, ahead.first)
        self._future = replace(ahead, after_read=after, first=first)


class _GoOn:
    """The moves planned so far, and behind them nothing but new blocks going where there is room, the fastest tier first.

    ``planned``: for each step of the window that a plan knows, operation numbers and ids of the window.
    """

    name, online, source = "as planned", True, "mpc"

    def __init__(self, planned: Sequence[tuple[Ints, Ids]]) -> None:
        self._planned = planned

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        del first_reads  # the start is given
        self._setting, self._tiers = setting, cache_tiers(setting)
        return None

    def step(self, view: View) -> Moves:
        if view.step < len(self._planned):
            return moves_of(*self._planned[view.step], len(self._setting.capacity))
        room = (self._setting.capacity - view.used).tolist()
        stores, homeless = prefer_fast(view.births, self._setting.size, self._tiers, room)
        if homeless and needs_room(self._setting):
            raise ScheduleError("produced, but no tier has room for it", step=view.step, block=homeless[0])
        return Moves(store=stores)


@dataclass
class MPC(Policy):
    """The LP of the next steps, made whole; its first step's moves are made, and the next step asks again.

    At every step the next ``steps`` steps of its layer (of the trace without layers) and all that lies between them are known,
    as for ``lookahead``, and what is where is given. The LP over them weighs what moving costs against what it saves within
    that horizon; it is made whole as by ``lp-rounded``, and blocks that the horizon does not show are kept in the order in
    which they were read last. So unlike ``lookahead`` it knows what a move costs, the split of reads, and fetching ahead.

    What was planned goes on unless what is planned now takes a hundredth less: plans that are alike within the horizon must not
    take turns, as each change costs what lies behind it.

    A free start is that of the first step's LP. For small instances: windows of 100,000 reads in all. Budgets are of a whole
    run, so that an instance that has some is declined.
    """

    title: ClassVar[str] = "mpc"
    online: ClassVar[bool] = False
    family: ClassVar[str] = "clairvoyant"
    requires: ClassVar[tuple[str, ...]] = (f"at most {MOST_READS:,} reads in all windows", "no budgets of a whole run")
    source: ClassVar[str] = "receding horizon control; this project: the LP of the problem statement over a window"
    cost: ClassVar[Cost[Size]] = replace(passing("lp-rounded"), defined=lambda size: size.all_reads <= MOST_READS)

    steps: int = option(4, "steps of the layer that are known", low=1, high=2**31 - 1)
    budget: int = option(BUDGET, f"work of the solver in all, in millions of {SOLVER_WORK}", low=1, high=10**9)

    def plan(self, instance: Instance, limits: Limits) -> None:
        """See how far each step sees."""
        trace = instance.trace
        self._instance, self._limits = instance, limits
        self._ends = np.maximum(np.minimum(horizon(trace, self.steps) + 1, trace.num_steps), np.arange(trace.num_steps) + 1)
        reads = int((trace.indptr[self._ends] - trace.indptr[:-1]).sum())
        if reads > MOST_READS:
            found = f"found windows of {reads:,} reads in all"
            raise InputError(found, f"expected at most {MOST_READS:,} for this scheduler", field=self.title)
        if instance.budgets:
            raise InputError("found budgets of a whole run", "expected none for this scheduler", field=self.title)

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        del first_reads  # the window shows more
        given = self.budget * 10**6
        self._effort, self._left = Effort(SOLVER_WORK, given, 0), given
        self._plan: list[tuple[Ints, Ids]] = []
        self._tiers, self._last_read = len(setting.capacity), np.full(len(setting.size), -1, dtype=np.int64)
        if setting.initial is not None:
            return None
        resident = np.zeros((self._tiers, len(setting.size)), dtype=bool)
        if exists(self._instance, 0, int(self._ends[0])).any():
            schedule, ids = self._solve(0, None)
            resident[:, ids] = schedule.initial
        return resident

    def step(self, view: View) -> Moves:
        if not exists(self._instance, view.step, int(self._ends[view.step])).any():
            return Moves()
        self._solve(view.step, view.resident)
        self._last_read[view.reads] = self._last_read[view.births] = view.step
        op, ids = self._plan.pop(0)
        return moves_of(op, ids, self._tiers)

    def _solve(self, step: int, resident: Resident | None) -> tuple[Schedule, Ids]:
        """What shall be done from a step to the end of its window, and the blocks it is about; what was planned is replaced."""
        from placement_opt.play.simulate import simulate  # it imports this package

        part, ids = window(self._instance, step, int(self._ends[step]), resident)
        policy = _Rounded(step, self._last_read[ids], max(1, self._left // 10**6))
        run = simulate(part, policy, record=True, limits=self._limits)
        assert policy.effort is not None
        self._left -= policy.effort.taken
        cut_short = self._effort is not None and (self._effort.cut_short or policy.effort.cut_short)
        self._effort = Effort(SOLVER_WORK, self.budget * 10**6, self.budget * 10**6 - self._left, cut_short)
        if self._plan:
            with suppress(ScheduleError):
                planned = [(op, np.searchsorted(ids, blocks)) for op, blocks in self._plan]
                before = simulate(part, _GoOn(planned), record=True)
                run = before if before.cost_s <= run.cost_s * (1.0 + _INERTIA) else run
        found = run.schedule
        assert found is not None
        ends = found.indptr.tolist()
        self._plan = [(found.op[low:high], ids[found.block[low:high]]) for low, high in pairwise(ends)]
        return found, ids
