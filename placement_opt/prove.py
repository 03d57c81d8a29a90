"""A bound beside the roofline of its instance: what no policy can avoid, and how much of that the roofline does not see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from placement_opt import clock
from placement_opt.bounds import METHODS
from placement_opt.bounds import bound as lower_bound
from placement_opt.bounds.result import Bound, Status
from placement_opt.instance import Instance
from placement_opt.limits import Limits
from placement_opt.packing import packing_known
from placement_opt.watch import LeftBehind, run_watched
from placement_opt.workload.unread import Unread, unread

#: Bounds that differ by no more than this, relatively, are the same: two sums of the same numbers.
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Proof:
    """What is proven of one instance.

    Attributes
    ----------
    instance, hash
        Which.
    bound
        The lower bound asked for.
    roofline_s
        The roofline of the instance in seconds.
    unavoidable_s
        bound - roofline: what room and movement cost every policy, whatever it does.
    tokens, counts
        Tokens that the instance produces, as the simulator counts them; "tokens", or "steps" where steps carry no tokens.
    most_tokens_per_s
        No policy produces more.
    packable
        Whether schedules exist: True, False (proven that none does) or None (not known).
    unread
        What the trace keeps for nobody.
    """

    instance: str
    hash: str
    bound: Bound
    roofline_s: float | None
    unavoidable_s: float | None
    tokens: int
    counts: str
    most_tokens_per_s: float | None
    packable: bool | None = True
    unread: Unread | None = None

    def with_bound(self, bound: Bound) -> Proof:
        """The same instance with another bound."""
        value, roofline = bound.lower_bound_s, self.roofline_s
        unavoidable = None if value is None or roofline is None else _difference(value, roofline)
        return replace(self, bound=bound, unavoidable_s=unavoidable, most_tokens_per_s=_rate(self.tokens, value))


def prove(
    instance: Instance,
    method: str = "auto",
    *,
    limits: Limits | None = None,
    report: Callable[[str], None] | None = None,
) -> Proof:
    """The bound by one method (or "auto") and the roofline; errors as :func:`placement_opt.bounds.bound`.

    A method that does not stop when it should is left behind and has proven nothing ("auto" sees to that itself); where a
    method proves less than the roofline, that stands.
    """
    limits = limits or Limits()
    began = clock.now()
    work = partial(lower_bound, instance, method, limits=limits, report=report)
    try:
        found = work() if method == "auto" else run_watched(work, limits, grace=2.0)
    except LeftBehind as late:
        status = Status.INTERRUPTED if limits.interrupted else Status.LIMIT
        found = Bound(method, status, None, clock.now() - began, "", f"{method}: {late}")
    return proof_of(instance, found)


def prove_until(instance: Instance, enough_s: float, *, limits: Limits | None = None) -> Proof:
    """A bound raised by the ladder of :mod:`placement_opt.answer` until it reaches some seconds, or the limits."""
    from placement_opt.answer import raise_bound

    return proof_of(instance, raise_bound(instance, enough_s, limits=limits))


def proof_of(instance: Instance, found: Bound) -> Proof:
    """A bound beside the roofline of its instance, and standing on it."""
    roofline = found if found.method == "roofline" else METHODS["roofline"](instance)
    labels = instance.trace.step_token
    tokens = instance.num_steps if labels is None else len(np.unique(labels))
    counts = "steps" if labels is None else "tokens"
    packable, kept = packing_known(instance), unread(instance.trace)
    proof = Proof(instance.name, instance.hash, found, roofline.lower_bound_s, None, tokens, counts, None, packable, kept)
    return proof.with_bound(standing_on(roofline, found))


def standing_on(roofline: Bound, found: Bound) -> Bound:
    """What a method found, or the roofline where that is less: whatever ended the method, the roofline is proven."""
    value, least = found.lower_bound_s, roofline.lower_bound_s
    if least is None or (value is not None and _difference(value, least) >= 0.0):
        return found
    said = "proved nothing" if value is None else f"proved only {value:.7g} s"
    note = "; ".join(part for part in (f"{found.method} {said}, so the roofline stands", found.note) if part)
    early = found.status in (Status.LIMIT, Status.INTERRUPTED)
    return replace(roofline, status=found.status if early else Status.BOUND, solve_s=found.solve_s, note=note)


def unproven(instance: str, digest: str, method: str, why: str) -> Proof:
    """What stands for the proof of an instance of which nothing is known, not even the roofline; ``why``, in words."""
    return Proof(instance, digest, Bound(method, Status.NONE, None, 0.0, "", why), None, None, 0, "steps", None)


def _difference(value: float, roofline: float) -> float:
    return 0.0 if abs(value - roofline) <= ROUNDING * roofline else value - roofline


def _rate(tokens: int, seconds: float | None) -> float | None:
    return tokens / seconds if seconds else None
