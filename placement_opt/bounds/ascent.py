"""Raising the dual value: better prices from any prices.

D is concave but made of kinks. It is climbed through the softened dual (:mod:`placement_opt.bounds.dual_slopes`), which lies
below it and is smooth, while the softening shrinks (:mod:`placement_opt.bounds.ascent_climb`). From far away, and where a pass
takes long, a sample of the blocks is climbed first.

Every improvement is proven by :func:`placement_opt.bounds.dual.evaluate` before it counts; nothing else here has to be right.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from placement_opt.bounds.ascent_climb import Climb
from placement_opt.bounds.classes import Classes, classify
from placement_opt.bounds.dual import DualValue, evaluate
from placement_opt.bounds.dual_futures import merge_futures
from placement_opt.bounds.result import Prices
from placement_opt.bounds.sample import sample_prices
from placement_opt.bounds.shares import Backend
from placement_opt.errors import LimitError
from placement_opt.instance import Instance
from placement_opt.limits import Limits

#: Softening takes this share of the value away at first, where nobody says how much there is to gain.
_GUESS = 0.03
_LEAST_REACH = 0.01
#: Where there is more than this to gain, or where prices know of no capacity yet, it begins as coarse as is of use.
_FAR = 0.1
#: With more futures than this a sample of about so many is climbed before, then.
_MANY, _SAMPLE = 100_000, 25_000


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
        Where proofs are made (:mod:`placement_opt.bounds.shares`); without one, here.

    Returns
    -------
    DualValue
        The best found, as :func:`placement_opt.bounds.dual.evaluate` proves it.
    """
    limits = limits or Limits()
    classes = classes or classify(instance)

    def prove(prices: Prices, limits: Limits | None = None) -> DualValue:
        if backend is None:
            return evaluate(instance, prices, classes)
        return backend.evaluate(instance, prices, classes, limits=limits)

    best = prove(prices)
    if limits.reached or best.value_s >= enough:
        return best

    def again(prices: Prices) -> DualValue:
        try:
            return prove(prices, limits)
        except LimitError:
            return best

    climb = Climb(instance, merge_futures(classes), best, again, limits=limits, enough=enough, improved=improved)
    if best.value_s <= 0.0:
        climb.offer(_even_prices(instance))
    reach = _GUESS if math.isinf(enough) else enough / max(climb.best.value_s, 1e-300) - 1.0
    if reach > _FAR or not climb.best.prices.rent.any():
        reach = math.inf
    if math.isinf(reach) and len(climb.futures) > _MANY and not climb.over:
        share = _SAMPLE / len(climb.futures)
        within = limits if math.isinf(limits.remaining) else limits.within(0.4 * limits.remaining)
        climb.offer(sample_prices(instance, share=share, start=climb.best.prices, classes=classes, limits=within))
        reach = _LEAST_REACH
    while not climb.over and climb.best.value_s > 0.0:
        before = climb.best.value_s
        climb.run(max(reach, _LEAST_REACH))
        if climb.best.value_s / before - 1.0 < 0.1 * min(reach, _FAR):
            break
        # it was further than thought, and a path begun too fine ends too low
        reach = math.inf if reach > _FAR else 10.0 * reach
    return climb.best


def _even_prices(instance: Instance) -> Prices:
    rates = instance.memory.rates.astype(np.float64)
    rho = np.tile(1.0 / (len(rates) * rates), (instance.num_steps, 1))
    return Prices(rho, np.zeros((instance.num_steps + 1, instance.num_tiers)))
