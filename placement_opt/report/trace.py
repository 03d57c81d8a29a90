"""One line about a trace that was written."""

from __future__ import annotations

from placement_opt.report.numbers import count
from placement_opt.workload.trace import Trace


def saved(trace: Trace, path: str) -> str:
    """``"t.npz: 400 steps, 88,160 reads, 2,400 blocks"``."""
    return f"{path}: {count(trace.num_steps)} steps, {count(trace.num_reads)} reads, {count(trace.num_blocks)} blocks"
