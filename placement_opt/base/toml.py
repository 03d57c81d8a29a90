"""TOML with places: every value is fetched by type, and every complaint names the file, the line and the key.

The standard library parses; this adds what configuration needs beyond parsing: typed getters, units, refusal of unknown
keys with the nearest known one, and the line a key stands on.
"""

from __future__ import annotations

import copy
import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from placement_opt.base.atomic import open_regular
from placement_opt.base.errors import InputError, shown
from placement_opt.base.given import check_path
from placement_opt.base.toml_keys import MOST_PARTS, key_lines
from placement_opt.base.units import (
    parse_duration,
    parse_energy_per_byte,
    parse_flop,
    parse_flops,
    parse_power,
    parse_rate,
    parse_requests,
    parse_size,
)

_T = TypeVar("_T")
_LARGEST_FILE = 1 << 20
_LARGEST_NUMBER = 1e300
#: Stands for the line of what is not in the file but was put over it.
_OVERRIDE = 0


def read_toml(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Table:
    """The root table of a TOML file; InputError if it is missing, too large, not UTF-8, not TOML or made to cost a parser dear.

    ``overrides``: values by dotted key, read as if they stood in the file; complaints about them say "(override)", not a line.
    """
    check_path(path, field="path")
    path = Path(path)
    text = read_text(path, _LARGEST_FILE)
    try:
        lines = key_lines(text)
        data = tomllib.loads(text)
    except InputError as error:
        raise error.at(path=path) from None
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        found = re.search(r"\(at line (\d+), column \d+\)", message)
        line = int(found[1]) if found else text.count("\n") + 1
        raise InputError(f"found no valid TOML ({message})", "expected TOML", path=path, line=line) from None
    except ValueError as error:  # a number with more digits than Python converts
        raise InputError(f"found a value that cannot be read ({error})", "expected TOML", path=path) from None
    root = Table(data, path, "", lines)
    return root.overridden(overrides) if overrides else root


def read_text(path: Path, largest: int) -> str:
    """The text of a regular UTF-8 file of at most ``largest`` bytes; InputError otherwise."""
    with open_regular(path) as file:
        data = file.read(largest + 1)
    if len(data) > largest:
        raise InputError(f"found more than {largest} bytes", f"expected at most {largest}", path=path)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"found bytes that are not UTF-8 at offset {error.start}", "expected text", path=path) from None


def nearest(word: str, known: Iterable[str]) -> str:
    """What to say after an unknown word: the nearest known ones, or all of them."""
    known = list(dict.fromkeys(known))
    if not known:
        return "expected none here"
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else "expected one of " + ", ".join(known)


