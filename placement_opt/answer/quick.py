"""The cheapest schedules there are, run only to know how close a bound is to one that exists."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from placement_opt.answer.verdict import Interval
from placement_opt.base.errors import PlacementError
from placement_opt.base.limits import Limits
from placement_opt.base.watch import in_time
from placement_opt.instance.instance import Instance
from placement_opt.play.run import Run
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler

#: Schedulers that cost one pass over the trace, the cheapest first.
QUICK = ("static", "belady", "lru")


def quick_run(instance: Instance, lower_s: float, *, limits: Limits | None = None) -> Run | None:
    """The best of :data:`QUICK`, one after the other until one is close enough to a bound for policies to be judged by it.

    None where all of them failed or the limits came first; that says nothing of whether any schedule exists.
    """
    limits, best = limits or Limits(), None
    for spec in QUICK:
        with suppress(PlacementError):
            run = in_time(spec, partial(simulate, instance, make_scheduler(spec), limits=limits), limits)
            best = run if best is None or run.cost_s < best.cost_s else best
        if limits.reached or (best is not None and not Interval(lower_s, best.cost_s).weak):
            break
    return best
