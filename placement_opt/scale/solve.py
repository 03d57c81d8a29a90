"""A question too large for rows, answered from both sides: a proven lower bound and a schedule, layer after layer.

1. The roofline and the schedule that keeps nothing are there at once.
2. Prices are raised on a sample of the blocks of one layer (:mod:`placement_opt.scale.prices`).
3. On that layer the rules of :data:`placement_opt.scale.keep.RULES` are tried.
4. Every layer is drawn once, priced exactly and scheduled. A layer that was not reached counts with the least that its blocks
   can cost and with the schedule that keeps nothing, so that both numbers hold whenever the work ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from placement_opt.bounds.result import Prices, Status
from placement_opt.errors import LimitError
from placement_opt.jobs import run_jobs
from placement_opt.limits import Limits
from placement_opt.scale.dual import LayerValue, combine, layer_value, least_value, price_large, roofline
from placement_opt.scale.keep import RULES, Rule, idle_time, layer_time, schedule_layer
from placement_opt.scale.prices import Family, Knots, Worths
from placement_opt.scale.problem import Large
from placement_opt.units import format_size
from placement_opt.workload.runs import LayerRuns

RESTS_ON = "weak duality: the dual value at the prices found, every block of every layer evaluated without a solver"
#: Block-turns that one evaluation of the sample may look at: about a quarter of a second.
_SAMPLE = 40_000_000
#: Knots to begin with, how often they are refined, by how many at a time, and evaluations each time.
_KNOTS, _REFINED, _MORE, _ROUNDS = 6, 6, 6, 60
#: What Python, numpy and compiled code take, for each process.
_PROCESS = 300 << 20


@dataclass(frozen=True, eq=False)
class Answer:
    """Both sides of a large question.

    Attributes
    ----------
    name
        The instance's.
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
    details
        JSON-able: runs, rule, knots, seconds of each part.
    prices
        The prices behind the bound; None where it is the roofline.
    """

    name: str
    status: Status
    lower_bound_s: float
    schedule_s: float
    roofline_s: float
    solve_s: float
    rests_on: str
    reads: int
    details: dict[str, Any] = field(default_factory=dict)
    prices: Prices | None = None

    @property
    def gap(self) -> float:
        """How much longer the schedule takes than proven necessary, as a share of the bound."""
        return self.schedule_s / self.lower_bound_s - 1.0 if self.lower_bound_s > 0 else float("inf")


@dataclass(frozen=True, eq=False)
class _Task:
    problem: Large
    knots: Knots
    layer: int
    rule: Rule


@dataclass(frozen=True)
class _Done:
    value: LayerValue
    schedule_s: float
    runs: int


def memory_needed(problem: Large, jobs: int = 1) -> int:
    """Bytes that :func:`solve_large` takes at most, in all its processes together."""
    layers = problem.layers
    each = 26 * layers.runs + 200 * layers.blocks + layers.turns * 256
    resources = len(problem.memory.rates)
    prices = problem.num_steps * 8 * (2 * resources + 16)
    return (_PROCESS + each + prices) * (max(1, jobs) + 1)


def solve_large(
    problem: Large,
    *,
    gap: float = 0.0,
    limits: Limits | None = None,
    memory_limit: int | None = None,
    jobs: int = 1,
    report: Callable[[str], None] | None = None,
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
        Called with a line of text at each step forward.

    Raises
    ------
    LimitError
        More memory is needed than allowed.
    """
    began = time.perf_counter()
    limits, tell = limits or Limits(), report or _silent
    needed = memory_needed(problem, jobs)
    if memory_limit is not None and needed > memory_limit:
        found = f"found a limit of {format_size(memory_limit)}"
        raise LimitError(f"{found}, expected at least {format_size(needed)} for {problem.layers.runs:,} runs a layer")
    layers = problem.layers.count
    best_case = roofline(problem)
    schedules = [idle_time(problem, layer) for layer in range(layers)]
    details: dict[str, Any] = {"layers": layers, "turns": problem.layers.turns, "memory_estimate_bytes": needed}
    tell(_line(began, best_case, sum(schedules), "roofline, and nothing kept"))
    bound, prices, done = best_case, None, 0
    if not limits.reached:
        knots, rule = _prepare(problem, gap, limits, details, tell, began)
        prices, actions = price_large(problem, Family(problem, []).prices(knots))
        values = [least_value(problem, actions, layer) for layer in range(layers)]
        runs = 0

        def take(position: int, result: _Done) -> None:
            nonlocal done, runs, bound
            done, runs = done + 1, runs + result.runs
            values[position], schedules[position] = result.value, min(schedules[position], result.schedule_s)
            bound = max(bound, combine(problem, prices, values))
            tell(_line(began, bound, sum(schedules), f"layer {position} ({done} of {layers})"))

        tasks = [_Task(problem, knots, layer, rule) for layer in range(layers)]
        run_jobs(_layer, tasks, jobs=jobs, limits=limits, done=take)
        details |= {"runs": runs, "layers_s": time.perf_counter() - began - details["prepare_s"]}
    status = Status.BOUND if done == layers else Status.INTERRUPTED if limits.interrupted else Status.LIMIT
    rests_on = RESTS_ON if bound > best_case else "the roofline: every byte read at the best split"
    return Answer(
        name=problem.name,
        status=status,
        lower_bound_s=bound,
        schedule_s=sum(schedules),
        roofline_s=best_case,
        solve_s=time.perf_counter() - began,
        rests_on=rests_on,
        reads=problem.num_reads,
        details=details,
        prices=prices if bound > best_case else None,
    )


