"""Prices multiplied step by step, where blocks may be forgotten: exponentiated gradients of the dual.

At prices on few intervals a tier holds what it has room for on average, now more and now less: with logs of requests a quarter
of it, for some hundreds of states at a time. A rent is multiplied by e to the power of a share of what is held too much there,
a resource's share of a step's second by e to the power of its load against the mean of all, in units of what that was in the
last passes (Kivinen and Warmuth, "Exponentiated gradient versus gradient descent for linear predictors", 1997; Tieleman and
Hinton, "RMSProp", 2012). Prices that differ by powers of ten move in equal strides so, as no step length in seconds lets them.
They go the mean way of the last passes (Polyak, "Some methods of speeding up the convergence of iteration methods", 1964):
blocks swing from tier to tier, and most of what one pass shows is gone in the next.

Of 20,000 steps of a log of requests so much more than few intervals prove is promised after 24, 48, 100 and 200 passes:
5.5, 9.6, 11.5, 12.8 % (4.0, 6.2, 8.6, 10.7 where each pass had its own way, and 12.0 after 800);
:mod:`placement_opt.bounds.ascent` takes eight times as long as 200 passes to prove 2.4 % more.
"""

from __future__ import annotations

import math

import numpy as np

from placement_opt.base import clock
from placement_opt.base.arrays import Flags, Float64
from placement_opt.base.backend import Backend
from placement_opt.base.limits import Limits
from placement_opt.bounds.dual.classes import Classes
from placement_opt.bounds.dual.climb import NEEDED
from placement_opt.bounds.dual.price_space import PriceSpace
from placement_opt.bounds.dual.shares import futures_on
from placement_opt.bounds.dual.slopes import Slopes, slopes
from placement_opt.bounds.dual.tracked import Tracked, roomy_tiers, tracked_sets
from placement_opt.bounds.result import Prices
from placement_opt.instance.instance import Instance

#: The first stride: the power of e by which a rent grows where twice as much is held as there is room for, and a share that
#: loads as much more than the mean as it did on average. After n passes strides are shorter by the root of ``1 + n / _LASTS``.
_RENT, _SHARE, _LASTS = 2.0, 0.2, 25.0
#: How much of its way a pass takes from those before.
_KEPT = 0.85
#: Rents below this share of their tier's mean, and shares of a second below this, begin there: what is 0 would stay so.
_LEAST_RENT, _LEAST_SHARE = 1e-3, 1e-2
#: What loads were fades by this factor a pass; differences below this share of what the mean step is charged count as
#: that.
_FADE, _SMALL = 0.9, 0.1
#: A pass that promises so much less than the best, as a share, is taken back, and strides are shortened by half.
_FALL = 0.5
#: So many passes that together gain less than this share are the last; where they gain less than the other, it is slow.
_PATIENCE, _GAIN, _SLOW = 20, 5e-4, 1e-2


def multipliable(instance: Instance) -> bool:
    """Whether prices are worth multiplying: blocks may be forgotten, and only time counts."""
    return instance.forgets and instance.timed and not instance.budgets


def likely_sets(instance: Instance) -> Tracked:
    """The sets of tiers without those that have room for everything, which passes most likely do without."""
    every = tracked_sets(instance)
    roomy = roomy_tiers(instance, every)
    return every.without(roomy) if roomy.any() and not roomy.all() else every


