"""Many schedulers on many instances, each set against the proven bound of its instance.

The two numbers asked of every policy: how much of its distance from the roofline no policy can avoid (bound - roofline), and
how much is its own (latency - bound).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache, partial
from os import PathLike
from pathlib import Path
from typing import Any

from placement_opt import clock
from placement_opt.errors import InputError, Interrupted, LimitError, PlacementError, ScheduleError, shown
from placement_opt.instance import Instance
from placement_opt.instancefile import load_instance
from placement_opt.jobs import run_jobs
from placement_opt.limits import Limits
from placement_opt.prove import Proof, prove, prove_until, unproven
from placement_opt.scaled import LayerShare
from placement_opt.schedulers import REGISTRY, make_scheduler
from placement_opt.schedulers.protocol import Effort
from placement_opt.simulate import simulate
from placement_opt.units import format_seconds

#: Relative room for rounding when a schedule is held against a bound.
ROUNDING = 1e-9

Source = Instance | str | PathLike[str]


class Verdict(StrEnum):
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
    verdict, note
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
    """

    scheduler: str
    verdict: Verdict
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


@dataclass(frozen=True)
class Compared:
    """One instance: what is proven of it, and its schedules in the order asked for."""

    proof: Proof
    schedules: tuple[Scheduled, ...]

    @property
    def timed(self) -> tuple[Scheduled, ...]:
        """The schedules that have a latency, the fastest first; those of equal latency in the order asked for."""
        found = [schedule for schedule in self.schedules if schedule.latency_s is not None]
        return tuple(sorted(found, key=lambda schedule: schedule.latency_s or 0.0))


@dataclass(frozen=True)
class Comparison:
    """What :func:`compare` found.

    Attributes
    ----------
    instances
        In the order asked for; an interrupted comparison holds those of which anything is known.
    interrupted
        Whether somebody asked for a stop.
    """

    instances: tuple[Compared, ...]
    interrupted: bool = False

    def verdicts(self, *wanted: Verdict) -> list[tuple[Compared, Scheduled]]:
        """The (instance, schedule) pairs with one of these verdicts."""
        return [(one, schedule) for one in self.instances for schedule in one.schedules if schedule.verdict in wanted]

    def exit_code(self, *, everything: bool) -> int:
        """What the command line ends with; with ``everything`` asked for, schedulers may decline an instance.

        0 done; 1 a schedule below its bound or against the rules; 2 a scheduler that was asked for by name declined; 3 a bound
        or a schedule not found within the limits; 130 interrupted.
        """
        if self.verdicts(Verdict.BELOW_BOUND, Verdict.ILLEGAL):
            return 1
        if self.interrupted:
            return 130
        if not everything and self.verdicts(Verdict.REFUSED):
            return 2
        unproven = any(one.proof.bound.lower_bound_s is None for one in self.instances)
        return 3 if unproven or self.verdicts(Verdict.LIMIT) else 0


@dataclass(frozen=True)
class _Task:
    """One piece of work: the bound of an instance (``scheduler`` None) or one scheduler on it.

    ``enough_s``: the bound is raised until it reaches so many seconds. ``layers``: the share that is taken of a file's.
    """

    source: Instance | Path
    scheduler: str | None
    method: str
    seconds: float | None
    enough_s: float | None = None
    layers: LayerShare | None = None


_Tell = Callable[[_Task, object], None]


def chosen_schedulers(text: str) -> tuple[str, ...]:
    """The schedulers of a comma separated list: ``"static,lru:a=1,b=2"`` are two, ``"all"`` is every one there is.

    A piece with "=" and without ":" before it is one more option of the scheduler before. InputError for empty and repeated
    names; :func:`placement_opt.schedulers.make_scheduler` judges the rest.
    """
    if text == "all":
        return tuple(REGISTRY)
    specs: list[str] = []
    for piece in text.split(","):
        if specs and "=" in piece and ":" not in piece.partition("=")[0]:
            specs[-1] += f",{piece}"
        else:
            specs.append(piece.strip())
    for spec in specs:
        if not spec:
            raise InputError(
                f"found an empty name in {shown(text)}", "expected names separated by commas", field="--schedulers"
            )
        if specs.count(spec) > 1:
            raise InputError(f"found {shown(spec)} twice", "expected each scheduler once", field="--schedulers")
    return tuple(specs)


