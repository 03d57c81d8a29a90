"""Sizes of tokens become bytes, which ``scale`` and ``allocate`` need; what ``[llm]`` of an instance does otherwise."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from placement_opt.base.errors import InputError
from placement_opt.base.units import format_size, parse_size
from placement_opt.workload.synth import params as p
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.made import Made, Transform


@dataclass(frozen=True)
class Params:
    """Settings; InputError for values out of range."""

    token: str | None = p.size(None, "KV of one token in one layer, such as 4 KiB (required)")
    layers: int | None = p.integer(None, 1, "of the model, where blocks are tokens of all layers", 2**16)

    def __post_init__(self) -> None:
        p.check(self)
        if self.token is None:
            raise InputError("found nothing", 'expected the KV of one token in one layer, such as "4 KiB"', field="token")


def make(trace: Trace, params: Params) -> Made:
    """The same blocks, sized in bytes."""
    if trace.size_unit == "bytes":
        raise InputError("found blocks sized in bytes", "expected a trace sized in tokens", field="token")
    if (trace.size_unit == "tokens") != (params.layers is not None):
        found = f"found {'no layers' if params.layers is None else 'layers'} for blocks sized in {trace.size_unit}"
        raise InputError(found, "expected layers with tokens of all layers, and only then", field="layers")
    assert params.token is not None
    each = parse_size(params.token) * (params.layers or 1)
    if int(trace.size.max()) * each > 2**50:
        found = f"found {format_size(each)} for blocks of {int(trace.size.max())}"
        raise InputError(found, "expected blocks of at most 2**50 bytes", field="token")
    return Made(dataclasses.replace(trace, size=trace.size * each, size_unit="bytes"))


TRANSFORM = Transform(Params, make)
