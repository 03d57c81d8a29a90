"""Make ``docs/presets.md`` from the memory systems that come with the package: ``python -m benchmarks.presets [--check]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from placement_opt.base.atomic import write_text_atomic
from placement_opt.base.capacity import stated_bytes
from placement_opt.base.units import format_rate, format_size
from placement_opt.memory import Link, MemorySystem, Tier, preset, preset_names

PAGE = Path(__file__).parent.parent / "docs" / "presets.md"
_HEAD = """# Memory systems that come with the program

Made by `python -m benchmarks.presets` from `placement_opt/memory/presets/`; do not edit. `memory show NAME` prints routes and
bottlenecks. Rates are datasheet rates, of a link for each way, before protocol overhead; what counts for placement is `usable`
where it is given. Where a vendor's GB are so many that its driver reports more than so many 10^9 bytes, they are GiB, and the
file says so.
"""


def render() -> str:
    """The Markdown page: one section a preset, a line for each tier and link."""
    return "\n".join([_HEAD, *(_section(preset(name)) for name in preset_names())])


def _section(memory: MemorySystem) -> str:
    lines = [f"## {memory.name}", "", "| part | capacity | usable | rate | source | assumed |", "|---|---|---|---|---|---|"]
    return "\n".join([*lines, *(_tier(tier) for tier in memory.tiers), *(_link(link) for link in memory.links), ""])


def _tier(tier: Tier) -> str:
    capacity = stated_bytes(tier.nominal or tier.capacity)
    usable = "" if tier.nominal is None else _size(tier.capacity)
    rates = _rates(tier.read_rate, tier.write_rate, tier.shared, ("read", "write"))
    return _row(tier.name, "unlimited" if capacity is None else _size(capacity), usable, rates, tier)


def _size(size: int) -> str:
    """In the powers in which it is the rounder."""
    return format_size(size, binary=size % 10**9 > 0)


def _link(link: Link) -> str:
    between = f"{link.name}: {link.start} to {link.end}"
    return _row(between, "", "", _rates(link.up_rate, link.down_rate, link.shared, ("up", "down")), link)


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
    text = render()
    if not options.check:
        write_text_atomic(PAGE, text)
        return 0
    current = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    return 0 if current == text else 1


if __name__ == "__main__":
    sys.exit(main())
