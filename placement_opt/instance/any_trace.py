"""The trace of whatever has one: a trace file in rows or in runs, an instance, a log of a format that is recognised."""

from __future__ import annotations

import dataclasses
from os import PathLike, fspath
from pathlib import Path

from placement_opt.base.binary import begins_with
from placement_opt.base.limits import Limits
from placement_opt.instance.gate import check_rows, check_stored, check_text
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import load_instance
from placement_opt.workload.files.npz import load_trace
from placement_opt.workload.files.runs import is_runs_file, load_rows, open_runs
from placement_opt.workload.formats.detect import read_any
from placement_opt.workload.totals import Totals
from placement_opt.workload.trace import Trace

#: How an NPZ begins.
_NPZ = b"PK\x03\x04"


def any_trace(path: str | PathLike[str], limits: Limits | None = None) -> Trace:
    """The trace in rows, as it would be for a bound: of an instance its pages and placed weights, sizes in bytes.

    Raises
    ------
    InputError
        What is wrong with the file; a format that is not recognised.
    NoRoom, LimitError
        It needs more memory than there is; found before it is made where its file says how much there is of it.
    """
    place = Path(path)
    if place.suffix == ".toml":
        return trace_in_bytes(load_instance(place, limits=limits))
    return _of_file(place, limits or Limits())


def sized_trace(path: str | PathLike[str], limits: Limits | None = None) -> tuple[Trace, int | None]:
    """The trace as :func:`any_trace`, an instance's in its own unit, and the bytes of one unit where they are known."""
    place = Path(path)
    if place.suffix != ".toml":
        trace = _of_file(place, limits or Limits())
        return trace, 1 if trace.size_unit == "bytes" else None
    instance = load_instance(place, limits=limits)
    return instance.trace, int(instance.size[0]) // int(instance.trace.sizes[0])


def _of_file(place: Path, limits: Limits) -> Trace:
    if begins_with(place, _NPZ) or place.suffix == ".npz":
        check_stored(place, limits)
        return load_trace(place)
    if is_runs_file(place):
        file = open_runs(place)
        layers = len(file.layers)
        blocks, reads = sum(layer.blocks for layer in file.layers), file.num_reads
        check_rows(Totals(layers * file.turns, blocks, reads, layers, 0, 0, 1, 1, 0), limits, place=fspath(place))
        return load_rows(place)
    check_text(place, limits)
    return read_any(place)


def trace_in_bytes(instance: Instance) -> Trace:
    """The trace of an instance, the sizes of its blocks in bytes."""
    return dataclasses.replace(instance.trace, size=instance.size, size_unit="bytes")
