"""Prices in units of what they are worth, so that one step length and one box suit all of them.

A resource's price counts by its rate (a share of the step's second), a tier's rent by what serving a byte takes from the next
slower tier, or under the rule "cache" without any, where that is slower. Rents are 0 where everything fits that may be of
use: they could only lower the dual value. A budget's price counts by what the objective may come to for each part that the
budget allows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64
from placement_opt.bounds.dual.slopes import Slopes
from placement_opt.bounds.result import Prices
from placement_opt.instance.instance import Instance
from placement_opt.instance.law import median_block

#: float64[T, R] shares of each step's second, float64[T + 1, K] rents, and float64[1, H] prices of budgets.
Point = tuple[Float64, Float64, Float64]


@dataclass(frozen=True, eq=False)
class PriceSpace:
    """The units of one instance.

    Attributes
    ----------
    rates
        float64[R].
    rent_unit
        float64[K], s/byte.
    scarce
        bool[T + 1, K]: where not everything that may be of use there fits.
    floor_s
        What the objective charges for the floors.
    slowest
        Seconds per byte of the tier that serves slowest.
    mu_unit
        float64[H].
    by_time
        float64[H]: what one unit of each budget's price takes of a second, below 0 where it gives.
    second
        What the objective charges for a second.
    """

    rates: Float64
    rent_unit: Float64
    scarce: Float64
    floor_s: float
    slowest: float
    mu_unit: Float64
    by_time: Float64
    second: float

    @classmethod
    def of(cls, instance: Instance) -> PriceSpace:
        memory, seconds = instance.memory, serving_seconds(instance)
        order = np.argsort(seconds, kind="stable")
        unit = seconds.copy()
        unit[order[:-1]] = seconds[order[1:]]
        scarce = instance.wanted_bytes[:, None] > instance.capacity[None, :]
        mu_unit = _budget_units(instance, float(np.median(seconds)))
        second = float(instance.objective.time)
        unit = unit[: instance.num_tiers]
        if instance.forgets:
            unit *= _turnover(instance, scarce)
        return cls(
            memory.rates.astype(np.float64),
            unit,
            scarce.astype(np.float64),
            second * float(instance.floor.sum()),
            float(seconds[: instance.num_tiers].max()),
            mu_unit,
            mu_unit * np.array([float(budget.per_second) for budget in instance.budgets]),
            second,
        )

    def point(self, prices: Prices) -> Point:
        """Of legal prices."""
        return prices.rho * self.rates, prices.rent / self.rent_unit * self.scarce, (prices.mu / self.mu_unit)[None]

    def prices(self, point: Point) -> Prices:
        return Prices(point[0] / self.rates, point[1] * self.rent_unit, point[2][0] * self.mu_unit)

    def slope(self, at: Slopes, scale: float) -> Point:
        return (
            at.rho / self.rates / scale,
            at.rent * self.rent_unit * self.scarce / scale,
            (at.mu * self.mu_unit / scale)[None],
        )

    def left(self, point: Point) -> float:
        """What prices of budgets leave of a second, >= 0: what shares may add up to."""
        return max(0.0, self.second - float(self.by_time @ point[2][0]))

    def divided(self, point: Point) -> Point:
        """The same with shares of what is left of a second, so that no price of a budget makes any of them illegal."""
        left = self.left(point)
        return (point[0] / left if left > 0.0 else np.zeros_like(point[0])), point[1], point[2]

    def joined(self, divided: Point) -> Point:
        """The point from its division."""
        return divided[0] * self.left(divided), divided[1], divided[2]

    def divided_slope(self, slope: Point, divided: Point) -> Point:
        """The slope in a division: a price of a budget changes what is left of a second too."""
        moved = float(np.vdot(slope[0], divided[0])) * self.by_time if len(self.by_time) else self.by_time
        return slope[0] * self.left(divided), slope[1], slope[2] - moved

    def project(self, point: Point, metric: Float64) -> Point:
        """The nearest legal division: no negatives, the shares of a step at most 1 together, and budgets take no more than a
        second; ``metric`` weighs distances."""
        share = np.maximum(point[0], 0.0)
        over = np.flatnonzero(share.sum(axis=1) > 1.0)
        if len(over):
            # max(v - tau / metric, 0) with the tau that makes the sum 1: the shares above it are those of largest v metric
            v, give = point[0][over], 1.0 / metric[over]
            ratio = v / give
            order = np.argsort(-ratio, axis=1)
            sums = np.cumsum(np.take_along_axis(v, order, 1), axis=1) - 1.0
            tau = sums / np.cumsum(np.take_along_axis(give, order, 1), axis=1)
            last = (tau < np.take_along_axis(ratio, order, 1)).sum(axis=1) - 1
            share[over] = np.maximum(v - tau[np.arange(len(over)), last][:, None] * give, 0.0)
        mu = np.maximum(point[2], 0.0)
        taken = float(np.maximum(self.by_time, 0.0) @ mu[0])
        given = self.second - float(np.minimum(self.by_time, 0.0) @ mu[0])
        if taken > given:
            mu = np.where(self.by_time > 0.0, mu * (given / taken), mu)
        return share, np.maximum(point[1], 0.0), mu


def _budget_units(instance: Instance, each_s: float) -> Float64:
    """float64[H]: seconds of the objective for a part of each budget: what the run may come to, over what the budget allows.

    By a guess: everything is read, or stored, at ``each_s`` seconds per byte.
    """
    if not instance.budgets:
        return np.zeros(0)
    trace, objective = instance.trace, instance.objective
    moved = float((np.diff(trace.by_block[0]) * instance.size).sum() + instance.size.sum())
    lasts = max(float(instance.floor.sum()), moved * each_s)
    loads, places = instance.loads, {meter: m for m, meter in enumerate(instance.used_meters)}
    most = (loads.metered / loads.size[:, None, None]).max(axis=(0, 1), initial=0.0) * moved + instance.metered
    goal = float(objective.time) * lasts + sum(float(weight) * most[places[meter]] for meter, weight in objective.weights)
    units = []
    for budget in instance.budgets:
        allowed = abs(float(budget.fixed)) + abs(float(budget.per_second)) * lasts
        if allowed == 0.0:
            allowed = lasts if budget.meter is None else float(most[places[budget.meter]])
        units.append((goal or 1.0) / (allowed or 1.0))
    return np.array(units)


def _turnover(instance: Instance, scarce: npt.NDArray[np.bool_]) -> Float64:
    """float64[K], at most 1: reads of what a tier's room holds, for each state at which it is scarce.

    What is kept for a read pays rent at every state until then, and a cache chooses what it keeps: where blocks of a log of
    requests are read again after thousands of states, rents are thousandths of what a read costs.
    """
    read = max(1.0, instance.read_bytes.sum(dtype=np.float64) / instance.share_base)
    room = instance.capacity * scarce.sum(axis=0).astype(np.float64)
    return np.asarray(np.minimum(1.0, read / np.maximum(room, read)))


def serving_seconds(instance: Instance) -> Float64:
    """float64[K], under the rule "cache" float64[K + 1]: seconds per byte, above 0, of serving from each tier in the best way.

    The last entry is of serving without a source. Of blocks of the median size, where there are calls or grains; what loads
    nothing counts as the fastest of the others.
    """
    memory, operations, source = instance.memory, instance.memory.operations, instance.loads.serves_from
    if operations.uniform:
        loads, size = operations.per_byte, 1
    else:
        size, pieces = median_block(instance)
        loads = operations.block_loads(size, pieces)
    with np.errstate(divide="ignore"):
        speed = (memory.rates.astype(np.float64) * size / loads[operations.serving]).min(axis=1)
    places = [*range(instance.num_tiers), *([-1] if instance.forgets else [])]
    found = np.array([1.0 / speed[source == place].max() for place in places])
    some = found[found > 0.0]
    return np.where(found > 0.0, found, some.min() if len(some) else 1.0 / float(memory.rates.max()))
