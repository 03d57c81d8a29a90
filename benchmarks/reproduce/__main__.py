"""Make tables of published figures beside ours, and the page of them: ``python -m benchmarks.reproduce NAME... | all``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks.reproduce.page import PAGE, RESULTS, document, load_results, render, section
from benchmarks.reproduce.table import all_tables
from placement_opt.base.atomic import write_text_atomic
from placement_opt.report.machine import to_json


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0; 1 where a target was missed; 2 for a name that does not exist."""
    tables = all_tables()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reproduce", description="Published figures beside ours.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"all, or of: {', '.join(tables)}; none: the page alone")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in tables and name != "all"]
    if unknown:
        print(f"error: found no table {unknown[0]!r}, expected all or one of {', '.join(tables)}", file=sys.stderr)
        return 2
    missed = False
    for name in list(tables) if "all" in options.names else options.names:
        made = document(tables[name])
        write_text_atomic(RESULTS / f"{name}.json", to_json(made))
        print(section(made))
        missed = missed or not all(target["met"] for target in made["targets"])
    write_text_atomic(PAGE, render(load_results()))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
