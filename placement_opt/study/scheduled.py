"""One scheduler on one instance: what came of it, and what is said of it by what is known of the optimum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from placement_opt.answer.played import KeepMoves, Played, play
from placement_opt.answer.prove import Proof
from placement_opt.answer.verdict import Judgement, judge
from placement_opt.base import clock
from placement_opt.base.backend import Backend
from placement_opt.base.errors import BudgetError, InputError, Interrupted, LimitError, PlacementError, ScheduleError
from placement_opt.base.limits import Limits
from placement_opt.base.tabular import Record, Tabular
from placement_opt.base.watch import in_time
from placement_opt.instance.stacked import AnyQuestion
from placement_opt.play.consumption import Consumption
from placement_opt.play.hits import Hits
from placement_opt.play.protocol import Effort, Scheduler
from placement_opt.play.use import Use
from placement_opt.schedulers import as_scheduler, name_of
from placement_opt.study.keys import Values, called

#: Relative room for rounding when a schedule is held against a bound.
ROUNDING = 1e-9


class Outcome(StrEnum):
    """What came of one scheduler on one instance."""

    #: Timed, and no better than the bound.
    TIMED = "timed"
    #: Timed, but the clock ended the scheduler's search before its work was done: another run may find another schedule.
    CUT_SHORT = "ended by the clock"
    #: Timed, and better than a proven bound: one of the two is wrong.
    BELOW_BOUND = "below the bound"
    #: The scheduler is not made for this instance.
    REFUSED = "refused"
    #: It did what the rules forbid.
    ILLEGAL = "illegal"
    #: Its moves keep no budgets, however their reads are split.
    OVER_BUDGET = "over budget"
    #: A limit of time or size came first.
    LIMIT = "limit reached"
    #: Somebody asked for a stop first.
    UNFINISHED = "not finished"


@dataclass(frozen=True)
class Scheduled:
    """One scheduler on one instance.

    Attributes
    ----------
    scheduler
        As asked for, options included.
    outcome, note
        What came of it, and the reason where it was not timed.
    latency_s, tokens_per_s
        The simulator's values, where timed.
    gap
        cost / lower bound - 1; the cost is the latency, or the objective where that is another one.
    times_bound
        cost / lower bound.
    above_roofline_s
        cost - roofline: the distance, which is the sum of the next two.
    unavoidable_s
        lower bound - roofline: what no policy can avoid of it.
    own_s
        cost - lower bound: what is this policy's own.
    worth
        1 - lower bound / cost: the share of the cost that moving data optimally could save at most.
    wall_s
        Seconds it took to run the scheduler here.
    effort
        Counted work of a scheduler that searches: what it was given and what it took.
    judgement
        How far it is above the optimum, and whose fault that is; None where it was not timed or bound and schedules contradict.
    objective_s
        What it costs by the instance's objective; None where that is time alone, or it was not timed.
    joules, joules_each, lifetime_s
        Of the run, of each token (or step), and how long the tier lasts that lasts the shortest
        (:mod:`placement_opt.play.consumption`); None where the memory system does not say.
    would_miss
        Share of the bytes read that a lossy policy would have missed (:attr:`placement_opt.play.run.Run.would_miss`).
    hits
        Where its reads found their blocks, and the most that any policy could find near; None where it was not timed.
    use
        What it used, where that was asked for.
    """

    scheduler: str
    outcome: Outcome
    note: str = ""
    latency_s: float | None = None
    tokens_per_s: float | None = None
    gap: float | None = None
    times_bound: float | None = None
    above_roofline_s: float | None = None
    unavoidable_s: float | None = None
    own_s: float | None = None
    worth: float | None = None
    wall_s: float | None = None
    effort: Effort | None = None
    judgement: Judgement | None = None
    objective_s: float | None = None
    joules: float | None = None
    joules_each: float | None = None
    lifetime_s: float | None = None
    would_miss: float | None = None
    hits: Hits | None = None
    use: Use | None = None

    @property
    def cost_s(self) -> float | None:
        """What is compared: the objective where it is not time, else the latency."""
        return self.latency_s if self.objective_s is None else self.objective_s


@dataclass(frozen=True)
class Compared(Tabular):
    """One instance: what is proven of it, and its schedules in the order asked for.

    Attributes
    ----------
    proof, schedules
        As above.
    setting
        (key, value) of what differs from the instance's file, as :func:`placement_opt.study.compare.compare` was asked for it.
    """

    proof: Proof
    schedules: tuple[Scheduled, ...]
    setting: Values = ()

    @property
    def label(self) -> str:
        """The instance's name and its setting."""
        return called(self.proof.instance, self.setting)

    def to_records(self) -> list[Record]:
        """One row a scheduler; times in seconds, energies in joules, the gap above the bound as a share."""
        return [
            {
                "instance": self.proof.instance,
                **dict(self.setting),
                "scheduler": row.scheduler,
                "outcome": str(row.outcome),
                "latency_s": row.latency_s,
                "lower_bound_s": self.proof.bound.lower_bound_s,
                "roofline_s": self.proof.roofline_s,
                "gap": row.gap,
                "verdict": None if row.judgement is None else str(row.judgement.verdict),
                "note": row.note,
                "objective_s": row.cost_s,
                "joules": row.joules,
                "joules_each": row.joules_each,
                "lifetime_s": row.lifetime_s,
                "would_miss": row.would_miss,
                "hit_rate": None if row.hits is None else row.hits.rate,
            }
            for row in self.schedules
        ]

    @property
    def timed(self) -> tuple[Scheduled, ...]:
        """The schedules that have a latency, the best first; those of equal cost in the order asked for."""
        found = [schedule for schedule in self.schedules if schedule.latency_s is not None]
        return tuple(sorted(found, key=lambda schedule: schedule.cost_s or 0.0))


