"""A question whose layers are in rows (:mod:`placement_opt.instance.stacked`) answered from both sides, layer after layer.

1. Prices are raised on some blocks of the first layer, by the rungs that work on rows.
2. Every layer is drawn once: priced exactly, and scheduled within its share of the room. A layer that was not reached counts
   with its fixed loads and the rent of its room, and then there is no schedule of the whole.
3. Where time is left and the gap is not closed, the prices are raised on more blocks, and layers are scheduled again.

All layers have one rent at the beginning of a turn, and the steps of a turn have the same prices of resources.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from placement_opt.answer.work import DUALITY, Work
from placement_opt.base import clock, room
from placement_opt.base.jobs import run_jobs
from placement_opt.bounds.result import Bound, Prices, Status
from placement_opt.instance.instance import Instance
from placement_opt.instance.stacked import Stacked
from placement_opt.instance.thinned import thinned
from placement_opt.layered.by_layer import LayerDone, LayerTask, both_sides
from placement_opt.layered.stacked_plan import StackedPlan

NAME = "layers"
#: Reads of the blocks that prices are raised on at first, and how many times as many there are each time after that.
_SAMPLED, _MORE = 400_000, 4
#: Share of the time left that raising prices may take, and seconds where there is no deadline.
_SHARE, _UNLIMITED_S = 0.25, 60.0
#: What proves that every step takes as long as its fixed loads do.
IDLE = "what every step loads whatever the placement"
#: Rungs that raise prices on a part of a layer, and those that tell how far there is to go.
_RAISING = ("intervals", "sample", "ascent", "belady")


def idle_bound(question: Stacked) -> Bound:
    """What all steps take at least without any block: there at once, before a layer is drawn."""
    value = question.idle_s * question.num_steps * (1.0 - 1e-12)
    return Bound("roofline", Status.BOUND, value, 0.0, IDLE, value_s=value)


def climb_stacked(work: Work, question: Stacked) -> bool:
    """Both sides, in as many of the processes as there is memory for; whether another turn could bring more."""
    left, jobs = room.left(work.limits), min(work.jobs, question.layers)
    while jobs > 1 and question.memory_needed(jobs) > left:
        jobs -= 1
    climb = _Climb(work, question, jobs)
    work.unfinished = not climb.run()
    return False


@dataclass
class _Climb:
    """What all rounds of it share."""

    work: Work
    question: Stacked
    jobs: int
    began: float = field(default_factory=clock.now)
    upper: dict[int, tuple[float, str]] = field(default_factory=dict)
    sections: dict[int, Path] = field(default_factory=dict)
    least: dict[int, float] = field(default_factory=dict)

    def run(self) -> bool:
        """Rounds until the gap is closed or nothing new comes; whether all layers were done."""
        whole, every, prices = False, self._every(_SAMPLED), self.work.start
        for number in range(64):
            before = self.work.standing.state
            found = self._raised(every, prices)
            if found is None:
                break
            prices = found
            whole = self._layers(prices, number) or whole
            after = self.work.standing.state
            if self.work.enough or self.work.limits.reached or not whole:
                break
            if every == 1 and after.lower_s <= before.lower_s and after.latency_s == before.latency_s:
                break
            every = max(1, every // _MORE)
        return whole

    def _every(self, reads: int) -> int:
        return max(1, -(-self.question.reads // reads))

    def _raised(self, every: int, start: Prices | None) -> Prices | None:
        """Prices good for every so many-th block of the first layer; None where the limits came first."""
        from placement_opt.answer.answer import answer
        from placement_opt.answer.rungs import RUNGS

        limits, work = self.work.limits, self.work
        if limits.reached:
            return None
        first: Instance = self.question.layer(0, limits)
        part = first if every == 1 else thinned(first, every)
        seconds = _SHARE * limits.remaining if math.isfinite(limits.remaining) else _UNLIMITED_S
        inner = limits.within(seconds)
        found = answer(
            part, gap=work.gap / 4, limits=inner, warm=start, rungs=[rung for rung in RUNGS if rung.name in _RAISING]
        )
        prices = found.state.prices
        return None if prices is None else Prices(prices.rho, prices.rent)

    def _layers(self, prices: Prices, number: int) -> bool:
        """Every layer once; whether all were done."""
        question, work, count = self.question, self.work, self.question.layers
        folder, lower, step_s = work.folder, dict[int, float](), np.zeros(question.num_steps)
        del step_s

        def take(position: int, done: LayerDone | None) -> None:
            if done is None:
                return
            lower[position] = done.lower_s
            self.least[position] = done.least_s
            if done.upper_s < self.upper.get(position, (math.inf, ""))[0]:
                self.upper[position] = done.upper_s, done.source
                if done.section is not None:
                    self.sections[position] = done.section
            if len(lower) == count:
                self._offer(prices, math.fsum(lower.values()), Status.BOUND)

        sections = [None if folder is None else folder / f"layer-{n}-{number}" for n in range(count)]
        tasks = [LayerTask(question, n, prices, work.gap, number, sections[n]) for n in range(count)]
        run_jobs(both_sides, tasks, jobs=self.jobs, limits=work.limits, done=take)
        done = len(lower) == count
        if not done:
            work.notes.append(f"{NAME}: {len(lower)} of {count} layers were reached")
        if len(self.upper) == count and all(math.isfinite(seconds) for seconds, _ in self.upper.values()):
            sources = sorted({name for _, name in self.upper.values()})
            plan = StackedPlan(question, dict(self.sections)) if folder is not None else None
            work.standing.lower_to(plan, math.fsum(seconds for seconds, _ in self.upper.values()), "+".join(sources))
        return done

    def _offer(self, prices: Prices, value: float, status: Status) -> None:
        """What prices prove of all layers, and what needs none."""
        question, took = self.question, clock.now() - self.began
        details = {"layers": question.layers, "turns": question.turns}
        line = math.fsum(self.least.values()) * (1.0 - 1e-12)
        rests_on = "no residency, no capacity, no moves: every byte read at the best split"
        self.work.standing.raise_to(Bound("roofline", Status.BOUND, line, took, rests_on, details=details), "roofline")
        value *= 1.0 - 1e-14
        self.work.standing.raise_to(Bound(NAME, status, value, took, DUALITY, prices=prices, details=details), NAME)
