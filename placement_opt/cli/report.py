"""``placement-opt report``."""

from __future__ import annotations

import argparse
import shlex
from argparse import Namespace
from pathlib import Path

from placement_opt.cli.console import Console
from placement_opt.cli.parser import (
    LazyParser,
    add_gap,
    add_memory_limit,
    add_method,
    add_scale_layers,
    add_time_limit,
)

#: Unless others are named: what most people know, and the best that is quickly found.
_DEFAULT = "static,lru,belady,lp-rounded"


def fill(parser: LazyParser) -> None:
    parser.description = (
        "One HTML page about instances, to look at and to hand on: whose fault the time is, both sides of the optimum, every\n"
        "scheduler's distance, steps and tiers over time, what binds, what more room is worth, and where it all comes from.\n"
        "It needs no network and no scripts. Needs jinja2 and matplotlib: pip install 'placement-opt[report]'."
    )
    parser.add_argument("instances", metavar="INSTANCE", nargs="+", help="instance files (TOML)")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the page to write, such as report.html")
    text = f"comma separated, options after a colon: static,lru:scope=global; or all (default: {_DEFAULT})"
    parser.add_argument("--schedulers", metavar="LIST", default=_DEFAULT, help=text)
    add_method(parser)
    add_gap(
        parser, "raise each bound until the best of the schedulers is within this of it (default: until policies can be judged)"
    )
    text = "the curve of what more room is worth (default: where there are few reads)"
    parser.add_argument("--curve", action=argparse.BooleanOptionalAction, default=None, help=text)
    add_time_limit(parser, "for all of it; without one equal inputs give equal pages (default: none)")
    add_memory_limit(parser)
    add_scale_layers(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr (without a terminal there is none)")
    parser.set_defaults(run=run)


def run(args: Namespace, console: Console) -> int:
    from placement_opt.base.atomic import check_outputs, write_text_atomic
    from placement_opt.base.errors import InputError
    from placement_opt.base.limits import Limits
    from placement_opt.instance.outline import input_files, read_outline
    from placement_opt.report.comparison import comparison_sentences, complaint
    from placement_opt.report.page.page import check_page, page
    from placement_opt.schedulers import make_scheduler
    from placement_opt.study.compare import chosen_schedulers
    from placement_opt.study.comparison import Comparison
    from placement_opt.study.scheduled import Outcome
    from placement_opt.study.survey import survey

    if args.gap is not None and args.method != "auto":
        raise InputError(f"found it with --method {args.method}", "expected auto, which climbs them all", field="--gap")
    check_outputs({"-o": args.output}, [file for path in args.instances for file in input_files(path)])
    check_page()
    schedulers = chosen_schedulers(args.schedulers)
    for spec in schedulers:
        make_scheduler(spec)  # a wrong name is told before anything is looked at
    for path in args.instances:
        read_outline(path, layers=args.scale_layers)  # and what is wrong with any file before work on another
    limits, found = Limits(args.time_limit, args.memory_limit), []
    with console.interruptible(limits):
        for at, path in enumerate(args.instances):
            found.append(
                survey(
                    path,
                    schedulers,
                    method=args.method,
                    gap=args.gap,
                    curve=args.curve,
                    layers=args.scale_layers,
                    limits=limits.within(limits.remaining / (len(args.instances) - at)),
                    report=console.progress,
                )
            )
            if limits.interrupted:
                break
    write_text_atomic(args.output, page(found, _command(args)))
    console.print("\n".join(f"{one.question.name}: {' '.join(comparison_sentences(one.compared))}" for one in found))
    whole = Comparison(
        tuple(one.compared for one in found), limits.interrupted, unanswered=sum(one.unanswered for one in found)
    )
    for compared, schedule in whole.of(Outcome.BELOW_BOUND, Outcome.ILLEGAL):
        console.error(complaint(compared, schedule))
    return whole.exit_code(everything=args.schedulers == "all")


def _command(args: Namespace) -> str:
    """What was asked for, as a command whose files lie in one folder; where the page goes is no part of it."""
    words = ["placement-opt", "report", *(Path(path).name for path in args.instances), "--schedulers", args.schedulers]
    if args.method != "auto":
        words += ["--method", args.method]
    if args.gap is not None:
        words += ["--gap", f"{100.0 * args.gap:.12g}%"]
    if args.curve is not None:
        words.append("--curve" if args.curve else "--no-curve")
    if args.time_limit is not None:
        words += ["--time-limit", f"{args.time_limit:.12g}s"]
    if args.memory_limit is not None:
        words += ["--memory-limit", f"{args.memory_limit}B"]
    if args.scale_layers is not None:
        words += ["--scale-layers", str(args.scale_layers)]
    return " ".join(map(shlex.quote, words))
