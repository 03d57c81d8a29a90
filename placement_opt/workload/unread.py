"""What a trace keeps for nobody: blocks that no step reads and nothing frees, and the room held after last reads.

A bound over such a trace counts what keeping them costs; whether that is wanted is for the reader to say, so it is said.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from placement_opt.workload.trace import Trace

#: Reads looked at together.
_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Unread:
    """Shares, from 0 to 1.

    Attributes
    ----------
    blocks, bytes
        Of all blocks, and of their bytes: those that no step reads and nothing frees.
    room
        Of all that is held, in bytes times states: what never-freed blocks hold after their last read (all their life, where
        nothing reads them).
    """

    blocks: float
    bytes: float
    room: float

    def as_dict(self) -> dict[str, float]:
        """For JSON: ``blocks``, ``bytes``, ``room``."""
        return asdict(self)


def unread(trace: Trace) -> Unread:
    """The shares of a trace, in one pass over its reads."""
    first = trace.birth.astype(np.int64) + 1
    needed = first - 1  # the last state that anything needs
    step = 0
    while step < trace.num_steps:
        end = max(step + 1, int(np.searchsorted(trace.indptr, trace.indptr[step] + _AT_ONCE, side="right")) - 1)
        reads = trace.blocks[trace.indptr[step] : trace.indptr[end]]
        needed[reads] = np.repeat(np.arange(step, end), np.diff(trace.indptr[step : end + 1]))  # ascending: the last stays
        step = end
    kept = trace.death == trace.num_steps
    never = kept & (needed < first)
    size = trace.sizes.astype(np.float64)
    held: npt.NDArray[np.float64] = size * (trace.death - first + 1)
    after = size * (trace.death - needed)
    return Unread(
        float(np.count_nonzero(never)) / trace.num_blocks,
        float(size[never].sum() / size.sum()),
        float(after[kept].sum() / held.sum()),
    )
