"""The design of the least roofline as one mixed integer program, where the time is linear in the choices.

With its loads given, the time of a step is linear in what its reads load at each resource, divided by the resource's rate; with
rates that are chosen, each by one choice, a resource's load is split by alternatives, of which one may be used:

    min  sum over workloads and steps of tau        (over = "max": the most of the workloads)
    tau >= floor,   tau >= sum_a L[r, a] / rate[r, a],   sum_a L[r, a] = base[r] + sum_v load[v, r] x[v],
    sum_v x[v] = what is read,   0 <= L[r, a] <= M[r] y[c(r), a],   sum_a y[c, a] = 1,   y binary.

The class, which is checked and not assumed: the time of sums or the most of workloads, without budgets; designs that can all be
built, load alike and differ in rates and rooms alone, each rate being set by one choice; costs that add up over the choices.
Rooms are nothing to a roofline, so that among designs of equal rates any may be named. What the solver says is held
against the rooflines of all designs; what is proven is proven by the designs' own bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from placement_opt.base.arrays import Float64
from placement_opt.base.highs import Ended, LinearProgram, SolverError, from_triplets, rate_unit, solve
from placement_opt.base.limits import Limits
from placement_opt.bounds.programs.step_data import read_steps
from placement_opt.bounds.roofline import free_bytes, free_timer
from placement_opt.instance.instance import Instance
from placement_opt.study.explore.space import Shape
from placement_opt.study.explore.spec import Spec

#: Columns beyond which it is not worth it: the rooflines of all designs are known already.
MOST_COLUMNS = 20_000
#: Costs of designs that differ by no more than this from sums over the choices are sums.
_ADDS_UP = 1e-9


@dataclass(frozen=True)
class Linear:
    """What the program says: a design, and its roofline over all workloads in seconds, to the solver's tolerance.

    ``confirmed``: whether the rooflines of all designs say the same; None where nobody looked.
    """

    design: int
    value_s: float
    confirmed: bool | None = None


@dataclass(eq=False)
class _Program:
    """Rows and columns as they are added."""

    cost: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    integral: list[bool] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    entries: list[tuple[int, int, float]] = field(default_factory=list)

    def column(self, cost: float = 0.0, upper: float = np.inf, *, integral: bool = False) -> int:
        self.cost.append(cost)
        self.upper.append(upper)
        self.integral.append(integral)
        return len(self.cost) - 1

    def row(self, entries: Sequence[tuple[int, float]], low: float, high: float = np.inf) -> None:
        self.entries += [(len(self.low), column, value) for column, value in entries if value]
        self.low.append(low)
        self.high.append(high)

    def program(self) -> LinearProgram:
        rows, columns, values = (np.array(part) for part in zip(*self.entries, strict=True))
        start, index, value = from_triplets(len(self.cost), rows, columns, values)
        lower = np.zeros(len(self.cost))
        integral = np.array(self.integral, dtype=np.bool_)
        sides = np.array(self.low, dtype=np.float64), np.array(self.high, dtype=np.float64)
        return LinearProgram(np.array(self.cost), lower, np.array(self.upper), *sides, start, index, value, integral)


def whose_rates(spec: Spec, shapes: Sequence[Sequence[Shape | None]]) -> list[int] | None:
    """For each resource the choice that sets its rate (-1: none does); None where the designs are not of the class.

    ``shapes``: for each workload, those of all designs.
    """
    first = shapes[0][0]
    if first is None or any(shape is None or shape.kind != group[0].kind for group in shapes for shape in group if group[0]):
        return None
    counts = [len(choice.alternatives) for choice in spec.choices]
    whose = [-1] * len(first.rates)
    for group in shapes:
        grid = np.array([shape.rates for shape in group if shape is not None], dtype=np.int64)
        if len(grid) != spec.count:
            return None
        table = grid.reshape(*counts, -1)
        for c in range(len(counts)):
            for r in np.flatnonzero((table != table.take([0], axis=c)).any(axis=tuple(range(len(counts))))).tolist():
                if whose[r] not in (-1, c):
                    return None
                whose[r] = c
    return whose


def added_costs(spec: Spec, costs: Sequence[Fraction]) -> list[list[float]] | None:
    """What each alternative of each choice adds to the first design's cost; None where costs of designs are no such sums."""
    counts = [len(choice.alternatives) for choice in spec.choices]
    table = np.array([float(cost) for cost in costs]).reshape(counts)
    first = (0,) * len(counts)
    added = []
    for c, count in enumerate(counts):
        added.append([float(table[(*first[:c], a, *first[c + 1 :])] - table[first]) for a in range(count)])
    whole = table[first] + sum(
        np.array(part).reshape([-1 if n == c else 1 for n in range(len(counts))]) for c, part in enumerate(added)
    )
    return added if np.allclose(whole, table, rtol=_ADDS_UP, atol=_ADDS_UP) else None


