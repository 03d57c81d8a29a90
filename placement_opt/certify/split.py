"""How long steps take when their reads are split optimally over the copies, exactly: a split for every step, in integers.

Written for the verifier alone. A step's split is a small linear program (problem statement, section 2): y_po of what is read
of pattern p (blocks that the same operations can serve, at the same loads) is served by operation o,

    min tau   s.t.   B_r tau - sum_po c_por y_po - slack_r = base_r  for each resource,   sum_o y_po = S_p  for each pattern,

all variables >= 0. Only the right side changes from step to step. A basis that prices out (dual feasible) once does so for all
steps, and solves each of them whose basic variables come out >= 0: these *are* a feasible split, whoever proposed the basis.
So bases are found one by one with the dual simplex method, in integers (Edmonds' pivots, Bland's rule), and each is applied to
all steps at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.certify.rows import Kinds
from placement_opt.instance.instance import Instance

#: Kind of block, and the operations that can serve it.
Pattern = tuple[int, tuple[int, ...]]
#: Steps timed together.
_BATCH = 1024
#: Python integers.
Exact = npt.NDArray[np.object_]


class Clock:
    """Times steps in batches: every step splits its reads optimally and lasts at least as long as its floor."""

    def __init__(self, instance: Instance, kinds: Kinds) -> None:
        self._instance, self._kinds = instance, kinds
        self._steps: list[tuple[list[int], dict[Pattern, int]]] = []
        self._timed = 0
        self._programs: dict[tuple[Pattern, ...], SplitProgram] = {}
        self._sums: dict[int, int] = {}  # denominator to numerators, so that few fractions are added

    def add(self, loads: list[int], served: dict[Pattern, int]) -> None:
        """The next step: loads on the resources, and what is read by kind and the operations that can serve it."""
        self._steps.append((loads, served))
        if len(self._steps) == _BATCH:
            self._time()

    def total(self) -> Fraction:
        """Seconds of all steps so far."""
        self._time()
        return sum((Fraction(over, under) for under, over in self._sums.items()), Fraction(0))

    def _time(self) -> None:
        if not self._steps:
            return
        patterns = tuple(sorted(set().union(*(served for _, served in self._steps))))
        if patterns not in self._programs:
            loads_of = [[self._kinds.rows[kind].serve[o].tolist() for o in ways] for kind, ways in patterns]
            self._programs[patterns] = SplitProgram(self._instance.memory.rates.tolist(), loads_of)
        rows = [[*loads, *(served.get(pattern, 0) for pattern in patterns)] for loads, served in self._steps]
        times = zip(*self._programs[patterns].times(np.array(rows, dtype=object)), strict=True)
        for floor, (over, under) in zip(self._floors(), times, strict=True):
            under *= self._instance.share_base
            if over * floor[1] < floor[0] * under:
                over, under = floor
            self._sums[under] = self._sums.get(under, 0) + over
        self._timed += len(self._steps)
        self._steps = []

    def _floors(self) -> Iterator[tuple[int, int]]:
        """The floors of the steps at hand, exactly."""
        floors = self._instance.floor[self._timed : self._timed + len(self._steps)]
        return (floor.as_integer_ratio() for floor in floors.tolist())


class SplitProgram:
    """The linear program of all steps whose blocks lie in the same patterns.

    Parameters
    ----------
    rates
        R integers.
    patterns
        P of them: the loads on the resources, R integers, of each of the operations that can serve, at least one.
    """

    def __init__(self, rates: Sequence[int], patterns: Sequence[Sequence[Sequence[int]]]) -> None:
        resources, rows = len(rates), len(rates) + len(patterns)
        columns = [(p, o) for p, loads in enumerate(patterns) for o in range(len(loads))]
        self._tau = len(columns)
        self._width = len(columns) + 1 + resources
        table = np.zeros((rows + 1, self._width + rows), dtype=object)  # the last row holds reduced costs
        for j, (p, o) in enumerate(columns):
            table[:resources, j] = [-c for c in patterns[p][o]]
            table[resources + p, j] = 1
        table[:resources, self._tau] = [int(rate) for rate in rates]
        table[-1, self._tau] = 1
        for r in range(resources):
            table[r, self._tau + 1 + r] = -1
        for row in range(rows):
            table[row, self._width + row] = 1
        self._table, self._scale = table, 1
        # tau as if resource 0 alone counted, every pattern served so that it is loaded least: prices out, whatever the loads
        lightest = [min(range(len(loads)), key=lambda o: loads[o][0]) for loads in patterns]
        self._basis = [self._tau, *range(self._tau + 2, self._width), *(columns.index(pair) for pair in enumerate(lightest))]
        for row, column in enumerate(self._basis):
            self._pivot(row, column)
        self._known: list[tuple[Exact, int, int]] = [self._solution()]

    def times(self, sides: Exact) -> tuple[list[Any], list[int]]:
        """Numerators and denominators of tau for n right sides, object[n, R + P] integers >= 0: loads, then reads."""
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
