"""A concave function from above: the cuts seen so far, the most that they promise, and where to look next.

The master programs of a level method (Lemarechal, Nemirovskii and Nesterov, "New variants of bundle methods", 1995): of the
points at which all cuts promise a given level, the nearest to the best one known. Distance is the largest move of any variable
and a little of their sum, so that both masters are small linear programs: with Euclidean distance, HiGHS' quadratic solver gave
up on one in five of them and took seconds over others. What comes of a master is only ever a point to look at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64
from placement_opt.base.highs import LinearProgram, Solution, SolverError, solve
from placement_opt.base.limits import Limits

#: What is smaller than this share of the largest of its row is left out: the solver would not take it.
_TINY = 1e-7
#: How much the sum of all moves counts, against the largest.
_SUM = 0.01
#: No variable counts in units below this.
_LEAST_UNIT = 1e-300


@dataclass(frozen=True, eq=False)
class Cuts:
    """C cuts ``f(x) <= offset + slope . x`` over points 0 <= x <= upper whose budgets are kept.

    Attributes
    ----------
    offset, slope
        float64[C] and float64[C, n].
    upper
        float64[n]; a variable that is to stay below 1 counts in units of the most that it may be, for its slope is as steep.
    budget
        int64[n]: the variables of one budget, numbered from 0, add up to at most ``most``; -1 for those of none.
    everywhere
        float64[n]: how much each variable counts in every budget besides; None: nothing.
    most
        What budgets allow.
    """

    offset: Float64
    slope: Float64
    upper: Float64
    budget: npt.NDArray[np.int64]
    everywhere: Float64 | None = None
    most: float = 1.0

    def promise(self, limits: Limits) -> tuple[float, Float64]:
        """(the most that all cuts promise, how much each of them counts there: float64[C] that add up to 1).

        Raises
        ------
        SolverError
            The solver has no answer.
        """
        count, size = self.slope.shape
        unit = np.where(self.upper < 1.0, np.maximum(self.upper, _LEAST_UNIT), 1.0)
        slope = self.slope * unit
        scale = np.maximum(np.abs(slope).max(axis=1), 1.0)
        rows = np.hstack([-slope, np.ones((count, 1))]) / scale[:, None]
        budgets = np.hstack([self._budgets * unit, np.zeros((len(self._budgets), 1))])
        upper = np.append(self.upper / unit, np.inf)
        lower = np.append(np.zeros(size), -np.inf)
        right = np.concatenate([self.offset / scale, np.full(len(budgets), self.most)])
        found = _solved(np.append(np.zeros(size), -1.0), lower, upper, np.vstack([rows, budgets]), right, limits)
        weight = np.abs(found.row_dual[:count]) / scale
        return -found.objective, weight / max(float(weight.sum()), 1e-300)

    def nearest(self, center: Float64, width: Float64, level: float, limits: Limits) -> Float64:
        """The point nearest to ``center``, moves measured in ``width`` (float64[n]), at which every cut promises ``level``.

        Raises
        ------
        SolverError
            The solver has no answer.
        """
        size = len(center)
        slope, budgets = self.slope * width, self._budgets * width
        scale = np.maximum(np.abs(slope).max(axis=1), 1e-300)
        # columns: up, down (in widths), the largest move
        cuts = np.hstack([-slope, slope, np.zeros((len(slope), 1))]) / scale[:, None]
        spent = np.hstack([budgets, -budgets, np.zeros((len(budgets), 1))])
        largest = np.hstack([np.eye(size), np.eye(size), -np.ones((size, 1))])
        right = [(self.offset + self.slope @ center - level) / scale, self.most - self._budgets @ center, np.zeros(size)]
        upper = np.concatenate([np.maximum(self.upper - center, 0.0) / width, center / width, [np.inf]])
        cost = np.append(np.full(2 * size, _SUM / size), 1.0)
        x = _solved(cost, np.zeros(2 * size + 1), upper, np.vstack([cuts, spent, largest]), np.concatenate(right), limits).x
        return np.clip(center + width * (x[:size] - x[size : 2 * size]), 0.0, self.upper)

    @property
    def _budgets(self) -> Float64:
        """float64[budgets, n]."""
        numbers = np.arange(self.budget.max(initial=-1) + 1)
        each = np.asarray(numbers[:, None] == self.budget, dtype=np.float64)
        return each if self.everywhere is None else each + self.everywhere


def _solved(cost: Float64, lower: Float64, upper: Float64, matrix: Float64, right: Float64, limits: Limits) -> Solution:
    """min cost . x, matrix x <= right, lower <= x <= upper."""
    matrix = np.where(np.abs(matrix) < _TINY, 0.0, matrix)
    columns, rows = np.nonzero(matrix.T)
    start = np.concatenate([[0], np.cumsum(np.bincount(columns, minlength=len(cost)))]).astype(np.int32)
    below = np.full(len(right), -np.inf)
    program = LinearProgram(cost, lower, upper, below, right, start, rows.astype(np.int32), matrix[rows, columns])
    found = solve(program, limits=limits, algorithm="simplex")
    if len(found.x) != len(cost) or not np.isfinite(found.x).all() or not len(found.row_dual):
        raise SolverError(f"cutting planes: {found.message}")
    return found
