"""Memory systems as TOML: files of one's own, the presets, and the overrides of an instance.

The form, with every key there is (those from ``efficiency`` on may be left out; presets have ``source`` and ``date``)::

    schema = 1
    name = "two"
    processor = "gpu"             # the node where reads end
    [tiers.hbm]
    capacity = "80 GiB"           # or "unlimited"
    rate = "3.35 TB/s"            # shared by reads and writes; or read_rate and write_rate
    efficiency = 0.9              # of the datasheet's rates, in (0, 1], taken as the decimal that is written
    at = "gpu"                    # the node the tier hangs on
    source = "datasheet of ..."   # where the numbers come from
    date = "2024-03"              # and from when: YYYY, YYYY-MM or YYYY-MM-DD
    page = "16 KiB"               # what is read, written or copied is rounded up to multiples; 1 B where it is not given
    read_iops = "1.5M IOPS"       # requests a second, one for each block; and write_iops, or one shared iops for both
    compute.rate = "2 TB/s"       # attends where blocks lie: KV processed; without it, as fast as the tier reads
    compute.result = "1/64"       # bytes of result that leave the tier for each byte of KV
    compute.energy = "1 pJ/bit"   # of the KV processed, beside that of reading it
    read_energy = "3 pJ/bit"      # at the tier's cells; and write_energy, or one energy for both
    background_power = "2 W"      # refresh and leakage, whatever is read
    endurance = "100000 cycles"   # that each byte can be programmed
    write_amplification = 1.5     # bytes programmed for each byte written; 1 where it is not given
    [tiers.dram]
    capacity = "480 GiB"
    rate = "500 GB/s"
    at = "host"
    [links.c2c]
    from = "host"
    to = "gpu"
    up.rate = "450 GB/s"          # from -> to; down is the way back; or one shared rate for both
    down.rate = "450 GB/s"
    energy = "10 pJ/bit"
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from placement_opt.base.capacity import Count, parse_capacity
from placement_opt.base.errors import InputError, shown
from placement_opt.base.given import check_kind
from placement_opt.base.toml import Table, as_energy_per_byte, as_rate, as_text, nearest, read_toml
from placement_opt.memory.device_keys import with_device
from placement_opt.memory.routes import build_memory
from placement_opt.memory.system import Link, MemorySystem, Outside, Tier

SCHEMA = 1
_PRESETS = Path(__file__).parent / "presets"
_DATE = re.compile(r"[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?")
_T = TypeVar("_T")


def load_memory(path: str | Path) -> MemorySystem:
    """The memory system of a TOML file; docs/formats.md describes the keys.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    MemorySystem
        Rates in bytes/s, capacities in bytes.

    Raises
    ------
    InputError
        Names the file, the line and the key of what is wrong.

    Examples
    --------
    >>> from pathlib import Path
    >>> text = '''schema = 1
    ... name = "one tier"
    ... processor = "gpu"
    ... tiers.hbm = { capacity = "80 GB", rate = "3 TB/s", at = "gpu" }'''
    >>> written = Path("mine.toml").write_text(text)
    >>> po.load_memory("mine.toml")
    MemorySystem(one tier: hbm)
    """
    root = read_toml(path)
    root.need("schema", _as_schema)
    name, processor = root.need("name", as_text), root.need("processor", as_text)
    tiers = [_read_tier(key, table) for key, table in _tables(root, "tiers")]
    links = [_read_link(key, table) for key, table in _tables(root, "links")]
    root.finish()
    return _build(name, processor, tiers, links, root, strip=False)


def preset_names() -> tuple[str, ...]:
    """Names of the memory systems that come with the package, sorted."""
    return tuple(sorted(path.stem for path in _PRESETS.glob("*.toml")))


def preset(name: str) -> MemorySystem:
    """A memory system that comes with the package; each number of it has its source and date in the file.

    Parameters
    ----------
    name
        Such as "gh200"; ``placement-opt memory list`` names them all.

    Returns
    -------
    MemorySystem
        Rates in bytes/s, capacities in bytes.

    Raises
    ------
    InputError
        There is none of that name; names the nearest.

    Examples
    --------
    >>> po.preset("gh200")
    MemorySystem(gh200: hbm, lpddr)
    """
    check_kind(name, str, "the name of a preset", field="preset")
    if name not in preset_names():
        raise InputError(f"found no preset {shown(name)}", nearest(name, preset_names()), field="preset")
    return load_memory(_PRESETS / f"{name}.toml")


def override(memory: MemorySystem, table: Table, to_bytes: Callable[[str, Any], int] | None = None) -> MemorySystem:
    """A memory system with some numbers replaced.

    Parameters
    ----------
    memory
        The system as its file has it.
    table
        ``TIER.capacity``, ``TIER.rate`` or ``TIER.read_rate`` and ``TIER.write_rate``, ``TIER.efficiency``, ``TIER.page``,
        ``TIER.iops`` or ``TIER.read_iops`` and ``TIER.write_iops``, ``TIER.compute.rate``, ``.result`` and ``.energy``,
        ``TIER.energy`` or ``TIER.read_energy`` and ``TIER.write_energy``, ``TIER.background_power``, ``TIER.endurance``,
        ``TIER.write_amplification``; ``LINK.rate`` or ``LINK.up.rate`` and ``LINK.down.rate``, ``LINK.efficiency``,
        ``LINK.energy``. Shared or one rate for each way is as the
        file has it: ``rate`` sets both ways where they are separate, and one way alone cannot be set where they share a rate.
        Pages, requests, computing, energies and wear may be set where the file has none.
        Other keys that the caller has read from the table before (``preset``, ``file``) are left alone.
    to_bytes
        (tier, value of its capacity) -> bytes. Without it a capacity in tokens, blocks or per cent leaves the tier's as it is.

    Raises
    ------
    InputError
        An unknown tier, link or key, with the nearest known one; a value that does not fit.
    """
    tiers = [_override_tier(tier, table.table(tier.name), to_bytes) for tier in memory.tiers]
    links = [_override_link(link, table.table(link.name)) for link in memory.links]
    table.finish()
    return _build(memory.name, memory.processor, tiers, links, table, memory.outside, strip=True)


def _tables(root: Table, key: str) -> list[tuple[str, Table]]:
    """The sub-tables of one key, in file order; none if the key is missing."""
    outer = root.table(key)
    if outer is None:
        return []
    found = []
    for name in outer.keys():  # noqa: SIM118 - a Table, not a dict
        inner = outer.table(name)
        if inner is not None:
            found.append((name, inner))
    return found


def _build(
    name: str,
    processor: str,
    tiers: list[Tier],
    links: list[Link],
    table: Table,
    outside: tuple[Outside, ...] = (),
    *,
    strip: bool,
) -> MemorySystem:
    """build_memory, with the line of what it complains of; ``strip``: the table's keys are the names of tiers and links."""
    try:
        return build_memory(name, processor, tiers, links, outside)
    except InputError as error:
        field = error.field or ""
        if strip:
            field = field.removeprefix("tiers.").removeprefix("links.")
        raise table.error(field, error.found, error.expected) from None


