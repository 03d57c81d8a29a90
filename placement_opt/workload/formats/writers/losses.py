"""What a format cannot say of a trace, in words that all exporters share."""

from __future__ import annotations

from collections.abc import Container

import numpy as np

from placement_opt.workload.trace import Trace

FREED = "when blocks are freed"
LABELS = "the tokens of steps and blocks"
PREFIX = "the order of each prefix"
REQUESTS = "when requests come, start and end"
UNREAD = "blocks that no step accesses"
ACROSS = "that layers share blocks"
IDLE = "steps that access nothing"


def lost(trace: Trace, carried: Container[str] = ()) -> list[str]:
    """The losses of a format of single accesses, but for those that the format ``carried``."""
    found = {
        FREED: bool((trace.death < trace.num_steps).any()),
        LABELS: trace.step_token is not None or trace.block_token is not None,
        ACROSS: _across_layers(trace),
        "which share of a block is read": trace.shares is not None,
        "what kind each block is of": trace.block_kind is not None,
        "in how many pieces blocks are stored": trace.pieces is not None,
        PREFIX: trace.position is not None,
        "how long steps take at least": trace.step_floor is not None and bool(trace.step_floor.any()),
        REQUESTS: trace.requests is not None,
        UNREAD: bool((np.bincount(trace.blocks, minlength=trace.num_blocks)[trace.birth < 0] == 0).any()),
        IDLE: bool((np.diff(trace.indptr) + np.diff(trace.births_by_step[0]) == 0).any()),
    }
    return [what for what, is_lost in found.items() if is_lost and what not in carried]


def unit_lost(trace: Trace, *, layered: bool) -> list[str]:
    """The unit of sizes that are no bytes, where the format (``layered``: it knows the layers of steps) has another."""
    unit = "token-layers" if layered and trace.step_layer is not None else "tokens"
    return [] if trace.size_unit in ("bytes", unit) else [f"that sizes are in {trace.size_unit} (they come back in {unit})"]


def _across_layers(trace: Trace) -> bool:
    """Whether a step accesses a block of another layer than its own."""
    own, of = trace.step_layer, trace.block_layer
    if own is None:
        return of is not None
    if of is None:
        return True
    made = np.flatnonzero(trace.birth >= 0)
    return bool((own[trace.read_step] != of[trace.blocks]).any() or (own[trace.birth[made]] != of[made]).any())
