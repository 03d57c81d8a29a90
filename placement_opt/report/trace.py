"""One line about a trace that was written, in rows or in runs."""

from __future__ import annotations

from placement_opt.report.numbers import count
from placement_opt.workload.layers import Layers
from placement_opt.workload.trace import Trace


def saved(trace: Trace, path: str) -> str:
    """``"t.npz: 400 steps, 88,160 reads, 2,400 blocks"``."""
    return f"{path}: {count(trace.num_steps)} steps, {count(trace.num_reads)} reads, {count(trace.num_blocks)} blocks"


def saved_runs(layers: Layers, path: str) -> str:
    """``"t.runs: 4 layers of 100 turns, 88,160 reads"``."""
    reads = sum(int(layers.reads(layer).sum()) for layer in range(layers.count))
    return f"{path}: {count(layers.count)} layers of {count(layers.turns)} turns, {count(reads)} reads"
