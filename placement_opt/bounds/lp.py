"""The LP relaxation of the whole horizon: valid for every policy, also for those that split blocks.

The program is that of :mod:`placement_opt.bounds.programs.horizon`. Small instances offer a copy at every step; larger ones
start with copies at the steps that read a block and add those steps at which a cheapest path at the LP's prices would fetch it
back. Published is the smaller of the program's value and the dual at its prices (:mod:`placement_opt.bounds.dual.evaluate`),
which needs no column to be present: a missing fetch-back can only show as a gap, never as a wrong bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement_opt.base import clock
from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.cost import Cost, costs, once
from placement_opt.base.highs import Algorithm, Ended, LinearProgram, Solution, SolverError, solve
from placement_opt.base.limits import Limits
from placement_opt.base.watch import LeftBehind, run_watched
from placement_opt.bounds import step
from placement_opt.bounds.dual.classes import Classes, classify
from placement_opt.bounds.dual.evaluate import DualValue, evaluate, fetch_events
from placement_opt.bounds.overdrawn import no_schedule
from placement_opt.bounds.programs.events import make_events
from placement_opt.bounds.programs.horizon import HorizonProgram
from placement_opt.bounds.result import Bound, Prices, Status
from placement_opt.bounds.size import Size
from placement_opt.instance.instance import Instance

#: Up to this many (class, step) pairs every step offers copies, so that the program is the statement itself.
EVERY_STEP = 20_000
#: The program is solved again with more fetch-back while its value exceeds the dual by more than this, relatively.
TOLERANCE = 1e-7
#: With three and more tiers copies are offered from the start this many steps ahead of each read.
AHEAD = 3
_ROUNDS = 20
_SIMPLEX_COLUMNS = 30_000
_MOST_PAIRS = 20 * EVERY_STEP
_RESTS_ON = "weak duality: the dual value at the prices found, fetch-back at every step included, evaluated without the solver"


@dataclass(frozen=True, eq=False)
class Relaxation:
    """The bound and the relaxed placement behind it.

    Attributes
    ----------
    bound
        What is published.
    program
        The program last solved, for reading ``x``; None where nothing was solved.
    x
        float64[n]: its columns' values; empty where the solver left none.
    """

    bound: Bound
    program: HorizonProgram | None
    x: Float64


def build(instance: Instance) -> LinearProgram:
    """The statement itself as arrays, with a copy offered at every step: for export, and for reading."""
    return horizon_program(instance, classify(instance), every_step=True).build()


def horizon_program(
    instance: Instance, classes: Classes, *, extra: tuple[Int64, Int64] | None = None, every_step: bool = False
) -> HorizonProgram:
    """The program with copies at reads, at ``extra`` (classes, steps), or at every step."""
    return HorizonProgram(instance, classes, make_events(instance, classes, extra, every_step))


def _few(size: Size) -> bool:
    return size.states <= EVERY_STEP


@costs(
    Cost[Size](
        "lp",
        {
            "once": once,
            "at_30k_pairs_of_states_and_sets": lambda size: (
                _few(size) * (size.states * size.sets * max(1, size.tiers - 1) / 3e4) ** 1.5
            ),
            "at_100k_reads_of_two_tiers": lambda size: (not _few(size) and size.tiers == 2) * (size.reads / 1e5) ** 1.5,
            "at_20k_reads_of_three_tiers": lambda size: (
                (not _few(size) and size.tiers != 2) * (size.reads * 4.0 ** (size.tiers - 3) / 2e4) ** 1.5
            ),
        },
        {
            "once": once,
            "per_read_of_two_tiers": lambda size: (size.tiers == 2) * size.reads,
            "per_read_and_set_of_three_tiers": lambda size: (size.tiers != 2) * size.reads * size.sets,
        },
    )
)
def bound(instance: Instance, *, limits: Limits | None = None) -> Bound:
    """The LP bound; see the module."""
    return relax(instance, limits=limits).bound


def relax(instance: Instance, *, limits: Limits | None = None) -> Relaxation:
    """The LP bound together with the relaxed placement."""
    limits = limits or Limits()
    began = clock.now()
    search = _Search(instance, limits)
    search.run()
    return search.result(clock.now() - began)


def ahead_of_reads(classes: Classes) -> Int64:
    """int64[2, n] (class, step): up to ``AHEAD`` steps before each read, after the block's previous read.

    Where requests bring blocks up from a slow tier, copying a step or a few ahead hides behind other work; pricing would find
    these steps too, one by one (2,000 requests of a public trace, three tiers: 20 rounds without closing, against 1).
    """
    owner = np.repeat(np.arange(len(classes)), np.diff(classes.start))
    earliest = np.append(np.int64(0), classes.step[:-1] + 1)
    begins = classes.start[:-1][np.diff(classes.start) > 0]
    earliest[begins] = classes.first[owner[begins]]
    found = [np.zeros((2, 0), dtype=np.int64)]
    for steps in range(1, AHEAD + 1):
        fits = classes.step - steps >= earliest
        found.append(np.stack([owner[fits], classes.step[fits] - steps]))
    return np.concatenate(found, axis=1)


class _Search:
    """Rounds of solving, proving, and adding the fetch-back that the proof asks for."""

    def __init__(self, instance: Instance, limits: Limits) -> None:
        self.instance, self.limits = instance, limits
        self.classes = classify(instance)
        self.every_step = int((self.classes.last - self.classes.first).sum()) <= EVERY_STEP
        self.extra = ahead_of_reads(self.classes) if instance.num_tiers > 2 else np.zeros((2, 0), dtype=np.int64)
        self.best: float | None = None
        self.prices: Prices | None = None  # those of the best bound
        self.asked: list[Prices] = []  # prices whose cheapest paths tell what the program last solved lacks
        self.value = np.inf
        self.step_s: Float64 | None = None
        self.start_s: Float64 | None = None
        self.rounds = 0
        self.program: HorizonProgram | None = None
        self.solution: Solution | None = None
        self.note = ""
        self.columns = self.rows = 0
        self.ray: DualValue | None = None  # proves that no schedule keeps the budgets
        self.least = 0.0  # what the per-step bound proves, which is at most the program's true value

    def run(self) -> None:
        """Climb from the per-step bound, whose prices already prove it, so that the ladder holds whenever the work ends."""
        start = step.bound(self.instance, limits=self.limits)
        self.step_s = self.start_s = start.step_s
        self.least = start.lower_bound_s or 0.0
        self._prove(start.prices)
        if self.best is None or self.best < self.least:
            self.best, self.prices = self.least, start.prices
        while self.rounds < _ROUNDS and not self.limits.reached:
            try:
                program, arrays = run_watched(self._program, self.limits)
                self.rounds += 1
                self.columns, self.rows = arrays.num_columns, arrays.num_rows
                algorithm: Algorithm = "simplex" if arrays.num_columns <= _SIMPLEX_COLUMNS else "ipm"
                solution = solve(arrays, limits=self.limits, algorithm=algorithm)
            except LeftBehind:  # while it was built
                break
            except SolverError as error:
                self.note = f"{error}; the prices are those of the per-step bound"
                break
            if solution.ended in (Ended.INFEASIBLE, Ended.FAILED) and self._no_schedule(program):
                break
            if solution.ended is Ended.INFEASIBLE and self._offer_every_step():
                continue
            self._take(program, solution)
            if self._contradicted():
                break
            if not len(solution.row_dual) or solution.ended is not Ended.SOLVED or self._proven() or not self._price():
                break

    def _program(self) -> tuple[HorizonProgram, LinearProgram]:
        extra = (self.extra[0], self.extra[1])
        program = horizon_program(self.instance, self.classes, extra=extra, every_step=self.every_step)
        return program, program.build()

    def _offer_every_step(self) -> bool:
        """Where room is tight, blocks may have to move at steps that neither read them nor pay: offer all, if they are few."""
        pairs = int((self.classes.last - self.classes.first).sum())
        if self.every_step or pairs > _MOST_PAIRS:
            return False
        self.every_step = True
        return True

    def _no_schedule(self, program: HorizonProgram) -> bool:
        """Whether prices prove that no schedule keeps the budgets: those of the program in which they may be overdrawn."""
        if not self.instance.budgets:
            return False
        elastic = HorizonProgram(self.instance, self.classes, program.events, elastic=True)
        try:
            solution = solve(elastic.build(), limits=self.limits, algorithm="simplex")
        except SolverError:
            return False
        if len(solution.row_dual):
            found = evaluate(self.instance, elastic.prices(solution.row_dual), self.classes, ray=True)
            self.ray = found if found.value_s > 0.0 else None
        return self.ray is not None

    def _take(self, program: HorizonProgram, solution: Solution) -> None:
        if solution.ended is Ended.SOLVED:
            self.program, self.solution = program, solution
            self.value = solution.objective * program.budgets.goal_unit
            self.step_s = program.times(solution.x)
        elif solution.ended not in (Ended.LIMIT, Ended.INTERRUPTED):
            self.note = f"the solver ended with {solution.message!r}; only what its prices prove is published"
        if not len(solution.row_dual):
            return
        incumbent = self.prices
        latest = self._prove(program.prices(solution.row_dual))
        self.asked = [latest] if latest else []
        if latest and incumbent:  # prices jump between rounds; halfway to the best ones is often better than either
            halfway = self._prove(latest.halfway(incumbent))
            self.asked += [halfway] if halfway else []

    def _contradicted(self) -> bool:
        """Whether the solver's value lies below what is proven of it; then nothing of it is believed, and the proof stands."""
        # with reads alone, two tiers and whole blocks prices prove no more than the LP
        plain = self.instance.memory.operations.plain and self.instance.num_tiers <= 2 and self.instance.trace.shares is None
        proven = max(self.least, self.best or 0.0) if plain else self.least
        if not self.value < proven * (1.0 - TOLERANCE):
            return False
        self.note = f"the solver's value {self.value:.6g} s lies below what is proven, {proven:.6g} s, and is not believed"
        self.value, self.step_s = np.inf, self.start_s
        return True

    def _prove(self, prices: Prices | None) -> Prices | None:
        """Evaluate the dual at some prices, keep the best, and return them made legal."""
        if prices is None:
            return None
        dual = evaluate(self.instance, prices, self.classes)
        if self.best is None or dual.value_s > self.best:
            self.best, self.prices = dual.value_s, dual.prices
        return dual.prices

    def _proven(self) -> bool:
        return self.best is not None and np.isfinite(self.value) and self.value - self.best <= TOLERANCE * self.value

    def _price(self) -> bool:
        """Add the fetch-back steps that cheapest paths use; False if there is nothing new."""
        if self.every_step or not self.asked:
            return False
        assert self.program is not None
        parts = [np.stack(fetch_events(self.instance, prices, self.classes)) for prices in self.asked]
        found = np.unique(np.concatenate(parts, axis=1), axis=1)
        width = self.instance.num_steps + 2
        events = self.program.events
        known = np.isin(found[0] * width + found[1], events.owner * width + events.step)
        self.extra = np.concatenate([self.extra, found[:, ~known]], axis=1)
        return not known.all()

    def result(self, seconds: float) -> Relaxation:
        status = self._status()
        published = None if self.best is None else max(min(self.best, self.value), self.least)
        details = {
            "classes": len(self.classes),
            "columns": self.columns,
            "rows": self.rows,
            "rounds": self.rounds,
            "fetch_events": "every step" if self.every_step else int(self.extra.shape[1]),
        }
        if self.ray is not None:
            return Relaxation(no_schedule("lp", self.ray, seconds, details), None, np.zeros(0))
        result = Bound(
            method="lp",
            status=status,
            lower_bound_s=published,
            solve_s=seconds,
            rests_on=_RESTS_ON if published is not None else "",
            note=self._describe(status),
            value_s=self.value if np.isfinite(self.value) else None,
            step_s=self.step_s,
            prices=self.prices,
            details=details,
        )
        x = self.solution.x if self.solution is not None else np.zeros(0)
        return Relaxation(result, self.program, x)

    def _status(self) -> Status:
        if self.best is None:
            return Status.NONE
        if self.limits.interrupted:
            return Status.INTERRUPTED
        if not self._proven():
            return Status.LIMIT if self.limits.reached else Status.BOUND
        return Status.OPTIMAL

    def _describe(self, status: Status) -> str:
        if self.note:
            return self.note
        if self.program is None:
            return "no program was solved within the limits; the prices are those of the per-step bound"
        if self.best is not None and np.isfinite(self.value) and not self._proven():
            short = (self.value - self.best) / self.value
            return f"the program's own value {self.value:.6g} s is {short:.2e} above what its prices prove"
        if status is Status.OPTIMAL and not self.every_step and self.instance.num_tiers > 2:
            return "copies between reads are priced in where they pay: the value lies between the LP relaxation and the optimum"
        return ""
