"""A question too large for rows, answered from both sides: a proven lower bound and a schedule, layer after layer.

1. The roofline, prices that prove about as much, and the schedule that keeps nothing are there at once.
2. Prices are raised on a sample of the blocks of one layer (:mod:`placement_opt.layered.prices`).
3. On that layer the rules of :data:`placement_opt.layered.keep.RULES` are tried.
4. Every layer is drawn once, priced exactly and scheduled. A layer that was not reached counts with the least that its blocks
   can cost and with the schedule that keeps nothing, one that was interrupted keeps nothing from there on, so that both numbers
   hold whenever the work ends.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from placement_opt.base import clock
from placement_opt.base.atomic import scratch_folder
from placement_opt.base.cost import Cost, once
from placement_opt.base.errors import InputError, LimitError
from placement_opt.base.jobs import run_jobs
from placement_opt.base.limits import Limits
from placement_opt.base.units import format_size
from placement_opt.bounds.result import Prices, Status
from placement_opt.certify.files import PriceCertificate
from placement_opt.certify.layered import layer_seconds
from placement_opt.certify.layered_files import SectionWriter, save_large_schedule
from placement_opt.instance.layered import Layered
from placement_opt.layered.dual import WholePrices, below, combine, layer_value, least_value, price_large, roofline
from placement_opt.layered.keep import Rule, idle_time, layer_time, schedule_layer
from placement_opt.layered.prepare import Prepared, prepare
from placement_opt.layered.prices import Family, Knots

RESTS_ON = "weak duality: the dual value at the prices found, every block of every layer evaluated without a solver"


@dataclass(frozen=True)
class Progress:
    """Where both sides stand: seconds since the start, the bound and the best schedule by then, what happened last."""

    since_s: float
    lower_s: float
    schedule_s: float
    source: str


@dataclass(frozen=True, eq=False)
class Answer:
    """Both sides of a large question.

    Attributes
    ----------
    name, hash
        The question's.
    status
        ``BOUND`` when every layer was priced and scheduled, else ``LIMIT`` or ``INTERRUPTED``.
    lower_bound_s
        Proven: no schedule takes less.
    schedule_s
        What a legal schedule takes, every byte of it timed.
    roofline_s
        The best case: no residency, no capacity, no moves.
    solve_s
        Wall time.
    rests_on
        What the bound's validity rests on.
    reads
        Reads of the trace.
    wanted
        The gap that was asked for.
    details
        JSON-able: runs, rule, knots, seconds of each part.
    certificate
        The prices as whole numbers with what they prove exactly; that is less than the bound where the roofline is more.
    moves
        Of the schedule that was written; None where none was asked for.
    """

    name: str
    hash: str
    status: Status
    lower_bound_s: float
    schedule_s: float
    roofline_s: float
    solve_s: float
    rests_on: str
    reads: int
    certificate: PriceCertificate
    wanted: float = 0.0
    details: dict[str, Any] = field(default_factory=dict)
    moves: int | None = None

    @property
    def gap(self) -> float:
        """How much longer the schedule takes than proven necessary, as a share of the bound."""
        return self.schedule_s / self.lower_bound_s - 1.0 if self.lower_bound_s > 0 else float("inf")

    @property
    def prices(self) -> Prices | None:
        """The prices behind the bound; None where it is the roofline."""
        made = self.certificate
        if below(made.claim) < self.lower_bound_s:
            return None
        return Prices(made.rho / float(made.quantum), made.rent / float(made.quantum))


@dataclass(frozen=True, eq=False)
class _Task:
    problem: Layered
    knots: Knots
    layer: int
    rule: Rule
    section: Path | None


@dataclass(frozen=True)
class _Done:
    """``paths``: None where the layer was not priced to the end; ``exact`` and ``moves`` where a section was written."""

    paths: int | None
    schedule_s: float
    runs: int
    complete: bool = False
    exact: Fraction | None = None
    moves: int = 0


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


def solve_large(
    problem: Layered,
    *,
    gap: float = 0.0,
    limits: Limits | None = None,
    memory_limit: int | None = None,
    jobs: int = 1,
    report: Callable[[Progress], None] | None = None,
    schedule: str | Path | None = None,
) -> Answer:
    """A proven lower bound and a schedule.

    Parameters
    ----------
    problem
        The question.
    gap
        Relative gap that is enough: prices are raised, and rules of scheduling tried, until half of it is left on the sample.
    limits
        Deadline and stop request; both sides hold whenever the work ends.
    memory_limit
        Bytes; refused beforehand where more is needed.
    jobs
        Processes that price and schedule layers.
    report
        Called at each step forward.
    schedule
        File to write the moves to, with the time that they take exactly (:mod:`placement_opt.certify.layered_files`).

    Raises
    ------
    LimitError
        More memory is needed than allowed.
    InputError
        The file cannot be written.
    """
    needed = problem.memory_needed(jobs)
    if memory_limit is not None and needed > memory_limit:
        found = f"found a limit of {format_size(memory_limit)}"
        raise LimitError(f"{found}, expected at least {format_size(needed)} for {problem.layers.runs:,} runs a layer")
    # the sections of a schedule wait beside it until all are there, for they may be large
    beside = nullcontext() if schedule is None else scratch_folder(Path(schedule).absolute().parent)
    with beside as sections:
        work = _Work(problem, limits or Limits(), jobs, report or _silent, sections)
        work.run(gap)
        if schedule is not None:
            work.write(Path(schedule))
    return work.answer(gap, needed)


class _Work:
    """One run of it: both sides, and what each layer has given to them."""

    def __init__(
        self, problem: Layered, limits: Limits, jobs: int, report: Callable[[Progress], None], sections: Path | None
    ) -> None:
        self.problem, self.limits, self.jobs, self.report, self.sections = problem, limits, jobs, report, sections
        self.began = clock.now()
        layers = problem.layers.count
        self.best_case = self.lower_s = roofline(problem)
        self.seconds = [idle_time(problem, layer) for layer in range(layers)]
        self.done: dict[int, _Done] = {}
        self.prepared: Prepared | None = None
        self.prepare_s = 0.0
        family = Family(problem, [])
        whole, actions = price_large(problem, family.prices(family.balanced()))
        values = [least_value(problem, actions, layer) for layer in range(layers)]
        self.certificate = self.certified(whole, values)
        self.lower_s = max(self.lower_s, below(self.certificate.claim))
        self.tell("roofline, and nothing kept")

    def tell(self, source: str) -> None:
        self.report(Progress(clock.now() - self.began, self.lower_s, sum(self.seconds), source))

    def certified(self, whole: WholePrices, values: list[int]) -> PriceCertificate:
        """Prices with what they prove when each layer counts with this value."""
        proven = combine(self.problem, whole, values)
        return PriceCertificate(self.problem.hash, whole.quantum, whole.rho, whole.rent, proven)

    def run(self, gap: float) -> None:
        """Prices and a rule, then every layer."""
        if self.limits.reached:
            return
        self.prepared = prepared = prepare(self.problem, gap, self.limits, self.tell)
        self.prepare_s = clock.now() - self.began
        if prepared is None:
            return
        problem, layers = self.problem, self.problem.layers.count
        whole, actions = price_large(problem, Family(problem, []).prices(prepared.knots))
        values = [least_value(problem, actions, layer) for layer in range(layers)]

        def raise_to() -> None:
            made = self.certified(whole, values)
            if made.claim > self.certificate.claim:
                self.certificate = made
                self.lower_s = max(self.lower_s, below(made.claim))

        def take(layer: int, result: _Done) -> None:
            self.done[layer] = result
            if result.paths is not None:
                values[layer] = result.paths
                raise_to()
            self.seconds[layer] = min(self.seconds[layer], result.schedule_s)
            self.tell(f"layer {layer} ({len(self.done)} of {layers})")

        raise_to()
        tasks = [_Task(problem, prepared.knots, n, prepared.rule, self._section(n)) for n in range(layers)]
        run_jobs(_layer, tasks, jobs=self.jobs, limits=self.limits, done=take)

    def write(self, path: Path) -> None:
        """The moves of all layers in one file; layers without a section keep nothing."""
        problem, sections = self.problem, []
        claim = Fraction(0)
        for layer in range(problem.layers.count):
            done = self.done.get(layer)
            if done is not None and done.exact is not None:
                claim += done.exact
                sections.append(self._section(layer))
            else:
                claim += _idle_seconds(problem, layer)
        files = [section for section in sections if section is not None]
        save_large_schedule(path, problem.hash, problem.layers.count, problem.layers.turns, files, claim)

    def answer(self, gap: float, needed: int) -> Answer:
        """What has been found by now."""
        problem, prepared = self.problem, self.prepared
        whole = sum(done.complete for done in self.done.values()) == problem.layers.count
        details: dict[str, Any] = {
            "layers": problem.layers.count,
            "turns": problem.layers.turns,
            "memory_estimate_bytes": needed,
            "runs": sum(done.runs for done in self.done.values()),
            "prepare_s": self.prepare_s,
            "layers_s": clock.now() - self.began - self.prepare_s,
        }
        if prepared is not None:
            details |= {"knots": len(prepared.knots.at), "promised_s": prepared.promised_s, "rule": repr(prepared.rule)}
        return Answer(
            name=problem.name,
            hash=problem.hash,
            status=Status.BOUND if whole else Status.INTERRUPTED if self.limits.interrupted else Status.LIMIT,
            lower_bound_s=self.lower_s,
            schedule_s=sum(self.seconds),
            roofline_s=self.best_case,
            solve_s=clock.now() - self.began,
            rests_on=RESTS_ON if self.lower_s > self.best_case else "the roofline: every byte read at the best split",
            reads=problem.num_reads,
            wanted=gap,
            details=details,
            certificate=self.certificate,
            moves=None if self.sections is None else sum(done.moves for done in self.done.values()),
        )

    def _section(self, layer: int) -> Path | None:
        return None if self.sections is None else self.sections / f"layer-{layer}"


def _layer(task: _Task, limits: Limits) -> _Done:
    """One layer, drawn, priced and scheduled, as far as it comes within the limits."""
    problem, family = task.problem, Family(task.problem, [])
    runs = problem.layers.layer(task.layer, limits)
    if runs is None:
        return _Done(None, float("inf"), 0)
    _, actions = price_large(problem, family.prices(task.knots))
    paths = layer_value(problem, actions, task.layer, runs, limits)
    worths = family.worths(task.knots)
    if task.section is None:
        found = schedule_layer(problem, task.layer, runs, worths, task.rule, limits=limits)
    else:
        try:
            with open(task.section, "wb") as handle:
                writer = SectionWriter(handle, task.layer, runs.num_blocks)
                found = schedule_layer(problem, task.layer, runs, worths, task.rule, limits=limits, moved=writer.add)
                writer.close()
        except OSError as error:
            trouble = f"found no room for the moves of layer {task.layer} ({error.strerror or error})"
            raise InputError(trouble, "expected a place to write to", path=task.section.parent.parent) from None
    served = (runs.reads_per_turn, runs.births_per_turn, found.hits, found.stores)
    seconds = layer_time(problem, *served)
    complete = paths is not None and found.turns == runs.turns
    if task.section is None or seconds > idle_time(problem, task.layer):
        return _Done(paths, seconds, runs.num_runs, complete)
    return _Done(paths, seconds, runs.num_runs, complete, layer_seconds(problem, *served), writer.moves)


def _idle_seconds(problem: Layered, layer: int) -> Fraction:
    """Seconds of a layer that keeps nothing, exactly."""
    reads, births = problem.layers.reads(layer), problem.layers.births(layer)
    return layer_seconds(problem, reads, births, 0 * reads, 0 * reads)


def _silent(_: Progress) -> None:
    return
