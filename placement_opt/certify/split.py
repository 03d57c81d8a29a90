"""How long steps take when their reads are split optimally over the copies, exactly: a split for every step, in integers.

Written for the verifier alone. A step's split is a small linear program (problem statement, section 2): y_pk bytes of pattern p
(blocks that lie in the same set of tiers) are read from tier k,

    min tau   s.t.   B_r tau - sum_pk c_kr y_pk - slack_r = base_r  for each resource,   sum_k y_pk = S_p  for each pattern,

all variables >= 0. Only the right side changes from step to step. A basis that prices out (dual feasible) once does so for all
steps, and solves each of them whose basic variables come out >= 0: these *are* a feasible split, whoever proposed the basis.
So bases are found one by one with the dual simplex method, in integers (Edmonds' pivots, Bland's rule), and each is applied to
all steps at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.memory.system import MemorySystem

#: Python integers.
Exact = npt.NDArray[np.object_]


class SplitProgram:
    """The linear program of all steps whose blocks lie in the same patterns.

    Parameters
    ----------
    memory
        The system: R resources.
    patterns
        P sets of tiers, each of at least two.
    """

    def __init__(self, memory: MemorySystem, patterns: Sequence[tuple[int, ...]]) -> None:
        resources, rows = len(memory.resources), len(memory.resources) + len(patterns)
        reads: list[list[int]] = memory.read.tolist()
        columns = [(p, k) for p, tiers in enumerate(patterns) for k in tiers]
        self._tau = len(columns)
        self._width = len(columns) + 1 + resources
        table = np.zeros((rows + 1, self._width + rows), dtype=object)  # the last row holds reduced costs
        for j, (p, k) in enumerate(columns):
            table[:resources, j] = [-c for c in reads[k]]
            table[resources + p, j] = 1
        table[:resources, self._tau] = [int(rate) for rate in memory.rates]
        table[-1, self._tau] = 1
        for r in range(resources):
            table[r, self._tau + 1 + r] = -1
        for row in range(rows):
            table[row, self._width + row] = 1
        self._table, self._scale = table, 1
        # tau as if resource 0 alone counted, every pattern read from where that loads it least: prices out, whatever the loads
        nearest = [min(tiers, key=lambda k: reads[k][0]) for tiers in patterns]
        self._basis = [self._tau, *range(self._tau + 2, self._width), *(columns.index(pair) for pair in enumerate(nearest))]
        for row, column in enumerate(self._basis):
            self._pivot(row, column)
        self._known: list[tuple[Exact, int, int]] = [self._solution()]

    def times(self, sides: Exact) -> tuple[list[Any], list[int]]:
        """Numerators and denominators of tau for n right sides, object[n, R + P] integers >= 0: loads, then bytes."""
        over: Exact = np.zeros(len(sides), dtype=object)
        under: Exact = np.ones(len(sides), dtype=object)
        left = np.arange(len(sides))
        for inverse, row, scale in self._known:
            left = self._apply(inverse, row, scale, sides, left, over, under)
        while len(left):
            self._solve(sides[left[0]])
            self._known.append(self._solution())
            left = self._apply(*self._known[-1], sides, left, over, under)
        return over.tolist(), under.tolist()

    @staticmethod
    def _apply(
        inverse: Exact, row: int, scale: int, sides: Exact, left: npt.NDArray[np.intp], over: Exact, under: Exact
    ) -> npt.NDArray[np.intp]:
        """Settle the steps that a basis solves; the steps that remain."""
        if not len(left):
            return left
        values = sides[left] @ inverse.T
        solved: npt.NDArray[np.bool_] = (values >= 0).all(axis=1)
        over[left[solved]], under[left[solved]] = values[solved, row], scale
        rest: npt.NDArray[np.intp] = left[~solved]
        return rest

    def _solution(self) -> tuple[Exact, int, int]:
        """(inverse of the basis times its determinant, the row of tau in it, the determinant)."""
        return self._table[:-1, self._width :].copy(), self._basis.index(self._tau), self._scale

    def _solve(self, side: Exact) -> None:
        """The dual simplex method, from the present basis to one that solves this right side."""
        while True:
            values = (self._table[:-1, self._width :] @ side).tolist()
            negative = [row for row, value in enumerate(values) if value < 0]
            if not negative:
                return
            row = min(negative, key=self._basis.__getitem__)
            across, costs = self._table[row, : self._width].tolist(), self._table[-1, : self._width].tolist()
            # every step has a split, so some entry is negative
            ratios = [(Fraction(costs[j], -entry), j) for j, entry in enumerate(across) if entry < 0]
            self._pivot(row, min(ratios)[1])

    def _pivot(self, row: int, column: int) -> None:
        """Bring a column into the basis; all entries stay integers over one positive denominator, the basis' determinant."""
        table = self._table
        if table[row, column] < 0:
            table[row] = -table[row]
        pivot, line = table[row, column], table[row].copy()
        self._table = (table * pivot - np.outer(table[:, column], line)) // self._scale
        self._table[row] = line
        self._scale = int(pivot)
        self._basis[row] = column
