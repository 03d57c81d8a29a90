"""Schedulers that users bring: a class in a file of their own (``mine.py:MyPolicy``), or an installed package's entry point.

The file is run as Python runs a module, with all the rights of whoever runs this program: only when it is named. A class needs
what :class:`placement_opt.play.protocol.Scheduler` has, or is derived from :class:`placement_opt.schedulers.cache.CachePolicy`;
``name``, ``online`` and ``source`` it may leave out. Options are the arguments of its ``__init__`` that have defaults, and have
the defaults' types.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from placement_opt.base.errors import InputError, PlacementError, ScheduleError, shown
from placement_opt.base.toml import nearest, read_text

if TYPE_CHECKING:
    from placement_opt.base.limits import Limits
    from placement_opt.instance.instance import Instance
    from placement_opt.play.protocol import Effort, Ids, Moves, Resident, Scheduler, Setting, View

#: Where installed packages say that they have schedulers: name = "module:Class".
GROUP = "placement_opt.schedulers"
_LARGEST = 1 << 20
_FILE = re.compile(r"(?P<path>.+\.py):(?P<name>[^:]*)(?::(?P<options>.*))?", re.DOTALL)
_KINDS = (bool, int, float, str)
_WORDS = {"true": True, "false": False}


def file_of(spec: str) -> Path | None:
    """The file that a scheduler's name says it is in; None for those that are in none."""
    match = _FILE.fullmatch(spec)
    return None if match is None else Path(match["path"])


def file_hash(path: Path) -> str:
    """SHA-256 of a user's file, in hex digits; InputError where it cannot be read."""
    return hashlib.sha256(read_text(path, _LARGEST).encode()).hexdigest()


def from_file(spec: str) -> tuple[type[Any], str | None]:
    """(class, options) of ``"path.py:Class"`` or ``"path.py:Class:key=value"``; InputError for what is wrong with the file."""
    match = _FILE.fullmatch(spec)
    assert match is not None
    path = Path(match["path"])
    module = _module(path, file_hash(path))
    mine = {name: one for name, one in vars(module).items() if inspect.isclass(one) and one.__module__ == module.__name__}
    if match["name"] not in mine:
        found = f"found no class {shown(match['name'])}"
        raise InputError(found, nearest(match["name"], mine) if mine else "expected a class of that name", path=path)
    return mine[match["name"]], match["options"]


def _module(path: Path, digest: str) -> Any:
    """The file as a module, run once for each content that it has had."""
    name = f"_placement_opt_own_{digest[:24]}"
    if name in sys.modules:
        return sys.modules[name]
    outline = importlib.util.spec_from_file_location(name, path)
    if outline is None or outline.loader is None:
        raise InputError("found no module of Python", "expected a file that ends in .py", path=path)
    module = importlib.util.module_from_spec(outline)
    sys.modules[name] = module
    try:
        with _beside(path.resolve().parent):
            outline.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if not isinstance(error, Exception):
            raise
        line = error.lineno if isinstance(error, SyntaxError) else _line(error, path)
        found = f"found {type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}"
        raise InputError(found, "expected a module that can be imported", path=path, line=line) from error
    return module


