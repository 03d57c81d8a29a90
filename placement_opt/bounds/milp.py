"""The optimum itself, by branch and bound over whole blocks, for instances small enough.

Published is the larger of what weak duality proves at the root (solver-free) and the solver's own dual bound; the second rests
on the solver's branch and bound and is marked so. It is taken less a margin, never above what the incumbent takes when it is
played as a schedule, and only if it does not contradict what is known: the best incumbent, evaluated again on the program's
arrays, must lie below neither it nor the root.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from placement_opt.base import clock
from placement_opt.base.arrays import Float64
from placement_opt.base.cost import Cost, costs, once
from placement_opt.base.errors import LimitError, ScheduleError
from placement_opt.base.highs import Ended, LinearProgram, Solution, SolverError, solve
from placement_opt.base.limits import Limits
from placement_opt.bounds import compact
from placement_opt.bounds.dual.classes import Classes, classify
from placement_opt.bounds.lp import relax
from placement_opt.bounds.programs.events import make_events
from placement_opt.bounds.programs.horizon import HorizonProgram
from placement_opt.bounds.programs.written_down import written_down
from placement_opt.bounds.result import Bound, Status
from placement_opt.bounds.size import Size
from placement_opt.instance.instance import Instance
from placement_opt.play.replay import Replay
from placement_opt.play.simulate import simulate

#: Residency variables beyond which branch and bound is not worth starting.
MOST_BINARIES = 60_000
#: (Block, state, tier) triples up to which whole blocks are expected to be decided one by one in reasonable time.
MOST_TRIPLES = 2_000
#: What is taken off the solver's values for its tolerances and for rounding, relatively.
MARGIN = 5e-10
_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class Searched:
    """What branch and bound left behind.

    Attributes
    ----------
    program
        Blocks one by one, a copy offered at every step; reads ``x``.
    arrays, solution
        As they were solved.
    x
        float64[n]: the incumbent's columns, its whole-block variables rounded; empty where none stood up to a check.
    """

    program: HorizonProgram
    arrays: LinearProgram
    solution: Solution
    x: Float64

    @property
    def value_s(self) -> float | None:
        """The incumbent's seconds, evaluated on the arrays; None without one."""
        return float(self.arrays.cost @ self.x) * self.arrays.time_unit if len(self.x) else None


@costs(
    Cost[Size](
        "milp",
        {"once": once, "per_triple": lambda size: size.triples},
        {"once": once, "per_triple": lambda size: size.triples},
        defined=lambda size: size.triples <= MOST_TRIPLES,
    )
)
def bound(instance: Instance, *, limits: Limits | None = None) -> Bound:
    """The MILP's bound; LimitError where the instance is far too large for it."""
    limits = limits or Limits()
    began = clock.now()
    check_size(instance)
    root = root_bound(instance, limits)
    if root.status is Status.INFEASIBLE:
        return replace(root, method="milp", solve_s=clock.now() - began)
    try:
        searched = search(instance, limits=limits)
    except SolverError as error:
        return replace(root, method="milp", status=Status.BOUND, note=f"{error}; the root bound stands")
    return publish(instance, root, searched, limits, clock.now() - began)


def root_bound(instance: Instance, limits: Limits) -> Bound:
    """What is proven before branch and bound: the LP, or with three tiers and more the dual at compact prices if it is more."""
    roots = [compact.bound(instance, limits=limits)] if instance.num_tiers > 2 else []
    roots.append(relax(instance, limits=limits).bound)
    if no_schedule := [root for root in roots if root.status is Status.INFEASIBLE]:
        return no_schedule[0]
    return max(roots, key=lambda root: root.lower_bound_s or 0.0)


def num_binaries(instance: Instance) -> int:
    """(block, state, tier) triples: residency variables, but for those that the rules decide."""
    return instance.num_tiers * int((instance.last_state - instance.first_state + 1).sum())


def check_size(instance: Instance) -> None:
    """LimitError where there are more than ``MOST_BINARIES``."""
    if (binaries := num_binaries(instance)) > MOST_BINARIES:
        raise LimitError(f"milp: {binaries} residency variables, at most {MOST_BINARIES} are tried; use lp or compact")


def search(instance: Instance, *, limits: Limits | None = None) -> Searched:
    """Branch and bound.

    Parameters
    ----------
    limits
        The incumbent by then comes back.

    Raises
    ------
    SolverError
        The solver refuses the program.
    """
    classes = single_blocks(instance)
    program = HorizonProgram(instance, classes, make_events(instance, classes, None, True), integral=True)
    arrays = program.build()
    solution = solve(arrays, limits=limits)
    if solution.ended in (Ended.INFEASIBLE, Ended.FAILED):
        solution = solve(arrays, limits=limits, presolve=False)
    return Searched(program, arrays, solution, incumbent(arrays, solution))


