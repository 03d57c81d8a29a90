"""The options that write certificates, for the commands that have something to certify."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from placement_opt.bounds.result import Bound
    from placement_opt.certify import Verified
    from placement_opt.instance import Instance
    from placement_opt.limits import Limits
    from placement_opt.run import Run
    from placement_opt.schedulers.protocol import Scheduler


def add_certificate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--certificate", metavar="FILE", help="write the bound's prices as a certificate (see verify)")


def add_schedule(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--schedule", metavar="FILE", help="write the moves of the schedule as a certificate (see verify)")


def check_files(args: Namespace) -> dict[str, str]:
    """Kind -> file for each certificate asked for; InputError where an output cannot be written, before any work is done."""
    from placement_opt.files import check_outputs
    from placement_opt.instancefile import input_files

    files = {"prices": getattr(args, "certificate", None), "schedule": args.schedule}
    options = {"--certificate": files["prices"], "--schedule": files["schedule"], "--per-step": getattr(args, "per_step", None)}
    check_outputs(options, input_files(args.instance))
    return {kind: str(path) for kind, path in files.items() if path is not None}


def write_certificates(
    instance: Instance, bound: Bound, files: Mapping[str, str], scheduler: Scheduler | None, limits: Limits
) -> Iterator[Verified]:
    """Write the certificates asked for, the bound's first; after each of them what is certified by then.

    LimitError where the bound has no prices; errors of the scheduler as they are.
    """
    from placement_opt.certificate import save_prices
    from placement_opt.certify import Verified
    from placement_opt.errors import LimitError
    from placement_opt.prove_integer import certify_prices
    from placement_opt.simulate import simulate

    found = Verified(instance)
    if "prices" in files:
        if bound.prices is None:
            raise LimitError(f"{files['prices']}: not written, {bound.method} left no prices to certify")
        prices = certify_prices(instance, bound.prices)
        save_prices(prices, files["prices"])
        yield (found := replace(found, prices=prices, lower=prices.claim))
    if scheduler is not None:
        run = simulate(instance, scheduler, record=True, limits=limits)
        made = write_schedule(run, files["schedule"])
        yield replace(found, schedule=made.schedule, upper=made.upper)


def write_schedule(run: Run, path: str) -> Verified:
    """Write the moves of a recorded run as a certificate."""
    from placement_opt.certificate import save_schedule
    from placement_opt.certify import Verified
    from placement_opt.prove_integer import certify_schedule

    assert run.schedule is not None
    schedule = certify_schedule(run.instance, run.schedule)
    save_schedule(schedule, path)
    return Verified(run.instance, schedule=schedule, upper=schedule.claim)
