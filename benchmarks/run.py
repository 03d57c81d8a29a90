"""Run benchmark cases and write one result file each: ``python -m benchmarks.run [NAME...]``."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.machine import machine, versions
from benchmarks.registry import Figure, Spec, all_specs
from placement_opt.base.atomic import write_text_atomic
from placement_opt.report.machine import to_json

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def run_case(spec: Spec, size: int) -> dict[str, Any]:
    """Build a case and run its phases; the result document, without versions and machine."""
    state = spec.build(size)
    figures: dict[str, Figure] = {}
    for name, phase in spec.phases.items():
        begin = time.perf_counter()
        found: Mapping[str, Figure] = phase(state)
        figures[f"{name}_s"] = time.perf_counter() - begin
        figures.update(found)
    targets = [
        {
            "figure": target.figure,
            "expected": f"{target.sense} {target.limit:g}",
            "met": target.met(float(figures[target.figure])),
        }
        for target in spec.targets
    ]
    return {"case": spec.name, "about": spec.about, "size": size, "figures": figures, "targets": targets}


def run_alone(name: str, size: int) -> dict[str, Any]:
    """The same in a process of its own, so that peak memory and what is loaded already are the case's alone."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(_run_named, name, size).result()


def _run_named(name: str, size: int) -> dict[str, Any]:
    return run_case(all_specs()[name], size)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0; 1 where a target was missed; 2 for a name that does not exist."""
    specs = all_specs()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description="Run benchmark cases, write one file each.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"cases to run, default all: {', '.join(specs)}")
    parser.add_argument("--smallest", action="store_true", help="run at the smallest size and write nothing")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in specs]
    if unknown:
        print(f"error: found no benchmark {unknown[0]!r}, expected one of {', '.join(specs)}", file=sys.stderr)
        return 2
    missed = False
    for name in options.names or list(specs):
        spec = specs[name]
        if missing := spec.missing(ROOT):
            print(f"{name}: skipped, found no folder {missing[0]}")
            continue
        result = run_case(spec, spec.sizes[0]) if options.smallest else run_alone(name, spec.sizes[-1])
        print(f"{name}: " + ", ".join(f"{key} {_short(value)}" for key, value in result["figures"].items()))
        for target in result["targets"]:
            print(f"  {target['figure']} {target['expected']}: {'met' if target['met'] else 'MISSED'}")
            missed = missed or not target["met"]
        if not options.smallest:
            document = result | {"versions": versions(), "machine": machine()}
            write_text_atomic(RESULTS / f"{name}.json", to_json(document))
    return 1 if missed and not options.smallest else 0


def _short(value: Figure) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


if __name__ == "__main__":
    sys.exit(main())
