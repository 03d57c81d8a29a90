"""Collapse of runs: adjacent tokens of the prefill with like keys become one slot, which is read if any of them was (KVMerger).

KVMerger (arXiv 2407.08454): runs of consecutive tokens whose neighbours' keys have a cosine above a threshold are merged, once
after the prefill, into one key and value, the Gaussian-weighted mean around the most attended token. What a run is only a model
can say. Here runs have ``length`` tokens: each exactly that many, or on the average (geometric, from a seed); with ``alike``,
up to that many whose neighbours are read by steps with at least that Jaccard similarity, all later steps included.

The slot has the largest size of its tokens and is read whole. Blocks that steps produce, and weights, are left alone. What the
one pass of merging reads and writes at the end of the prefill lies before the trace's first step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Flags, Float64, Int64
from placement_opt.base.errors import InputError
from placement_opt.workload.synth import params as p
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.groups import Streams, form, streams, turned
from placement_opt.workload.transforms.made import Made, Transform, times
from placement_opt.workload.transforms.select import size_read


@dataclass(frozen=True)
class Params:
    """Settings; InputError for values out of range."""

    length: int = p.integer(2, 1, "tokens of a run: on the average (drawn), exactly (fixed), at most (alike)", 2**20)
    runs: str = p.choice("drawn", ("drawn", "fixed", "alike"), "where runs end")
    alike: float = p.number(0.8, 0, 1, "with runs = alike: least Jaccard similarity of the steps that read two neighbours")
    seed: int = p.integer(0, 0, "seed of the lengths, where they are drawn", 2**63 - 1)

    def __post_init__(self) -> None:
        p.check(self)


def make(trace: Trace, params: Params) -> Made:
    """The trace of slots; ``found`` has how many tokens went into how many."""
    if params.length == 1:
        return Made(trace)
    if trace.block_token is None:
        raise InputError(
            "found blocks without token labels", "expected labels, which say what is adjacent", field="block_token"
        )
    found = streams(trace, trace.birth < 0)
    begins = _begins(trace, found, params)
    group = np.full(trace.num_blocks, -1, dtype=np.int64)
    group[found.order] = np.cumsum(begins) - 1
    group, at = form(trace, group)
    size = np.zeros(len(at), dtype=np.int64)
    np.maximum.at(size, group[group >= 0], trace.sizes[group >= 0])
    made = turned(trace, group, at, size, whole=True)
    merged, less = int(np.count_nonzero(group >= 0)), size_read(made) / max(size_read(trace), 1)
    told = [f"{merged:,} blocks merged into {len(at):,}; {times(less)} of what was read is read"]
    if len(at) and trace.position is not None:
        told.append("lost: position, which is of blocks and not of slots")
    return Made(made, {"merged": merged, "slots": len(at), "read_share": less}, told)


def _begins(trace: Trace, found: Streams, params: Params) -> Flags:
    """bool[n]: which of the blocks, in the order of tokens, begin a run."""
    assert trace.block_token is not None
    order, count = found.order, len(found.order)
    token = trace.block_token[order].astype(np.int64)
    breaks = found.rank == 0
    apart = token[1:] - token[:-1]
    near = apart[~breaks[1:]].min(initial=2**31)  # blocks in bytes do not say how many tokens they have: the fewest apart
    breaks[1:] |= apart != (near if trace.size_unit == "bytes" else trace.sizes[order[:-1]])
    if params.runs == "drawn":
        drawn: Flags = breaks | (np.random.default_rng(params.seed).random(count) < 1 / params.length)
        return drawn
    if params.runs == "alike":
        breaks[1:] |= _jaccard(trace, order) < params.alike
    place = np.arange(count)
    since = place - np.maximum.accumulate(np.where(breaks, place, 0))
    cut: Flags = breaks | (since % params.length == 0)
    return cut


def _jaccard(trace: Trace, order: Int64) -> Float64:
    """float64[n - 1]: of the steps that read each two neighbours; 1 where nobody reads either."""
    pointers, reads = trace.by_block
    place = np.full(trace.num_blocks, -1, dtype=np.int64)
    place[order] = np.arange(len(order))
    at = place[trace.blocks[reads]]
    step = trace.read_step[reads].astype(np.int64)
    keys = np.sort((at[at >= 0] << 32) | step[at >= 0])
    both = np.isin(keys + (1 << 32), keys, assume_unique=True)
    shared = np.bincount(keys[both] >> 32, minlength=len(order))[: len(order) - 1]
    times_read = np.diff(pointers)[order]
    either = times_read[1:] + times_read[:-1] - shared
    return np.divide(shared, either, out=np.ones(len(shared)), where=either > 0)


TRANSFORM = Transform(Params, make)
