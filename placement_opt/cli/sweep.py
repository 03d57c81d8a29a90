"""``placement-opt sweep``."""

from __future__ import annotations

from argparse import Namespace

from placement_opt.cli.backend import add_backend, backend_of
from placement_opt.cli.console import Console
from placement_opt.cli.parser import (
    LazyParser,
    add_instance,
    add_jobs,
    add_memory_limit,
    add_method,
    add_output,
    add_scale_layers,
    add_time_limit,
)


def fill(parser: LazyParser) -> None:
    parser.description = (
        "The bound, and schedulers where asked for, of one instance at many points. KEY is any key of the instance file\n"
        "(trace.drift, rules.residency, llm.kv_bytes, memory.hbm.capacity); TIER.capacity, TIER.rate, LINK.rate and the like\n"
        "need no memory. before them. Values are written as in the file, or bare: --set hbm.capacity=18GiB,20GiB,25GiB;\n"
        "hbm.capacity=18GiB..25GiB:8 is eight values evenly spaced, hbm.capacity=10%..50%:5 shares of the most KV alive at\n"
        "once, hbm.capacity=auto (or auto:5) nine (five) such shares, from what the largest step reads to everything"
    )
    add_instance(parser)
    text = "what varies; several of them give all combinations, the last one fastest"
    parser.add_argument("--set", metavar="KEY=V,V,...", dest="keys", action="append", required=True, help=text)
    text = "comma separated, options after a colon: static,lru:scope=global; or all (default: none)"
    parser.add_argument("--schedulers", metavar="LIST", help=text)
    add_method(parser)
    add_time_limit(parser, "for each bound (default: none; with auto counted work, about a minute's)")
    add_memory_limit(parser)
    add_scale_layers(parser)
    add_jobs(parser)
    add_backend(parser, "bounds and schedulers are worked on")
    parser.add_argument("--csv", metavar="FILE", help="also write the points as CSV")
    parser.add_argument("--plot", metavar="FILE", help="also draw the curves, as .png or .svg (needs matplotlib)")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: Namespace, console: Console) -> int:
    from placement_opt.base.atomic import check_outputs, write_bytes_atomic, write_text_atomic
    from placement_opt.base.limits import Limits
    from placement_opt.instance.outline import input_files
    from placement_opt.report.curve import check_picture, draw
    from placement_opt.report.machine import to_json
    from placement_opt.report.sweep import sweep_csv, sweep_document, sweep_text
    from placement_opt.study.auto_capacity import spelt_out
    from placement_opt.study.compare import chosen_schedulers
    from placement_opt.study.keys import parse_keys, parse_value
    from placement_opt.study.sweep import sweep

    backend, limits = backend_of(args), Limits(memory=args.memory_limit)
    spelt = spelt_out(args.keys, args.instance, limits)
    keys = parse_keys(spelt)
    schedulers = chosen_schedulers(args.schedulers) if args.schedulers is not None else ()
    if args.plot is not None:
        check_picture(args.plot, keys)
    varied = {key.path: [parse_value(text) for text in key.values] for key in keys}
    check_outputs({"--csv": args.csv, "--plot": args.plot}, input_files(args.instance, varied))
    with console.interruptible(limits):
        found = sweep(
            str(args.instance),
            spelt,
            schedulers,
            method=args.method,
            bound_seconds=args.time_limit,
            layers=args.scale_layers,
            jobs=args.jobs,
            backend=backend,
            limits=limits,
            report=console.progress,
        )
    console.print(to_json(sweep_document(found)) if args.json else sweep_text(found))
    if args.csv:
        write_text_atomic(args.csv, sweep_csv(found))
    if args.plot and found.points:
        write_bytes_atomic(args.plot, draw(found, args.plot))
    return found.comparison.exit_code(everything=args.schedulers == "all")
