"""One layer of a trace: its steps, and the blocks that are the layer's.

A layer by itself is another trace: in the whole, copies for it may be made while other layers' steps run, and layers share
the tiers' room. The rooms' shares are for whoever asks about a layer to give.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement_opt.base.errors import InputError
from placement_opt.workload.synth import params as p
from placement_opt.workload.trace import MOST_LAYERS, Trace
from placement_opt.workload.transforms.made import Made, Transform
from placement_opt.workload.transforms.select import take_blocks, take_steps


@dataclass(frozen=True)
class Params:
    """Settings; InputError for values out of range."""

    layer: int | None = p.integer(None, 0, "the layer (default: each in a file, with {layer} in -o)", MOST_LAYERS - 1)

    def __post_init__(self) -> None:
        p.check(self)


def layers_of(trace: Trace) -> list[int]:
    """The layers that steps are labelled with, ascending; InputError where they are not."""
    if trace.step_layer is None:
        raise InputError("found steps without layers", "expected a trace whose steps are of layers", field="layer")
    found: list[int] = np.unique(trace.step_layer).tolist()
    return found


def make(trace: Trace, params: Params) -> Made:
    """Blocks without labels are those that the layer's steps read or produce."""
    known = layers_of(trace)
    assert trace.step_layer is not None
    if params.layer is None:
        raise InputError("found no layer", "expected one, or {layer} in the name of the file that is written", field="layer")
    if params.layer not in known:
        raise InputError(f"found {params.layer}", f"expected one of the {len(known)} layers, up to {known[-1]}", field="layer")
    steps = trace.step_layer == params.layer
    read = trace.blocks[steps[trace.read_step]]
    if trace.block_layer is None:
        own = np.zeros(trace.num_blocks, dtype=np.bool_)
        own[read] = True
        own |= (trace.birth >= 0) & steps[trace.birth]
    else:
        own = trace.block_layer == params.layer
        if len(others := read[~own[read]]):
            found = f"found block {others[0]} of layer {trace.block_layer[others[0]]} read by a step of layer {params.layer}"
            raise InputError(found, "expected layers that read blocks of their own", field="layer")
    if not own.any():
        raise InputError(f"found no block of layer {params.layer}", "expected one at least", field="layer")
    return Made(take_steps(take_blocks(trace, own), np.flatnonzero(steps)))


TRANSFORM = Transform(Params, make)
