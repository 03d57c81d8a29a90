"""Times a scheduler on a question in runs: those that treat each layer by itself play one layer after the other.

Such a scheduler gives every layer its even share of the room (``by_layer``, :mod:`placement_opt.schedulers.base`), so what it
does with one does not depend on the others. A layer is drawn or read turn by turn; what is kept of it is how much each turn
read from where, and moved.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import LimitError, ScheduleError
from placement_opt.base.limits import Limits
from placement_opt.instance.instance import Instance
from placement_opt.instance.layered import Layered
from placement_opt.instance.stacked import AnyQuestion, Stacked
from placement_opt.memory.split.timing import StepTimer
from placement_opt.play.ledger import Ledger
from placement_opt.play.protocol import Scheduler, View
from placement_opt.play.run import Run
from placement_opt.play.simulate import Steps, look, read_only, simulate
from placement_opt.workload.trace import Trace


def simulate_any(question: AnyQuestion, scheduler: Scheduler, *, limits: Limits | None = None) -> Run:
    """Run a scheduler, in rows or in runs; errors as :func:`placement_opt.play.simulate.simulate` and :func:`by_layer`."""
    if isinstance(question, Instance):
        return simulate(question, scheduler, limits=limits)
    if isinstance(question, Stacked):
        return _one_by_one(question, scheduler, limits)
    return by_layer(question, scheduler, limits=limits)


def _one_by_one(question: Stacked, scheduler: Scheduler, limits: Limits | None) -> Run:
    """Any scheduler, on one layer in rows after the other, each in its share of the room; errors as :func:`simulate`.

    LimitError where budgets would tie the splits of all layers' reads to each other.
    """
    if not question.timed:
        what = "a run within budgets, or by another objective than time, needs the reads as rows"
        raise LimitError(f"{question.why}; {what}".removeprefix("; "))
    runs, fixed = list[Run](), np.zeros(len(question.memory.meters), dtype=np.int64)
    for layer in range(question.layers):
        alone = question.layer(layer, limits)
        run = simulate(alone, scheduler, limits=limits)
        runs.append(replace(run, held=None, instance=question))
        fixed = fixed + (0 if alone.fixed_metered is None else alone.fixed_metered)
    patterns = sorted({pattern for run in runs for pattern in run.timer.patterns})
    served = np.zeros((question.turns, question.layers, len(patterns)), dtype=np.int64)
    for layer, run in enumerate(runs):
        served[:, layer, [patterns.index(pattern) for pattern in run.timer.patterns]] = run.served
    ways = question.loads.serve.reshape(-1, question.num_resources)
    seconds, base, moved = (
        np.stack([getattr(run, name) for run in runs], axis=1).reshape(question.num_steps, *shape)
        for name, shape in (("step_s", ()), ("base", (-1,)), ("moved", (-1,)))
    )
    return Run(
        replace(question, fixed_metered=fixed),
        scheduler.name,
        math.fsum(seconds),
        seconds,
        StepTimer(question.memory, patterns, ways),
        served.reshape(question.num_steps, -1),
        base,
        moved,
    )


def by_layer(question: Layered, scheduler: Scheduler, *, limits: Limits | None = None) -> Run:
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
    parts = []
    for layer in range(count):
        try:
            parts.append(_play(question, layer, scheduler, limits or Limits()))
        except ScheduleError as error:
            step = None if error.step is None else error.step * count + layer
            message = f"layer {layer}: {error.message}"
            raise ScheduleError(message, scheduler=scheduler.name, step=step, block=error.block) from None
    served, moved = (np.stack(columns, axis=1).reshape(question.num_steps, -1) for columns in zip(*parts, strict=True))
    timer = StepTimer(question.memory, sorted((1 << question.home, 3)))
    rows = question.loads.row[0, : question.loads.operations.first_serving]
    base = question.fixed + moved.astype(float) @ rows
    seconds = np.maximum(timer.times(served, base), question.floor)
    run = Run(question, scheduler.name, math.fsum(seconds), seconds, timer, served, base, moved)
    return replace(run, effort=getattr(scheduler, "effort", None))


def _play(question: Layered, layer: int, scheduler: Scheduler, limits: Limits) -> tuple[Int64, Int64]:
    """One layer: int64[N, 2] bytes read where only home holds them and where both do, int64[N, .] bytes moved."""
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
