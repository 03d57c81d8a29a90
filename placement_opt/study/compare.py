"""Many schedulers on many instances, each judged by the interval that holds the optimum of its instance.

The two numbers asked of every policy: how much of its distance from the roofline no policy can avoid (optimum - roofline), and
how much is its own (latency - optimum). The optimum lies between the proven bound and the best schedule known
(:mod:`placement_opt.answer.verdict`). The schedulers come first, then each bound is raised until policies can be judged by it,
so that whoever stops a comparison early has the schedulers' times beside the roofline.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from os import PathLike
from pathlib import Path
from typing import Any

from placement_opt.answer.prove import Proof, proof_of, prove_judging, prove_until, with_quick
from placement_opt.base.errors import InputError, LimitError, PlacementError, shown
from placement_opt.base.jobs import run_jobs
from placement_opt.base.limits import Limits
from placement_opt.base.tabular import Record, Tabular
from placement_opt.base.units import format_seconds
from placement_opt.base.watch import LeftBehind, in_time
from placement_opt.bounds import METHODS
from placement_opt.bounds.result import Status
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import load_instance
from placement_opt.instance.scaled import LayerShare
from placement_opt.schedulers import REGISTRY, make_scheduler
from placement_opt.study.scheduled import Compared, Outcome, Scheduled, fastest, held_against, time_scheduler

Source = Instance | str | PathLike[str]


@dataclass(frozen=True)
class Comparison(Tabular):
    """What :func:`compare` found.

    Attributes
    ----------
    instances
        In the order asked for; an interrupted comparison holds those of which anything is known.
    interrupted
        Whether somebody asked for a stop.
    unanswered
        Bounds that gave no answer (not begun, too large, killed), for which the roofline stands.
    """

    instances: tuple[Compared, ...]
    interrupted: bool = False
    unanswered: int = 0

    def __repr__(self) -> str:
        rows = len(self.to_records())
        return f"Comparison({len(self.instances)} instances, {rows} schedules)"

    def to_records(self) -> list[Record]:
        """One row for each instance and scheduler (:meth:`placement_opt.study.scheduled.Compared.to_records`)."""
        return [row for one in self.instances for row in one.to_records()]

    def of(self, *wanted: Outcome) -> list[tuple[Compared, Scheduled]]:
        """The (instance, schedule) pairs with one of these outcomes."""
        return [(one, schedule) for one in self.instances for schedule in one.schedules if schedule.outcome in wanted]

    def exit_code(self, *, everything: bool) -> int:
        """What the command line ends with; with ``everything`` asked for, schedulers may decline an instance.

        0 done; 1 a schedule below its bound or against the rules; 2 a scheduler that was asked for by name declined; 3 a bound
        or a schedule not found within the limits; 130 interrupted.
        """
        if self.of(Outcome.BELOW_BOUND, Outcome.ILLEGAL):
            return 1
        if self.interrupted:
            return 130
        if not everything and self.of(Outcome.REFUSED):
            return 2
        unproven = self.unanswered or any(one.proof.bound.lower_bound_s is None for one in self.instances)
        return 3 if unproven or self.of(Outcome.LIMIT) else 0


@dataclass(frozen=True)
class _Timing:
    """One scheduler on one instance; ``last``: nothing is left that time should be kept for."""

    source: Instance | Path
    scheduler: str
    layers: LayerShare | None
    last: bool = False


@dataclass(frozen=True)
class _Bounding:
    """The bound of one instance.

    Attributes
    ----------
    layers, method, gap, seconds
        As :func:`compare` has them.
    known
        The best of the schedulers and its seconds, if one was timed.
    turns
        How many bounds the time that is left is for.
    """

    source: Instance | Path
    layers: LayerShare | None
    method: str
    gap: float | None
    seconds: float
    known: tuple[str, float] | None
    turns: int


_Task = _Timing | _Bounding
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
    """Time schedulers on instances, raise the instances' bounds, and judge the schedulers by what is then known of the optimum.

    Parameters
    ----------
    instances
        Instances or their files. All files are read once to find what is wrong with them, and again where they are needed.
    schedulers
        Names with options, as :func:`placement_opt.schedulers.make_scheduler` takes them.
    method
        Of the bound; "auto" chooses, and goes on with the ladder of :mod:`placement_opt.answer.answer` where no policy can be
        judged by what it proved.
    gap
        Raise the bound (by the ladder, whatever ``method`` says) until the best of the schedulers is within this relative gap
        of it, or ``bound_seconds`` are over.
    bound_seconds
        Time for each bound; None leaves it to the method.
    layers
        Take this share of the layers of each file (:mod:`placement_opt.instance.scaled`).
    jobs
        Processes for bounds and schedulers.
    limits
        Deadline and stop request of the whole, loading included. The schedulers get half of the time, the bounds the rest in
        equal shares; what is finished by then comes back, the rooflines at least.
    report
        Called with a line of text for each finished piece.

    Raises
    ------
    InputError
        An instance or a scheduler's name or option that is not what it should be.
    LimitError
        The deadline came before the instances were read.
    """
    limits = limits or Limits()
    for spec in schedulers:
        make_scheduler(spec)
    sources = [source if isinstance(source, Instance) else Path(source) for source in instances]
    rooflines = _rooflines(sources, layers, limits)  # bad input is found before any work is done
    sources = sources[: len(rooflines)]
    tell = _teller(len(sources) * (1 + len(schedulers)), report)
    timings = [_Timing(source, spec, layers) for source in sources for spec in schedulers]
    timings[-1:] = [replace(task, last=True) for task in timings[-1:]]
    timed = _run(_time, timings, jobs, limits.within(limits.remaining / 2), tell)
    rows = [timed[at * len(schedulers) : (at + 1) * len(schedulers)] for at in range(len(sources))]
    seconds = math.inf if bound_seconds is None else bound_seconds
    turns = [math.ceil((len(sources) - at) / jobs) for at in range(len(sources))]
    boundings = [
        _Bounding(source, layers, method, gap, seconds, fastest(row), share)
        for source, row, share in zip(sources, rows, turns, strict=True)
    ]
    proofs = _run(_bound, boundings, jobs, limits, tell)
    found = []
    for roofline, proof, row in zip(rooflines, proofs, rows, strict=True):
        if isinstance(proof, InputError):
            raise proof
        found.append(_assemble(proof if isinstance(proof, Proof) else _left(roofline, proof, limits), schedulers, row, limits))
    unanswered = sum(not isinstance(proof, Proof) for proof in proofs)
    return Comparison(tuple(found), interrupted=limits.interrupted, unanswered=unanswered)


def _rooflines(sources: Sequence[Instance | Path], layers: LayerShare | None, limits: Limits) -> list[Proof]:
    """Each instance read, and its roofline: of all of them, unless somebody asks for a stop."""
    found: list[Proof] = []
    for source in sources:
        try:
            instance = in_time(f"{source}: reading it", partial(_read, source, layers), limits)
        except LeftBehind:
            if limits.interrupted:
                break
            raise
        found.append(proof_of(instance, METHODS["roofline"](instance)))
        if limits.interrupted:
            break
    return found


def _run(
    work: Callable[[Any, Limits], Any], tasks: Sequence[_Task], jobs: int, limits: Limits, tell: _Tell | None
) -> list[object]:
    """What came of each task, None where it was not begun."""
    done = None if tell is None else lambda position, outcome: tell(tasks[position], outcome)
    return list(run_jobs(work, tasks, jobs=jobs, limits=limits, done=done, lost=_lost))


def _lost(task: _Task, why: str) -> Scheduled | LimitError:
    """What stands for the outcome of a task whose process was killed."""
    return Scheduled(task.scheduler, Outcome.LIMIT, why) if isinstance(task, _Timing) else LimitError(why)


def _left(roofline: Proof, trouble: object, limits: Limits) -> Proof:
    """The roofline where the bound was not begun or gave no answer: the schedules are not lost to that."""
    status = Status.INTERRUPTED if limits.interrupted else Status.LIMIT
    note = "the bound was not begun" if trouble is None else f"{trouble}, so the roofline stands"
    return replace(roofline, bound=replace(roofline.bound, status=status, note=note))


def _assemble(proof: Proof, schedulers: Sequence[str], timed: Sequence[object], limits: Limits) -> Compared:
    missing = Outcome.UNFINISHED if limits.interrupted else Outcome.LIMIT
    schedules = []
    for spec, outcome in zip(schedulers, timed, strict=True):
        if isinstance(outcome, PlacementError):
            raise outcome
        schedules.append(outcome if isinstance(outcome, Scheduled) else Scheduled(spec, missing, "not begun"))
    return held_against(proof, schedules)


def _time(task: _Timing, limits: Limits) -> Scheduled | PlacementError:
    """One scheduler, with half of the time left while others wait."""
    try:
        instance = _read(task.source, task.layers)
    except PlacementError as error:
        return error
    return time_scheduler(instance, task.scheduler, limits if task.last else limits.within(limits.remaining / 2))


def _bound(task: _Bounding, limits: Limits) -> Proof | PlacementError:
    within = limits.within(min(task.seconds, limits.remaining / task.turns))
    try:
        instance = _read(task.source, task.layers)
        if task.gap is None or task.known is None:
            proof = prove_judging(instance, task.method, task.known, limits=within)
        else:
            proof = prove_until(instance, task.known[1] / (1.0 + task.gap), limits=within).with_schedule(*task.known)
            proof = with_quick(proof, instance, limits) if proof.interval.weak else proof
        return replace(proof, bound=replace(proof.bound, prices=None, step_s=None))
    except PlacementError as error:
        return error


def _read(source: Instance | Path, layers: LayerShare | None) -> Instance:
    return source if isinstance(source, Instance) else _load(source, layers)


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
        what = task.scheduler if isinstance(task, _Timing) else "bound"
        result = ""
        if isinstance(outcome, Scheduled):
            result = str(outcome.outcome) if outcome.latency_s is None else format_seconds(outcome.latency_s)
        elif isinstance(outcome, Proof) and outcome.bound.lower_bound_s is not None:
            result = f"{format_seconds(outcome.bound.lower_bound_s)} by {outcome.bound.method}"
        report(f"[{finished}/{count}] {task.source.name}: {what}  {result}".rstrip())

    return tell
