"""``placement-opt check``."""

from __future__ import annotations

from argparse import Namespace

from placement_opt.cli.console import Console
from placement_opt.cli.parser import LazyParser, add_memory_limit, add_output, add_scale_layers, add_time_limit


def fill(parser: LazyParser) -> None:
    parser.description = (
        "What instances ask for, before anything is drawn: sizes, room for weights and blocks, memory and rough seconds of\n"
        "each way to answer, which of them bound would take, and what will bind. Exit code 3 where no way fits."
    )
    parser.add_argument("instances", metavar="INSTANCE", nargs="+", help="instance files (TOML)")
    add_time_limit(parser, "what a bound may take (default: none; a minute for each method of auto)")
    add_memory_limit(parser)
    add_scale_layers(parser)
    add_output(parser, progress=False)
    parser.set_defaults(run=run)


def run(args: Namespace, console: Console) -> int:
    from placement_opt.base.limits import Limits
    from placement_opt.report.check import checks_document, checks_text
    from placement_opt.report.machine import to_json
    from placement_opt.study.check import check

    found = [
        check(path, layers=args.scale_layers, limits=Limits(args.time_limit, args.memory_limit)) for path in args.instances
    ]
    console.print(to_json(checks_document(found)) if args.json else checks_text(found))
    return 0 if all(one.fits for one in found) else 3
