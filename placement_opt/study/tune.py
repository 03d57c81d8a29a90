"""What an option of a scheduler is worth: the policy over its knobs beside the bound, and how much of the best carries over.

Every combination of the knobs' values is played on every instance. The *regret* of a setting on an instance is its cost over
that of the best setting tried there, less 1; what the best setting is off the bound no setting tried wins back. How much of a
good setting carries over is seen by leaving one out: for each instance the setting is chosen that has the least regret on the
others (the geometric mean of 1 + regret), and its regret here is what somebody had who tuned on those and ran this.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from placement_opt.answer.prove import Proof, proof_of, prove_judging, roofline_of
from placement_opt.base.backend import Backend
from placement_opt.base.errors import InputError
from placement_opt.base.given import several
from placement_opt.base.limits import Limits, check_limits
from placement_opt.instance.load import Source
from placement_opt.instance.scaled import LayerShare
from placement_opt.instance.stacked import AnyQuestion
from placement_opt.study.asked import asked_of
from placement_opt.study.compare import sources_of
from placement_opt.study.grid import Bounding, Grid, Question, Timing, all_scheduled, turns_left
from placement_opt.study.keys import called
from placement_opt.study.knobs import MOST_SETTINGS, parse_settings
from placement_opt.study.scheduled import fastest, held_against
from placement_opt.study.tuned import Tuned, Tuning, least_regret


def tune(
    instances: Source | Sequence[Source],
    scheduler: str,
    *,
    keys: str | Sequence[str] = (),
    method: str = "auto",
    bound_seconds: float | None = None,
    layers: LayerShare | None = None,
    jobs: int = 1,
    limits: Limits | None = None,
    report: Callable[[str], None] | None = None,
) -> Tuning:
    """A scheduler at all combinations of its knobs' values, on some instances, held against their bounds.

    Parameters
    ----------
    instances
        A question, or its file, or a list of these.
    scheduler
        ``"hicache:threshold=0..1,depth=1..64"``; see :func:`placement_opt.study.knobs.parse_settings`.
    keys
        Keys of the instances that take several values, as in :func:`placement_opt.sweep`: each point counts as an instance.
    method, bound_seconds
        Of each bound, as in :func:`placement_opt.compare`.
    layers
        Take this share of the layers of each file (:mod:`placement_opt.instance.scaled`).
    jobs
        Processes; the answer does not depend on their number.
    limits
        Deadline and stop request of the whole; the schedulers get half of the time, the bounds the rest.
    report
        Called with a line of text for each finished piece.

    Returns
    -------
    Tuning
        Times in seconds.

    Raises
    ------
    InputError
        An instance, a knob or a key that is not what it should be, or too many settings.

    Examples
    --------
    >>> trace = po.Trace.from_reads([[0, 1], [1, 2], [0], [1]], sizes=4_500_000)
    >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "9 MB"}, trace, rules={"residency": "free"})
    >>> po.tune(instance, "lru:scope=layer|global", keys="hbm.capacity=4.5MB,9MB", method="lp")
    Tuning(lru:scope, 2 settings on 2 instances)
    """
    check_limits(limits)
    limits, settings = limits or Limits(), parse_settings(scheduler)
    asked = asked_of(sources_of(instances), several(keys) if keys else (), layers, limits, jobs=jobs)
    specs = [settings.spec(one) for one in settings.combinations]
    if len(asked) * len(specs) > MOST_SETTINGS * 10:
        found = f"found {len(asked)} instances at {len(specs)} settings"
        raise InputError(found, f"expected at most {MOST_SETTINGS * 10:,} runs", field="scheduler")
    grid = Grid(len(asked) * (1 + len(specs)), jobs, report)
    for one in asked:
        one.instance()  # what is wrong with one is found before any work is done
    timed = grid.run([Timing(one, spec) for one in asked for spec in specs], limits.within(limits.remaining / 2))
    width, seconds = len(specs), math.inf if bound_seconds is None else bound_seconds
    rows = [all_scheduled(specs, timed[at * width : (at + 1) * width], limits) for at in range(len(asked))]
    cells = []
    for at, (one, row) in enumerate(zip(asked, rows, strict=True)):
        turns = turns_left(asked, at, jobs)
        cells.append(Bounding(one, partial(_prove, method, fastest(row), seconds, turns), spared=True))
    proofs = grid.run(cells, limits)
    default, tuned = settings.combinations.index(settings.defaults), []
    for one, row, proof in zip(asked, rows, proofs, strict=True):
        known = proof if isinstance(proof, Proof) else _left(one, proof)
        tuned.append(Tuned(_name(one), held_against(known, row), default))
    unanswered = sum(not isinstance(proof, Proof) for proof in proofs)
    return Tuning(settings, carried_over(tuned), limits.interrupted, unanswered)


def carried_over(found: Sequence[Tuned]) -> tuple[Tuned, ...]:
    """Each with the setting that is chosen on the others."""
    return tuple(replace(one, carried=least_regret([other for other in found if other is not one])) for one in found)


def _name(question: Question) -> str:
    """What tables call it."""
    given = question.source
    name = given.name if isinstance(given, AnyQuestion) else given.stem
    return called(name, question.values)


def _prove(
    method: str,
    known: tuple[str, float] | None,
    seconds: float,
    turns: int,
    instance: AnyQuestion,
    limits: Limits,
    backend: Backend | None = None,
) -> Proof:
    """The bound of one instance, in one of so many turns that the time left is for, without its prices."""
    within = limits.within(min(seconds, limits.remaining / turns))
    proof = prove_judging(instance, method, known, limits=within, backend=backend)
    return replace(proof, bound=replace(proof.bound, prices=None, step_s=None))


def _left(question: Question, trouble: object) -> Proof:
    """The roofline where the bound gave no answer: the schedules are not lost to that."""
    why = "the bound was not begun" if trouble is None else f"{trouble}"
    instance = question.instance()
    proof = proof_of(instance, roofline_of(instance))
    return replace(proof, bound=replace(proof.bound, note=f"{why}, so the roofline stands"))
