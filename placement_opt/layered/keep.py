"""Schedules on runs: each layer keeps, in its even share of the fast tier, the blocks that are wanted most.

Wanted most are either the blocks read soonest (Belady), or those that are worth most at the prices of the bound: what their
reads save, less the rents until then. That settles what is kept on the whole. A step is no faster than the later of its two
tiers, though, and one read too few found in the fast tier costs as much time as a dozen stores; so the next turns are looked
at, too, and what they will lack is stored just in time.
Layers share nothing but the room, which is divided evenly, so each is scheduled alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Float64, Int32, Int64
from placement_opt.base.limits import Limits
from placement_opt.instance.layered import Layered
from placement_opt.layered.by_block import follow_layer
from placement_opt.layered.prices import Worths
from placement_opt.memory.split.timing import StepTimer
from placement_opt.workload.runs import LayerRuns

Moves = Int32

#: Turns between two looks at the limits.
_AT_ONCE = 64


@dataclass(frozen=True)
class Rule:
    """How to choose.

    Attributes
    ----------
    by_block
        Block after block (:mod:`placement_opt.layered.by_block`), not turn after turn, and so nothing of what follows.
    priced
        By worth at the prices of the bound, else by the wait until the next read.
    ahead
        Turns ahead of which what they lack is seen to.
    stretch
        Share of a step's time that stores may add to it, those for the next turns left out.
    patience
        Without prices: candidates are ranked by their reads until a pause of more turns than this.
    """

    by_block: bool = False
    priced: bool = False
    ahead: int = 0
    stretch: float = 0.0
    patience: int = 0


#: What is tried on one layer, what takes least time first; the best is used for all.
BY_BLOCK = (Rule(by_block=True),)
BY_TURN = (
    Rule(),
    Rule(ahead=2, patience=3),
    Rule(priced=True, ahead=2, stretch=1.0),
    Rule(priced=True, ahead=3, stretch=1.0),
    Rule(priced=True, ahead=4, stretch=1.0),
    Rule(priced=True, ahead=6, stretch=1.0),
)
RULES = (*BY_BLOCK, *BY_TURN)


@dataclass(frozen=True, eq=False)
class LayerSchedule:
    """What one layer does: int64[N] reads served from a fast copy, and blocks stored into the fast tier, at each turn.

    ``turns`` of them were reached; from then on nothing is stored, nor any copy read. Where blocks go one after another, all
    or, at a limit, 0: what was not reached keeps nothing.
    """

    hits: Int64
    stores: Int64
    turns: int


def schedule_layer(
    problem: Layered,
    layer: int,
    runs: LayerRuns,
    worths: Worths,
    rule: Rule,
    *,
    limits: Limits | None = None,
    moved: Callable[[int, int, Moves], None] | None = None,
) -> LayerSchedule:
    """The schedule of one layer, as far as it comes within the limits.

    ``moved(low, high, moves)`` is handed its moves as it goes, those of the turns low .. high - 1 (-1: the start) as
    int32[3, .]: turn, block, 1 stored or 0 dropped.
    """
    if rule.by_block:
        hits, stores, whole = follow_layer(problem, layer, runs, worths, limits or Limits(), moved)
        return LayerSchedule(hits, stores, runs.turns if whole else 0)
    from placement_opt.layered import keep_kernels as kernels
    from placement_opt.layered.prices_kernels import worth_at_end

    level, worth = np.zeros(0, dtype=np.int8), np.zeros(0, dtype=np.float32)
    prices = (worths.gain, worths.write, worths.gains, worths.rents)
    if rule.priced:
        worth = worth_at_end(runs.start, runs.first, runs.last, *prices)
    else:
        level = kernels.chains(runs.start, runs.first, runs.last, rule.patience)
    wanted = kernels.Wanted(level, worth, *prices)
    blocks, spans = runs.num_blocks, (runs.start, runs.first, runs.last)
    state = kernels.open_state(*spans, wanted, runs.turns, rule.ahead)
    listing, loads = kernels.new_listing(blocks), _loads(problem, runs)
    moves = np.empty((3, 0 if moved is None else 4 * blocks + 1024), dtype=np.int32)
    turn, room = -1, problem.room_of(layer)
    while turn < runs.turns and not (limits is not None and limits.reached):
        until = min(turn + _AT_ONCE, runs.turns)
        options = (room, rule.stretch, rule.ahead, turn, until)
        low = turn
        turn, made = kernels.keep(runs.birth, *spans, wanted, loads, *options, state, listing, moves)
        if moved is not None:
            moved(low, turn, moves[:, :made])
    return LayerSchedule(state.hits, state.stores, max(0, turn))


def _loads(problem: Layered, runs: LayerRuns) -> tuple[Float64, Float64, Float64, Int64, Float64]:
    """The arrays of :class:`placement_opt.layered.choose_kernels.Loads`."""
    from placement_opt.layered.choose_kernels import Loads

    memory, home, fast = problem.memory, problem.home, problem.fast
    seconds = problem.block_bytes / memory.rates.astype(np.float64)
    reads, births = runs.reads_per_turn, runs.births_per_turn
    base = problem.fixed / memory.rates + seconds * (reads[:, None] * memory.read[home] + births[:, None] * memory.write[home])
    hit, stored = seconds * (memory.read[fast] - memory.read[home]), seconds * memory.write[fast]
    return Loads(base, hit, stored, reads, np.array([problem.floor]))


def layer_time(problem: Layered, reads: Int64, births: Int64, hits: Int64, stores: Int64) -> float:
    """Seconds of one layer's steps, the reads split optimally over the copies."""
    memory, size = problem.memory, problem.block_bytes
    timer = StepTimer(memory, [1 << problem.home, 3])
    base = problem.fixed + size * (births[:, None] * memory.write[problem.home] + stores[:, None] * memory.write[problem.fast])
    times = timer.times(size * np.stack([reads - hits, hits], axis=1), base)
    return math.fsum(np.maximum(problem.floor, times).tolist())


def idle_time(problem: Layered, layer: int) -> float:
    """Seconds of a layer that keeps nothing in the fast tier: a schedule that is always there."""
    reads = problem.layers.reads(layer)
    nothing = np.zeros_like(reads)
    return layer_time(problem, reads, problem.layers.births(layer), nothing, nothing)