def time_scheduler(
    instance: AnyQuestion, given: str | Scheduler, limits: Limits, *, use: bool = False, backend: Backend | None = None
) -> Scheduled:
    """One scheduler, by name or itself, on one instance, not yet held against a bound; expected troubles become outcomes.

    ``use``: also say what it used; ``backend``: where layers are played, of a question that comes so.
    """
    return run_scheduler(instance, given, limits, use=use, backend=backend)[0]


def run_scheduler(
    instance: AnyQuestion,
    given: str | Scheduler,
    limits: Limits,
    *,
    use: bool = False,
    keep: KeepMoves | None = None,
    backend: Backend | None = None,
) -> tuple[Scheduled, Played | None]:
    """The same with the run itself, None where it was not timed; ``keep``: what is kept of its moves."""
    started, spec = clock.now(), name_of(given)
    try:
        scheduler = as_scheduler(given)
        played, used, hits, what = in_time(spec, lambda: _timed(instance, scheduler, limits, use, keep, backend), limits)
    except BudgetError as error:
        return Scheduled(spec, Outcome.OVER_BUDGET, error.message), None
    except ScheduleError as error:
        return Scheduled(spec, Outcome.ILLEGAL, str(error)), None
    except Interrupted as error:
        return Scheduled(spec, Outcome.UNFINISHED, str(error)), None
    except LimitError as error:
        return Scheduled(spec, Outcome.UNFINISHED if limits.interrupted else Outcome.LIMIT, str(error)), None
    except InputError as error:
        return Scheduled(spec, Outcome.REFUSED, str(error)), None
    except PlacementError as error:  # a solver that a scheduler asked gave nothing
        return Scheduled(spec, Outcome.LIMIT, str(error)), None
    wall, run = clock.now() - started, played.run
    outcome, note = Outcome.TIMED, ""
    if run.effort is not None and run.effort.cut_short:
        outcome, note = Outcome.CUT_SHORT, f"after {run.effort.taken:,} of {run.effort.given:,} {run.effort.unit}"
    timed = Scheduled(
        spec,
        outcome,
        note,
        run.latency_s,
        run.tokens_per_s,
        wall_s=wall,
        effort=run.effort,
        objective_s=None if instance.objective.plain else run.cost_s,
        joules=used.joules,
        joules_each=used.joules_each,
        lifetime_s=used.lifetime_s,
        would_miss=run.would_miss,
        hits=hits,
        use=what,
    )
    return timed, played


def _timed(
    instance: AnyQuestion, scheduler: Scheduler, limits: Limits, use: bool, keep: KeepMoves | None, backend: Backend | None
) -> tuple[Played, Consumption, Hits, Use | None]:
    played = play(instance, scheduler, keep, limits=limits, backend=backend)
    run = played.run
    return played, run.consumption, run.hits, run.use if use else None


def fastest(outcomes: Sequence[object]) -> tuple[str, float] | None:
    """Name and cost of the best schedule among what came of some tasks; None where none was timed."""
    costs = [(one.cost_s, one.scheduler) for one in outcomes if isinstance(one, Scheduled) and one.cost_s is not None]
    if not costs:
        return None
    cost, name = min(costs, key=lambda pair: pair[0])
    return name, cost


def distance(schedule: Scheduled, proof: Proof) -> Scheduled:
    """The schedule with its gap, its shares of the distance from the roofline, its outcome and its judgement filled in."""
    cost, bound = schedule.cost_s, proof.bound.lower_bound_s
    if cost is None or bound is None:
        return schedule
    below = cost < bound * (1.0 - ROUNDING)
    return replace(
        schedule,
        outcome=Outcome.BELOW_BOUND if below else schedule.outcome,
        gap=cost / bound - 1.0 if bound > 0 else None,
        times_bound=cost / bound if bound > 0 else None,
        above_roofline_s=None if proof.roofline_s is None else cost - proof.roofline_s,
        unavoidable_s=proof.unavoidable_s,
        own_s=cost - bound,
        worth=1.0 - bound / cost if cost > 0 else None,
        judgement=None if proof.interval.broken else judge(cost, proof.interval, proof.roofline_s),
    )


def held_against(proof: Proof, schedules: Sequence[Scheduled]) -> Compared:
    """Schedules of an instance, judged by all that is known of it: the best of them counts, too."""
    best = fastest(schedules)
    proof = proof if best is None else proof.with_schedule(*best)
    return Compared(proof, tuple(distance(schedule, proof) for schedule in schedules))
