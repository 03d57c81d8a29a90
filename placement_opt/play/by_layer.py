"""Times a scheduler on a question that comes layer by layer: each layer is played by itself, in its share of the room.

In runs, schedulers that treat each layer by itself anyway play turn by turn (:mod:`placement_opt.play.in_runs`). For all
others one layer at a time lies in rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.backend import Backend
from placement_opt.base.errors import LimitError, ScheduleError
from placement_opt.base.limits import Limits
from placement_opt.instance.instance import Instance
from placement_opt.instance.law import kind_and_sources, kinds_among
from placement_opt.instance.layered import Layered
from placement_opt.instance.stacked import Large, Stacked, stacked_of
from placement_opt.memory.split.timing import StepTimer
from placement_opt.play.in_runs import play_in_runs, plays_in_runs
from placement_opt.play.protocol import Effort, Scheduler
from placement_opt.play.run import Run
from placement_opt.play.schedule import Schedule
from placement_opt.play.simulate import look, play_alone, said_by, simulate
from placement_opt.play.split_program import Moved
from placement_opt.play.timed import split_run

_Played = TypeVar("_Played")
#: What is kept of a layer, of its number, the layer by itself and its moves; called where it is played, so it is picklable.
Keep = Callable[[int, Instance, Schedule], Any]


def play_layers(
    question: Large,
    scheduler: Scheduler,
    *,
    keep: Keep | None = None,
    limits: Limits | None = None,
    backend: Backend | None = None,
) -> tuple[Run, list[Any]]:
    """A run through all layers, and what ``keep`` made of the moves of each (nothing without it).

    Raises
    ------
    LimitError
        A layer has no room in memory as rows, or is not drawn by the deadline.
    InputError
        The question cannot be had one layer in rows at a time (:func:`placement_opt.instance.turns.in_layers`).
    ScheduleError, Interrupted
        As :func:`placement_opt.play.simulate.simulate`.
    """
    if isinstance(question, Layered):
        if keep is None and plays_in_runs(question, scheduler):
            return by_layer(question, scheduler, limits=limits, backend=backend), []
        if (rowed := stacked_of(question)) is None:
            raise LimitError(f"{question.why}; {scheduler.name} needs the reads as rows".removeprefix("; "))
        run, kept = _one_by_one(rowed, scheduler, keep, limits, backend)
        return replace(run, instance=question), kept
    return _one_by_one(question, scheduler, keep, limits, backend)


@dataclass(frozen=True, eq=False)
class _Task:
    """A layer to play, and what is to be kept of its moves."""

    question: Layered | Stacked
    scheduler: Scheduler
    layer: int
    keep: Keep | None = None


def _each(
    work: Callable[[_Task, Limits], _Played],
    question: Layered | Stacked,
    scheduler: Scheduler,
    keep: Keep | None,
    limits: Limits | None,
    backend: Backend | None,
) -> list[_Played]:
    """What came of each layer; errors as :func:`placement_opt.play.simulate.simulate` where the limits end it."""
    limits = limits or Limits()
    tasks, where = [_Task(question, scheduler, layer, keep) for layer in range(question.num_layers)], backend or Backend()
    if isinstance(question, Stacked):
        where = where.fitting(len(tasks), question.memory_needed, limits)
    found = where.run(work, tasks, shared=(question,), limits=limits)
    played = [one for one in found if one is not None]
    if len(played) < len(tasks):
        look(limits, f"{scheduler.name}, layer by layer,", len(played), len(tasks), "layers")
    return played


class _Said(NamedTuple):
    """What a scheduler says of its run on a layer: its effort, and which share of so many bytes that are read it would miss."""

    effort: Effort | None
    would_miss: float | None
    read_bytes: float


def _said(scheduler: Scheduler, alone: Instance) -> _Said:
    effort, would_miss = (getattr(scheduler, name, None) for name in ("effort", "would_miss"))
    return _Said(effort, would_miss, float(alone.read_bytes.sum(dtype=np.float64)) / alone.share_base)


def _with_said(run: Run, layers: Sequence[_Said]) -> Run:
    """The run of all layers, with what was said of each."""
    efforts = [one.effort for one in layers if one.effort is not None]
    missed = [(one.read_bytes, one.would_miss) for one in layers if one.would_miss is not None]
    if efforts:
        given, taken = sum(one.given for one in efforts), sum(one.taken for one in efforts)
        effort = replace(efforts[0], given=given, taken=taken, cut_short=any(one.cut_short for one in efforts))
        run = replace(run, effort=effort)
    if missed:
        share = math.fsum(read * share for read, share in missed) / (math.fsum(read for read, _ in missed) or 1.0)
        run = replace(run, would_miss=share)
    return run


@dataclass(frozen=True, eq=False)
class _Rows:
    """What stays of a run on a layer in rows: which ways served its reads, and each turn's numbers, as in a run."""

    patterns: list[int]
    served: Int64
    step_s: Float64
    base: Float64
    moved: Int64
    fixed: Int64 | int
    said: _Said
    kept: Any


