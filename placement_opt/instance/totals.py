"""How much there is of a trace at hand: what the gate (:mod:`placement_opt.instance.gate`) goes by."""

from __future__ import annotations

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.workload.totals import Totals
from placement_opt.workload.trace import Trace


def totals_of(trace: Trace, *, reads: int | None = None) -> Totals:
    """Of a trace at hand; ``reads``: as many as it would have, where it holds blocks and steps alone."""
    size, life = trace.sizes, trace.death.astype(np.int64) - trace.birth
    units = int(size[trace.blocks].sum()) if reads is None else reads * int(size.sum()) // len(size)
    return Totals(
        steps=trace.num_steps,
        blocks=trace.num_blocks,
        reads=trace.num_reads if reads is None else reads,
        layers=1 if trace.step_layer is None else int(trace.step_layer.max()) + 1,
        pairs=int(life.sum()),
        peak=int(alive_bytes(trace, size).max()),
        smallest=int(size.min()),
        largest=int(size.max()),
        pieces=1 if trace.pieces is None else int(np.broadcast_to(trace.pieces, len(size))[size == size.max()].max()),
        read_units=units,
        steps_of_token=_steps_of_token(trace),
    )


def _steps_of_token(trace: Trace) -> int:
    """By the labels of its steps; 0 where they do not say, or tokens have no whole number of steps each."""
    if trace.step_layer is None or trace.step_token is None:
        return 0
    tokens = len(np.unique(trace.step_token))
    return trace.num_steps // tokens if trace.num_steps % tokens == 0 else 0


def alive_bytes(trace: Trace, size: Int64, last: Int64 | None = None) -> Int64:
    """int64[T + 1]: bytes of the blocks alive at each state, their sizes (int64[B]) given; ``last``: in place of their ends."""
    last = trace.death.astype(np.int64) if last is None else last
    change = np.zeros(trace.num_steps + 2, dtype=np.int64)
    np.add.at(change, trace.birth.astype(np.int64) + 1, size)
    np.add.at(change, last + 1, -size)
    return np.cumsum(change)[:-1]