def compare(
    instances: Sequence[Source],
    schedulers: Sequence[str],
    *,
    method: str = "auto",
    gap: float | None = None,
    bound_seconds: float | None = None,
    layers: LayerShare | None = None,
    jobs: int = 1,
    limits: Limits | None = None,
    report: Callable[[str], None] | None = None,
) -> Comparison:
    """Time schedulers on instances and hold each against the instance's bound.

    Parameters
    ----------
    instances
        Instances or their files. All files are read once to find what is wrong with them, and again where they are needed.
    schedulers
        Names with options, as :func:`placement_opt.schedulers.make_scheduler` takes them.
    method
        Of the bound; "auto" chooses.
    gap
        Raise the bound (by the ladder of :mod:`placement_opt.answer`, whatever ``method`` says) until the best of the
        schedulers is within this relative gap of it, or ``bound_seconds`` are over.
    bound_seconds
        Time for each bound; None leaves it to the method.
    layers
        Take this share of the layers of each file (:mod:`placement_opt.scaled`).
    jobs
        Processes for bounds and schedulers; the answer does not depend on their number.
    limits
        Deadline and stop request of the whole; what is finished by then comes back.
    report
        Called with a line of text for each finished piece.

    Raises
    ------
    InputError
        An instance or a scheduler's name or option that is not what it should be.
    """
    limits = limits or Limits()
    for spec in schedulers:
        make_scheduler(spec)
    sources = [source if isinstance(source, Instance) else Path(source) for source in instances]
    for source in sources:
        if isinstance(source, Path):
            _load(source, layers)  # bad input is found before the first bound is computed, not after
    tasks = [[_Task(source, spec, method, bound_seconds, None, layers) for spec in (None, *schedulers)] for source in sources]
    work = partial(run_jobs, _work, jobs=jobs, limits=limits, lost=_lost)
    outcomes: list[list[object]]
    if gap is None:
        outcomes = _rows(work, tasks, _teller(sum(map(len, tasks)), report))
    else:  # the bounds wait for the schedules that they are to come close to
        tell = _teller(sum(map(len, tasks)), report)
        timed = _rows(work, [row[1:] for row in tasks], tell)
        first = [[replace(row[0], enough_s=_enough(times, gap))] for row, times in zip(tasks, timed, strict=True)]
        outcomes = [proofs + times for proofs, times in zip(_rows(work, first, tell), timed, strict=True)]
    found = []
    for proof, *times in outcomes:
        if isinstance(proof, PlacementError):
            raise proof
        if isinstance(proof, Proof):
            found.append(_assemble(proof, schedulers, times))
    return Comparison(tuple(found), interrupted=limits.interrupted)


def _rows(work: Callable[..., list[Any]], tasks: list[list[_Task]], tell: _Tell | None) -> list[list[object]]:
    """Outcomes in the rows of their tasks."""
    flat = [task for row in tasks for task in row]
    done = None if tell is None else lambda position, outcome: tell(flat[position], outcome)
    outcomes = iter(work(flat, done=done))
    return [[next(outcomes) for _ in row] for row in tasks]


def _enough(outcomes: Sequence[object], gap: float) -> float | None:
    """The bound that brings the best of some schedules within the gap; None where none was timed."""
    times = [one.latency_s for one in outcomes if isinstance(one, Scheduled) and one.latency_s is not None]
    return min(times) / (1.0 + gap) if times else None


