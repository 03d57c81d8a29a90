"""Times a scheduler on a question in runs: one that treats each layer by itself plays one layer after the other, turn by turn.

Such a scheduler gives every layer its even share of the room (``by_layer``, :mod:`placement_opt.schedulers.base`), so what it
does with one does not depend on the others. A layer is drawn or read turn by turn; what is kept of it is how much each turn
read from where, and moved.
"""

from __future__ import annotations

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import ScheduleError
from placement_opt.base.limits import Limits
from placement_opt.instance.instance import Instance
from placement_opt.instance.layered import Layered
from placement_opt.play.ledger import Ledger
from placement_opt.play.protocol import Scheduler, View
from placement_opt.play.simulate import Steps, look, read_only
from placement_opt.workload.trace import Trace


def plays_in_runs(question: Layered, scheduler: Scheduler) -> bool:
    """Whether it treats each layer by itself, in room for a block and more."""
    room = int(question.capacity[question.fast]) // question.layers.count
    return bool(getattr(scheduler, "by_layer", False)) and room >= question.block_bytes


def play_in_runs(question: Layered, scheduler: Scheduler, layer: int, limits: Limits) -> tuple[Int64, Int64]:
    """One layer: int64[N, 2] bytes read where only home holds them and where both do, int64[N, .] bytes moved.

    Errors as :func:`placement_opt.play.simulate.simulate`, with the step of the whole.
    """
    try:
        return _play(question, layer, scheduler, limits)
    except ScheduleError as error:
        step = None if error.step is None else error.step * question.layers.count + layer
        message = f"layer {layer}: {error.message}"
        raise ScheduleError(message, scheduler=scheduler.name, step=step, block=error.block) from None


def _play(question: Layered, layer: int, scheduler: Scheduler, limits: Limits) -> tuple[Int64, Int64]:
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
