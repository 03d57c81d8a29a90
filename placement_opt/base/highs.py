"""Arrays into HiGHS and back: the one place that talks to the solver.

Nothing that the solver says is published. It is a source of multipliers and of primal points, both of which are evaluated
again on our own data; its statuses only decide what to try next. Arrays are checked before they are handed over, because
NaN passes through silently and coefficients below 1e-9 are dropped with a warning.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from placement_opt.base import room
from placement_opt.base.arrays import Float64
from placement_opt.base.cost import bytes_of
from placement_opt.base.errors import PlacementError
from placement_opt.base.limits import Limits
from placement_opt.base.stdout import silenced
from placement_opt.base.watch import LeftBehind, run_watched

Algorithm = Literal["choose", "simplex", "ipm", "interior"]
Names = Callable[[], tuple[list[str], list[str]]]

#: Coefficients outside this range mean a model in the wrong units, and wrong "optimal" answers (tolerances are absolute).
SMALLEST, LARGEST = 1e-8, 1e10
#: Rates are counted in units of the slowest where they lie no further apart than this.
SPREAD = 1e6
#: Relative optimality at which "interior" stops.
INTERIOR_TOLERANCE = 1e-5
#: Bytes that the solver takes for each entry of the matrix, its copy of the model included.
ENTRY_BYTES = bytes_of("solver", "per_entry")
#: Work is counted in simplex iterations times entries of the matrix, some 2e8 a second on a core of 2023. What one iteration of
#: the interior point method counts for; and within branch and bound what each time counts for that the solver asks whether to
#: go on, some 10 ms in a program of so many columns, and with the square of the columns in larger ones.
INTERIOR_ITERATION, QUESTION, QUESTION_COLUMNS = 50, 2e6, 1_000


class SolverError(PlacementError):
    """The solver refused a model or failed; nothing is concluded from it."""

    exit_code = 3


class Ended(StrEnum):
    """How a run of the solver ended, in its own words; never a claim of ours."""

    SOLVED = "solved"
    INFEASIBLE = "infeasible"
    LIMIT = "limit"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True, eq=False)
class LinearProgram:
    """min cost'x, row_lower <= A x <= row_upper, lower <= x <= upper, in scaled units.

    Attributes
    ----------
    cost, lower, upper
        float64[n].
    row_lower, row_upper
        float64[m].
    start, index, value
        A by columns: int32[n + 1], int32[nnz], float64[nnz].
    integral
        bool[n] or None.
    time_unit
        Seconds that one unit of the objective stands for.
    names
        Builds (column names, row names) when somebody wants to read the model.
    """

    cost: Float64
    lower: Float64
    upper: Float64
    row_lower: Float64
    row_upper: Float64
    start: npt.NDArray[np.int32]
    index: npt.NDArray[np.int32]
    value: Float64
    integral: npt.NDArray[np.bool_] | None = None
    time_unit: float = 1.0
    names: Names | None = None

    @property
    def num_columns(self) -> int:
        return len(self.cost)

    @property
    def num_rows(self) -> int:
        return len(self.row_lower)


@dataclass(frozen=True, eq=False)
class Solution:
    """What the solver left behind, in the program's scaled units; arrays are empty where it left nothing."""

    ended: Ended
    x: Float64
    row_dual: Float64
    objective: float
    dual_bound: float
    message: str
    details: dict[str, Any] = field(default_factory=dict)


def from_triplets(
    num_columns: int, rows: npt.NDArray[Any], columns: npt.NDArray[Any], values: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], Float64]:
    """(start, index, value) by columns from (row, column, value) triplets without duplicates, in any order."""
    order = np.argsort(columns, kind="stable")
    start = np.zeros(num_columns + 1, dtype=np.int64)
    np.cumsum(np.bincount(columns, minlength=num_columns), out=start[1:])
    return start.astype(np.int32), rows[order].astype(np.int32), values[order].astype(np.float64)


def rate_unit(rates: npt.NDArray[np.int64]) -> float:
    """Bytes/s that are one unit of rate in a program: the slowest resource's, so that no load is above what a step moves.

    Where rates lie so far apart that the fastest resource's loads would be lost among the solver's tolerances: their middle.
    """
    slowest, fastest = float(rates.min()), float(rates.max())
    return slowest if fastest <= SPREAD * slowest else float(np.sqrt(slowest) * np.sqrt(fastest))


