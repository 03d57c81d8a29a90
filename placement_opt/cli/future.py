"""``placement-opt future``."""

from __future__ import annotations

from argparse import Namespace
from functools import partial

from placement_opt.cli.console import Console
from placement_opt.cli.parser import (
    LazyParser,
    add_instance,
    add_jobs,
    add_memory_limit,
    add_method,
    add_output,
    add_time_limit,
    natural,
    typed,
)


def fill(parser: LazyParser) -> None:
    parser.description = (
        "What knowing the next steps is worth: policies that are shown so many of them, from the best online policy to the\n"
        "bound, in seconds and as a share of that distance. Steps are those of a layer, or of the trace where it has none"
    )
    add_instance(parser)
    text = "steps known, comma separated, such as 1,2,4 (default: 1, 2, 4, ... and all)"
    parser.add_argument("--windows", metavar="N,N,...", type=typed(_windows), help=text)
    text = "online policies, of which the best counts, comma separated (default: some of every kind)"
    parser.add_argument("--online", metavar="LIST", help=text)
    add_method(parser)
    add_time_limit(parser, "for all of it, half of it for the policies (default: none; about a minute for the bound with auto)")
    add_memory_limit(parser)
    add_jobs(parser)
    parser.add_argument("--csv", metavar="FILE", help="also write the curve as CSV")
    parser.add_argument("--plot", metavar="FILE", help="also draw the curve, as .png or .svg (needs matplotlib)")
    add_output(parser)
    parser.set_defaults(run=run)


def _windows(text: str) -> list[int]:
    return [natural(1, 2**31 - 1, part) for part in text.split(",")]


def run(args: Namespace, console: Console) -> int:
    from placement_opt.base.atomic import check_outputs, write_bytes_atomic, write_text_atomic
    from placement_opt.base.limits import Limits
    from placement_opt.instance.load import load_instance
    from placement_opt.instance.outline import input_files
    from placement_opt.report.future import check_picture, draw, future_csv, future_document, future_text
    from placement_opt.report.machine import to_json
    from placement_opt.study.compare import chosen_schedulers
    from placement_opt.study.future import ONLINE, future, refused

    if args.plot is not None:
        check_picture(args.plot)
    check_outputs({"--csv": args.csv, "--plot": args.plot}, input_files(args.instance))
    online = ONLINE if args.online is None else chosen_schedulers(args.online)
    limits = Limits(args.time_limit, args.memory_limit)
    study = partial(future, windows=args.windows, online=online, method=args.method, jobs=args.jobs)
    with console.interruptible(limits):
        found = study(load_instance(args.instance), limits=limits, report=console.progress)
    console.print(to_json(future_document(found)) if args.json else future_text(found))
    if args.csv:
        write_text_atomic(args.csv, future_csv(found))
    if args.plot:
        write_bytes_atomic(args.plot, draw(found, args.plot))
    return 2 if args.online is not None and refused(found) else found.comparison.exit_code(everything=True)
