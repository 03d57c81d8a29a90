"""``placement-opt bound``."""

from __future__ import annotations

from argparse import Namespace

from placement_opt.cli import large
from placement_opt.cli.certificates import add_certificate, add_schedule, check_files, write_certificates
from placement_opt.cli.console import Console
from placement_opt.cli.parser import LazyParser, add_instance, add_method, add_output, add_time_limit


def fill(parser: LazyParser) -> None:
    add_instance(parser)
    add_method(parser)
    parser.add_argument("--integer", action="store_true", help="whole blocks (with --method step)")
    text = "also what more room and rate would save: by the bound's prices, and solved again with 1 %% and 10 %% more"
    parser.add_argument("--prices", action="store_true", help=text)
    add_certificate(parser)
    add_schedule(parser)
    text = "whose schedule to write, with --schedule (default: lp-rounded)"
    parser.add_argument("--scheduler", metavar="NAME[:key=value,...]", help=text)
    add_time_limit(parser, "stop by then with what is proven (default: none; about a minute with auto)")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: Namespace, console: Console) -> int:
    from placement_opt.errors import InputError, LimitError

    if args.integer and args.method != "step":
        raise InputError(f"found it with --method {args.method}", "expected --method step", field="--integer")
    if args.scheduler and args.schedule is None:
        raise InputError("found it without --schedule", "expected --schedule FILE", field="--scheduler")
    from placement_opt.bounds.result import Status
    from placement_opt.instancefile import load_instance
    from placement_opt.limits import Limits
    from placement_opt.prove import prove
    from placement_opt.report.bound import bound_document, bound_text
    from placement_opt.report.machine import to_json
    from placement_opt.report.verification import with_verified
    from placement_opt.report.worth import worth_document, worth_text
    from placement_opt.schedulers import make_scheduler
    from placement_opt.worth import worth

    files = check_files(args)
    scheduler = make_scheduler(args.scheduler or "lp-rounded") if "schedule" in files else None
    try:
        instance = load_instance(args.instance)
    except LimitError:
        if args.method != "auto" or args.prices or files:
            raise
        return large.run(args, console)
    method = "step-integer" if args.integer else args.method
    with console.interruptible(Limits(args.time_limit)) as limits:
        proof = prove(instance, method, limits=limits, report=console.progress)
        priced = args.prices and proof.bound.status is not Status.NONE
        found = worth(instance, proof.bound, limits=limits, report=console.progress) if priced else None
        document, text = bound_document(proof), bound_text(proof)
        if found is not None:
            document, text = document | {"worth": worth_document(found)}, f"{text}\n{worth_text(found)}"
        certified = None
        try:
            for done in write_certificates(instance, proof.bound, files, scheduler, limits):
                certified = done
        finally:  # whatever became of the certificates, the bound is proven
            if certified is not None:
                document, text = with_verified(document, text, certified, files)
            console.print(to_json(document) if args.json else text)
    if limits.interrupted:
        return 130
    return 3 if proof.bound.status is Status.NONE else 0
