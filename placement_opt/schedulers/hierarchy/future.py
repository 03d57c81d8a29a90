"""When each block is read next: what clairvoyant policies know."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.workload.trace import Trace

#: Later than every step: the block is not read again.
NEVER = 2**40


@dataclass(frozen=True, eq=False)
class Future:
    """Next reads, in steps or in ticks of another clock.

    Attributes
    ----------
    clock
        int64[T]: the time of each step.
    after_read
        int64[N]: for each read, the time of the next read of its block, ``NEVER`` if there is none.
    first
        int64[B]: the time of the first read of each block, likewise.
    """

    clock: Int64
    after_read: Int64
    first: Int64


def look_ahead(trace: Trace, clock: Int64 | None = None) -> Future:
    """The next reads of a trace; by default time is counted in steps."""
    clock = np.arange(trace.num_steps) if clock is None else clock
    pointers, order = trace.by_block
    times = clock[trace.read_step[order]]
    following = np.append(times[1:], NEVER)
    some = np.diff(pointers) > 0
    following[pointers[1:][some] - 1] = NEVER
    after_read = np.empty(trace.num_reads, dtype=np.int64)
    after_read[order] = following[: trace.num_reads]
    first = np.full(trace.num_blocks, NEVER, dtype=np.int64)
    first[some] = times[pointers[:-1][some]]
    return Future(clock, after_read, first)


def layer_clock(trace: Trace) -> Int64:
    """int64[T]: how many steps of its layer precede each step, where every block is read by steps of one layer; else of all."""
    steps = np.arange(trace.num_steps)
    if trace.step_layer is None or trace.block_layer is None:
        return steps
    if (trace.block_layer[trace.blocks] != trace.step_layer[trace.read_step]).any():
        return steps
    order = np.argsort(trace.step_layer, kind="stable")
    sizes = np.bincount(trace.step_layer)
    ticks = np.empty(trace.num_steps, dtype=np.int64)
    ticks[order] = steps - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return ticks


def horizon(trace: Trace, steps: int) -> Int64:
    """int64[T]: the last step that is known at each if the next ``steps`` of its layer are, or, where the layer has no so many
    left, as many times the number of layers of the trace; T where the trace's end is known, -1 where nothing is."""
    count = trace.num_steps
    if steps == 0:
        return np.full(count, -1, dtype=np.int64)
    layer = np.zeros(count, dtype=np.int64) if trace.step_layer is None else trace.step_layer
    ahead, layers = min(steps, count), len(np.unique(layer))
    order = np.argsort(layer, kind="stable")
    later = np.arange(count) + ahead
    there = np.minimum(later, count - 1)
    same = (later < count) & (layer[order][there] == layer[order])
    reach = np.empty(count, dtype=np.int64)
    reach[order] = np.where(same, order[there], np.minimum(order + ahead * layers, count))
    return np.maximum.accumulate(reach)
