"""``placement-opt trace record``."""

from __future__ import annotations

from argparse import Namespace
from functools import partial

from placement_opt.cli.console import Console
from placement_opt.cli.parser import LazyParser, add_output, add_time_limit, natural, typed


def fill(parser: LazyParser) -> None:
    text = "where the engine publishes its KV events (--kv-events-config), such as tcp://127.0.0.1:5557"
    parser.add_argument("endpoint", metavar="ENDPOINT", help=text)
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the recording to write, such as engine.kvevents")
    parser.add_argument("--topic", metavar="TEXT", default="", help="only messages whose topic begins so (default: all)")
    text = "the engine's replay endpoint: fetch what came before, and what is missed, from there"
    parser.add_argument("--replay", metavar="ENDPOINT", help=text)
    parser.add_argument("--messages", metavar="N", type=typed(partial(natural, 1, 2**63 - 1)), help="end after so many")
    text = "end before the first message that follows missing ones (exit code 1)"
    parser.add_argument("--until-gap", action="store_true", help=text)
    add_time_limit(parser, "end by then")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: Namespace, console: Console) -> int:
    import dataclasses

    from placement_opt.base.atomic import check_outputs
    from placement_opt.base.limits import Limits
    from placement_opt.report.machine import to_json
    from placement_opt.report.trace import recorded
    from placement_opt.workload.formats.kv_recorder import record

    check_outputs({"-o": args.output})
    limits = Limits(args.time_limit)
    with console.interruptible(limits):
        found = record(
            args.endpoint,
            args.output,
            topic=args.topic,
            replay=args.replay,
            messages=args.messages,
            until_gap=args.until_gap,
            limits=limits,
            progress=console.progress,
        )
    console.print(to_json(dataclasses.asdict(found)) if args.json else recorded(found, args.output))
    return 130 if found.ended == "interrupt" else 0 if found.ended in ("messages", "time limit") else 1
