"""Finished cells of a comparison in a file that survives being killed: a line each, begun with what it is of.

A cell is a scheduler, or a bound with how it is proven, on an instance by its hash, under a release of this program. What a
limit or a stop ended is not kept, nor what a class of the user's own came to: its code may change.
A line that was cut off is nothing that was found; the next one begins anew.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from placement_opt import __version__
from placement_opt.answer.prove import Proof
from placement_opt.base.atomic import check_output, open_regular
from placement_opt.base.errors import InputError
from placement_opt.bounds.result import Status
from placement_opt.schedulers import ASKED, REGISTRY
from placement_opt.study.scheduled import Outcome, Scheduled

_FORM = "placement-opt comparison 1"
_DONE = (Outcome.TIMED, Outcome.REFUSED, Outcome.ILLEGAL, Outcome.OVER_BUDGET)
_PROVEN = (Status.OPTIMAL, Status.BOUND, Status.INFEASIBLE)
_KINDS: dict[str, type] = {"schedule": Scheduled, "proof": Proof}


class Kept:
    """What is known, and where more is written.

    Attributes
    ----------
    reused
        Cells that were not done again.
    """

    def __init__(self, file: TextIO, known: dict[str, Any]) -> None:
        self._file, self._known, self.reused = file, known, 0

    def find(self, key: Sequence[object]) -> Any:
        """What came of a cell; None where it is not known."""
        found = self._known.get(json.dumps([__version__, *key]))
        self.reused += found is not None
        return found

    def keep(self, key: Sequence[object], result: object) -> None:
        """One more line, if it is worth keeping."""
        if isinstance(result, Scheduled):
            name = result.scheduler.partition(":")[0]
            if result.outcome in _DONE and (name in REGISTRY or name in ASKED):
                self._write({"cell": [__version__, *key], "kind": "schedule", "is": plain(result)})
        elif isinstance(result, Proof) and result.bound.status in _PROVEN:
            self._write({"cell": [__version__, *key], "kind": "proof", "is": plain(result)})

    def _write(self, line: dict[str, object]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


@contextmanager
def kept_in(path: str | Path | None) -> Iterator[Kept | None]:
    """The cells of a file; None without one. InputError for a file of another kind."""
    if path is None:
        yield None
        return
    path = Path(path)
    known: dict[str, Any] = {}
    old = path.exists() and path.stat().st_size > 0
    if old:
        known = _read(path)
    else:
        check_output(path)
    with path.open("a", encoding="utf-8", newline="\n") as file:
        # a line may have been cut off: what follows it begins on a line of its own
        file.write("\n" if old else json.dumps({"form": _FORM}) + "\n")
        file.flush()
        yield Kept(file, known)


def plain(value: Any) -> Any:
    """A value of dataclasses, tuples, enumerations and arrays as JSON (with NaN and infinities as Python writes them)."""
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return value


def of_plain(kind: Any, value: Any) -> Any:
    """A value of a type from its JSON; TypeError, KeyError or ValueError where it is none."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        (only,) = (one for one in arguments if one is not type(None))
        return of_plain(only, value)
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return tuple(of_plain(arguments[0], one) for one in value)
        return tuple(of_plain(one, each) for one, each in zip(arguments, value, strict=True))
    if origin is np.ndarray:
        return np.asarray(value, dtype=np.float64)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{one.name: of_plain(hints[one.name], value[one.name]) for one in fields(kind)})  # type: ignore[operator]
    if kind is float and type(value) in (int, float):
        return float(value)
    if kind in (int, str, bool) and type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def _read(path: Path) -> dict[str, Any]:
    with open_regular(path) as file:
        lines = file.read().decode("utf-8", "replace").split("\n")
    try:
        form = json.loads(lines[0])["form"]
    except (ValueError, KeyError, TypeError, RecursionError):
        form = None
    if form != _FORM:
        found = "found no comparison's cells"
        raise InputError(found, "expected a file that compare --resume wrote", path=path, line=1)
    known = {}
    for line in lines[1:]:
        try:
            one = json.loads(line)
            known[json.dumps(one["cell"])] = of_plain(_KINDS[one["kind"]], one["is"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue  # cut off
    return known