def _play_rows(task: _Task, limits: Limits) -> _Rows:
    """One layer in rows."""
    assert isinstance(task.question, Stacked)
    alone = task.question.layer(task.layer, limits)
    run = simulate(alone, task.scheduler, record=task.keep is not None, limits=limits)
    patterns, moved = _numbered(task.question, alone, list(run.timer.patterns), run.moved)
    kept = _kept(task, alone, run.schedule)
    said = _said(task.scheduler, alone)
    return _Rows(patterns, run.served, run.step_s, run.base, moved, _metered(alone), said, kept)


@dataclass(frozen=True, eq=False)
class _Tied:
    """The same of one whose reads are split with those of all other layers."""

    patterns: list[int]
    served: Int64
    base: npt.NDArray[np.object_]
    counted: list[int]
    moved: Int64
    fixed: Int64 | int
    said: _Said
    kept: Any


def _play_tied(task: _Task, limits: Limits) -> _Tied:
    """One layer in rows, not timed yet."""
    assert isinstance(task.question, Stacked)
    alone = task.question.layer(task.layer, limits)
    one, moves, schedule = play_alone(alone, task.scheduler, limits, record=task.keep is not None)
    patterns, moved = _numbered(task.question, alone, list(one.timer.patterns), moves)
    said, kept = _said(task.scheduler, alone), _kept(task, alone, schedule)
    return _Tied(patterns, one.served, one.base, one.counted, moved, _metered(alone), said, kept)


def _kept(task: _Task, alone: Instance, schedule: Schedule | None) -> Any:
    return None if task.keep is None or schedule is None else task.keep(task.layer, alone, schedule)


def _metered(alone: Instance) -> Int64 | int:
    return 0 if alone.fixed_metered is None else alone.fixed_metered


def _numbered(question: Stacked, alone: Instance, patterns: list[int], moved: Int64) -> tuple[list[int], Int64]:
    """Patterns and moves (int64[N, C * O]) of a layer as the whole numbers kinds of block: it may lack some, such as KV."""
    mine, whole = alone.loads, question.loads
    if len(mine.row) == len(whole.row):
        return patterns, moved
    place, ways = kinds_among(mine, whole).tolist(), len(whole.serves_from)
    apart = moved.reshape(len(moved), len(mine.row), -1)
    among = np.zeros((len(moved), len(whole.row), apart.shape[2]), dtype=np.int64)
    for kind, number in enumerate(place):
        among[:, number] += apart[:, kind]
    kinds = [kind_and_sources(mine, pattern)[0] for pattern in patterns]
    found = [pattern >> kind * ways << place[kind] * ways for pattern, kind in zip(patterns, kinds, strict=True)]
    return found, among.reshape(len(moved), -1)


