"""A stretch of an instance's steps as an instance of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from placement_opt.base.arrays import Flags
from placement_opt.instance.instance import Instance
from placement_opt.play.protocol import Ids, Resident


def exists(instance: Instance, first: int, last: int) -> Flags:
    """bool[B]: the blocks that exist at some of these steps, or are produced there."""
    return np.asarray((instance.trace.birth < last) & (instance.trace.death >= first))


def window(instance: Instance, first: int, last: int, resident: Resident | None) -> tuple[Instance, Ids]:
    """The steps from ``first`` up to before ``last``, and the ids of the blocks that exist there, ascending; there must be one.

    Parameters
    ----------
    resident
        bool[K, B]: what lies where as ``first`` begins; None: that is free.
    """
    trace = instance.trace
    kept = np.flatnonzero(exists(instance, first, last))
    renamed = np.full(trace.num_blocks, -1, dtype=np.int64)
    renamed[kept] = np.arange(len(kept))
    reads = slice(int(trace.indptr[first]), int(trace.indptr[last]))
    steps = slice(first, last)
    cut = replace(
        trace,
        indptr=trace.indptr[first : last + 1] - trace.indptr[first],
        blocks=renamed[trace.blocks[reads]].astype(np.int32),
        birth=np.maximum(trace.birth[kept] - first, -1).astype(np.int32),
        death=(np.minimum(trace.death[kept], last) - first).astype(np.int32),
        size=trace.sizes[kept],
        shares=None if trace.shares is None else trace.shares[reads],
        position=None if trace.position is None else trace.position[reads],
        step_token=None if trace.step_token is None else trace.step_token[steps],
        step_layer=None if trace.step_layer is None else trace.step_layer[steps],
        block_token=None if trace.block_token is None else trace.block_token[kept],
        block_layer=None if trace.block_layer is None else trace.block_layer[kept],
        block_kind=None if trace.block_kind is None else trace.block_kind[kept],
        pieces=trace.pieces if trace.pieces is None or len(trace.pieces) == 1 else trace.pieces[kept],
        step_floor=None if trace.step_floor is None else trace.step_floor[steps],
        requests=None if trace.requests is None else trace.requests.within(first, last),
    )
    part = replace(
        instance,
        trace=cut,
        size=instance.size[kept],
        fixed=instance.fixed[steps],
        floor=instance.floor[steps],
        initial=None if resident is None else np.ascontiguousarray(resident[:, kept]),
    )
    return part, kept