def _read_tier(name: str, table: Table) -> Tier:
    capacity, at = table.need("capacity", _as_capacity), table.need("at", as_text)
    efficiency = _or(table.get("efficiency", as_efficiency), Fraction(1))
    source, date = _or(table.get("source", as_text), ""), _or(table.get("date", _as_date), "")
    device = with_device(Tier(name, capacity, at, 1, 1, True, efficiency, source, date), table)
    shared = table.get("rate", as_rate)
    if shared is None and ("read_rate" in table or "write_rate" in table):
        rates = table.need("read_rate", as_rate), table.need("write_rate", as_rate)
    else:
        rates = _one_rate(table, shared, "read_rate", "write_rate")
    table.finish()
    return dataclasses.replace(device, read_rate=rates[0], write_rate=rates[1], shared=shared is not None)


def _read_link(name: str, table: Table) -> Link:
    start, end = table.need("from", as_text), table.need("to", as_text)
    efficiency = _or(table.get("efficiency", as_efficiency), Fraction(1))
    source, date = _or(table.get("source", as_text), ""), _or(table.get("date", _as_date), "")
    energy = table.get("energy", as_energy_per_byte)
    shared = table.get("rate", as_rate)
    if shared is None and ("up" in table or "down" in table):
        rates = _way(table, "up"), _way(table, "down")
    else:
        rates = _one_rate(table, shared, "up", "down")
    table.finish()
    return Link(name, start, end, *rates, shared is not None, efficiency, source, date, energy)


