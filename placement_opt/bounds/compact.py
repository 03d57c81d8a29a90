"""The compact LP of any number of tiers: columns for kinds of interval, rows for steps, then the dual at its prices.

Blocks that are read at the same two steps are counted, not named (:mod:`placement_opt.bounds.columns.kinds`), so the program
grows with what happens, not with how many blocks it happens to. To begin with it forgets who stays and what promotion costs,
and that a block can be copied between its reads; its objective is no bound (a trace is known where it lies 26 % above a
schedule that exists). Published is the dual value at its prices (:mod:`placement_opt.bounds.dual.evaluate`), which counts all
of it.

Ways to copy between reads are priced in, and rows that keep a kind from taking more ways than it has blocks are added where
they are violated, until the program's value is proven. Then reads are told apart by their future, level by level, until the
placement found, every promotion paid for, is close enough to the bound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from placement_opt.base import clock
from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.cost import Cost, costs, once
from placement_opt.base.highs import (
    INTERIOR_TOLERANCE,
    Algorithm,
    Ended,
    LinearProgram,
    Solution,
    SolverError,
    solve,
)
from placement_opt.base.limits import Limits
from placement_opt.bounds import step
from placement_opt.bounds.columns.kinds import LEVELS, Intervals, cut_intervals, label_reads
from placement_opt.bounds.columns.pricing import more_ways
from placement_opt.bounds.columns.program import CompactProgram
from placement_opt.bounds.columns.spread import attained
from placement_opt.bounds.columns.ways import Frame, Ways, busy_kinds, simple_ways
from placement_opt.bounds.dual.classes import Classes, classify
from placement_opt.bounds.dual.evaluate import DualValue, evaluate
from placement_opt.bounds.dual.tracked import tracked_sets
from placement_opt.bounds.overdrawn import no_schedule
from placement_opt.bounds.result import Bound, Prices, Status
from placement_opt.bounds.size import Size
from placement_opt.instance.instance import Instance

#: A program is solved again with more ways and rows while its value exceeds the dual by more than this, relatively.
TOLERANCE = 1e-6
#: What ``bound`` leaves to the exact LP, relatively, and how far it tells reads apart: the rest takes longer than it wins.
GAP, QUICK = 1e-3, LEVELS[:2]
#: Kinds of interval up to which reads are told apart further: beyond, raising the prices pays more than solving does.
MOST_KINDS = 40_000
#: Bytes by which kinds may take more ways than they have blocks, as a share of all that is read: rounding evens it out.
EXCESS = 1e-3
_ROUNDS = 12
#: Of more tiers than these, where more than this share of the kinds take ways too often, all are told not to: one by one it
#: takes five rounds in place of one. With three tiers there are few rounds, and so many rows take longer.
_FEW_TIERS, _MANY = 3, 0.05
_SMALL = 3_000
#: Budgets that are overdrawn by no more than this, in the program's units, are kept.
_KEPT = 1e-9
_RESTS_ON = "weak duality: the dual value at the prices found, fetch-back at every step included, evaluated without the solver"


@dataclass(frozen=True, eq=False)
class CompactSolution:
    """The bound, and a placement: of the programs solved, that which takes least once every promotion is paid for.

    Attributes
    ----------
    bound
        What is published.
    classes
        The instance's merged blocks.
    program
        Whose placement it is; None where none was solved.
    counts
        float64[W]: blocks that take each of its ways.
    """

    bound: Bound
    classes: Classes
    program: CompactProgram | None
    counts: Float64


def _cost(section: str) -> Cost[Size]:
    """With three tiers and more, copies between reads are many ways, and rows for them."""
    return Cost(
        section,
        {
            "once": once,
            "per_read": lambda size: size.reads,
            "per_step": lambda size: size.steps,
            "per_step_and_set_of_three_tiers": lambda size: (size.tiers > 2) * size.steps * size.sets,
        },
        {
            "once": once,
            "per_read": lambda size: size.reads,
            "per_step_and_set_of_three_tiers": lambda size: (size.tiers > 2) * size.steps * size.sets,
        },
    )


#: Of :func:`relax` at all levels.
REFINED = _cost("refined")


@costs(_cost("compact"))
def bound(instance: Instance, *, limits: Limits | None = None) -> Bound:
    """The compact bound, refined once at most (:data:`QUICK`), and not where it is within :data:`GAP` of the exact LP."""
    return relax(instance, limits=limits, gap=GAP, levels=QUICK).bound


def placed_s(found: Bound) -> float:
    """What no prices prove more than, in seconds; infinite where that is not known.

    The best fractional placement behind a compact bound, every promotion paid for, is one of the exact LP, but for the share
    :data:`EXCESS` by which kinds may take ways too often.
    """
    seconds = found.details.get("placed_s")
    return np.inf if seconds is None else float(seconds) / (1.0 - EXCESS)


def relax(
    instance: Instance,
    *,
    limits: Limits | None = None,
    gap: float = 0.0,
    improved: Callable[[DualValue], None] | None = None,
    levels: Sequence[str] = LEVELS,
) -> CompactSolution:
    """The compact bound together with the placement behind it; each refinement can only raise the bound.

    Parameters
    ----------
    limits
        Checked between programs and inside the solver; what is proven by then is returned.
    gap
        Refining ends when the exact LP is known to lie above the bound by no more than this, relatively.
    improved
        Called whenever prices are found that prove more.
    levels
        How far reads are told apart, from the coarsest: some of :data:`placement_opt.bounds.columns.kinds.LEVELS`.
    """
    search = _Search(instance, limits or Limits(), gap, improved)
    search.run(levels)
    return search.result()


class _Search:
    """Programs from the coarsest to the finest, and the best that their prices prove."""

    def __init__(self, instance: Instance, limits: Limits, gap: float, improved: Callable[[DualValue], None] | None) -> None:
        self.began = clock.now()
        self.instance, self.limits, self.gap, self.improved = instance, limits, gap, improved
        self.classes = classify(instance)
        self.best: DualValue | None = None
        self.program: CompactProgram | None = None
        self.arrays: LinearProgram | None = None
        self.solution: Solution | None = None
        self.level, self.rounds, self.value, self.trouble = "", 0, np.inf, ""
        self.step_s: Float64 | None = None
        self.attained_s, self.counts = np.inf, np.zeros(0)
        self.placed: CompactProgram | None = None
        self.elastic = False  # whether budgets may be overdrawn
        self.ray: DualValue | None = None  # proves that no schedule keeps them

    def run(self, levels: Sequence[str]) -> None:
        """Level by level; the per-step bound first, so that the ladder holds whenever the work ends."""
        self.start = step.bound(self.instance, limits=self.limits)
        self.step_s = self.start.step_s
        self._prove(self.start.prices)
        if untracked := tracked_sets(self.instance).always:
            self.trouble = f"{untracked.bit_count()} tiers too many for its columns; "
            return
        self.frame = Frame(self.instance)
        for level in levels:
            if self.limits.reached:
                return
            intervals = cut_intervals(self.instance, self.classes, label_reads(self.instance, self.classes, level))
            if self.program is not None:
                if len(intervals) > MOST_KINDS:
                    return
                if intervals.shape == self.program.intervals.shape:
                    continue
            self.level = level
            before = self.program
            whole = self._solve(intervals)
            if self.program is before or self._close() or not whole:
                return

    # ---- one level -------------------------------------------------------------------------------------------------

    def _solve(self, intervals: Intervals) -> bool:
        """Solve the program of some kinds, adding ways and rows; whether it came to an end."""
        ways, joint = simple_ways(self.frame, intervals), busy_kinds(self.frame, intervals)
        if self.program is not None:
            ways, joint = _inherit(self.program, self._counts(), intervals, ways, joint)
        # of plain tables the moves of one group a step prove nothing more there
        moves = self.frame.each or not (self._plain and self.instance.inclusive and self.instance.timed)
        for _ in range(_ROUNDS):
            program = CompactProgram(self.frame, intervals, ways, joint, moves=moves, elastic=self.elastic)
            arrays = program.build()
            self.rounds += 1
            algorithm, tolerance = self._algorithm(arrays)
            try:
                solution = solve(arrays, limits=self.limits, algorithm=algorithm)
                if algorithm == "interior" and not (len(solution.x) and len(solution.row_dual)):
                    algorithm = "ipm"
                    solution = solve(arrays, limits=self.limits, algorithm=algorithm)
            except SolverError as error:
                self.trouble = f"{error}; "
                return False
            if self._may_be_overdrawn(solution):
                self.elastic = True
                continue
            if len(solution.row_dual):
                self._prove(program.prices(solution.row_dual))
            if self.ray is not None:
                return False
            if not len(solution.row_dual) or (solution.ended is not Ended.SOLVED and algorithm != "interior"):
                if solution.ended not in (Ended.LIMIT, Ended.INTERRUPTED):
                    self.trouble = f"the solver ended with {solution.message!r}; only what prices prove is published; "
                return False
            if self.elastic:
                if solution.objective <= _KEPT:  # these ways keep the budgets
                    self.elastic = False
                    continue
                found = more_ways(program, solution.row_dual, 1e-3 * TOLERANCE * solution.objective / len(intervals))
                if not len(found):
                    break
                ways, joint = ways.joined(found), np.union1d(joint, found.kind)
                continue
            self.program, self.arrays, self.solution = program, arrays, solution
            self.value, self.step_s = solution.objective * arrays.time_unit, program.times(solution.x)
            if self.limits.reached:
                break
            crowded, excess = program.crowded(solution.x)
            proven = self._proven(tolerance)
            if proven and excess <= EXCESS:
                break
            if not proven:
                found = more_ways(program, solution.row_dual, 1e-3 * tolerance * solution.objective / len(intervals))
                if not len(found) and not len(crowded):
                    break
                ways, crowded = ways.joined(found), np.append(crowded, found.kind)
            many = self.instance.num_tiers > _FEW_TIERS and len(crowded) > _MANY * len(intervals)
            joint = np.arange(len(intervals)) if many else np.unique(np.append(joint, crowded))
        return True

    @property
    def _plain(self) -> bool:
        return self.instance.num_tiers <= 2 and self.level == LEVELS[0]

    def _algorithm(self, arrays: LinearProgram) -> tuple[Algorithm, float]:
        """What solves best, and how exactly: simplex where a program is small or plain (two tiers, one group a step)."""
        if self._plain or arrays.num_columns <= _SMALL:
            return "simplex", TOLERANCE
        return "interior", 3 * INTERIOR_TOLERANCE

    def _may_be_overdrawn(self, solution: Solution) -> bool:
        """Whether to ask next by how much the budgets must be overdrawn: where the program has no solution with them."""
        ended = solution.ended in (Ended.INFEASIBLE, Ended.FAILED)
        return ended and not self.elastic and bool(self.instance.budgets)

    def _prove(self, prices: Prices | None) -> None:
        """Evaluate the dual; where prices jumped past better ones, also halfway back."""
        if prices is None:
            return
        if self.elastic:
            ray = evaluate(self.instance, prices, self.classes, ray=True)
            self.ray = ray if ray.value_s > 0.0 else None
            return
        before = self.best
        dual = evaluate(self.instance, prices, self.classes)
        if before is not None and dual.value_s < before.value_s:
            dual = evaluate(self.instance, dual.prices.halfway(before.prices), self.classes)
        if before is None or dual.value_s > before.value_s:
            self.best = dual
            if self.improved is not None:
                self.improved(dual)

    def _proven(self, tolerance: float) -> bool:
        return self.best is not None and self.value - self.best.value_s <= tolerance * self.value

    def _counts(self) -> Float64:
        assert self.program is not None
        assert self.solution is not None
        return self.program.counts(self.solution.x)

    def _close(self) -> bool:
        """Whether the best placement found, every promotion paid for, is within the gap of the bound."""
        assert self.program is not None
        assert self.arrays is not None
        assert self.solution is not None
        seconds = attained(self.instance, self.classes, self.program, self.arrays, self.solution.x)
        if seconds < self.attained_s:
            self.attained_s, self.placed, self.counts = seconds, self.program, self._counts()
        lower = 0.0 if self.best is None else self.best.value_s
        # what a placement takes is known, but not what it adds to meters
        return self.instance.timed and self.attained_s - lower <= max(self.gap, TOLERANCE) * self.attained_s

    # ---- what comes of it ------------------------------------------------------------------------------------------

    def result(self) -> CompactSolution:
        found = self._publish(clock.now() - self.began)
        start = self.start
        if self.ray is not None:
            return CompactSolution(found, self.classes, None, np.zeros(0))
        if start.lower_bound_s is not None and start.lower_bound_s > (found.lower_bound_s or 0.0):
            found = replace(found, lower_bound_s=start.lower_bound_s, prices=start.prices)
        return CompactSolution(found, self.classes, self.placed, self.counts)

    def _publish(self, seconds: float) -> Bound:
        details: dict[str, Any] = {"classes": len(self.classes), "rounds": self.rounds}
        if self.program is not None and self.arrays is not None:
            details |= {
                "intervals": len(self.program.intervals),
                "columns": self.arrays.num_columns,
                "rows": self.arrays.num_rows,
                "fetched": int((np.diff(self.program.ways.start) > 1).sum()),
                "told apart by": self.level,
                "objective_s": self.value,
                "placed_s": self.attained_s if np.isfinite(self.attained_s) and self.instance.timed else None,
            }
        if self.ray is not None:
            return no_schedule("compact", self.ray, seconds, details)
        if self.best is None:
            return Bound("compact", Status.NONE, None, seconds, "", "no prices within the limits", details=details)
        status = Status.BOUND
        if self.limits.reached or tracked_sets(self.instance).always:
            status = Status.INTERRUPTED if self.limits.interrupted else Status.LIMIT
        note = self.trouble
        if self.program is None:
            note += "no program was solved within the limits; the prices are those of the per-step bound"
        elif self.value > self.best.value_s * (1.0 + TOLERANCE):
            note += f"the program's objective {self.value:.6g} s is no bound; its prices prove {self.best.value_s:.6g} s"
        return Bound(
            "compact",
            status,
            self.best.value_s,
            seconds,
            _RESTS_ON,
            note.removesuffix("; "),
            step_s=self.step_s,
            prices=self.best.prices,
            details=details,
        )


def _inherit(old: CompactProgram, counts: Float64, intervals: Intervals, ways: Ways, joint: Int64) -> tuple[Ways, Int64]:
    """Ways and rows that the coarser program found, for the kinds that its kinds were split into."""
    parent = np.zeros(len(intervals), dtype=np.int64)
    parent[intervals.of] = old.intervals.of
    joint = np.union1d(joint, np.flatnonzero(np.isin(parent, old.joint)))
    used = np.flatnonzero((np.diff(old.ways.start) > 1) & (counts > 0))
    children = np.argsort(parent, kind="stable")
    first = np.searchsorted(parent[children], np.arange(len(old.intervals) + 1))
    offspring = np.diff(first)[old.ways.kind[used]]
    way = np.repeat(used, offspring)
    nth = np.arange(len(way)) - np.repeat(np.cumsum(offspring) - offspring, offspring)
    kind = children[first[old.ways.kind[way]] + nth]
    legs = np.diff(old.ways.start)[way]
    start = np.concatenate([[0], np.cumsum(legs)])
    leg = np.arange(start[-1]) + np.repeat(old.ways.start[way] - start[:-1], legs)
    more = Ways(kind, start, old.ways.held[leg], old.ways.opens[leg], old.ways.closes[leg])
    return ways.joined(more), joint
