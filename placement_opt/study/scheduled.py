"""One scheduler on one instance: what came of it, and what is said of it by what is known of the optimum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from placement_opt.answer.prove import Proof
from placement_opt.answer.verdict import Judgement, judge
from placement_opt.base import clock
from placement_opt.base.errors import InputError, Interrupted, LimitError, PlacementError, ScheduleError
from placement_opt.base.limits import Limits
from placement_opt.base.tabular import Record, Tabular
from placement_opt.base.watch import in_time
from placement_opt.instance.instance import Instance
from placement_opt.instance.layered import Layered
from placement_opt.play.by_layer import simulate_any
from placement_opt.play.protocol import Effort
from placement_opt.schedulers import make_scheduler

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
        latency / lower bound - 1.
    times_bound
        latency / lower bound.
    above_roofline_s
        latency - roofline: the distance, which is the sum of the next two.
    unavoidable_s
        lower bound - roofline: what no policy can avoid of it.
    own_s
        latency - lower bound: what is this policy's own.
    worth
        1 - lower bound / latency: the share of the latency that moving data optimally could save at most.
    wall_s
        Seconds it took to run the scheduler here.
    effort
        Counted work of a scheduler that searches: what it was given and what it took.
    judgement
        How far it is above the optimum, and whose fault that is; None where it was not timed or bound and schedules contradict.
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


@dataclass(frozen=True)
class Compared(Tabular):
    """One instance: what is proven of it, and its schedules in the order asked for."""

    proof: Proof
    schedules: tuple[Scheduled, ...]

    def to_records(self) -> list[Record]:
        """One row a scheduler; times in seconds, the gap above the optimum as an interval of shares."""
        return [
            {
                "instance": self.proof.instance,
                "scheduler": row.scheduler,
                "outcome": str(row.outcome),
                "latency_s": row.latency_s,
                "lower_bound_s": self.proof.bound.lower_bound_s,
                "roofline_s": self.proof.roofline_s,
                "gap": row.gap,
                "verdict": None if row.judgement is None else str(row.judgement.verdict),
                "note": row.note,
            }
            for row in self.schedules
        ]

    @property
    def timed(self) -> tuple[Scheduled, ...]:
        """The schedules that have a latency, the fastest first; those of equal latency in the order asked for."""
        found = [schedule for schedule in self.schedules if schedule.latency_s is not None]
        return tuple(sorted(found, key=lambda schedule: schedule.latency_s or 0.0))


def time_scheduler(instance: Instance | Layered, spec: str, limits: Limits) -> Scheduled:
    """One scheduler on one instance, not yet held against a bound; expected troubles become outcomes."""
    started = clock.now()
    try:
        scheduler = make_scheduler(spec)
        run = in_time(spec, lambda: simulate_any(instance, scheduler, limits=limits), limits)
    except ScheduleError as error:
        return Scheduled(spec, Outcome.ILLEGAL, str(error))
    except Interrupted as error:
        return Scheduled(spec, Outcome.UNFINISHED, str(error))
    except LimitError as error:
        return Scheduled(spec, Outcome.UNFINISHED if limits.interrupted else Outcome.LIMIT, str(error))
    except InputError as error:
        return Scheduled(spec, Outcome.REFUSED, str(error))
    except PlacementError as error:  # a solver that a scheduler asked gave nothing
        return Scheduled(spec, Outcome.LIMIT, str(error))
    wall = clock.now() - started
    outcome, note = Outcome.TIMED, ""
    if run.effort is not None and run.effort.cut_short:
        outcome, note = Outcome.CUT_SHORT, f"after {run.effort.taken:,} of {run.effort.given:,} {run.effort.unit}"
    return Scheduled(spec, outcome, note, run.latency_s, run.tokens_per_s, wall_s=wall, effort=run.effort)


def fastest(outcomes: Sequence[object]) -> tuple[str, float] | None:
    """Name and seconds of the best schedule among what came of some tasks; None where none was timed."""
    times = [(one.latency_s, one.scheduler) for one in outcomes if isinstance(one, Scheduled) and one.latency_s is not None]
    if not times:
        return None
    latency, name = min(times, key=lambda pair: pair[0])
    return name, latency


def distance(schedule: Scheduled, proof: Proof) -> Scheduled:
    """The schedule with its gap, its shares of the distance from the roofline, its outcome and its judgement filled in."""
    latency, bound = schedule.latency_s, proof.bound.lower_bound_s
    if latency is None or bound is None:
        return schedule
    below = latency < bound * (1.0 - ROUNDING)
    return replace(
        schedule,
        outcome=Outcome.BELOW_BOUND if below else schedule.outcome,
        gap=latency / bound - 1.0 if bound > 0 else None,
        times_bound=latency / bound if bound > 0 else None,
        above_roofline_s=None if proof.roofline_s is None else latency - proof.roofline_s,
        unavoidable_s=proof.unavoidable_s,
        own_s=latency - bound,
        worth=1.0 - bound / latency if latency > 0 else None,
        judgement=None if proof.interval.broken else judge(latency, proof.interval, proof.roofline_s),
    )


def held_against(proof: Proof, schedules: Sequence[Scheduled]) -> Compared:
    """Schedules of an instance, judged by all that is known of it: the best of them counts, too."""
    best = fastest(schedules)
    proof = proof if best is None else proof.with_schedule(*best)
    return Compared(proof, tuple(distance(schedule, proof) for schedule in schedules))
