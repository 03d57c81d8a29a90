"""Many schedulers on many instances, each judged by the interval that holds the optimum of its instance.

The two numbers asked of every policy: how much of its distance from the roofline no policy can avoid (optimum - roofline), and
how much is its own (latency - optimum). The optimum lies between the proven bound and the best schedule known
(:mod:`placement_opt.answer.verdict`). The schedulers come first, then each bound is raised until policies can be judged by it,
so that whoever stops a comparison early has the schedulers' times beside the roofline.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path

from placement_opt.answer.prove import Proof, proof_of, prove_judging, prove_until, roofline_of, with_quick
from placement_opt.base.backend import Backend
from placement_opt.base.errors import InputError, shown
from placement_opt.base.given import check_kind, check_number, several
from placement_opt.base.limits import Limits, check_limits
from placement_opt.base.watch import LeftBehind, in_time
from placement_opt.bounds.result import Status
from placement_opt.instance.instance import Instance
from placement_opt.instance.layered import Layered
from placement_opt.instance.load import Source
from placement_opt.instance.scaled import LayerShare
from placement_opt.instance.stacked import AnyQuestion, Stacked
from placement_opt.play.protocol import Scheduler
from placement_opt.play.simulate import check_scheduler
from placement_opt.schedulers import REGISTRY, make_scheduler, name_of
from placement_opt.study.asked import asked_of
from placement_opt.study.comparison import Comparison
from placement_opt.study.grid import Bounding, Cell, Grid, Question, Result, Timing, all_scheduled, placed, turns_left
from placement_opt.study.kept import Kept, kept_in
from placement_opt.study.scheduled import fastest, held_against

#: A scheduler by its name and options, or itself.
Named = str | Scheduler


def chosen_schedulers(text: str) -> tuple[str, ...]:
    """The schedulers of a comma separated list: ``"static,lru:a=1,b=2"`` are two, ``"all"`` is every one there is.

    A piece with "=" and without ":" before it is one more option of the scheduler before. InputError for empty and repeated
    names; :func:`placement_opt.schedulers.make_scheduler` judges the rest.
    """
    if text == "all":
        return tuple(REGISTRY)
    specs: list[str] = []
    for piece in text.split(","):
        if specs and "=" in piece and ":" not in piece.partition("=")[0]:
            specs[-1] += f",{piece}"
        else:
            specs.append(piece.strip())
    for spec in specs:
        if not spec:
            raise InputError(
                f"found an empty name in {shown(text)}", "expected names separated by commas", field="--schedulers"
            )
        if specs.count(spec) > 1:
            raise InputError(f"found {shown(spec)} twice", "expected each scheduler once", field="--schedulers")
    return tuple(specs)


def named_schedulers(given: Named | Sequence[Named], *, copied: bool) -> tuple[Named, ...]:
    """A list as :func:`chosen_schedulers` reads it, or names and schedulers one by one; InputError for what is no scheduler.

    ``copied``: whether other processes are handed copies of them.
    """
    names: tuple[Named, ...] = chosen_schedulers(given) if isinstance(given, str) else tuple(several(given))
    for one in names:
        if isinstance(one, str):
            make_scheduler(one)
            continue
        check_scheduler(one)
        try:
            pickle.dumps(one if copied else None)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            found = f"found {shown(one)}, which other processes cannot be handed ({error})"
            expected = "expected jobs=1, or a class at the top of a module"
            raise InputError(found, expected, field="schedulers") from None
    labels = [name_of(one) for one in names]
    for label in labels:
        if labels.count(label) > 1:
            raise InputError(
                f"found {shown(label)} twice", "expected each scheduler once, by a name of its own", field="schedulers"
            )
    return names


def sources_of(given: Source | Sequence[Source]) -> list[AnyQuestion | Path]:
    """One instance, or the path of its file, or several of either; InputError for others and for none."""
    found: list[AnyQuestion | Path] = []
    for one in several(given):
        expected = "an instance (load_instance, build_instance), the name of its file, or a list of these"
        check_kind(one, (Instance, Layered, Stacked, str, PathLike), expected, field="instances")
        found.append(one if isinstance(one, AnyQuestion) else Path(one))
    if not found:
        raise InputError("found none", "expected at least one instance or file", field="instances")
    return found


def compare(
    instances: Source | Sequence[Source],
    schedulers: Named | Sequence[Named],
    *,
    keys: str | Sequence[str] = (),
    method: str = "auto",
    gap: float | None = None,
    bound_seconds: float | None = None,
    layers: LayerShare | None = None,
    why: bool = False,
    state: str | Path | None = None,
    jobs: int = 1,
    backend: Backend | None = None,
    limits: Limits | None = None,
    report: Callable[[str], None] | None = None,
) -> Comparison:
    """Time schedulers on instances, raise the instances' bounds, and judge the schedulers by what is then known of the optimum.

    Parameters
    ----------
    instances
        A question, in rows or in runs, or its file, or a list of these. All files are read once to find what is wrong with
        them, and again where they are needed; in runs or layer by layer where rows do not fit into the processes.
    schedulers
        Names with options, as :func:`placement_opt.schedulers.make_scheduler` takes them, one by one or in one text; "all".
        Or schedulers of your own, each of them used for one run after the other (with ``jobs``, copies of it).
    keys
        Of the instances' files, each with some values, as :func:`placement_opt.study.sweep.sweep` takes them: every instance is
        compared at every combination of them, one after the other, the last key fastest.
    method
        Of the bound; "auto" chooses, and goes on with the ladder of :mod:`placement_opt.answer.answer` where no policy can be
        judged by what it proved.
    gap
        Raise the bound (by the ladder, whatever ``method`` says) until the best of the schedulers is within this relative gap
        of it, or ``bound_seconds`` are over.
    bound_seconds
        Time for each bound; None leaves it to the method.
    layers
        Take this share of the layers of each file (:mod:`placement_opt.instance.scaled`).
    why
        Keep what shows where each scheduler loses (:func:`placement_opt.study.why.losses`).
    state
        A file that finished schedules and bounds are kept in; what it knows is not done again.
    jobs
        Processes for bounds and schedulers.
    backend
        Where these are worked on; None: here, in so many processes. The workers of a cluster need this package, and the files
        under the same names. What they have not sent back by the deadline is not known. Questions in runs, or layer by layer,
        come last, one after the other, and are spread by their layers.
    limits
        Deadline and stop request of the whole, loading included. The schedulers get half of the time, the bounds the rest in
        equal shares; what is finished by then comes back, the rooflines at least.
    report
        Called with a line of text for each finished piece.

    Returns
    -------
    Comparison
        Times in seconds.

    Raises
    ------
    InputError
        An instance, a key or a scheduler's name or option that is not what it should be; a cluster that cannot be reached.
    LimitError
        The deadline came before the instances were read.

    Examples
    --------
    >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
    >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
    >>> po.compare(instance, ["lru", "lru:scope=global"], method="lp")
    Comparison(1 instances, 2 schedules)
    >>> found = po.compare(instance, "lru,static", keys="hbm.capacity=4.5MB,9MB", method="lp")
    >>> [(row["memory.hbm.capacity"], row["scheduler"], round(row["gap"], 2)) for row in found.to_records()]
    [('4.5MB', 'lru', 0.04), ('4.5MB', 'static', 0.05), ('9MB', 'lru', 0.0), ('9MB', 'static', 0.09)]
    """
    check_limits(limits)
    if gap is not None:
        check_number(gap, field="gap")
    jobs = jobs if backend is None else backend.jobs
    if backend is not None:
        backend.check_whole()
    copied = jobs > 1 or (backend is not None and backend.away)
    limits, schedulers = limits or Limits(), named_schedulers(schedulers, copied=copied)
    asked = asked_of(sources_of(instances), several(keys) if keys else (), layers, limits, jobs=jobs)
    grid = Grid(len(asked) * (1 + len(schedulers)), jobs, report, backend=backend)
    rooflines = _rooflines(asked, limits)  # bad input is found before any work is done
    asked = asked[: len(rooflines)]
    timings = [Timing(question, spec, 0.5, why) for question in asked for spec in schedulers]
    timings[-1:] = [replace(cell, share=1.0) for cell in timings[-1:]]  # nothing is left that time should be kept for
    hashes, how = [one.hash for one in rooflines], [method, gap, bound_seconds, why]
    of_timings = [(hashes[at // len(schedulers)], name_of(cell.scheduler), why) for at, cell in enumerate(timings)]
    with kept_in(state) as kept:
        timed = _run(grid, timings, of_timings, limits.within(limits.remaining / 2), kept)
        width = len(schedulers)
        rows = [all_scheduled(schedulers, timed[at * width : (at + 1) * width], limits) for at in range(len(asked))]
        seconds = math.inf if bound_seconds is None else bound_seconds
        boundings = []
        for at, (question, row) in enumerate(zip(asked, rows, strict=True)):
            turns = turns_left(asked, at, jobs)
            boundings.append(Bounding(question, partial(_prove, method, gap, fastest(row), seconds, turns, why), spared=True))
        of_bounds = [(one, *how, *(fastest(row) or ())) for one, row in zip(hashes, rows, strict=True)]
        timeless = math.isinf(seconds) and math.isinf(limits.remaining)

        def whole(at: int, proof: Result) -> bool:
            """Whether more time would have changed nothing, as far as is known: else the bound is not kept."""
            known = fastest(rows[at])
            return not limits.interrupted and (timeless or (isinstance(proof, Proof) and _settled(proof, gap, known)))

        proofs = _run(grid, boundings, of_bounds, limits, kept, whole)
    found = []
    for question, roofline, proof, row in zip(asked, rooflines, proofs, rows, strict=True):
        known = replace(proof, instance=roofline.instance) if isinstance(proof, Proof) else left_at(roofline, proof, limits)
        found.append(replace(held_against(known, row), setting=question.values))
    unanswered = sum(not isinstance(proof, Proof) for proof in proofs)
    return Comparison(tuple(found), interrupted=limits.interrupted, unanswered=unanswered)


def _rooflines(asked: Sequence[Question], limits: Limits) -> list[Proof]:
    """Each instance read, and its roofline: of all of them, unless somebody asks for a stop."""
    found: list[Proof] = []
    for question in asked:
        try:
            instance = in_time(f"{question.source}: reading it", question.instance, limits)
        except InputError as error:
            raise placed(question, error) from None
        except LeftBehind:
            if limits.interrupted:
                break
            raise
        found.append(proof_of(instance, roofline_of(instance)))
        if limits.interrupted:
            break
    return found


def _settled(proof: Proof, gap: float | None, known: tuple[str, float] | None) -> bool:
    """Whether a bound is all that was asked for: policies can be judged by it, and the best of them is within the gap."""
    lower = proof.bound.lower_bound_s
    near = gap is None or known is None or (lower is not None and known[1] <= lower * (1.0 + gap))
    return near and not proof.interval.weak


def _run(
    grid: Grid,
    cells: Sequence[Cell],
    keys: Sequence[tuple[object, ...]],
    limits: Limits,
    kept: Kept | None,
    whole: Callable[[int, Result], bool] = lambda *_: True,
) -> list[Result]:
    """What came of each cell; those that are known by their keys are not done again, and those kept that are ``whole``."""
    if kept is None:
        return grid.run(cells, limits)
    known = [kept.find(key) for key in keys]
    place = {id(cell): at for at, cell in enumerate(cells)}
    missing = [cell for cell, one in zip(cells, known, strict=True) if one is None]
    grid.count -= len(cells) - len(missing)

    def keep(cell: Cell, result: Result) -> None:
        if whole(at := place[id(cell)], result):
            kept.keep(keys[at], result)

    grid.keep = keep
    done = iter(grid.run(missing, limits))
    return [next(done) if one is None else one for one in known]


def left_at(roofline: Proof, trouble: object, limits: Limits) -> Proof:
    """The roofline where the bound was not begun or gave no answer: the schedules are not lost to that."""
    status = Status.INTERRUPTED if limits.interrupted else Status.LIMIT
    note = "the bound was not begun" if trouble is None else f"{trouble}, so the roofline stands"
    return replace(roofline, bound=replace(roofline.bound, status=status, note=note))


def _prove(
    method: str,
    gap: float | None,
    known: tuple[str, float] | None,
    seconds: float,
    turns: int,
    steps: bool,
    instance: AnyQuestion,
    limits: Limits,
    backend: Backend | None = None,
) -> Proof:
    """The bound of one instance, in one of so many turns that the time left is for, without its prices.

    ``steps``: keep how long each step lasts in it; ``backend``: where layers are worked on, of a question that comes so.
    """
    within = limits.within(min(seconds, limits.remaining / turns))
    proof = prove_beside(instance, method, gap, known, within, limits, backend)
    return replace(proof, bound=replace(proof.bound, prices=None, step_s=proof.bound.step_s if steps else None))


def prove_beside(
    instance: AnyQuestion,
    method: str,
    gap: float | None,
    known: tuple[str, float] | None,
    within: Limits,
    limits: Limits,
    backend: Backend | None = None,
) -> Proof:
    """The bound of one instance, with its prices, raised ``within`` limits until its schedulers can be judged.

    ``known``: the best of the schedulers and its seconds, if one was timed; the others as :func:`compare` has them.
    """
    if gap is None or known is None:
        return prove_judging(instance, method, known, limits=within, backend=backend)
    proof = prove_until(instance, known[1] / (1.0 + gap), limits=within, backend=backend).with_schedule(*known)
    return with_quick(proof, instance, limits) if proof.interval.weak else proof
