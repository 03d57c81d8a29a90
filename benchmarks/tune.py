"""Defaults judged: options of policies over their ranges on the repository's instances: ``python -m benchmarks.tune [--run]``.

Without ``--run`` the table in ``docs/tune.md`` is made from ``benchmarks/results/tune.json`` alone, with ``--check`` it is only
compared.
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
from placement_opt.report.numbers import percent
from placement_opt.study.knobs import parse_settings
from placement_opt.study.tune import tune

ROOT = Path(__file__).parent.parent
PAGE, RESULTS = ROOT / "docs" / "tune.md", Path(__file__).parent / "results" / "tune.json"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"
#: What is tuned: a scheduler with its ranges, and the folders of the instances.
CASES = (
    ("s3-fifo:small=0.01|0.05|0.1|0.25|0.5", ("seed", "tiers3")),
    ("slru:protected=0.2..0.8:4", ("seed", "tiers3")),
    ("2q:kin=0.05|0.25|0.5,kout=0.25|0.5|1", ("seed", "tiers3")),
    ("w-tinylfu:window=0.01|0.1|0.2|0.5", ("seed", "tiers3")),
    ("hicache:write=write_through_selective,hits=1..8:8", ("tiers3", "requests")),
    ("hicache:write=write_through|write_through_selective|write_back", ("tiers3", "requests")),
    ("vllm-offload:store=on_produce|on_evict,store_threshold=1|2|4", ("tiers3", "requests")),
    ("nth-hit:hits=1..8:8", ("tiers3", "requests")),
    ("ttl:steps=10..1000", ("tiers3", "requests")),
)


def run(jobs: int) -> dict[str, Any]:
    """Each case: what its default costs, the best setting for all, and what carries over."""
    found = {}
    for spec, folders in CASES:
        paths = [str(path) for folder in folders for path in sorted((ROOT / "instances" / folder).glob("*.toml"))]
        print(spec, file=sys.stderr)
        tuning = tune(paths, spec, method="roofline", jobs=jobs)
        settings, best = tuning.settings, tuning.overall
        found[spec] = {
            "scheduler": settings.head,
            "knobs": [{"key": knob.key, "default": knob.default, "values": list(knob.values)} for knob in settings.knobs],
            "folders": list(folders),
            "instances": len(tuning.instances),
            "overall": None if best is None else list(settings.combinations[best]),
            "regret": {which: tuning.mean_regret(which) for which in ("default", "overall", "carried")},
            "worst_default": max((one.regret(one.default) or 0.0 for one in tuning.instances), default=None),
            "carries": tuning.carries,
        }
    return found


def render(results: dict[str, Any]) -> str:
    """The Markdown table, a row a case."""
    heads = ("policy", "option and default", "tried", "instances", "default costs", "at worst", "best one setting", "costs")
    lines = [f"| {' | '.join((*heads, 'carries over'))} |"]
    lines.append("|---|---|---|---|---:|---:|---|---:|---:|")
    for one in results.values():
        knobs = one["knobs"]
        default = ", ".join(f"`{knob['key']}={knob['default']}`" for knob in knobs)
        tried = "; ".join(", ".join(knob["values"]) for knob in knobs)
        best = (
            "-"
            if one["overall"] is None
            else ", ".join(f"`{knob['key']}={value}`" for knob, value in zip(knobs, one["overall"], strict=True))
        )
        cells = [f"`{one['scheduler']}`", default, tried, f"{one['instances']} of {', '.join(one['folders'])}"]
        cells += [percent(one["regret"]["default"]), percent(one["worst_default"]), best, percent(one["regret"]["overall"])]
        cells.append("less than nothing" if (one["carries"] or 0.0) < 0 else percent(one["carries"]))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def page(results: dict[str, Any]) -> str:
    """The page with its table made anew."""
    head, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    return f"{head}{BEGIN}{render(results)}{END}{rest.split(END)[1]}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the table, after tuning with ``--run``; with ``--check`` only compare, exit code 1 where it is out of date."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tune", description="Make the table of docs/tune.md.")
    parser.add_argument("--run", action="store_true", help="tune first, and write benchmarks/results/tune.json")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where the table is out of date")
    options = parser.parse_args(arguments)
    for spec, _ in CASES:
        parse_settings(spec)
    if options.run:
        write_text_atomic(RESULTS, json.dumps(run(options.jobs), indent=1) + "\n")
    return put(PAGE, page(json.loads(RESULTS.read_text(encoding="utf-8"))), check=options.check)


if __name__ == "__main__":
    sys.exit(main())
