"""``auto``: the tightest bound that an instance's size allows in the time there is, and why that one.

It climbs: the roofline first, which costs nothing, then the methods of :func:`plan`, each only if it is expected to finish.
The best number proven on the way is what comes back, whichever method gave it and however the climb ended. Where the caller
sets no deadline, no clock is looked at: counted work ends the climb, and the answer is the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from placement_opt.base import clock
from placement_opt.base.errors import PlacementError
from placement_opt.base.limits import Limits
from placement_opt.base.units import format_seconds
from placement_opt.base.watch import run_watched
from placement_opt.bounds import METHODS
from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.dual.tracked import tracked_sets
from placement_opt.bounds.lp import EVERY_STEP
from placement_opt.bounds.result import Bound, Status
from placement_opt.instance.instance import Instance

#: Where the caller sets no deadline: seconds for which methods are chosen, and solver work, in (iteration, matrix entry) pairs,
#: that ends them, about as long; a third of it is for whole blocks.
BUDGET_S, WORK = 60.0, 15e9
#: Whole blocks are decided one by one up to this many (block, state, tier) triples.
MILP_TRIPLES = 2_000
#: Passes that prices on few intervals take, about.
_PASSES = 150
#: Of two values no further apart than this, relatively, the later method's is taken: it says more of itself.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Plan:
    """The methods to climb after the roofline, in order, and why no further: ``reason`` reads after "<method>: "."""

    methods: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Size:
    """What the cost of the methods depends on.

    Attributes
    ----------
    steps, tiers, sets
        T, K, and the number of tier sets in which a block may lie.
    reads, states
        Reads, and (block, state) pairs, with identical blocks counted once.
    triples
        (block, state, tier), every block counted.
    equal
        Whether all blocks have one size.
    hard
        Whether programs are slow and prices on few intervals strong: anything but two inclusive tiers, and requests.
    """

    steps: int
    tiers: int
    sets: int
    reads: int
    states: int
    triples: int
    equal: bool
    hard: bool

    @classmethod
    def of(cls, instance: Instance) -> Size:
        classes = classify(instance)
        return cls(
            steps=instance.num_steps,
            tiers=instance.num_tiers,
            sets=len(tracked_sets(instance).masks),
            reads=len(classes.step),
            states=int((classes.last - classes.first + 1).sum()),
            triples=instance.num_tiers * int((instance.last_state - instance.first_state + 1).sum()),
            equal=bool((instance.size == instance.size[0]).all()),
            hard=instance.num_tiers > 2 or not instance.inclusive or instance.trace.step_token is None,
        )


def expected_s(method: str, size: Size) -> float:
    """Seconds that a method is expected to take; infinite where it is not defined or hopeless.

    Fitted to measurements on two cores, drifting traces and request traces: a guide for choosing, not a promise.
    """
    two, reads = size.tiers == 2, size.reads
    if method == "roofline":
        return 0.0
    if method == "step":
        return 1e-3 * size.steps + 1e-6 * size.tiers * reads
    if method == "step-integer":
        return 1e-2 * size.steps + 1e-4 * size.tiers * reads
    if method == "intervals":
        return _PASSES * 2e-8 * size.reads * size.sets**2 + 0.3
    if method == "compact":
        return (2.5e-5 if two else 1e-5) * reads + 1e-3 * size.steps
    if method == "flow":
        return 30.0 * math.pow(reads / 1e5, 1.8) if two and size.equal else math.inf
    if method == "milp":
        return 5.0 * size.triples / MILP_TRIPLES if size.triples <= MILP_TRIPLES else math.inf
    if size.states <= EVERY_STEP:
        return 15.0 * math.pow(size.states * size.sets * max(1, size.tiers - 1) / 3e4, 1.5)
    if two:
        return 20.0 * math.pow(reads / 1e5, 2.5)
    return 20.0 * math.pow(reads * math.pow(4.0, size.tiers - 2) / 2e4, 1.5)


def expected_bytes(method: str, size: Size) -> int:
    """Bytes that a method is expected to take beside the instance; measured like the seconds."""
    each = {"compact": 600, "lp": 12_000, "milp": 12_000, "flow": 600}.get(method, 0)
    return each * size.reads * max(1, size.tiers - 1)


def affordable(instance: Instance, seconds: float) -> tuple[str, ...]:
    """The methods that are defined for an instance and expected to take no more than some seconds each."""
    size = Size.of(instance)
    defined = [method for method in METHODS if method != "flow" or instance.timed]
    return tuple(method for method in defined if expected_s(method, size) <= seconds)


def plan(size: Size, seconds: float) -> Plan:
    """What to try on an instance of this size in this time: first what comes quickly, then the exact LP if it should fit.

    Where programs are slow (:attr:`Size.hard`), prices on few intervals of time come before any of them.
    """
    chosen = _programs(size, seconds)
    return replace(chosen, methods=("intervals", *chosen.methods)) if size.hard else chosen


def _programs(size: Size, seconds: float) -> Plan:
    text = f"{size.reads:,} reads once equal blocks are merged, {size.tiers} tier{'s' if size.tiers > 1 else ''}"
    quick = "compact" if size.tiers > 1 else "step"
    if expected_s("milp", size) <= seconds:
        return Plan((quick, "milp"), f"small enough to decide every block ({text})")
    if expected_s(quick, size) > seconds:
        return Plan((), f"anything tighter would take longer than {seconds:.4g} s ({text})")
    if expected_s("lp", size) > seconds:
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
    chosen = plan(Size.of(instance), seconds)
    best = METHODS["roofline"](instance, limits=limits)
    trouble: list[str] = []
    remarks: list[str] = []
    last = best
    for method in chosen.methods:
        if limits.reached:
            trouble.append(f"{method} was not begun")
            break
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
