"""What the tables of an instance file have in common: one of two keys, files beside it, complaints laid where they belong."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from placement_opt.base.atomic import open_regular
from placement_opt.base.errors import InputError, named, shown
from placement_opt.base.toml import Table, as_text, nearest

_T = TypeVar("_T")


def either(table: Table, first: str, second: str) -> tuple[str | None, str | None]:
    """Two keys of which one must be there."""
    one, other = table.get(first, as_text), table.get(second, as_text)
    if one is not None and other is not None:
        raise table.error(second, f"found {second} beside {first}", "expected one of the two")
    if one is None and other is None:
        for key in get_close_matches(first, table.keys(), 1, 0.8) + get_close_matches(second, table.keys(), 1, 0.8):
            raise table.error(key, f"found unknown key {shown(key)}", nearest(key, (first, second)))
        raise table.error(first, "found nothing", f"expected {first} or {second}")
    return one, other


def beside(table: Table, key: str, name: str) -> Path:
    """The path of a file that a key names, which must be there."""
    path = table.path.parent / name
    try:
        open_regular(path).close()
    except InputError as error:
        raise table.error(key, f"{error.found}, {named(path)!r}", error.expected) from None
    return path


def blamed(table: Table, call: Callable[[], _T], key: str) -> _T:
    """``call()``, its complaints about no file laid at the key they name (or at ``key``)."""
    try:
        return call()
    except InputError as error:
        if error.path is not None:
            raise
        raise table.error(error.field or key, error.found, error.expected) from None
