"""``placement-opt compare``."""

from __future__ import annotations

from argparse import Namespace

from placement_opt.cli.backend import add_backend, backend_of
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
    text = "a key of the instances that varies (as in sweep): each is compared at all combinations, the last key fastest"
    parser.add_argument("--set", metavar="KEY=V,V,...", dest="keys", action="append", default=[], help=text)
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
    add_backend(parser, "bounds and schedulers are worked on")
    text = "keep finished schedules and bounds in this file, and go on from what it knows"
    parser.add_argument("--resume", metavar="STATE", help=text)
    text = "also say where each scheduler loses: missed reads, resources that wait, longest steps (--json and --csv do)"
    parser.add_argument("--why", action="store_true", help=text)
    parser.add_argument("--csv", metavar="FILE", help="also write the table as CSV")
    text = 'end with 1 where it holds of an instance and 3 where it is not known, such as "gap(lru) > 0.15" (docs/compare.md)'
    parser.add_argument("--fail-if", metavar="CONDITION", action="append", default=[], help=text)
    parser.add_argument("--junit", metavar="FILE", help="also write schedulers and conditions as JUnit XML")
    parser.add_argument("--annotations", choices=["github"], help="also write what failed as annotations on stderr")
    text = "a line on stderr for each result as it arrives, terminal or not"
    parser.add_argument("--follow", action="store_true", help=text)
    text = "also draw how far each is above the optimum, as .png or .svg (needs matplotlib)"
    parser.add_argument("--plot", metavar="FILE", help=text)
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: Namespace, console: Console) -> int:
    from placement_opt.base.atomic import check_outputs, write_bytes_atomic, write_text_atomic
    from placement_opt.base.errors import InputError
    from placement_opt.base.limits import Limits
    from placement_opt.instance.outline import input_files
    from placement_opt.report.comparison import comparison_csv, comparison_document, comparison_text, complaint
    from placement_opt.report.comparison_picture import check_gaps, draw_gaps
    from placement_opt.report.machine import to_json
    from placement_opt.report.pipelines import github_annotations, junit_xml
    from placement_opt.schedulers import make_scheduler
    from placement_opt.study.auto_capacity import spelt_out
    from placement_opt.study.compare import chosen_schedulers, compare
    from placement_opt.study.conditions import check_all, exit_code, read_condition
    from placement_opt.study.keys import parse_keys, parse_value, points_of
    from placement_opt.study.scheduled import Outcome

    if args.gap is not None and args.method != "auto":
        raise InputError(f"found it with --method {args.method}", "expected auto, which climbs them all", field="--gap")
    backend, schedulers = backend_of(args), chosen_schedulers(args.schedulers)
    limits = Limits(args.time_limit, args.memory_limit)
    keys = [parse_keys(spelt_out(args.keys, path, limits)) for path in args.instances]
    files = [path for path, each in zip(args.instances, keys, strict=True) for _ in points_of(each)[0]]
    if args.plot is not None:
        check_gaps(args.plot, len(files))
    varied = [{key.path: [parse_value(text) for text in key.values] for key in each} for each in keys]
    check_outputs(
        {"--csv": args.csv, "--junit": args.junit, "--plot": args.plot},
        [file for path, each in zip(args.instances, varied, strict=True) for file in input_files(path, each)],
    )
    for spec in schedulers:
        make_scheduler(spec)  # a wrong name is told before anything is looked at
    conditions = [read_condition(text, schedulers) for text in args.fail_if]
    with console.interruptible(limits):
        found = compare(
            args.instances,
            schedulers,
            keys=args.keys,
            method=args.method,
            gap=args.gap,
            layers=args.scale_layers,
            why=bool(args.why or args.json or args.csv),
            state=args.resume,
            jobs=args.jobs,
            backend=backend,
            limits=limits,
            report=console.line if args.follow else console.progress,
        )
    checked = check_all(conditions, found.instances)
    document = comparison_document(found) | ({"conditions": [one.to_record() for one in checked]} if conditions else {})
    console.print(to_json(document) if args.json else comparison_text(found, why=args.why))
    if args.csv:
        write_text_atomic(args.csv, comparison_csv(found))
    if args.plot and found.instances:
        write_bytes_atomic(args.plot, draw_gaps(found, args.plot))
    if args.junit:
        write_text_atomic(args.junit, junit_xml(found, checked))
    for compared, schedule in found.of(Outcome.BELOW_BOUND, Outcome.ILLEGAL):
        console.error(complaint(compared, schedule))
    if args.annotations:
        for line in github_annotations(found, checked, files):
            console.warn(line)
    for one in checked if not args.annotations else ():
        if one.holds is not False:
            console.error(f"{one.instance}: {one.condition}: {'it holds' if one.holds else 'no verdict'}: {one.why}")
    return exit_code(found.exit_code(everything=args.schedulers == "all"), checked)
