"""A bound in runs with all that explains it, and again for a question that differs a little: nothing is scheduled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from placement_opt.base import clock
from placement_opt.base.backend import Backend
from placement_opt.base.limits import Limits
from placement_opt.bounds.result import Bound, Status
from placement_opt.instance.layered import Layered
from placement_opt.layered.dual import roofline_prices, roofline_times
from placement_opt.layered.plan import Plan
from placement_opt.layered.prepare import prepare_again
from placement_opt.layered.prices import Knots
from placement_opt.layered.solve import NAME, RESTS_ON, Work, roofline_bound


def roofline_explained(question: Layered) -> Bound:
    """The best case with its prices and the times of the steps."""
    times = [roofline_times(question, layer) for layer in range(question.layers.count)]
    return replace(roofline_bound(question), prices=roofline_prices(question), step_s=np.stack(times, axis=1).ravel())


def solve_again(question: Layered, knots: Knots, *, limits: Limits) -> Bound:
    """The bound of a question much like another one, whose best prices ``knots`` describe; nothing is scheduled."""
    began, last = clock.now(), _Last()
    prepared = prepare_again(question, knots, limits)
    if prepared is not None:
        Work(question, last, limits, Backend(), None).run(prepared)
    early = Status.INTERRUPTED if limits.interrupted else Status.LIMIT
    return last.bound or Bound(NAME, early, None, clock.now() - began, RESTS_ON)


class _Last:
    """Keeps the bound that was offered last."""

    bound: Bound | None = None

    def raise_to(self, bound: Bound, source: str) -> bool:
        del source
        self.bound = bound
        return True

    def lower_to(self, schedule: Plan | None, latency_s: float, source: str) -> bool:
        del schedule, latency_s, source
        return False
