"""A question whose layers are in rows (:mod:`placement_opt.instance.stacked`) answered from both sides, layer after layer.

1. Prices are raised on some blocks of the first layer, by the compact program where that is small and its placement shows how
   near it is, else by the rungs that work on rows.
2. Every layer is drawn once: priced exactly, and scheduled within its share of the room. A layer that was not reached counts
   with the least that the prices charge it, or its roofline; there is a schedule when the last one is done.
3. Where time is left and the gap is not closed, the prices are raised on more blocks, and layers are scheduled again.

All layers have one rent at the beginning of a turn, and the steps of a turn have the same prices of resources.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from placement_opt.answer.by_layer import COST, Asked, LayerDone, LayerTask, both_sides
from placement_opt.answer.layers_done import keep_done, keep_prices, kept_done, kept_prices
from placement_opt.answer.prove_integer import whole_prices
from placement_opt.answer.standing import State
from placement_opt.answer.work import DUALITY, EXACT, Work
from placement_opt.base import clock
from placement_opt.base.arrays import Float64
from placement_opt.base.backend import Backend
from placement_opt.base.limits import Limits
from placement_opt.bounds import turns
from placement_opt.bounds.compact import REFINED, placed_s, relax
from placement_opt.bounds.dual.budgets import without_objective
from placement_opt.bounds.dual.evaluate import DualValue, evaluate, legal
from placement_opt.bounds.overdrawn import no_schedule
from placement_opt.bounds.result import Bound, Prices, Status
from placement_opt.bounds.sample import prices_for
from placement_opt.bounds.size import Size
from placement_opt.bounds.turns import Least
from placement_opt.instance.instance import Instance
from placement_opt.instance.stacked import Stacked
from placement_opt.instance.thinned import thinned
from placement_opt.layered.dual import above, below
from placement_opt.layered.solve import CertifiedPrices, certified_prices
from placement_opt.layered.stacked_plan import StackedPlan

NAME = "layers"
#: Reads of the blocks that prices are raised on at first, and how many times as many there are each time after that: few, for
#: what is good for some blocks of a layer is good for all layers, and many steps up are worth more than many blocks.
_SAMPLED, _MORE = 150_000, 2
#: Shares of the time left that raising prices may take at least and at most, and seconds where there is no deadline; what is
#: between goes by how many times what the layers should take is left for them.
_LEAST_SHARE, _MOST_SHARE, _UNLIMITED_S, _SPARE = 0.1, 0.25, 60.0, 1.1
#: What a layer takes that is priced alone, as a share of both sides; either is begun where it should take no more than so many
#: times what is left.
_PRICED, _HOPED = 0.35, 1.5
#: Rounds at most.
_ROUNDS = 16
#: Rungs that raise prices on a part of a layer, with one that tells how far there is to go; those that go on from good prices;
#: those that find out whether any schedule keeps the budgets.
_RAISING, _GOING_ON, _WITHIN_BUDGETS = ("intervals", "sample", "ascent", "belady"), ("ascent", "belady"), ("step", "compact")
#: The compact program comes first where it should take no more than this share of the seconds for raising prices.
_COMPACT = 0.1


def _by_program(part: Instance, gap: float, limits: Limits) -> tuple[State, bool]:
    """What the compact program proves of a part, and whether its own placement shows that no prices prove much more."""
    found = relax(part, limits=limits, gap=gap).bound
    return State(bound=found, prices=found.prices), placed_s(found) <= (found.lower_bound_s or 0.0) * (1.0 + gap)


def climb_stacked(work: Work, question: Stacked) -> bool:
    """Both sides, wherever layers are worked on; whether another turn could bring more."""
    climb = _Climb(work, question, work.backend.fitting(question.layers, question.memory_needed, work.limits))
    work.unfinished = not climb.run()
    return False


@dataclass
class _Climb:
    """What all rounds of it share: of each layer the best schedule, whose it is, and the file of its moves."""

    work: Work
    question: Stacked
    backend: Backend
    began: float = field(default_factory=clock.now)
    pace: float = 1.0
    upper: dict[int, LayerDone] = field(default_factory=dict)

    @property
    def needed_s(self) -> float:
        """Seconds that both sides of all layers should take, at the pace of those that were done."""
        return self.pace * COST.expected_s(Asked(self.question, self.backend.jobs))

    def run(self) -> bool:
        """Rounds until the gap is closed or nothing new comes; whether all layers were done."""
        whole, every, start = False, max(1, -(-self.question.reads // _SAMPLED)), self.work.start
        for number in range(_ROUNDS):
            before = self.work.standing.state
            made = self._prices(number, every, start)
            within_s = _HOPED * self.work.limits.remaining
            if made is None or (number and _PRICED * self.needed_s > within_s):
                break
            start = made
            whole = self._layers(made, number, scheduled=self.needed_s <= within_s) or whole
            after = self.work.standing.state
            still = after.lower_s <= before.lower_s and after.latency_s == before.latency_s
            if self.work.enough or self.work.limits.reached or not whole or (every == 1 and still):
                break
            every = max(1, every // _MORE)
        return whole

    def _prices(self, number: int, every: int, start: Prices | None) -> CertifiedPrices | None:
        """Those of a round: as an earlier run kept them, or raised."""
        kept = self.work.kept
        made = None if kept is None else kept_prices(kept, self.question, number)
        if made is None:
            made = self._raised(every, start, number)
            if kept is not None and made is not None and not self.work.limits.reached:
                keep_prices(kept, number, made)
        return made

    def _raised(self, every: int, start: Prices | None, number: int) -> CertifiedPrices | None:
        """Prices good for every so many-th block of the heaviest layer, in whole numbers; None where limits came first."""
        limits = self.work.limits
        if limits.reached:
            return None
        first = self.question.layer(self.question.heaviest, limits)
        part = first if every == 1 else thinned(first, every)
        inner = limits.within(self._raising_s())
        known = None if start is None else prices_for(part, start)
        small = known is None and part.timed and REFINED.expected_s(Size.of(part)) <= _COMPACT * inner.remaining
        found, near = _by_program(part, self.work.gap / EXACT, inner) if small else (State(), False)
        if not near:
            names = (_GOING_ON if number else _RAISING) + (() if part.timed else _WITHIN_BUDGETS)
            assert self.work.raised is not None
            found = self.work.raised(part, self.work.gap / EXACT, inner, known if found.prices is None else found.prices, names)
        if found.prices is None:
            return None
        none = found.no_schedule is not None
        prices = legal(without_objective(first) if none else first, found.prices)
        value = found.lower_s * every if not none else evaluate(part, found.prices, ray=True).value_s * every
        return certified_prices(whole_prices(first, prices, value, self.question.hash, no_schedule=none))

    def _raising_s(self) -> float:
        """Seconds that raising prices may take: what the layers leave of the time, which is never all of it."""
        left = self.work.limits.remaining
        if math.isinf(left):
            return _UNLIMITED_S
        return min(max(left - _SPARE * self.needed_s, _LEAST_SHARE * left), _MOST_SHARE * left)

    def _layers(self, prices: CertifiedPrices, number: int, *, scheduled: bool) -> bool:
        """Every layer once, or what prices prove of it alone; whether all were done."""
        question, work, count, moves = self.question, self.work, self.question.layers, self.work.folder is not None
        least = Least(question, prices.certificate)
        lower, rest = dict[int, Fraction](), {layer: least.of(layer) for layer in range(count)}

        def take(position: int, done: LayerDone | None) -> None:
            if done is None:
                return
            if done.part is not None:
                done.part.landed()
                done = replace(done, part=None)
            lower[position] = done.lower
            del rest[position]
            before = self.upper.get(position)
            if done.upper is not None and (before is None or before.upper is None or done.upper < before.upper):
                self.upper[position] = done
            self._offer_bound(prices, sum(lower.values(), Fraction(0)) + sum(rest.values(), Fraction(0)), len(lower))
            if len(self.upper) == count:
                self._offer_schedule()

        def fresh(position: int, done: LayerDone | None) -> None:
            layer = missing[position]
            take(layer, done)
            if work.kept is not None and done is not None and not work.limits.reached:
                keep_done(work.kept, layer, number, done, scheduled=scheduled, moves=moves)

        known = {} if work.kept is None else kept_done(work.kept, count, number, scheduled=scheduled, moves=moves)
        for layer, done in known.items():
            take(layer, done)
        missing = [layer for layer in range(count) if layer not in known]
        names = [None if work.folder is None else work.folder / f"layer-{n}-{number}" for n in range(count)]
        at_once = len(missing) if self.backend.away else self.backend.jobs
        waiting = [-(-n // at_once) for n in range(len(missing), 0, -1)]
        tasks = [
            LayerTask(question, n, prices, work.gap, number, names[n], scheduled, others)
            for n, others in zip(missing, waiting, strict=True)
        ]
        began = clock.now()
        self.backend.run(both_sides, tasks, shared=(question, prices), limits=work.limits, done=fresh)
        if len(lower) == count and not known:
            self.pace *= (clock.now() - began) / max(self.needed_s * (1.0 if scheduled else _PRICED), 1e-9)
        if len(lower) < count:
            work.notes.append(f"{NAME}: {len(lower)} of {count} layers were reached")
        return len(lower) == count

    def _offer_bound(self, prices: CertifiedPrices, value: Fraction, done: int) -> None:
        """What prices prove when so many layers are done, and what needs none."""
        question, took, standing = self.question, clock.now() - self.began, self.work.standing
        details = {"layers": question.layers, "layers_done": done, "turns": question.turns, "reads": question.num_reads}
        claim = max(value, Fraction(0))
        made = replace(prices, certificate=replace(prices.certificate, claim=claim))
        if not made.certificate.no_schedule:
            value_s, step_s = below(claim), self._spread(below(claim), done)
            found = Bound(NAME, Status.BOUND, value_s, took, DUALITY, step_s=step_s, prices=made, details=details)
            standing.raise_to(found, NAME)
        elif claim > 0:
            standing.raise_to(no_schedule(NAME, DualValue(below(claim), np.zeros(0), made), took, details), NAME)

    def _spread(self, value_s: float, done: int) -> Float64 | None:
        """float64[T]: a bound spread over the steps as the roofline is; None where not all layers are done."""
        steps = turns.roofline(self.question).step_s if done == self.question.layers else None
        return None if steps is None else np.asarray(steps * (value_s / max(float(steps.sum()), 1e-300)))

    def _offer_schedule(self) -> None:
        """The best of each layer, together."""
        best = {layer: done for layer, done in self.upper.items() if done.upper is not None}
        seconds = sum((done.upper for done in best.values() if done.upper is not None), Fraction(0))
        files = {layer: done.section for layer, done in best.items() if done.section is not None}
        moves = sum(done.moves for done in best.values())
        plan = StackedPlan(self.question, files, seconds, moves) if len(files) == self.question.layers else None
        source = "+".join(sorted({done.source for done in best.values()}))
        self.work.standing.lower_to(plan, above(seconds), source)
