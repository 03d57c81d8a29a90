"""``placement-opt trace``: traces imported, made, changed, described, written."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from functools import partial
from typing import Any

from placement_opt.cli import runs
from placement_opt.cli.console import Console
from placement_opt.cli.parser import (
    LazyParser,
    add_commands,
    add_memory_limit,
    add_output,
    add_parameters,
    decimal,
    natural,
    typed,
)


def fill(parser: LazyParser) -> None:
    group: dict[str, tuple[str | Callable[[LazyParser], None], str]] = {
        "import": (fill_import, "make a trace from a file of another format"),
        "export": ("placement_opt.cli.trace_export", "write a trace in a format of others"),
        "derive": ("placement_opt.cli.trace_derive", "make the steps of a server from a log of requests"),
        "synth": (fill_synth, "generate a trace"),
        "transform": (
            "placement_opt.cli.trace_transform",
            "make a trace from a trace: pages, clusters, samples, slices, layers",
        ),
        "capture": ("placement_opt.cli.trace_capture", "run a language model, write what its attention reads"),
        "select": ("placement_opt.cli.trace_select", "choose again from captured selections with weights"),
        "runs": (runs.fill, "write a layered trace as a file of runs, which need not fit in memory"),
        "info": ("placement_opt.cli.trace_info", "describe a trace: sizes, working set, reuse, overlap, what caches could hit"),
        "fit": ("placement_opt.cli.trace_fit", "estimate a generator's parameters from a trace, and say how alike both are"),
        "map": (fill_map, "how the KV of a trace of decode lies on pages: pages read and written for a token, wear"),
        "record": ("placement_opt.cli.trace_record", "record the KV events that a serving engine publishes"),
        "models": (fill_models, "the language models that [llm] may name: layers, KV and weights"),
    }
    add_commands(parser, group, "action")


def fill_import(parser: LazyParser) -> None:
    from placement_opt.workload.formats import READERS
    from placement_opt.workload.formats.kv_batches import GAPS
    from placement_opt.workload.formats.kv_groups import parse_layers

    parser.add_argument("file", metavar="FILE", help="what to read, packed (gzip, zstd) or not; - for standard input")
    parser.add_argument("--format", choices=list(READERS), help="its format; without it, what its first line looks like")
    text = "tokens of a block, where the log does not say (mooncake: 512)"
    parser.add_argument("--block-tokens", metavar="N", type=typed(partial(natural, 1, 2**31 - 1)), help=text)
    text = "of a log's times, where it is not the format's own (mooncake: ms, bailian: s)"
    parser.add_argument("--time-unit", choices=["s", "ms"], help=text)
    text = "only the first N steps (rows, requests in order of time)"
    parser.add_argument("--limit", metavar="N", type=typed(partial(natural, 1, 2**31 - 1)), help=text)
    text = "when blocks are freed: forever (never, the default; instances of the rule cache may forget them), "
    text += "last-use (after their last read), ttl (unused for --ttl)"
    parser.add_argument("--keep", choices=["forever", "last-use", "ttl"], default="forever", help=text)
    text = 'with --keep ttl: "600s" of the trace\'s own time, or "100 steps" (requests); what is wanted later is produced again'
    parser.add_argument("--ttl", metavar="TIME|STEPS", help=text)
    text = "kv-events: where messages are missing, refuse (the default), or go on and say how many"
    parser.add_argument("--gaps", choices=GAPS, help=text)
    text = "kv-events: layers of each group of blocks to be taken, such as 0=8,1=24"
    parser.add_argument("--group-layers", metavar="N=N,...", type=typed(parse_layers), help=text)
    _add_target(parser)
    add_memory_limit(parser)
    parser.set_defaults(run=run_import)


def run_import(args: Namespace, console: Console) -> int:
    from placement_opt.base.atomic import check_outputs
    from placement_opt.base.errors import InputError
    from placement_opt.base.limits import Limits
    from placement_opt.instance.gate import check_text
    from placement_opt.workload.formats.detect import read_any
    from placement_opt.workload.transforms.keep import Keep

    check_outputs({"-o": args.output}, [args.file])
    if args.limit is None:
        check_text(args.file, Limits(memory=args.memory_limit))
    try:
        trace = read_any(
            args.file,
            args.format,
            limit=args.limit,
            keep=Keep.of(args.keep, args.ttl),
            block_tokens=args.block_tokens,
            time_unit=args.time_unit,
            gaps=args.gaps,
            group_layers=args.group_layers,
        )
    except InputError as error:
        if error.path is not None or error.field is None:
            raise
        raise InputError(error.found, error.expected, field="--" + error.field.replace("_", "-")) from None
    return _save(trace, args, console)


def fill_synth(parser: LazyParser) -> None:
    from placement_opt.workload.synth import ABOUT

    group = {name: (partial(fill_generator, name), about) for name, about in ABOUT.items()}
    add_commands(parser, group, "generator")


def fill_generator(name: str, parser: LazyParser) -> None:
    from placement_opt.workload.synth import GENERATORS

    add_parameters(parser, GENERATORS[name][0])
    parser.add_argument("--seed", metavar="N", type=typed(partial(natural, 0, 2**63 - 1)), default=0, help="default: 0")
    _add_target(parser)
    add_memory_limit(parser)
    parser.set_defaults(run=run_synth, generator=name)


def run_synth(args: Namespace, console: Console) -> int:
    import dataclasses

    from placement_opt.base.atomic import check_outputs
    from placement_opt.base.errors import InputError
    from placement_opt.base.limits import Limits
    from placement_opt.instance.gate import check_drawn
    from placement_opt.instance.trace_source import Generated
    from placement_opt.workload.synth import GENERATORS

    check_outputs({"-o": args.output})
    names = [field.name for field in dataclasses.fields(GENERATORS[args.generator][0])]
    try:
        source = Generated(None, args.generator, {name: getattr(args, name) for name in names}, args.seed)
        check_drawn(source, Limits(memory=args.memory_limit))
        trace = source.make()
    except InputError as error:
        field = "--" + error.field.replace("_", "-") if error.field else None
        raise InputError(error.found, error.expected, field=field) from None
    return _save(trace, args, console)


def fill_map(parser: LazyParser) -> None:
    from placement_opt.base.toml import as_size

    parser.add_argument("file", metavar="TRACE", help="a trace file (NPZ) that trace synth decode made")
    parser.add_argument("--rate", metavar="X", type=typed(decimal), help="tokens a second of each sequence: what a year writes")
    text = 'flash that the writes of --rate spread over, such as "64 GB": P/E cycles a year'
    parser.add_argument("--capacity", metavar="SIZE", type=typed(as_size), help=text)
    text = "P/E cycles that the flash of --capacity can take: its lifetime"
    parser.add_argument("--cycles", metavar="N", type=typed(partial(natural, 1, 10**9)), help=text)
    text = "pages of an erase block: how often they are read while it keeps the KV of --kept"
    parser.add_argument("--block-pages", metavar="N", type=typed(partial(natural, 1, 10**6)), help=text)
    text = "tokens decoded from when a block is written until it is erased"
    parser.add_argument("--kept", metavar="N", type=typed(partial(natural, 1, 10**9)), help=text)
    text = "query heads that share a KV head read it one by one, not together"
    parser.add_argument("--alone", action="store_true", help=text)
    add_memory_limit(parser)
    add_output(parser, progress=False)
    parser.set_defaults(run=run_map)


def run_map(args: Namespace, console: Console) -> int:
    from fractions import Fraction

    from placement_opt.base.errors import InputError
    from placement_opt.base.limits import Limits
    from placement_opt.instance.gate import check_stored
    from placement_opt.report.machine import to_json
    from placement_opt.report.mapping import mapping_info, mapping_text
    from placement_opt.workload.files.npz import load_trace

    asked = {"capacity": "rate", "cycles": "capacity", "block_pages": "kept", "kept": "block_pages"}
    asked |= {"alone": "kept"}
    for option, other in asked.items():
        if getattr(args, option) and getattr(args, other) is None:
            name, needed = (f"--{each.replace('_', '-')}" for each in (option, other))
            raise InputError(f"found {name} without {needed}", "expected both", field=name)
    for option in ("rate", "capacity"):
        if getattr(args, option) is not None and not getattr(args, option) > 0:
            raise InputError(f"found {getattr(args, option)}", "expected more than nothing", field=f"--{option}")
    check_stored(args.file, Limits(memory=args.memory_limit))
    trace = load_trace(args.file)
    rate = None if args.rate is None else Fraction(repr(args.rate))
    options = {name: getattr(args, name) for name in ("capacity", "cycles", "block_pages", "kept", "alone")}
    try:
        info = mapping_info(trace, rate=rate, **options)
    except InputError as error:
        raise error.at(path=args.file) from None
    if args.block_pages is not None and info["page_reads_per_block"] is None:
        raise InputError("found --block-pages for KV without pages", "expected a trace with page", field="--block-pages")
    console.print(to_json(info) if args.json else mapping_text(info))
    return 0


def _add_target(parser: LazyParser) -> None:
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the trace file to write (NPZ)")


def _save(trace: Any, args: Namespace, console: Console) -> int:
    from placement_opt.report.trace import saved
    from placement_opt.workload.files.npz import save_trace

    save_trace(trace, args.output)
    console.print(saved(trace, args.output))
    return 0


def fill_models(parser: LazyParser) -> None:
    from placement_opt.workload.llm import PRECISIONS

    text = "bits of weights and KV (default: fp16, two bytes a number)"
    parser.add_argument("--precision", choices=list(PRECISIONS), default="fp16", help=text)
    add_output(parser, progress=False)
    parser.set_defaults(run=run_models)


def run_models(args: Namespace, console: Console) -> int:
    from placement_opt.report.llm import models_info, models_text
    from placement_opt.report.machine import to_json

    document = to_json({"models": models_info(args.precision)}) if args.json else models_text(args.precision)
    console.print(document)
    return 0
