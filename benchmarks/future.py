"""What knowing the future is worth on published instances: ``python -m benchmarks.future [--check] [NAME ...]``.

Writes ``results/future.json``, and from it the tables of ``docs/future.md``; with names only those instances are measured anew,
with ``--check`` none is, and page and file are compared.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.pages import put
from placement_opt.base.atomic import write_text_atomic
from placement_opt.instance.load import load_instance
from placement_opt.report.future import share_text
from placement_opt.report.numbers import percent, seconds, seconds_column
from placement_opt.study.future import future

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "future.json"
PAGE = ROOT / "docs" / "future.md"
INSTANCES = (
    "seed/nvlink4-18gib-drift10",
    "seed/nvlink4-25gib-drift30",
    "seed/pcie6-25gib-drift10",
    "requests/nvme4-session",
    "requests/nvme4-cache",
)
_BEGIN, _END = "<!-- made by python -m benchmarks.future -->", "<!-- end -->"


def measure(name: str) -> dict[str, Any]:
    """The curve of one instance; nothing of it depends on the clock."""
    found = future(load_instance(ROOT / "instances" / f"{name}.toml"), report=lambda line: print(line, file=sys.stderr))
    keys = ("steps", "whole", "lookahead_s", "mpc_s", "optimised_s", "known_s", "saved_s", "share")
    return {
        "instance": name,
        "method": found.proof.bound.method,
        "lower_bound_s": found.proof.bound.lower_bound_s,
        "best_online": found.best_online,
        "online": {row.scheduler: row.cost_s for row in found.online},
        "windows": [{key: row[key] for key in keys} for row in found.to_records()[1:]],
    }


def render(results: Sequence[dict[str, Any]]) -> str:
    """A table an instance."""
    return "\n\n".join(_table(result) for result in results)


def _table(result: dict[str, Any]) -> str:
    windows, online = result["windows"], result["online"][result["best_online"]]
    names = ("lookahead_s", "mpc_s", "optimised_s", "known_s", "saved_s")
    unit, cells = seconds_column([row[name] for name in names for row in windows])
    texts = [cells[n * len(windows) : (n + 1) * len(windows)] for n in range(len(names))]
    distance = online - result["lower_bound_s"]
    lines = [
        f"`instances/{result['instance']}.toml`: `{result['best_online']}` takes {seconds(online)}, the bound "
        f"({result['method']}) is {seconds(result['lower_bound_s'])}, {percent(distance / online)} less.",
        "",
        f"| steps known | lookahead [{unit}] | mpc | optimised | best by then | saved | of the distance |",
        "|---|---|---|---|---|---|---|",
    ]
    for n, row in enumerate(windows):
        cells = ["all" if row["whole"] else f"{row['steps']:,}", *(column[n] for column in texts), share_text(row["share"])]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def on_page(text: str, results: Sequence[dict[str, Any]]) -> str:
    """The page with these tables between its marks."""
    head, _, rest = text.partition(_BEGIN)
    return f"{head}{_BEGIN}\n\n{render(results)}\n\n{_END}{rest.partition(_END)[2]}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write file and page; with ``--check`` exit code 1 where the page is not that of the file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.future", description="What knowing the future is worth.")
    parser.add_argument(
        "--check", action="store_true", help="measure and write nothing; exit code 1 where the page is out of date"
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help="instances to measure (default: all)")
    options = parser.parse_args(arguments)
    known = {one["instance"]: one for one in json.loads(RESULTS.read_text(encoding="utf-8"))} if RESULTS.exists() else {}
    for name in () if options.check else options.names or INSTANCES:
        known[name] = measure(name)
        write_text_atomic(RESULTS, json.dumps([known[one] for one in INSTANCES if one in known], indent=1) + "\n")
    results, page = json.loads(RESULTS.read_text(encoding="utf-8")), PAGE.read_text(encoding="utf-8")
    return put(PAGE, on_page(page, results), check=options.check)


if __name__ == "__main__":
    sys.exit(main())
