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
import numpy.typing as npt

from placement_opt.bounds.highs import SolverError, solve
from placement_opt.bounds.milp import Searched, incumbent, num_binaries, search
from placement_opt.bounds.result import Float64
from placement_opt.errors import InputError, LimitError
from placement_opt.instance import Instance
from placement_opt.limits import Limits
from placement_opt.memory.system import Int64
from placement_opt.schedulers.base import Policy, option
from placement_opt.schedulers.lp_rounded import SOLVER_WORK
from placement_opt.schedulers.protocol import Effort, Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.replay import Replay
from placement_opt.schedulers.schedule import Schedule

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
    source: ClassVar[str] = "this project: the mixed-integer program of the problem statement, solved by HiGHS"

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

    Counted work (:meth:`placement_opt.limits.Limits.counted`) ends it at the same schedule at every run.
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
    found = [_written_down(instance, searched)]
    for fixed in (True, False):
        if min(_latency(instance, one) for one in found) <= value * (1.0 + _ROUNDING):
            break
        if (whole := _whole_moves(searched, limits or Limits(), fixed=fixed)) is not None:
            found.append(_written_down(instance, whole))
    return min(found, key=lambda one: _latency(instance, one))


def _latency(instance: Instance, schedule: Schedule) -> float:
    from placement_opt.simulate import simulate  # it imports this package

    return simulate(instance, Replay(schedule)).latency_s


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


def _written_down(instance: Instance, searched: Searched) -> Schedule:
    """Residency and moves of an incumbent."""
    program, tiers = searched.program, instance.num_tiers
    events, before = program.events, program.before
    held = program.residency(searched.x) > 0.5
    stored, copied = _arrivals(instance, searched)
    comes, goes = held[:, before + 1] & ~held[:, before], held[:, before] & ~held[:, before + 1]
    step: list[Int64] = []
    op: list[npt.NDArray[np.int64]] = []
    block: list[Int64] = []

    def add(number: int, at: Int64, owner: Int64) -> None:
        step.append(at)
        op.append(np.full(len(at), number))
        block.append(owner)

    born = np.flatnonzero(instance.first_state > 0)
    for k in range(tiers):
        passing = comes[k] & (stored[k] > 0.5 * events.share)
        add(k, events.step[passing], events.owner[passing])
        source = copied[:, k].argmax(axis=0)
        for j in range(tiers):
            fetched = comes[k] & ~passing & (source == j)
            add(tiers + j * tiers + k, events.step[fetched], events.owner[fetched])
        add(tiers + tiers * tiers + k, events.step[goes[k]], events.owner[goes[k]])
        if not (instance.inclusive and k == instance.home):
            into = born[held[k, program.first_segment[born]]]
            add(k, instance.first_state[into] - 1, into)
    steps, ops, blocks = np.concatenate(step), np.concatenate(op), np.concatenate(block)
    order = np.lexsort((blocks, ops, steps))
    exists = np.flatnonzero(instance.first_state == 0)
    initial = np.zeros((tiers, instance.num_blocks), dtype=bool)
    initial[:, exists] = held[:, program.first_segment[exists]]
    indptr = np.searchsorted(steps[order], np.arange(instance.num_steps + 1)).astype(np.int64)
    return Schedule("milp", initial, indptr, ops[order].astype(np.int16), blocks[order].astype(np.int32))


def _arrivals(instance: Instance, searched: Searched) -> tuple[Float64, Float64]:
    """What comes at each event: float64[K, M] stored in passing to each tier, float64[K, K, M] copied from tier to tier.

    Copies that the program does not offer, because another way is never dearer, count -1.
    """
    program, x = searched.program, searched.x
    tiers, count = instance.num_tiers, len(program.events.step)
    stored, copied = np.zeros((tiers, count)), np.full((tiers, tiers, count), -1.0)
    for n, k in enumerate(program.tiers):
        first = program.column["p"] + n * len(program.stores)
        stored[k, program.stores] = x[first : first + len(program.stores)]
    column = program.column["z"]
    for j, k, which in program.copies:
        copied[j, k, which] = x[column : column + len(which)]
        column += len(which)
    return stored, copied
