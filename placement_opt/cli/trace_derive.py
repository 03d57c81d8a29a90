"""``placement-opt trace derive``."""

from __future__ import annotations

from argparse import Namespace
from functools import partial

from placement_opt.cli.console import Console
from placement_opt.cli.parser import LazyParser, add_memory_limit, add_parameters, natural, typed


def fill(parser: LazyParser) -> None:
    """One option for each of the settings, from what they say of themselves, and those of logs."""
    from placement_opt.workload.derive.params import Serving
    from placement_opt.workload.formats import READERS

    parser.add_argument(
        "file", metavar="LOG|TRACE", help="a log of requests, packed or not, or what trace import made of one (NPZ)"
    )
    parser.add_argument("--format", choices=list(READERS), help="of the log; without it, what its first line looks like")
    text = "tokens of a block, where the log does not say"
    parser.add_argument("--block-tokens", metavar="N", type=typed(partial(natural, 1, 2**31 - 1)), help=text)
    text = "only the first N requests in order of time"
    parser.add_argument("--limit", metavar="N", type=typed(partial(natural, 1, 2**31 - 1)), help=text)
    text = "when pages are freed: forever (never, the default), last-use (after their last read), ttl (unused for --ttl)"
    parser.add_argument("--keep", choices=["forever", "last-use", "ttl"], default="forever", help=text)
    parser.add_argument("--ttl", metavar="TIME|STEPS", help='with --keep ttl: "600s" by --step-time, or "100 steps"')
    parser.add_argument("--no-arrivals", action="store_true", help="all requests are there at the start")
    add_parameters(parser, Serving, but=("arrivals",))
    text = "of the pages that sparse attention selects (default: 0)"
    parser.add_argument("--seed", metavar="N", type=typed(partial(natural, 0, 2**63 - 1)), default=0, help=text)
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the trace file to write (NPZ)")
    add_memory_limit(parser)
    parser.set_defaults(run=run)


def run(args: Namespace, console: Console) -> int:
    import dataclasses

    from placement_opt.base.atomic import check_outputs
    from placement_opt.base.errors import InputError
    from placement_opt.base.limits import Limits
    from placement_opt.instance.gate import check_stored, check_text
    from placement_opt.report.derived import derived_text
    from placement_opt.workload.derive.make import derive
    from placement_opt.workload.derive.params import Serving
    from placement_opt.workload.files.npz import save_trace

    check_outputs({"-o": args.output}, [args.file])
    limits = Limits(memory=args.memory_limit)
    if args.format is None and args.file.endswith(".npz"):
        check_stored(args.file, limits)
    elif args.limit is None:
        check_text(args.file, limits)
    names = [field.name for field in dataclasses.fields(Serving) if field.name != "arrivals"]
    try:
        trace = derive(
            args.file,
            format=args.format,
            limit=args.limit,
            block_tokens=args.block_tokens,
            keep=args.keep,
            ttl=args.ttl,
            seed=args.seed,
            limits=limits,
            arrivals="none" if args.no_arrivals else "log",
            **{name: getattr(args, name) for name in names},
        )
    except InputError as error:
        known = [*names, "format", "limit", "block_tokens", "keep", "ttl", "seed"]
        if error.path is not None or error.field not in known:
            raise error if error.path is not None else error.at(path=args.file) from None
        raise InputError(error.found, error.expected, field="--" + error.field.replace("_", "-")) from None
    save_trace(trace, args.output)
    console.print(derived_text(trace, args.output))
    return 0
