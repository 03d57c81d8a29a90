"""``auto``: the tightest bound that an instance's size allows in the time there is, and why that one.

It climbs: the roofline first, which costs next to nothing, then the methods of :func:`plan`, each only if its cost, declared
beside it, fits into the time and the memory that there is.
The best number proven on the way is what comes back, whichever method gave it and however the climb ended. Where the caller
sets no deadline, no clock is looked at: counted work ends the climb, and the answer is the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from placement_opt.base import clock, room
from placement_opt.base.errors import PlacementError
from placement_opt.base.limits import Limits
from placement_opt.base.units import format_seconds
from placement_opt.base.watch import run_watched
from placement_opt.bounds import METHODS
from placement_opt.bounds.result import Bound, Status
from placement_opt.bounds.size import Size
from placement_opt.instance.instance import Instance

#: Where the caller sets no deadline: seconds for which methods are chosen, and solver work, in (iteration, matrix entry) pairs,
#: that ends them, about as long; a third of it is for whole blocks.
BUDGET_S, WORK = 60.0, 15e9
#: Of two values no further apart than this, relatively, the later method's is taken: it says more of itself.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Plan:
    """The methods to climb after the roofline, in order, and why no further: ``reason`` reads after "<method>: "."""

    methods: tuple[str, ...]
    reason: str


def affordable(instance: Instance, seconds: float) -> tuple[str, ...]:
    """The methods that are defined for an instance and expected to take no more than some seconds each."""
    size = Size.of(instance)
    defined = {name: method for name, method in METHODS.items() if name != "flow" or instance.timed}
    return tuple(name for name, method in defined.items() if method.cost.expected_s(size) <= seconds)


def plan(size: Size, seconds: float) -> Plan:
    """What to try on an instance of this size in this time: first what comes quickly, then the exact LP if it should fit.

    Where programs are slow (:attr:`Size.hard`), prices on few intervals of time come before any of them.
    """
    chosen = _programs(size, seconds)
    return replace(chosen, methods=("intervals", *chosen.methods)) if size.hard else chosen


def _programs(size: Size, seconds: float) -> Plan:
    text = f"{size.reads:,} reads once equal blocks are merged, {size.tiers} tier{'s' if size.tiers > 1 else ''}"
    quick = "compact" if size.tiers > 1 else "step"
    if METHODS["milp"].cost.expected_s(size) <= seconds:
        return Plan((quick, "milp"), f"small enough to decide every block ({text})")
    if METHODS[quick].cost.expected_s(size) > seconds:
        if METHODS["step"].cost.expected_s(size) <= seconds:
            return Plan(("step",), f"anything tighter would take longer than {seconds:.4g} s ({text})")
        return Plan((), f"anything tighter would take longer than {seconds:.4g} s ({text})")
    if METHODS["lp"].cost.expected_s(size) > seconds:
        return Plan((quick,), f"the exact LP would take longer than {seconds:.4g} s ({text})")
    return Plan((quick, "lp"), f"the exact LP should fit into {seconds:.4g} s ({text})")


def bound(
    instance: Instance,
    *,
    limits: Limits | None = None,
    report: Callable[[str], None] | None = None,
) -> Bound:
    """The best lower bound proven within the limits (:data:`WORK` where there is no deadline).

    ``method`` of the result is the method that gave it; ``note`` says why it was chosen and what else was tried; ``report``
    is called with a line of text before each method and after it.
    """
    started = clock.now()
    limits = limits or Limits()
    seconds = limits.remaining
    if math.isinf(seconds):
        limits, seconds = limits.counted(min(WORK, limits.work_left)), BUDGET_S
    tell = report or _silent
    size = Size.of(instance)
    chosen = plan(size, seconds)
    best = METHODS["roofline"](instance, limits=limits)
    trouble: list[str] = []
    remarks: list[str] = []
    last = best
    for method in chosen.methods:
        if limits.reached:
            trouble.append(f"{method} was not begun")
            break
        needed = METHODS[method].cost.expected_bytes(size)
        if needed > room.SMALL_BYTES and (short := room.shortage(method, needed, limits)):
            trouble.append(f"{method} was not begun ({short})")
            continue
        tell(f"{method} begun; proven so far {format_seconds(best.lower_bound_s or 0.0)} by {best.method}")
        try:
            last = run_watched(partial(METHODS[method], instance, limits=_share(limits, method)), limits, grace=2.0)
        except PlacementError as error:
            trouble.append(f"{method} gave no answer ({error})")
            continue
        if last.status is Status.INFEASIBLE:
            return replace(last, solve_s=clock.now() - started, note=_note(last, chosen, trouble + remarks))
        if (last.lower_bound_s or 0.0) >= (best.lower_bound_s or 0.0) * (1.0 - ROUNDING):
            best = last
        elif last.status in (Status.LIMIT, Status.INTERRUPTED, Status.NONE):
            trouble.append(f"{method} ended early without a better bound")
        else:
            remarks.append(f"{method} proved no more")
    return replace(
        best,
        status=_status(best, limits, complete=last.status is not Status.LIMIT and not trouble),
        solve_s=clock.now() - started,
        note=_note(best, chosen, trouble + remarks),
    )


def _share(limits: Limits, method: str) -> Limits:
    """What one method may take."""
    if method == "intervals" and math.isfinite(limits.remaining):
        return limits.within(limits.remaining / 3)
    return limits.counted(limits.work_left / 3) if method == "milp" and math.isfinite(limits.work_left) else limits


def _status(best: Bound, limits: Limits, *, complete: bool) -> Status:
    if best.status is Status.NONE:
        return best.status
    if limits.interrupted:
        return Status.INTERRUPTED
    return best.status if complete else Status.LIMIT


def _note(best: Bound, chosen: Plan, remarks: list[str]) -> str:
    parts = [f"auto took {best.method}: {chosen.reason}", *remarks]
    return "; ".join(part for part in (*parts, best.note) if part)


def _silent(_: str) -> None:
    return
