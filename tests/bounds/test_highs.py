"""The gate to the solver: what it must refuse, and that limits and interrupts end it."""

from __future__ import annotations

import numpy as np
import pytest

from placement_opt.bounds.highs import Ended, LinearProgram, SolverError, check_program, from_triplets, solve
from placement_opt.limits import Limits


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
