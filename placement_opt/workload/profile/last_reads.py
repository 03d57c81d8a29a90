"""What is never read again: after how many reads, how many productions, and how much of what is held."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement_opt.workload.profile.working_set import alive
from placement_opt.workload.trace import Trace


@dataclass(frozen=True)
class NeverAgain:
    """Shares, from 0 to 1; None of nothing.

    Attributes
    ----------
    reads
        Of the reads: those after which their block is not read again.
    productions
        Of the produced blocks: those that are never read.
    room
        Of size times states, over all blocks as long as they are alive: what is held of blocks that are not read again, freed
        later or not. Who knows the future need not keep it near.
    """

    reads: float | None
    productions: float | None
    room: float


def never_again(trace: Trace) -> NeverAgain:
    """The shares of a trace, exactly."""
    last = trace.birth.astype(np.int64)
    ever = np.zeros(trace.num_blocks, dtype=np.bool_)
    ever[trace.blocks] = True
    last[trace.blocks] = trace.read_step  # ascending: the last read stays
    born = trace.birth >= 0
    size = trace.sizes.astype(np.float64)
    held = float(alive(trace, trace.sizes).sum(dtype=np.float64))
    idle = float(size @ (trace.death - np.maximum(last, trace.birth)))
    return NeverAgain(
        reads=float(np.count_nonzero(ever)) / trace.num_reads if trace.num_reads else None,
        productions=float(np.count_nonzero(born & ~ever)) / int(born.sum()) if born.any() else None,
        room=idle / held,
    )
