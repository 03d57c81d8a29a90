"""A layered trace in rows as runs, and back: step ``n * L + l`` is turn n of layer l."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Array, Int64
from placement_opt.base.errors import InputError
from placement_opt.workload.runs import LayerRuns
from placement_opt.workload.trace import SizeUnit, Trace


def layers_of(trace: Trace) -> list[LayerRuns]:
    """The layers of a trace in rows, as runs; the blocks of a layer keep their order.

    Raises
    ------
    InputError
        The trace is not layered (step t is of layer t modulo L, and reads, produces and frees blocks of that layer alone), or
        says what runs do not: weights, pieces, times that steps take at least.
    """
    count = _check_layered(trace)
    turns, position = trace.num_steps // count, np.zeros(trace.num_blocks, dtype=np.int64)
    owner: Array = np.zeros(trace.num_blocks, dtype=np.int32) if trace.block_layer is None else trace.block_layer
    pointers, order = trace.by_block
    freed = bool((trace.death < trace.num_steps).any())
    found = []
    for layer in range(count):
        blocks = np.flatnonzero(owner == layer)
        position[blocks] = np.arange(len(blocks))
        birth, death = (_turns_of(steps[blocks], count) for steps in (trace.birth, trace.death))
        lengths = np.diff(pointers)[blocks]
        begins = np.concatenate([[0], np.cumsum(lengths)])
        reads = order[np.arange(begins[-1]) + np.repeat(pointers[blocks] - begins[:-1], lengths)]
        block, turn = position[trace.blocks[reads]], trace.read_step[reads] // count
        shares = None if trace.shares is None else trace.shares[reads]
        last = np.append(_ends(block, turn, shares), True)[: len(block)]
        first = np.roll(last, 1)
        first[:1] = True
        start = np.zeros(len(blocks) + 1, dtype=np.int64)
        np.cumsum(np.bincount(block[first], minlength=len(blocks)), out=start[1:])
        found.append(
            LayerRuns(
                turns,
                birth,
                start,
                turn[first].astype(np.int32),
                turn[last].astype(np.int32),
                np.minimum(death, turns).astype(np.int32) if freed else None,
                None if shares is None else shares[first],
            )
        )
    return found


def layer_sizes(trace: Trace) -> tuple[int, ...]:
    """The size of a block of each layer; InputError where a layer has several."""
    owner: Array = np.zeros(trace.num_blocks, dtype=np.int32) if trace.block_layer is None else trace.block_layer
    count = 1 if trace.step_layer is None or trace.block_layer is None else int(trace.step_layer.max()) + 1
    found, sizes = [], trace.sizes
    for layer in range(count):
        mine = np.unique(sizes[owner == layer])
        if len(mine) > 1:
            found_there = f"found blocks of sizes {mine[0]} and {mine[1]} in layer {layer}"
            raise InputError(found_there, "expected one size in each", field="size")
        found.append(int(mine[0]) if len(mine) else 0)
    return tuple(size or max(found) for size in found)


def _turns_of(steps: npt.NDArray[np.int32], count: int) -> npt.NDArray[np.int32]:
    """The turns of a layer's steps; -1 stays what it is."""
    return np.where(steps < 0, -1, steps // count).astype(np.int32)


def _ends(block: Int64, turn: Int64, shares: npt.NDArray[np.uint16] | None) -> npt.NDArray[np.bool_]:
    """bool[n - 1]: whether a run ends with each read but the last, of reads block by block and in the order of time."""
    ends: npt.NDArray[np.bool_] = (block[1:] != block[:-1]) | (turn[1:] != turn[:-1] + 1)
    return ends if shares is None else ends | (shares[1:] != shares[:-1])


def rows_of(layers: Sequence[LayerRuns], *, size_unit: SizeUnit, size: Sequence[int], share_base: int = 1) -> Trace:
    """A layered trace in rows; each layer's blocks have ids one after the other.

    ``size``: of a block of each layer. ``share_base``: of reads in part.
    """
    count, turns = len(layers), layers[0].turns
    blocks = np.cumsum([0, *(layer.num_blocks for layer in layers)])
    indptr = np.zeros(count * turns + 1, dtype=np.int64)
    np.cumsum(np.stack([layer.reads_per_turn for layer in layers], axis=1).ravel(), out=indptr[1:])
    reads, shares = np.empty(indptr[-1], dtype=np.int32), np.empty(indptr[-1] if share_base > 1 else 0, dtype=np.uint16)
    for n, layer in enumerate(layers):
        layer.put_reads(indptr[n:-1:count], reads, int(blocks[n]))
        if share_base > 1:
            layer.put_shares(indptr[n:-1:count], shares, share_base)
    steps = count * turns
    birth = [np.where(layer.birth < 0, -1, layer.birth.astype(np.int64) * count + n) for n, layer in enumerate(layers)]
    death = [
        np.full(layer.num_blocks, steps) if layer.death is None else np.minimum(layer.death.astype(np.int64) * count + n, steps)
        for n, layer in enumerate(layers)
    ]
    alike = len(set(size)) == 1
    return Trace(
        indptr=indptr,
        blocks=reads,
        birth=np.concatenate(birth).astype(np.int32),
        death=np.concatenate(death).astype(np.int32),
        size=np.array(size[:1], dtype=np.int64) if alike else np.repeat(np.array(size, dtype=np.int64), np.diff(blocks)),
        size_unit=size_unit,
        shares=shares if share_base > 1 else None,
        share_base=share_base,
        step_layer=np.tile(np.arange(count, dtype=np.int32), turns),
        block_layer=np.repeat(np.arange(count, dtype=np.int32), np.diff(blocks)),
        meta={"format": "runs"},
    )


def check_plain(trace: Trace) -> None:
    """InputError where blocks are freed or read in part, which the question in runs does not ask."""
    if trace.shares is not None:
        raise InputError("found blocks read in part", "expected whole blocks in runs", field="shares")
    if (trace.death != trace.num_steps).any():
        raise InputError("found blocks that are freed", "expected none in runs", field="death")


def _check_layered(trace: Trace) -> int:
    """The number of layers of a layered trace."""
    if trace.block_kind is not None and trace.block_kind.any():
        raise InputError("found blocks that are weights", "expected KV alone, which is what runs are for", field="block_kind")
    if trace.pieces is not None and (trace.pieces > 1).any():
        raise InputError("found blocks in pieces", "expected each in one, which is what runs are for", field="pieces")
    if trace.step_floor is not None and (trace.step_floor > 0).any():
        found = "found steps that take a time of their own at least"
        raise InputError(found, "expected none, which runs do not say", field="step_floor")
    if trace.step_layer is None or trace.block_layer is None:
        return 1
    layers = int(trace.step_layer.max()) + 1
    steps = np.arange(trace.num_steps, dtype=np.int64)
    born, freed = np.flatnonzero(trace.birth >= 0), np.flatnonzero(trace.death < trace.num_steps)
    regular = trace.num_steps % layers == 0 and (trace.step_layer == steps % layers).all()
    regular = regular and (trace.block_layer[trace.blocks] == trace.read_step % layers).all()
    regular = regular and (trace.block_layer[born] == trace.birth[born] % layers).all()
    if not regular or int(trace.block_layer.max()) >= layers:
        found = f"found steps of {layers} layers that do not take turns over blocks of their own"
        raise InputError(found, "expected step t to be of layer t modulo the layers", field="step_layer")
    if (odd := freed[trace.block_layer[freed] != trace.death[freed] % layers]).size:
        step, layer = int(trace.death[odd[0]]), int(trace.block_layer[odd[0]])
        found = f"found block {odd[0]} of layer {layer} freed after step {step}, which is of layer {step % layers}"
        raise InputError(found, "expected a step of its own layer", field="death")
    return layers
