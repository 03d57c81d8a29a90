"""``milp``: branch and bound over whole blocks, whose best placement is written down as a schedule.

The program decides residency, and how each copy comes about: stored in passing, copied, or half of each. A schedule's moves are
whole, so each copy takes the way that brings most of it; where that costs anything, the moves are decided once more, whole, for
the residency found and then for any. What the schedule takes is for the simulator to say, as of any other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from placement_opt.base.cost import Cost, once
from placement_opt.base.errors import InputError, LimitError, ScheduleError
from placement_opt.base.highs import SolverError, solve
from placement_opt.base.limits import Limits
from placement_opt.bounds.milp import Searched, incumbent, num_binaries, search
from placement_opt.bounds.programs.written_down import written_down
from placement_opt.bounds.size import Size
from placement_opt.instance.instance import Instance
from placement_opt.play.protocol import Effort, Ids, Moves, Resident, Setting, View
from placement_opt.play.replay import Replay
from placement_opt.play.schedule import Schedule
from placement_opt.play.simulate import simulate
from placement_opt.schedulers.base import Policy, option
from placement_opt.schedulers.lp_rounded import SOLVER_WORK

#: (Block, state, tier) triples beyond which nothing is tried.
MOST_TRIPLES = 20_000
#: Of the solver, in millions of (iteration, matrix entry) pairs: some 20 seconds' worth. Share of it for the search; what that
#: leaves is for deciding the moves.
BUDGET, _SEARCHING = 4_000, 0.8
#: A schedule that takes so much longer than its program, relatively, has its moves decided once more.
_ROUNDING = 1e-9


@dataclass
class Milp(Policy):
    """Branch and bound over whole blocks: the optimum of a small instance, the best placement found of a larger one.

    Clairvoyant. Declines instances of more than 20,000 (block, state, tier) triples. The same schedule at every run: its work
    is counted, not timed.
    """

    title: ClassVar[str] = "milp"
    online: ClassVar[bool] = False
    family: ClassVar[str] = "clairvoyant"
    requires: ClassVar[tuple[str, ...]] = (f"at most {MOST_TRIPLES:,} (block, state, tier) triples",)
    source: ClassVar[str] = "this project: the mixed-integer program of the problem statement, solved by HiGHS"
    cost: ClassVar[Cost[Size]] = Cost(
        "milp-schedule",
        {"once": once, "per_triple": lambda size: size.triples},
        {"once": once, "per_triple": lambda size: size.triples},
        defined=lambda size: size.triples <= MOST_TRIPLES,
    )

    budget: int = option(BUDGET, f"work of the solver, in millions of {SOLVER_WORK}", low=0, high=10**9)

    def plan(self, instance: Instance, limits: Limits) -> None:
        """Find the schedule."""
        if (triples := num_binaries(instance)) > MOST_TRIPLES:
            found = f"found {triples:,} (block, state, tier) triples"
            raise InputError(found, f"expected at most {MOST_TRIPLES:,} for this scheduler", field=self.title)
        given = self.budget * 10**6
        counted = limits.counted(given)
        schedule = milp_schedule(instance, limits=counted)
        if schedule is None:
            raise LimitError("milp found no schedule within the limits")
        self._replay = Replay(schedule)
        self._effort = Effort(SOLVER_WORK, given, round(given - counted.work_left), limits.cut_short)

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        return self._replay.start(setting, first_reads)

    def step(self, view: View) -> Moves:
        return self._replay.step(view)


def milp_schedule(instance: Instance, *, limits: Limits | None = None) -> Schedule | None:
    """The best placement that branch and bound finds within the limits, as a schedule; None where it finds none.

    Counted work (:meth:`placement_opt.base.limits.Limits.counted`) ends it at the same schedule at every run.
    """
    limits = limits or Limits()
    given = _SEARCHING * limits.work_left
    searching = limits.counted(given)
    try:
        searched = search(instance, limits=searching)
    except SolverError:
        return None
    if math.isfinite(given):
        limits.spend(given - searching.work_left)
    return incumbent_schedule(instance, searched, limits=limits)


def incumbent_schedule(instance: Instance, searched: Searched, *, limits: Limits | None = None) -> Schedule | None:
    """What branch and bound found, as a schedule; None without an incumbent. The limits are for deciding moves."""
    value = searched.value_s
    if value is None:
        return None
    found = [written_down(instance, searched.program, searched.x)]
    for fixed in (True, False):
        if min(_seconds(instance, one) for one in found) <= value * (1.0 + _ROUNDING):
            break
        if (whole := _whole_moves(searched, limits or Limits(), fixed=fixed)) is not None:
            found.append(written_down(instance, whole.program, whole.x))
    best = min(found, key=lambda one: _seconds(instance, one))
    return best if instance.timed or math.isfinite(_seconds(instance, best)) else None


def _seconds(instance: Instance, schedule: Schedule) -> float:
    """What a schedule costs; infinite where it breaks a budget, by what the solver rounded."""
    try:
        return simulate(instance, Replay(schedule)).cost_s
    except ScheduleError:
        if instance.timed:
            raise
        return math.inf


def _whole_moves(searched: Searched, limits: Limits, *, fixed: bool) -> Searched | None:
    """Every copy made in one way, for the residency found (``fixed``) or for any."""
    program, arrays, x = searched.program, searched.arrays, searched.x
    first, stores = program.column["x"], program.column["p"]
    lower, upper = arrays.lower.copy(), arrays.upper.copy()
    if fixed:
        lower[first:stores] = upper[first:stores] = x[first:stores]
    share = program.events.share
    shares = [np.tile(share[program.stores], len(program.tiers)), *(share[which] for _, _, which in program.copies)]
    whole = np.concatenate(shares) % 1.0 == 0.0  # of a block read in part the rest is copied, whatever is decided
    integral = np.zeros(arrays.num_columns, dtype=bool)
    integral[first:stores] = not fixed
    integral[stores : stores + len(whole)] = whole
    again = replace(arrays, lower=lower, upper=upper, integral=integral)
    try:
        solution = solve(again, limits=limits)
    except SolverError:
        return None
    found = incumbent(again, solution)
    return replace(searched, arrays=again, solution=solution, x=found) if len(found) else None
