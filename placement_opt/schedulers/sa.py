"""The paper's SA-guided migration: a look into the near future, its two parameters found by simulated annealing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.cost import Cost, once
from placement_opt.base.limits import Limits
from placement_opt.bounds.size import Size
from placement_opt.instance.instance import Instance
from placement_opt.play.protocol import Effort, Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.base import Policy, option
from placement_opt.schedulers.hierarchy.future import layer_clock, look_ahead
from placement_opt.schedulers.hierarchy.hierarchy import NOTHING, Hierarchy
from placement_opt.schedulers.window import window
from placement_opt.workload.trace import Trace

_FIRST = (5, 0.5)
_STRIDES = (3, 0.3)
_LONGEST = 1000
_LEAST = 0.05
_COOLING = 0.95
_ITERATIONS, _SAMPLE = 40, 1000


def _passes(size: Size) -> float:
    """Whole passes that the annealing and what it finds come to."""
    return 1.0 + _ITERATIONS * min(1.0, _SAMPLE / size.steps)


@dataclass
class SA(Policy):
    """The paper's SA-guided migration: promote what is read now and soon again, window and ratio tuned by annealing.

    Of the blocks a step reads that the fastest tier misses, those read again within ``window`` steps of their layer are
    ranked by the sum of 1/offset over these reads, and the first ``ratio`` of them are stored there, as far as blocks of the
    layer not read within the window make way (those read latest first; the paper leaves their order open). A new block is
    stored there if the layer's next step reads it. Layers share the room as they come. A free start holds what is read first.

    ``window=0`` or ``ratio=0`` are tuned on the first ``sample`` steps of the trace by annealing as in the paper (start at 5
    and 0.5, strides up to 3 and 0.3, cooling 0.95); moves to a latency worse by a share d are accepted with probability
    exp(-d / temperature); the paper's own temperature, in nanoseconds, accepts next to none. Traffic is charged by this
    project's rules, not by the paper's simulator. Several tiers: see :mod:`placement_opt.schedulers.hierarchy.hierarchy`.
    """

    title: ClassVar[str] = "sa"
    online: ClassVar[bool] = False
    family: ClassVar[str] = "paper"
    source: ClassVar[str] = "arXiv 2508.13231: SAMigration, LookAheadOnePlacement"
    cost: ClassVar[Cost[Size]] = Cost(
        "sa",
        {"per_step": lambda size: _passes(size) * size.steps, "per_read": lambda size: _passes(size) * size.all_reads},
        {"once": once, "per_read": lambda size: size.all_reads, "per_block_and_tier": lambda size: size.blocks * size.tiers},
    )

    window: int = option(0, "steps of the layer to look ahead; 0: tuned", low=0, high=_LONGEST)
    ratio: float = option(0.0, "share of the candidates that is promoted; 0: tuned", low=0.0, high=1.0)
    iterations: int = option(_ITERATIONS, "of the annealing", low=1, high=10_000)
    temperature: float = option(0.001, "relative worsening accepted with probability 1/e at first", low=1e-9, high=1.0)
    seed: int = option(0, "of the annealing", low=0, high=2**32 - 1)
    sample: int = option(_SAMPLE, "steps the annealing tries its parameters on", low=1, high=2**31 - 1)

    def plan(self, instance: Instance, limits: Limits) -> None:
        """Look ahead, and tune what is not given."""
        trace = instance.trace
        self._indptr, self._future = trace.indptr, look_ahead(trace, layer_clock(trace))
        self._order_of_reads = look_ahead(trace).first
        if self.window and self.ratio:
            self.tuned, self._effort = (self.window, self.ratio), None
        else:
            self.tuned = _anneal(self, head(instance, self.sample), limits)
            self._effort = Effort("iterations of the annealing", self.iterations, self.iterations)
        self._scores = _scores(trace, self._future.clock, self.tuned[0])

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        del first_reads  # the whole trace is known
        self._caches = Hierarchy(setting, by_layer=True, shares=False)
        ids = setting.initial_blocks
        return self._caches.start(-self._order_of_reads[ids] * len(setting.size) - ids)

    def step(self, view: View) -> Moves:
        window, ratio = self.tuned
        now = int(self._future.clock[view.step])
        reads = slice(self._indptr[view.step], self._indptr[view.step + 1])
        self._caches.begin(view, -self._future.after_read[reads], -self._future.first[view.births])
        scores = np.where(self._caches.missed(view.reads), self._scores[reads], 0.0)
        ranked = np.argsort(-scores, kind="stable")[: math.ceil(ratio * np.count_nonzero(scores))]
        self._caches.admit(view.reads[ranked], np.full(len(ranked), -now - window))
        if len(view.births):
            soon = self._future.first[view.births] == now + 1
            levels = np.where(soon, 0, self._caches.lowest)
            self._caches.admit(view.births, np.where(soon, -now - 1, NOTHING), levels)
        return self._caches.moves()


def _anneal(options: SA, instance: Instance, limits: Limits) -> tuple[int, float]:
    """The best window and ratio met on the way."""
    from placement_opt.play.simulate import simulate  # it imports this package; tuning is the one thing here that runs it

    known: dict[tuple[int, float], float] = {}

    def latency(point: tuple[int, float]) -> float:
        if point not in known:
            window, ratio = point
            given = SA(window if options.window == 0 else options.window, ratio if options.ratio == 0 else options.ratio)
            known[point] = simulate(instance, given, limits=limits).cost_s
        return known[point]

    rng = np.random.default_rng(options.seed)
    here, heat = _FIRST, options.temperature
    for _ in range(options.iterations):
        window = here[0] + int(rng.integers(-_STRIDES[0], _STRIDES[0], endpoint=True))
        ratio = round(here[1] + float(rng.uniform(-_STRIDES[1], _STRIDES[1])), 3)
        there = (min(max(window, 1), _LONGEST), min(max(ratio, _LEAST), 1.0))
        worse = latency(there) / latency(here) - 1.0 if latency(here) > 0 else 0.0
        if worse <= 0.0 or rng.random() < math.exp(-worse / heat):
            here = there
        heat *= _COOLING
    best = min(known, key=lambda point: (known[point], point))
    return (options.window or best[0], options.ratio or best[1])


def head(instance: Instance, steps: int) -> Instance:
    """The first steps of an instance, with the blocks that exist by then."""
    if steps >= instance.num_steps or not (instance.trace.birth < steps).any():
        return instance
    return window(instance, 0, steps, instance.initial)[0]


def _scores(trace: Trace, clock: Int64, window: int) -> npt.NDArray[np.float64]:
    from placement_opt.schedulers.sa_kernels import window_scores

    pointers, order = trace.by_block
    scores: npt.NDArray[np.float64] = window_scores(pointers, order, clock[trace.read_step[order]], window)
    return scores
