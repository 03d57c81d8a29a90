"""``placement-opt export``."""

from __future__ import annotations

from argparse import Namespace

from placement_opt.cli.console import Console
from placement_opt.cli.parser import LazyParser, add_instance


def fill(parser: LazyParser) -> None:
    add_instance(parser)
    parser.add_argument("--format", choices=["mps", "lp"], required=True, help="MPS, or the readable LP format")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the file to write")
    parser.set_defaults(run=run)


def run(args: Namespace, console: Console) -> int:
    from placement_opt.bounds.export import export
    from placement_opt.files import check_outputs
    from placement_opt.instancefile import input_files, load_instance
    from placement_opt.report.export import export_text

    check_outputs({"-o": args.output}, input_files(args.instance))
    console.print(export_text(export(load_instance(args.instance), args.format, args.output)))
    return 0