def _one_by_one(
    question: Stacked, scheduler: Scheduler, keep: Keep | None, limits: Limits | None, backend: Backend | None
) -> tuple[Run, list[Any]]:
    """Any scheduler, on one layer in rows after the other, each in its share of the room; errors as :func:`simulate`.

    Budgets tie the splits of all layers' reads to each other: the moves come layer by layer, and are timed together.
    """
    if not question.timed:
        return _tied(question, scheduler, keep, limits, backend)
    runs = _each(_play_rows, question, scheduler, keep, limits, backend)
    fixed = np.zeros(len(question.memory.meters), dtype=np.int64)
    for run in runs:
        fixed = fixed + run.fixed
    timer, served = _served(question, [(run.patterns, run.served) for run in runs])
    seconds, base, moved = (_in_turn(question, [getattr(run, name) for run in runs]) for name in ("step_s", "base", "moved"))
    whole = Run(replace(question, fixed_metered=fixed), scheduler.name, math.fsum(seconds), seconds, timer, served, base, moved)
    return _with_said(whole, [run.said for run in runs]), [run.kept for run in runs]


def _tied(
    question: Stacked, scheduler: Scheduler, keep: Keep | None, limits: Limits | None, backend: Backend | None
) -> tuple[Run, list[Any]]:
    """The same where more than the time of each step counts: all reads of all layers are split at once."""
    parts = _each(_play_tied, question, scheduler, keep, limits, backend)
    fixed = np.zeros(len(question.memory.meters), dtype=np.int64)
    for part in parts:
        fixed = fixed + part.fixed
    timer, served = _served(question, [(part.patterns, part.served) for part in parts])
    base, moved = (_in_turn(question, [getattr(part, name) for part in parts]) for name in ("base", "moved"))
    counted = [sum(column) for column in zip(*(part.counted for part in parts), strict=True)]
    whole = Moved(replace(question, fixed_metered=fixed), timer, served, base, counted)
    try:
        run = split_run(whole, scheduler.name, base.astype(float) / question.share_base, moved)
    except ScheduleError as error:
        raise said_by(scheduler, error) from None
    return _with_said(run, [part.said for part in parts]), [part.kept for part in parts]


def _served(question: Stacked, layers: Sequence[tuple[list[int], Int64]]) -> tuple[StepTimer, Int64]:
    """What knows the patterns of all layers, and int64[T, P]: what each step reads in each; given for each layer by itself."""
    patterns = sorted({pattern for mine, _ in layers for pattern in mine})
    served = np.zeros((question.turns, question.layers, len(patterns)), dtype=np.int64)
    for layer, (mine, amounts) in enumerate(layers):
        for column, pattern in enumerate(mine):  # kinds that load alike may be one in the whole
            served[:, layer, patterns.index(pattern)] += amounts[:, column]
    ways = question.loads.serve.reshape(-1, question.num_resources)
    return StepTimer(question.memory, patterns, ways), served.reshape(question.num_steps, len(patterns))


def _in_turn(question: Stacked, layers: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Arrays of turns, one for each layer, in the order of the steps."""
    return np.stack(layers, axis=1).reshape(question.num_steps, *layers[0].shape[1:])


def by_layer(question: Layered, scheduler: Scheduler, *, limits: Limits | None = None, backend: Backend | None = None) -> Run:
    """Run a scheduler that plays in runs through one layer after the other; errors as :func:`play_layers`."""
    parts = _each(_play_runs, question, scheduler, None, limits, backend)
    served, moved = (np.stack(columns, axis=1).reshape(question.num_steps, -1) for columns in zip(*parts, strict=True))
    timer = StepTimer(question.memory, sorted((1 << question.home, 3)))
    rows = question.loads.row[0, : question.loads.operations.first_serving]
    base = question.fixed + moved.astype(float) @ rows
    seconds = np.maximum(timer.times(served, base), question.floor)
    run = Run(question, scheduler.name, math.fsum(seconds), seconds, timer, served, base, moved)
    return replace(run, effort=getattr(scheduler, "effort", None))


def _play_runs(task: _Task, limits: Limits) -> tuple[Int64, Int64]:
    """One layer in runs."""
    assert isinstance(task.question, Layered)
    return play_in_runs(task.question, task.scheduler, task.layer, limits)
