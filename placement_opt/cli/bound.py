"""``placement-opt bound``."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from placement_opt.cli.backend import add_backend, backend_of
from placement_opt.cli.certificates import add_certificate, add_schedule, check_files, moves_beside, write_certificates
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
from placement_opt.cli.question import ask, by_layer_only, read, rows_only

#: As in :mod:`placement_opt.bounds.dual.shares`, which would load numpy.

if TYPE_CHECKING:
    from placement_opt.answer.answer import Answer
    from placement_opt.answer.prove import Proof
    from placement_opt.base.backend import Backend
    from placement_opt.base.limits import Limits
    from placement_opt.bounds.result import Prices
    from placement_opt.certify.claims import AnyVerified
    from placement_opt.instance.stacked import AnyQuestion, Large


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
    text = "keep layers that are done in this folder, and go on from those it has (where a question comes layer by layer)"
    parser.add_argument("--keep", metavar="FOLDER", help=text)
    add_time_limit(parser, "stop by then with what is proven (default: none; with auto counted work, about a minute's)")
    add_memory_limit(parser)
    add_scale_layers(parser)
    add_jobs(parser)
    add_backend(parser, "prices are proven and layers worked on", " (with --gap)", accelerator=True)
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: Namespace, console: Console) -> int:
    from placement_opt.base.limits import Limits
    from placement_opt.instance.instance import Instance
    from placement_opt.schedulers import make_scheduler

    _check(args)
    if args.scheduler:
        make_scheduler(args.scheduler)  # a wrong name is told before anything is read
    backend, outline = backend_of(args), read(args)
    files = check_files(args, outline)
    limits = Limits(args.time_limit, args.memory_limit)
    question = ask(args, outline, limits)
    if args.keep:
        by_layer_only(question, "--keep")
    if not isinstance(question, Instance):
        _check_in_runs(args, question, files)
    with console.interruptible(limits):
        if args.method == "roofline" or (args.gap is None and isinstance(question, Instance)):
            return _one_side(args, console, question, files, limits)
        return _both_sides(args, console, question, files, limits, backend)


def _check_in_runs(args: Namespace, question: Large, files: Mapping[str, str]) -> None:
    """Refuse what needs the reads as rows."""
    if args.method not in ("auto", "roofline"):
        rows_only(question)
    needing = {"--scheduler": args.scheduler}
    needing["a file of the roofline"] = args.method == "roofline" and bool(files)
    for option, given in needing.items():
        if given:
            rows_only(question, f"{option} (simulate --schedule writes its moves)" if option == "--scheduler" else option)


def _check(args: Namespace) -> None:
    """Refuse options that do not go together."""
    from placement_opt.base.errors import InputError

    if args.integer and args.method != "step":
        raise InputError(f"found it with --method {args.method}", "expected --method step", field="--integer")
    if args.keep and args.method != "auto":
        raise InputError(f"found it with --method {args.method}", "expected auto", field="--keep")
    if args.scheduler and args.schedule is None:
        raise InputError("found it without --schedule", "expected --schedule FILE", field="--scheduler")
    if args.gap is None:
        needed = {"--resume": args.resume, "--warm-start": args.warm_start, "--jobs": args.jobs != 1}
        for option, given in (needed | {"--backend": args.backend != "local", "--dask-address": args.dask_address}).items():
            if given:
                raise InputError("found it without --gap", "expected --gap SHARE", field=option)
        return
    if args.method != "auto":
        raise InputError(f"found it with --method {args.method}", "expected auto, which climbs them all", field="--gap")
    for option, given in (("--prices", args.prices), ("--scheduler", args.scheduler)):
        if given:
            raise InputError("found it with --gap", "expected one of the two", field=option)


def _one_side(args: Namespace, console: Console, question: AnyQuestion, files: dict[str, str], limits: Limits) -> int:
    """The bound by one method, what it is worth, and certificates; in runs the roofline alone."""
    from placement_opt.answer.checkpoint import expected_s
    from placement_opt.answer.prove import prove_known
    from placement_opt.bounds.result import Status
    from placement_opt.report.bound import bound_document, bound_text
    from placement_opt.report.machine import to_json
    from placement_opt.report.verification import with_verified
    from placement_opt.schedulers import make_scheduler

    scheduler = make_scheduler(args.scheduler or "lp-rounded") if "schedule" in files else None
    method = "step-integer" if args.integer else args.method
    closing = min(expected_s(question, files), limits.remaining / 2)
    proof = prove_known(question, method, limits=limits.within(limits.remaining - closing), report=console.progress)
    document, text = bound_document(proof), bound_text(proof)
    if args.prices and proof.bound.status is not Status.INFEASIBLE:
        document, text = _with_worth(document, text, question, proof, console, limits)
    certified = None
    try:
        for done in write_certificates(rows_only(question), proof.bound, files, scheduler, limits) if files else ():
            certified = done
    finally:  # whatever became of the certificates, the bound is proven
        if certified is not None:
            document, text = with_verified(document, text, certified, files)
        console.print(to_json(document) if args.json else text)
    return 130 if limits.interrupted else int(proof.bound.status is Status.INFEASIBLE)


def _with_worth(
    document: dict[str, Any], text: str, question: AnyQuestion, proof: Proof, console: Console, limits: Limits
) -> tuple[dict[str, Any], str]:
    """The report of a bound, and what more room and rate is worth by its prices."""
    from placement_opt.report.worth import worth_document, worth_text
    from placement_opt.study.worth import worth

    found = worth(question, proof.bound, best_s=proof.best_s, limits=limits, report=console.progress)
    return document | {"worth": worth_document(found)}, f"{text}\n{worth_text(found)}"


def _both_sides(
    args: Namespace, console: Console, question: AnyQuestion, files: dict[str, str], limits: Limits, backend: Backend
) -> int:
    """Bound and schedule, improved until they are as close as asked for; in runs, where one rung gives both, always."""
    from placement_opt.answer.answer import Outcome, answer
    from placement_opt.answer.checkpoint import Checkpoints
    from placement_opt.answer.prove import proof_of_answer
    from placement_opt.answer.standing import State
    from placement_opt.layered.kept import kept_layers
    from placement_opt.report.answer import ProgressTable, answer_document, answer_text
    from placement_opt.report.bound import bound_document, bound_text
    from placement_opt.report.machine import to_json
    from placement_opt.report.verification import with_verified

    resumed, warm = _begun(args, question, limits, backend)
    checkpoints, table = Checkpoints(question, files, resumed, limits), ProgressTable()

    def look(state: State) -> None:
        for line in table.lines(state):
            (console.progress if args.gap is None else console.line)(line)
        checkpoints.keep(state)

    with kept_layers(args.keep, question.hash, args.gap or 0.0) as kept, moves_beside(question, files, args.keep) as folder:
        climb = partial(answer, question, resume=resumed, warm=warm, backend=backend, folder=folder, kept=kept)
        found = climb(gap=args.gap or 0.0, limits=limits, look=look, closing_s=checkpoints.closing_s)
        certified: AnyVerified | None = None
        try:
            certified = checkpoints.finish(found.state)
        finally:  # whatever became of the files, both sides are proven
            if certified is not None:
                found = _as_certified(found, certified)
            if args.gap is None:
                proof = proof_of_answer(found)
                document, text = bound_document(proof), bound_text(proof)
                if args.prices:
                    document, text = _with_worth(document, text, question, proof, console, limits)
            else:
                document, text = answer_document(found), answer_text(found)
            if certified is not None:
                document, text = with_verified(document, text, certified, files)
            console.print(to_json(document) if args.json else text)
    for line in checkpoints.late:
        console.warn(line)
    return 130 if limits.interrupted else int(found.outcome is Outcome.NO_SCHEDULE)


def _begun(
    args: Namespace, question: AnyQuestion, limits: Limits, backend: Backend
) -> tuple[AnyVerified | None, Prices | None]:
    """What ``--resume`` and ``--warm-start`` name: certificates proved again, prices of another instance."""
    from placement_opt.answer.resume import warm_prices
    from placement_opt.base.watch import in_time
    from placement_opt.certify.claims import verify_any

    resumed = warm = None
    if args.resume:
        names = ", ".join(args.resume)
        resumed = in_time(
            f"{names}: proving it again", lambda: verify_any(question, args.resume, limits, backend=backend), limits
        )
    if args.warm_start:
        warm = in_time(f"{args.warm_start}: reading it", lambda: warm_prices(args.warm_start, question, limits), limits)
    return resumed, warm


def _as_certified(found: Answer, certified: AnyVerified) -> Answer:
    """The answer, not called within the gap where its certificate of prices does not prove that."""
    from placement_opt.answer.answer import Outcome

    lower, latency = certified.lower_s, found.latency_s
    if found.outcome is not Outcome.WITHIN or lower is None or latency is None:
        return found
    if certified.short_of(found.bound.lower_bound_s) is None or latency <= lower * (1.0 + found.wanted):
        return found
    return replace(found, outcome=Outcome.UNCERTIFIED)
