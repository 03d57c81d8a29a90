"""The cells of a grid: instances, or points of one, each with its bound and its schedulers, in this process or in several.

Whoever asks (:mod:`placement_opt.study.compare`, :mod:`placement_opt.study.sweep`) lays out the cells and says how a bound is
proven; what goes wrong with an instance ends the grid as soon as it is known, what goes wrong with one cell is its outcome.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from placement_opt.answer.prove import Proof
from placement_opt.base.backend import Backend
from placement_opt.base.errors import InputError, LimitError, PlacementError, shown
from placement_opt.base.limits import Limits
from placement_opt.base.units import format_seconds
from placement_opt.instance.instance import Instance
from placement_opt.instance.layered import Layered
from placement_opt.instance.load import load_instance
from placement_opt.instance.scaled import LayerShare
from placement_opt.instance.stacked import AnyQuestion, Stacked
from placement_opt.play.protocol import Scheduler
from placement_opt.schedulers import name_of
from placement_opt.study.keys import Values, parse_value
from placement_opt.study.scheduled import Outcome, Scheduled, time_scheduler

#: How a bound is proven, within the limits of the whole and, of a question by layer, on a backend; a picklable function.
Prove = Callable[..., Proof]


class Lost(LimitError):
    """The process that was at a cell was killed."""


@dataclass(frozen=True)
class Question:
    """An instance, or the file of one and what is changed in it.

    Attributes
    ----------
    source
        The instance, in rows or in runs, or its file, which is read where it is needed.
    layers
        Share of the layers that is taken of the file's (:mod:`placement_opt.instance.scaled`).
    values
        (path, text) of the keys that take other values than the file's.
    named
        Whether lines of progress name the file beside the values.
    """

    source: AnyQuestion | Path
    layers: LayerShare | None = None
    values: Values = ()
    named: bool = False

    def instance(self) -> AnyQuestion:
        """InputError for what is wrong with the file or the values."""
        if isinstance(self.source, Layered | Stacked) or (isinstance(self.source, Instance) and not self.values):
            return self.source
        return _load(self.source, self.layers, self.values)

    @property
    def by_layer(self) -> bool:
        """Whether it is in runs or comes layer by layer, so that its layers can be worked on apart."""
        return isinstance(self.source, Layered | Stacked)

    def __str__(self) -> str:
        names = [self.source.name] if self.named or not self.values else []
        return ", ".join([*names, self.where] if self.values else names)

    @property
    def where(self) -> str:
        """The keys and their values; "" without any."""
        return ", ".join(f"{key}={value}" for key, value in self.values)


@dataclass(frozen=True)
class Timing:
    """One scheduler on one instance, in a share of the time that is left; ``use``: also what it used."""

    question: Question
    scheduler: str | Scheduler
    share: float = 1.0
    use: bool = False


@dataclass(frozen=True)
class Bounding:
    """The bound of one instance; ``spared``: a bound that gives no answer is its own loss and does not end the grid."""

    question: Question
    prove: Prove
    spared: bool = False


Cell = Timing | Bounding
#: What came of a cell: errors are those of a spared bound, None is a cell that was not begun.
Result = Scheduled | Proof | PlacementError | None


@dataclass
class Grid:
    """Runs cells and tells what is finished.

    Attributes
    ----------
    count
        How many cells there are in all.
    jobs
        Processes; what comes back does not depend on their number.
    report
        Called with a line of text for each finished cell.
    seconds
        How the lines show a time.
    keep
        Called with each cell and what came of it, as it comes.
    backend
        Where cells are worked on; None: in ``jobs`` processes of this machine.
    """

    count: int
    jobs: int = 1
    report: Callable[[str], None] | None = None
    seconds: Callable[[float], str] = format_seconds
    keep: Callable[[Cell, Result], None] | None = None
    backend: Backend | None = None
    _finished: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if type(self.jobs) is not int or self.jobs < 1:
            raise InputError(f"found {shown(self.jobs)}", "expected a whole number of processes from 1", field="jobs")
        _load.cache_clear()  # files may have changed since the last grid

    def run(self, cells: Sequence[Cell], limits: Limits) -> list[Result]:
        """What came of each cell, in their order: those in rows beside each other, then the others, layers beside each other.

        Raises
        ------
        PlacementError
            An instance that cannot be read, a bound that complains of its input or, where it is not spared, of anything.
        """

        def done(position: int, result: Result) -> None:
            self._take(cells[position], result)

        backend = self.backend or Backend(jobs=self.jobs)
        spread = [at for at, cell in enumerate(cells) if cell.question.by_layer]
        whole = [at for at, cell in enumerate(cells) if not cell.question.by_layer]
        if spread:
            backend.check(limits)
        results: list[Result] = [None] * len(cells)
        rows = [cells[at] for at in whole]
        found = backend.run(work, rows, limits=limits, done=lambda at, one: done(whole[at], one), lost=_lost)
        for at, one in zip(whole, found, strict=True):
            results[at] = one
        for at in spread:  # one after the other: their layers take the processes, and the memory
            if not limits.reached:
                results[at] = one = work(cells[at], limits, backend)
                done(at, one)
        return results

    def _take(self, cell: Cell, result: Result) -> None:
        self._finished += 1
        spared = isinstance(cell, Bounding) and cell.spared and not isinstance(result, InputError)
        if isinstance(result, PlacementError) and not isinstance(result, Lost) and not spared:
            raise placed(cell.question, result)
        if self.keep is not None:
            self.keep(cell, result)
        what = name_of(cell.scheduler) if isinstance(cell, Timing) else "bound"
        if self.report is not None:
            self.report(f"[{self._finished}/{self.count}] {cell.question}: {what}  {self._said(result)}".rstrip())

    def _said(self, result: Result) -> str:
        if isinstance(result, Scheduled):
            return str(result.outcome) if result.cost_s is None else self.seconds(result.cost_s)
        if isinstance(result, Proof) and result.bound.lower_bound_s is not None:
            return f"{self.seconds(result.bound.lower_bound_s)} by {result.bound.method}"
        return ""


def work(cell: Cell, limits: Limits, backend: Backend | None = None) -> Scheduled | Proof | PlacementError:
    """What comes of one cell; expected errors come back. ``backend``: where its layers are worked on, if it comes so."""
    try:
        instance = cell.question.instance()
        if isinstance(cell, Bounding):
            return cell.prove(instance, limits) if backend is None else cell.prove(instance, limits, backend)
        within = limits if cell.share == 1.0 else limits.within(cell.share * limits.remaining)
        return time_scheduler(instance, cell.scheduler, within, use=cell.use, backend=backend)
    except PlacementError as error:
        return error


def turns_left(asked: Sequence[Question], at: int, jobs: int) -> int:
    """Bounds one after the other that the time left is for when that of ``asked[at]`` begins, of which each has one."""
    rows = sum(not one.by_layer for one in asked[at:])
    if asked[at].by_layer:
        return len(asked[at:]) - rows
    return math.ceil(rows / jobs) + sum(one.by_layer for one in asked)


def all_scheduled(schedulers: Sequence[str | Scheduler], results: Sequence[Result], limits: Limits) -> list[Scheduled]:
    """What came of the schedulers of one instance, those that were not begun included."""
    missing = Outcome.UNFINISHED if limits.interrupted else Outcome.LIMIT
    return [
        result if isinstance(result, Scheduled) else Scheduled(name_of(one), missing, "not begun")
        for one, result in zip(schedulers, results, strict=True)
    ]


def _lost(cell: Cell, why: str) -> Scheduled | Proof | PlacementError:
    """What stands for the result of a cell whose process was killed."""
    return Scheduled(name_of(cell.scheduler), Outcome.LIMIT, why) if isinstance(cell, Timing) else Lost(why)


def placed(question: Question, error: PlacementError) -> PlacementError:
    """The same error, saying at which point of several it came up."""
    if not isinstance(error, InputError) or not question.values:
        return error
    expected = f"{error.expected} (at {question.where})".lstrip()
    return InputError(error.found, expected, path=error.path, line=error.line, field=error.field)


@lru_cache(maxsize=2)
def _load(source: Instance | Path, layers: LayerShare | None, values: Values) -> Instance:
    changed = {key: parse_value(text) for key, text in values}
    if not isinstance(source, Instance):
        return load_instance(source, changed, layers=layers)
    if source.again is None:
        found = "found an instance that came neither from a file nor from keys"
        raise InputError(found, "expected one of load_instance or build_instance, whose keys can vary", field="instance")
    return source.again(changed)
