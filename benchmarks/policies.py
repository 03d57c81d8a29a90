"""Every policy on every instance of three folders, beside what is proven: ``python -m benchmarks.policies [--run]``.

Without ``--run`` the page ``docs/policies.md`` is made from ``benchmarks/results/policies.json`` and the registry alone, with
``--check`` it is only compared. The bounds are the best that are recorded beside the instances.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.pages import put
from placement_opt.base.atomic import write_text_atomic
from placement_opt.base.jobs import run_jobs
from placement_opt.base.limits import Limits
from placement_opt.instance.load import load_instance
from placement_opt.report.numbers import percent, times
from placement_opt.schedulers import REGISTRY, Description, describe
from placement_opt.schedulers.base import FAMILIES
from placement_opt.study.record import best_path, read_record
from placement_opt.study.scheduled import Outcome, time_scheduler

ROOT = Path(__file__).parent.parent
PAGE, RESULTS = ROOT / "docs" / "policies.md", Path(__file__).parent / "results" / "policies.json"
FOLDERS = ("seed", "tiers3", "requests")
#: Searches of minutes on instances of this size; what they found is taken from what is recorded beside the instances.
_SLOW = ("milp", "lp-rounded", "optimised")
_HEAD = """# The policies

Made by `python -m benchmarks.policies` from the registry and from `benchmarks/results/policies.json`; do not edit.
`placement-opt schedulers` prints the same with every option. Each policy was played with its defaults on the instances of
`instances/seed` ({seed}), `instances/tiers3` ({tiers3}) and `instances/requests` ({requests}); shown is how far it is above the
proven bound, the geometric mean and, in brackets, the worst, and on how many it plays where not on all. "sees" says whether it
knows the trace. A policy far above the bound may still be the right one elsewhere: `compare` says so of your own traces.
"""


def measure(task: tuple[str, str], limits: Limits) -> dict[str, Any]:
    """One policy on one instance: seconds, or why not."""
    path, name = task
    found = time_scheduler(load_instance(ROOT / path), name, limits)
    return {"latency_s": found.latency_s} if found.outcome is Outcome.TIMED else {"note": f"{found.outcome}: {found.note}"}


def run(jobs: int, names: Sequence[str]) -> dict[str, Any]:
    """All of them; what stands for others is kept where only some are asked for."""
    paths = [path.relative_to(ROOT).as_posix() for folder in FOLDERS for path in sorted(_files(folder))]
    tasks = [(path, name) for path in paths for name in names]
    results = run_jobs(
        measure, tasks, jobs=jobs, done=lambda at, _: print(f"{at + 1}/{len(tasks)} {tasks[at]}", file=sys.stderr)
    )
    found: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for path in paths:
        record = read_record(best_path(ROOT / path))
        entry = found.setdefault(path, {"schedules": {}})
        entry["hash"], entry["lower_bound_s"] = record.hash, max(record.bounds.values())
        entry["schedules"] |= {name: {"latency_s": record.schedules[name]} for name in _SLOW if name in record.schedules}
    for (path, name), result in zip(tasks, results, strict=True):
        found[path]["schedules"][name] = result
    return {path: found[path] for path in paths}


def _files(folder: str) -> list[Path]:
    return list((ROOT / "instances" / folder).glob("*.toml"))


def render(results: dict[str, Any]) -> str:
    """The Markdown page: a table a family."""
    counts = {folder: len([path for path in results if path.split("/")[1] == folder]) for folder in FOLDERS}
    parts = [_HEAD.format(**counts)]
    for family, text in FAMILIES.items():
        own = [one for one in describe() if one.family == family]
        if own:
            head = ["| name | rule | options | source | sees |" + "".join(f" {folder} |" for folder in FOLDERS)]
            head.append("|---|---|---|---|---|" + "---|" * len(FOLDERS))
            parts.append("\n".join([f"## {family}: {text}", "", *head, *(_row(one, results, counts) for one in own), ""]))
    return "\n".join(parts)


def _row(one: Description, results: dict[str, Any], counts: dict[str, int]) -> str:
    options = ", ".join(f"`{option.key}={option.default}`" for option in one.options)
    cells = [f"`{one.name}`", one.text, options, one.source, "the past" if one.online else "the trace"]
    cells += [_gap(one.name, folder, results, counts[folder]) for folder in FOLDERS]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _gap(name: str, folder: str, results: dict[str, Any], count: int) -> str:
    """Mean and worst distance from the bound over a folder."""
    ratios = []
    for path, entry in results.items():
        latency = entry["schedules"].get(name, {}).get("latency_s") if path.split("/")[1] == folder else None
        if latency is not None:
            ratios.append(latency / entry["lower_bound_s"])
    if not ratios:
        return "-"
    mean = math.exp(math.fsum(map(math.log, ratios)) / len(ratios))
    text = f"{_above(mean)} ({_above(max(ratios))})"
    return text if len(ratios) == count else f"{text}, {len(ratios)} of {count}"


def _above(ratio: float) -> str:
    return percent(ratio - 1.0) if ratio < 3 else times(ratio)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, after playing all with ``--run``; with ``--check`` only compare, exit code 1 where it is out of date."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.policies", description="Make docs/policies.md.")
    parser.add_argument("--run", action="store_true", help="play all first, and write benchmarks/results/policies.json")
    parser.add_argument("--only", metavar="NAME,NAME", help="with --run: play these alone, keep what stands for the others")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where the page is out of date")
    options = parser.parse_args(arguments)
    if options.run:
        names = options.only.split(",") if options.only else [name for name in REGISTRY if name not in _SLOW]
        write_text_atomic(RESULTS, json.dumps(run(options.jobs, names), indent=1, sort_keys=True) + "\n")
    return put(PAGE, render(json.loads(RESULTS.read_text(encoding="utf-8"))), check=options.check)


if __name__ == "__main__":
    sys.exit(main())