class MirrorAscent:
    """Passes over all blocks, each a slope of the dual and the next prices; it goes on where it stopped.

    Nothing is proven here: :func:`placement_opt.bounds.dual.evaluate.evaluate` does that.

    Parameters
    ----------
    classes
        The instance's merged blocks.
    prices
        Where to begin, for example the best on few intervals of time.
    proven_s
        What they prove.
    backend
        Where passes are made; without one, here.

    Attributes
    ----------
    prices, value_s
        The best so far, and the dual value there to float accuracy.
    passes
        How many there were.
    pass_s
        Seconds of the last.
    slow
        Whether others may bring more.
    over
        Whether more would bring little.
    """

    def __init__(
        self, instance: Instance, classes: Classes, prices: Prices, proven_s: float, backend: Backend | None = None
    ) -> None:
        self.instance, self.prices, self.value_s = instance, prices, -math.inf
        self.passes, self.pass_s, self.slow, self.over = 0, 0.0, False, False
        self._futures = futures_on(backend or Backend(), instance, classes)
        self._tracked, every = likely_sets(instance), tracked_sets(instance)
        if len(self._tracked.masks) < len(every.masks):
            promised = slopes(instance, prices, futures=self._futures, tracked=self._tracked).value_s
            self._tracked = self._tracked if promised <= proven_s + NEEDED * abs(proven_s) else every
        space = PriceSpace.of(instance)
        self._rates = space.rates
        self._room = np.maximum(instance.capacity.astype(np.float64), 1.0)
        shares = np.append(prices.rho * space.rates, np.zeros((instance.num_steps, 1)), axis=1)
        shares[:, -1] = np.where(instance.floor > 0.0, np.maximum(0.0, 1.0 - shares.sum(axis=1)), 0.0)
        shares = np.where((shares < _LEAST_SHARE) & self._of_use, _LEAST_SHARE, shares)
        least = space.scarce * (_LEAST_RENT * prices.rent.mean(axis=0))
        rent = np.maximum(prices.rent, least)
        self._next = _normal(shares), rent
        self._best, self._slope = self._next, (np.zeros_like(shares), np.zeros_like(rent))
        self._square = np.zeros_like(shares)
        self._ways = self._still
        self._stride, self._before = 1.0, -math.inf

    @property
    def _still(self) -> tuple[Float64, Float64, int]:
        """Ways to nowhere, of shares and of rents, and of how many passes they are the sum."""
        shares, rent = self._next
        return np.zeros_like(shares), np.zeros_like(rent), 0

    @property
    def _of_use(self) -> Flags:
        """bool[T, R + 1]: shares of resources, and where a step has a floor, one of that."""
        resources = np.ones((self.instance.num_steps, len(self._rates)), dtype=bool)
        return np.append(resources, (self.instance.floor > 0.0)[:, None], axis=1)

    def run(self, limits: Limits, enough: float = math.inf) -> None:
        """Pass after pass until the limits, ``enough`` seconds, or little gain."""
        while not (self.over or limits.reached or self.value_s >= enough):
            began, (shares, rent) = clock.now(), self._next
            prices = Prices(shares[:, :-1] / self._rates, rent, self.prices.mu)
            self._take(slopes(self.instance, prices, futures=self._futures, tracked=self._tracked))
            self.pass_s = clock.now() - began

    def _take(self, here: Slopes) -> None:
        """What a pass found, and the prices of the next."""
        self.passes += 1
        if here.value_s < self.value_s * (1.0 - _FALL):
            self._stride, self._ways = self._stride / 2.0, self._still
            self._move(*self._best, *self._slope)
        else:
            shares, rent = self._next
            load = np.append(here.rho / self._rates, np.zeros((len(here.rho), 1)), axis=1)
            mean = (load * shares).sum(axis=1)
            load = (load - mean[:, None]) / max(float(np.abs(mean).mean()), 1e-300)
            slope = load, np.clip(here.rent / self._room, -1.0, 1.0)
            if here.value_s > self.value_s:
                self.value_s, self.prices = here.value_s, here.prices
                self._best, self._slope = self._next, slope
            self._square = _FADE * self._square + (1.0 - _FADE) * load**2
            self._move(shares, rent, *slope)
        if self.passes == 1:
            self._before = self.value_s
        if self.passes % _PATIENCE == 0:
            gained = self.value_s - self._before
            self.slow, self.over = gained < _SLOW * abs(self._before), gained < _GAIN * abs(self._before)
            self._before = self.value_s

    def _move(self, shares: Float64, rent: Float64, load: Float64, held: Float64) -> None:
        stride, seen = self._stride / math.sqrt(1.0 + self.passes / _LASTS), 1.0 - _FADE**self.passes
        of_shares, of_rent, count = self._ways
        of_shares = _KEPT * of_shares + (1.0 - _KEPT) * load / np.sqrt(self._square / seen + _SMALL**2)
        of_rent = _KEPT * of_rent + (1.0 - _KEPT) * held
        self._ways = of_shares, of_rent, count + 1
        stride /= 1.0 - _KEPT ** (count + 1)
        self._next = _normal(shares * np.exp(_SHARE * stride * of_shares)), rent * np.exp(_RENT * stride * of_rent)


def _normal(shares: Float64) -> Float64:
    """Shares of a whole second."""
    return np.asarray(shares / np.maximum(shares.sum(axis=1), 1e-300)[:, None])