def single_blocks(instance: Instance) -> Classes:
    """Every block a class of its own: whole blocks of a merged class would not be told apart."""
    merged = classify(instance)
    lengths = np.diff(merged.start)[merged.of]
    start = np.concatenate([[0], np.cumsum(lengths)])
    take = np.arange(start[-1]) + np.repeat(merged.start[merged.of] - start[:-1], lengths)
    blocks = np.arange(instance.num_blocks)
    return Classes(
        of=blocks,
        block=blocks,
        count=np.ones(instance.num_blocks, dtype=np.int64),
        start=start,
        step=merged.step[take],
        share=merged.share[take],
        size=instance.size,
        first=instance.first_state,
        last=instance.kept_until,
        begin=merged.begin[merged.of],
        kind=merged.kind[merged.of],
        amount=merged.amount[merged.of],
    )


def publish(instance: Instance, root: Bound, searched: Searched, limits: Limits, seconds: float) -> Bound:
    """What may be said after branch and bound, given a proven bound to begin with."""
    arrays, solution = searched.arrays, searched.solution
    proven, rests_on, note = root.lower_bound_s, f"weak duality at the root ({root.rests_on})", ""
    value, claimed = searched.value_s, solution.dual_bound * arrays.time_unit
    if value is not None and proven is not None and value < proven * (1.0 - _TOLERANCE):
        note = f"the solver's incumbent {value:.9g} s lies below what is proven, {proven:.9g} s: nothing of it is believed"
        value = None
    elif value is not None and np.isfinite(claimed) and claimed > value * (1.0 + _TOLERANCE):
        note = f"the solver's dual bound {claimed:.9g} s lies above its own incumbent {value:.9g} s and is not published"
    elif solution.ended in (Ended.INFEASIBLE, Ended.FAILED):
        note = f"the solver ended with {solution.message!r}, which is not believed; the root bound stands"
    elif np.isfinite(claimed):
        safe = (claimed if value is None else min(claimed, value, _played_s(instance, searched))) * (1.0 - MARGIN)
        if proven is None or safe > proven:
            proven = safe
            rests_on = "the solver's branch and bound over whole blocks (not re-proved); the root is re-proved by weak duality"
    solved = solution.ended is Ended.SOLVED and value is not None
    closed = solved and proven is not None and value is not None and value - proven <= _TOLERANCE * value
    status = Status.OPTIMAL if closed else Status.LIMIT
    if proven is None:
        status, rests_on = Status.NONE, ""
    elif limits.interrupted:
        status = Status.INTERRUPTED
    elif not closed and not limits.reached and solution.ended is not Ended.LIMIT:
        status = Status.BOUND
    details = {"columns": arrays.num_columns, "rows": arrays.num_rows, "root_s": root.lower_bound_s, **solution.details}
    return Bound("milp", status, proven, seconds, rests_on, note, value_s=value, prices=root.prices, details=details)


def _played_s(instance: Instance, searched: Searched) -> float:
    """Seconds of the incumbent as the schedule that it is; infinite where, its numbers rounded, it is not one, or where more
    counts than time."""
    if not instance.timed:
        return np.inf
    try:
        return simulate(instance, Replay(written_down(instance, searched.program, searched.x))).latency_s
    except ScheduleError:
        return np.inf


def incumbent(arrays: LinearProgram, solution: Solution) -> Float64:
    """The incumbent's columns after rounding its whole-block variables and re-checking every row; empty if it fails."""
    nothing = np.zeros(0)
    if not len(solution.x) or arrays.integral is None:
        return nothing
    x = np.clip(solution.x, arrays.lower, arrays.upper)
    whole = np.round(x[arrays.integral])
    if np.abs(x[arrays.integral] - whole).max(initial=0.0) > 1e-6:
        return nothing
    columns = np.repeat(np.arange(arrays.num_columns), np.diff(arrays.start))
    activity = np.bincount(arrays.index, arrays.value * x[columns], arrays.num_rows)
    slack = 1e-6 * (1.0 + np.abs(activity))
    if (activity < arrays.row_lower - slack).any() or (activity > arrays.row_upper + slack).any():
        return nothing
    x[arrays.integral] = whole
    return x
