"""What ``placement-opt memory list`` and ``memory show`` say: the same facts as plain text and as JSON-able dictionaries."""

from __future__ import annotations

from typing import Any

from placement_opt.base.capacity import stated_bytes
from placement_opt.base.units import format_rate, format_size
from placement_opt.memory.files import preset, preset_names
from placement_opt.memory.system import Int64, Link, MemorySystem, Tier
from placement_opt.report.table import facts, table


def memory_info(memory: MemorySystem) -> dict[str, Any]:
    """Everything about one memory system: bytes and bytes/s as integers, operations by name.

    Returns
    -------
    dict
        ``name, processor, tiers, links, resources, operations``. Tiers and links have their datasheet rates, ``resources`` the
        effective ones (efficiency applied). An operation has its ``route`` (nodes), its ``loads`` (resource -> bytes per
        byte), its ``bottleneck`` (the first of equals) and the ``rate`` it reaches alone.
    """
    return {
        "name": memory.name,
        "processor": memory.processor,
        "tiers": [_tier_info(memory, tier) for tier in memory.tiers],
        "links": [_link_info(link) for link in memory.links],
        "resources": [
            {"name": name, "rate": int(rate)} for name, rate in zip(memory.resources, memory.rates.tolist(), strict=True)
        ],
        "operations": [_operation_info(memory, name, load) for name, load in _operations(memory)],
    }


def memory_text(memory: MemorySystem) -> str:
    """The same for people: tiers, links and operations, every number in powers of ten and of two."""
    info = memory_info(memory)
    head = facts([("memory", memory.name), ("processor", memory.processor)])
    tiers = [
        [tier["name"], tier["at"], *_sizes(tier["capacity"]), *_ways(tier, "read_rate", "write_rate")] for tier in info["tiers"]
    ]
    links = [[link["name"], f"{link['from']} -> {link['to']}", *_ways(link, "up_rate", "down_rate")] for link in info["links"]]
    resources = [[resource["name"], *_rates(resource["rate"])] for resource in info["resources"]]
    operations = [
        [operation["name"], " -> ".join(operation["route"]), operation["bottleneck"], *_rates(operation["rate"])]
        for operation in info["operations"]
    ]
    sources = [(item["name"], _source(item)) for item in info["tiers"] + info["links"]]
    tier_heads = ["tier", "at", "capacity", "", "rate", "", "efficiency"]
    parts = [head, table(tier_heads, tiers, "llrrrrr")]
    if links:
        parts.append(table(["link", "from -> to", "rate", "", "efficiency"], links, "llrrr"))
    parts.append(table(["resource", "effective rate", ""], resources, "lrr"))
    parts.append(table(["operation", "route", "bottleneck", "rate alone", ""], operations, "lllrr"))
    if any(text for _, text in sources):
        parts.append("sources\n" + facts(sources))
    return "\n\n".join(parts) + "\n"


def presets_info() -> list[dict[str, Any]]:
    """One dictionary for each preset: ``name``, ``tiers`` (name, capacity, read rate, write rate) and ``links`` (names)."""
    found = []
    for name in preset_names():
        memory = preset(name)
        keys = ("name", "capacity", "read_rate", "write_rate")
        tiers = [{key: value for key, value in _tier_info(memory, tier).items() if key in keys} for tier in memory.tiers]
        found.append({"name": name, "tiers": tiers, "links": [link.name for link in memory.links]})
    return found


def presets_text() -> str:
    """The presets as a table: one line for each tier, with its capacity and the rate at which the processor reads it alone."""
    rows = []
    for name in preset_names():
        memory = preset(name)
        for k, tier in enumerate(memory.tiers):
            alone = int(memory.bottleneck(memory.read[k]))
            rows.append(["" if k else name, tier.name, *_sizes(stated_bytes(tier.capacity)), *_rates(alone)])
    return table(["memory", "tier", "capacity", "", "read alone", ""], rows, "llrrrr") + "\n"


def _tier_info(memory: MemorySystem, tier: Tier) -> dict[str, Any]:
    return {
        "name": tier.name,
        "at": tier.at,
        "capacity": stated_bytes(tier.capacity),
        "read_rate": tier.read_rate,
        "write_rate": tier.write_rate,
        "shared": tier.shared,
        "efficiency": float(tier.efficiency),
        "home": memory.tiers[memory.home] is tier,
        "source": tier.source,
        "date": tier.date,
    }


def _link_info(link: Link) -> dict[str, Any]:
    return {
        "name": link.name,
        "from": link.start,
        "to": link.end,
        "up_rate": link.up_rate,
        "down_rate": link.down_rate,
        "shared": link.shared,
        "efficiency": float(link.efficiency),
        "source": link.source,
        "date": link.date,
    }


def _operations(memory: MemorySystem) -> list[tuple[str, Int64]]:
    """Every operation and its load row int64[R]: reads, writes, copies."""
    names, count = memory.tier_names, len(memory.tiers)
    found = [(f"read {name}", memory.read[k]) for k, name in enumerate(names)]
    found += [(f"write {name}", memory.write[k]) for k, name in enumerate(names)]
    found += [(f"copy {names[j]}->{names[k]}", memory.copy[j, k]) for j in range(count) for k in range(count) if j != k]
    return found


def _operation_info(memory: MemorySystem, name: str, load: Int64) -> dict[str, Any]:
    alone = memory.bottleneck(load)
    loads = {resource: int(c) for resource, c in zip(memory.resources, load, strict=True) if c > 0}
    slowest = next(
        resource
        for resource, rate, c in zip(memory.resources, memory.rates.tolist(), load.tolist(), strict=True)
        if c > 0 and rate == alone * c
    )
    route = list(memory.routes.get(name, ()))
    return {"name": name, "route": route, "loads": loads, "bottleneck": slowest, "rate": int(alone)}


def _sizes(size: int | None) -> tuple[str, str]:
    if size is None:
        return "unlimited", ""
    return format_size(size, binary=False), format_size(size, binary=True)


def _rates(rate: int) -> tuple[str, str]:
    return format_rate(rate, binary=False), format_rate(rate, binary=True)


def _ways(item: dict[str, Any], first: str, second: str) -> tuple[str, str, str]:
    """The rate or rates of a tier or link in both conventions, and its efficiency."""
    one, two = _rates(item[first]), _rates(item[second])
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
