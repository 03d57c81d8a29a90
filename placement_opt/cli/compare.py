"""``placement-opt compare``."""

from __future__ import annotations

from argparse import Namespace

from placement_opt.cli.console import Console
from placement_opt.cli.parser import (
    LazyParser,
    add_gap,
    add_jobs,
    add_memory_limit,
    add_method,
    add_output,
    add_scale_layers,
    add_time_limit,
)


def fill(parser: LazyParser) -> None:
    parser.add_argument("instances", metavar="INSTANCE", nargs="+", help="instance files (TOML)")
    text = "comma separated, options after a colon: static,lru:scope=global; or all (default)"
    parser.add_argument("--schedulers", metavar="LIST", default="all", help=text)
    add_method(parser)
    add_gap(
        parser, "raise each bound until the best of the schedulers is within this of it (default: until policies can be judged)"
    )
    add_time_limit(
        parser, "for all of it, half of it for the schedulers (default: none; about a minute for each bound with auto)"
    )
    add_memory_limit(parser)
    add_scale_layers(parser)
    add_jobs(parser)
    parser.add_argument("--csv", metavar="FILE", help="also write the table as CSV")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: Namespace, console: Console) -> int:
    from placement_opt.base.atomic import check_outputs, write_text_atomic
    from placement_opt.base.errors import InputError
    from placement_opt.base.limits import Limits
    from placement_opt.instance.load import runs_instead
    from placement_opt.instance.outline import input_files
    from placement_opt.report.comparison import comparison_csv, comparison_document, comparison_text, complaint
    from placement_opt.report.machine import to_json
    from placement_opt.schedulers import make_scheduler
    from placement_opt.study.compare import chosen_schedulers, compare
    from placement_opt.study.scheduled import Outcome

    if args.gap is not None and args.method != "auto":
        raise InputError(f"found it with --method {args.method}", "expected auto, which climbs them all", field="--gap")
    check_outputs({"--csv": args.csv}, [file for path in args.instances for file in input_files(path)])
    schedulers = chosen_schedulers(args.schedulers)
    limits = Limits(args.time_limit, args.memory_limit)
    for spec in schedulers:
        make_scheduler(spec)  # a wrong name is told before anything is looked at
    processes = args.jobs + 1 if args.jobs > 1 else 1
    sources = [runs_instead(path, limits, processes=processes, layers=args.scale_layers) or path for path in args.instances]
    with console.interruptible(limits):
        found = compare(
            sources,
            schedulers,
            method=args.method,
            gap=args.gap,
            layers=args.scale_layers,
            jobs=args.jobs,
            limits=limits,
            report=console.progress,
        )
    console.print(to_json(comparison_document(found)) if args.json else comparison_text(found))
    if args.csv:
        write_text_atomic(args.csv, comparison_csv(found))
    for compared, schedule in found.of(Outcome.BELOW_BOUND, Outcome.ILLEGAL):
        console.error(complaint(compared, schedule))
    return found.exit_code(everything=args.schedulers == "all")
