"""The roofline: every step splits its reads over all tiers as if each held everything; no residency, capacity or migration.

A step's least time is then the maximum, over resource prices rho with ``sum_r B_r rho = 1``, of what it loads at those prices:
fixed loads, the bytes read times the cheapest of all operations that serve, from whichever tier or from none, the bytes
produced times the cheapest write (inclusive: the write home; cache: none); by kinds of blocks where not bytes alone count.
A finite list of extreme prices, the same for all steps, attains it (:class:`placement_opt.memory.split.timing.StepTimer`): the
"best case" of arXiv 2508.13231, for any number of tiers and residency rules.
"""

from __future__ import annotations

import numpy as np

from placement_opt.base import clock
from placement_opt.base.arrays import Flags, Float64
from placement_opt.base.cost import Cost, costs, once
from placement_opt.base.limits import Limits
from placement_opt.bounds.dual.evaluate import legal_at
from placement_opt.bounds.programs.step_data import Steps, prove, read_steps, safe_sum
from placement_opt.bounds.result import Bound, Prices, Status
from placement_opt.bounds.size import Size
from placement_opt.bounds.weighed import weighed
from placement_opt.instance.instance import Instance
from placement_opt.memory.split.timing import StepTimer

_RESTS_ON = "weak duality at the extreme resource prices of each step, rounding subtracted; no solver"


def free_timer(instance: Instance) -> StepTimer:
    """Times steps whose reads any operation may serve and, in further patterns where births have a choice, written to any tier.

    The patterns are reads kind by kind, then births kind by kind.
    """
    serve, store = instance.loads.serve, instance.loads.store
    reads = _each(instance.loads.applies)
    if instance.inclusive or instance.forgets:
        return StepTimer(instance.memory, reads, serve.reshape(-1, instance.num_resources))
    # a write to any tier is to the prices what a read from any tier is: more patterns over more ways
    ways = np.concatenate([serve.reshape(-1, instance.num_resources), store.reshape(-1, instance.num_resources)])
    births = [pattern << len(ways) - store.shape[0] * store.shape[1] for pattern in _each(np.ones(store.shape[:2], dtype=bool))]
    return StepTimer(instance.memory, [*reads, *births], ways)


def _each(applies: Flags) -> list[int]:
    """For each kind of bool[C, W] the pattern of those of its W ways that apply to it, kinds one after the other."""
    ways = applies.shape[1]
    return [sum(1 << kind * ways + w for w in np.flatnonzero(row).tolist()) for kind, row in enumerate(applies)]


def free_bytes(steps: Steps, reads: Float64) -> Float64:
    """float64[T, P]: what :func:`free_timer` is to time, for ``reads`` float64[T, C] amounts that may be served in any way."""
    if steps.inclusive or steps.residency == "cache":
        return reads
    return np.concatenate([reads, steps.births.astype(np.float64)], axis=1)


def roofline_prices(instance: Instance, steps: Steps, timer: StepTimer) -> Prices:
    """Legal prices (rents zero) at which :func:`prove` gives the roofline of every step."""
    rho = timer.prices(free_bytes(steps, steps.served), steps.base)
    prices = legal_at(instance.memory.rates, Prices(rho, np.zeros((len(steps) + 1, steps.num_tiers))))
    # where the floor is higher than any price shows, it is what counts
    prices.rho[prove(steps, prices) < steps.floor] = 0.0
    return prices


def roofline_times(steps: Steps, timer: StepTimer) -> Float64:
    """float64[T]: the roofline of every step in seconds, to float accuracy."""
    return np.maximum(steps.floor, timer.times(free_bytes(steps, steps.served), steps.base))


@costs(
    Cost[Size](
        "roofline",
        {"per_step": lambda size: size.steps, "per_read": lambda size: size.all_reads},
        {"once": once, "per_read": lambda size: size.all_reads},
    )
)
def bound(instance: Instance, *, limits: Limits | None = None) -> Bound:
    """The roofline, a lower bound on the time (or objective) of every schedule; ``prices`` are valid multipliers, no rents.

    It takes no time worth limiting; ``limits`` is there because every method has it, and a stop request is passed on.
    """
    began = clock.now()
    steps, timer = read_steps(instance), free_timer(instance)
    prices = roofline_prices(instance, steps, timer)
    step_s = np.maximum(prove(steps, prices), 0.0)
    found = Bound(
        method="roofline",
        status=Status.INTERRUPTED if limits is not None and limits.interrupted else Status.OPTIMAL,
        lower_bound_s=safe_sum(step_s),
        solve_s=clock.now() - began,
        rests_on=_RESTS_ON,
        value_s=float(roofline_times(steps, timer).sum()),
        step_s=step_s,
        prices=prices,
        details={"steps": len(steps)},
    )
    return weighed(instance, found)
