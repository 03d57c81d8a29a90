"""All that can be said of one instance, for a page about it: both sides, how each scheduler spends its time, what binds.

What :func:`placement_opt.study.compare.compare` says of the instance is said here in the same words and numbers; besides, the
runs are kept in a few hundred pieces each, the bound keeps its prices, and what more room is worth is found out where that is
cheap. What is left out says why. Whether anything is left out is decided by counted work, unless a limit of time is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from placement_opt.answer.played import KeepMoves, Played
from placement_opt.answer.prove import Proof, proof_of, roofline_of
from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.errors import LimitError, PlacementError
from placement_opt.base.limits import Limits
from placement_opt.base.watch import in_time
from placement_opt.bounds.result import Status
from placement_opt.instance.instance import Instance
from placement_opt.instance.layered import Layered
from placement_opt.instance.load import question_of
from placement_opt.instance.outline import Outline, read_outline
from placement_opt.instance.scaled import LayerShare
from placement_opt.instance.stacked import AnyQuestion
from placement_opt.schedulers import name_of
from placement_opt.study.beside import Beside, certificates_beside
from placement_opt.study.compare import Named, left_at, prove_beside
from placement_opt.study.scheduled import Compared, Outcome, Scheduled, fastest, held_against, run_scheduler
from placement_opt.study.sweep import Sweep, sweep
from placement_opt.study.worth import worth
from placement_opt.study.worths import Worth

#: Pieces in which courses over the steps are kept.
PIECES = 240
#: Points of the curve over the fastest tier's room, and reads up to which it is drawn without being asked for.
CURVE_POINTS, CURVE_READS = 5, 10_000


@dataclass(frozen=True, eq=False)
class Course:
    """How one scheduler went through the steps, in N pieces of them.

    Attributes
    ----------
    scheduler
        As asked for, options included.
    step_s
        float64[N]: mean seconds of a step.
    held, alive
        int64[N + 1, K] and int64[N + 1]: the most bytes in each tier, and of blocks that are alive, at the start and
        within each piece; None in runs.
    hit_rate
        Share of the bytes read that had a copy in the fastest tier.
    critical
        (resource, share of the time in which it decides), those that ever do.
    """

    scheduler: str
    step_s: Float64
    held: Int64 | None
    alive: Int64 | None
    hit_rate: float
    critical: tuple[tuple[str, float], ...]


@dataclass(frozen=True, eq=False)
class Survey:
    """What was found out about one instance.

    Attributes
    ----------
    outline
        Its file.
    question
        In rows or in runs.
    compared
        As compare says it.
    ends
        int64[N]: the step behind the last one of each piece.
    courses
        Of the schedulers that were timed, in the order asked for.
    bound_step_s
        float64[N]: what the bound gives each step, a mean; None where its method says nothing of single steps.
    worth, worth_note
        What the bound's prices say; None, and why.
    curve, curve_note
        Bounds over the room of the fastest tier; None, and why.
    certificates
        Beside the file.
    interrupted, unanswered
        Whether somebody asked for a stop, and whether the bound gave no answer, so that the roofline stands.
    """

    outline: Outline
    question: AnyQuestion
    compared: Compared
    ends: Int64
    courses: tuple[Course, ...]
    bound_step_s: Float64 | None
    worth: Worth | None
    worth_note: str
    curve: Sweep | None
    curve_note: str
    certificates: tuple[Beside, ...]
    interrupted: bool = False
    unanswered: bool = False

    @property
    def tiers(self) -> tuple[str, ...]:
        """Names of the tiers."""
        return tuple(self.question.memory.tier_names)


def survey(
    path: str | Path,
    schedulers: Sequence[Named],
    *,
    method: str = "auto",
    gap: float | None = None,
    curve: bool | None = None,
    layers: LayerShare | None = None,
    limits: Limits | None = None,
    report: Callable[[str], None] | None = None,
) -> Survey:
    """Everything about the instance of a file.

    Parameters
    ----------
    path
        The file.
    schedulers, method, gap, layers
        As :func:`placement_opt.study.compare.compare` takes them.
    curve
        Whether to draw the curve over the fastest tier's room; None: where there are few reads (``CURVE_READS``).
    limits
        Half of the time for the schedulers, half of the rest for the bound.
    report
        Called with a line of text before each piece of work.

    Raises
    ------
    InputError, LimitError
        The instance cannot be read, or not in time.
    """
    limits, say = limits or Limits(), report or _silent
    outline = read_outline(path, layers=layers)
    question = in_time(f"{path}: reading it", lambda: question_of(outline, limits), limits)
    roofline = proof_of(question, roofline_of(question))
    rows, courses = _all_run(question, schedulers, limits.within(limits.remaining / 2), say)
    say(f"{question.name}: bound")
    within = limits.within(limits.remaining / 2)
    try:
        proof, answered = prove_beside(question, method, gap, fastest(rows), within, limits), True
    except LimitError as error:
        proof, answered = left_at(roofline, error, limits), False
    compared = held_against(proof, rows)
    ends, steps = piece_ends(question.num_steps), compared.proof.bound.step_s
    found, worth_note = _worth(question, compared.proof, limits)
    drawn, curve_note = _curve(outline, question, method, curve, layers, limits, say)
    return Survey(
        outline=outline,
        question=question,
        compared=compared,
        ends=ends,
        courses=courses,
        bound_step_s=None if steps is None or len(steps) != question.num_steps else means(steps, ends),
        worth=found,
        worth_note=worth_note,
        curve=drawn,
        curve_note=curve_note,
        certificates=certificates_beside(outline.path, question, outline.files, limits),
        interrupted=limits.interrupted,
        unanswered=not answered,
    )


def piece_ends(steps: int, pieces: int = PIECES) -> Int64:
    """int64[N]: where the pieces of so many steps end, which are as long as each other but for one step."""
    count = min(steps, pieces)
    return np.array([steps * (n + 1) // count for n in range(count)], dtype=np.int64)


def means(values: Float64, ends: Int64) -> Float64:
    """float64[N]: the mean of each piece; times the lengths of the pieces they are the sum of the values."""
    starts = np.r_[0, ends[:-1]]
    return np.asarray(np.add.reduceat(values, starts) / (ends - starts), dtype=np.float64)


def most(values: Int64, ends: Int64) -> Int64:
    """int64[N + 1, K]: of int64[T + 1, K] at states, the first row and the most within each piece."""
    return np.concatenate([values[:1], np.maximum.reduceat(values[1:], np.r_[0, ends[:-1]], axis=0)])


def _all_run(
    question: AnyQuestion, schedulers: Sequence[Named], limits: Limits, say: Callable[[str], None]
) -> tuple[list[Scheduled], tuple[Course, ...]]:
    """The schedulers one after the other, each in half of the time that is left, the last one in all of it."""
    rows, courses = [], []
    keep = None if isinstance(question, Layered) else KeepMoves(None, trail=True)
    for at, one in enumerate(schedulers):
        say(f"{question.name}: {name_of(one)}")
        if limits.reached:
            missing = Outcome.UNFINISHED if limits.interrupted else Outcome.LIMIT
            rows.append(Scheduled(name_of(one), missing, "not begun"))
            continue
        last = at == len(schedulers) - 1
        row, played = run_scheduler(question, one, limits if last else limits.within(limits.remaining / 2), keep=keep)
        rows.append(row)
        if played is not None:
            courses.append(_course(row.scheduler, played))
    return rows, tuple(courses)


def _course(name: str, played: Played) -> Course:
    run, instance, held, alive = played.run, played.run.instance, None, None
    ends = piece_ends(instance.num_steps)
    if not isinstance(instance, Layered):
        trail = played.trail()
        held, alive = most(trail.held, ends), most(trail.alive[:, None], ends)[:, 0]
    shares = zip(instance.memory.resources, run.critical_share.tolist(), strict=True)
    critical = tuple((resource, share) for resource, share in shares if share > 0)
    return Course(name, means(run.step_s, ends), held, alive, run.hit_rate, critical)


def _worth(question: AnyQuestion, proof: Proof, limits: Limits) -> tuple[Worth | None, str]:
    """What the prices say, without trying more of anything; or why nothing is said."""
    bound = proof.bound
    if not isinstance(question, Instance):
        return None, "the question is held in runs; prices are explained in rows alone"
    if bound.status is Status.INFEASIBLE:
        return None, "no schedule keeps the budgets, so there is no time to explain"
    if bound.prices is None or (bound.step_s is None and bound.method not in ("milp", "step-integer", "flow")):
        return None, f"the {bound.method} bound has no prices that explain it"
    try:
        work = partial(worth, question, bound, best_s=proof.best_s, shares=(), limits=limits)
        return in_time("explaining the prices", work, limits), ""
    except PlacementError as error:
        return None, str(error)


def _curve(
    outline: Outline,
    question: AnyQuestion,
    method: str,
    wanted: bool | None,
    layers: LayerShare | None,
    limits: Limits,
    say: Callable[[str], None],
) -> tuple[Sweep | None, str]:
    """Bounds over the room of the fastest tier, or why there are none."""
    if wanted is False:
        return None, "it was not asked for (--curve)"
    if wanted is None and not isinstance(question, Instance):
        return None, "the question is held in runs, of which it is not drawn unasked (--curve)"
    if wanted is None and question.num_reads > CURVE_READS:
        return None, f"{question.num_reads:,} reads are more than the {CURVE_READS:,} up to which it is drawn unasked (--curve)"
    key = f"{question.memory.tier_names[question.memory.fastest]}.capacity=auto:{CURVE_POINTS}"
    say(f"{question.name}: {key}")
    seconds = None if math.isinf(limits.remaining) else limits.remaining / CURVE_POINTS
    try:
        options: dict[str, Any] = {"method": method, "bound_seconds": seconds, "layers": layers, "limits": limits}
        found = sweep(outline.path, key, **options)
    except PlacementError as error:
        return None, str(error).removeprefix(f"{outline.path}")
    if len(found.points) < 2:
        return None, "there was no time left for it"
    if all(point.compared.proof.bound.lower_bound_s is None for point in found.points):
        return None, f"there is no bound at any of its points ({found.points[-1].compared.proof.bound.status})"
    return _unpriced(found), ""


def _unpriced(found: Sweep) -> Sweep:
    """The same without prices, which nobody reads here."""
    points = []
    for point in found.points:
        proof = point.compared.proof
        bare = replace(proof, bound=replace(proof.bound, prices=None, step_s=None))
        points.append(replace(point, compared=replace(point.compared, proof=bare)))
    return replace(found, points=tuple(points))


def _silent(_: str) -> None:
    return
