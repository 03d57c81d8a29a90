"""``placement-opt trace runs``."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING

from placement_opt.cli.console import Console
from placement_opt.cli.parser import LazyParser, add_memory_limit

if TYPE_CHECKING:
    from placement_opt.workload.files.runs import Shape
    from placement_opt.workload.layers import Layers
    from placement_opt.workload.runs import LayerRuns


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
    layers, shape = _drawn(args.file) if drawn else _given(args.file)
    check_layer(layers, args.file, limits)

    def each() -> Iterator[LayerRuns]:
        for layer in range(layers.count):
            console.progress(f"layer {layer} of {layers.count}")
            runs = layers.layer(layer)
            assert runs is not None
            yield runs

    try:
        save_runs(each(), shape, args.output)
    except InputError as error:
        raise error.at(path=args.file) from None
    console.print(saved_runs(layers, args.output))
    return 0


def _drawn(path: str) -> tuple[Layers, Shape]:
    """The layers of an instance file, and what a file says of all of them."""
    from placement_opt.instance.outline import read_outline
    from placement_opt.instance.turns import layers_of
    from placement_opt.workload.files.runs import Shape
    from placement_opt.workload.layers import Stored

    layers = layers_of(read_outline(path))
    if isinstance(layers, Stored):
        return layers, layers.file.shape
    return layers, Shape(layers.turns, "token-layers", (1,) * layers.count)


def _given(path: str) -> tuple[Layers, Shape]:
    """The same of a trace in rows."""
    from placement_opt.base.errors import InputError
    from placement_opt.workload.files.npz import load_trace
    from placement_opt.workload.files.runs import Shape
    from placement_opt.workload.layered_rows import layer_sizes, layers_of
    from placement_opt.workload.layers import Given

    trace = load_trace(path)
    try:
        layers = Given(tuple(layers_of(trace)))
        frees = bool((trace.death < trace.num_steps).any())
        return layers, Shape(layers.turns, trace.size_unit, layer_sizes(trace), trace.share_base, frees)
    except InputError as error:
        raise error.at(path=path) from None
