"""``placement-opt trace runs``."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING

from placement_opt.cli.console import Console
from placement_opt.cli.parser import LazyParser, add_memory_limit

if TYPE_CHECKING:
    from placement_opt.workload.layers import Layers
    from placement_opt.workload.runs import LayerRuns
    from placement_opt.workload.trace import SizeUnit


def fill(parser: LazyParser) -> None:
    parser.description = (
        "Write a layered trace as a file of runs: per layer, the turns that read each block without a break. Such a file\n"
        "need not fit in memory; as trace.file of an instance it is read one layer at a time."
    )
    text = "a trace (NPZ), or an instance file whose synthetic trace is drawn layer by layer"
    parser.add_argument("file", metavar="TRACE|INSTANCE", help=text)
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the file of runs to write")
    add_memory_limit(parser)
    parser.set_defaults(run=run)


def run(args: Namespace, console: Console) -> int:
    from placement_opt.base.atomic import check_outputs
    from placement_opt.base.errors import InputError
    from placement_opt.base.limits import Limits
    from placement_opt.instance.gate import check_layer, check_stored
    from placement_opt.instance.outline import input_files
    from placement_opt.report.trace import saved_runs
    from placement_opt.workload.files.runs import save_runs

    drawn, limits = args.file.endswith(".toml"), Limits(memory=args.memory_limit)
    check_outputs({"-o": args.output}, input_files(args.file) if drawn else [args.file])
    if not drawn:
        check_stored(args.file, limits)
    layers, unit, size = _drawn(args.file) if drawn else _given(args.file)
    check_layer(layers, args.file, limits)

    def each() -> Iterator[LayerRuns]:
        for layer in range(layers.count):
            console.progress(f"layer {layer} of {layers.count}")
            runs = layers.layer(layer)
            assert runs is not None
            yield runs

    try:
        save_runs(each(), layers.count, layers.turns, args.output, size_unit=unit, size=size)
    except InputError as error:
        raise error.at(path=args.file) from None
    console.print(saved_runs(layers, args.output))
    return 0


def _drawn(path: str) -> tuple[Layers, SizeUnit, int]:
    """The layers of an instance file, the unit of their blocks' size, and the size."""
    from placement_opt.instance.outline import read_outline
    from placement_opt.instance.turns import layers_of
    from placement_opt.workload.layers import Stored

    layers = layers_of(read_outline(path))
    return (layers, layers.file.size_unit, layers.file.size) if isinstance(layers, Stored) else (layers, "token-layers", 1)


def _given(path: str) -> tuple[Layers, SizeUnit, int]:
    """The same of a trace in rows."""
    import numpy as np

    from placement_opt.base.errors import InputError
    from placement_opt.workload.files.npz import load_trace
    from placement_opt.workload.layers import Given
    from placement_opt.workload.runs import layers_of

    trace = load_trace(path)
    sizes = np.unique(trace.size)
    if len(sizes) > 1:
        raise InputError("found blocks of different sizes", "expected equal ones", path=path, field="size")
    try:
        return Given(tuple(layers_of(trace))), trace.size_unit, int(sizes[0])
    except InputError as error:
        raise error.at(path=path) from None
