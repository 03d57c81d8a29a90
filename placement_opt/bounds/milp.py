"""The optimum itself, by branch and bound over whole blocks, for instances small enough.

Published is the larger of what weak duality proves at the root (solver-free) and the solver's own dual bound; the second rests
on the solver's branch and bound and is marked so. It is accepted only if it does not contradict what is known: the best
incumbent, evaluated again on the program's arrays, must not lie below it.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from placement_opt.bounds.classes import Classes, classify
from placement_opt.bounds.highs import Ended, LinearProgram, Solution, SolverError, solve
from placement_opt.bounds.horizon import HorizonProgram, make_events
from placement_opt.bounds.lp import relax
from placement_opt.bounds.result import Bound, Status
from placement_opt.errors import LimitError
from placement_opt.instance import Instance
from placement_opt.limits import Limits

#: Residency variables beyond which branch and bound is not worth starting.
MOST_BINARIES = 60_000
_TOLERANCE = 1e-6


def bound(instance: Instance, *, limits: Limits | None = None) -> Bound:
    """The MILP's bound; LimitError where the instance is far too large for it."""
    limits = limits or Limits()
    began = time.perf_counter()
    classes = single_blocks(instance)
    states = int((classes.last - classes.first + 1).sum()) * instance.num_tiers
    if states > MOST_BINARIES:
        raise LimitError(f"milp: {states} residency variables, at most {MOST_BINARIES} are tried; use lp or compact")
    root = relax(instance, limits=limits).bound
    program = HorizonProgram(instance, classes, make_events(instance, classes, None, True), integral=True)
    arrays = program.build()
    try:
        solution = solve(arrays, limits=limits)
        if solution.ended in (Ended.INFEASIBLE, Ended.FAILED):
            solution = solve(arrays, limits=limits, presolve=False)
    except SolverError as error:
        return replace(root, method="milp", status=Status.BOUND, note=f"{error}; the root bound stands")
    return _publish(root, arrays, solution, limits, time.perf_counter() - began)


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
        last=instance.last_state,
        begin=merged.begin[merged.of],
    )


def _publish(root: Bound, arrays: LinearProgram, solution: Solution, limits: Limits, seconds: float) -> Bound:
    value = incumbent(arrays, solution)
    claimed = solution.dual_bound * arrays.time_unit
    note = ""
    proven, rests_on = root.lower_bound_s, f"weak duality at the root LP ({root.rests_on})"
    solved = solution.ended is Ended.SOLVED and value is not None
    if value is not None and np.isfinite(claimed) and claimed > value * (1.0 + _TOLERANCE):
        note = f"the solver's dual bound {claimed:.9g} s lies above its own incumbent {value:.9g} s and is not published"
    elif solution.ended in (Ended.INFEASIBLE, Ended.FAILED):
        note = f"the solver ended with {solution.message!r}, which is not believed; the root bound stands"
    elif np.isfinite(claimed) and (proven is None or claimed > proven):
        proven = claimed if value is None else min(claimed, value)
        rests_on = "the solver's branch and bound over whole blocks (not re-proved); the root LP is re-proved by weak duality"
    closed = solved and proven is not None and value is not None and value - proven <= _TOLERANCE * value
    status = Status.OPTIMAL if closed else Status.LIMIT
    if proven is None:
        status, rests_on = Status.NONE, ""
    elif limits.interrupted:
        status = Status.INTERRUPTED
    elif not closed and not limits.reached and solution.ended is not Ended.LIMIT:
        status = Status.BOUND
    details = {"columns": arrays.num_columns, "rows": arrays.num_rows, "root_lp_s": root.lower_bound_s, **solution.details}
    return Bound("milp", status, proven, seconds, rests_on, note, value_s=value, prices=root.prices, details=details)


def incumbent(arrays: LinearProgram, solution: Solution) -> float | None:
    """The incumbent's value in seconds after rounding its whole-block variables and re-checking every row; None if it fails."""
    if not len(solution.x) or arrays.integral is None:
        return None
    x = np.clip(solution.x, arrays.lower, arrays.upper)
    if np.abs(x[arrays.integral] - np.round(x[arrays.integral])).max(initial=0.0) > 1e-6:
        return None
    columns = np.repeat(np.arange(arrays.num_columns), np.diff(arrays.start))
    activity = np.bincount(arrays.index, arrays.value * x[columns], arrays.num_rows)
    slack = 1e-6 * (1.0 + np.abs(activity))
    if (activity < arrays.row_lower - slack).any() or (activity > arrays.row_upper + slack).any():
        return None
    return float(arrays.cost @ x) * arrays.time_unit
