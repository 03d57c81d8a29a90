"""Times a scheduler on a question in runs: those that treat each layer by itself play one layer after the other.

Such a scheduler gives every layer its even share of the room (``by_layer``, :mod:`placement_opt.schedulers.base`), so what it
does with one does not depend on the others. A layer is drawn or read turn by turn; what is kept of it is how much each turn
read from where, and moved.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.backend import Backend
from placement_opt.base.errors import LimitError, ScheduleError
from placement_opt.base.limits import Limits
from placement_opt.instance.instance import Instance
from placement_opt.instance.law import kind_and_sources, kinds_among
from placement_opt.instance.layered import Layered
from placement_opt.instance.stacked import AnyQuestion, Stacked
from placement_opt.memory.split.timing import StepTimer
from placement_opt.play.ledger import Ledger
from placement_opt.play.protocol import Scheduler, View
from placement_opt.play.run import Run
from placement_opt.play.simulate import Steps, look, play_alone, read_only, said_by, simulate
from placement_opt.play.split_program import Moved
from placement_opt.play.timed import split_run, with_steps
from placement_opt.workload.trace import Trace

_Played = TypeVar("_Played")


def simulate_any(
    question: AnyQuestion,
    scheduler: Scheduler,
    *,
    per_step: bool = False,
    limits: Limits | None = None,
    backend: Backend | None = None,
) -> Run:
    """Run a scheduler, in rows or in runs; errors as :func:`placement_opt.play.simulate.simulate` and :func:`by_layer`.

    ``per_step``: keep a table of every step; ``backend``: where layers are played, each with a copy of the scheduler if that is
    elsewhere.
    """
    if isinstance(question, Instance):
        return simulate(question, scheduler, per_step=per_step, limits=limits)
    if isinstance(question, Stacked):
        run = _one_by_one(question, scheduler, limits, backend)
    else:
        run = by_layer(question, scheduler, limits=limits, backend=backend)
    return with_steps(run) if per_step else run


@dataclass(frozen=True, eq=False)
class _Task:
    """A layer to play."""

    question: Layered | Stacked
    scheduler: Scheduler
    layer: int


def _each(
    work: Callable[[_Task, Limits], _Played],
    question: Layered | Stacked,
    scheduler: Scheduler,
    limits: Limits | None,
    backend: Backend | None,
) -> list[_Played]:
    """What came of each layer; errors as :func:`placement_opt.play.simulate.simulate` where the limits end it."""
    limits = limits or Limits()
    tasks = [_Task(question, scheduler, layer) for layer in range(question.num_layers)]
    found = (backend or Backend()).run(work, tasks, shared=(question,), limits=limits)
    played = [one for one in found if one is not None]
    if len(played) < len(tasks):
        look(limits, f"{scheduler.name}, layer by layer,", len(played), len(tasks), "layers")
    return played


@dataclass(frozen=True, eq=False)
class _Rows:
    """What is kept of a run on a layer in rows: which ways served its reads, and each turn's numbers, as in a run."""

    patterns: list[int]
    served: Int64
    step_s: Float64
    base: Float64
    moved: Int64
    fixed: Int64 | int


def _play_rows(task: _Task, limits: Limits) -> _Rows:
    """One layer in rows."""
    assert isinstance(task.question, Stacked)
    alone = task.question.layer(task.layer, limits)
    run = simulate(alone, task.scheduler, limits=limits)
    patterns, moved = _numbered(task.question, alone, list(run.timer.patterns), run.moved)
    return _Rows(patterns, run.served, run.step_s, run.base, moved, _metered(alone))


@dataclass(frozen=True, eq=False)
class _Tied:
    """What is kept of one whose reads are split with those of all other layers."""

    patterns: list[int]
    served: Int64
    base: npt.NDArray[np.object_]
    counted: list[int]
    moved: Int64
    fixed: Int64 | int


def _play_tied(task: _Task, limits: Limits) -> _Tied:
    """One layer in rows, not timed yet."""
    assert isinstance(task.question, Stacked)
    alone = task.question.layer(task.layer, limits)
    one, moves = play_alone(alone, task.scheduler, limits)
    patterns, moved = _numbered(task.question, alone, list(one.timer.patterns), moves)
    return _Tied(patterns, one.served, one.base, one.counted, moved, _metered(alone))


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


def _one_by_one(question: Stacked, scheduler: Scheduler, limits: Limits | None, backend: Backend | None) -> Run:
    """Any scheduler, on one layer in rows after the other, each in its share of the room; errors as :func:`simulate`.

    Budgets tie the splits of all layers' reads to each other: the moves come layer by layer, and are timed together.
    """
    if not question.timed:
        return _tied(question, scheduler, limits, backend)
    runs, fixed = _each(_play_rows, question, scheduler, limits, backend), np.zeros(len(question.memory.meters), dtype=np.int64)
    for run in runs:
        fixed = fixed + run.fixed
    timer, served = _served(question, [(run.patterns, run.served) for run in runs])
    seconds, base, moved = (_in_turn(question, [getattr(run, name) for run in runs]) for name in ("step_s", "base", "moved"))
    whole = replace(question, fixed_metered=fixed)
    return Run(whole, scheduler.name, math.fsum(seconds), seconds, timer, served, base, moved)


