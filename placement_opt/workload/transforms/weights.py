"""Weights as blocks of a trace of layers: every step reads those of its layer."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.memory.operations import BLOCK_KINDS
from placement_opt.workload.trace import Trace


@dataclass(frozen=True)
class PlacedWeights:
    """What a step reads of its layer: bytes, in so many blocks, of each of so many layers."""

    layer_bytes: int
    tiles: int
    layers: int

    @property
    def resident(self) -> int:
        """Bytes of all blocks."""
        return self.layers * self.layer_bytes

    @property
    def ends(self) -> Int64:
        """int64[tiles + 1]: where the blocks of a layer begin and end in its bytes."""
        return np.array([self.layer_bytes * part // self.tiles for part in range(self.tiles + 1)], dtype=np.int64)


def refuse_weights(trace: Trace) -> None:
    """InputError where weights cannot be added to a trace: it has some, or its steps are not of layers."""
    if trace.block_kind is not None and trace.block_kind.any():
        found = "found a trace with blocks of weights"
        raise InputError(found, "expected it to have KV alone, or no weights here", field="weights")
    if trace.step_layer is None or trace.position is not None:
        found = "found a trace whose steps are not of layers"
        raise InputError(found, "expected steps with layers, each of which reads its weights", field="weights")


def with_weights(trace: Trace, size: Int64, weights: PlacedWeights) -> Trace:
    """The trace with blocks of weights, that are there from the start and numbered before all others, layer by layer.

    Parameters
    ----------
    trace
        One whose steps have layers.
    size
        int64[B]: bytes of its blocks, which the new one is sized in.
    weights
        What each layer that has a step gets; the bytes of its blocks differ by one at most.

    Raises
    ------
    InputError
        As :func:`refuse_weights`.
    """
    refuse_weights(trace)
    assert trace.step_layer is not None
    labels, row = np.unique(trace.step_layer, return_inverse=True)
    count, tiles = len(labels) * weights.tiles, weights.tiles
    reads = row[:, None] * tiles + np.arange(tiles)
    first = np.repeat(trace.indptr[:-1], tiles)
    kind = np.full(count + trace.num_blocks, BLOCK_KINDS.index("kv"), dtype=np.int8)
    kind[:count] = BLOCK_KINDS.index("weights")
    known = trace.block_layer
    token = trace.block_token
    return dataclasses.replace(
        trace,
        indptr=trace.indptr + tiles * np.arange(trace.num_steps + 1),
        blocks=np.insert(trace.blocks + np.int32(count), first, reads.ravel().astype(np.int32)),
        birth=np.concatenate([np.full(count, -1, dtype=np.int32), trace.birth]),
        death=np.concatenate([np.full(count, trace.num_steps, dtype=np.int32), trace.death]),
        size=np.concatenate([np.tile(np.diff(weights.ends), len(labels)), size]),
        size_unit="bytes",
        shares=None if trace.shares is None else np.insert(trace.shares, first, np.uint16(trace.share_base)),
        block_layer=None if known is None else np.concatenate([np.repeat(labels, tiles).astype(np.int32), known]),
        block_token=None if token is None else np.concatenate([np.zeros(count, dtype=np.int32), token]),
        block_kind=kind,
        pieces=None if trace.pieces is None else _pieces(trace, count),
    )


def weights_alone(weights: PlacedWeights, turns: int, share_base: int = 1) -> Trace:
    """The trace of a layer that has no KV: so many turns, each of which reads its weights, whole.

    ``share_base``: of the layers beside it.
    """
    tiles = weights.tiles
    return Trace(
        indptr=tiles * np.arange(turns + 1, dtype=np.int64),
        blocks=np.tile(np.arange(tiles, dtype=np.int32), turns),
        birth=np.full(tiles, -1, dtype=np.int32),
        death=np.full(tiles, turns, dtype=np.int32),
        size=np.diff(weights.ends),
        size_unit="bytes",
        shares=np.full(turns * tiles, share_base, dtype=np.uint16) if share_base > 1 else None,
        share_base=share_base,
        step_layer=np.zeros(turns, dtype=np.int32),
        block_layer=np.zeros(tiles, dtype=np.int32),
        block_kind=np.full(tiles, BLOCK_KINDS.index("weights"), dtype=np.int8),
    )


def _pieces(trace: Trace, count: int) -> npt.NDArray[np.int32]:
    """int32: of so many blocks of weights, each in one, and of those that the trace has."""
    assert trace.pieces is not None
    known = np.broadcast_to(trace.pieces, trace.num_blocks)
    return np.concatenate([np.ones(count, dtype=np.int32), known])
