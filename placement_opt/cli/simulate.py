"""``placement-opt simulate``."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from placement_opt.cli.backend import add_backend, backend_of
from placement_opt.cli.certificates import add_schedule, check_files, moves_beside, write_schedule
from placement_opt.cli.console import Console
from placement_opt.cli.parser import (
    LazyParser,
    add_instance,
    add_jobs,
    add_memory_limit,
    add_output,
    add_scale_layers,
    add_time_limit,
)
from placement_opt.cli.question import ask, by_layer_only, read

if TYPE_CHECKING:
    from pathlib import Path

    from placement_opt.answer.played import Played
    from placement_opt.base.backend import Backend
    from placement_opt.base.limits import Limits
    from placement_opt.certify.claims import AnyVerified
    from placement_opt.instance.stacked import AnyQuestion
    from placement_opt.play.protocol import Scheduler


def fill(parser: LazyParser) -> None:
    add_instance(parser)
    text = "a name with options, such as lru or lru:scope=global (see placement-opt schedulers), or your own: mine.py:MyPolicy"
    parser.add_argument("--scheduler", metavar="NAME[:key=value,...]", required=True, help=text)
    parser.add_argument("--per-step", metavar="FILE", help="write time and loads of every step as CSV")
    text = "write steps, busy resources, moves and bytes in tiers as a trace that ui.perfetto.dev opens (JSON)"
    parser.add_argument("--perfetto", metavar="FILE", help=text)
    text = "draw what decides each step and what lies in each tier, as .png or .svg (needs matplotlib)"
    parser.add_argument("--plot", metavar="FILE", help=text)
    add_schedule(parser)
    add_time_limit(parser, "give up by then")
    add_memory_limit(parser)
    add_scale_layers(parser)
    add_jobs(parser, "processes to use where a question comes layer by layer (default: 1)")
    add_backend(parser, "layers are played", ", of a question that comes layer by layer")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: Namespace, console: Console) -> int:
    from placement_opt.answer.prove import prove
    from placement_opt.base.atomic import atomic_file, write_bytes_atomic
    from placement_opt.base.limits import Limits
    from placement_opt.base.watch import in_time
    from placement_opt.report.machine import to_json
    from placement_opt.report.perfetto import check_events, perfetto_chunks
    from placement_opt.report.picture import check_installed, check_place
    from placement_opt.report.run_picture import draw
    from placement_opt.report.simulation import per_step_lines, simulation_document, simulation_text
    from placement_opt.report.verification import with_verified
    from placement_opt.schedulers import make_scheduler

    scheduler = make_scheduler(args.scheduler)  # a wrong name is told before anything is read
    if args.plot is not None:
        check_place(args.plot, "--plot")
        check_installed("run", "--plot")
    backend, outline = backend_of(args), read(args)
    files = check_files(args, outline)
    limits = Limits(args.time_limit, args.memory_limit)
    instance = ask(args, outline, limits)
    if backend.away:
        by_layer_only(instance, "--backend")
    if args.perfetto:
        check_events(instance.num_steps)
    console.progress(f"{args.scheduler} on {instance.num_reads:,} reads")
    with console.interruptible(limits), moves_beside(instance, files) as folder:
        done = in_time(args.scheduler, lambda: _played(args, instance, scheduler, folder, limits, backend), limits)
        if args.per_step:
            with atomic_file(args.per_step) as handle:
                handle.writelines(per_step_lines(done.run))
        if args.plot:
            write_bytes_atomic(args.plot, draw(done.run, done.trail(), args.plot))
        proof = prove(instance, "roofline")
        document, text = simulation_document(done.run, proof), simulation_text(done.run, proof)
        try:
            if args.perfetto:
                with atomic_file(args.perfetto) as handle:
                    handle.writelines(perfetto_chunks(done.run, done.trail()))
            if files:
                certified = _written(done, args.schedule, limits)
                document, text = with_verified(document, text, certified, files)
        finally:  # whatever became of the certificate, the schedule was timed
            console.print(to_json(document) if args.json else text)
    return 130 if limits.interrupted else 0


def _played(
    args: Namespace, question: AnyQuestion, scheduler: Scheduler, folder: Path | None, limits: Limits, backend: Backend
) -> Played:
    """The run, in rows or layer by layer, with what the options want of it."""
    from placement_opt.answer.played import KeepMoves, play

    shown = bool(args.perfetto or args.plot)
    keep = KeepMoves(folder, trail=shown) if shown or args.schedule else None
    table = bool(args.per_step or args.perfetto)
    return play(question, scheduler, keep, per_step=table, limits=limits, backend=backend)


def _written(done: Played, path: str, limits: Limits) -> AnyVerified:
    """The moves as a certificate, and what it proves."""
    from placement_opt.answer.played import write_layers
    from placement_opt.instance.instance import Instance

    question = done.run.instance
    if isinstance(question, Instance) or done.layers is None:
        return write_schedule(done.run, path, limits)
    return write_layers(question, done.layers, path)
