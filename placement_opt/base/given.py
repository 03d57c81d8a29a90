"""What is handed in from Python: of the kind that is expected, or an InputError that says what to hand in instead."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from os import PathLike
from typing import Any

from placement_opt.base.errors import InputError, shown


def check_kind(value: object, kind: type | tuple[type, ...], expected: str, *, field: str) -> None:
    """Refuse a value of another kind; ``expected`` says what would do, in words and code."""
    if not isinstance(value, kind):
        raise InputError(f"found {shown(value)}", f"expected {expected}", field=field)


def check_path(value: object, *, field: str) -> None:
    """Refuse what is no file's name."""
    check_kind(value, (str, PathLike), "the name of a file", field=field)


def check_number(value: Any, *, field: str, above: float = 0.0, included: bool = True) -> None:
    """Refuse what is no number from ``above`` on (``included``: that one, too)."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not (value >= above if included else value > above):
        raise InputError(f"found {shown(value)}", f"expected a number {'from' if included else 'above'} {above:g}", field=field)


def several(given: object) -> list[Any]:
    """One or many as a list; a text is one."""
    return list(given) if isinstance(given, Sequence) and not isinstance(given, str | bytes) else [given]
