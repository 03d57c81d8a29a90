"""``placement-opt schedulers``."""

from __future__ import annotations

from argparse import Namespace

from placement_opt.cli.console import Console
from placement_opt.cli.parser import LazyParser, add_output


def fill(parser: LazyParser) -> None:
    add_output(parser, progress=False)
    parser.set_defaults(run=run)


def run(args: Namespace, console: Console) -> int:
    from placement_opt.report.machine import to_json
    from placement_opt.report.schedulers import schedulers_document, schedulers_text
    from placement_opt.schedulers import describe

    known = describe()
    console.print(to_json(schedulers_document(known)) if args.json else schedulers_text(known))
    return 0
