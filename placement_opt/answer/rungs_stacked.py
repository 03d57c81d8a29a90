"""A question whose layers are in rows (:mod:`placement_opt.instance.stacked`) answered from both sides, layer after layer.

1. Prices are raised on some blocks of the first layer, by the rungs that work on rows.
2. Every layer is drawn once: priced exactly, and scheduled within its share of the room. Both sides of the whole are there when
   the last layer is done; until then it has what every step loads whatever the placement, and no schedule.
3. Where time is left and the gap is not closed, the prices are raised on more blocks, and layers are scheduled again.

All layers have one rent at the beginning of a turn, and the steps of a turn have the same prices of resources.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction

from placement_opt.answer.by_layer import LayerDone, LayerTask, both_sides
from placement_opt.answer.layers_done import keep_done, keep_prices, kept_done, kept_prices
from placement_opt.answer.prove_integer import whole_prices
from placement_opt.answer.work import DUALITY, Work
from placement_opt.base import clock
from placement_opt.base.backend import Backend
from placement_opt.bounds.dual.evaluate import legal
from placement_opt.bounds.result import Bound, Prices, Status
from placement_opt.certify.files import PriceCertificate
from placement_opt.instance.stacked import Stacked
from placement_opt.instance.thinned import thinned
from placement_opt.layered.dual import above, below
from placement_opt.layered.solve import CertifiedPrices, certified_prices
from placement_opt.layered.stacked_plan import StackedPlan

NAME = "layers"
#: Reads of the blocks that prices are raised on at first, and how many times as many there are each time after that.
_SAMPLED, _MORE = 400_000, 4
#: Share of the time left that raising prices may take, and seconds where there is no deadline.
_SHARE, _UNLIMITED_S = 0.1, 60.0
#: What proves that every step takes as long as its fixed loads do.
IDLE = "what every step loads whatever the placement"
SPLIT = "no residency, no capacity, no moves: every byte read at the best split"
#: Rounds at most.
_ROUNDS = 16
#: Rungs that raise prices on a part of a layer, and those that tell how far there is to go.
RAISING = ("intervals", "sample", "ascent", "belady")


def idle_bound(question: Stacked) -> Bound:
    """What all steps take at least without any block: there at once, before a layer is drawn."""
    value = question.idle_s * question.num_steps * (1.0 - 1e-12)
    return Bound("roofline", Status.BOUND, value, 0.0, IDLE, value_s=value)


def climb_stacked(work: Work, question: Stacked) -> bool:
    """Both sides, wherever layers are worked on; whether another turn could bring more."""
    climb = _Climb(work, question, work.by_layer(question.layers, question.memory_needed))
    work.unfinished = not climb.run()
    return False


@dataclass
class _Climb:
    """What all rounds of it share: of each layer the best schedule, whose it is, the file of its moves, and its roofline."""

    work: Work
    question: Stacked
    backend: Backend
    began: float = field(default_factory=clock.now)
    upper: dict[int, LayerDone] = field(default_factory=dict)
    least: dict[int, float] = field(default_factory=dict)

    def run(self) -> bool:
        """Rounds until the gap is closed or nothing new comes; whether all layers were done."""
        whole, every, start = False, max(1, -(-self.question.reads // _SAMPLED)), self.work.start
        for number in range(_ROUNDS):
            before = self.work.standing.state
            made = self._prices(number, every, start)
            if made is None:
                break
            start = made
            whole = self._layers(made, number) or whole
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
            made = self._raised(every, start)
            if kept is not None and made is not None and not self.work.limits.reached:
                keep_prices(kept, number, made)
        return made

    def _raised(self, every: int, start: Prices | None) -> CertifiedPrices | None:
        """Prices good for every so many-th block of the first layer, in whole numbers; None where the limits came first."""
        limits = self.work.limits
        if limits.reached:
            return None
        first = self.question.layer(0, limits)
        part = first if every == 1 else thinned(first, every)
        inner = limits.within(_SHARE * limits.remaining if math.isfinite(limits.remaining) else _UNLIMITED_S)
        assert self.work.raised is not None
        found = self.work.raised(part, self.work.gap / 4, inner, start)
        if found.prices is None:
            return None
        prices = legal(first, found.prices)
        quantum, rho, rent = whole_prices(first, prices, found.lower_s * every)
        return certified_prices(PriceCertificate(self.question.hash, quantum, rho, rent, Fraction(0)))

    def _layers(self, prices: CertifiedPrices, number: int) -> bool:
        """Every layer once; whether all were done."""
        question, work, count = self.question, self.work, self.question.layers
        lower = dict[int, Fraction]()

        def take(position: int, done: LayerDone | None) -> None:
            if done is None:
                return
            if done.part is not None:
                done.part.landed()
                done = replace(done, part=None)
            lower[position], self.least[position] = done.lower, done.least_s
            before = self.upper.get(position)
            if done.upper is not None and (before is None or before.upper is None or done.upper < before.upper):
                self.upper[position] = done
            if len(lower) == count:
                self._offer_bound(prices, sum(lower.values(), Fraction(0)))
            if len(self.upper) == count:
                self._offer_schedule()

        def fresh(position: int, done: LayerDone | None) -> None:
            layer = missing[position]
            take(layer, done)
            if work.kept is not None and done is not None and not work.limits.reached:
                keep_done(work.kept, layer, number, done, moves=work.folder is not None)

        known = {} if work.kept is None else kept_done(work.kept, count, number, moves=work.folder is not None)
        for layer, done in known.items():
            take(layer, done)
        missing = [layer for layer in range(count) if layer not in known]
        names = [None if work.folder is None else work.folder / f"layer-{n}-{number}" for n in range(count)]
        tasks = [LayerTask(question, n, prices, work.gap, number, names[n]) for n in missing]
        self.backend.run(both_sides, tasks, shared=(question, prices), limits=work.limits, done=fresh)
        if len(lower) < count:
            work.notes.append(f"{NAME}: {len(lower)} of {count} layers were reached")
        return len(lower) == count

    def _offer_bound(self, prices: CertifiedPrices, value: Fraction) -> None:
        """What prices prove of all layers, and what needs none."""
        question, took, standing = self.question, clock.now() - self.began, self.work.standing
        details = {"layers": question.layers, "turns": question.turns, "reads": question.num_reads}
        line = math.fsum(self.least.values()) * (1.0 - 1e-12)
        standing.raise_to(Bound("roofline", Status.BOUND, line, took, SPLIT, value_s=line, details=details), "roofline")
        claim = max(value, Fraction(0))
        proven = replace(prices, certificate=replace(prices.certificate, claim=claim))
        standing.raise_to(Bound(NAME, Status.BOUND, below(claim), took, DUALITY, prices=proven, details=details), NAME)

    def _offer_schedule(self) -> None:
        """The best of each layer, together."""
        best = {layer: done for layer, done in self.upper.items() if done.upper is not None}
        seconds = sum((done.upper for done in best.values() if done.upper is not None), Fraction(0))
        files = {layer: done.section for layer, done in best.items() if done.section is not None}
        moves = sum(done.moves for done in best.values())
        plan = StackedPlan(self.question, files, seconds, moves) if len(files) == self.question.layers else None
        source = "+".join(sorted({done.source for done in best.values()}))
        self.work.standing.lower_to(plan, above(seconds), source)
