"""What varies in a sweep: keys of an instance file and the values that they take, read from the command line."""

from __future__ import annotations

import itertools
import math
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from placement_opt.base.errors import InputError, shown
from placement_opt.base.given import check_kind
from placement_opt.base.ranges import spaced
from placement_opt.base.toml_keys import key_lines

#: Points beyond which a sweep is taken for a mistake.
MOST_POINTS = 1000
_TABLES = ("memory", "llm", "trace", "rules", "recompute", "stores", "budgets", "objective")
_ROOT = ("name", "schema")
#: What the keys of a memory system end with: these need no "memory." before them.
_OF_MEMORY = ("capacity", "rate", "read_rate", "write_rate", "efficiency", "dies", "planes", "read_time", "channels")
#: (path, text) of every key at one point.
Values = tuple[tuple[str, str], ...]
_KEY = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


@dataclass(frozen=True)
class SweepKey:
    """A key of the instance file and the values it takes.

    Attributes
    ----------
    name
        As the user wrote it, such as "hbm.capacity".
    path
        Where that is in the file: "memory.hbm.capacity".
    values
        As the user wrote them, ranges spelt out.
    """

    name: str
    path: str
    values: tuple[str, ...]


def parse_key(text: str) -> SweepKey:
    """``"hbm.capacity=18GiB,20GiB"``: a key of the instance file, and its values separated by commas; ranges are spelt out.

    InputError for a key that cannot be one, no value, an empty one and one given twice. Whether the file takes the key and the
    values is for :func:`placement_opt.instance.load.load_instance` to say.
    """
    check_kind(text, str, 'a text KEY=VALUE,VALUE,... such as "hbm.capacity=18GiB,20GiB"', field="keys")
    key, equals, rest = text.partition("=")
    key, written = key.strip(), [value.strip() for value in rest.split(",")]
    if not equals or not all(written):
        raise InputError(f"found {shown(text)}", "expected KEY=VALUE,VALUE,...", field="--set")
    try:
        values = tuple(value for each in written for value in spaced(each))
    except InputError as error:
        raise error.at(field="--set") from None
    for value in values:
        if values.count(value) > 1:
            raise InputError(f"found {shown(value)} twice for {key}", "expected each value once", field="--set")
    return SweepKey(key, full_key(key), values)


def parse_keys(texts: Sequence[str]) -> tuple[SweepKey, ...]:
    """What varies; InputError also for a key given twice and for more than ``MOST_POINTS`` combinations."""
    keys = tuple(parse_key(text) for text in texts)
    paths = [each.path for each in keys]
    for path in paths:
        if paths.count(path) > 1:
            raise InputError(f"found {path} twice", "expected each key once", field="--set")
    count = math.prod(len(each.values) for each in keys)
    if count > MOST_POINTS:
        raise InputError(f"found {count:,} combinations of values", f"expected at most {MOST_POINTS:,}", field="--set")
    return keys


def points_of(keys: Sequence[SweepKey]) -> tuple[list[tuple[str, ...]], list[Values]]:
    """All combinations of the keys' values, the last key fastest: the values alone, and with their paths."""
    points = list(itertools.product(*(each.values for each in keys)))
    return points, [tuple(zip((each.path for each in keys), point, strict=True)) for point in points]


def called(name: str, values: Values) -> str:
    """What tables call an instance at a point: its name, and the keys' values."""
    return ", ".join([name, *(f"{key.removeprefix('memory.')}={value}" for key, value in values)])


def full_key(key: str) -> str:
    """Where a key is in an instance file: as it stands, or below ``memory`` for TIER.capacity, LINK.up.rate and the like."""
    if not _KEY.fullmatch(key):
        raise InputError(f"found key {shown(key)}", "expected names separated by dots, such as hbm.capacity", field="--set")
    first, *rest = key.split(".")
    if first in _TABLES + _ROOT:
        return key
    close = get_close_matches(first, _TABLES, 1, 0.75)
    if rest and (rest[-1] in _OF_MEMORY or not close):
        return f"memory.{key}"
    expected = "expected TIER.capacity, LINK.rate or TABLE.KEY of an instance file"
    if close:
        expected = f"did you mean {'.'.join([close[0], *rest])!r}?"
    raise InputError(f"found unknown key {shown(key)}", expected, field="--set")


def parse_assignment(text: str) -> tuple[str, Any]:
    """``"flash.dies=12"``: a key of an instance's memory table, and its one value."""
    key, equals, value = text.partition("=")
    if not equals or not _KEY.fullmatch(key):
        raise InputError(f"found {shown(text)}", "expected KEY=VALUE such as flash.dies=12", field="--set")
    return key.removeprefix("memory."), parse_value(value)


def parse_value(text: str) -> Any:
    """A value as an instance file would have it: TOML where it is TOML, else the text itself (``18GiB``, ``inclusive``)."""
    try:
        key_lines(f"value = {text}")  # refuses what would cost the parser dear
        found = tomllib.loads(f"value = {text}")
    except (ValueError, InputError):  # TOMLDecodeError is a ValueError
        return text
    return found["value"] if list(found) == ["value"] else text
