"""A bound beside the roofline of its instance and the best schedule known: the interval that holds the optimum.

What is said of policies is said of that interval (:mod:`placement_opt.answer.verdict`), so every way of bounding here ends by
finding out how wide it is: by the schedules that the caller has run, by a few cheap ones, or by the ladder.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from placement_opt.answer.binding import Binding, binding
from placement_opt.answer.quick import quick_run
from placement_opt.answer.standing import State
from placement_opt.answer.verdict import TOLERANCE, Interval
from placement_opt.base import clock
from placement_opt.base.backend import Backend
from placement_opt.base.errors import LimitError
from placement_opt.base.limits import Limits
from placement_opt.base.watch import LeftBehind, run_watched
from placement_opt.bounds import METHODS, turns
from placement_opt.bounds.bound import bound as lower_bound
from placement_opt.bounds.result import Bound, Status
from placement_opt.instance.budgets import objective_text
from placement_opt.instance.instance import Instance
from placement_opt.instance.layered import Layered
from placement_opt.instance.packing import packing_known
from placement_opt.instance.stacked import AnyQuestion, Large
from placement_opt.layered.solve import roofline_bound
from placement_opt.workload.unread import Unread, unread

if TYPE_CHECKING:
    from placement_opt.answer.answer import Answer

#: Bounds that differ by no more than this, relatively, are the same: two sums of the same numbers.
ROUNDING = 1e-12
#: Where reads are no rows both sides are raised until they are so near: policies are judged to a tenth, and the rest takes
#: many times as long.
NEAR = 5e-3
#: Seconds for cheap schedules, or as long as the bound took where that is longer.
QUICK_S = 10.0


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
        No policy produces more; None where more than time is minimised.
    packable
        Whether schedules exist: True, False (proven that none does) or None (not known).
    unread
        What the trace keeps for nobody; None where blocks may be forgotten (rule "cache") and in runs, where nobody looks.
    best_s, best_from
        What the best schedule known takes, and which it is; None and "" while none is known.
    objective
        What is minimised, in words: "time", or what all numbers here but rates are seconds of.
    binds
        What binds at the prices of the bound, or in that schedule where the bound has no prices.
    assumptions
        What is assumed of the memory system, which all of this rests on.
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
    best_s: float | None = None
    best_from: str = ""
    binds: tuple[Binding, ...] = ()
    objective: str = "time"
    assumptions: tuple[str, ...] = ()

    @property
    def interval(self) -> Interval:
        """Where the optimum lies; from the roofline on where the bound proved nothing or less."""
        return Interval(max(self.bound.lower_bound_s or 0.0, self.roofline_s or 0.0), self.best_s or math.inf)

    def with_bound(self, bound: Bound) -> Proof:
        """The same instance with another bound."""
        value, roofline = bound.lower_bound_s, self.roofline_s
        unavoidable = None if value is None or roofline is None else _difference(value, roofline)
        most = _rate(self.tokens, value) if self.objective == "time" else None
        return replace(self, bound=bound, unavoidable_s=unavoidable, most_tokens_per_s=most)

    def with_schedule(self, source: str, latency_s: float) -> Proof:
        """The same knowing a schedule, if it is better than the one known so far; with it is known that schedules exist."""
        if self.best_s is not None and self.best_s <= latency_s:
            return self
        return replace(self, best_s=latency_s, best_from=source, packable=self.packable is not False)


def prove(
    instance: AnyQuestion,
    method: str = "auto",
    *,
    limits: Limits | None = None,
    report: Callable[[str], None] | None = None,
    backend: Backend | None = None,
) -> Proof:
    """The bound by one method (or "auto") and the roofline; errors as :func:`placement_opt.bounds.bound.bound`.

    In runs "auto" is the ladder, which finds a schedule, too, its layers worked on on the ``backend``. A method that does not
    stop when it should is left behind and has proven nothing ("auto" sees to that itself); where a method proves less than the
    roofline, that stands.
    """
    limits = limits or Limits()
    if not isinstance(instance, Instance):
        return _prove_in_runs(instance, method, limits, backend)
    began = clock.now()
    work = partial(lower_bound, instance, method, limits=limits, report=report)
    try:
        found = work() if method == "auto" else run_watched(work, limits, grace=2.0)
    except LeftBehind as late:
        status = Status.INTERRUPTED if limits.interrupted else Status.LIMIT
        found = Bound(method, status, None, clock.now() - began, "", f"{method}: {late}")
    return proof_of(instance, found)


def check_method(question: object, method: str) -> None:
    """LimitError for a method that needs rows, of a question that is in another form."""
    if isinstance(question, Large) and method not in ("auto", "roofline"):
        raise LimitError(f"{question.why}; {method} needs the reads as rows".removeprefix("; "))


def _prove_in_runs(question: Large, method: str, limits: Limits, backend: Backend | None) -> Proof:
    """The roofline, or what the ladder finds of both sides."""
    from placement_opt.answer.answer import answer

    check_method(question, method)
    if method == "roofline":
        return proof_of(question, roofline_of(question))
    return proof_of_answer(answer(question, gap=NEAR, limits=limits, backend=backend))


def proof_of_answer(found: Answer) -> Proof:
    """What the ladder found of both sides."""
    early = {"limit reached": Status.LIMIT, "interrupted": Status.INTERRUPTED}
    bound = replace(found.bound, status=early.get(found.outcome, found.bound.status), solve_s=found.solve_s)
    proof = proof_of(found.instance, replace(bound, note="; ".join(part for part in (bound.note, *found.notes) if part)))
    return proof if found.latency_s is None else proof.with_schedule(found.state.schedule_from, found.latency_s)


def prove_until(
    instance: AnyQuestion, enough_s: float, *, limits: Limits | None = None, backend: Backend | None = None
) -> Proof:
    """A bound raised by the ladder of :mod:`placement_opt.answer.answer` until it reaches some seconds, or the limits."""
    from placement_opt.answer.answer import raise_bound

    return proof_of(instance, raise_bound(instance, enough_s, limits=limits, backend=backend))


def prove_known(
    instance: AnyQuestion,
    method: str,
    *,
    limits: Limits,
    report: Callable[[str], None] | None = None,
    backend: Backend | None = None,
) -> Proof:
    """As :func:`prove`, beside the best of a few cheap schedules: a tenth of the time is kept for them."""
    within = limits.within(0.9 * limits.remaining)
    return with_quick(prove(instance, method, limits=within, report=report, backend=backend), instance, limits)


def with_quick(proof: Proof, instance: AnyQuestion, limits: Limits) -> Proof:
    """The same knowing the best of a few cheap schedules, for which half of the time left is taken at most; none in runs."""
    if not isinstance(instance, Instance):
        return proof
    seconds = min(max(QUICK_S, proof.bound.solve_s), limits.remaining / 2)
    run = quick_run(instance, proof.interval.lower_s, limits=limits.within(seconds))
    if run is None:
        return proof
    known = proof.with_schedule(run.scheduler, run.cost_s)
    return known if known.binds else replace(known, binds=binding(instance, run.prices))


def prove_judging(
    instance: AnyQuestion,
    method: str,
    known: tuple[str, float] | None = None,
    *,
    limits: Limits | None = None,
    backend: Backend | None = None,
) -> Proof:
    """A bound that policies can be judged by, as far as the limits allow (a minute where "auto" has no deadline).

    Parameters
    ----------
    method
        A method stands as it is. "auto" goes on with the ladder, for which half of the time is kept, where its bound leaves an
        interval for the optimum that is too wide (:data:`placement_opt.answer.verdict.TOLERANCE`).
    known
        A schedule, by its name and its seconds.
    limits
        Deadline and stop request.
    backend
        Where layers are worked on, in runs and layer by layer.
    """
    from placement_opt.answer.answer import BUDGET_S

    limits = limits or Limits()
    if not isinstance(instance, Instance):
        proof = prove(instance, method, limits=limits, backend=backend)
        return proof if known is None else proof.with_schedule(*known)
    half = method == "auto" and math.isfinite(limits.remaining)  # without a deadline counted work ends it
    proof = prove(instance, method, limits=limits.within(limits.remaining / 2) if half else limits)
    if method == "auto" and not half:
        limits = limits.within(BUDGET_S)
    proof = proof if known is None else proof.with_schedule(*known)
    if proof.interval.weak and not limits.reached:
        proof = with_quick(proof, instance, limits)
    if proof.interval.weak and not limits.reached and method == "auto":
        proof = _climb(proof, instance, limits)
    return proof


def _climb(proof: Proof, instance: Instance, limits: Limits) -> Proof:
    """Both sides by the ladder, from the proof's prices, until policies can be judged or the limits end it."""
    from placement_opt.answer.answer import answer

    began, inner, known = clock.now(), Limits(limits.remaining, limits.memory), proof.interval

    def look(state: State) -> None:
        latency = math.inf if state.latency_s is None else state.latency_s
        if limits.interrupted or not Interval(max(known.lower_s, state.lower_s), min(known.best_s, latency)).weak:
            inner.interrupt()

    found = answer(instance, gap=TOLERANCE, warm=proof.bound.prices, limits=inner, look=look)
    if found.bound.lower_bound_s is not None and found.bound.lower_bound_s > known.lower_s * (1.0 + ROUNDING):
        note = "; ".join(part for part in (proof.bound.note, "raised by the ladder", found.bound.note) if part)
        seconds = proof.bound.solve_s + clock.now() - began
        raised = proof_of(instance, replace(found.bound, note=note, solve_s=seconds))
        proof = replace(raised, best_s=proof.best_s, best_from=proof.best_from)
    if found.latency_s is not None:
        proof = proof.with_schedule(found.state.schedule_from, found.latency_s)
    if proof.interval.weak and limits.reached:
        early = Status.INTERRUPTED if limits.interrupted else Status.LIMIT
        proof = replace(proof, bound=replace(proof.bound, status=early))
    return proof