@contextmanager
def _beside(folder: Path) -> Iterator[None]:
    """What lies in a folder can be imported, as from a script; afterwards others may have modules of the same names."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        fresh = {name for name in set(sys.modules) - before if name.partition(".")[0] not in before}
        own = {name for name in fresh if _lies_in(sys.modules[name], name, folder)}
        for name in fresh:
            if name.partition(".")[0] in own:
                del sys.modules[name]


def _lies_in(module: Any, name: str, folder: Path) -> bool:
    """Whether a module of this name is a file, or a package, in a folder itself."""
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).resolve() in (folder / f"{name}.py", folder / name / "__init__.py")


def _line(error: BaseException, path: Path) -> int | None:
    """Where in the file it went wrong."""
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).resolve() == path.resolve()
    ]
    return lines[-1] if lines else None


@cache
def installed() -> Mapping[str, EntryPoint]:
    """Schedulers of other installed packages, by name."""
    return {one.name: one for one in entry_points(group=GROUP)}


def from_package(name: str) -> type[Any]:
    """The class of an entry point; InputError where it cannot be imported."""
    point = installed()[name]
    try:
        found = point.load()
    except Exception as error:
        raise InputError(f"found {type(error).__name__}: {error}", f"expected {point.value} to import", field=name) from error
    return cast("type[Any]", found)


def option_defaults(policy: type[Any]) -> dict[str, Any]:
    """Its options and their defaults: the arguments of its constructor whose default is a flag, a number or a text."""
    try:
        found = inspect.signature(policy).parameters.values()
    except (TypeError, ValueError):
        return {}
    return {one.name: one.default for one in found if isinstance(one.default, _KINDS) and one.kind is not one.VAR_KEYWORD}


def option_kinds(policy: type[Any]) -> dict[str, type]:
    """Its options and their types, which are those of the defaults."""
    return {name: type(default) for name, default in option_defaults(policy).items()}


def parse_flag(text: str) -> bool:
    """``true`` or ``false``; ValueError otherwise."""
    if text.lower() not in _WORDS:
        raise ValueError(text)
    return _WORDS[text.lower()]


def made(policy: type[Any], given: Mapping[str, Any], spec: str) -> Scheduler:
    """A scheduler of this class, named as it was asked for; what goes wrong in it is an error that says where.

    Raises
    ------
    InputError
        It cannot be made so, or lacks what a scheduler needs.
    """
    from placement_opt.schedulers.cache import CachePolicy

    path = file_of(spec)
    try:
        one = policy(**given)
    except InputError as error:
        raise error.at(path=path) if path is not None else error from None
    except Exception as error:
        expected = f"expected {policy.__name__}({', '.join(f'{k}={v!r}' for k, v in given.items())}) to work"
        raise InputError(f"found {type(error).__name__}: {error}", expected, field="scheduler", path=path) from error
    missing = [name for name in ("start", "step") if not callable(getattr(one, name, None))]
    online = bool(getattr(one, "online", True))
    missing += ["plan"] if not online and not callable(getattr(one, "plan", None)) else []
    if isinstance(one, CachePolicy) and type(one).evict is CachePolicy.evict:
        missing.append("evict")
    if missing:
        found = f"found {policy.__name__} without {' and '.join(missing)}"
        expected = "expected what placement_opt.Scheduler has, or a class derived from placement_opt.CachePolicy"
        raise InputError(found, expected, field="scheduler", path=path)
    return Theirs(one, spec, online, str(path or spec), path)


class Theirs:
    """A user's scheduler under the name it was asked for; its exceptions become errors with the line of its file.

    Attributes
    ----------
    name, online, source
        As of any scheduler.
    """

    def __init__(self, policy: Any, name: str, online: bool, source: str, path: Path | None) -> None:
        self._policy, self._path = policy, path
        self.name, self.online, self.source = name, online, source

    @property
    def effort(self) -> Effort | None:
        """Counted work, where it searches."""
        return getattr(self._policy, "effort", None)

    @property
    def by_layer(self) -> bool:
        """Whether it says that it treats each layer by itself."""
        return bool(getattr(self._policy, "by_layer", False))

    @property
    def would_miss(self) -> float | None:
        """Share of the bytes read that it would have dropped for good, where it says so."""
        return getattr(self._policy, "would_miss", None)

    def plan(self, instance: Instance, limits: Limits) -> None:
        self._asked(None, self._policy.plan, instance, limits)

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        found: Resident | None = self._asked(None, self._policy.start, setting, first_reads)
        return found

    def step(self, view: View) -> Moves:
        moves = self._asked(view.step, self._policy.step, view)
        if not all(hasattr(moves, part) for part in ("store", "fetch", "drop")):
            raise ScheduleError(f"answered {shown(moves)}, where placement_opt.Moves is expected", step=view.step)
        return cast("Moves", moves)

    def _asked(self, step: int | None, method: Callable[..., Any], *given: Any) -> Any:
        try:
            return method(*given)
        except PlacementError:
            raise
        except Exception as error:
            line = None if self._path is None else _line(error, self._path)
            where = "" if line is None else f" ({self._path}, line {line})"
            raise ScheduleError(f"raised {type(error).__name__}: {error}{where}", step=step) from error
