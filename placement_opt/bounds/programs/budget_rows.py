"""What budgets and the objective add to a linear program: a column for each meter that counts, a row for each budget.

A meter's column is to its loads what a step's time is to those of a resource; a budget bounds it by what is fixed and by the
time of all steps together. All of it in units of its own, so that the solver's numbers are near one. An instance that only asks
for time has none of it, and its programs are as they would be without.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Float64
from placement_opt.base.highs import SMALLEST
from placement_opt.bounds.programs.byte_loads import ByteLoads
from placement_opt.instance.instance import Instance

#: Adds entries to a matrix: rows, columns, values.
Add = Callable[[object, object, object], None]


@dataclass(frozen=True, eq=False)
class BudgetRows:
    """M meters and H budgets in a program's units.

    Attributes
    ----------
    instance
        Whose.
    time_unit
        Seconds that one unit of a step's time stands for.
    meter_unit
        float64[M]: parts that one unit of a meter's column stands for.
    budget_unit
        float64[H]: parts (of budgets on time alone, seconds) that one unit of a budget's row stands for.
    goal_unit
        Seconds of the objective that one unit of the cost stands for.
    elastic
        Whether budgets may be overdrawn, all by so many of their units, and that is all that costs anything: if it must be more
        than 0 in every relaxed placement, the row's multipliers prove that no schedule keeps the budgets.
    """

    instance: Instance
    time_unit: float
    meter_unit: Float64
    budget_unit: Float64
    goal_unit: float
    elastic: bool

    @classmethod
    def of(cls, instance: Instance, table: ByteLoads, unit: float, time_unit: float, *, elastic: bool = False) -> BudgetRows:
        """In a program whose unit of size is ``unit`` bytes, of time ``time_unit`` seconds."""
        most = table.row[:, :, instance.num_resources :].max(axis=(0, 1), initial=0.0) * unit
        meter_unit = np.where(most > 0.0, most, 1.0)
        by_meter = dict(zip(instance.used_meters, meter_unit.tolist(), strict=True))
        budget_unit = []
        for budget in instance.budgets:
            loaded = 0.0 if budget.meter is None else by_meter[budget.meter]
            budget_unit.append(max(loaded, abs(float(budget.per_second)) * time_unit) or 1.0)
        objective = instance.objective
        goal_unit = time_unit
        if not (elastic or objective.plain):
            weighed = [float(weight) * by_meter[meter] for meter, weight in objective.weights]
            goal_unit = max([float(objective.time) * time_unit, *weighed]) or time_unit
        return cls(instance, time_unit, meter_unit, np.array(budget_unit), goal_unit, elastic)

    @property
    def num_columns(self) -> int:
        """M, and one more where budgets may be overdrawn."""
        return len(self.meter_unit) + self.elastic

    def costs(self, num_columns: int, first: int) -> Float64:
        """float64[num_columns]: of a program whose first T columns are times and whose meters' columns begin at ``first``."""
        cost = np.zeros(num_columns)
        if self.elastic:
            cost[first + len(self.meter_unit)] = 1.0
            return cost
        objective, place = self.instance.objective, {meter: m for m, meter in enumerate(self.instance.used_meters)}
        cost[: self.instance.num_steps] = float(objective.time) * self.time_unit / self.goal_unit
        for meter, weight in objective.weights:
            m = place[meter]
            cost[first + m] = float(weight) * self.meter_unit[m] / self.goal_unit
        cost[cost < SMALLEST] = 0.0
        return cost

    def meter_most(self, given: Float64) -> Float64:
        """float64[M]: right sides of the rows ``loads - meter <= ...``; ``given``: what no column decides, in their units."""
        return np.asarray(-given - self.instance.metered / self.meter_unit)

    def budget_most(self) -> Float64:
        """float64[H]: right sides of the budgets' rows."""
        fixed = np.array([float(budget.fixed) for budget in self.instance.budgets])
        return np.asarray(fixed / self.budget_unit)

    def entries(self, add: Add, meter_row: int, budget_row: int, first: int) -> None:
        """The columns of meters (from ``first``) in their own rows; they and the times of steps in those of budgets."""
        meters, place = np.arange(len(self.meter_unit)), {meter: m for m, meter in enumerate(self.instance.used_meters)}
        add(meter_row + meters, first + meters, -1.0)
        for h, budget in enumerate(self.instance.budgets):
            if budget.meter is not None:
                m = place[budget.meter]
                add([budget_row + h], first + m, self.meter_unit[m] / self.budget_unit[h])
            by_time = -float(budget.per_second) * self.time_unit / self.budget_unit[h]
            if abs(by_time) >= SMALLEST:
                add(budget_row + h, np.arange(self.instance.num_steps), by_time)
            if self.elastic:
                add([budget_row + h], first + len(meters), -1.0)

    def mu(self, row_dual: Float64) -> Float64:
        """float64[H]: multipliers of the budgets' rows as prices, in seconds of the objective for a part."""
        return np.maximum(-row_dual * self.goal_unit / self.budget_unit, 0.0)


def column_scale(instance: Instance, unit: float, rows: BudgetRows) -> Float64:
    """float64[R + M]: what one unit of size is on each resource, in units of time, and on each meter, in its own."""
    return np.concatenate([unit / instance.memory.rates / rows.time_unit, unit / rows.meter_unit])
