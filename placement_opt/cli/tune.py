"""``placement-opt tune``."""

from __future__ import annotations

from argparse import Namespace

from placement_opt.cli.console import Console
from placement_opt.cli.parser import (
    LazyParser,
    add_jobs,
    add_memory_limit,
    add_method,
    add_output,
    add_scale_layers,
    add_time_limit,
)


def fill(parser: LazyParser) -> None:
    parser.description = (
        "A scheduler at every combination of its options' values, beside the bound: what its defaults cost, the best setting,\n"
        "and how much of that carries over to instances that it was not tuned on. Values of an option: LOW..HIGH (nine\n"
        "at most), LOW..HIGH:COUNT, a|b|c; an option with one value is fixed. For example\n"
        "  placement-opt tune a.toml b.toml --scheduler 's3-fifo:small=0.05..0.5:10'"
    )
    parser.add_argument("instances", metavar="INSTANCE", nargs="+", help="instance files (TOML)")
    text = "what is tuned; `placement-opt schedulers` lists options and defaults"
    parser.add_argument("--scheduler", metavar="NAME:KEY=LOW..HIGH,...", required=True, help=text)
    text = "a key of the instances that varies (as in sweep): each point counts as an instance"
    parser.add_argument("--set", metavar="KEY=V,V,...", dest="keys", action="append", default=[], help=text)
    add_method(parser)
    add_time_limit(
        parser, "for all of it, half of it for the settings (default: none; about a minute for each bound with auto)"
    )
    add_memory_limit(parser)
    add_scale_layers(parser)
    add_jobs(parser)
    parser.add_argument("--csv", metavar="FILE", help="also write every run as CSV")
    parser.add_argument("--plot", metavar="FILE", help="also draw the first option's curve, as .png or .svg (needs matplotlib)")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: Namespace, console: Console) -> int:
    from placement_opt.base.atomic import check_outputs, write_bytes_atomic, write_text_atomic
    from placement_opt.base.limits import Limits
    from placement_opt.instance.outline import input_files
    from placement_opt.report.machine import to_json
    from placement_opt.report.tune import complaints, tuning_csv, tuning_document, tuning_text
    from placement_opt.report.tune_picture import check_tuning_picture, draw_tuning
    from placement_opt.study.knobs import parse_settings
    from placement_opt.study.tune import tune

    parse_settings(args.scheduler)  # a wrong name is told before anything is looked at
    if args.plot is not None:
        check_tuning_picture(args.plot)
    files = [file for path in args.instances for file in input_files(path)]
    check_outputs({"--csv": args.csv, "--plot": args.plot}, files)
    limits = Limits(args.time_limit, args.memory_limit)
    with console.interruptible(limits):
        found = tune(
            args.instances,
            args.scheduler,
            keys=args.keys,
            method=args.method,
            layers=args.scale_layers,
            jobs=args.jobs,
            limits=limits,
            report=console.progress,
        )
    console.print(to_json(tuning_document(found)) if args.json else tuning_text(found))
    if args.csv:
        write_text_atomic(args.csv, tuning_csv(found))
    if args.plot and found.instances:
        write_bytes_atomic(args.plot, draw_tuning(found, args.plot))
    for text in complaints(found):
        console.warn(text)
    return found.exit_code()
