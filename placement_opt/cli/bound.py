"""``placement-opt bound``."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from placement_opt.cli import layered as large
from placement_opt.cli.certificates import add_certificate, add_schedule, check_files, write_certificates
from placement_opt.cli.console import Console
from placement_opt.cli.parser import (
    LazyParser,
    add_gap,
    add_instance,
    add_jobs,
    add_memory_limit,
    add_method,
    add_output,
    add_scale_layers,
    add_time_limit,
)

#: As in :mod:`placement_opt.bounds.dual.shares`, which would load numpy.
BACKENDS = ("local", "dask")

if TYPE_CHECKING:
    from placement_opt.answer.answer import Answer
    from placement_opt.base.limits import Limits
    from placement_opt.bounds.dual.shares import Backend
    from placement_opt.certify.verify import Verified
    from placement_opt.instance.instance import Instance


def fill(parser: LazyParser) -> None:
    parser.description = (
        "A proven lower bound on the latency of every placement policy. With --gap a schedule as well, both improved until\n"
        "they are so close or a limit is reached, with a line on stderr for each improvement."
    )
    add_instance(parser)
    add_method(parser)
    parser.add_argument("--integer", action="store_true", help="whole blocks (with --method step)")
    add_gap(parser, "find a schedule too, and go on until it takes at most so much longer than the bound")
    text = "also what more room and rate would save: by the bound's prices, and solved again with 1 %% and 10 %% more"
    parser.add_argument("--prices", action="store_true", help=text)
    add_certificate(parser)
    add_schedule(parser)
    text = "whose schedule to write, with --schedule (default: lp-rounded; with --gap the best one is written)"
    parser.add_argument("--scheduler", metavar="NAME[:key=value,...]", help=text)
    text = "begin with a certificate of this instance, of prices or of a schedule (with --gap; once for each)"
    parser.add_argument("--resume", metavar="FILE", action="append", default=[], help=text)
    text = "begin with the prices of another instance's certificate too, as many tiers and resources (with --gap)"
    parser.add_argument("--warm-start", metavar="FILE", help=text)
    add_time_limit(parser, "stop by then with what is proven (default: none; with auto counted work, about a minute's)")
    add_memory_limit(parser)
    add_scale_layers(parser)
    add_jobs(parser, default=None, text="processes to use (default: 1; in runs as many as there are processors)")
    text = "where prices are proven: in this machine's processes (local, default) or on a Dask cluster (with --gap)"
    parser.add_argument("--backend", choices=BACKENDS, default="local", help=text)
    text = "of the cluster's scheduler, such as tcp://10.0.0.1:8786 (with --backend dask)"
    parser.add_argument("--dask-address", metavar="ADDRESS", help=text)
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: Namespace, console: Console) -> int:
    from placement_opt.base.errors import LimitError
    from placement_opt.base.limits import Limits
    from placement_opt.base.room import NoRoom
    from placement_opt.base.watch import LeftBehind, in_time
    from placement_opt.instance.load import load_instance
    from placement_opt.schedulers import make_scheduler

    _check(args)
    backend = _backend(args)
    files = check_files(args)
    if args.scheduler:
        make_scheduler(args.scheduler)  # a wrong name is told before anything is loaded
    limits = Limits(args.time_limit, args.memory_limit)
    try:
        instance = in_time(
            f"{args.instance}: reading it",
            lambda: load_instance(args.instance, layers=args.scale_layers, limits=limits),
            limits,
        )
    except LeftBehind:
        raise
    except LimitError as short:
        if args.method != "auto":
            raise
        rows_only = {"--prices": args.prices, "--scheduler": args.scheduler}
        rows_only |= {"--resume": args.resume, "--warm-start": args.warm_start, "--backend": args.backend != "local"}
        if given := [option for option, value in rows_only.items() if value]:
            raise LimitError(f"{short}; {given[0]} needs the reads as rows") from None
        if isinstance(short, NoRoom) and not _in_runs(args):
            raise
        return large.run(args, console, limits)
    with console.interruptible(limits):
        if args.gap is None:
            return _one_side(args, console, instance, files, limits)
        return _both_sides(args, console, instance, files, limits, backend)


def _check(args: Namespace) -> None:
    """Refuse options that do not go together."""
    from placement_opt.base.errors import InputError

    if args.integer and args.method != "step":
        raise InputError(f"found it with --method {args.method}", "expected --method step", field="--integer")
    if args.scheduler and args.schedule is None:
        raise InputError("found it without --schedule", "expected --schedule FILE", field="--scheduler")
    if args.gap is None:
        needed = {"--resume": args.resume, "--warm-start": args.warm_start, "--jobs": args.jobs is not None}
        for option, given in (needed | {"--backend": args.backend != "local", "--dask-address": args.dask_address}).items():
            if given:
                raise InputError("found it without --gap", "expected --gap SHARE", field=option)
        return
    if args.method != "auto":
        raise InputError(f"found it with --method {args.method}", "expected auto, which climbs them all", field="--gap")
    for option, given in (("--prices", args.prices), ("--scheduler", args.scheduler)):
        if given:
            raise InputError("found it with --gap", "expected one of the two", field=option)


def _in_runs(args: Namespace) -> bool:
    """Whether the question can be answered in runs."""
    from placement_opt.base.errors import InputError
    from placement_opt.instance.load import load_layered

    try:
        load_layered(args.instance, layers=args.scale_layers)
    except InputError:
        return False
    return True


def _one_side(args: Namespace, console: Console, instance: Instance, files: dict[str, str], limits: Limits) -> int:
    """The bound by one method, what it is worth, and certificates."""
    from placement_opt.answer.checkpoint import expected_s
    from placement_opt.answer.prove import prove_known
    from placement_opt.bounds.result import Status
    from placement_opt.report.bound import bound_document, bound_text
    from placement_opt.report.machine import to_json
    from placement_opt.report.verification import with_verified
    from placement_opt.report.worth import worth_document, worth_text
    from placement_opt.schedulers import make_scheduler
    from placement_opt.study.worth import worth

    scheduler = make_scheduler(args.scheduler or "lp-rounded") if "schedule" in files else None
    method = "step-integer" if args.integer else args.method
    closing = min(expected_s(instance, files), limits.remaining / 2)
    proof = prove_known(instance, method, limits=limits.within(limits.remaining - closing), report=console.progress)
    found = worth(instance, proof.bound, best_s=proof.best_s, limits=limits, report=console.progress) if args.prices else None
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
    return 130 if limits.interrupted else int(proof.bound.status is Status.INFEASIBLE)


def _both_sides(
    args: Namespace, console: Console, instance: Instance, files: dict[str, str], limits: Limits, backend: Backend
) -> int:
    """Bound and schedule, improved until they are as close as asked for."""
    from placement_opt.answer.answer import Outcome, answer
    from placement_opt.answer.checkpoint import Checkpoints
    from placement_opt.answer.resume import warm_prices
    from placement_opt.answer.standing import State
    from placement_opt.base.watch import in_time
    from placement_opt.certify.verify import verify_files
    from placement_opt.report.answer import ProgressTable, answer_document, answer_text
    from placement_opt.report.machine import to_json
    from placement_opt.report.verification import with_verified

    resumed = warm = None
    if args.resume:
        names = ", ".join(args.resume)
        resumed = in_time(f"{names}: proving it again", lambda: verify_files(instance, args.resume, limits), limits)
    if args.warm_start:
        warm = in_time(f"{args.warm_start}: reading it", lambda: warm_prices(args.warm_start, instance, limits), limits)
    checkpoints, table = Checkpoints(instance, files, resumed, limits), ProgressTable()

    def look(state: State) -> None:
        for line in table.lines(state):
            console.line(line)
        checkpoints.keep(state)

    climb = partial(answer, instance, resume=resumed, warm=warm, backend=backend)
    found = climb(gap=args.gap, limits=limits, look=look, closing_s=checkpoints.closing_s)
    certified: Verified | None = None
    try:
        certified = checkpoints.finish(found.state)
    finally:  # whatever became of the files, both sides are proven
        if certified is not None:
            found = _as_certified(found, certified)
        document, text = answer_document(found), answer_text(found)
        if certified is not None:
            document, text = with_verified(document, text, certified, files)
        console.print(to_json(document) if args.json else text)
    for line in checkpoints.late:
        console.warn(line)
    return 130 if limits.interrupted else int(found.outcome is Outcome.NO_SCHEDULE)


def _as_certified(found: Answer, certified: Verified) -> Answer:
    """The answer, not called within the gap where its certificate of prices does not prove that."""
    from placement_opt.answer.answer import Outcome

    lower, latency = certified.lower_s, found.latency_s
    if found.outcome is not Outcome.WITHIN or lower is None or latency is None:
        return found
    if certified.short_of(found.bound.lower_bound_s) is None or latency <= lower * (1.0 + found.wanted):
        return found
    return replace(found, outcome=Outcome.UNCERTIFIED)


def _backend(args: Namespace) -> Backend:
    """Where prices are proven; InputError, with the option's name, where the options do not fit together."""
    from placement_opt.base.errors import InputError
    from placement_opt.bounds.dual.shares import Backend

    try:
        return Backend(args.backend, args.jobs or 1, args.dask_address)
    except InputError as error:
        raise InputError(error.found, error.expected, field=f"--{error.field}") from None
