"""The drift generator from a trace: how much of what exists a layer reads, how much of that changes, and where from.

A layer's blocks are taken in the order in which they come to exist. Each parameter is what the generator would have had to be
told: shares are those of fewest digits of which all the whole numbers follow, where there are such.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.workload.fit.estimate import Estimate, rounded, share_taken
from placement_opt.workload.trace import Trace

#: Pairs of steps that are looked at, evenly over the trace.
_PAIRS = 20_000
_MOST_BORN = 2.0
#: A window that reaches this far back is taken for all.
_ALL = 0.97


@dataclass
class _Seen:
    """Of every pair of steps of a layer that is looked at: how much each has, what left, how far back what came in lies."""

    held: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    oldest_left: list[int] = field(default_factory=list)
    farthest: float = 0.0
    entered: int = 0


def estimate(trace: Trace, unit_bytes: int | None) -> Estimate:
    """Layers, tokens before and during, read share, drift, window and who leaves.

    InputError for a trace that reads nothing, or produces many blocks in a step.
    """
    del unit_bytes
    if not trace.num_reads:
        raise InputError("found a trace without reads", "expected some", field="reads")
    born = int((trace.birth >= 0).sum()) / trace.num_steps
    if born > _MOST_BORN:
        raise InputError(f"found {born:.1f} blocks produced by a step", "expected about one", field="blocks")
    layer = np.zeros(trace.num_steps, dtype=np.int64) if trace.step_layer is None else trace.step_layer.astype(np.int64)
    layers = len(np.unique(layer))
    turns = max(1, round(trace.num_steps / layers))
    place, exists = _places(trace, layer)
    reads = np.diff(trace.indptr)
    read_share = min(1.0, max(share_taken(reads, exists), 1e-9))
    seen = _look(trace, layer, place, exists)
    drift = share_taken(np.array(seen.left), np.array(seen.held))
    # The oldest leave, or as many old ones as there are among all.
    oldest = sum(seen.oldest_left) > sum(seen.left) / 2
    window = seen.farthest * (1 + 1 / max(1, seen.entered))
    window = 1.0 if window > _ALL or not seen.entered else rounded(min(1.0, max(window, read_share)))
    window = max(window, read_share)
    parameters = {
        "layers": layers,
        "prefill": max(1, round(int((trace.birth < 0).sum()) / layers)),
        "tokens": turns,
        "read_share": read_share,
        "drift": drift,
        "window": window,
        "leave": "oldest" if oldest else "random",
    }
    return Estimate(parameters, _lost(trace, layer, layers, reads, exists))


def _lost(trace: Trace, layer: Int64, layers: int, reads: Int64, exists: Int64) -> tuple[str, ...]:
    lost = []
    if layers > 1 and not np.array_equal(layer[layers:], layer[:-layers]):
        lost.append("layers take turns, one step each")
    if int((trace.birth >= 0).sum()) != trace.num_steps:
        lost.append("every step produces one block")
    share = reads[exists > 0] / exists[exists > 0]
    if len(share) and share.max() - share.min() > 0.05:
        lost.append("every step reads the same share of what its layer has")
    if (trace.death < trace.num_steps).any():
        lost.append("nothing is freed")
    if len(np.unique(trace.size)) > 1:
        lost.append("all blocks have one size")
    return tuple(lost)


def _places(trace: Trace, layer: Int64) -> tuple[Int64, Int64]:
    """int64[B]: how many blocks of its layer existed before each; int64[T]: how many of its layer each step finds."""
    own = np.zeros(trace.num_blocks, dtype=np.int64)
    if trace.block_layer is not None:
        own = trace.block_layer.astype(np.int64)
    elif trace.step_layer is not None:
        own[trace.blocks[::-1]] = layer[trace.read_step[::-1]]  # of the layer that first reads it, or produces it
        own[trace.birth >= 0] = layer[trace.birth[trace.birth >= 0]]
    order = np.lexsort((np.arange(trace.num_blocks), trace.birth, own))
    first = np.searchsorted(own[order], own[order])
    place = np.empty(trace.num_blocks, dtype=np.int64)
    place[order] = np.arange(trace.num_blocks) - first
    keys = own[order] << 32 | (trace.birth[order].astype(np.int64) + 1)
    step = np.arange(trace.num_steps, dtype=np.int64)
    before = np.searchsorted(keys, layer << 32 | step, side="right")  # births before the step itself
    return place, before - np.searchsorted(keys, layer << 32)


def _look(trace: Trace, layer: Int64, place: Int64, exists: Int64) -> _Seen:
    """What changes between a step and the one before it of its layer."""
    order = np.argsort(layer, kind="stable")
    pairs = np.flatnonzero(layer[order[1:]] == layer[order[:-1]])
    pairs = pairs[:: max(1, len(pairs) // _PAIRS)]
    seen = _Seen()
    for pair in pairs.tolist():
        old, new = (place[trace.reads(int(order[n]))] for n in (pair, pair + 1))
        left, entered = np.setdiff1d(old, new, assume_unique=True), np.setdiff1d(new, old, assume_unique=True)
        seen.held.append(len(old))
        seen.left.append(len(left))
        if len(left):
            border = np.partition(old, len(left) - 1)[len(left) - 1]
            seen.oldest_left.append(int(np.count_nonzero(left <= border)))
        if len(entered):
            here = int(exists[order[pair + 1]])
            seen.farthest = max(seen.farthest, float(here - entered.min()) / max(1, here))
            seen.entered += len(entered)
    return seen
