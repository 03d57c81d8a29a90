"""``placement-opt trace fit``."""

from __future__ import annotations

from argparse import Namespace
from functools import partial

from placement_opt.cli.console import Console
from placement_opt.cli.parser import LazyParser, add_memory_limit, add_output, add_time_limit, natural, typed


def fill(parser: LazyParser) -> None:
    from placement_opt.workload.fit import FITS

    parser.description = (
        "Estimate a generator's parameters from a trace, and say how alike the trace and what they draw are. The parameters\n"
        "are a table [trace] for instance files, without ids, texts or times: what can be shared of a trace that cannot\n"
        "(docs/share.md)."
    )
    text = "a trace file (NPZ or runs), an instance file, or a log of a format that is recognised"
    parser.add_argument("file", metavar="TRACE|LOG|INSTANCE", help=text)
    text = "which; without it, the one whose draw is most alike"
    parser.add_argument("--generator", choices=list(FITS), help=text)
    parser.add_argument("--seed", metavar="N", type=typed(partial(natural, 0, 2**63 - 1)), default=0, help="default: 0")
    parser.add_argument("-o", "--output", metavar="FILE", help="the table [trace] to write (TOML)")
    text = "also the bound and lru under this instance file, its [trace] replaced by each of the two"
    parser.add_argument("--instance", metavar="INSTANCE", help=text)
    add_time_limit(parser, "for each bound of --instance (default: none, counted work of about a minute)")
    add_memory_limit(parser)
    add_output(parser, progress=False)
    parser.set_defaults(run=run)


def run(args: Namespace, console: Console) -> int:
    from placement_opt.base.atomic import check_outputs, write_text_atomic
    from placement_opt.base.limits import Limits
    from placement_opt.instance.any_trace import sized_trace
    from placement_opt.instance.outline import input_files
    from placement_opt.report.fit import fit_document, fit_text, fit_toml
    from placement_opt.report.machine import to_json
    from placement_opt.study.fit import both_asked, fit_trace

    inputs = input_files(args.file) if args.file.endswith(".toml") else [args.file]
    inputs += input_files(args.instance) if args.instance else []
    if args.output is not None:
        check_outputs({"-o": args.output}, inputs)
    limits = Limits(memory=args.memory_limit)
    with console.interruptible(limits):
        trace, unit = sized_trace(args.file, limits)
        found = fit_trace(trace, args.generator, unit_bytes=unit, seed=args.seed, limits=limits)
        asked = None
        if args.instance is not None:
            asked = both_asked(args.instance, trace, found.best, seconds=args.time_limit, limits=limits)
    console.print(to_json(fit_document(found, asked)) if args.json else fit_text(found, asked))
    if args.output is not None:
        write_text_atomic(args.output, fit_toml(found.best))
    return 0 if asked is None else asked.exit_code(everything=False)