def check_program(program: LinearProgram) -> None:
    """Refuse arrays that the solver would misread silently; SolverError says which."""
    for name in ("cost", "value"):
        array = getattr(program, name)
        if not np.isfinite(array).all():
            raise SolverError(f"the model has a {name} that is not finite")
        size = np.abs(array[array != 0])
        if len(size) and (size.min() < SMALLEST or size.max() > LARGEST):
            raise SolverError(f"the model has {name}s from {size.min():.3g} to {size.max():.3g}: wrongly scaled")
    for low, high, what in (
        (program.lower, program.upper, "column"),
        (program.row_lower, program.row_upper, "row"),
    ):
        if np.isnan(low).any() or np.isnan(high).any() or (low > high).any():
            raise SolverError(f"the model has a {what} whose lower side is above its upper side")
    if len(program.value) >= 2**31:
        raise SolverError("the model has 2**31 entries or more, which the solver cannot index")


@functools.cache
def silent_highspy() -> Any:
    """The module ``highspy``, which prints nothing: 1.16 has a banner for the first solver of a process, before any option."""
    import highspy

    with silenced():
        highspy.Highs()
    return highspy


def to_highs(program: LinearProgram) -> Any:
    """A silent ``highspy.Highs`` that holds the program; SolverError if it does not accept every entry as it is."""
    highspy = silent_highspy()
    check_program(program)
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = program.num_columns, program.num_rows
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = program.cost, program.lower, program.upper
    lp.row_lower_, lp.row_upper_ = program.row_lower, program.row_upper
    matrix = lp.a_matrix_
    matrix.format_ = highspy.MatrixFormat.kColwise
    matrix.num_col_, matrix.num_row_ = program.num_columns, program.num_rows
    matrix.start_, matrix.index_, matrix.value_ = program.start, program.index, program.value
    if program.integral is not None:
        kinds = {False: highspy.HighsVarType.kContinuous, True: highspy.HighsVarType.kInteger}
        lp.integrality_ = [kinds[bool(flag)] for flag in program.integral]
    solver = highspy.Highs()
    solver.silent()
    solver.setOptionValue("threads", 1)
    if solver.passModel(lp) != highspy.HighsStatus.kOk:
        raise SolverError("the solver did not take the model as it is")
    return solver


def solve(
    program: LinearProgram,
    *,
    limits: Limits | None = None,
    algorithm: Algorithm = "choose",
    presolve: bool = True,
) -> Solution:
    """Run HiGHS; an interrupt or the deadline ends it, whatever phase it is in (:mod:`placement_opt.base.watch`).

    Counted work (:meth:`placement_opt.base.limits.Limits.counted`) ends it by numbers of iterations instead, or of questions
    within branch and bound (:data:`QUESTION`), at the same point on every machine, and is spent by what it took; the last
    phase of "ipm", crossover, is counted but not ended.

    SolverError where the model would need more memory than the limits or the machine allow. ``algorithm`` "ipm" is the
    interior point method with crossover; "interior" is that method without it, stopped at :data:`INTERIOR_TOLERANCE`: good
    multipliers and a rough point in half the time, whatever its status. Presolve has called feasible programs
    infeasible (HiGHS 1.15.1): whoever is told so without believing it asks again without presolve.
    """
    limits = limits or Limits()
    if limits.reached:
        return _nothing(limits, "not started")
    needed = ENTRY_BYTES * len(program.value)
    if needed > room.SMALL_BYTES and (short := room.shortage("the solver", needed, limits)):
        raise SolverError(short)
    running: list[Any] = []

    def run() -> Solution:
        solver = to_highs(program)
        _set_options(solver, program, limits, algorithm, presolve=presolve)
        counted = program.integral is not None and np.isfinite(limits.work_left)
        count = _count_questions(solver, program, limits.work_left) if counted else None
        running.append(solver)
        if limits.reached:
            return _nothing(limits, "not started")
        solver.run()
        solution = _read(solver, program)
        if count is not None:
            limits.spend(count.taken)
            over = solution.ended is Ended.INTERRUPTED and limits.work_left <= 0.0
            return replace(solution, ended=Ended.LIMIT) if over else solution
        limits.spend(_work_of(program, solution))
        if solution.ended is Ended.LIMIT and not limits.reached and np.isfinite(limits.work_left):
            limits.spend(limits.work_left)  # what is left was not enough for one more iteration
        return solution

    def stop() -> None:
        for solver in running:
            solver.cancelSolve()

    try:
        return run_watched(run, limits, stop=stop)
    except LeftBehind as late:
        return _nothing(limits, f"the solver: {late}")
    except (SolverError, MemoryError) as error:
        raise SolverError(str(error) or "the solver ran out of memory") from None
    except Exception as error:
        raise SolverError(f"the solver failed ({error})") from None


