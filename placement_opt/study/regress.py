"""Recompute what is recorded beside instances and refuse any change, in either direction.

Beside ``NAME.toml`` lies ``NAME.best.json`` (:mod:`placement_opt.study.record`). A folder ``hostile`` holds files to be refused
(:mod:`placement_opt.study.refused`). A file ``LARGE`` in a folder names those, one a line, that are too large to recompute
here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from placement_opt.base import clock
from placement_opt.base.atomic import write_text_atomic
from placement_opt.base.errors import InputError, PlacementError
from placement_opt.base.jobs import run_jobs
from placement_opt.base.limits import Limits
from placement_opt.base.toml import read_text, read_toml
from placement_opt.bounds.auto import affordable
from placement_opt.instance.gate import check_file
from placement_opt.instance.load import load_instance
from placement_opt.schedulers import RECORDED, make_scheduler
from placement_opt.study.enclosed import NOTHING, best_prices, better, certified, complaints, enclose, statement
from placement_opt.study.record import SUFFIX, Record, best_path, differences, measure, read_record, to_text
from placement_opt.study.refused import SUFFIX as EXPECTED
from placement_opt.study.refused import ending, expected_path, read_expected, refuse

HOSTILE = "hostile"
LARGE = "LARGE"
#: A method is recorded for an instance where it is expected to take no longer than this.
AFFORDABLE_S = 30.0


class Outcome(StrEnum):
    """What came of one file."""

    #: Every value is as recorded.
    SAME = "same"
    #: Something is not, or should not be.
    CHANGED = "changed"
    #: Something was not, and has been rewritten.
    UPDATED = "updated"
    #: Nothing was recorded, and now is.
    RECORDED = "recorded"
    #: A hostile file, refused as it should be.
    REFUSED = "refused as expected"
    #: Named in LARGE.
    SKIPPED = "skipped"
    #: Something in it, or in a file that it names, is not what it should be: nothing was compared.
    UNREADABLE = "cannot be read"
    #: The process that worked on it was killed.
    LOST = "lost"
    #: Somebody asked for a stop first.
    UNFINISHED = "not finished"


@dataclass(frozen=True)
class Checked:
    """One file.

    Attributes
    ----------
    path
        The instance, the hostile file, or the best file without an instance.
    outcome
        See :class:`Outcome`.
    lines
        What differs, or what is wrong; one line each.
    bounds, schedules
        How many values were recomputed.
    gap
        Of the best schedule over the best bound.
    wall_s
        Seconds it took.
    """

    path: str
    outcome: Outcome
    lines: tuple[str, ...] = ()
    bounds: int = 0
    schedules: int = 0
    gap: float | None = None
    wall_s: float = 0.0


@dataclass(frozen=True)
class Regression:
    """What :func:`regress` found, in the order of the files."""

    files: tuple[Checked, ...]
    interrupted: bool = False

    def count(self, outcome: Outcome) -> int:
        return sum(one.outcome is outcome for one in self.files)

    @property
    def ok(self) -> bool:
        """Whether everything was checked and nothing is left that differs."""
        return self.exit_code == 0

    @property
    def exit_code(self) -> int:
        """What the command line ends with.

        130 interrupted; 1 something differs; 2 a file cannot be read; 3 a process was killed, or was out of time; 0 otherwise.
        """
        if self.interrupted:
            return 130
        codes = {Outcome.CHANGED: 1, Outcome.UNREADABLE: 2, Outcome.LOST: 3, Outcome.UNFINISHED: 3}
        return next((code for outcome, code in codes.items() if self.count(outcome)), 0)


@dataclass(frozen=True)
class _Task:
    path: Path
    hostile: bool
    update: bool
    fresh: bool
    schedulers: tuple[str, ...] = ()


@dataclass
class _Found:
    """The files of some paths, sorted into what is to be done with them."""

    tasks: list[_Task] = field(default_factory=list)
    others: list[Checked] = field(default_factory=list)


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
    found = _Found()
    if not all(map(os.fspath, paths)):
        raise InputError("found an empty name", "expected instance files or folders", field="PATH")
    for path in dict.fromkeys(Path(path) for path in paths):
        _collect(path, found, update, fresh)
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


# ---- finding -----------------------------------------------------------------------------------------------------------


def _collect(path: Path, found: _Found, update: bool, fresh: bool) -> None:
    if path.is_dir():
        for folder in _folders(path):
            (_collect_hostile if folder.name == HOSTILE else _collect_folder)(folder, found, update, fresh)
    elif not path.exists():
        raise InputError("found no such file or folder", "expected instances", path=path)
    elif path.is_file() and path.parent.name == HOSTILE and ending(path):
        found.tasks.append(_Task(path, True, update, fresh))
    elif _is_instance(path):
        if not best_path(path).exists():
            read_toml(path)  # a file that was never recorded and does not even parse is bad input, not a change
        found.tasks.append(_Task(path, False, update, fresh))
    else:
        raise InputError(
            "found no instance", "expected NAME.toml, a file to be refused in a folder hostile, or a folder", path=path
        )


def _folders(root: Path) -> Iterator[Path]:
    """The folder and those below it, sorted; nothing hidden, nothing below a hostile folder, no link followed."""
    for name, inner, _ in os.walk(root):
        folder = Path(name)
        inner[:] = [] if folder.name == HOSTILE else sorted(one for one in inner if not one.startswith("."))
        yield folder


def _collect_folder(folder: Path, found: _Found, update: bool, fresh: bool) -> None:
    large = _large(folder)
    files = sorted(folder.iterdir())
    instances = {path for path in files if _is_instance(path)}
    for path in files:
        if path in instances and path.name in large:
            found.others.append(Checked(str(path), Outcome.SKIPPED))
        elif path in instances:
            found.tasks.append(_Task(path, False, update, fresh))
        elif path.name.endswith(SUFFIX) and path.with_name(path.name.removesuffix(SUFFIX) + ".toml") not in instances:
            found.others.append(Checked(str(path), Outcome.CHANGED, ("there is no instance beside it",)))
    for name in sorted(large - {path.name for path in instances}):
        found.others.append(Checked(str(folder / LARGE), Outcome.CHANGED, (f"names {name!r}, which is no instance here",)))


def _collect_hostile(folder: Path, found: _Found, update: bool, fresh: bool) -> None:
    files = [path for path in sorted(folder.iterdir()) if path.is_file()]
    hostile = [path for path in files if ending(path)]
    found.tasks += [_Task(path, True, update, fresh) for path in hostile]
    claimed = {expected_path(path) for path in hostile}
    for path in files:
        if path.name.endswith(EXPECTED) and path not in claimed:
            found.others.append(Checked(str(path), Outcome.CHANGED, ("there is no file beside it",)))


def _large(folder: Path) -> set[str]:
    path = folder / LARGE
    if not path.is_file():
        return set()
    lines = (line.partition("#")[0].strip() for line in read_text(path, 1 << 16).splitlines())
    return {line for line in lines if line}


def _is_instance(path: Path) -> bool:
    """Whether this is a TOML file that joins a memory and a trace. One that does not parse counts, so its error is shown."""
    if path.suffix != ".toml" or not path.is_file():
        return False
    try:
        content = read_toml(path).data
    except InputError:
        return True
    return ("trace" in content and "memory" in content) or best_path(path).exists()


def _check_room(tasks: Sequence[_Task], jobs: int, limits: Limits) -> None:
    """NoRoom for the first instance that could not be held; what else is wrong with one is for its own check to say."""
    for task in tasks:
        if not task.hostile:
            with suppress(InputError):
                check_file(task.path, limits, jobs=jobs)


# ---- checking ----------------------------------------------------------------------------------------------------------


def _check(task: _Task, limits: Limits) -> Checked:
    began = clock.now()
    result = _check_hostile(task) if task.hostile else _check_instance(task, limits)
    if limits.reached and not task.hostile:
        return Checked(str(task.path), Outcome.UNFINISHED)
    outcome, lines, record = result
    wall = clock.now() - began
    if record is None:
        return Checked(str(task.path), outcome, tuple(lines), wall_s=wall)
    return Checked(str(task.path), outcome, tuple(lines), len(record.bounds), len(record.schedules), record.gap, wall)


def _lost(task: _Task, why: str) -> Checked:
    """What stands for a file whose process was killed."""
    return Checked(str(task.path), Outcome.LOST, (f"error: {why}",))


def _check_instance(task: _Task, limits: Limits) -> tuple[Outcome, list[str], Record | None]:
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


def _check_hostile(task: _Task) -> tuple[Outcome, list[str], Record | None]:
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
