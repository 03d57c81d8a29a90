"""A schedule on runs: each layer keeps, in its even share of the fast tier, the blocks that are wanted most.

Wanted most are either the blocks read soonest (Belady), or those that are worth most at the prices of the bound: what their
reads save, less the rents until then. Both rules store a block only while the step's time does not grow by it beyond a
``stretch``: where the fast tier is no later than the link, more hits would only move bytes from one to the other and cost a
write besides.
Layers share nothing but the room, which is divided evenly, so each is scheduled alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from placement_opt.memory.system import Int64
from placement_opt.memory.timing import StepTimer
from placement_opt.scale.prices import Worths
from placement_opt.scale.problem import Large
from placement_opt.workload.runs import LayerRuns

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rule:
    """How to choose.

    Attributes
    ----------
    priced
        By worth at the prices of the bound, else by the wait until the next read.
    stretch
        Share of a step's time that stores may add to it.
    repair
        Share of the fast reads that the next turn would like best to be seen to whatever they cost now.
    pull
        With prices: how fast the price of a store follows the shortfall of hits.
    patience
        Without prices: candidates are ranked by their reads until a pause of more turns than this.
    """

    priced: bool = False
    stretch: float = 0.0
    repair: float = 0.0
    pull: float = 0.0
    patience: int = 0


#: What is tried on one layer; the best is used for all.
RULES = (
    Rule(),
    Rule(patience=3, repair=1.0),
    Rule(priced=True, stretch=1.0),
    Rule(priced=True, stretch=1.0, repair=1.0, pull=0.1),
    Rule(priced=True, stretch=1.0, repair=1.0, pull=0.5),
    Rule(priced=True, stretch=1.0, repair=1.0, pull=2.0),
)


@dataclass(frozen=True, eq=False)
class LayerSchedule:
    """What one layer does: int64[N] reads served from a fast copy, and blocks stored into the fast tier, at each turn."""

    hits: Int64
    stores: Int64
    moves: npt.NDArray[np.int32]


def schedule_layer(
    problem: Large, layer: int, runs: LayerRuns, worths: Worths, rule: Rule, *, record: int = 0
) -> LayerSchedule:
    """The schedule of one layer; ``record`` is how many moves to write down (all, if it is large enough)."""
    from placement_opt.scale.keep_kernels import chains, keep
    from placement_opt.scale.prices_kernels import worth_at_end

    memory, home, fast = problem.memory, problem.home, problem.fast
    seconds = problem.block_bytes / memory.rates.astype(np.float64)
    reads, births = runs.reads_per_turn, runs.births_per_turn
    base = problem.fixed / memory.rates + seconds * (reads[:, None] * memory.read[home] + births[:, None] * memory.write[home])
    hit, stored = seconds * (memory.read[fast] - memory.read[home]), seconds * memory.write[fast]
    level, worth = np.zeros(0, dtype=np.int8), np.zeros(0, dtype=np.float32)
    prices = (worths.gain, worths.write, worths.gains, worths.rents)
    if rule.priced:
        worth = worth_at_end(runs.start, runs.first, runs.last, *prices)
    else:
        level = chains(runs.start, runs.first, runs.last, rule.patience)
    moves = np.empty((3, record), dtype=np.int32)
    hits, stores, made = keep(
        runs.birth,
        runs.start,
        runs.first,
        runs.last,
        level,
        worth,
        *prices,
        problem.room_of(layer),
        base,
        hit,
        stored,
        problem.floor,
        rule.stretch,
        rule.repair,
        rule.pull,
        reads,
        moves,
    )
    return LayerSchedule(hits, stores, moves[:, : min(made, record)])


def layer_time(problem: Large, reads: Int64, births: Int64, hits: Int64, stores: Int64) -> float:
    """Seconds of one layer's steps, the reads split optimally over the copies."""
    memory, size = problem.memory, problem.block_bytes
    timer = StepTimer(memory, [1 << problem.home, 3])
    base = problem.fixed + size * (births[:, None] * memory.write[problem.home] + stores[:, None] * memory.write[problem.fast])
    times = timer.times(size * np.stack([reads - hits, hits], axis=1), base)
    return math.fsum(np.maximum(problem.floor, times).tolist())


def idle_time(problem: Large, layer: int) -> float:
    """Seconds of a layer that keeps nothing in the fast tier: a schedule that is always there."""
    reads = problem.layers.reads(layer)
    nothing = np.zeros_like(reads)
    return layer_time(problem, reads, problem.layers.births(layer), nothing, nothing)