@dataclass
class _Questions:
    """Work that branch and bound took so far, never more than it was given."""

    taken: float = 0.0


def _count_questions(solver: Any, program: LinearProgram, given: float) -> _Questions:
    """Interrupt the solver when its questions amount to the work given."""
    count, each = _Questions(), QUESTION * max(1.0, program.num_columns / QUESTION_COLUMNS) ** 2

    def asked(event: Any) -> None:
        count.taken = min(given, count.taken + each)
        if count.taken >= given:
            event.interrupt()

    solver.cbMipInterrupt += asked
    return count


def _nothing(limits: Limits, message: str) -> Solution:
    """What comes of a run that the limits ended without a result."""
    ended = Ended.INTERRUPTED if limits.interrupted else Ended.LIMIT
    return Solution(ended, np.zeros(0), np.zeros(0), np.inf, -np.inf, message)


def _set_options(solver: Any, program: LinearProgram, limits: Limits, algorithm: Algorithm, *, presolve: bool) -> None:
    solver.setOptionValue("solver", "ipm" if algorithm == "interior" else algorithm)
    if algorithm == "interior":
        solver.setOptionValue("run_crossover", "off")
        solver.setOptionValue("ipm_optimality_tolerance", INTERIOR_TOLERANCE)
    solver.setOptionValue("presolve", "choose" if presolve else "off")
    for tolerance in ("primal_feasibility_tolerance", "dual_feasibility_tolerance"):
        solver.setOptionValue(tolerance, 1e-9)
    if program.integral is not None:
        solver.setOptionValue("mip_rel_gap", 0.0)
        solver.setOptionValue("mip_abs_gap", 1e-9)
        solver.setOptionValue("mip_feasibility_tolerance", 1e-9)
    if np.isfinite(limits.remaining):
        solver.setOptionValue("time_limit", limits.remaining)
    if np.isfinite(limits.work_left) and program.integral is None:
        for option, cost in (("simplex_iteration_limit", 1), ("ipm_iteration_limit", INTERIOR_ITERATION)):
            most = limits.work_left / (cost * _entries(program))
            solver.setOptionValue(option, int(min(max(1.0, most), 2**31 - 1)))
    solver.HandleUserInterrupt = True


def _entries(program: LinearProgram) -> int:
    return max(1, len(program.value))


def _work_of(program: LinearProgram, solution: Solution) -> float:
    """What a run without branch and bound counts for, in (iteration, matrix entry) pairs."""
    took = {name: max(0, int(solution.details[f"{name}_iterations"])) for name in ("simplex", "ipm", "crossover")}
    return float(_entries(program)) * (took["simplex"] + took["crossover"] + INTERIOR_ITERATION * took["ipm"])


def _read(solver: Any, program: LinearProgram) -> Solution:
    from highspy import HighsModelStatus as Model

    status = solver.getModelStatus()
    endings = {
        Model.kOptimal: Ended.SOLVED,
        Model.kInfeasible: Ended.INFEASIBLE,
        Model.kTimeLimit: Ended.LIMIT,
        Model.kIterationLimit: Ended.LIMIT,
        Model.kInterrupt: Ended.INTERRUPTED,
    }
    ended = endings.get(status, Ended.FAILED)
    solution, info = solver.getSolution(), solver.getInfo()
    x = np.array(solution.col_value, dtype=np.float64) if solution.value_valid else np.zeros(0)
    dual = np.array(solution.row_dual, dtype=np.float64)
    if len(dual) != program.num_rows or not np.isfinite(dual).all():
        dual = np.zeros(0)
    bound = float(info.mip_dual_bound) if program.integral is not None else -np.inf
    details = {
        "simplex_iterations": info.simplex_iteration_count,
        "ipm_iterations": info.ipm_iteration_count,
        "crossover_iterations": info.crossover_iteration_count,
    }
    if program.integral is not None:
        details["nodes"] = info.mip_node_count
    objective = float(info.objective_function_value) if len(x) else np.inf
    return Solution(ended, x, dual, objective, bound, solver.modelStatusToString(status), details)