class _Rules:
    """Rules tried on the first layer, and the best of them."""

    def __init__(self, problem: Large, first: LayerRuns) -> None:
        self.problem, self.first = problem, first
        self.reads, self.births = first.reads_per_turn, first.births_per_turn
        self.best, self.seconds = RULES[0], np.inf

    def tried(self, worths: Worths, *, priced: bool, enough: float, limits: Limits) -> float:
        """The best time after trying the rules of one kind until one takes no more than ``enough``."""
        for rule in RULES:
            if rule.priced is priced and self.seconds > enough and not limits.reached:
                schedule = schedule_layer(self.problem, 0, self.first, worths, rule)
                seconds = layer_time(self.problem, self.reads, self.births, schedule.hits, schedule.stores)
                if seconds < self.seconds:
                    self.best, self.seconds = rule, seconds
        return self.seconds


def _prepare(
    problem: Large, gap: float, limits: Limits, details: dict[str, Any], tell: Callable[[str], None], began: float
) -> tuple[Knots, Rule]:
    """Prices raised on a sample of the blocks, and the rule that does best on the first layer."""
    first = problem.layers.layer(0)
    family, rules = Family(problem, sample_blocks(problem, first)), _Rules(problem, first)
    knots, value = family.knots(_KNOTS), 0.0
    share = 1.0 / problem.layers.count
    seconds = rules.tried(family.worths(knots), priced=False, enough=0.0, limits=limits)
    for _ in range(_REFINED):
        before = value
        tolerance = max(1e-5, gap / 50)
        knots, found = family.raised(knots, rounds=_ROUNDS, tolerance=tolerance, limits=limits)
        value = found.value
        tell(_line(began, None, None, f"prices at {len(knots.at)} knots promise {value:.6g} s"))
        if limits.reached or seconds <= value * share * (1.0 + gap / 2) or 0 < value <= before * (1.0 + gap / 100):
            break
        knots = family.refined(knots, _MORE)
    rules.tried(family.worths(knots), priced=True, enough=value * share * (1.0 + gap / 2), limits=limits)
    details |= {"knots": len(knots.at), "promised_s": value, "rule": repr(rules.best)}
    details["prepare_s"] = time.perf_counter() - began
    return knots, rules.best


def sample_blocks(problem: Large, first: LayerRuns) -> list[LayerRuns]:
    """Blocks to raise prices on: of the first layer, or of all of them where that is no more work."""
    per_layer = first.num_blocks * first.turns
    layers = problem.layers.count
    if per_layer * layers <= _SAMPLE:
        return [first, *(problem.layers.layer(layer) for layer in range(1, layers))]
    every = -(-per_layer // _SAMPLE)
    return [first.sample(every, every // 2)]


def _layer(task: _Task, limits: Limits) -> _Done:
    """One layer, drawn, priced and scheduled."""
    del limits
    problem, family = task.problem, Family(task.problem, [])
    runs = problem.layers.layer(task.layer)
    _, actions = price_large(problem, family.prices(task.knots))
    value = layer_value(problem, actions, task.layer, runs)
    schedule = schedule_layer(problem, task.layer, runs, family.worths(task.knots), task.rule)
    seconds = layer_time(problem, runs.reads_per_turn, runs.births_per_turn, schedule.hits, schedule.stores)
    return _Done(value, seconds, runs.num_runs)


def _line(began: float, bound: float | None, schedule: float | None, what: str) -> str:
    """One line of progress in fixed columns."""
    numbers = f"{'':>12} {'':>12} {'':>8}"
    if bound is not None and schedule is not None:
        numbers = f"{bound:>12.6g} {schedule:>12.6g} {schedule / bound - 1.0 if bound > 0 else np.inf:>8.3%}"
    return f"{time.perf_counter() - began:>8.1f} s {numbers}  {what}"


def _silent(_: str) -> None:
    return
