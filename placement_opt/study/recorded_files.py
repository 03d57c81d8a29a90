"""The files below some paths that ``regress`` looks at: instances, hostile files, and what lies beside none of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from placement_opt.base.errors import InputError
from placement_opt.base.toml import read_text, read_toml
from placement_opt.study.record import SUFFIX, best_path
from placement_opt.study.refused import SUFFIX as EXPECTED
from placement_opt.study.refused import ending, expected_path
from placement_opt.study.regression import Checked, Outcome

HOSTILE = "hostile"
LARGE = "LARGE"


@dataclass(frozen=True)
class Task:
    """One file, and what is to be done with it."""

    path: Path
    hostile: bool
    update: bool
    fresh: bool
    schedulers: tuple[str, ...] = ()


@dataclass
class Found:
    """The files of some paths, sorted into what is to be done with them."""

    tasks: list[Task] = field(default_factory=list)
    others: list[Checked] = field(default_factory=list)


def collect(path: Path, found: Found, update: bool, fresh: bool) -> None:
    if path.is_dir():
        for folder in _folders(path):
            (_collect_hostile if folder.name == HOSTILE else _collect_folder)(folder, found, update, fresh)
    elif not path.exists():
        raise InputError("found no such file or folder", "expected instances", path=path)
    elif path.is_file() and path.parent.name == HOSTILE and ending(path):
        found.tasks.append(Task(path, True, update, fresh))
    elif _is_instance(path):
        if not best_path(path).exists():
            read_toml(path)  # a file that was never recorded and does not even parse is bad input, not a change
        found.tasks.append(Task(path, False, update, fresh))
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


def _collect_folder(folder: Path, found: Found, update: bool, fresh: bool) -> None:
    large = _large(folder)
    files = sorted(folder.iterdir())
    instances = {path for path in files if _is_instance(path)}
    for path in files:
        if path in instances and path.name in large:
            found.others.append(Checked(str(path), Outcome.SKIPPED))
        elif path in instances:
            found.tasks.append(Task(path, False, update, fresh))
        elif path.name.endswith(SUFFIX) and path.with_name(path.name.removesuffix(SUFFIX) + ".toml") not in instances:
            found.others.append(Checked(str(path), Outcome.CHANGED, ("there is no instance beside it",)))
    for name in sorted(large - {path.name for path in instances}):
        found.others.append(Checked(str(folder / LARGE), Outcome.CHANGED, (f"names {name!r}, which is no instance here",)))


def _collect_hostile(folder: Path, found: Found, update: bool, fresh: bool) -> None:
    files = [path for path in sorted(folder.iterdir()) if path.is_file()]
    hostile = [path for path in files if ending(path)]
    found.tasks += [Task(path, True, update, fresh) for path in hostile]
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
