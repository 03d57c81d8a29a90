"""What ``placement-opt memory show`` says: the same facts as plain text and as JSON-able dictionaries."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from placement_opt.base.capacity import stated_bytes
from placement_opt.base.units import format_energy, format_power, format_requests, format_seconds, format_size
from placement_opt.memory.energy import ENERGY, unsaid
from placement_opt.memory.system import Link, MemorySystem, Tier
from placement_opt.report.numbers import NOTHING, rates_shown, sizes_shown
from placement_opt.report.parts import (
    assumption_rows,
    assumptions_info,
    channels_info,
    compute_info,
    dies_info,
    engine_info,
    parts_tables,
)
from placement_opt.report.table import facts, table

#: Bytes of the block whose time is shown.
BLOCK = 2**16


def memory_info(memory: MemorySystem) -> dict[str, Any]:
    """Everything about one memory system: bytes and bytes/s as integers, operations by name.

    Returns
    -------
    dict
        ``name, processor, tiers, links, resources, operations``. Tiers and links have their datasheet rates, a tier of which
        not all can be used its ``nominal`` capacity beside ``capacity``, ``resources`` the
        effective ones (efficiency applied) with their ``unit``. An operation has its ``route`` (nodes), its ``loads`` (resource
        -> bytes per byte), its ``calls`` (resource -> requests for a block), its ``grain`` (bytes are rounded up to multiples
        of it), its ``bottleneck`` (the first of equals) and the ``rate`` it reaches alone by bytes, and ``block_s``: seconds of
        one block of each size in ``block_bytes``; ``block_j``: joules of the same, None where nothing is said of energy.
        ``energy_unsaid``: the places that nothing is said of where it is of others; they count as none. Where there are any:
        ``engines``, ``assumptions``.
    """
    blocks = _blocks(memory)
    return {
        "name": memory.name,
        "processor": memory.processor,
        "tiers": [_tier_info(memory, tier) for tier in memory.tiers],
        "links": [_link_info(link) for link in memory.links],
        "resources": [
            {"name": name, "rate": int(_shown(memory, r, rate)), "unit": memory.units.get(name, "bytes")}
            for r, (name, rate) in enumerate(zip(memory.resources, memory.rates.tolist(), strict=True))
        ],
        "block_bytes": blocks,
        "energy_unsaid": list(unsaid(memory)) if ENERGY in memory.meters.names else None,
        "operations": [_operation_info(memory, row, blocks) for row in _rows(memory)],
        **({"engines": [engine_info(engine) for engine in memory.engines]} if memory.engines else {}),
        **assumptions_info(memory.assumptions),
    }


def memory_text(memory: MemorySystem) -> str:
    """The same for people: tiers, links and operations, every number in powers of ten and of two."""
    info = memory_info(memory)
    head = facts([("memory", memory.name), ("processor", memory.processor)])
    tiers = [
        [tier["name"], tier["at"], *sizes_shown(tier["capacity"]), *_ways(tier, "read_rate", "write_rate")]
        for tier in info["tiers"]
    ]
    links = [[link["name"], f"{link['from']} -> {link['to']}", *_ways(link, "up_rate", "down_rate")] for link in info["links"]]
    resources = [
        [one["name"], *(rates_shown(one["rate"]) if one["unit"] == "bytes" else (format_requests(one["rate"]), ""))]
        for one in info["resources"]
    ]
    operations = [
        [one["name"], " -> ".join(one["route"]) or NOTHING, one["bottleneck"], *rates_shown(one["rate"])]
        for one in info["operations"]
    ]
    sources = [(item["name"], _source(item)) for item in info["tiers"] + info["links"] + info.get("engines", [])]
    tier_heads = ["tier", "at", "capacity", "", "rate", "", "efficiency"]
    parts = [head, table(tier_heads, tiers, "llrrrrr")]
    if used := [
        [tier["name"], *sizes_shown(tier["nominal"]), *sizes_shown(tier["capacity"])]
        for tier in info["tiers"]
        if tier["nominal"]
    ]:
        parts.append(table(["tier", "nominal", "", "usable", ""], used, "lrrrr"))
    if links:
        parts.append(table(["link", "from -> to", "rate", "", "efficiency"], links, "llrrr"))
    parts += parts_tables(memory)
    parts.append(table(["resource", "effective rate", ""], resources, "lrr"))
    parts.append(table(["operation", "route", "bottleneck", "rate alone", ""], operations, "lllrr"))
    parts.append(_loads_table(memory, info))
    if wear := _wear_rows(memory):
        parts.append(table(["tier", "endurance", "amplification", "can be written", "background"], wear, "lrrrr"))
    if info["energy_unsaid"]:
        parts.append(f"energy: nothing is said of {', '.join(info['energy_unsaid'])}, which count as none")
    if any(text for _, text in sources):
        parts.append("sources\n" + facts(sources))
    if memory.assumptions:
        parts.append(facts(assumption_rows(memory.assumptions)))
    return "\n\n".join(parts) + "\n"


def _tier_info(memory: MemorySystem, tier: Tier) -> dict[str, Any]:
    return {
        "name": tier.name,
        "at": tier.at,
        "capacity": stated_bytes(tier.capacity),
        "nominal": tier.nominal,
        "read_rate": tier.read_rate,
        "write_rate": tier.write_rate,
        "shared": tier.shared,
        "efficiency": float(tier.efficiency),
        "home": memory.tiers[memory.home] is tier,
        "page": tier.page,
        "read_iops": tier.read_iops,
        "write_iops": tier.write_iops,
        "compute": None if tier.compute is None else compute_info(tier.compute),
        "read_energy": _maybe(tier.read_energy),
        "write_energy": _maybe(tier.write_energy),
        "background_power": float(tier.background_power),
        "endurance": _maybe(tier.endurance),
        "write_amplification": float(tier.write_amplification),
        "source": tier.source,
        "date": tier.date,
        **dies_info(tier),
    }


def _maybe(value: Fraction | None) -> float | None:
    return None if value is None else float(value)


def _link_info(link: Link) -> dict[str, Any]:
    return {
        "name": link.name,
        "from": link.start,
        "to": link.end,
        "up_rate": link.up_rate,
        "down_rate": link.down_rate,
        "shared": link.shared,
        "efficiency": float(link.efficiency),
        "energy": _maybe(link.energy),
        "source": link.source,
        "date": link.date,
        **channels_info(link),
    }


def _rows(memory: MemorySystem) -> list[int]:
    """Rows of the table in the order of display: reads, writes, copies, then what else serves."""
    operations, count = memory.operations, len(memory.tiers)
    first = operations.first_serving
    copies = [count + j * count + k for j in range(count) for k in range(count) if j != k]
    return [*range(first, first + count), *range(count), *copies, *range(first + count, len(operations.names))]


def _blocks(memory: MemorySystem) -> list[int]:
    """Bytes of the blocks whose times are shown: one size for all, and each page that some tier has."""
    return list(dict.fromkeys([BLOCK, *sorted({tier.page for tier in memory.tiers if tier.page > 1})]))


def _operation_info(memory: MemorySystem, row: int, blocks: list[int]) -> dict[str, Any]:
    operations = memory.operations
    name = operations.names[row].replace("store ", "write ") if row < operations.tiers else operations.names[row]
    load, calls = operations.per_byte[row], operations.per_call[row]
    alone = memory.bottleneck(load)
    slowest = next(
        resource
        for resource, rate, c in zip(memory.resources, memory.rates.tolist(), load.tolist(), strict=True)
        if c > 0 and rate == alone * c
    )
    return {
        "name": name,
        "route": list(memory.routes.get(name, ())),
        "loads": {resource: _number(share) for resource, share in _shares(memory, load.tolist())},
        "calls": {resource: int(share) for resource, share in _shares(memory, calls.tolist())},
        "grain": int(operations.grain[row]),
        "bottleneck": slowest,
        "rate": int(alone),
        "block_s": [float(_seconds(memory, row, size)) for size in blocks],
        "block_j": [_joules(memory, row, size) for size in blocks] if ENERGY in memory.meters.names else None,
    }


def _loads_table(memory: MemorySystem, info: dict[str, Any]) -> str:
    """What each operation loads, and how long one block takes under it alone."""
    rows = []
    for row, operation in zip(_rows(memory), info["operations"], strict=True):
        loads = [f"{name} {share}" for name, share in _shares(memory, memory.operations.per_byte[row].tolist())]
        calls = [f"{name} {number}" for name, number in operation["calls"].items()]
        grain = "" if operation["grain"] == 1 else format_size(operation["grain"])
        times = [format_seconds(seconds) for seconds in operation["block_s"]]
        joules = [format_energy(value) for value in operation["block_j"] or ()]
        rows.append([operation["name"], ", ".join(loads), ", ".join(calls), grain, *times, *joules])
    heads = [
        "operation",
        "loads a byte",
        "a block",
        "rounds to",
        *(f"{format_size(size)} takes" for size in info["block_bytes"]),
        *("" for size in info["block_bytes"] if info["energy_unsaid"] is not None),
    ]
    # Columns that say nothing of this system are left out.
    kept = [n for n in range(len(heads)) if n not in (2, 3) or any(row[n] for row in rows)]
    align = "lllr" + "r" * (len(heads) - 4)
    return table([heads[n] for n in kept], [[row[n] for n in kept] for row in rows], "".join(align[n] for n in kept))


def _shares(memory: MemorySystem, row: list[int]) -> list[tuple[str, Fraction]]:
    """(resource, load in its own unit) of what a row loads."""
    return [(memory.resources[r], _shown(memory, r, load)) for r, load in enumerate(row) if load]


def _shown(memory: MemorySystem, resource: int, number: int) -> Fraction:
    """A rate or load as its owner would say it: in whole units, not in the fractions that the table counts in."""
    return Fraction(number, memory.scale.get(memory.resources[resource], 1))


def _number(share: Fraction) -> int | float:
    return int(share) if share.denominator == 1 else float(share)


def _seconds(memory: MemorySystem, row: int, size: int) -> Fraction:
    """Of one block of so many bytes, alone."""
    loads = memory.operations.block_loads(size)[row].tolist()
    return max(Fraction(load, rate) for load, rate in zip(loads, memory.rates.tolist(), strict=True))


def _wear_rows(memory: MemorySystem) -> list[list[str]]:
    """Of the tiers of which it is said: cycles, bytes programmed for each written, bytes in all, watts."""
    rows = []
    for tier in memory.tiers:
        if tier.endurance is None and not tier.background_power:
            continue
        capacity, written = stated_bytes(tier.capacity), NOTHING
        if tier.endurance is not None and capacity is not None:
            written = format_size(float(tier.endurance * capacity / tier.write_amplification), binary=False)
        cycles = NOTHING if tier.endurance is None else f"{float(tier.endurance):,.6g} cycles"
        rows.append(
            [tier.name, cycles, f"{float(tier.write_amplification):g}", written, format_power(float(tier.background_power))]
        )
    return rows


def _joules(memory: MemorySystem, row: int, size: int) -> float:
    """Of one block of so many bytes."""
    column, grain = memory.meters.index(ENERGY), int(memory.operations.grain[row])
    counted = int(memory.meters.per_byte[row, column]) * -(-size // grain) * grain
    return float(Fraction(counted, memory.meters.parts[column]))


def _ways(item: dict[str, Any], first: str, second: str) -> tuple[str, str, str]:
    """The rate or rates of a tier or link in both conventions, and its efficiency."""
    one, two = rates_shown(item[first]), rates_shown(item[second])
    words = first.removesuffix("_rate"), second.removesuffix("_rate")
    if item["shared"]:
        shown = one
    elif one == two:
        shown = f"{one[0]} each way", f"{one[1]} each way"
    else:
        shown = f"{words[0]} {one[0]}, {words[1]} {two[0]}", f"{words[0]} {one[1]}, {words[1]} {two[1]}"
    return *shown, f"{item['efficiency']:g}"


def _source(item: dict[str, Any]) -> str:
    return f"{item['source']} ({item['date']})" if item["date"] else str(item["source"])
