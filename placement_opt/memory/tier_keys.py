"""The table of a tier, in memory files and in the overrides of an instance: room, rates or what they follow from, dies."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any, TypeVar

from placement_opt.base.capacity import UNLIMITED, Count, parse_capacity
from placement_opt.base.errors import InputError, shown
from placement_opt.base.toml import Table, as_rate, as_size, as_text
from placement_opt.base.units import format_size
from placement_opt.memory.device_keys import with_device
from placement_opt.memory.dies import as_count, as_page_time, of_dies, of_one_die
from placement_opt.memory.parts import Tier

_DATE = re.compile(r"[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?")
#: The key of the time that a rate may follow from, and the keys that then have no place.
_TIMES = (("read_time", ("rate", "read_rate")), ("program_time", ("rate", "write_rate")))
_T = TypeVar("_T")


def read_tier(name: str, table: Table) -> Tier:
    """A tier of a memory file."""
    nominal, at = table.need("capacity", _as_capacity), table.need("at", as_text)
    usable = table.get("usable", as_size)
    capacity = nominal if usable is None else _usable(table, usable, nominal)
    efficiency = or_else(table.get("efficiency", as_efficiency), Fraction(1))
    source, date = or_else(table.get("source", as_text), ""), or_else(table.get("date", as_date), "")
    assumed, dies = or_else(table.get("assumed", as_text), ""), or_else(table.get("dies", as_count), 1)
    blank = Tier(name, capacity, at, 1, 1, True, efficiency, source, date, assumed=assumed)
    tier = _with_times(with_device(blank, table), table)
    if tier.read_time is not None or tier.program_time is not None:
        read = 1 if tier.read_time is not None else table.need("read_rate", as_rate)
        rates = read, 1 if tier.program_time is not None else table.need("write_rate", as_rate)
        shared = None
    else:
        shared = table.get("rate", as_rate)
        if shared is None and ("read_rate" in table or "write_rate" in table):
            rates = table.need("read_rate", as_rate), table.need("write_rate", as_rate)
        else:
            rates = one_rate(table, shared, "read_rate", "write_rate")
    table.finish()
    tier = dataclasses.replace(tier, read_rate=rates[0], write_rate=rates[1], shared=shared is not None)
    return dataclasses.replace(of_dies(tier, dies, table), nominal=None if usable is None else nominal * dies)


def override_tier(tier: Tier, table: Table | None, to_bytes: Callable[[str, Any], int] | None) -> Tier:
    """The tier with what the table says in place of its own; of one die, where it has several."""
    if table is None:
        return tier
    one, dies = of_one_die(tier), or_else(table.get("dies", as_count), tier.dies)
    one = _with_times(one, table, separate=not tier.shared)
    rate = both_ways(table, tier.shared, "tier", ("read_rate", "write_rate"))
    if rate is not None or tier.shared:
        read = write = or_else(rate, one.read_rate)
    else:
        read = or_else(table.get("read_rate", as_rate), one.read_rate)
        write = or_else(table.get("write_rate", as_rate), one.write_rate)
    stated = table.get("capacity", parse_capacity)
    counted = table.get("capacity", partial(to_bytes, tier.name)) if to_bytes and isinstance(stated, Count) else None
    efficiency = or_else(table.get("efficiency", as_efficiency), tier.efficiency)
    one = with_device(one, table)
    table.finish()
    capacity = stated if isinstance(stated, int) else one.capacity
    one = dataclasses.replace(one, capacity=capacity, read_rate=read, write_rate=write, efficiency=efficiency)
    nominal = None if stated is not None or tier.nominal is None else tier.nominal * dies // tier.dies
    found = dataclasses.replace(of_dies(one, dies, table), nominal=nominal)
    if counted is None and not isinstance(stated, int) and tier.capacity != UNLIMITED:
        counted = tier.capacity * dies // tier.dies  # which may be no multiple of the dies
    return found if counted is None else dataclasses.replace(found, capacity=counted)


def _with_times(tier: Tier, table: Table, *, separate: bool = True) -> Tier:
    """The tier with its planes and what a page takes, which stand in place of rates."""
    planes, given = table.get("planes", as_count), {key: table.get(key, as_page_time) for key, _ in _TIMES}
    for key, value in given.items():
        if value is not None and not separate:
            raise table.error(key, f"found {key} for a tier whose ways share one rate", "expected rate")
    times = {key: or_else(value, getattr(tier, key)) for key, value in given.items()}
    for key, rates in _TIMES:
        for rate in rates if times[key] is not None else ():
            if rate in table:
                raise table.error(rate, f"found {rate} for a tier with {key}, from which it follows", "expected one of the two")
    if planes is not None and not any(times.values()):
        raise table.error("planes", "found planes without read_time or program_time", "expected the time that a page takes")
    read, program = (times[key] for key, _ in _TIMES)
    return dataclasses.replace(tier, planes=or_else(planes, tier.planes), read_time=read, program_time=program)


def one_rate(table: Table, shared: int | None, first: str, second: str) -> tuple[int, int]:
    """The shared rate for both, where there is one and no other."""
    for key in (first, second):
        if table.get(key, lambda value: value) is not None:
            raise table.error(key, f"found {key} beside one shared rate", f"expected either rate, or {first} and {second}")
    if shared is None:
        table.finish()  # a misspelt key is named as such
        raise table.error("rate", "found nothing", f"expected one shared rate, or {first} and {second}")
    return shared, shared


def both_ways(table: Table, shared: bool, what: str, ways: tuple[str, str]) -> int | None:
    """The rate that an override sets for both ways; one way alone is refused where both share a rate or ``rate`` sets them."""
    rate = table.get("rate", as_rate)
    for key in ways if shared or rate is not None else ():
        if key in table and shared:
            raise table.error(key, f"found {key} for a {what} whose ways share one rate", "expected rate")
        if key in table:
            raise table.error(key, f"found {key} beside rate, which sets both ways", "expected one of the two")
    return rate


def or_else(value: _T | None, default: _T) -> _T:
    """The value, or the default where there is none."""
    return default if value is None else value


def as_efficiency(value: Any) -> Fraction:
    """A decimal number in (0, 1], exactly as written: 0.9 is 9/10, not the nearest binary number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise InputError(f"found {shown(value)}", "expected a number above 0, at most 1")
    return Fraction(str(value))


def as_date(value: Any) -> str:
    """A year, a month or a day."""
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise InputError(f"found {shown(value)}", 'expected a date in quotes such as "2024-03" or "2024-03-18"')
    return value


def _usable(table: Table, usable: int, nominal: int) -> int:
    """What can be used of a capacity; InputError where that is nothing, or more than all."""
    if nominal == UNLIMITED:
        raise table.error("usable", "found usable beside an unlimited capacity", "expected a size as capacity")
    if not 0 < usable <= nominal:
        expected = f"expected more than nothing, at most the capacity, {format_size(nominal)}"
        raise table.error("usable", f"found {format_size(usable)}", expected)
    return usable


def _as_capacity(value: Any) -> int:
    """Bytes or "unlimited": what else a capacity may be is known where there is a trace."""
    capacity = parse_capacity(value)
    if isinstance(capacity, Count):
        found = f"found {shown(value)} without a trace, which says how many bytes that is"
        raise InputError(found, "expected a size here; an instance may say so in its [memory] table")
    return capacity
