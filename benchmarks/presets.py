"""Make ``docs/presets.md`` from the memory systems that come with the package: ``python -m benchmarks.presets [--check]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.pages import put
from placement_opt.base.capacity import UNLIMITED
from placement_opt.base.units import format_rate, format_size
from placement_opt.memory import Link, MemorySystem, Tier
from placement_opt.memory.files import preset_names, preset_with_required
from placement_opt.report.presets import presets_info

_OPEN = "left to the user"
PAGE = Path(__file__).parent.parent / "docs" / "presets.md"
_HEAD = """# Memory systems that come with the program

Made by `python -m benchmarks.presets` from `placement_opt/memory/presets/`; do not edit. `memory show NAME` prints routes and
bottlenecks. Rates are datasheet rates, of a link for each way, before protocol overhead; what counts for placement is `usable`
where it is given. Where a vendor's GB are so many that its driver reports more than so many 10^9 bytes, they are GiB, and the
file says so.
"""


def render() -> str:
    """The Markdown page: one section a preset, a line for each tier and link."""
    infos = {info["name"]: info for info in presets_info()}
    return "\n".join([_HEAD, *(_section(infos[name], *preset_with_required(name)) for name in preset_names())])


def _section(info: dict[str, Any], memory: MemorySystem, required: Sequence[str]) -> str:
    lines = [f"## {memory.name}", "", "| part | capacity | usable | rate | source | assumed |", "|---|---|---|---|---|---|"]
    lines += [_tier(tier, known) for tier, known in zip(memory.tiers, info["tiers"], strict=True)]
    lines += [_link(link, required) for link in memory.links]
    if required:
        lines += ["", f"Left to the user: {', '.join(f'`{key}`' for key in required)}."]
    return "\n".join([*lines, ""])


def _tier(tier: Tier, known: dict[str, Any]) -> str:
    """``known``: its capacity and rates, None where they rest on what is left to the user."""
    capacity = _OPEN if known["capacity"] is None else _size(tier.nominal or tier.capacity)
    if tier.capacity == UNLIMITED:
        capacity = "unlimited"
    usable = "" if tier.nominal is None or known["capacity"] is None else _size(tier.capacity)
    rates = _OPEN
    if known["read_rate"] is not None and known["write_rate"] is not None:
        rates = _rates(tier.read_rate, tier.write_rate, tier.shared, ("read", "write"))
    return _row(tier.name, capacity, usable, rates, tier)


def _size(size: int) -> str:
    """In the powers in which it is the rounder."""
    return format_size(size, binary=size % 10**9 > 0)


def _link(link: Link, required: Sequence[str]) -> str:
    open_rate = any(key.startswith(f"{link.name}.") for key in required)
    rates = _OPEN if open_rate else _rates(link.up_rate, link.down_rate, link.shared, ("up", "down"))
    return _row(f"{link.name}: {link.start} to {link.end}", "", "", rates, link)


def _row(name: str, capacity: str, usable: str, rate: str, part: Tier | Link) -> str:
    return f"| {name} | {capacity} | {usable} | {rate} | {part.source} ({part.date}) | {part.assumed} |"


def _rates(first: int, second: int, shared: bool, ways: tuple[str, str]) -> str:
    one, other = (format_rate(rate, binary=False) for rate in (first, second))
    if shared:
        return one
    return f"{one} each way" if first == second else f"{ways[0]} {one}, {ways[1]} {other}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page; with ``--check`` only compare, exit code 1 where it is out of date."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.presets", description="Make docs/presets.md from the presets.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where the page is out of date")
    options = parser.parse_args(arguments)
    return put(PAGE, render(), check=options.check)


if __name__ == "__main__":
    sys.exit(main())
