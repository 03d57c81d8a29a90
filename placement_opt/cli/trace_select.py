"""``placement-opt trace select``."""

from __future__ import annotations

from argparse import Namespace

from placement_opt.base.errors import InputError
from placement_opt.cli.console import Console
from placement_opt.cli.parser import LazyParser
from placement_opt.cli.trace_capture import add_rule, by_option, check_output


def fill(parser: LazyParser) -> None:
    parser.description = (
        "Choose again, by a stricter rule, from selections with weights (trace capture --weights): what a step would read\n"
        "with fewer tokens, without running the model once more. Pages are those of the capture."
    )
    parser.add_argument("file", metavar="FILE", help="selections with weights, packed (gzip, zstd) or not")
    text = "what to write: a trace (.npz) or selections (.jsonl, .jsonl.gz, .jsonl.zst)"
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help=text)
    add_rule(parser)
    parser.set_defaults(run=run)


def run(args: Namespace, console: Console) -> int:
    from placement_opt.report.capture import captured
    from placement_opt.workload.capture.again import select

    check_output(args, args.file)
    rule = {name: getattr(args, name) for name in ("top_k", "top_p", "threshold")}
    try:
        done = select(args.file, args.output, weights=args.weights, **rule)
    except InputError as error:
        raise by_option(error) from None
    console.print(captured(done, args.output))
    return 0