class Table:
    """One table of a TOML file, read key by key; :meth:`finish` refuses what nobody asked for.

    Parameters
    ----------
    data
        The parsed table.
    path
        The file it comes from, for messages and for resolving relative file names.
    name
        Dotted name of the table, "" for the root.
    lines
        Line of each dotted key of the file; shared with the sub-tables.
    """

    def __init__(self, data: dict[str, Any], path: Path, name: str, lines: dict[str, int]) -> None:
        self.data, self.path, self.name, self._lines = data, path, name, lines
        self._known: list[str] = []

    def field(self, key: str) -> str:
        """The dotted name of a key of this table."""
        return f"{self.name}.{key}" if self.name else key

    def error(self, key: str, found: str, expected: str = "") -> InputError:
        """An InputError that names this file, the key and its line (the table's where the key is missing)."""
        field = self.field(key)
        line = self._lines.get(field)
        while line is None and "." in field:
            field = field.rpartition(".")[0]
            line = self._lines.get(field)
        name = self.field(key)
        name = name if _plain(name) else shown(name)
        if line == _OVERRIDE:
            return InputError(found, expected, path=self.path, field=f"{name} (override)")
        return InputError(found, expected, path=self.path, line=line, field=name)

    def overridden(self, values: Mapping[str, Any]) -> Table:
        """The same table, nothing read of it yet, with values by dotted key over it."""
        root = Table(copy.deepcopy(self.data), self.path, self.name, dict(self._lines))
        for key, value in values.items():
            root.override(key, value)
        return root

    def override(self, key: str, value: Any) -> None:
        """Put a value at a dotted key; tables on the way that the file lacks are made."""
        *tables, last = parts = key.split(".")
        if not all(parts):
            raise InputError(f"found key {shown(key)}", "expected names separated by dots", path=self.path)
        if len(parts) > MOST_PARTS:
            raise InputError(f"found key {shown(key)} of more than {MOST_PARTS} parts", "expected fewer dots", path=self.path)
        data = self.data
        for depth, part in enumerate(tables, start=1):
            place = ".".join(parts[:depth])
            data = data.setdefault(part, {})
            if not isinstance(data, dict):
                raise self.error(place, f"found {shown(data)}, below which {shown(key)} is to be set", "expected a table")
            self._lines.setdefault(self.field(place), _OVERRIDE)
        data[last] = value
        self._lines[self.field(key)] = _OVERRIDE

    def __contains__(self, key: str) -> bool:
        return key in self.data

    def keys(self) -> list[str]:
        return list(self.data)

    def _convert(self, key: str, convert: Callable[[Any], _T]) -> _T:
        try:
            return convert(self.data[key])
        except InputError as error:
            raise self.error(key, error.found, error.expected) from None

    def _missing(self, key: str) -> InputError:
        """What to say of a key that is not there: it may have been misspelt."""
        unread = [other for other in self.data if other not in self._known]
        close = difflib.get_close_matches(key, unread, n=1, cutoff=0.8)
        if close:
            return self.error(close[0], f"found unknown key {shown(close[0])}", f"did you mean {key!r}?")
        return self.error(key, "found nothing", "expected this key")

    def need(self, key: str, convert: Callable[[Any], _T]) -> _T:
        """A key that must be there, converted."""
        self._known.append(key)
        if key not in self.data:
            raise self._missing(key)
        return self._convert(key, convert)

    def get(self, key: str, convert: Callable[[Any], _T]) -> _T | None:
        """A key that may be absent (None then), converted."""
        self._known.append(key)
        return self._convert(key, convert) if key in self.data else None

    def table(self, key: str) -> Table | None:
        """A sub-table, or None."""
        data = self.get(key, as_table)
        return None if data is None else Table(data, self.path, self.field(key), self._lines)

    def finish(self) -> None:
        """Refuse keys that nothing has asked for, naming the nearest that exists."""
        for key in self.data:
            if key not in self._known:
                raise self.error(key, f"found unknown key {shown(key)}", nearest(key, self._known))


def as_table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"found {shown(value)}", "expected a table")
    return value


def as_text(value: Any) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise InputError(f"found {shown(value)}", "expected a non-empty text in quotes, on one line")
    return value


def as_integer(low: int, high: int = 2**62) -> Callable[[Any], int]:
    """A whole number within [low, high]."""

    def convert(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise InputError(f"found {shown(value)}", f"expected a whole number from {low} to {high}")
        return value

    return convert


def as_number(low: float, high: float, *, open_low: bool = False) -> Callable[[Any], float]:
    """A finite number within [low, high] (``open_low``: within (low, high])."""

    def convert(value: Any) -> float:
        bad = isinstance(value, bool) or not isinstance(value, int | float)
        if bad or not (low <= value <= high) or abs(value) > _LARGEST_NUMBER or (open_low and value == low):
            bracket = "(" if open_low else "["
            raise InputError(f"found {shown(value)}", f"expected a finite number in {bracket}{low:g}, {high:g}]")
        return float(value)

    return convert


def as_choice(choices: Sequence[str]) -> Callable[[Any], str]:
    """One of some words."""

    def convert(value: Any) -> str:
        if value not in choices or not isinstance(value, str):
            raise InputError(f"found {shown(value)}", nearest(value if isinstance(value, str) else "", choices))
        return value

    return convert


def as_flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"found {shown(value)}", "expected true or false")
    return value


def as_size(value: Any) -> int:
    return parse_size(value)


def as_rate(value: Any) -> int:
    rate = parse_rate(value)
    if rate <= 0:
        raise InputError(f"found {shown(value)}", "expected a rate above zero")
    return rate


def as_requests(value: Any) -> int:
    return parse_requests(value)


def as_flops(value: Any) -> Fraction:
    return parse_flops(value)


def as_flop(value: Any) -> Fraction:
    return parse_flop(value)


def as_energy_per_byte(value: Any) -> Fraction:
    return parse_energy_per_byte(value)


def as_power(value: Any) -> Fraction:
    return parse_power(value)


def as_duration(value: Any) -> Fraction:
    return parse_duration(value)


def _plain(name: str) -> bool:
    return name.isprintable() and len(name) <= 120
