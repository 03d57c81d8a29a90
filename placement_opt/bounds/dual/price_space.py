"""Prices in units of what they are worth, so that one step length and one box suit all of them.

A resource's price counts by its rate (a share of the step's second), a tier's rent by what serving a byte takes from the next
slower tier, or under the rule "cache" without any, where that is slower. Rents are 0 where everything fits that may be of
use: they could only lower the dual value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from placement_opt.bounds.dual.slopes import Slopes
from placement_opt.bounds.result import Float64, Prices
from placement_opt.instance.instance import Instance

#: float64[T, R] shares of each step's second and float64[T + 1, K] rents.
Point = tuple[Float64, Float64]


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
        Sum of the floors.
    slowest
        Seconds per byte of the tier that serves slowest.
    """

    rates: Float64
    rent_unit: Float64
    scarce: Float64
    floor_s: float
    slowest: float

    @classmethod
    def of(cls, instance: Instance) -> PriceSpace:
        memory, seconds = instance.memory, serving_seconds(instance)
        order = np.argsort(seconds, kind="stable")
        unit = seconds.copy()
        unit[order[:-1]] = seconds[order[1:]]
        scarce = instance.wanted_bytes[:, None] > instance.capacity[None, :]
        unit = unit[: instance.num_tiers]
        if instance.forgets:
            unit *= _turnover(instance, scarce)
        return cls(
            memory.rates.astype(np.float64),
            unit,
            scarce.astype(np.float64),
            float(instance.floor.sum()),
            float(seconds[: instance.num_tiers].max()),
        )

    def point(self, prices: Prices) -> Point:
        return prices.rho * self.rates, prices.rent / self.rent_unit * self.scarce

    def prices(self, point: Point) -> Prices:
        return Prices(point[0] / self.rates, point[1] * self.rent_unit)

    def slope(self, at: Slopes, scale: float) -> Point:
        return at.rho / self.rates / scale, at.rent * self.rent_unit * self.scarce / scale

    def project(self, point: Point, metric: Float64) -> Point:
        """The nearest legal point: no negatives, the shares of a step at most 1 together; ``metric`` weighs distances."""
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
        return share, np.maximum(point[1], 0.0)


def _turnover(instance: Instance, scarce: npt.NDArray[np.bool_]) -> Float64:
    """float64[K], at most 1: reads of what a tier's room holds, for each state at which it is scarce.

    What is kept for a read pays rent at every state until then, and a cache chooses what it keeps: where blocks of a log of
    requests are read again after thousands of states, rents are thousandths of what a read costs.
    """
    read = instance.read_bytes.sum(dtype=np.float64) / instance.share_base
    room = instance.capacity * scarce.sum(axis=0).astype(np.float64)
    return np.asarray(np.minimum(1.0, read / np.maximum(room, max(read, 1.0))))


def serving_seconds(instance: Instance) -> Float64:
    """float64[K], under the rule "cache" float64[K + 1]: seconds per byte, above 0, of serving from each tier in the best way.

    The last entry is of serving without a source. Of blocks of the median size, where there are calls or grains; what loads
    nothing counts as the fastest of the others.
    """
    memory, operations, source = instance.memory, instance.memory.operations, instance.loads.serves_from
    if operations.uniform:
        loads, size = operations.per_byte, 1
    else:
        size = int(np.median(instance.size))
        loads = operations.block_loads(size)
    with np.errstate(divide="ignore"):
        speed = (memory.rates.astype(np.float64) * size / loads[operations.serving]).min(axis=1)
    places = [*range(instance.num_tiers), *([-1] if instance.forgets else [])]
    found = np.array([1.0 / speed[source == place].max() for place in places])
    some = found[found > 0.0]
    return np.where(found > 0.0, found, some.min() if len(some) else 1.0 / float(memory.rates.max()))
