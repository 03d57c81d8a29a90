"""``placement-opt trace transform``."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING

from placement_opt.cli.console import Console
from placement_opt.cli.parser import LazyParser, add_memory_limit

if TYPE_CHECKING:
    from placement_opt.workload.trace import Trace
    from placement_opt.workload.transforms.step import Step

#: What stands in -o for each layer.
LAYER = "{layer}"


def fill(parser: LazyParser) -> None:
    parser.description = (
        "Make a trace from a trace, by transforms in the order given: pages, clusters, compressed or merged blocks, slots,\n"
        "samples, slices, layers; concat and merge make one from several. What each did is in the metadata (trace info).\n"
        "docs/transforms.md says which published system each is of, and what a bound of its trace is."
    )
    parser.add_argument("files", metavar="TRACE", nargs="*", help="trace files (NPZ); several for concat and merge")
    text = "a transform and its parameters, such as page:tokens=16; again for the next one"
    parser.add_argument("--apply", metavar="NAME:KEY=VALUE,...", action="append", default=[], help=text)
    text = f"the trace file to write (NPZ); with {LAYER} in its name and split as the last transform, a file for each layer"
    parser.add_argument("-o", "--output", metavar="FILE", help=text)
    parser.add_argument("--list", action="store_true", help="the transforms and their parameters, and nothing else")
    add_memory_limit(parser)
    parser.set_defaults(run=run)


def run(args: Namespace, console: Console) -> int:
    from placement_opt.base.errors import InputError
    from placement_opt.workload.transforms.step import Step

    if args.list:
        console.print("\n".join(_listed()))
        return 0
    for option, given in (("TRACE", args.files), ("--apply", args.apply), ("-o", args.output)):
        if not given:
            raise InputError("found nothing", "expected trace files, --apply and -o (or --list)", field=option)
    try:
        steps = [Step.of(text) for text in args.apply]
    except InputError as error:
        raise InputError(error.found, error.expected, field="--apply" if error.field == "transforms" else error.field) from None
    _write(args, steps, console)
    return 0


def _write(args: Namespace, steps: list[Step], console: Console) -> None:
    from placement_opt.base.atomic import check_outputs
    from placement_opt.base.errors import InputError
    from placement_opt.report.trace import saved
    from placement_opt.workload.files.npz import save_trace
    from placement_opt.workload.transforms import transformed

    each = _of_each_layer(steps, args.output)
    if not each:
        check_outputs({"-o": args.output}, args.files)
    traces = _read(args)
    try:
        made = list(transformed(traces, steps[:-1] if each else steps))
        for step, one in zip(steps, made, strict=False):
            for line in one.told if not (each and step is steps[-1]) else ():
                console.print(f"{step.name}: {line}")
        results = _layers(made[-1].trace, args) if each else [(args.output, made[-1].trace)]
        for path, trace in results:
            save_trace(trace, path)
            console.print(saved(trace, path))
    except InputError as error:
        raise error.at(path=args.files[0] if len(args.files) == 1 else None) from None


def _read(args: Namespace) -> list[Trace]:
    """The traces, once there is room for each."""
    from placement_opt.base.limits import Limits
    from placement_opt.instance.gate import check_stored
    from placement_opt.workload.files.npz import load_trace

    traces = []
    for path in args.files:
        check_stored(path, Limits(memory=args.memory_limit))
        traces.append(load_trace(path))
    return traces


def _of_each_layer(steps: list[Step], output: str) -> bool:
    """Whether a file is to be written for each layer; InputError where the name of the output says otherwise."""
    from placement_opt.base.errors import InputError

    each = steps[-1].name == "split" and steps[-1].params.layer is None
    if each != (LAYER in output):
        found = f"found {'no ' if each else ''}{LAYER} in {output!r}"
        raise InputError(found, "expected it with split, without a layer, as the last transform, and only then", field="-o")
    return each


def _layers(trace: Trace, args: Namespace) -> Iterator[tuple[str, Trace]]:
    """(file, trace) of each layer."""
    from placement_opt.base.atomic import check_outputs
    from placement_opt.workload.transforms import transform
    from placement_opt.workload.transforms.split import layers_of

    layers = layers_of(trace)
    paths = [args.output.replace(LAYER, str(layer)) for layer in layers]
    for path in paths:
        check_outputs({"-o": path}, args.files)
    for path, layer in zip(paths, layers, strict=True):
        yield path, transform(trace, {"name": "split", "layer": layer})


def _listed() -> Iterator[str]:
    """Names, what each is, its parameters with their defaults."""
    import dataclasses
    import sys

    from placement_opt.workload.transforms.names import TRANSFORMS

    for name, kind in TRANSFORMS.items():
        about = (sys.modules[kind.params.__module__].__doc__ or "").strip().split("\n\n")[0]
        yield f"{name}: {' '.join(about.split())}"
        for field in dataclasses.fields(kind.params):
            default = "" if field.default is None else f" (default: {field.default})"
            yield f"    {field.name}: {field.metadata['help']}{default}"
