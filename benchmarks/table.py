"""Make ``benchmarks/RESULTS.md`` from the result files: ``python -m benchmarks.table [--check]``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.pages import put
from benchmarks.run import RESULTS

TABLE = RESULTS.parent / "RESULTS.md"
_HEAD = """# Measured results

Made by `python -m benchmarks.table` from the files in `results/`; do not edit. Times are indicative, ratios hold.
"""


def load_results(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """Every result of a case in a folder, by the name of its file; what has a page of its own is no case."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    return [one for one in found if "case" in one]


def render(results: Sequence[dict[str, Any]]) -> str:
    """The Markdown page: one section a case, with its figures, its targets and what it was measured with."""
    sections = [_HEAD]
    for result in results:
        targets = {target["figure"]: target for target in result["targets"]}
        lines = [f"## {result['case']}", "", result["about"], "", "| figure | value | target |", "|---|---|---|"]
        for name, value in result["figures"].items():
            target = targets.get(name)
            wanted = "" if target is None else f"{target['expected']}: {'met' if target['met'] else 'missed'}"
            lines.append(f"| {name} | {_text(value)} | {wanted} |")
        with_what = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
        machine = result["machine"]
        where = f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}"
        lines += ["", f"Size {result['size']:,}; {with_what}; {where}.", ""]
        sections.append("\n".join(lines))
    return "\n".join(sections)


def _text(value: float | int | str | None) -> str:
    """``None`` is how files write a number that there was none of."""
    if value is None or value == "":
        return "-"
    if isinstance(value, str):
        return value
    if isinstance(value, int) or abs(value) >= 1e5:
        return f"{value:,.0f}"
    return f"{value:.5g}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the table; with ``--check`` only compare, exit code 1 where it is out of date."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table", description="Make RESULTS.md from the result files.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where the table is out of date")
    options = parser.parse_args(arguments)
    return put(TABLE, render(load_results()), check=options.check)


if __name__ == "__main__":
    sys.exit(main())
