"""A question in runs, answered from both sides: a proven lower bound and a schedule, layer after layer.

1. The roofline, the prices that prove it, and the schedule that keeps nothing are there at once (:func:`begin`).
2. The first prices are looked at on a sample of the blocks of one layer, and that layer is scheduled at them, block by block.
   Where that is not near what they promise, prices are raised on the sample (:mod:`placement_opt.layered.prices`).
3. Every layer is drawn and scheduled, and priced exactly where that can prove more than is known without. A layer that was
   not reached counts with the least that its blocks can cost and with the schedule that keeps nothing, one that was interrupted
   keeps nothing from there on, so that both numbers hold whenever the work ends.
4. Where that is not near enough, and a rule that goes turn by turn does better on the first layer, layers are scheduled by that
   as well; each keeps the better of its two schedules.

What is found is offered as it is found, to whoever keeps what is proven of the question.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

import numpy as np

from placement_opt.base import clock
from placement_opt.base.atomic import write_part
from placement_opt.base.backend import Backend
from placement_opt.base.cost import Cost, once
from placement_opt.base.limits import Limits
from placement_opt.base.scratch import let_go
from placement_opt.bounds.result import Bound, Prices, Status
from placement_opt.certify.files import PriceCertificate
from placement_opt.certify.layered import layer_seconds
from placement_opt.certify.layered_files import SectionWriter
from placement_opt.instance.layered import Layered
from placement_opt.layered.done import Done, keep_done, keep_prepared, kept_done, kept_prepared
from placement_opt.layered.dual import (
    Actions,
    WholePrices,
    below,
    combine,
    layer_value,
    least_value,
    price_large,
    roofline,
    roofline_prices,
)
from placement_opt.layered.keep import Rule, idle_time, layer_time, schedule_layer
from placement_opt.layered.kept import KeptLayers
from placement_opt.layered.plan import Plan, Section
from placement_opt.layered.prepare import Prepared, by_turn, prepare
from placement_opt.layered.prices import Family, Knots

#: The method of these bounds, and whose the schedules are.
NAME = "scale"
RESTS_ON = "weak duality: the dual value at the prices found, every block of every layer evaluated without a solver"


class Taker(Protocol):
    """Who keeps what is proven."""

    def raise_to(self, bound: Bound, source: str) -> bool:
        """Offer a bound; whether it is better."""
        ...

    def lower_to(self, schedule: Plan | None, latency_s: float, source: str) -> bool:
        """Offer a schedule (None where its moves are not kept) and its time; whether it is better."""
        ...


@dataclass(frozen=True, eq=False)
class CertifiedPrices(Prices):
    """Prices that are whole numbers of a quantum, as the certificate that says what they prove exactly.

    ``knots``: what they were made from, where that is known.
    """

    certificate: PriceCertificate = field(kw_only=True)
    knots: Knots | None = field(kw_only=True, default=None)


def certified_prices(certificate: PriceCertificate) -> CertifiedPrices:
    """The prices of a certificate."""
    quantum = float(certificate.quantum)
    budgets = () if certificate.mu is None else (certificate.mu / quantum,)
    return CertifiedPrices(certificate.rho / quantum, certificate.rent / quantum, *budgets, certificate=certificate)


def roofline_bound(question: Layered) -> Bound:
    """Every byte read at the best split, no residency, no capacity, no moves."""
    began = clock.now()
    value = roofline(question)
    rests_on = "no residency, no capacity, no moves: every byte read at the best split"
    return Bound("roofline", Status.OPTIMAL, value, clock.now() - began, rests_on, value_s=value)


def begin(question: Layered, taker: Taker, *, moves: bool) -> Bound:
    """Offer what is there at once; the roofline. ``moves``: whether the moves of schedules are kept."""
    line = roofline_bound(question)
    taker.raise_to(line, "roofline")
    began = clock.now()
    whole, actions = price_large(question, roofline_prices(question))
    values = [least_value(question, actions, layer) for layer in range(question.layers.count)]
    made = certified_prices(_certificate(question, whole, values))
    value = below(made.certificate.claim)
    taker.raise_to(Bound("roofline", Status.BOUND, value, clock.now() - began, RESTS_ON, prices=made), "roofline")
    seconds = sum(idle_time(question, layer) for layer in range(question.layers.count))
    taker.lower_to(Plan(question, {}) if moves else None, seconds, NAME)
    return line


def solve(
    question: Layered,
    taker: Taker,
    *,
    gap: float = 0.0,
    limits: Limits | None = None,
    backend: Backend | None = None,
    folder: Path | None = None,
    start: Prices | None = None,
    kept: KeptLayers | None = None,
) -> bool:
    """Raise the bound and lower the schedule, as far as the limits allow; whether every layer was priced and scheduled.

    Parameters
    ----------
    question, taker
        What is asked, and who keeps what is proven of it.
    gap
        Relative gap that is enough: prices are raised, and rules of scheduling tried, until half of it is left on the sample.
    limits
        Deadline and stop request; both sides hold whenever the work ends.
    backend
        Where layers are priced and scheduled; without one, here.
    folder
        Where the moves of the layers are put, as long as anybody may want them; without it they are not kept.
    start
        Prices to begin with, of whatever origin.
    kept
        What an earlier run has done, which is not done again, and where what is done is kept.

    Raises
    ------
    InputError
        Moves cannot be written.
    """
    limits = limits or Limits()
    if limits.reached:
        return False
    backend = backend or Backend()
    work, threads = Work(question, taker, limits, backend, folder, kept), 1 if backend.away else backend.jobs
    prepared = _kept(kept, 0, limits, lambda: prepare(question, gap, limits, start, threads))
    if prepared is None or not work.run(prepared):
        return False
    if prepared.far and work.gap > gap and not limits.reached:
        first_s = work.done[0].schedule_s
        again = _kept(kept, 1, limits, lambda: by_turn(question, prepared, first_s, gap, limits))
        if again is not None:
            work.run(again, 1)
    return True


def _kept(kept: KeptLayers | None, number: int, limits: Limits, make: Callable[[], Prepared | None]) -> Prepared | None:
    """What layers are done by in a pass: as an earlier run kept it, or made."""
    found = None if kept is None else kept_prepared(kept, number)
    if found is None:
        found = make()
        if kept is not None and found is not None and not limits.reached:
            keep_prepared(kept, number, found)
    return found


@dataclass(frozen=True, eq=False)
class _Task:
    question: Layered
    knots: Knots
    layer: int
    rule: Rule | None
    priced: bool
    section: Path | None


class Asked(NamedTuple):
    """What an answer in runs is expected to take depends on: the question, and in how many processes it is answered."""

    problem: Layered
    jobs: int


COST = Cost[Asked](
    "runs",
    {
        "once": once,
        "per_read": lambda asked: asked.problem.num_reads / asked.jobs,
        "per_run": lambda asked: asked.problem.layers.runs * asked.problem.layers.count / asked.jobs,
    },
)


class Work:
    """One run of it: what each layer has given to both sides."""

    def __init__(
        self,
        question: Layered,
        taker: Taker,
        limits: Limits,
        backend: Backend,
        folder: Path | None,
        kept: KeptLayers | None = None,
    ) -> None:
        self.question, self.taker, self.limits, self.backend, self.folder = question, taker, limits, backend, folder
        self.kept = kept
        self.began = clock.now()
        self.seconds = [idle_time(question, layer) for layer in range(question.layers.count)]
        self.done: dict[int, Done] = {}
        self.best: CertifiedPrices | None = None
        self.values: list[int] = []
        self.drawn = 0

    @property
    def gap(self) -> float:
        """Between the schedule and what is proven."""
        assert self.best is not None
        proven = below(self.best.certificate.claim)
        return sum(self.seconds) / proven - 1.0 if proven > 0.0 else float("inf")

    def run(self, prepared: Prepared, number: int = 0) -> bool:
        """Every layer, for the first time or once more; whether all were done."""
        question, count, prepare_s = self.question, self.question.layers.count, clock.now() - self.began
        whole, actions = price_large(question, Family(question, []).prices(prepared.knots))
        self.values = values = self.values or [least_value(question, actions, layer) for layer in range(count)]
        prices = Prices(whole.rho / float(whole.quantum), whole.rent / float(whole.quantum))

        def proven() -> None:
            made = _certificate(question, whole, values)
            if self.best is None or made.claim > self.best.certificate.claim:
                self.best = CertifiedPrices(prices.rho, prices.rent, certificate=made, knots=prepared.knots)
                self.offer(Status.BOUND, prepared, prepare_s)

        def take(layer: int, result: Done) -> None:
            if result.part is not None:
                result.part.landed()
            self.drawn += result.paths is not None or result.runs > 0
            self.done[layer] = result = replace(result, part=None).better(self.done.get(layer))
            if result.paths is not None:
                values[layer] = result.paths
                proven()
            if result.schedule_s < self.seconds[layer]:
                self.seconds[layer] = result.schedule_s
            self.taker.lower_to(self.plan(), sum(self.seconds), NAME)

        def fresh(position: int, result: Done) -> None:
            take(missing[position], result)
            if self.kept is not None and result.complete and not self.limits.reached:
                keep_done(self.kept, number, missing[position], result, moves=self.folder is not None)

        proven()
        known = {} if self.kept is None else kept_done(self.kept, number, count, moves=self.folder is not None)
        for layer, result in known.items():
            take(layer, result)
        missing = [layer for layer in range(count) if layer not in known]
        sections = [None if self.folder is None else self.folder / f"layer-{layer}-{number}" for layer in range(count)]
        tasks = [_Task(question, prepared.knots, n, prepared.rule, prepared.priced, sections[n]) for n in missing]
        if self.backend.away or self.backend.jobs > 1:
            let_go()  # other processes draw from here on
        self.backend.run(_layer, tasks, shared=(question, prepared.knots), limits=self.limits, done=fresh)
        _actions.cache_clear()
        whole_done = sum(done.complete for done in self.done.values()) == count
        early = Status.INTERRUPTED if self.limits.interrupted else Status.LIMIT
        self.offer(Status.BOUND if whole_done else early, prepared, prepare_s)
        return whole_done

    def offer(self, status: Status, prepared: Prepared, prepare_s: float) -> None:
        """The best prices so far, what they prove, and how that is spread over the steps."""
        assert self.best is not None
        value, seconds = below(self.best.certificate.claim), clock.now() - self.began
        step_s = np.repeat(prepared.turn_s, self.question.layers.count)
        step_s *= value / max(float(step_s.sum()), 1e-300)
        details = self.details(prepared, prepare_s)
        found = Bound(NAME, status, value, seconds, RESTS_ON, step_s=step_s, prices=self.best, details=details)
        self.taker.raise_to(found, NAME)

    def plan(self) -> Plan | None:
        """What is scheduled by now."""
        if self.folder is None:
            return None
        return Plan(self.question, {n: done.section for n, done in self.done.items() if done.section is not None})

    def details(self, prepared: Prepared, prepare_s: float) -> dict[str, Any]:
        """JSON-able: how much there is, and what was done."""
        return {
            "layers": self.question.layers.count,
            "turns": self.question.layers.turns,
            "layers_done": sum(done.complete for done in self.done.values()),
            "layers_drawn": prepared.drawn + self.drawn,
            "layers_priced": sum(done.paths is not None for done in self.done.values()),
            "layers_scheduled": sum(done.schedule_s < float("inf") for done in self.done.values()),
            "rules_tried": prepared.tried,
            "sample_looks": prepared.looks,
            "runs": sum(done.runs for done in self.done.values()),
            "memory_estimate_bytes": self.question.memory_needed(min(self.backend.jobs, self.question.layers.count)),
            "prepare_s": prepare_s,
            "layers_s": clock.now() - self.began - prepare_s,
            "knots": len(prepared.knots.at),
            "promised_s": prepared.promised_s,
            "rule": repr(prepared.rule),
        }


def _certificate(question: Layered, whole: WholePrices, values: list[int]) -> PriceCertificate:
    """Prices with what they prove when each layer counts with this value."""
    return PriceCertificate(question.hash, whole.quantum, whole.rho, whole.rent, combine(question, whole, values))


@lru_cache(maxsize=1)
def _actions(question: Layered, knots: Knots) -> Actions:
    """What every action costs at every step of all layers: the same for the layers that this process works on."""
    return price_large(question, Family(question, []).prices(knots))[1]


def _layer(task: _Task, limits: Limits) -> Done:
    """One layer, drawn, priced and scheduled, as far as it comes within the limits."""
    question, family = task.question, Family(task.question, [])
    runs = question.layers.layer(task.layer, limits)
    if runs is None:
        return Done(None, float("inf"), 0)
    paths = None
    if task.priced:
        paths = layer_value(question, _actions(question, task.knots), task.layer, runs, limits)
    if task.rule is None:
        return Done(paths, float("inf"), runs.num_runs, paths is not None)
    schedule = partial(schedule_layer, question, task.layer, runs, family.worths(task.knots), task.rule, limits=limits)
    part, moves = None, 0
    if task.section is None:
        found = schedule()
    else:

        def write(handle: BinaryIO) -> None:
            nonlocal found, moves
            writer = SectionWriter(handle, task.layer, runs.num_blocks)
            found = schedule(moved=writer.add)
            writer.close()
            moves = writer.moves

        part = write_part(task.section, write)
    served = (runs.reads_per_turn, runs.births_per_turn, found.hits, found.stores)
    seconds = layer_time(question, *served)
    complete = (paths is not None or not task.priced) and found.turns == runs.turns
    if part is None or seconds > idle_time(question, task.layer):
        return Done(paths, seconds, runs.num_runs, complete)
    exact: Fraction = layer_seconds(question, *served)
    return Done(paths, seconds, runs.num_runs, complete, Section(part.path, exact, moves), part)
