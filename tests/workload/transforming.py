"""Random traces with every optional array, and what a trace says block by block, for the tests of transforms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from placement_opt.workload.trace import Trace
from tests.workload.traces import random_trace

ARRAYS = ("indptr", "blocks", "birth", "death", "size", "shares", "position", "step_token", "step_layer")
ARRAYS += ("block_token", "block_layer", "block_kind", "pieces", "step_floor")


def rich(seed: int, *, unit: str = "bytes", equal: bool = False) -> Trace:
    """A trace of two layers, or none, with shares, deaths, places, kinds and pieces by chance."""
    rng = np.random.default_rng(seed)
    layers, shares, deaths, positions, kinds, pieces = (bool(flag) for flag in rng.integers(0, 2, 6))
    trace = random_trace(
        rng,
        steps=8,
        blocks=16,
        layers=2 if layers else 0,
        shares=shares,
        sizes=not equal,
        deaths=deaths,
        positions=positions,
    )
    count = np.where(rng.random(16) < 0.5, 1, 2).astype(np.int32)
    size = trace.sizes * (count if pieces else 1)
    return replace(
        trace,
        size=trace.size if equal else size,
        size_unit=unit,
        block_kind=(rng.random(16) < 0.2).astype(np.int8) if kinds else None,
        pieces=count if pieces and not equal else None,
        step_floor=rng.integers(0, 9, 8) if rng.random() < 0.5 else None,
    )


def same(one: Trace, other: Trace) -> bool:
    """Whether two traces are equal but for their metadata."""
    pairs = [(getattr(one, name), getattr(other, name)) for name in ARRAYS]
    equal = all((a is None and b is None) or (a is not None and b is not None and np.array_equal(a, b)) for a, b in pairs)
    return equal and (one.size_unit, one.share_base) == (other.size_unit, other.share_base)


def reads_of(trace: Trace) -> list[dict[int, float]]:
    """For each step the share that it reads of each block."""
    shares = np.ones(trace.num_reads) if trace.shares is None else trace.shares / trace.share_base
    rows = np.split(np.arange(trace.num_reads), trace.indptr[1:-1])
    return [dict(zip(trace.blocks[row].tolist(), shares[row].tolist(), strict=True)) for row in rows]
