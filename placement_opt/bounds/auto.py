"""``auto``: the tightest bound that an instance's size allows in the time there is, and why that one.

It climbs: the roofline first, which costs nothing, then the methods of :func:`plan`, each only if it is expected to finish.
The best number proven on the way is what comes back, whichever method gave it and however the climb ended.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from placement_opt.bounds import METHODS
from placement_opt.bounds.result import Bound, Status
from placement_opt.errors import InputError, LimitError
from placement_opt.instance import Instance
from placement_opt.limits import Limits
from placement_opt.units import format_seconds

#: Seconds where the caller sets no deadline.
BUDGET_S = 60.0
#: Whole blocks are decided one by one up to this many (block, state, tier) triples.
MILP_TRIPLES = 2_000


@dataclass(frozen=True)
class Plan:
    """The methods to climb after the roofline, in order, and why no further: ``reason`` reads after "<method>: "."""

    methods: tuple[str, ...]
    reason: str


def expected_s(method: str, instance: Instance) -> float:
    """Seconds that a method is expected to take, from sizes alone; infinite where it is not defined for the instance.

    Measured on two cores with drifting traces: a guide for choosing, not a promise.
    """
    reads, tiers = float(max(1, instance.trace.num_reads)), instance.num_tiers
    if method == "compact":
        return 2.0 * math.pow(reads / 1e6, 1.1) if tiers == 2 else math.inf
    if method == "flow":
        return 20.0 * math.pow(reads / 1e5, 1.2) if tiers == 2 and len(np.unique(instance.size)) == 1 else math.inf
    if method == "step":
        return 1e-3 * instance.num_steps + 2.0 * tiers * reads / 1e6
    if method == "step-integer":
        return 1e-2 * instance.num_steps + 2.0 * tiers * reads / 1e4
    if method == "lp":
        return 60.0 * math.pow(reads * math.pow(4.0, max(0, tiers - 2)) / 1e5, 1.5)
    if method == "milp":
        triples = instance.num_blocks * (instance.num_steps + 1) * tiers
        return 5.0 * triples / MILP_TRIPLES if triples <= MILP_TRIPLES else math.inf
    return 0.0


def affordable(instance: Instance, seconds: float) -> tuple[str, ...]:
    """The methods that are defined for an instance and expected to take no more than some seconds each."""
    return tuple(method for method in METHODS if expected_s(method, instance) <= seconds)


def plan(instance: Instance, seconds: float) -> Plan:
    """What to try on an instance of this size with this much time."""
    sizes = f"{instance.trace.num_reads:,} reads, {instance.num_tiers} tier{'s' if instance.num_tiers > 1 else ''}"
    if expected_s("milp", instance) <= seconds:
        return Plan(("milp",), f"small enough to decide every block ({sizes})")
    quick = "compact" if instance.num_tiers == 2 else "step"
    exact = expected_s("lp", instance)
    if exact <= seconds:
        # What comes quickly is proven before the long solve begins.
        return Plan(("lp",) if exact < 2.0 else (quick, "lp"), f"the exact LP should fit into {seconds:.4g} s ({sizes})")
    if expected_s(quick, instance) <= seconds:
        return Plan((quick,), f"the exact LP would take longer than {seconds:.4g} s ({sizes})")
    return Plan((), f"anything tighter would take longer than {seconds:.4g} s ({sizes})")


def bound(
    instance: Instance,
    *,
    limits: Limits | None = None,
    report: Callable[[str], None] | None = None,
) -> Bound:
    """The best lower bound proven within the limits (a minute where there is no deadline).

    ``method`` of the result is the method that gave it; ``note`` says why it was chosen and what else was tried; ``report``
    is called with a line of text before each method and after it.
    """
    started = time.monotonic()
    limits = limits or Limits()
    if math.isinf(limits.remaining):
        limits = limits.within(BUDGET_S)
    tell = report or _silent
    chosen = plan(instance, round(limits.remaining, 1))
    best = METHODS["roofline"](instance, limits=limits)
    trouble: list[str] = []
    last = best
    for method in chosen.methods:
        if limits.reached:
            trouble.append(f"{method} was not begun")
            break
        tell(f"{method} begun; proven so far {format_seconds(best.lower_bound_s or 0.0)} by {best.method}")
        try:
            last = METHODS[method](instance, limits=limits)
        except (InputError, LimitError) as error:
            trouble.append(f"{method} does not apply: {error}")
            continue
        if (last.lower_bound_s or 0.0) >= (best.lower_bound_s or 0.0):
            best = last
        elif last.status in (Status.LIMIT, Status.INTERRUPTED, Status.NONE):
            trouble.append(f"{method} ended early without a better bound")
    return replace(
        best,
        status=_status(best, limits, complete=last.status is not Status.LIMIT and not trouble),
        solve_s=time.monotonic() - started,
        note=_note(best, chosen, trouble),
    )


def _status(best: Bound, limits: Limits, *, complete: bool) -> Status:
    if best.status is Status.NONE:
        return best.status
    if limits.interrupted:
        return Status.INTERRUPTED
    return best.status if complete else Status.LIMIT


def _note(best: Bound, chosen: Plan, trouble: list[str]) -> str:
    parts = [f"auto took {best.method}: {chosen.reason}", *trouble]
    return "; ".join(part for part in (*parts, best.note) if part)


def _silent(_: str) -> None:
    return
