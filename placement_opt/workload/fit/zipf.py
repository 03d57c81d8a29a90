"""The Zipf generator from a trace: how often two steps read the same block says how steep popularity is.

A step draws ``reads`` blocks without putting back, so that the block of rank r is in a step with probability
``1 - exp(-t r**-s)``, with t such that these add up to ``reads`` (the race of the generator, for many blocks). Two different
steps then have ``sum of squares`` of these in common, which grows with s and needs no ranks: those of the counts would make
the law look steeper than it is.
"""

from __future__ import annotations

import numpy as np

from placement_opt.base.arrays import Float64
from placement_opt.base.errors import InputError
from placement_opt.workload.fit.estimate import Estimate, rounded
from placement_opt.workload.trace import Trace

_STEEPEST = 10.0
#: Ranks that are summed over one by one; those behind are grouped.
_SINGLE = 2000


def estimate(trace: Trace, unit_bytes: int | None) -> Estimate:
    """Blocks, steps, reads of a step, exponent and size of a block.

    InputError for a trace that reads nothing, or produces most of its blocks.
    """
    if not trace.num_reads:
        raise InputError("found a trace without reads", "expected some", field="reads")
    if 2 * int((trace.birth >= 0).sum()) > trace.num_blocks:
        raise InputError("found a trace that produces most of its blocks", "expected most from the start", field="blocks")
    reads = max(1, round(trace.num_reads / trace.num_steps))
    reads = min(reads, trace.num_blocks)
    mean = float(trace.sizes.mean())
    lost = []
    if np.diff(trace.indptr).min() < np.diff(trace.indptr).max():
        lost.append("every step reads as many blocks as any other")
    if (trace.birth >= 0).any() or (trace.death < trace.num_steps).any():
        lost.append("no block is produced or freed: all are there from the start to the end")
    if len(np.unique(trace.size)) > 1:
        lost.append("all blocks have one size, the mean")
    if trace.step_layer is not None:
        lost.append("steps have no layers")
    if unit_bytes is None and trace.size_unit != "bytes":
        lost.append(f"a block is as many bytes as it has {trace.size_unit}: nothing says what one of them takes")
    parameters = {
        "blocks": trace.num_blocks,
        "steps": trace.num_steps,
        "reads": reads,
        "exponent": rounded(exponent(trace, reads)),
        "block_size": f"{max(1, round(mean * (unit_bytes or 1)))} B",
    }
    return Estimate(parameters, tuple(lost))


def exponent(trace: Trace, reads: int) -> float:
    """The exponent at which two steps have as many blocks in common as two steps of the trace have on the average."""
    steps, count = trace.num_steps, np.bincount(trace.blocks).astype(np.float64)
    if steps < 2:
        return 0.0
    common = float((count * (count - 1)).sum()) / (steps * (steps - 1))
    rank, of = _ranks(trace.num_blocks)
    low, high = 0.0, _STEEPEST
    for _ in range(40):
        middle = (low + high) / 2
        chance = _chances(rank, of, middle, reads)
        low, high = (middle, high) if float(of @ chance**2) < common else (low, middle)
    return low


def _ranks(blocks: int) -> tuple[Float64, Float64]:
    """Ranks, and how many each stands for: those behind the first in groups of a thousandth of their rank."""
    single = np.arange(1, min(blocks, _SINGLE) + 1, dtype=np.float64)
    if blocks <= _SINGLE:
        return single, np.ones(len(single))
    count = int(1000 * np.log(blocks / _SINGLE)) + 2
    edges = np.unique(np.round(np.geomspace(_SINGLE, blocks, count)))
    rank = np.concatenate([single, (edges[:-1] + 1 + edges[1:]) / 2])
    return rank, np.concatenate([np.ones(_SINGLE), np.diff(edges)])


def _chances(rank: Float64, of: Float64, exponent: float, reads: int) -> Float64:
    """float64[len(rank)]: the probability of each rank to be in a step."""
    if reads >= of.sum():
        return np.ones(len(rank))
    weight = -exponent * np.log(rank)
    low, high = 0.0, 700.0 + exponent * float(np.log(rank[-1]))  # of ln t
    low -= high
    for _ in range(60):
        middle = (low + high) / 2
        chance: Float64 = -np.expm1(-np.exp(np.minimum(middle + weight, 700.0)))
        low, high = (middle, high) if float(of @ chance) < reads else (low, middle)
    return chance
