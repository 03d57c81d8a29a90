"""How deep into its prefix each step finds blocks, where the trace says in which order it asks for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement_opt.workload.profile.distribution import Distribution
from placement_opt.workload.trace import Trace


@dataclass(frozen=True)
class PrefixDepth:
    """Blocks that exist at the beginning of a step's prefix, up to the first that does not.

    Attributes
    ----------
    depth
        Distribution over the steps.
    whole
        Share of the steps that ask for something and produce nothing: their whole prefix exists.
    cold
        Share of the steps that find nothing.
    behind_holes
        Share of the reads that lie behind a missing block: of no use to an engine that reuses prefixes alone.
    """

    depth: Distribution
    whole: float
    cold: float
    behind_holes: float


def prefix_depth(trace: Trace) -> PrefixDepth | None:
    """Of a trace with positions; None for others."""
    if trace.position is None:
        return None
    order = np.argsort(trace.read_step.astype(np.int64) << 32 | trace.position, kind="stable")
    place = np.arange(trace.num_reads) - np.repeat(trace.indptr[:-1], np.diff(trace.indptr))
    unbroken = trace.position[order] == place  # ascending positions: once behind, always behind
    depth = np.bincount(trace.read_step[unbroken], minlength=trace.num_steps)
    born = np.diff(trace.births_by_step[0])
    found = Distribution.of_histogram(np.bincount(depth))
    assert found is not None  # a trace has a step
    return PrefixDepth(
        depth=found,
        whole=float(np.mean((depth > 0) & (born == 0))),
        cold=float(np.mean(depth == 0)),
        behind_holes=1.0 - float(np.count_nonzero(unbroken)) / max(1, trace.num_reads) if trace.num_reads else 0.0,
    )
