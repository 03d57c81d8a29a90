"""The linear program in which all steps of a run split their reads together (:mod:`placement_opt.play.budgeted`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.errors import BudgetError
from placement_opt.base.highs import LinearProgram, SolverError, from_triplets, solve
from placement_opt.instance.budgets import Budget, amount_text
from placement_opt.instance.instance import Instance
from placement_opt.instance.stacked import Stacked
from placement_opt.memory.split.timing import StepTimer

#: Coefficients below this share of their row's largest are left to the margin.
_TINY = 1e-8


@dataclass(frozen=True, eq=False)
class Moved:
    """A run without its reads' split: C kinds, V operations that serve, P patterns.

    Attributes
    ----------
    timer
        Knows the patterns: bit c * V + v.
    served
        int64[T, P]: what is read in each, in units times the share base.
    base
        T rows of R integers: loads of all but reads, times the share base.
    counted
        M integers: likewise of meters, over the run.
    """

    instance: Instance | Stacked
    timer: StepTimer
    served: Int64
    base: npt.NDArray[np.object_]
    counted: list[int]

    @property
    def metered(self) -> Int64:
        """int64[C * V, M]: what a unit served in each way adds to each meter."""
        loads = self.instance.loads
        per_unit = loads.metered[:, loads.operations.first_serving :]
        return per_unit.reshape(len(self.timer.ways.loads), per_unit.shape[2])


class SplitProgram:
    """The linear program of a run: columns are shares, times of steps, waiting, and by how much a budget is passed."""

    def __init__(self, run: Moved) -> None:
        self._run = run
        instance, scale = run.instance, run.instance.share_base
        self._served = run.served / scale
        base = run.base.astype(float) / scale
        rates = instance.memory.rates.astype(float)
        quickest = np.maximum(run.timer.times(self._served, base), instance.floor)
        mean = float(quickest.mean()) or 1.0
        self._unit = np.where(quickest > 0, quickest, mean)  # seconds in a unit of each step's time
        self._wait, self._mean = mean, mean
        self._base = base
        steps, patterns = np.nonzero(run.served)
        counts = np.array([len(ways) for ways in run.timer.members], dtype=np.int64)
        self._step, self._pattern = steps, patterns  # of each group, step by step
        self._first = np.concatenate([[0], np.cumsum(counts[patterns])]).astype(np.int64)
        ways = [run.timer.members[p] for p in patterns.tolist()]
        self._way = np.array([v for some in ways for v in some], dtype=np.int64)
        self._group = np.repeat(np.arange(len(steps)), counts[patterns])
        self._amount = self._served[steps, patterns][self._group]
        self._shares, self._times = len(self._way), len(base)
        self._rates = rates
        self._loads = self._amount[:, None] * run.timer.ways.loads[self._way]  # [x, R]
        self._added = self._amount[:, None] * run.metered[self._way]  # [x, M]

    def shares(self, tighter: float) -> list[Float64] | None:
        """For each pattern float64[T, n]: shares at the least cost, budgets made so much tighter; None: the solver has none."""
        instance = self._run.instance
        weights = dict(instance.objective.weights)
        worth = np.array([float(weights.get(meter, 0)) for meter in instance.used_meters])
        cost = np.concatenate([self._added @ worth, float(instance.objective.time) * np.r_[self._unit, self._wait], [0.0]])
        x = self._solve(cost, list(instance.budgets), None, tighter)
        return None if x is None else self._by_pattern(x[0])

    def refuse(self) -> None:
        """Raise what the first budget is passed by at least, beside those before it, where weak duality proves that."""
        budgets = self._run.instance.budgets
        cost = np.zeros(self._shares + self._times + 2)
        cost[-1] = 1.0
        for h, budget in enumerate(budgets):
            found = self._solve(cost, list(budgets[: h + 1]), h, 0.0)
            least = -np.inf if found is None else self._least_excess(found[1], budgets[: h + 1])
            if least > 0.0:
                amount = amount_text(self._run.instance.memory.meters, budget, least)
                beside = f" beside {', '.join(one.name for one in budgets[:h])}" if h else ""
                message = f"breaks the budget {budget.name}{beside}: however its reads are split, by {amount} at least"
                raise BudgetError(message)

    def _rows(self) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Float64]]:
        """Entries of the rows of rates (step by step) and of groups."""
        resources, steps = len(self._rates), self._times
        x = np.arange(self._shares)
        step = self._step[self._group]
        for r, rate in enumerate(self._rates.tolist()):
            yield step * resources + r, x, self._loads[:, r] / rate / self._unit[step]
            yield np.arange(steps) * resources + r, self._shares + np.arange(steps), -np.ones(steps)
        yield steps * resources + self._group, x, np.ones(self._shares)

    def _budget(self, budget: Budget, over: bool) -> tuple[Float64, float, float]:
        """(coefficients of all columns, right side, what both were divided by)."""
        loads = np.zeros(self._shares)
        fixed = 0.0
        if budget.meter is not None:
            m = self._run.instance.used_meters.index(budget.meter)
            loads = self._added[:, m]
            fixed = self._run.counted[m] / self._run.instance.share_base
        row = np.concatenate([loads, -float(budget.per_second) * np.r_[self._unit, self._wait], [0.0]])
        side = float(budget.fixed) - fixed
        unit = float(np.abs(row).max()) or max(1.0, abs(side))
        row, side = row / unit, side / unit
        row[np.abs(row) < _TINY] = 0.0
        row[-1] = -1.0 if over else 0.0
        return row, side, unit

    def _solve(self, cost: Float64, budgets: list[Budget], over: int | None, tighter: float) -> tuple[Float64, Float64] | None:
        """(columns, multipliers of rows); ``over``: the budget that may be passed, by the last column."""
        size = len(cost)
        rows, columns, values = (np.concatenate(parts) for parts in zip(*self._rows(), strict=True))
        lower = np.concatenate([np.zeros(self._shares), self._run.instance.floor / self._unit, [0.0, -np.inf]])
        upper = np.concatenate([np.ones(self._shares), np.full(self._times + 2, np.inf)])
        upper[-1], lower[-1] = (np.inf, -np.inf) if over is not None else (0.0, 0.0)
        sides = [-(self._base / self._rates / self._unit[:, None]).ravel(), np.ones(len(self._step))]
        low = [np.full(len(sides[0]), -np.inf), np.ones(len(self._step))]
        count = len(sides[0]) + len(self._step)
        for h, budget in enumerate(budgets):
            row, side, _ = self._budget(budget, h == over)
            used = np.flatnonzero(row)
            rows = np.concatenate([rows, np.full(len(used), count + h)])
            columns, values = np.concatenate([columns, used]), np.concatenate([values, row[used]])
            sides.append(np.array([side - tighter * max(1.0, abs(side))]))
            low.append(np.array([-np.inf]))
        keep = np.abs(values) >= _TINY
        largest = float(np.abs(cost).max()) or 1.0
        cost = np.where(np.abs(cost) < _TINY * largest, 0.0, cost / largest)
        triplets = from_triplets(size, rows[keep], columns[keep], values[keep])
        program = LinearProgram(cost, lower, upper, np.concatenate(low), np.concatenate(sides), *triplets)
        try:
            found = solve(program)
        except SolverError:
            return None
        return (found.x, found.row_dual) if len(found.x) and len(found.row_dual) else None

    def _by_pattern(self, x: Float64) -> list[Float64]:
        found = [np.zeros((self._times, len(ways))) for ways in self._run.timer.members]
        for g, (t, p) in enumerate(zip(self._step.tolist(), self._pattern.tolist(), strict=True)):
            found[p][t] = x[self._first[g] : self._first[g + 1]]
        return found

    def _least_excess(self, dual: Float64, budgets: tuple[Budget, ...]) -> float:
        """Parts of its meter that the last of these budgets is passed by at least while the others are kept, by weak duality.

        With mu = 1 for it: sum mu_h (load_h - E_h - W_h tau) + sum rho (load - B tau) is at most that, and at least what the
        cheapest split of every read costs, wherever sum_r B_r rho + sum_h W_h mu_h <= 0.
        """
        instance, resources = self._run.instance, len(self._rates)
        units = np.array([self._budget(budget, False)[2] for budget in budgets])
        mu = np.maximum(0.0, -dual[len(dual) - len(budgets) :]) / units * units[-1]
        mu[-1] = 1.0
        second = np.array([float(budget.per_second) for budget in budgets])
        taken, left = float(np.maximum(second, 0.0) @ mu), float(np.maximum(-second, 0.0) @ mu)
        if taken > left:
            if left == 0.0 or second[-1] < 0:
                return -np.inf
            mu[second < 0] *= taken / left * (1 + 1e-12)
        spare = max(0.0, float(-second @ mu))
        rho = np.maximum(0.0, -dual[: self._times * resources]).reshape(self._times, resources)
        rho = rho / self._unit[:, None] / self._rates * units[-1]
        used = rho @ self._rates
        rho *= (np.minimum(1.0, spare / np.where(used > 0, used, 1.0)) * (1 - 1e-12))[:, None]
        nu = np.zeros(len(instance.used_meters))
        value = 0.0
        for budget, price in zip(budgets, mu.tolist(), strict=True):
            value -= price * float(budget.fixed)
            if budget.meter is not None:
                nu[instance.used_meters.index(budget.meter)] += price
        paid = self._added @ nu + (self._loads * rho[self._step[self._group]]).sum(axis=1)
        value += float(nu @ np.array(self._run.counted, dtype=float)) / instance.share_base
        value += float((rho * self._base).sum())
        value += float(np.minimum.reduceat(paid, self._first[:-1]).sum()) if len(paid) else 0.0
        value += float((instance.floor * np.maximum(0.0, spare - rho @ self._rates)).sum())
        return value * (1 - 1e-9) if value > 1e-9 * abs(float(budgets[-1].fixed)) else -np.inf