def proof_of(instance: AnyQuestion, found: Bound) -> Proof:
    """A bound beside the roofline of its instance, and standing on it."""
    line = found if found.method == "roofline" else roofline_of(instance)
    bound, labels = standing_on(line, found), instance.tokens
    value, roofline = bound.lower_bound_s, line.lower_bound_s
    tokens = instance.num_steps if labels is None else labels
    return Proof(
        instance=instance.name,
        hash=instance.hash,
        bound=bound,
        roofline_s=roofline,
        unavoidable_s=None if value is None or roofline is None else _difference(value, roofline),
        tokens=tokens,
        counts="steps" if labels is None else "tokens",
        most_tokens_per_s=_rate(tokens, value) if instance.objective.plain else None,
        packable=packing_known(instance) if isinstance(instance, Instance) else True,
        unread=unread(instance.trace) if isinstance(instance, Instance) and not instance.forgets else None,
        binds=() if bound.prices is None or bound.status is Status.INFEASIBLE else binding(instance, bound.prices.rho),
        objective=objective_text(instance.memory.meters, instance.objective),
        assumptions=instance.memory.assumptions,
    )


def roofline_of(instance: AnyQuestion) -> Bound:
    """The roofline, in rows or in runs."""
    if isinstance(instance, Instance):
        return METHODS["roofline"](instance)
    return roofline_bound(instance) if isinstance(instance, Layered) else turns.roofline(instance)


