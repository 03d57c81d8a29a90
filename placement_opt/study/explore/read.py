"""An exploration's file read: every complaint names the file, the line and the key; docs/explore.md has the keys."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import Any

from placement_opt.base.errors import InputError, shown
from placement_opt.base.ranges import spaced
from placement_opt.base.toml import Table, as_choice, as_integer, as_table, as_text, read_text, read_toml
from placement_opt.base.toml_keys import key_lines
from placement_opt.base.units import parse_duration, parse_lifetime
from placement_opt.instance.stated import beside
from placement_opt.study.explore.spec import (
    AXES,
    BOUNDS,
    COSTS,
    GAP,
    MOST_DESIGNS,
    MOST_WORKLOADS,
    OVER,
    SCHEDULERS,
    TABLES,
    Alternative,
    Choice,
    Constraint,
    PartCost,
    Spec,
)
from placement_opt.study.keys import full_key

SCHEMA = 1
_CONSTRAINT = re.compile(r"(time|cost|area|power|energy|lifetime)\s*(<=|>=)\s*(\S.*)", re.ASCII)
_LARGEST_FILE = 1 << 20


def read_spec(path: str | PathLike[str]) -> Spec:
    """The spec of a TOML file; docs/explore.md has its keys.

    Raises
    ------
    InputError
        With file, line and key: what is no key, choices that set the same key, a value of another kind.
    """
    path = Path(path)
    root = read_toml(path)
    root.need("schema", as_integer(SCHEMA, SCHEMA))
    name = root.need("name", as_text)
    base, base_path, lines = _read_base(root)
    choices = _read_choices(root)
    workloads = _read_workloads(root)
    _check_keys(root, choices, workloads)
    parts = _read_parts(root)
    objective = _read_objective(root)
    search = _read_search(root)
    root.finish()
    found = Spec(path, name, base, base_path, lines, choices, workloads, parts, **objective, **search)
    if found.minimise == "cost" and not _costs_money(found):
        expected = "expected money beside some alternative, or money or money_per_gb in [costs.TIER]"
        raise InputError("found cost, though nothing costs money", expected, path=path, field="objective.minimise")
    if found.count > MOST_DESIGNS:
        raise root.error("choices", f"found {found.count:,} designs", f"expected at most {MOST_DESIGNS:,}")
    return found


def _costs_money(spec: Spec) -> bool:
    """Whether anything does."""
    stated = any(name == "money" for _, part in spec.parts for name, _ in (*part.each, *part.per_gb))
    return stated or any(one.money for choice in spec.choices for one in choice.alternatives)


def _read_base(root: Table) -> tuple[dict[str, Any], Path, dict[str, int]]:
    root.need("base", as_table)
    table = root.table("base")
    assert table is not None
    name = table.get("file", as_text)
    if name is not None:
        table.finish()
        file = beside(table, "file", name)
        inner = read_toml(file)
        base, place, lines = inner.data, file, key_lines(read_text(file, _LARGEST_FILE))
        if "objective" in base:
            raise inner.error("objective", "found what is minimised", "expected that in [objective] of the exploration")
        return base, place, lines
    for key in TABLES:
        table.get(key, as_table)
    table.finish()
    text = key_lines(read_text(root.path, _LARGEST_FILE))
    lines = {key.removeprefix("base."): line for key, line in text.items() if key.startswith("base.")}
    return {"schema": 1, "name": root.data["name"], **table.data}, root.path, lines


def _read_choices(root: Table) -> tuple[Choice, ...]:
    data = root.need("choices", as_table)
    if not data:
        raise root.error("choices", "found no choice", "expected [[choices.NAME]] or [choices.NAME]")
    table = root.table("choices")
    assert table is not None
    return tuple(Choice(name, _read_alternatives(table, name, COSTS)) for name in data)


def _read_workloads(root: Table) -> tuple[Alternative, ...]:
    table = root.table("workloads")
    if table is None:
        return (Alternative("base", ()),)
    found = []
    for name in table.data:
        several = _read_alternatives(table, name, ("weight",))
        found += [_named(one, name if len(several) == 1 else f"{name} {one.name}") for one in several]
    if not 1 <= len(found) <= MOST_WORKLOADS:
        raise root.error("workloads", f"found {len(found)} of them", f"expected 1 to {MOST_WORKLOADS}")
    return tuple(found)


def _named(one: Alternative, name: str) -> Alternative:
    return Alternative(name, one.values, one.money, one.area, one.power, one.weight)


def _read_alternatives(table: Table, name: str, numbers: tuple[str, ...]) -> tuple[Alternative, ...]:
    """A list of tables with ``set``, one such table, or one with ``key`` and ``values``."""
    data = table.data[name]
    if not name.isprintable() or len(name) > 60:
        raise table.error(name, f"found name {shown(name)}", "expected one of at most 60 printable characters")
    if isinstance(data, list) and data and all(isinstance(one, dict) for one in data):
        line = {table.field(f"{name}[{n}]"): _line(table, name) for n in range(len(data))}
        tables = [Table(one, table.path, table.field(f"{name}[{n}]"), line) for n, one in enumerate(data)]
    elif isinstance(data, dict):
        inner = table.table(name)
        assert inner is not None
        if "key" in inner or "values" in inner:
            return _read_values(inner)
        tables = [inner]
    else:
        raise table.error(name, f"found {shown(data)}", 'expected tables [[...]], or key = "..." and values = [...]')
    found = tuple(_read_alternative(one, str(n), numbers) for n, one in enumerate(tables, start=1))
    names = [one.name for one in found]
    for one in names:
        if names.count(one) > 1:
            raise table.error(name, f"found two of the name {shown(one)}", "expected each once")
    return found


def _line(table: Table, key: str) -> int:
    """The line that a list of tables begins on."""
    return table.error(key, "").line or 1


def _read_values(table: Table) -> tuple[Alternative, ...]:
    key = table.need("key", lambda value: full_key(as_text(value)))
    written = table.need("values", lambda value: value)
    table.finish()
    if not isinstance(written, list) or not written:
        found = "found no values" if written == [] else f"found {shown(written)}"
        raise table.error("values", found, "expected a list of values, at least one")
    values: list[Any] = []
    for one in written:
        if isinstance(one, dict | list):
            raise table.error("values", f"found {shown(one)}", "expected a value of the key")
        try:
            values += spaced(one) if isinstance(one, str) else [one]
        except InputError as error:
            raise table.error("values", error.found, error.expected) from None
    names = [value if isinstance(value, str) else json.dumps(value, default=str) for value in values]
    for name in names:
        if names.count(name) > 1:
            raise table.error("values", f"found {shown(name)} twice", "expected each once")
    return tuple(Alternative(name, ((key, value),)) for name, value in zip(names, values, strict=True))


def _read_alternative(table: Table, number: str, numbers: tuple[str, ...]) -> Alternative:
    name = table.get("name", as_text)
    values = table.get("set", as_table) or {}
    costs = {key: value for key in numbers if (value := table.get(key, as_amount)) is not None}
    table.finish()
    if costs.get("weight") == 0:
        raise table.error("weight", "found 0", "expected a number above 0")
    flat: list[tuple[str, Any]] = []
    for key, value in _flat("", values):
        try:
            flat.append((full_key(key), value))
        except InputError as error:
            raise table.error("set", error.found, error.expected) from None
    if name is None:
        name = ", ".join(str(value) for _, value in flat) or number
    return Alternative(name, tuple(flat), **costs)


def _flat(head: str, table: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in table.items():
        name = f"{head}.{key}" if head else key
        found += _flat(name, value) if isinstance(value, dict) else [(name, value)]
    return found


def as_amount(value: Any) -> Fraction:
    """A number from 0 on, exactly as written."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 10**15:
        raise InputError(f"found {shown(value)}", "expected a number from 0 to 10**15")
    return Fraction(str(value))


