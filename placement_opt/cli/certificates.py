"""The options that write certificates, for the commands that have something to certify."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from placement_opt.base.limits import Limits
    from placement_opt.bounds.result import Bound
    from placement_opt.certify.files import PriceCertificate, ScheduleCertificate
    from placement_opt.certify.verify import Verified
    from placement_opt.instance.instance import Instance
    from placement_opt.instance.outline import Outline
    from placement_opt.instance.stacked import AnyQuestion
    from placement_opt.play.protocol import Scheduler
    from placement_opt.play.run import Run

_T = TypeVar("_T")


def add_certificate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--certificate", metavar="FILE", help="write the bound's prices as a certificate (see verify)")


def add_schedule(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--schedule", metavar="FILE", help="write the moves of the schedule as a certificate (see verify)")


def check_files(args: Namespace, outline: Outline) -> dict[str, str]:
    """Kind -> file for each certificate asked for; InputError where an output cannot be written, before any work is done."""
    from placement_opt.base.atomic import check_outputs

    files = {"prices": getattr(args, "certificate", None), "schedule": args.schedule}
    options = {"--certificate": files["prices"], "--schedule": files["schedule"]}
    options |= {f"--{name.replace('_', '-')}": getattr(args, name, None) for name in ("per_step", "perfetto", "plot")}
    check_outputs(options, outline.files)
    return {kind: str(path) for kind, path in files.items() if path is not None}


@contextmanager
def moves_beside(question: AnyQuestion, files: Mapping[str, str], keep: str | None = None) -> Iterator[Path | None]:
    """Where moves of layers wait to be written as one file: beside it, for they may be large, or where they are kept."""
    from placement_opt.base.atomic import scratch_folder
    from placement_opt.instance.instance import Instance

    if isinstance(question, Instance) or "schedule" not in files:
        yield None
        return
    if keep:
        yield Path(keep).absolute()
        return
    with scratch_folder(Path(files["schedule"]).absolute().parent) as folder:
        yield folder


def write_certificates(
    instance: Instance, bound: Bound, files: Mapping[str, str], scheduler: Scheduler | None, limits: Limits
) -> Iterator[Verified]:
    """Write the certificates asked for, the bound's first; after each of them what is certified by then.

    LimitError where the bound has no prices; errors of the scheduler as they are.
    """
    from placement_opt.answer.checkpoint import expected_s
    from placement_opt.answer.prove_integer import certify_prices
    from placement_opt.base.atomic import write_bytes_atomic
    from placement_opt.base.errors import LimitError
    from placement_opt.base.watch import in_time
    from placement_opt.bounds.result import Status
    from placement_opt.certify.files import pack_prices
    from placement_opt.certify.verify import Verified
    from placement_opt.play.simulate import simulate

    found = Verified(instance)
    if "prices" in files:
        if bound.prices is None:
            raise LimitError(f"{files['prices']}: not written, {bound.method} left no prices to certify")
        proven, none = bound.prices, bound.status is Status.INFEASIBLE

        def certify() -> tuple[PriceCertificate, bytes]:
            made = certify_prices(instance, proven, no_schedule=none)
            return made, pack_prices(made)

        prices, data = _certified(files["prices"], certify, expected_s(instance, {"prices": ""}), limits)
        write_bytes_atomic(files["prices"], data)
        yield (found := replace(found, prices=prices, lower=None if none else prices.claim, no_schedule=none))
    if scheduler is not None:
        run = in_time(scheduler.name, lambda: simulate(instance, scheduler, record=True, limits=limits), limits)
        made = write_schedule(run, files["schedule"], limits)
        yield replace(found, schedule=made.schedule, upper=made.upper)


def write_schedule(run: Run, path: str, limits: Limits) -> Verified:
    """Write the moves of a recorded run as a certificate; LimitError where its proof does not come in time."""
    from placement_opt.answer.checkpoint import expected_s
    from placement_opt.answer.prove_integer import certify_schedule
    from placement_opt.base.atomic import write_bytes_atomic
    from placement_opt.certify.files import pack_schedule
    from placement_opt.certify.verify import Verified
    from placement_opt.instance.instance import Instance

    instance = run.instance
    assert isinstance(instance, Instance)

    def certify() -> tuple[ScheduleCertificate, bytes]:
        assert run.schedule is not None
        made = certify_schedule(instance, run.schedule)
        return made, pack_schedule(made)

    schedule, data = _certified(path, certify, expected_s(instance, {"schedule": ""}), limits)
    write_bytes_atomic(path, data)
    return Verified(instance, schedule=schedule, upper=schedule.claim)


def _certified(path: str, certify: Callable[[], _T], seconds: float, limits: Limits) -> _T:
    """What ``certify`` makes, if that comes a little after the limits at the latest; it writes nothing itself.

    ``seconds``: what it should take.
    """
    from placement_opt.answer.checkpoint import GRACE, hopeless, too_late
    from placement_opt.base.watch import LeftBehind, run_watched

    if hopeless(seconds, limits):
        raise too_late(path)
    try:
        return run_watched(certify, limits, grace=GRACE)
    except LeftBehind:
        raise too_late(path) from None