def distance(schedule: Scheduled, proof: Proof) -> Scheduled:
    """The schedule with its gap, its shares of the distance from the roofline, and its verdict filled in."""
    latency, bound = schedule.latency_s, proof.bound.lower_bound_s
    if latency is None or bound is None:
        return schedule
    below = latency < bound * (1.0 - ROUNDING)
    return replace(
        schedule,
        verdict=Verdict.BELOW_BOUND if below else schedule.verdict,
        gap=latency / bound - 1.0 if bound > 0 else None,
        times_bound=latency / bound if bound > 0 else None,
        above_roofline_s=None if proof.roofline_s is None else latency - proof.roofline_s,
        unavoidable_s=proof.unavoidable_s,
        own_s=latency - bound,
        worth=1.0 - bound / latency if latency > 0 else None,
    )


def _assemble(proof: Proof, schedulers: Sequence[str], timed: Sequence[object]) -> Compared:
    schedules = []
    for spec, outcome in zip(schedulers, timed, strict=True):
        if isinstance(outcome, PlacementError):
            raise outcome
        schedule = outcome if isinstance(outcome, Scheduled) else Scheduled(spec, Verdict.UNFINISHED, "not begun")
        schedules.append(distance(schedule, proof))
    return Compared(proof, tuple(schedules))


def _work(task: _Task, limits: Limits) -> Proof | Scheduled | PlacementError:
    try:
        instance = task.source if isinstance(task.source, Instance) else _load(task.source, task.layers)
        if task.scheduler is None:
            within = limits if task.seconds is None else limits.within(task.seconds)
            if task.enough_s is None:
                proof = prove(instance, task.method, limits=within)
            else:
                proof = prove_until(instance, task.enough_s, limits=within)
            return replace(proof, bound=replace(proof.bound, prices=None, step_s=None))
        return time_scheduler(instance, task.scheduler, limits)
    except PlacementError as error:
        return error


def _lost(task: _Task, why: str) -> Proof | Scheduled:
    """What stands for the outcome of a task whose process was killed."""
    if task.scheduler is not None:
        return Scheduled(task.scheduler, Verdict.LIMIT, why)
    name, digest = (task.source.stem, "") if isinstance(task.source, Path) else (task.source.name, task.source.hash)
    return unproven(name, digest, task.method, why)


def time_scheduler(instance: Instance, spec: str, limits: Limits) -> Scheduled:
    """One scheduler on one instance, not yet held against a bound; expected troubles become verdicts."""
    started = clock.now()
    try:
        run = simulate(instance, make_scheduler(spec), limits=limits)
    except ScheduleError as error:
        return Scheduled(spec, Verdict.ILLEGAL, str(error))
    except Interrupted as error:
        return Scheduled(spec, Verdict.UNFINISHED, str(error))
    except LimitError as error:
        return Scheduled(spec, Verdict.LIMIT, str(error))
    except InputError as error:
        return Scheduled(spec, Verdict.REFUSED, str(error))
    except PlacementError as error:  # a solver that a scheduler asked gave nothing
        return Scheduled(spec, Verdict.LIMIT, str(error))
    wall = clock.now() - started
    verdict, note = Verdict.TIMED, ""
    if run.effort is not None and run.effort.cut_short:
        verdict, note = Verdict.CUT_SHORT, f"after {run.effort.taken:,} of {run.effort.given:,} {run.effort.unit}"
    return Scheduled(spec, verdict, note, run.latency_s, run.tokens_per_s, wall_s=wall, effort=run.effort)


@lru_cache(maxsize=2)
def _load(path: Path, layers: LayerShare | None) -> Instance:
    return load_instance(path, layers=layers)


def _teller(count: int, report: Callable[[str], None] | None) -> _Tell | None:
    if report is None:
        return None
    finished = 0

    def tell(task: _Task, outcome: object) -> None:
        nonlocal finished
        finished += 1
        what = task.scheduler or "bound"
        result = ""
        if isinstance(outcome, Scheduled):
            result = str(outcome.verdict) if outcome.latency_s is None else format_seconds(outcome.latency_s)
        elif isinstance(outcome, Proof) and outcome.bound.lower_bound_s is not None:
            result = f"{format_seconds(outcome.bound.lower_bound_s)} by {outcome.bound.method}"
        report(f"[{finished}/{count}] {task.source.name}: {what}  {result}".rstrip())

    return tell
