"""What tiers, links and engines are made of, where a file says so: dies, planes and their times, cores, channels, ratios.

Only what is said is shown, so that of other systems nothing more is printed than there is.
"""

from __future__ import annotations

from typing import Any

from placement_opt.base.units import format_rate, format_seconds, format_size
from placement_opt.memory.system import Compute, Engine, Link, MemorySystem, Tier
from placement_opt.report.numbers import NOTHING
from placement_opt.report.table import table

#: Stands before what a system assumes.
ASSUMED = "assumed"


def dies_info(tier: Tier) -> dict[str, Any]:
    """JSON keys of a tier of dies; none where nothing is said of them."""
    found: dict[str, Any] = {} if tier.dies == 1 else {"dies": tier.dies}
    if tier.read_time is not None or tier.program_time is not None:
        found["planes"] = tier.planes
    for key, value in (("read_time_s", tier.read_time), ("program_time_s", tier.program_time)):
        if value is not None:
            found[key] = float(value)
    return found | assumed_info(tier)


def compute_info(compute: Compute) -> dict[str, Any]:
    """JSON keys of computing where blocks lie; cores and kinds where they are said."""
    result = None if compute.result is None else str(compute.result)
    energy = None if compute.energy is None else float(compute.energy)
    found: dict[str, Any] = {"rate": compute.rate, "result": result, "energy": energy}
    if compute.cores is not None:
        found["cores"] = compute.cores
    if compute.page_time is not None:
        found["page_time_s"] = float(compute.page_time)
    for way in compute.ways:
        if way.kinds is not None:
            (kind,) = way.kinds
            energy = None if way.energy is None else float(way.energy)
            found[kind] = {"result": str(way.result), "energy": energy}
    return found


def channels_info(link: Link) -> dict[str, Any]:
    """JSON keys of a link of channels; none where it has one."""
    return ({} if link.channels == 1 else {"channels": link.channels}) | assumed_info(link)


def engine_info(engine: Engine) -> dict[str, Any]:
    """JSON keys of an engine."""
    return {
        "name": engine.name,
        "rate": engine.rate,
        "on": list(engine.on),
        "ratio": str(engine.ratio),
        "energy": None if engine.energy is None else float(engine.energy),
        "source": engine.source,
        "date": engine.date,
        **assumed_info(engine),
    }


def assumed_info(part: Tier | Link | Engine) -> dict[str, Any]:
    """The JSON key of what is assumed; none where nothing is."""
    return {ASSUMED: part.assumed} if part.assumed else {}


def assumptions_info(assumptions: tuple[str, ...]) -> dict[str, Any]:
    """The JSON key of what a system assumes, for all that rests on it; none where nothing is assumed."""
    return {"assumptions": list(assumptions)} if assumptions else {}


def assumption_rows(assumptions: tuple[str, ...]) -> list[tuple[str, str]]:
    """The same as lines of facts."""
    return [(ASSUMED, text) for text in assumptions]


def parts_tables(memory: MemorySystem) -> list[str]:
    """Tables of dies, channels and engines; those that would say nothing are left out."""
    found = []
    if dies := [_dies_row(tier) for tier in memory.tiers if _made_of_dies(tier)]:
        heads = ["tier", "dies", "planes", "page", "read in", "programmed in", "cores", "a core's page"]
        found.append(table(heads, dies, "lrrrrrrr"))
    channels = [[link.name, str(link.channels), _each(link)] for link in memory.links if link.channels > 1]
    if channels:
        found.append(table(["link", "channels", "rate of each"], channels, "lrr"))
    engines = [[one.name, ", ".join(one.on), format_rate(one.rate), str(one.ratio)] for one in memory.engines]
    if engines:
        found.append(table(["engine", "on", "rate", "bytes passed for each"], engines, "llrr"))
    return found


def _made_of_dies(tier: Tier) -> bool:
    return tier.dies > 1 or bool(tier.read_time or tier.program_time) or bool(tier.compute and tier.compute.cores)


def _dies_row(tier: Tier) -> list[str]:
    read, program = (NOTHING if time is None else format_seconds(float(time)) for time in (tier.read_time, tier.program_time))
    cores = page_time = NOTHING
    if tier.compute is not None and tier.compute.cores is not None:
        cores = str(tier.compute.cores)
        page_time = read if tier.compute.page_time is None else format_seconds(float(tier.compute.page_time))
    planes = str(tier.planes) if tier.read_time or tier.program_time else NOTHING
    page = format_size(tier.page) if tier.page > 1 else NOTHING
    return [tier.name, str(tier.dies), planes, page, read, program, cores, page_time]


def _each(link: Link) -> str:
    up, down = (format_rate(rate // link.channels) for rate in (link.up_rate, link.down_rate))
    return up if link.shared or up == down else f"up {up}, down {down}"
