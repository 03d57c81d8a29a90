"""How the reads of a run are split where more than its time counts: within the budgets, at the least cost by the objective.

Under given moves that is one linear program over all steps: x_tpv is the share of what step t reads in pattern p that is
served in way v, and

    min  w_T (sum_t tau_t + wait) + sum_m w_m load_m
    s.t. base_tr + sum load_vr S_tp x_tpv <= B_r tau_t,   l_t <= tau_t,   sum_v x_tpv = 1,
         load_h <= E_h + W_h (sum_t tau_t + wait)   for every budget.

What the solver proposes is rounded to whole parts of units, and only what then keeps every budget, in exact fractions, is
taken. That nothing keeps them is not believed either: weak duality says by how much they are passed at least.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.errors import BudgetError
from placement_opt.instance.budgets import Budget
from placement_opt.instance.instance import Instance
from placement_opt.instance.stacked import Stacked
from placement_opt.play.split_program import Moved, SplitProgram

#: Parts of a unit in which splits are written down: what has many divisors, so that thirds and sevenths are whole numbers,
#: times a power of ten as large as leaves every number below 2**52; less where units are many.
_DIVISORS = (720720, 5040, 60, 12, 1)
_MOST, _COARSE = 2**52, 2**26
#: How much tighter budgets are made, relatively, for what rounding adds.
_TIGHTER = (0.0, 1e-9, 1e-7, 1e-5, 1e-3)


@dataclass(frozen=True, eq=False)
class Split:
    """How reads are split, and what the run comes to.

    Attributes
    ----------
    parts
        Numbers are whole parts of 1/parts of a unit.
    pieces
        For each pattern int64[T, n]: what each of its n ways serves at each step, in these parts (times the share base).
    seconds
        Of the run, what it waits for its budgets included.
    waited
        What it waits, beyond its steps.
    counted
        M: what is added to each meter that the instance uses, in its parts.
    step_s
        float64[T]: time of each step.
    """

    parts: int
    pieces: tuple[Int64, ...]
    seconds: Fraction
    waited: Fraction
    counted: tuple[Fraction, ...]
    step_s: Float64

    def cost(self, instance: Instance | Stacked) -> Fraction:
        """The objective, in seconds."""
        place = {meter: m for m, meter in enumerate(instance.used_meters)}
        weighed = (weight * self.counted[place[meter]] for meter, weight in instance.objective.weights)
        return instance.objective.time * self.seconds + sum(weighed, Fraction(0))


def budgeted_split(run: Moved) -> Split:
    """The split of least cost by the instance's objective that keeps its budgets.

    Raises
    ------
    BudgetError
        None keeps them (or none was found).
    """
    parts = _parts(run.served)
    quickest = _whole(run, _quickest(run), parts, parts)
    if quickest is not None and run.instance.objective.plain and not quickest.waited:
        return quickest
    program, grids = SplitProgram(run), (_parts(run.served, _COARSE), parts)
    for tighter in _TIGHTER:
        shares = program.shares(tighter)
        options = [] if shares is None else [_whole(run, shares, parts, grid) for grid in grids]
        kept = [one for one in (*options, quickest) if one is not None]
        if kept:
            return min(kept, key=lambda one: one.cost(run.instance))
    program.refuse()
    raise BudgetError("no split of its reads was found that keeps the budgets")


def _parts(served: Int64, most: int = _MOST) -> int:
    largest = max(1, int(served.max(initial=1)))
    parts = next((one for one in _DIVISORS if one * largest <= most), 1)
    while parts >= _DIVISORS[0] and 10 * parts * largest <= most:
        parts *= 10
    return parts


def _quickest(run: Moved) -> list[Float64]:
    """For each pattern float64[T, n]: shares of the split that takes least time."""
    scale, found = run.instance.share_base, [np.zeros((len(run.served), len(ways))) for ways in run.timer.members]
    for t, (row, base) in enumerate(zip(run.served / scale, run.base.astype(float) / scale, strict=True)):
        taken = run.timer.split(row, base)
        for p, ways in enumerate(run.timer.members):
            if row[p] > 0:
                found[p][t] = taken[p, ways] / row[p]
    return found


def _whole(run: Moved, shares: list[Float64], parts: int, grid: int) -> Split | None:
    """The split in whole parts, each read rounded to multiples of 1/grid; None where it breaks a budget."""
    pieces = []
    for p, ways in enumerate(run.timer.members):
        left, coarse = run.served[:, p] * parts, parts // grid
        piece = np.zeros((len(left), len(ways)), dtype=np.int64)
        for i in range(len(ways) - 1):
            wanted = np.rint(shares[p][:, i] * (run.served[:, p] * grid)).astype(np.int64) * coarse
            piece[:, i] = np.clip(wanted, 0, left)
            left = left - piece[:, i]
        piece[:, -1] = left
        pieces.append(piece)
    return _accounted(run, parts, tuple(pieces))


def _accounted(run: Moved, parts: int, pieces: tuple[Int64, ...]) -> Split | None:
    """What a split comes to, exactly; None where it breaks a budget however long the run waits."""
    instance, scale = run.instance, parts * run.instance.share_base
    loads, counted = run.base * parts, [one * parts for one in run.counted]
    for piece, ways in zip(pieces, run.timer.members, strict=True):
        for column, way in zip(piece.T.astype(object), ways, strict=True):
            loads = loads + np.outer(column, run.timer.ways.loads[way].astype(object))
            total = sum(column.tolist())
            counted = [have + total * each for have, each in zip(counted, run.metered[way].tolist(), strict=True)]
    rates, floors = instance.memory.rates.tolist(), np.broadcast_to(instance.floor, len(loads)).tolist()
    steps = [_seconds(row, scale, rates, floor) for row, floor in zip(loads.tolist(), floors, strict=True)]
    sums: dict[int, int] = {}
    for one in steps:
        sums[one.denominator] = sums.get(one.denominator, 0) + one.numerator
    busy = sum((Fraction(over, under) for under, over in sums.items()), Fraction(0))
    meters = tuple(Fraction(one, scale) for one in counted)
    over = [_excess(instance, budget, meters) for budget in instance.budgets]
    pairs = list(zip(instance.budgets, over, strict=True))
    seconds = max([busy, *(excess / budget.per_second for budget, excess in pairs if budget.per_second > 0)])
    if any(excess > budget.per_second * seconds for budget, excess in pairs):
        return None
    return Split(parts, pieces, seconds, seconds - busy, meters, np.array([float(one) for one in steps]))


def _seconds(loads: list[int], scale: int, rates: list[int], floor: float) -> Fraction:
    return max([Fraction(floor), *(Fraction(load, rate * scale) for load, rate in zip(loads, rates, strict=True))])


def _excess(instance: Instance | Stacked, budget: Budget, counted: tuple[Fraction, ...]) -> Fraction:
    """What is loaded beyond a budget's fixed part."""
    loaded = Fraction(0) if budget.meter is None else counted[instance.used_meters.index(budget.meter)]
    return loaded - budget.fixed
