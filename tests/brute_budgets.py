"""The optimum of a tiny instance with budgets and an objective by enumeration of all sequences of joint residencies.

Budgets couple the steps, so that a sequence has one linear program: how reads are split and copies made at all its steps. Its
multipliers bound every other sequence from below (weak duality at prices of resources and of budgets, from tables of
:mod:`tests.brute`), and sequences are solved from the lowest bound on until none is left that could be better. Where budgets
cannot be kept, the program in which they are overdrawn gives multipliers that exclude sequences one by one, or many at once.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from scipy.optimize import linprog

from placement_opt.instance.instance import Instance
from tests.brute import Enumeration, Floats

#: Sequences beyond which enumeration is refused, and programs that are solved at most.
LARGEST, _MOST = 30_000, 600
#: Budgets that are overdrawn by less, in scaled units, are kept; a sequence within this of the best, relatively, is no better.
KEPT, _CLOSE = 1e-8, 1e-11
_EXACT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


class BudgetedEnumeration(Enumeration):
    """In the units of :class:`tests.brute.Enumeration`; meters in parts for each byte of the largest block."""

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        largest, place = int(instance.size.max()), {meter: m for m, meter in enumerate(instance.used_meters)}
        self.on: list[int | None] = []
        allowed, by_time = [], []
        for budget in instance.budgets:
            unit = self.second if budget.meter is None else largest
            self.on.append(None if budget.meter is None else place[budget.meter])
            allowed.append(float(budget.fixed) / unit)
            by_time.append(float(budget.per_second) * self.second / unit)
        self.allowed, self.by_time = np.array(allowed), np.array(by_time)
        self.metered = instance.metered / largest
        self.time = float(instance.objective.time)
        self.weight = np.zeros(len(place))
        for meter, weight in instance.objective.weights:
            self.weight[place[meter]] = float(weight) * largest / self.second

    @property
    def sequences(self) -> int:
        return prod(len(fits) for fits in self.fits)

    def objective(self) -> float | None:
        """The least objective in seconds; None where no sequence keeps the budgets."""
        if self.sequences > LARGEST:
            raise ValueError(f"{self.sequences} sequences, at most {LARGEST} are enumerated")
        shape = tuple(len(fits) for fits in self.fits)
        least, solved, best = np.full(shape, -np.inf), np.zeros(shape, dtype=bool), np.inf
        for _ in range(_MOST):
            open_ones = np.where(solved, np.inf, least)
            at = np.unravel_index(int(open_ones.argmin()), shape)
            if open_ones[at] >= (best if np.isinf(best) else best - _CLOSE * abs(best)):
                return None if np.isinf(best) else best * self.second
            over, prices = self._program(at, elastic=True)
            solved[at] = True
            if over > KEPT:
                least = np.where(self._below(prices, elastic=True) > KEPT, np.inf, least)
                continue
            value, prices = self._program(at, elastic=False)
            best = min(best, value)
            bounds = self._below(prices, elastic=False)
            assert abs(bounds[at] - value) <= 1e-7 * max(1.0, abs(value)), "prices and program of a sequence disagree"
            least = np.maximum(least, bounds)
        raise AssertionError(f"more than {_MOST} programs for {self.sequences} sequences")

    def _program(self, at: tuple[Any, ...], *, elastic: bool) -> tuple[float, tuple[Floats, Floats]]:
        """What one sequence costs, or by how much it must overdraw the budgets; and multipliers, float[T, R] and float[H]."""
        parts = [self.moves(t, int(at[t]), int(at[t + 1])) for t in self._steps()]
        widths = [len(upper) for _, upper, _, _ in parts]
        first = np.concatenate([[0], np.cumsum(widths)]).astype(int)
        moves, steps, resources, budgets = int(first[-1]), len(parts), len(self.rates), len(self.on)
        width = moves + steps + elastic
        rates, must, passing = np.zeros((steps * resources, width)), [], []
        meters = np.zeros((len(self.metered), width))
        for t, (loads, _, sums, most) in enumerate(parts):
            here = slice(first[t], first[t + 1])
            rates[t * resources : (t + 1) * resources, here] = loads[:resources]
            rates[t * resources : (t + 1) * resources, moves + t] = -self.rates
            meters[:, here] = loads[resources:]
            for rows, found in ((sums, must), (most, passing)):
                wide = np.zeros((len(rows), width))
                wide[:, here] = rows
                found.append(wide)
        budget = np.zeros((budgets, width))
        for h, m in enumerate(self.on):
            budget[h] = 0.0 if m is None else meters[m]
            budget[h, moves : moves + steps] -= self.by_time[h]
        cost = self.weight @ meters
        cost[moves : moves + steps] += self.time
        if elastic:
            budget[:, -1] = -1.0
            cost = np.eye(width)[-1]
        added = np.array([0.0 if m is None else self.metered[m] for m in self.on])
        needs = np.vstack(must)
        answer = linprog(
            cost,
            A_ub=np.vstack([rates, budget, needs, *passing]),
            b_ub=np.concatenate(
                [-self.fixed.ravel(), self.allowed - added, np.full(len(needs), -1.0), np.zeros(sum(map(len, passing)))]
            ),
            bounds=[
                *((0.0, most) for _, upper, _, _ in parts for most in upper),
                *((floor, None) for floor in self.floor),
                *[(0.0, None)] * elastic,
            ],
            method="highs",
            options=_EXACT,
        )
        assert answer.status == 0, answer.message
        marginals = np.maximum(0.0, -answer.ineqlin.marginals[: steps * resources + budgets])
        value = float(answer.fun) + (0.0 if elastic else float(self.weight @ self.metered))
        return value, (marginals[: steps * resources].reshape(steps, resources), marginals[steps * resources :])

    def _below(self, prices: tuple[Floats, Floats], *, elastic: bool) -> Floats:
        """float over all sequences: what multipliers prove of each; ``elastic``: above 0 where it cannot keep the budgets."""
        rho, mu = prices
        second = (0.0 if elastic else self.time) - float(self.by_time @ mu)
        each = np.zeros(len(self.metered)) if elastic else self.weight.copy()
        for h, m in enumerate(self.on):
            if m is not None:
                each[m] += mu[h]
        total: Floats = np.full((1,) * len(self.fits), float(each @ self.metered - mu @ self.allowed))
        for t in self._steps():
            paid = self.priced_step(np.concatenate([rho[t], each]), t, {})
            paid = paid + float(rho[t] @ self.fixed[t]) + (second - float(self.rates @ rho[t])) * self.floor[t]
            total = total + paid.reshape((1,) * t + paid.shape + (1,) * (len(self.fits) - t - 2))
        return total
