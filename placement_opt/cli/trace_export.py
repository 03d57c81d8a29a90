"""``placement-opt trace export``."""

from __future__ import annotations

from argparse import Namespace

from placement_opt.cli.console import Console
from placement_opt.cli.parser import LazyParser, add_memory_limit


def fill(parser: LazyParser) -> None:
    from placement_opt.workload.formats.writers import WRITERS

    parser.add_argument("file", metavar="TRACE", help="a trace file (NPZ)")
    parser.add_argument("--format", choices=list(WRITERS), required=True, help="what to write")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the file to write")
    add_memory_limit(parser)
    parser.set_defaults(run=run)


def run(args: Namespace, console: Console) -> int:
    from placement_opt.base.atomic import check_outputs
    from placement_opt.base.errors import InputError
    from placement_opt.base.limits import Limits
    from placement_opt.instance.gate import check_stored
    from placement_opt.report.trace import saved
    from placement_opt.workload.files.npz import load_trace
    from placement_opt.workload.formats.writers import WRITERS

    check_outputs({"-o": args.output}, [args.file])
    check_stored(args.file, Limits(memory=args.memory_limit))
    trace = load_trace(args.file)
    try:
        lost = WRITERS[args.format](trace, args.output)
    except InputError as error:
        raise error.at(path=args.file) from None
    console.print("\n".join([saved(trace, args.output), *(f"lost: {what}" for what in lost)]))
    return 0