def _one_rate(table: Table, shared: int | None, first: str, second: str) -> tuple[int, int]:
    """The shared rate for both, where there is one and no other."""
    for key in (first, second):
        if table.get(key, lambda value: value) is not None:
            raise table.error(key, f"found {key} beside one shared rate", f"expected either rate, or {first} and {second}")
    if shared is None:
        table.finish()  # a misspelt key is named as such
        raise table.error("rate", "found nothing", f"expected one shared rate, or {first} and {second}")
    return shared, shared


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


def _override_tier(tier: Tier, table: Table | None, to_bytes: Callable[[str, Any], int] | None) -> Tier:
    if table is None:
        return tier
    rate = _both_ways(table, tier.shared, "tier", ("read_rate", "write_rate"))
    if rate is not None or tier.shared:
        read = write = _or(rate, tier.read_rate)
    else:
        read = _or(table.get("read_rate", as_rate), tier.read_rate)
        write = _or(table.get("write_rate", as_rate), tier.write_rate)
    stated = table.get("capacity", parse_capacity if to_bytes is None else partial(to_bytes, tier.name))
    capacity = stated if isinstance(stated, int) else tier.capacity
    efficiency = _or(table.get("efficiency", as_efficiency), tier.efficiency)
    tier = with_device(tier, table)
    table.finish()
    return dataclasses.replace(tier, capacity=capacity, read_rate=read, write_rate=write, efficiency=efficiency)


def _override_link(link: Link, table: Table | None) -> Link:
    if table is None:
        return link
    rate = _both_ways(table, link.shared, "link", ("up", "down"))
    if rate is not None or link.shared:
        up = down = _or(rate, link.up_rate)
    else:
        up, down = _way(table, "up", link.up_rate), _way(table, "down", link.down_rate)
    efficiency = _or(table.get("efficiency", as_efficiency), link.efficiency)
    energy = _or(table.get("energy", as_energy_per_byte), link.energy)
    table.finish()
    return dataclasses.replace(link, up_rate=up, down_rate=down, efficiency=efficiency, energy=energy)


def _both_ways(table: Table, shared: bool, what: str, ways: tuple[str, str]) -> int | None:
    """The rate that an override sets for both ways; one way alone is refused where both share a rate or ``rate`` sets them."""
    rate = table.get("rate", as_rate)
    for key in ways if shared or rate is not None else ():
        if key in table and shared:
            raise table.error(key, f"found {key} for a {what} whose ways share one rate", "expected rate")
        if key in table:
            raise table.error(key, f"found {key} beside rate, which sets both ways", "expected one of the two")
    return rate


def _or(value: _T | None, default: _T) -> _T:
    return default if value is None else value


def as_efficiency(value: Any) -> Fraction:
    """A decimal number in (0, 1], exactly as written: 0.9 is 9/10, not the nearest binary number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise InputError(f"found {shown(value)}", "expected a number above 0, at most 1")
    return Fraction(str(value))


def _as_capacity(value: Any) -> int:
    """Bytes or "unlimited": what else a capacity may be is known where there is a trace."""
    capacity = parse_capacity(value)
    if isinstance(capacity, Count):
        found = f"found {shown(value)} without a trace, which says how many bytes that is"
        raise InputError(found, "expected a size here; an instance may say so in its [memory] table")
    return capacity


def _as_date(value: Any) -> str:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise InputError(f"found {shown(value)}", 'expected a date in quotes such as "2024-03" or "2024-03-18"')
    return value


def _as_schema(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value != SCHEMA:
        raise InputError(f"found {shown(value)}", f"expected {SCHEMA}, the form that this version reads")
    return SCHEMA
