"""``placement-opt simulate``."""

from __future__ import annotations

from argparse import Namespace

from placement_opt.cli.certificates import add_schedule, check_files, write_schedule
from placement_opt.cli.console import Console
from placement_opt.cli.parser import LazyParser, add_instance, add_output, add_time_limit


def fill(parser: LazyParser) -> None:
    add_instance(parser)
    text = "a name with options, such as lru or lru:scope=global (see placement-opt schedulers)"
    parser.add_argument("--scheduler", metavar="NAME[:key=value,...]", required=True, help=text)
    parser.add_argument("--per-step", metavar="FILE", help="write time and loads of every step as CSV")
    add_schedule(parser)
    add_time_limit(parser, "give up by then")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: Namespace, console: Console) -> int:
    from placement_opt.files import write_text_atomic
    from placement_opt.instancefile import load_instance
    from placement_opt.limits import Limits
    from placement_opt.prove import prove
    from placement_opt.report.machine import to_json
    from placement_opt.report.simulation import per_step_csv, simulation_document, simulation_text
    from placement_opt.report.verification import with_verified
    from placement_opt.schedulers import make_scheduler
    from placement_opt.simulate import simulate

    files = check_files(args)
    scheduler = make_scheduler(args.scheduler)
    instance = load_instance(args.instance)
    console.progress(f"{args.scheduler} on {instance.trace.num_reads:,} reads")
    with console.interruptible(Limits(args.time_limit)) as limits:
        done = simulate(instance, scheduler, per_step=bool(args.per_step), record=bool(files), limits=limits)
    if args.per_step:
        write_text_atomic(args.per_step, per_step_csv(done))
    proof = prove(instance, "roofline")
    document, text = simulation_document(done, proof), simulation_text(done, proof)
    if files:
        document, text = with_verified(document, text, write_schedule(done, args.schedule), files)
    console.print(to_json(document) if args.json else text)
    return 0
