"""The climb behind :mod:`placement_opt.bounds.ascent`: accelerated projected gradients on the softened dual.

Momentum restarts where it turns against the slope (O'Donoghue and Candes, "Adaptive restart for accelerated gradient schemes",
2015). What makes it quick here:

* prices are scaled by what they are worth: a resource's by its rate, a tier's rent by the rate of reading from the next tier;
* the step length of each price follows the curvature seen between the last two slopes, its own and that of its kind;
* rents stay 0 where everything alive fits: they could only lower D;
* softening shrinks only while that, and not the climb, is what holds the value back;
* tiers with room for everything that cheapest paths hardly use are left out until the next look at all of them: a pass over
  eight sets of tiers takes four times as long as one over four.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from placement_opt.base import clock
from placement_opt.base.limits import Limits
from placement_opt.bounds.dual.evaluate import DualValue
from placement_opt.bounds.dual.futures import Futures
from placement_opt.bounds.dual.price_space import Point, PriceSpace
from placement_opt.bounds.dual.slopes import Slopes, slopes
from placement_opt.bounds.dual.tracked import Tracked, roomy_tiers, tracked_sets
from placement_opt.bounds.result import Prices
from placement_opt.instance.instance import Instance

#: Softening that takes less than this share of the value away is fine enough; a climb ends where it is and where `_CHECK`
#: steps gain less than a tenth of it.
FINE = 2e-5
_CHECK = 20
_LEAST_STEPS, _MOST_STEPS = 100, 600
#: Softening of more than this share of the cost of reading a byte from the slowest tier blurs everything; of a fifth of it, a
#: climb on requests ends 1 to 3 % lower.
_COARSEST = 0.05
#: ... nor does it tell anything where it takes more than this share of the value away: on a log of requests whose blocks are
#: kept for hundreds of states it took 340 times the value, and 200 steps were lost until it no longer did.
_MOST_HIDDEN = 1.0
#: Tiers that have room for everything and hold no more than this share of all bytes are left out, unless prices promise more
#: by this share then, and by more than softening takes away. Mooncake's conversation trace under the rule cache, in seconds of
#: one core, from 95.08 s: with this share alone the drive came in at step 20, softening then took 170 % away, and after 33 s
#: there were 98.9 s still; now 103.9 s are proven after 9 s and 113.1 after 40. With all
#: tiers from the beginning softening may take little and moves little: 97.3 s after 18 s.
_RARELY, NEEDED = 0.05, 1e-3
#: Softening shrinks by this factor a step, faster only where a deadline would come first. It never grows: on the same trace,
#: from 95.3 s, softening that grew to a tenth of the value while steps gained proved 98.8 and 103.1 s after 20 and 40 steps,
#: where this proves 99.8 and 104.2, 113.2 after 220 and 113.69 after 400. A climb that began at 3 % of the value, and so with
#: softening 18 times as fine, proved 106.6 after 220.
_SHRINK, _FASTEST_SHRINK = 0.97, 0.7
#: ... while a step gains less than this share of what softening takes away.
_HELD_BACK = 0.02
#: A step that ends so much lower than the best, as a share of the value at the start, is taken back, and the next are shorter.
_FALL = 0.02


def needed_sets(
    instance: Instance, futures: tuple[Futures, ...], prices: Prices, most: float = NEEDED
) -> tuple[Tracked, float]:
    """(the sets of tiers without those that have room for everything and in which next to nothing lies, what prices promise).

    Unless prices promise more without them, by more than a share ``most``: that may be all that holds a value down.
    """
    every = tracked_sets(instance)
    here = slopes(instance, prices, futures=futures, tracked=every)
    held = (here.rent + instance.capacity).sum(axis=0)
    rarely = (held <= _RARELY * held.sum()) & roomy_tiers(instance, every)
    if not rarely.any():
        return every, here.value_s
    fewer = every.without(rarely)
    without = slopes(instance, prices, futures=futures, tracked=fewer).value_s
    return (fewer if without <= here.value_s + most * abs(here.value_s) else every), here.value_s


class Climb:
    """The best prices so far, and the way up from them; it goes on where it stopped.

    Attributes
    ----------
    futures
        Whose dual is climbed: the instance's, or those of a sample, kind by kind.
    best
        The best value, as ``prove`` gave it.
    prove
        What makes a value count.
    limits
        Of the whole climb, which hurries where it could not come to its end otherwise.
    fine
        Softening that takes no more than this share of the value away is fine enough.
    hidden
        The share that softening took away at the last step.
    """

    def __init__(
        self,
        instance: Instance,
        futures: tuple[Futures, ...],
        best: DualValue,
        prove: Callable[[Prices], DualValue],
        *,
        limits: Limits,
        enough: float = math.inf,
        improved: Callable[[DualValue], None] | None = None,
        fine: float = FINE,
    ) -> None:
        self.instance, self.futures, self.best, self.prove = instance, futures, best, prove
        self.limits, self.enough, self.improved, self.fine = limits, enough, improved, fine
        self.space, self.hidden = PriceSpace.of(instance), math.inf
        self._tracked = tracked_sets(instance)

    @property
    def over(self) -> bool:
        return self.limits.reached or self.best.value_s >= self.enough

    def slopes(self, prices: Prices, soft: float = 0.0) -> Slopes:
        return slopes(self.instance, prices, futures=self.futures, soft=soft, tracked=self._tracked)

    def offer(self, prices: Prices) -> None:
        """Keep these prices if they prove more than the best."""
        if self.look(prices) > self.best.value_s * (1.0 + 1e-9):
            found = self.prove(prices)
            if found.value_s > self.best.value_s:
                self.best = found
                if self.improved is not None:
                    self.improved(found)

    def begin(self, reach: float) -> None:
        """Start from the best prices, softened to take at most a share ``reach`` of the value away."""
        self._scale = self.best.value_s
        self.look(self.best.prices)
        self._soft = self._softness(reach, _COARSEST * self.space.slowest)
        self._x = self._y = self.space.divided(self.space.point(self.best.prices))
        self._momentum, self._metric = 1.0, _Metric()
        self._rate, self._last, self._checked = math.nan, math.nan, self._scale
        self._steps, self._took_s, self.hidden = 0, 0.0, math.inf
        self._top, self._at_top = -math.inf, self._y

    def run(self, limits: Limits | None = None, *, patience: Limits | None = None, shown: float = 0.0) -> bool:
        """Go on until the limits, or those of the whole climb, are reached; whether it came to its end.

        With ``patience``, until that is reached as long as it took few steps or softening takes more than a share ``shown``
        away: before that, proofs do not show what the climb gains.
        """
        limits = limits or self.limits
        while not self.limits.reached:
            showing = self._steps >= _LEAST_STEPS and self.hidden <= shown
            if limits.reached and (patience is None or patience.reached or showing):
                break
            began = clock.now()
            self.hidden = self._step()
            self._took_s += clock.now() - began
            self._steps += 1
            if self._steps % _CHECK == 0:
                tracked = self._tracked
                self.offer(self._prices)
                if len(self._tracked.masks) > len(tracked.masks):
                    self._retrack()
                elif self._tracked is not tracked:
                    self._top = -math.inf
                fine = self.hidden < self.fine and self.best.value_s < self._checked * (1.0 + 0.1 * self.fine)
                if self.over or self._steps >= _MOST_STEPS or (self._steps >= _LEAST_STEPS and fine):
                    return True
                self._checked = self.best.value_s
        self.offer(self._prices)
        return self.over

    @property
    def _prices(self) -> Prices:
        return self.space.prices(self.space.joined(self._x))

    def _step(self) -> float:
        """One step from where it is; what softening takes away there, as a share of the value."""
        space, metric, x, y = self.space, self._metric, self._x, self._y
        here = self.slopes(space.prices(space.joined(y)), self._soft)
        slope = space.divided_slope(space.slope(here, self._scale), y)
        value = here.value_s / self._scale
        whole = float(np.vdot(here.rho, here.prices.rho) + np.vdot(here.rent, here.prices.rent)) + space.floor_s
        whole += float(here.mu @ here.prices.mu) + here.weighed_s
        hidden = whole / self._scale - value
        metric.see(y, slope)
        if value < self._top - _FALL and metric.stiffen():
            self._x = self._y = self._at_top
            self._momentum = 1.0
            return hidden
        if value > self._top:
            self._top, self._at_top = value, y
        weights = (metric.rho, metric.rent, metric.mu)
        up = tuple(at + g / weight for at, g, weight in zip(y, slope, weights, strict=True))
        z = space.project((up[0], up[1], up[2]), metric.rho)
        if sum(float(np.vdot(g, new - old)) for g, new, old in zip(slope, z, x, strict=True)) < 0.0:
            self._momentum = 1.0
        longer = (1.0 + math.sqrt(1.0 + 4.0 * self._momentum**2)) / 2.0
        on = (self._momentum - 1.0) / longer
        ahead = tuple(new + on * (new - old) for new, old in zip(z, x, strict=True))
        self._y = space.project((ahead[0], ahead[1], ahead[2]), metric.rho)
        self._x, self._momentum = z, longer
        gain = value - self._last
        self._rate = gain if math.isnan(self._rate) else 0.8 * self._rate + 0.2 * gain
        self._last = value
        if self._rate < _HELD_BACK * hidden:
            shrink = self.shrink(hidden, self._took_s / max(1, self._steps))
            self._soft *= shrink
            self._last += hidden * (1.0 - shrink)
        return hidden

    def look(self, prices: Prices) -> float:
        """What prices promise; from here on the sets of tiers are those that are needed at them."""
        hidden = self.hidden if math.isfinite(self.hidden) else 0.0  # more than that holds the value down no less
        self._tracked, value_s = needed_sets(self.instance, self.futures, prices, max(NEEDED, hidden))
        return value_s

    def _retrack(self) -> None:
        """Go on with more sets of tiers, among which softening takes more away: no more than it did is to be taken.

        Logs of requests whose blocks may be forgotten: it took 1 % with four sets and 170 % with eight, and 150 steps did not
        bring back what the first of them lost.
        """
        self._soft = self._softness(max(self.hidden, self.fine), self._soft)
        self._momentum, self._metric, self._y = 1.0, _Metric(), self._x
        self._last, self._rate = math.nan, math.nan
        self._top, self._at_top = -math.inf, self._y

    def _softness(self, reach: float, soft: float) -> float:
        """The softening that takes a share ``reach`` of the best value away, or ``soft`` if that is finer."""
        reach = min(reach, _MOST_HIDDEN)
        while True:
            lost = 1.0 - self.slopes(self.best.prices, soft).value_s / self.best.value_s
            if lost <= reach or self.limits.reached:
                return soft
            soft *= max(0.02, min(0.7, reach / lost))

    def shrink(self, hidden: float, step_s: float) -> float:
        """Factor of the softening: so that it is fine before a deadline comes."""
        if math.isinf(self.limits.remaining) or hidden <= self.fine:
            return _SHRINK
        steps = max(1.0, self.limits.remaining / max(step_s, 1e-9))
        return min(_SHRINK, max(_FASTEST_SHRINK, math.pow(self.fine / hidden, 1.0 / steps)))


class _Metric:
    """How strongly the slope changes with each price: what a step is divided by.

    Attributes
    ----------
    rho, rent, mu
        float64[T, R], float64[T + 1, K] and float64[1, H] > 0.
    """

    #: The first step is this long in the middle; what was once seen fades by `_FADE` a step; no price moves further than
    #: `_SPAN` times what the stiffest does at the same slope.
    _FIRST, _FADE, _SPAN = 0.03, 0.9, 1e5
    #: After a fall steps are so much shorter, as long as no metric is above this (values and prices are of the order of 1).
    _SHORTER, _STIFFEST = 4.0, 1e6

    def __init__(self) -> None:
        self.rho, self.rent, self.mu = np.ones((1, 1)), np.ones((1, 1)), np.ones((1, 1))
        self._point: Point | None = None
        self._slope: Point | None = None

    def see(self, point: Point, slope: Point) -> None:
        """Take in the slope at another point."""
        if self._point is None or self._slope is None:
            found = [np.full_like(g, 1e-30) + np.sqrt((g**2).mean(axis=0)) / self._FIRST for g in slope]
        else:
            found = []
            before = zip((self.rho, self.rent, self.mu), point, self._point, slope, self._slope, strict=True)
            for old, now, then, g, was in before:
                moved, bent = (now - then) ** 2, (g - was) ** 2
                # of each price and the mean of its kind, which settles those that hardly moved
                all_moved, all_bent = moved.mean(axis=0), bent.mean(axis=0)
                seen = np.sqrt((bent + all_bent) / np.maximum(moved + all_moved, 1e-20))
                seen[:, all_moved <= 1e-20] = 0.0
                found.append(np.maximum(old * self._FADE, seen))
        least = max(float(m.max()) for m in found if m.size) / self._SPAN
        self.rho, self.rent, self.mu = (np.maximum(m, least) for m in found)
        self._point, self._slope = point, slope

    def stiffen(self) -> bool:
        """Make the next steps shorter; False where they are so short that it is not their length."""
        if max(float(m.max(initial=0.0)) for m in (self.rho, self.rent, self.mu)) > self._STIFFEST:
            return False
        self.rho, self.rent, self.mu = (self._SHORTER * m for m in (self.rho, self.rent, self.mu))
        return True
