"""``placement-opt export``."""

from __future__ import annotations

from argparse import Namespace

from placement_opt.cli.console import Console
from placement_opt.cli.parser import LazyParser, add_instance, add_memory_limit, add_scale_layers
from placement_opt.cli.question import read


def fill(parser: LazyParser) -> None:
    add_instance(parser)
    parser.add_argument("--format", choices=["mps", "lp"], required=True, help="MPS, or the readable LP format")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the file to write")
    add_memory_limit(parser)
    add_scale_layers(parser)
    parser.set_defaults(run=run)


def run(args: Namespace, console: Console) -> int:
    from placement_opt.base.atomic import check_outputs
    from placement_opt.base.limits import Limits
    from placement_opt.bounds.programs.export import READ_BYTES, export
    from placement_opt.instance.gate import check_outline
    from placement_opt.instance.load import in_rows
    from placement_opt.report.export import export_text

    outline = read(args)
    check_outputs({"-o": args.output}, outline.files)
    limits = Limits(memory=args.memory_limit)
    check_outline(outline, limits, read_bytes=READ_BYTES)
    instance = in_rows(outline, limits)
    console.print(export_text(export(instance, args.format, args.output)))
    return 0