def least_roofline(
    spec: Spec,
    instances: Sequence[Instance],
    shapes: Sequence[Sequence[Shape | None]],
    weights: Sequence[Fraction],
    costs: Sequence[tuple[float, Sequence[Fraction]]] = (),
    limits: Limits | None = None,
) -> Linear | None:
    """The design of the least roofline; None where the designs are not of the class, or the solver did not finish.

    Parameters
    ----------
    instances
        The first design with each workload.
    shapes
        Of all designs, for each workload.
    weights
        Of the workloads.
    costs
        (the most that is allowed, what each design costs): what must be kept.
    """
    whose = whose_rates(spec, shapes)
    if whose is None or (len(weights) > 1 and spec.over not in ("sum", "max")):
        return None
    found = _Program()
    chosen = [[found.column(upper=1.0, integral=True) for _ in choice.alternatives] for choice in spec.choices]
    for columns in chosen:
        found.row([(column, 1.0) for column in columns], 1.0, 1.0)
    for most, each in costs:
        added = added_costs(spec, each)
        if added is None:
            return None
        scale = max(1.0, max(abs(value) for part in added for value in part))
        entries = [
            (column, value / scale)
            for columns, part in zip(chosen, added, strict=True)
            for column, value in zip(columns, part, strict=True)
        ]
        found.row(entries, -np.inf, (most - float(each[0])) / scale)
    unit = _seconds(instances)
    most_column = found.column(1.0) if spec.over == "max" and len(weights) > 1 else None
    for instance, group, weight in zip(instances, shapes, weights, strict=True):
        rates = [_by_alternative(spec, group, r, c) for r, c in enumerate(whose)]
        taus = _steps(found, instance, rates, whose, chosen, unit)
        if len(found.cost) > MOST_COLUMNS:
            return None
        if most_column is None:
            for tau, count in taus:
                found.cost[tau] = float(weight) * count
        else:
            found.row([(most_column, 1.0), *((tau, -float(weight) * count) for tau, count in taus)], 0.0)
    try:
        solution = solve(found.program(), limits=limits)
    except SolverError:
        return None
    if solution.ended is not Ended.SOLVED:
        return None
    picks = [int(np.argmax(solution.x[columns])) for columns in chosen]
    design = 0
    for choice, pick in zip(spec.choices, picks, strict=True):
        design = design * len(choice.alternatives) + pick
    return Linear(design, solution.objective * unit)


def _seconds(instances: Sequence[Instance]) -> float:
    """Seconds that are one unit of time: what all that a step moves takes at the slowest rate."""
    return max(float(instance.alive_bytes.max()) / rate_unit(instance.memory.rates) for instance in instances) or 1.0


def _by_alternative(spec: Spec, group: Sequence[Shape | None], resource: int, choice: int) -> list[int]:
    """The rates that the alternatives of a choice give a resource (one, where no choice does)."""
    counts = [len(one.alternatives) for one in spec.choices]
    stride = 1
    for count in counts[choice + 1 :] if choice >= 0 else ():
        stride *= count
    places = [a * stride for a in range(counts[choice])] if choice >= 0 else [0]
    shapes = [group[place] for place in places]
    return [shape.rates[resource] for shape in shapes if shape is not None]


def _steps(
    found: _Program,
    instance: Instance,
    rates: Sequence[Sequence[int]],
    whose: Sequence[int],
    chosen: Sequence[Sequence[int]],
    unit: float,
) -> list[tuple[int, int]]:
    """Columns of the times of steps that differ, each with how many steps it is for."""
    steps, timer = read_steps(instance), free_timer(instance)
    amounts = free_bytes(steps, steps.served)
    rows = np.column_stack([amounts, steps.base, steps.floor])
    different, times = np.unique(rows, axis=0, return_counts=True)
    taus = []
    for row, count in zip(different, times.tolist(), strict=True):
        amount, base, floor = row[: amounts.shape[1]], row[amounts.shape[1] : -1], float(row[-1])
        taus.append((_step(found, amount, base, floor, timer.ways.loads, timer.members, rates, whose, chosen, unit), count))
    return taus


def _step(
    found: _Program,
    amount: Float64,
    base: Float64,
    floor: float,
    loads: np.typing.NDArray[np.int64],
    members: Sequence[Sequence[int]],
    rates: Sequence[Sequence[int]],
    whose: Sequence[int],
    chosen: Sequence[Sequence[int]],
    unit: float,
) -> int:
    """One step: the shares of what it reads that go each way, and at each resource the seconds that its load takes."""
    tau = found.column()
    found.row([(tau, 1.0)], floor / unit)
    shares: list[tuple[int, int, float]] = []
    for p, ways in enumerate(members):
        if amount[p] > 0:
            columns = [found.column() for _ in ways]
            found.row([(column, 1.0) for column in columns], 1.0, 1.0)
            shares += [(column, way, float(amount[p])) for column, way in zip(columns, ways, strict=True)]
    for r, each in enumerate(rates):
        # in units of time at the slowest of its rates
        slowest = min(each) * unit
        terms = [(column, many * float(loads[way, r]) / slowest) for column, way, many in shares if loads[way, r]]
        fixed = float(base[r]) / slowest
        most = fixed + sum(value for _, value in terms)
        if most <= 0:
            continue
        if len(set(each)) == 1:
            found.row([(tau, 1.0), *((column, -value) for column, value in terms)], fixed)
            continue
        parts = [found.column() for _ in each]
        found.row([*((part, 1.0) for part in parts), *((column, -value) for column, value in terms)], fixed, fixed)
        for part, y in zip(parts, chosen[whose[r]], strict=True):
            found.row([(y, most), (part, -1.0)], 0.0)
        found.row([(tau, 1.0), *((part, -min(each) / rate) for part, rate in zip(parts, each, strict=True))], 0.0)
    return tau