def _check_keys(root: Table, choices: tuple[Choice, ...], workloads: tuple[Alternative, ...]) -> None:
    """Refuse keys that two choices, or a choice and a workload, set; and those that the exploration sets itself."""
    whose: dict[str, str] = {}
    groups = [(f"choice {choice.name}", choice.alternatives) for choice in choices]
    for who, alternatives in (*groups, ("the workloads", workloads)):
        for key in dict.fromkeys(key for one in alternatives for key, _ in one.values):
            if whose.setdefault(key, who) != who:
                found = f"found {key} set by {whose[key]} and by {who}"
                raise root.error("choices", found, "expected each key in one of them, linked values in one alternative")
            if key.partition(".")[0] not in TABLES:
                raise root.error("choices", f"found key {key}", f"expected one of the tables {', '.join(TABLES)}")


def _read_parts(root: Table) -> tuple[tuple[str, PartCost], ...]:
    table = root.table("costs")
    found = []
    for name in [] if table is None else table.keys():
        assert table is not None
        inner = table.table(name)
        assert inner is not None
        each = [(key, value) for key in COSTS if (value := inner.get(key, as_amount)) is not None]
        per = [(key, value) for key in COSTS if (value := inner.get(f"{key}_per_gb", as_amount)) is not None]
        inner.finish()
        found.append((name, PartCost(tuple(each), tuple(per))))
    return tuple(found)


