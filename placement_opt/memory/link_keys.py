"""The tables of links and engines, in memory files and in the overrides of an instance."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

from placement_opt.base.errors import InputError, shown
from placement_opt.base.toml import Table, as_energy_per_byte, as_rate, as_text
from placement_opt.base.units import LARGEST, format_rate
from placement_opt.memory.compute_keys import as_result
from placement_opt.memory.dies import as_count
from placement_opt.memory.parts import Engine, Link
from placement_opt.memory.tier_keys import as_date, as_efficiency, both_ways, one_rate, or_else


def read_link(name: str, table: Table) -> Link:
    """A link of a memory file."""
    start, end = table.need("from", as_text), table.need("to", as_text)
    efficiency = or_else(table.get("efficiency", as_efficiency), Fraction(1))
    source, date = or_else(table.get("source", as_text), ""), or_else(table.get("date", as_date), "")
    energy, assumed = table.get("energy", as_energy_per_byte), or_else(table.get("assumed", as_text), "")
    channels = or_else(table.get("channels", as_count), 1)
    shared = table.get("rate", as_rate)
    if shared is None and ("up" in table or "down" in table):
        rates = _way(table, "up"), _way(table, "down")
    else:
        rates = one_rate(table, shared, "up", "down")
    table.finish()
    one = Link(name, start, end, *rates, shared is not None, efficiency, source, date, energy, assumed=assumed)
    return _of_channels(one, channels, table)


def override_link(link: Link, table: Table | None) -> Link:
    """The link with what the table says in place of its own; of one channel, where it has several."""
    if table is None:
        return link
    channels = or_else(table.get("channels", as_count), link.channels)
    rate = both_ways(table, link.shared, "link", ("up", "down"))
    old = link.up_rate // link.channels, link.down_rate // link.channels
    if rate is not None or link.shared:
        up = down = or_else(rate, old[0])
    else:
        up, down = _way(table, "up", old[0]), _way(table, "down", old[1])
    efficiency = or_else(table.get("efficiency", as_efficiency), link.efficiency)
    energy = or_else(table.get("energy", as_energy_per_byte), link.energy)
    table.finish()
    one = dataclasses.replace(link, up_rate=up, down_rate=down, efficiency=efficiency, energy=energy)
    return _of_channels(one, channels, table)


def _of_channels(link: Link, channels: int, table: Table) -> Link:
    for rate in (link.up_rate, link.down_rate):
        if rate * channels > LARGEST:
            found = f"found {channels:,} channels of {format_rate(rate)}"
            raise table.error("channels", found, "expected at most 2**60 bytes a second in all")
    return dataclasses.replace(link, channels=channels, up_rate=link.up_rate * channels, down_rate=link.down_rate * channels)


def _way(table: Table, key: str, default: int | None = None) -> int:
    """The rate of one way of a link (``up.rate``), or the default where there is one."""
    inner = table.table(key)
    if inner is None:
        if default is None:
            raise table.error(f"{key}.rate", "found nothing", "expected this key")
        return default
    rate = inner.need("rate", as_rate)
    inner.finish()
    return rate


def read_engine(name: str, table: Table) -> Engine:
    """An engine of a memory file; whether what it is on exists is for who knows the tiers and links."""
    rate, on = table.need("rate", as_rate), table.need("on", _as_places)
    ratio, energy = or_else(table.get("ratio", as_result), Fraction(1)), table.get("energy", as_energy_per_byte)
    source, date = or_else(table.get("source", as_text), ""), or_else(table.get("date", as_date), "")
    assumed = or_else(table.get("assumed", as_text), "")
    table.finish()
    return Engine(name, rate, on, ratio, energy, source, date, assumed)


def override_engine(engine: Engine, table: Table | None) -> Engine:
    """The engine with what the table says in place of its own; what it is on stays."""
    if table is None:
        return engine
    rate, ratio = or_else(table.get("rate", as_rate), engine.rate), or_else(table.get("ratio", as_result), engine.ratio)
    energy = or_else(table.get("energy", as_energy_per_byte), engine.energy)
    table.finish()
    return dataclasses.replace(engine, rate=rate, ratio=ratio, energy=energy)


def _as_places(value: Any) -> tuple[str, ...]:
    """Names of tiers and links, each once."""
    expected = 'expected names of tiers and links such as ["cxl"], each once'
    if not isinstance(value, list) or not value or not all(isinstance(name, str) for name in value):
        raise InputError(f"found {shown(value)}", expected)
    if len(set(value)) < len(value):
        raise InputError(f"found {shown(value)}", expected)
    return tuple(value)
