"""Both sides of an instance: the proven bound raised and a schedule lowered until they are as close as asked, or a limit comes.

The ladder always has something proven in hand on both sides. First the roofline; then the rungs that raise the bound and those
that find schedules (:data:`placement_opt.answer.rungs.RUNGS`) go their ways beside each other, each side in a thread of its
own, and both look at what the other has. On each side the next turn is for who closes most of the gap a second, as measured
(:mod:`placement_opt.answer.turns`):

* a rung that is done in one turn gets a few times what it should take, so that a wrong guess costs little, and no rung more
  than half of what is left while others wait;
* a rung that has no end takes turns of growing length and goes on where it stopped;
* a rung that would need more memory than there is is passed over.

Of a question in runs one rung is left, the engine that works on them: it goes through every layer once, so it gets as long as
it takes where no deadline is set.

The climb goes on in threads of its own. The caller's thread keeps time: where a rung does not look at its limits, the answer
is what was proven by then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import numpy as np

from placement_opt.answer.climb import climb
from placement_opt.answer.resume import floats_of
from placement_opt.answer.rungs import RUNGS
from placement_opt.answer.standing import Standing, State
from placement_opt.answer.work import Rung, Work, offer_prices
from placement_opt.base import clock
from placement_opt.base.backend import Backend
from placement_opt.base.errors import LimitError
from placement_opt.base.given import check_number
from placement_opt.base.limits import Limits, check_limits
from placement_opt.base.tabular import Record, Tabular
from placement_opt.base.watch import LeftBehind, run_watched
from placement_opt.bounds import METHODS, turns
from placement_opt.bounds.result import Bound, Prices, Status
from placement_opt.certify.claims import AnyVerified
from placement_opt.certify.layered_files import LargeSchedule
from placement_opt.certify.stacked_files import StackedSchedule
from placement_opt.instance.instance import Instance
from placement_opt.instance.layered import Layered
from placement_opt.instance.load import Source, question_at
from placement_opt.instance.stacked import AnyQuestion, Stacked
from placement_opt.layered.kept import KeptLayers
from placement_opt.layered.plan import Plan
from placement_opt.layered.solve import begin, certified_prices
from placement_opt.layered.stacked_plan import StackedPlan
from placement_opt.play.schedule import Schedule

#: Seconds where the caller sets no deadline.
BUDGET_S = 60.0


class Outcome(StrEnum):
    """How the climb ended; both values are proven whatever it says."""

    #: Bound and schedule are as close as was asked for.
    WITHIN = "within gap"
    #: The same, but the certificate asked for proves less than the bound, and is not as close.
    UNCERTIFIED = "not certified"
    #: A limit of time came first.
    LIMIT = "limit reached"
    #: Somebody asked for a stop.
    INTERRUPTED = "interrupted"
    #: Proven: no schedule whatever keeps the budgets.
    NO_SCHEDULE = "no schedule keeps the budgets"
    #: Nothing is left to try, and the bound is its relaxation's own optimum.
    OPTIMAL = "optimal"
    #: Nothing is left to try.
    BOUND = "bound"


@dataclass(frozen=True, eq=False)
class Answer(Tabular):
    """Both sides of an instance.

    Attributes
    ----------
    instance
        The question, in rows or in runs.
    outcome
        See :class:`Outcome`.
    wanted
        The relative gap that was asked for.
    state
        The bound, the schedule, and where they come from.
    roofline_s
        The roofline in seconds.
    solve_s
        Wall time.
    notes
        Rungs that were passed over, and why.

    Examples
    --------
    Both blocks fit into HBM, with a copy in LPDDR: read from both at 5.35 TB/s together.

    >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
    >>> found = po.answer(po.build_instance("gh200", trace, rules={"residency": "free"}))
    >>> found
    Answer(instance: 3.36449e-06 s .. 3.36449e-06 s, within gap)
    >>> found.instance.name, str(found.outcome), found.wanted, f"{found.roofline_s:.4g}", found.solve_s < 60, found.notes
    ('instance', 'within gap', 0.0, '3.364e-06', True, ())
    >>> f"{found.bound.lower_bound_s:.4g}", found.schedule.num_steps, f"{found.latency_s:.4g}", found.gap < 1e-9
    ('3.364e-06', 3, '3.364e-06', True)
    >>> found.bound.method == found.state.bound_from
    True
    """

    instance: AnyQuestion
    outcome: Outcome
    wanted: float
    state: State
    roofline_s: float
    solve_s: float
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        latency = "no schedule" if self.state.latency_s is None else f"{self.state.latency_s:.6g} s"
        return f"Answer({self.instance.name}: {self.state.lower_s:.6g} s .. {latency}, {self.outcome})"

    def to_records(self) -> list[Record]:
        """One row: both sides, and where they come from.

        Returns
        -------
        list of dict
            Times in seconds; ``gap`` is latency / bound - 1.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> [row] = po.answer(po.build_instance("gh200", trace, rules={"residency": "free"})).to_records()
        >>> row["outcome"], f"{row['lower_bound_s']:.4g}", f"{row['latency_s']:.4g}"
        ('within gap', '3.364e-06', '3.364e-06')
        """
        state = self.state
        row: Record = {"instance": self.instance.name, "outcome": str(self.outcome), "lower_bound_s": state.lower_s}
        row |= {"bound_from": state.bound_from, "latency_s": state.latency_s, "schedule_from": state.schedule_from}
        return [row | {"gap": state.gap, "roofline_s": self.roofline_s, "solve_s": self.solve_s}]

    @property
    def bound(self) -> Bound:
        """The proven lower bound; what proves that there is no schedule, where there is none.

        How the turn ended that found it says nothing of the climb: that is :attr:`outcome`.
        """
        if self.state.no_schedule is not None:
            return self.state.no_schedule
        found = self.state.bound
        assert found is not None
        return found if found.status is Status.OPTIMAL else replace(found, status=Status.BOUND)

    @property
    def schedule(self) -> Schedule | Plan | StackedPlan | LargeSchedule | StackedSchedule | None:
        """The best schedule; None where every scheduler failed or none was reached, or moves in runs are not kept."""
        return self.state.schedule

    @property
    def latency_s(self) -> float | None:
        """Seconds that the best schedule takes; None where there is none."""
        return self.state.latency_s

    @property
    def gap(self) -> float | None:
        """latency / lower bound - 1."""
        return self.state.gap


def answer(
    instance: Source,
    *,
    gap: float = 0.0,
    limits: Limits | None = None,
    resume: AnyVerified | None = None,
    warm: Prices | None = None,
    backend: Backend | None = None,
    look: Callable[[State], None] | None = None,
    closing_s: Callable[[], float] | None = None,
    rungs: Sequence[Rung] | None = None,
    folder: Path | None = None,
    kept: KeptLayers | None = None,
) -> Answer:
    """A proven lower bound and a schedule, as close as asked for or as the limits allow.

    Parameters
    ----------
    instance
        The question, in rows or in runs, or the path of its file.
    gap
        Relative gap, latency / bound - 1, that is enough.
    limits
        Deadline (where there is none a minute, in runs as long as it takes), memory and stop request.
    resume
        Certificates of this instance, verified (:func:`placement_opt.certify.verify.verify_files`, in runs
        :func:`placement_opt.certify.layered.verify_large`), to begin with.
    warm
        Prices to begin with, of whatever origin: what they prove is found out first, in runs on the sample that prices are
        raised on.
    backend
        Where prices are proven, in runs and layer by layer where layers are priced and scheduled, with how many processes, and
        whether an accelerator helps to find them; without one, here.
    look
        Called in this thread with the present state some ten times a second, and in the end.
    closing_s
        Seconds that the caller needs for what comes after: at most half of the time is kept for that.
    rungs
        The ladder; without it, :data:`placement_opt.answer.rungs.RUNGS`.
    folder
        Of a question in runs: where the moves of its schedule are put, which may be too many for memory. Without it they are
        not kept, and the answer has the schedule's time alone.
    kept
        Of a question in runs or layer by layer: what an earlier run has done, which is not done again, and where what this one
        does is kept (:func:`placement_opt.layered.kept.kept_layers`).

    Returns
    -------
    Answer
        Both sides in seconds.

    Raises
    ------
    InputError
        The backend's cluster cannot be reached; no instance, or a file that holds none.

    Examples
    --------
    >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
    >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
    >>> found = po.answer(instance, gap=0.05, limits=po.Limits(seconds=30))
    >>> str(found.outcome), found.gap < 0.05, f"{found.latency_s:.6g}"
    ('within gap', True, '2.08411e-05')
    """
    check_limits(limits)
    check_number(gap, field="gap")
    question = question_at(instance, limits)
    began = clock.now()
    limits = _limited(question, limits)
    work = Work(question, Standing(), gap, backend or Backend(), limits=limits, folder=folder, kept=kept, raised=_raised)
    roofline = _begin(work)
    if work.backend.away and not limits.reached:
        if not work.in_rows:
            work.backend.check(limits)
        elif roofline.prices is not None:
            _try_cluster(work, roofline.prices)
    if resume is not None:
        _resume(work, resume)
    table = list(RUNGS if rungs is None else rungs)
    if warm is not None and not work.in_rows:
        work.start = warm
    elif warm is not None:
        table.insert(0, _warm_start(warm))
    inner = Limits(limits.remaining, limits.memory)
    if limits.interrupted:
        inner.interrupt()
    longest = limits.remaining / 2

    def keep_time() -> None:
        if limits.interrupted or (closing_s is not None and limits.remaining <= min(closing_s(), longest)):
            inner.interrupt()
        if look is not None:
            look(work.standing.state)

    state = _watched(work, table, inner, keep_time)
    return Answer(
        instance=question,
        outcome=_outcome(state, gap, limits, ended=inner.reached or work.unfinished),
        wanted=gap,
        state=state,
        roofline_s=roofline.lower_bound_s or 0.0,
        solve_s=clock.now() - began,
        notes=tuple(work.notes),
    )


def raise_bound(
    instance: AnyQuestion, enough_s: float, *, limits: Limits | None = None, backend: Backend | None = None
) -> Bound:
    """The bound alone, by the same ladder, raised until it reaches ``enough_s`` seconds or the limits end it."""
    began = clock.now()
    limits = _limited(instance, limits)
    work = Work(instance, Standing(), 0.0, backend or Backend(), enough_s=enough_s, limits=limits, raised=_raised)
    _begin(work)
    found = _watched(work, [rung for rung in RUNGS if rung.side == "bound"], limits, None).bound
    assert found is not None
    status = found.status
    if not work.enough and limits.reached:
        status = Status.INTERRUPTED if limits.interrupted else Status.LIMIT
    note = "; ".join(part for part in (found.note, *work.notes) if part)
    return replace(found, status=status, note=note, solve_s=clock.now() - began)


def _raised(part: Instance, gap: float, limits: Limits, start: Prices | None, names: Sequence[str]) -> State:
    """What some rungs prove of a part of a question."""
    return answer(part, gap=gap, limits=limits, warm=start, rungs=[rung for rung in RUNGS if rung.name in names]).state


def _begin(work: Work) -> Bound:
    """Offer what is there at once; the roofline."""
    if isinstance(work.question, Stacked):
        line = turns.roofline(work.question)
        work.standing.raise_to(line, "roofline")
        return line
    if isinstance(work.question, Layered):
        return begin(work.question, work.standing, moves=work.folder is not None)
    roofline = METHODS["roofline"](work.question)
    work.standing.raise_to(roofline, "roofline")
    return roofline


def _try_cluster(work: Work, prices: Prices) -> None:
    """A cluster that does not answer, or cannot work, is found out before the climb; one that is slow only costs time."""
    try:
        work.prove(prices)
    except LimitError:
        if not work.limits.reached:
            raise


def _warm_start(prices: Prices) -> Rung:
    """A rung, before all others, that proves given prices."""

    def climb(work: Work, limits: Limits) -> bool:
        del limits
        offer_prices(work, prices, "warm start", clock.now())
        return False

    return Rung("warm start", "bound", lambda _: True, lambda _: 0.0, climb, first_s=math.inf)


def _limited(instance: AnyQuestion, limits: Limits | None) -> Limits:
    limits = limits or Limits()
    return limits.within(BUDGET_S) if isinstance(instance, Instance) and math.isinf(limits.remaining) else limits


def _watched(work: Work, rungs: Sequence[Rung], limits: Limits, look: Callable[[], None] | None) -> State:
    """Climb in another thread; what was proven when the limits were reached, or when there was nothing more to do."""
    try:
        if not limits.reached:
            run_watched(lambda: climb(work, rungs, limits), limits, look=look, grace=2.0)
    except LeftBehind as late:
        work.notes.append(f"the last rung was left behind, {late}")
    state = work.standing.close()
    if look is not None:
        look()
    return state


def _outcome(state: State, gap: float, limits: Limits, *, ended: bool) -> Outcome:
    if state.no_schedule is not None:
        return Outcome.NO_SCHEDULE
    if state.within(gap):
        return Outcome.WITHIN
    if limits.interrupted:
        return Outcome.INTERRUPTED
    if ended:
        return Outcome.LIMIT
    return Outcome.OPTIMAL if state.bound is not None and state.bound.status is Status.OPTIMAL else Outcome.BOUND


def _resume(work: Work, found: AnyVerified) -> None:
    """Begin with certificates that were verified."""
    standing = work.standing
    if found.prices is not None:
        known = found.prices if found.lower is None else replace(found.prices, claim=found.lower)
        in_rows = isinstance(work.question, Instance)
        prices = work.start = floats_of(known) if in_rows else certified_prices(known)
        rests_on = "weak duality: the prices of a certificate, proved again in exact integers"
        status = Status.INFEASIBLE if found.no_schedule else Status.BOUND
        standing.raise_to(Bound("resumed", status, found.lower_s, 0.0, rests_on, prices=prices), "resumed")
    if found.schedule is not None and found.upper_s is not None:
        kept = found.schedule
        schedule: Schedule | LargeSchedule | StackedSchedule = (
            kept
            if isinstance(kept, LargeSchedule | StackedSchedule)
            else Schedule(kept.scheduler, kept.initial, kept.indptr, kept.op.astype(np.int16), kept.block)
        )
        standing.lower_to(schedule, found.upper_s, f"resumed {kept.scheduler}")
