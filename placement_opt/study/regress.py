"""Recompute what is recorded beside instances and refuse any change, in either direction.

Beside ``NAME.toml`` lies ``NAME.best.json`` (:mod:`placement_opt.study.record`). A folder ``hostile`` holds files to be refused
(:mod:`placement_opt.study.refused`). A file ``LARGE`` in a folder names those, one a line, that are too large to recompute
here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from placement_opt.base import clock
from placement_opt.base.atomic import write_text_atomic
from placement_opt.base.errors import InputError, PlacementError
from placement_opt.base.jobs import run_jobs
from placement_opt.base.limits import Limits
from placement_opt.bounds.auto import affordable
from placement_opt.instance.gate import check_file
from placement_opt.instance.load import load_instance
from placement_opt.schedulers import RECORDED, make_scheduler
from placement_opt.study.enclosed import NOTHING, best_prices, better, certified, complaints, enclose, statement
from placement_opt.study.record import Record, best_path, differences, measure, read_record, to_text
from placement_opt.study.recorded_files import Found, Task, collect
from placement_opt.study.refused import expected_path, read_expected, refuse
from placement_opt.study.regression import Checked, Outcome, Regression

#: A method is recorded for an instance where it is expected to take no longer than this.
AFFORDABLE_S = 30.0


def regress(
    paths: Sequence[str | os.PathLike[str]],
    *,
    update: bool = False,
    fresh: bool = False,
    schedulers: Sequence[str] = (),
    jobs: int = 1,
    limits: Limits | None = None,
    report: Callable[[str], None] | None = None,
) -> Regression:
    """Recompute every instance below some paths and compare with what is recorded.

    Parameters
    ----------
    paths
        Instance files and folders, searched recursively (hidden folders are not entered).
    update
        Rewrite what differs. A bound above a schedule is never recorded.
    fresh
        Take methods and schedulers anew instead of those that a best file lists.
    schedulers
        To record besides those that there are or a best file lists: some of your own, by file and class.
    jobs
        Processes.
    limits
        Deadline and stop request.
    report
        Called with a line of text for each finished file.

    Raises
    ------
    InputError
        A path that is not there or is no instance, or nothing found. What is wrong in a file is told of that file.
    NoRoom
        An instance needs more memory than may be taken; found before any of them is made.
    """
    limits = limits or Limits()
    found = Found()
    if not all(map(os.fspath, paths)):
        raise InputError("found an empty name", "expected instance files or folders", field="PATH")
    for path in dict.fromkeys(Path(path) for path in paths):
        collect(path, found, update, fresh)
    if not found.tasks and not found.others:
        raise InputError("found no instance", "expected at least one NAME.toml", field=", ".join(map(str, paths)))
    for spec in schedulers:
        make_scheduler(spec)
    found.tasks = [replace(task, schedulers=tuple(schedulers)) for task in found.tasks]
    finished = 0

    def tell(_: int, one: Checked) -> None:
        nonlocal finished
        finished += 1
        if report is not None:
            report(f"[{finished}/{len(found.tasks)}] {one.path}: {one.outcome}")

    _check_room(found.tasks, jobs, limits)
    results = run_jobs(_check, found.tasks, jobs=jobs, limits=limits, done=tell, lost=_lost)
    checked = [
        one if one is not None else Checked(str(task.path), Outcome.UNFINISHED)
        for task, one in zip(found.tasks, results, strict=True)
    ]
    everything = sorted([*checked, *found.others], key=lambda one: Path(one.path).parts)
    return Regression(tuple(everything), interrupted=limits.interrupted)


def _check_room(tasks: Sequence[Task], jobs: int, limits: Limits) -> None:
    """NoRoom for the first instance that could not be held; what else is wrong with one is for its own check to say."""
    for task in tasks:
        if not task.hostile:
            with suppress(InputError):
                check_file(task.path, limits, jobs=jobs)


def _check(task: Task, limits: Limits) -> Checked:
    began = clock.now()
    result = _check_hostile(task) if task.hostile else _check_instance(task, limits)
    if limits.reached and not task.hostile:
        return Checked(str(task.path), Outcome.UNFINISHED)
    outcome, lines, record = result
    wall = clock.now() - began
    if record is None:
        return Checked(str(task.path), outcome, tuple(lines), wall_s=wall)
    return Checked(str(task.path), outcome, tuple(lines), len(record.bounds), len(record.schedules), record.gap, wall)


def _lost(task: Task, why: str) -> Checked:
    """What stands for a file whose process was killed."""
    return Checked(str(task.path), Outcome.LOST, (f"error: {why}",))


def _check_instance(task: Task, limits: Limits) -> tuple[Outcome, list[str], Record | None]:
    """Measure, compare, and rewrite where asked for and allowed."""
    place = best_path(task.path)
    try:
        old = read_record(place) if place.exists() else None
        instance = load_instance(task.path)
    except PlacementError as error:
        return Outcome.UNREADABLE, [f"error: {error}"], None
    empty = old is not None and not old.methods and not old.schedulers
    listed = None if task.fresh or empty else old
    methods = listed.methods if listed else affordable(instance, AFFORDABLE_S)
    schedulers = tuple(dict.fromkeys([*(listed.schedulers if listed else RECORDED), *task.schedulers]))
    new, troubles, prices = measure(instance, methods, schedulers, limits)
    if limits.reached:
        return Outcome.UNFINISHED, [], new
    changes = [f"there is no {place.name}"] if old is None else differences(old, new)
    proven, schedule = best_prices(instance, prices), new.best_schedule
    if old is not None and old.hash == new.hash:
        stated = old.certified
        changes += complaints(instance, old.certificates, stated, proven and proven[1], schedule and schedule[1])
    if empty:
        changes = [f"{place.name} records nothing: no method and no scheduler", *changes]
    best = (proven and proven[0], schedule and schedule[0])
    fresh = NOTHING
    if task.update:
        fresh = enclose(instance, *best, limits)
        if old is not None and old.hash == new.hash:
            fresh = better(instance, old.certificates, fresh)
            changes += [f"there is a better certificate of {kind}" for kind in fresh if fresh[kind] != old.certificates[kind]]
        if limits.reached:  # what the clock cut short is not recorded
            return Outcome.UNFINISHED, [], new
    if changes and old is not None and old.versions != new.versions:
        changes.append(f"recorded with {_versions(old)}; here {_versions(new)}")
    if troubles:
        return Outcome.CHANGED, [*troubles, *changes], new
    if not changes:
        return Outcome.SAME, [], new
    if not task.update:
        return Outcome.CHANGED, changes, new
    new = replace(new, certificates=fresh, certified=statement(certified(instance, fresh)))
    write_text_atomic(place, to_text(new))
    return (Outcome.UPDATED, changes, new) if old else (Outcome.RECORDED, [], new)


def _versions(record: Record) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(record.versions.items()))


def _check_hostile(task: Task) -> tuple[Outcome, list[str], Record | None]:
    place = expected_path(task.path)
    found = refuse(task.path)
    try:
        wanted = read_expected(place) if place.exists() else None
    except InputError as error:
        return Outcome.UNREADABLE, [f"error: {error}"], None
    if found == wanted:
        return Outcome.REFUSED, [], None
    said = f"is exit code {found.code}: {found.message}" if found.code else "is accepted"
    lines = [f"there is no {place.name}; {said}" if wanted is None else f"was exit code {wanted.code}: {wanted.message}", said]
    if wanted is None:
        lines = lines[:1]
    if task.update and found.code in (1, 2, 3):
        write_text_atomic(place, found.text())
        return Outcome.RECORDED if wanted is None else Outcome.UPDATED, lines, None
    return Outcome.CHANGED, lines, None
