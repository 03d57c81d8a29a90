"""Bounds on time alone as bounds on whatever an instance minimises."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from placement_opt.bounds.dual.evaluate import evaluate
from placement_opt.bounds.result import Bound, Prices, Status
from placement_opt.instance.instance import Instance

_WEIGHED = "; weighed as the objective weighs time, with what every block's cheapest path adds to it besides"


def weighed(instance: Instance, bound: Bound) -> Bound:
    """A bound on the time of every schedule, with its prices, as one on the objective.

    Budgets only leave fewer schedules: nothing is charged for them. Where more than time is weighed, the prices of a second are
    scaled to its weight, and the dual at them counts the rest too.
    """
    if instance.timed or bound.prices is None or bound.lower_bound_s is None:
        return bound
    free = np.zeros(len(instance.budgets))
    if instance.objective.plain:
        return replace(bound, prices=replace(bound.prices, mu=free))
    weight = float(instance.objective.time)
    dual = evaluate(instance, Prices(bound.prices.rho * weight, bound.prices.rent * weight, free))
    at_least = max(0.0, math.nextafter(math.nextafter(weight, 0.0) * bound.lower_bound_s, -math.inf))
    return replace(
        bound,
        status=Status.BOUND if bound.status is Status.OPTIMAL else bound.status,
        lower_bound_s=max(dual.value_s, at_least),
        rests_on=bound.rests_on + _WEIGHED,
        value_s=None,
        prices=dual.prices,
    )
