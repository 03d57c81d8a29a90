"""``placement-opt trace info``."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from placement_opt.cli.console import Console
from placement_opt.cli.parser import LazyParser, add_memory_limit, add_output


def fill(parser: LazyParser) -> None:
    parser.description = (
        "Describe a trace: sizes, working set, reuse, overlap, popularity, and what caches of any size could hit\n"
        "(docs/traces.md says how to read each line)."
    )
    text = "a trace file (NPZ or runs), an instance file, or a log of a format that is recognised"
    parser.add_argument("file", metavar="TRACE|LOG|INSTANCE", help=text)
    parser.add_argument("--plot", metavar="FILE", help="also draw it, as .png or .svg (needs matplotlib)")
    add_memory_limit(parser)
    add_output(parser, progress=False)
    parser.set_defaults(run=run)


def run(args: Namespace, console: Console) -> int:
    from placement_opt.base.atomic import check_outputs, write_bytes_atomic
    from placement_opt.base.limits import Limits
    from placement_opt.instance.any_trace import any_trace
    from placement_opt.instance.outline import input_files
    from placement_opt.report.machine import to_json
    from placement_opt.report.picture import check_installed, check_place
    from placement_opt.report.trace_info import info_text
    from placement_opt.workload.stats import describe_trace

    if args.plot is not None:
        check_place(args.plot, "--plot")
        check_installed("picture", "--plot")
        inputs = input_files(args.file) if args.file.endswith(".toml") else [args.file]
        check_outputs({"--plot": args.plot}, inputs)
    trace = any_trace(args.file, Limits(memory=args.memory_limit))
    info = describe_trace(trace)
    console.print(to_json(info.as_dict()) if args.json else info_text(info, trace))
    if args.plot is not None:
        from placement_opt.report.trace_picture import draw

        write_bytes_atomic(args.plot, draw(info, Path(args.file).name, args.plot))
    return 0