def _tied(question: Stacked, scheduler: Scheduler, limits: Limits | None, backend: Backend | None) -> Run:
    """The same where more than the time of each step counts: all reads of all layers are split at once."""
    parts = _each(_play_tied, question, scheduler, limits, backend)
    fixed = np.zeros(len(question.memory.meters), dtype=np.int64)
    for part in parts:
        fixed = fixed + part.fixed
    timer, served = _served(question, [(part.patterns, part.served) for part in parts])
    base, moved = (_in_turn(question, [getattr(part, name) for part in parts]) for name in ("base", "moved"))
    counted = [sum(column) for column in zip(*(part.counted for part in parts), strict=True)]
    whole = Moved(replace(question, fixed_metered=fixed), timer, served, base, counted)
    try:
        return split_run(whole, scheduler.name, base.astype(float) / question.share_base, moved)
    except ScheduleError as error:
        raise said_by(scheduler, error) from None


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
    """Run a scheduler through a question in runs, one layer after the other.

    Raises
    ------
    LimitError
        It does not treat each layer by itself, which then needs the reads as rows; or the deadline came first.
    ScheduleError, Interrupted
        As :func:`placement_opt.play.simulate.simulate`.
    """
    block, count = question.block_bytes, question.layers.count
    if not getattr(scheduler, "by_layer", False) or int(question.capacity[question.fast]) // count < block:
        alone = "only schedulers that treat each layer by itself (lru), in room for a block and more each, do without"
        raise LimitError(f"{question.why}; {scheduler.name} needs the reads as rows: {alone}".removeprefix("; "))
    parts = _each(_play, question, scheduler, limits, backend)
    served, moved = (np.stack(columns, axis=1).reshape(question.num_steps, -1) for columns in zip(*parts, strict=True))
    timer = StepTimer(question.memory, sorted((1 << question.home, 3)))
    rows = question.loads.row[0, : question.loads.operations.first_serving]
    base = question.fixed + moved.astype(float) @ rows
    seconds = np.maximum(timer.times(served, base), question.floor)
    run = Run(question, scheduler.name, math.fsum(seconds), seconds, timer, served, base, moved)
    return replace(run, effort=getattr(scheduler, "effort", None))


def _play(task: _Task, limits: Limits) -> tuple[Int64, Int64]:
    """One layer in runs: int64[N, 2] bytes read where only home holds them and where both do, int64[N, .] bytes moved."""
    assert isinstance(task.question, Layered)
    try:
        return _play_runs(task.question, task.layer, task.scheduler, limits)
    except ScheduleError as error:
        step = None if error.step is None else error.step * task.question.layers.count + task.layer
        message = f"layer {task.layer}: {error.message}"
        raise ScheduleError(message, scheduler=task.scheduler.name, step=step, block=error.block) from None


def _play_runs(question: Layered, layer: int, scheduler: Scheduler, limits: Limits) -> tuple[Int64, Int64]:
    if not question.layers.blocks_of(layer):
        moving = question.loads.operations.first_serving
        return np.zeros((question.layers.turns, 2), dtype=np.int64), np.zeros((question.layers.turns, moving), dtype=np.int64)
    alone = _alone(question, layer)
    ledger, steps, rows = Ledger(alone), Steps(alone), question.layers.rows(layer)
    reads = next(rows)
    ledger.place_chosen(scheduler.start(steps.setting(), [read_only(reads[alone.first_state[reads] == 0])]))
    resident, inside = read_only(ledger.resident.view()), ledger.resident[question.fast]
    counts = np.zeros((alone.num_steps, 2), dtype=np.int64)
    for turn in range(alone.num_steps):
        if turn % 64 == 0:
            look(limits, f"{scheduler.name}, layer {layer}", turn, alone.num_steps)
        _, shares, births, freed = steps.at(turn)
        hits = np.count_nonzero(inside[reads])
        counts[turn] = len(reads) - hits, hits
        used = read_only(ledger.begin(turn, reads, shares, births, freed))
        fixed = read_only(question.fixed.copy())
        shown = read_only(reads)
        ledger.apply(scheduler.step(View(turn, 0, shown, shares, births, resident, used, fixed, question.floor, freed)))
        reads = next(rows, reads)
    return counts * question.block_bytes, ledger.moved


def _alone(question: Layered, layer: int) -> Instance:
    """A layer by itself in its share of the fast tier, its reads left out: they come turn by turn."""
    layers, turns, count = question.layers, question.layers.turns, question.layers.count
    birth = layers.birth(layer)
    nothing = np.zeros(0, dtype=np.int32)
    capacity, room = question.capacity.copy(), int(question.capacity[question.fast])
    capacity[question.fast] = room * (layer + 1) // count - room * layer // count
    trace = Trace(
        indptr=np.zeros(turns + 1, dtype=np.int64),
        blocks=nothing,
        birth=birth,
        death=np.full(len(birth), turns, dtype=np.int32),
        size=np.array([question.block_bytes], dtype=np.int64),
        size_unit="bytes",
    )
    return Instance(
        name=question.name,
        memory=question.memory,
        trace=trace,
        residency="inclusive",
        capacity=capacity,
        size=np.full(len(birth), question.block_bytes, dtype=np.int64),
        fixed=np.tile(question.fixed, (turns, 1)),
        floor=np.full(turns, question.floor),
        home_tier=question.home_tier,
    )
