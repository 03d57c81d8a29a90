"""Prices that are constant over a few intervals of time: a strong bound before any program of the instance is built.

Restricting prices only restricts what they prove, so whatever they prove is proven. With two or three intervals there are some
tens of numbers to choose, and cutting planes find the best of them in some tens of passes (:mod:`cutting_planes`). Intervals
are then split where the slopes of their halves disagree most; a cut is a slope at every step, so that all of them are kept. The
first state, the last state and the last step are intervals of their own: what must be stored in the end is often most of the
bound.

Beyond some tens of intervals one sum of slopes says too little: there the ascent (:mod:`placement_opt.bounds.ascent`) takes
over from what was found.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from placement_opt.base import clock
from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.cost import Cost, costs, once
from placement_opt.base.highs import SolverError
from placement_opt.base.limits import Limits
from placement_opt.bounds.columns.ways import binding
from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.dual.evaluate import evaluate
from placement_opt.bounds.dual.futures import Futures
from placement_opt.bounds.dual.price_space import PriceSpace
from placement_opt.bounds.dual.slopes import slopes
from placement_opt.bounds.overdrawn import no_schedule
from placement_opt.bounds.programs.cutting_planes import Cuts
from placement_opt.bounds.result import Bound, Prices, Status
from placement_opt.bounds.sample import MOST_FUTURES, sampled_futures
from placement_opt.bounds.size import Size
from placement_opt.instance.instance import Instance

_RESTS_ON = "weak duality: the dual value at the prices found, every block's cheapest path evaluated without a solver"
#: A level is over where the cuts promise no more than this share above the best, or after so many passes for each interval.
CLOSE, _PASSES, _LEAST_PASSES = 2e-4, 3, 20
#: Prices of budgets are at most so many units, or twice what they are.
_MU = 300.0
#: Of what the cuts promise beyond the best, the next point is to have this share.
_LEVEL = 0.5
#: Rents of an interval of n states are at most this over n units, and at least so many: a single state's may have to be large.
_RENT_ONCE, _RENT = 300.0, 6.0
#: Intervals of steps and states together beyond which the cuts say too little; cuts that are kept, and their bytes.
MOST, _CUTS, _CUT_BYTES = 48, 150, 2**27
#: So many levels in a row that raise the value by no more than this share end the search.
_IDLE_LEVELS, _NEWS = 2, 1e-3
#: Of the intervals that can be split, this share is, those whose halves disagree most.
_SPLIT = 0.5
_SETTLED = 1e-9
#: A rent's moves count against its size, or this.
_LEAST_WIDTH = 0.05


def _passed(size: Size) -> int:
    """Reads that a pass goes over: of a sample where there are many futures."""
    return min(size.reads, MOST_FUTURES)


@costs(
    Cost[Size](
        "intervals",
        {
            "once": once,
            "per_step_and_set": lambda size: size.steps * size.sets,
            "per_read_and_pair_of_sets": lambda size: _passed(size) * size.sets**2,
        },
        {
            "once": once,
            "per_step_and_set": lambda size: size.steps * size.sets,
            "per_read_and_set": lambda size: _passed(size) * size.sets,
        },
    )
)
def bound(instance: Instance, *, limits: Limits | None = None) -> Bound:
    """The best prices on few intervals, found on a sample of the blocks where there are many futures, and what they prove."""
    began, limits = clock.now(), limits or Limits()
    classes = classify(instance)
    search = PriceIntervals(instance, sampled_futures(instance, classes))
    search.run(limits)
    found = evaluate(instance, search.prices, classes)
    status = Status.BOUND
    if not search.over and limits.reached:
        status = Status.INTERRUPTED if limits.interrupted else Status.LIMIT
    details = {"classes": len(classes), "intervals": search.intervals, "passes": search.passes, "sampled": not search.exact}
    seconds = clock.now() - began
    if instance.budgets:  # where nothing bounds their prices, they may prove that no schedule keeps them
        ray = evaluate(instance, search.prices, classes, ray=True)
        if ray.value_s > 0.0:
            return no_schedule("intervals", ray, seconds, details)
    return Bound("intervals", status, found.value_s, seconds, _RESTS_ON, prices=found.prices, details=details)


class PriceIntervals:
    """The search; it goes on where it stopped.

    Attributes
    ----------
    value_s
        What the best prices give, on the blocks that ``futures`` stand for, to float accuracy.
    exact
        Whether those are all blocks.
    passes, levels
        Evaluations so far, and how often intervals were as good as they are.
    over
        Whether another pass could not bring more.
    """

    def __init__(self, instance: Instance, futures: tuple[Futures, ...]) -> None:
        self.instance, self.futures, self.space = instance, futures, PriceSpace.of(instance)
        self.exact = round(sum(float(part.cell_bytes.sum()) for part in futures)) == int(instance.size.sum())
        self.passes, self.levels, self.over, self.value_s = 0, 0, False, 0.0
        steps = instance.num_steps
        self._resources = binding(instance)
        self._tiers = np.flatnonzero(self.space.scarce.any(axis=0))
        self._step_edges, self._state_edges = np.unique([0, steps - 1]), np.unique([0, 1, steps])
        width = len(self._resources) + len(self._tiers)
        self._kept = int(np.clip(_CUT_BYTES / (8 * width * (steps + 2)), 20, _CUTS))
        self._cuts: list[tuple[float, Float64, Float64, Float64]] = []
        each = self.space.second / len(self._resources)
        self._share = np.full((len(self._step_edges), len(self._resources)), each)
        self._mu = np.zeros(len(instance.budgets))
        self._rent = np.zeros((len(self._state_edges), len(self._tiers)))
        self._since, self._idle, self._before = 0, 0, 0.0
        self._weight = np.zeros(0)
        self._nothing_s = _keeping_nothing_s(instance)

    @property
    def idle(self) -> bool:
        """Whether the last level brought no news."""
        return self._idle > 0

    @property
    def intervals(self) -> int:
        """Of steps and of states together."""
        return len(self._step_edges) + len(self._state_edges)

    @property
    def prices(self) -> Prices:
        """The best found."""
        return self._prices(self._share, self._rent, self._mu)

    def run(
        self,
        limits: Limits,
        *,
        enough: float = np.inf,
        levels: int | None = None,
        settled: Callable[[], None] | None = None,
    ) -> None:
        """Go on until the limits are reached, ``enough`` seconds or so many levels are found, or it is :attr:`over`.

        ``settled`` is called whenever intervals are about to be split.
        """
        if self.passes == 0:
            self._look(self._share, self._rent, self._mu)
        while not (self.over or limits.reached or self.value_s >= enough or self.levels == levels):
            try:
                more = self._step(limits)
            except SolverError:
                more = False
            if more or limits.reached:
                continue
            self.levels += 1
            if settled is not None:
                settled()
            self._idle = self._idle + 1 if self.value_s <= self._before * (1.0 + _NEWS) else 0
            self._before = self.value_s
            self.over = self._idle >= _IDLE_LEVELS or not self._split()

    # ---- one level -------------------------------------------------------------------------------------------------

    def _step(self, limits: Limits) -> bool:
        """Look at one more point; whether the present intervals may have more to give."""
        cuts = self._gathered()
        promised, self._weight = cuts.promise(limits)
        best = self.value_s / self._scale
        self._since += 1
        most = max(_LEAST_PASSES, _PASSES * self.intervals)
        if promised - best <= CLOSE * promised or self._since > most:
            return False
        least = (_LEAST_WIDTH * np.minimum(1.0, self._highest)).ravel()
        rent = np.maximum(least, self._rent.ravel())
        width = np.concatenate([np.ones(self._share.size), rent, np.maximum(_LEAST_WIDTH, self._mu)])
        at = cuts.nearest(self._vector, width, best + _LEVEL * (promised - best), limits)
        share, rent, mu = np.split(at, np.cumsum([self._share.size, self._rent.size]))
        self._look(share.reshape(self._share.shape), rent.reshape(self._rent.shape), mu)
        return True

    @property
    def _vector(self) -> Float64:
        return np.concatenate([self._share.ravel(), self._rent.ravel(), self._mu])

    def _look(self, share: Float64, rent: Float64, mu: Float64) -> None:
        """Value and slope at a point; it becomes the best if it is."""
        found = slopes(self.instance, self._prices(share, rent, mu), futures=self.futures)
        self.passes += 1
        point = self.space.point(found.prices)
        slope = self.space.slope(found, 1.0)
        share_slope, rent_slope = slope[0][:, self._resources], slope[1][:, self._tiers]
        spent = float(np.vdot(share_slope, point[0][:, self._resources]) + np.vdot(rent_slope, point[1][:, self._tiers]))
        spent += float(np.vdot(slope[2], point[2]))
        self._cuts.append((found.value_s - spent, _running(share_slope), _running(rent_slope), slope[2][0]))
        del self._cuts[: -self._kept]
        if found.value_s > self.value_s or self.passes == 1:
            self.value_s, self._share, self._rent, self._mu = found.value_s, share, rent, mu

    @property
    def _scale(self) -> float:
        return max(abs(self.value_s), 1e-300)

    def _gathered(self) -> Cuts:
        """The cuts on the present intervals, in units of the best value."""
        upto_step = np.append(self._step_edges, self.instance.num_steps)
        upto_state = np.append(self._state_edges, self.instance.num_steps + 1)
        slope = [
            np.concatenate([np.diff(share[upto_step], axis=0).ravel(), np.diff(rent[upto_state], axis=0).ravel(), mu])
            for _, share, rent, mu in self._cuts
        ]
        dearest = np.maximum(_MU, 2.0 * self._mu)
        second = self.space.second - float(np.minimum(self.space.by_time, 0.0) @ dearest)
        upper = [np.full(self._share.size, second), self._highest.ravel(), dearest]
        budget = np.repeat(np.arange(len(self._step_edges)), len(self._resources))
        others = self._rent.size + len(self._mu)
        return Cuts(
            np.array([offset for offset, *_ in self._cuts]) / self._scale,
            np.array(slope).reshape(len(slope), -1) / self._scale,
            np.maximum(np.concatenate(upper), 2.0 * self._vector),
            np.concatenate([budget, np.full(others, -1)]),
            np.concatenate([np.zeros(self._share.size + self._rent.size), self.space.by_time]),
            self.space.second,
        )

    @property
    def _highest(self) -> Float64:
        """float64[intervals of states, tiers]: rents above this are of no use, or so much too high that it is no loss."""
        upto = np.append(self._state_edges, self.instance.num_steps + 1)
        highest = np.repeat(np.maximum(_RENT, _RENT_ONCE / np.diff(upto))[:, None], len(self._tiers), axis=1)
        if np.isinf(self._nothing_s):
            return highest
        scarce = np.diff(_running(self.space.scarce[:, self._tiers])[upto], axis=0)
        unit = (self.space.rent_unit * self.instance.capacity)[self._tiers]
        with np.errstate(divide="ignore"):
            return np.asarray(np.minimum(highest, self._nothing_s / (scarce * unit)))

    def _prices(self, share: Float64, rent: Float64, mu: Float64) -> Prices:
        steps = self.instance.num_steps
        shares = np.zeros((steps, self.instance.num_resources))
        rents = np.zeros((steps + 1, self.instance.num_tiers))
        shares[:, self._resources] = np.repeat(share, np.diff(np.append(self._step_edges, steps)), axis=0)
        rents[:, self._tiers] = np.repeat(rent, np.diff(np.append(self._state_edges, steps + 1)), axis=0)
        return self.space.prices((shares, rents * self.space.scarce, mu[None]))

    # ---- from one level to the next --------------------------------------------------------------------------------

    def _split(self) -> bool:
        """Halve the intervals whose halves disagree most; False where that is of no use any more."""
        if self.intervals >= MOST:
            return False
        share, rent = self._mean_slopes()
        before = self.intervals
        steps, states = self.instance.num_steps, self.instance.num_steps + 1
        weight = np.maximum(self._share, 0.1), np.maximum(self._rent, 0.02)
        step_edges = _halved(self._step_edges, steps, share, weight[0])
        state_edges = _halved(self._state_edges, states, rent, weight[1])
        self._share = self._share[np.searchsorted(self._step_edges, step_edges, side="right") - 1]
        self._rent = self._rent[np.searchsorted(self._state_edges, state_edges, side="right") - 1]
        self._step_edges, self._state_edges = step_edges, state_edges
        self._since = 0
        return self.intervals > before

    def _mean_slopes(self) -> tuple[Float64, Float64]:
        """Running sums of the slopes of all cuts, each as far as it counts: what the best mix of placements loads and holds."""
        weight = self._weight
        if len(weight) != len(self._cuts) or not weight.any():
            weight = np.full(len(self._cuts), 1.0 / len(self._cuts))
        share = sum(w * share for w, (_, share, _, _) in zip(weight, self._cuts, strict=True) if w > 0)
        rent = sum(w * rent for w, (_, _, rent, _) in zip(weight, self._cuts, strict=True) if w > 0)
        return np.asarray(share), np.asarray(rent)


def _keeping_nothing_s(instance: Instance) -> float:
    """Seconds of serving every read from outside, where blocks may lie nowhere: no room is worth more. Infinite elsewhere."""
    if not instance.forgets or not instance.timed:
        return np.inf
    trace, loads, rates = instance.trace, instance.loads, instance.memory.rates.astype(np.float64)
    ways = np.flatnonzero(loads.serves_from < 0)
    seconds = np.where(loads.applies[:, ways], (loads.serve[:, ways] / rates).max(axis=2), np.inf)
    seconds = seconds.min(axis=1)  # of each kind, by the way that takes least
    each = seconds[loads.kind] * loads.amount
    share = 1.0 if trace.shares is None else trace.shares / trace.share_base
    return float((instance.fixed / rates).max(axis=1).sum() + instance.floor.sum() + (each[trace.blocks] * share).sum())


def _running(slope: Float64) -> Float64:
    """float64[n + 1, m]: sums of the first rows."""
    return np.concatenate([np.zeros((1, slope.shape[1])), np.cumsum(slope, axis=0)])


def _halved(edges: Int64, last: int, running: Float64, weight: Float64) -> Int64:
    """The edges of intervals, those split that gain most by it."""
    ends = np.append(edges[1:], last)
    middle = (edges + ends) // 2
    left, right = running[middle] - running[edges], running[ends] - running[middle]
    gain = np.where(ends - edges > 1, (np.abs(left - right) * weight).sum(axis=1), 0.0)
    if gain.max(initial=0.0) <= _SETTLED:
        return edges
    chosen = (gain >= np.quantile(gain, 1.0 - _SPLIT)) & (gain > 0.0)
    return np.unique(np.concatenate([edges, middle[chosen]]))
