"""Raising the dual value: better prices from any prices.

D is concave but made of kinks. It is climbed through the softened dual (:mod:`placement_opt.bounds.dual.slopes`), which lies
below it and is smooth, while the softening shrinks (:mod:`placement_opt.bounds.dual.climb`).

Every improvement is proven by :func:`placement_opt.bounds.dual.evaluate.evaluate` before it counts; nothing else here has to
be right.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from placement_opt.base import clock
from placement_opt.base.backend import Backend
from placement_opt.base.cost import Cost, once
from placement_opt.base.errors import LimitError
from placement_opt.base.limits import Limits
from placement_opt.bounds.dual.classes import Classes, classify
from placement_opt.bounds.dual.climb import Climb
from placement_opt.bounds.dual.evaluate import DualValue, evaluate
from placement_opt.bounds.dual.shares import evaluate_on, futures_on
from placement_opt.bounds.result import Prices
from placement_opt.bounds.size import Size
from placement_opt.instance.instance import Instance

#: Softening takes this share of the value away at first, where nobody says how much there is to gain.
_GUESS = 0.03
_LEAST_REACH = 0.01
#: Where prices know of no capacity yet, or there is time for so many passes, it begins as coarse as is of use, for what begins
#: too fine ends too low; where there is less time, no coarser than this. Without a deadline, or where there is time for
#: ``_SOME`` passes: where there is more to gain.
_MANY, _SOME, _FAR = 500, 150, 0.1


#: Evaluations in which an ascent comes somewhere, and what they take.
PASSES = 20
COST = Cost[Size](
    "ascent",
    {
        "once": once,
        "per_step_and_set": lambda size: size.steps * size.sets,
        "per_read_and_pair_of_sets": lambda size: size.reads * size.sets**2,
    },
    {
        "once": once,
        "per_step_and_pair_of_sets": lambda size: size.steps * size.sets**2,
        "per_read_and_set": lambda size: size.reads * size.sets,
    },
)


class Ascent:
    """Climbs from given prices, each from where the one before ended, while that pays; it goes on where it stopped.

    Parameters are those of :func:`ascend`; ``limits`` are those of all turns together.

    Attributes
    ----------
    best
        The best found, as :func:`placement_opt.bounds.dual.evaluate.evaluate` proves it.
    over
        Whether another turn could not bring more.
    """

    def __init__(
        self,
        instance: Instance,
        prices: Prices,
        *,
        classes: Classes | None = None,
        limits: Limits | None = None,
        enough: float = math.inf,
        improved: Callable[[DualValue], None] | None = None,
        backend: Backend | None = None,
    ) -> None:
        self._instance, self._classes, self._backend = instance, classes or classify(instance), backend
        self._limits, self._improved = limits or Limits(), improved
        self.enough, self.over = enough, False
        self._start = self._prove(prices)
        self._climb: Climb | None = None

    @property
    def best(self) -> DualValue:
        return self._start if self._climb is None else self._climb.best

    def run(self, limits: Limits | None = None, *, patience: Limits | None = None, shown: float = 0.0) -> None:
        """Take a turn; ``patience`` and ``shown`` as in :meth:`placement_opt.bounds.dual.climb.Climb.run`."""
        limits = limits or self._limits
        self.over = self.over or self.best.value_s >= self.enough
        if self.over or limits.reached:
            return
        if self._climb is None:
            self._climb = self._first_climb()
        self._climb.enough = self.enough
        while not (self.over or limits.reached):
            if self._climb.run(limits, patience=patience, shown=shown):
                self._again()

    def _first_climb(self) -> Climb:
        futures = futures_on(self._backend or Backend(), self._instance, self._classes)
        climb = Climb(
            self._instance,
            futures,
            self._start,
            self._prove_in_time,
            limits=self._limits,
            enough=self.enough,
            improved=self._improved,
        )
        if climb.best.value_s <= 0.0:
            climb.offer(_even_prices(self._instance))
        self._reach = _GUESS if math.isinf(self.enough) else self.enough / max(climb.best.value_s, 1e-300) - 1.0
        climb.look(climb.best.prices)
        began = clock.now()
        climb.slopes(climb.best.prices, 1e-6 * climb.space.slowest)
        passes = self._limits.remaining / max(clock.now() - began, 1e-9)
        if not climb.best.prices.rent.any() or (math.isfinite(passes) and passes > _MANY):
            self._reach = math.inf
        elif self._reach > _FAR:
            self._reach = math.inf if passes > _SOME else _FAR
        self._before = climb.best.value_s
        if climb.best.value_s > 0.0:
            climb.begin(max(self._reach, _LEAST_REACH))
        else:
            self.over = True
        return climb

    def _again(self) -> None:
        """Another climb from where the last one ended, if that one was worth it."""
        climb = self._climb
        assert climb is not None
        if climb.over or climb.best.value_s / self._before - 1.0 < 0.1 * min(self._reach, _FAR):
            self.over = True
            return
        # it was further than thought
        self._reach = math.inf if self._reach > _FAR else 10.0 * self._reach
        self._before = climb.best.value_s
        climb.begin(max(self._reach, _LEAST_REACH))

    def _prove(self, prices: Prices, limits: Limits | None = None) -> DualValue:
        if self._backend is None:
            return evaluate(self._instance, prices, self._classes)
        return evaluate_on(self._backend, self._instance, prices, self._classes, limits=limits)

    def _prove_in_time(self, prices: Prices) -> DualValue:
        try:
            return self._prove(prices, self._limits)
        except LimitError:
            return self.best


def ascend(
    instance: Instance,
    prices: Prices,
    *,
    classes: Classes | None = None,
    limits: Limits | None = None,
    enough: float = math.inf,
    improved: Callable[[DualValue], None] | None = None,
    backend: Backend | None = None,
) -> DualValue:
    """Prices with a higher dual value, never a lower one.

    Parameters
    ----------
    prices
        Where to begin; anything.
    classes
        The instance's merged blocks, if at hand.
    limits
        Honoured within the time of an evaluation or two.
    enough
        Seconds at which to stop, for example what a schedule takes: it also tells how far there may be to go.
    improved
        Called with every proven improvement, the start not included.
    backend
        Where proofs, or the passes of the climb, are made (:mod:`placement_opt.bounds.dual.shares`); without one, here.

    Returns
    -------
    DualValue
        The best found, as :func:`placement_opt.bounds.dual.evaluate.evaluate` proves it.
    """
    ascent = Ascent(instance, prices, classes=classes, limits=limits, enough=enough, improved=improved, backend=backend)
    ascent.run()
    return ascent.best


def _even_prices(instance: Instance) -> Prices:
    rates = instance.memory.rates.astype(np.float64)
    rho = np.tile(1.0 / (len(rates) * rates), (instance.num_steps, 1))
    return Prices(rho, np.zeros((instance.num_steps + 1, instance.num_tiers)))