def standing_on(roofline: Bound, found: Bound) -> Bound:
    """What a method found, or the roofline where that is less: whatever ended the method, the roofline is proven."""
    value, least = found.lower_bound_s, roofline.lower_bound_s
    if found.status is Status.INFEASIBLE or least is None or (value is not None and _difference(value, least) >= 0.0):
        return found
    said = "proved nothing" if value is None else f"proved only {value:.7g} s"
    note = "; ".join(part for part in (f"{found.method} {said}, so the roofline stands", found.note) if part)
    early = found.status in (Status.LIMIT, Status.INTERRUPTED)
    return replace(roofline, status=found.status if early else Status.BOUND, solve_s=found.solve_s, note=note)


def unproven(instance: str, digest: str, method: str, why: str) -> Proof:
    """What stands for the proof of an instance of which nothing is known, not even the roofline; ``why``, in words."""
    return Proof(
        instance=instance,
        hash=digest,
        bound=Bound(method, Status.NONE, None, 0.0, "", why),
        roofline_s=None,
        unavoidable_s=None,
        tokens=0,
        counts="steps",
        most_tokens_per_s=None,
    )


def _difference(value: float, roofline: float) -> float:
    return 0.0 if abs(value - roofline) <= ROUNDING * roofline else value - roofline


def _rate(tokens: int, seconds: float | None) -> float | None:
    return tokens / seconds if seconds else None