def _read_objective(root: Table) -> dict[str, Any]:
    table = root.table("objective") or Table({}, root.path, "objective", {})
    minimise = table.get("minimise", as_choice(AXES)) or "time"
    over = table.get("over", as_choice(OVER)) or "max"
    texts = table.get("constraints", _as_texts) or []
    gap = table.get("gap", _as_gap)
    front = table.get("front", _as_texts) or []
    table.finish()
    for axis in front:
        if axis not in AXES or front.count(axis) > 1:
            raise table.error("front", f"found {shown(axis)}", f"expected some of {', '.join(AXES)}, each once")
    constraints = []
    for text in texts:
        try:
            constraints.append(parse_constraint(text))
        except InputError as error:
            raise table.error("constraints", error.found, error.expected) from None
    names = [one.what for one in constraints]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise table.error("constraints", f"found {twice} twice", "expected each once")
    return {
        "minimise": minimise,
        "over": over,
        "constraints": tuple(constraints),
        "gap": GAP if gap is None else gap,
        "front": tuple(front),
    }


def parse_constraint(text: str) -> Constraint:
    """``"time <= 20 ms"``, ``"energy <= 3 J/token"``, ``"lifetime >= 5 years"``, ``"cost <= 200"``, and area and power."""
    match = _CONSTRAINT.fullmatch(text.strip())
    expected = 'expected such as "time <= 20 ms", "lifetime >= 5 years", "energy <= 3 J" or "cost <= 200"'
    if match is None or (match[2] == ">=") != (match[1] == "lifetime"):
        raise InputError(f"found {shown(text)}", expected)
    what, written = match[1], match[3].strip()
    if what == "time":
        return Constraint(what, written, parse_duration(written))
    if what == "lifetime":
        return Constraint(what, written, parse_lifetime(written))
    if what == "energy":
        return Constraint(what, written, Fraction(0))  # the table of budgets reads it
    if not re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,15})?", written, re.ASCII):
        raise InputError(f"found {shown(text)}", "expected a number from 0 on, in the units of the costs")
    return Constraint(what, written, Fraction(written))


def _as_texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise InputError(f"found {shown(value)}", "expected a list of texts")
    return value


def _as_gap(value: Any) -> float:
    match = re.fullmatch(r"([0-9]{1,2}(?:\.[0-9]{1,10})?) ?%", value, re.ASCII) if isinstance(value, str) else None
    if match is None:
        raise InputError(f"found {shown(value)}", 'expected a share below 100 % such as "1%"')
    return float(Fraction(match[1]) / 100)


def _read_search(root: Table) -> dict[str, Any]:
    from placement_opt.bounds import METHODS
    from placement_opt.schedulers import make_scheduler

    table = root.table("search") or Table({}, root.path, "search", {})
    bounds = table.get("bounds", _as_texts)
    schedulers = table.get("schedulers", _as_texts)
    table.finish()
    known = ["auto", *METHODS]
    for one in bounds or ():
        if one not in known:
            raise table.error("bounds", f"found {shown(one)}", f"expected some of {', '.join(known)}")
    for one in schedulers or ():
        try:
            make_scheduler(one)
        except InputError as error:
            raise table.error("schedulers", error.found, error.expected) from None
    if bounds == [] or schedulers == []:
        raise table.error("bounds" if bounds == [] else "schedulers", "found none", "expected at least one")
    return {"bounds": tuple(bounds or BOUNDS), "schedulers": tuple(schedulers or SCHEDULERS)}
