"""``placement-opt explore``."""

from __future__ import annotations

from argparse import Namespace

from placement_opt.cli.backend import add_backend, backend_of
from placement_opt.cli.console import Console
from placement_opt.cli.parser import LazyParser, add_jobs, add_memory_limit, add_output, add_time_limit


def fill(parser: LazyParser) -> None:
    parser.description = (
        "The best of many designs for some workloads, and the front of what can be had of time, cost, energy and lifetime at\n"
        "once. SPEC (docs/explore.md) has a base instance, choices, workloads and what is minimised. Every design has a\n"
        "proven bound; one whose bound is above what another design's schedule reaches is never simulated"
    )
    parser.add_argument("spec", metavar="SPEC", help="what is explored (TOML)")
    parser.add_argument("--resume", metavar="STATE", help="keep what is found in this file, and go on from what it knows")
    add_time_limit(parser, "for all of it (default: none)")
    add_memory_limit(parser)
    add_jobs(parser)
    add_backend(parser, "the work is done")
    parser.add_argument("--csv", metavar="FILE", help="also write all designs as CSV")
    parser.add_argument("--certificates", metavar="DIR", help="also write bound and schedule of the best designs (see verify)")
    parser.add_argument("--plot", metavar="FILE", help="also draw the front, as .png or .svg (needs matplotlib)")
    text = "also draw the bounds and values over two choices, as .png or .svg"
    parser.add_argument("--heat", metavar="FILE", help=text)
    parser.add_argument("--heat-axes", metavar="X,Y", help="the two choices (default: the first two)")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: Namespace, console: Console) -> int:
    from placement_opt.base.atomic import check_outputs, write_bytes_atomic, write_text_atomic
    from placement_opt.base.errors import InputError
    from placement_opt.base.limits import Limits
    from placement_opt.report.explore import explore_csv, explore_document, explore_text
    from placement_opt.report.explore_picture import check_front, check_heat, draw_front, draw_heat
    from placement_opt.report.machine import to_json
    from placement_opt.study.explore.certificates import check_folder, write_proofs
    from placement_opt.study.explore.explore import explore
    from placement_opt.study.explore.read import read_spec

    spec = read_spec(args.spec)
    backend = backend_of(args)
    if args.plot:
        check_front(args.plot, spec)
    axes = check_heat(args.heat, args.heat_axes, spec) if args.heat else None
    if args.heat_axes and not args.heat:
        raise InputError("found it without --heat", "expected --heat FILE", field="--heat-axes")
    check_outputs({"--csv": args.csv, "--plot": args.plot, "--heat": args.heat}, spec.files())
    if args.certificates:
        check_folder(args.certificates)
    limits = Limits(args.time_limit, args.memory_limit)
    with console.interruptible(limits):
        found = explore(spec, backend=backend, state=args.resume, limits=limits, report=console.progress)
        console.print(to_json(explore_document(found)) if args.json else explore_text(found))
        if args.csv:
            write_text_atomic(args.csv, explore_csv(found))
        if args.plot:
            write_bytes_atomic(args.plot, draw_front(found, args.plot))
        if axes is not None:
            write_bytes_atomic(args.heat, draw_heat(found, args.heat, *axes))
        if args.certificates and not found.interrupted:
            for line in write_proofs(found, args.certificates, limits):
                console.line(line)
    return found.exit_code
