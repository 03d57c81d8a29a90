"""The gate to the solver: what it must refuse, and that limits and interrupts end it."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from placement_opt.base import highs, room, watch
from placement_opt.base.highs import Ended, LinearProgram, SolverError, check_program, from_triplets, solve
from placement_opt.base.limits import Limits


def program(cost: list[float] | None = None, value: list[float] | None = None, *, integral: bool = False) -> LinearProgram:
    """min x0 + x1 with x0 + x1 >= 1.5 and x0 - x1 <= 0.25, both at most 1."""
    start, index, values = from_triplets(
        2, np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.array(value or [1.0, 1.0, 1.0, -1.0])
    )
    return LinearProgram(
        np.array(cost or [1.0, 1.0]),
        np.zeros(2),
        np.ones(2),
        np.array([1.5, -np.inf]),
        np.array([np.inf, 0.25]),
        start,
        index,
        values,
        integral=np.array([True, True]) if integral else None,
    )


def test_solves_and_returns_multipliers() -> None:
    """Value 1.5, multiplier 1 on the binding row."""
    solution = solve(program())
    assert solution.ended is Ended.SOLVED
    assert solution.objective == pytest.approx(1.5)
    assert solution.row_dual[0] == pytest.approx(1.0)


def test_integer_programs_give_a_dual_bound() -> None:
    """Whole x0 and x1 must both be 1."""
    solution = solve(program(integral=True))
    assert solution.objective == pytest.approx(2.0)
    assert solution.dual_bound == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("cost", "value", "message"),
    [
        ([np.nan, 1.0], None, "cost that is not finite"),
        (None, [1.0, np.inf, 1.0, 1.0], "value that is not finite"),
        ([1e-12, 1.0], None, "wrongly scaled"),
        (None, [1e12, 1.0, 1.0, 1.0], "wrongly scaled"),
    ],
)
def test_arrays_the_solver_would_misread_are_refused(cost: list[float] | None, value: list[float] | None, message: str) -> None:
    """NaN passes the solver silently and tiny coefficients are dropped: neither reaches it."""
    with pytest.raises(SolverError, match=message):
        check_program(program(cost, value))


def test_crossed_bounds_are_refused() -> None:
    """A lower side above its upper side is our mistake, never an 'infeasible' to report."""
    broken = program()
    broken.lower[0] = 2.0
    with pytest.raises(SolverError, match="column whose lower side is above"):
        solve(broken)
    broken = program()
    broken.row_upper[0] = 1.0
    with pytest.raises(SolverError, match="row whose lower side is above"):
        solve(broken)


def test_nothing_is_started_after_a_stop_or_a_deadline() -> None:
    """A stop request and an expired limit both return empty-handed, and say which it was."""
    limits = Limits()
    limits.interrupt()
    assert solve(program(), limits=limits).ended is Ended.INTERRUPTED
    late = solve(program(), limits=Limits(0.0))
    assert late.ended is Ended.LIMIT
    assert len(late.row_dual) == 0


def test_triplets_become_columns() -> None:
    """Entries are sorted by column, in given order within one."""
    start, index, value = from_triplets(3, np.array([2, 0, 1]), np.array([2, 0, 2]), np.array([1.0, 2.0, 3.0]))
    assert start.tolist() == [0, 1, 1, 3]
    assert index.tolist() == [0, 2, 1]
    assert value.tolist() == [2.0, 1.0, 3.0]


# ---- a solver that does not stop ---------------------------------------------------------------------------------------


class Stubborn:
    """A solver that looks neither at its time limit nor at a request to stop."""

    def __init__(self, limits: Limits) -> None:
        self.limits, self.event, self.asked = limits, threading.Event(), 0

    def setOptionValue(self, *_: object) -> None:
        pass

    def cancelSolve(self) -> None:
        self.asked += 1

    def run(self) -> None:
        self.limits.interrupt()
        self.event.wait()


def test_a_solver_that_does_not_stop_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was asked to; what comes back says that the run was ended, and holds nothing."""
    monkeypatch.setattr(watch, "GRACE_S", 0.0)
    limits = Limits()
    stub = Stubborn(limits)
    monkeypatch.setattr(highs, "to_highs", lambda _: stub)
    try:
        late = solve(program(), limits=limits)
    finally:
        stub.event.set()
    assert (late.ended, late.message) == (Ended.INTERRUPTED, "the solver: it did not stop when it was asked to")
    assert stub.asked == 1
    assert len(late.x) == len(late.row_dual) == 0


def test_a_solver_that_fails_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it raises, memory included, becomes the one error that its callers know."""
    for error, message in (
        (RuntimeError("odd"), r"the solver failed \(odd\)"),
        (MemoryError(), "the solver ran out of memory"),
    ):

        def fail(_: object, error: Exception = error) -> object:
            raise error

        monkeypatch.setattr(highs, "to_highs", fail)
        with pytest.raises(SolverError, match=message):
            solve(program())


def test_a_model_that_needs_too_much_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the solver sees it, with the numbers."""
    monkeypatch.setattr(room, "SMALL_BYTES", 0)
    with pytest.raises(SolverError, match=r"the solver needs about 1\.875 KiB of memory, 0 B are left of the limit of 1 B"):
        solve(program(), limits=Limits(None, 1))
