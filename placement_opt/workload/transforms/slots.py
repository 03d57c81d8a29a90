"""Slot cap: at most so many slots of KV a layer, where a new token takes the place of another, which is merged (ZSMerge).

ZSMerge (arXiv 2503.10714, code SusCom-Lab/ZSMerge): a layer's budget is a tail of the newest tokens (0.4 of it), the tokens of
the highest decayed attention score, and residual slots. The token of least score outside the tail makes room for each new
one: it is merged into a residual slot. Every head has slots of its own there; a trace has layers.

Here there is one residual slot a layer. A step that produces a block when all slots are taken reads the victim and the
residual slot and produces the residual slot anew: 2 reads and a write more, its cost in memory traffic. A read of a block
that has gone reads the residual slot instead. A trace has reads and no attention: the score of a block is the number of steps
that read it, each worth ``decay`` of the next (the paper's shrink factor is not known). Where the prefill
has more than the slots, those stay that the layer's first reading step reads, then the newest, and the rest is in the residual
slot from the start. Weights are left alone; a block that the trace frees gives its slot back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.workload.synth import params as p
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.groups import kv_blocks
from placement_opt.workload.transforms.made import Made, Transform, times
from placement_opt.workload.transforms.select import Lives, Rows, rebuilt, shares_of, size_read


@dataclass(frozen=True)
class Params:
    """Settings; InputError for values out of range."""

    slots: int | None = p.integer(None, 2, "of each layer, one of them residual (required)")
    tail: float = p.number(0.4, 0, 1, "share of them for the newest blocks")
    decay: float = p.number(0.98, 0, 1, "worth of a read over that of one a step later, in the score", open_low=True)

    def __post_init__(self) -> None:
        p.check(self)
        if self.slots is None:
            raise InputError("found nothing", "expected the number of slots of a layer", field="slots")


@dataclass(frozen=True, eq=False)
class _Layer:
    """The blocks of one layer in order of production, and the steps that read or produce some of them.

    ``rows``: (step, int64 places in ``ids``) of each, ascending.
    """

    ids: Int64
    rows: list[tuple[int, Int64]]


def make(trace: Trace, params: Params) -> Made:
    """The trace of slots; ``found`` has the blocks that are merged."""
    assert params.slots is not None
    gone = np.full(trace.num_blocks, trace.num_steps, dtype=np.int64)  # the step that merges a block; -1: before the first
    residual: list[tuple[int, Int64]] = []  # a block of each layer, the steps that produce its residual slot
    owner = np.full(trace.num_blocks, -1, dtype=np.int64)
    for layer in _layers(trace):
        left = _evicted(trace, layer, params)
        gone[layer.ids] = left
        if (left < trace.num_steps).any():
            owner[layer.ids] = len(residual)
            residual.append((int(layer.ids[0]), np.unique(left[left < trace.num_steps])))
    merged = int(np.count_nonzero(gone < trace.num_steps))
    if not merged:
        return Made(trace, {"merged": 0})
    made = _replaced(trace, gone, owner, residual)
    less = size_read(made) / max(size_read(trace), 1)
    told = [f"{merged:,} blocks are merged into the residual slots; {times(less)} times as much is read"]
    if trace.position is not None:
        told.append("lost: position, which is of blocks and not of slots")
    return Made(made, {"merged": merged, "read_share": less}, told)


def _layers(trace: Trace) -> list[_Layer]:
    """InputError where the KV blocks of a layer are not of one size."""
    label = np.zeros(trace.num_blocks, dtype=np.int64) if trace.block_layer is None else trace.block_layer.astype(np.int64)
    label = np.where(kv_blocks(trace), label, -1)
    place, found = np.zeros(trace.num_blocks, dtype=np.int64), []
    reads = np.argsort(label[trace.blocks], kind="stable")
    of_read = label[trace.blocks[reads]]
    for number in np.unique(label[label >= 0]).tolist():
        ids = np.flatnonzero(label == number)
        ids = ids[np.lexsort((ids, trace.birth[ids]))]
        sizes = trace.sizes[ids]
        if (odd := sizes != sizes[0]).any():
            block = int(ids[np.argmax(odd)])
            text = f"found blocks {ids[0]} and {block} of a layer, of {sizes[0]} and {trace.sizes[block]} {trace.size_unit}"
            raise InputError(text, "expected slots of one size", field="slots")
        place[ids] = np.arange(len(ids))
        own = reads[np.searchsorted(of_read, number) : np.searchsorted(of_read, number, side="right")]
        step, at = trace.read_step[own].astype(np.int64), place[trace.blocks[own]]
        begins = np.flatnonzero(np.diff(step, prepend=-1))
        rows = dict(zip(step[begins].tolist(), np.split(at, begins[1:]), strict=True)) if len(step) else {}
        born = np.unique(trace.birth[ids][trace.birth[ids] >= 0]).tolist()
        nothing = np.zeros(0, dtype=np.int64)
        found.append(_Layer(ids, [(t, rows.get(t, nothing)) for t in sorted({*rows, *born})]))
    return found


def _evicted(trace: Trace, layer: _Layer, params: Params) -> Int64:
    """int64[n]: the step that merges each block of a layer; -1: in the residual slot from the start; T: none does."""
    assert params.slots is not None
    room, steps = params.slots - 1, trace.num_steps
    birth, death = trace.birth[layer.ids], trace.death[layer.ids]
    left, score, worth = np.full(len(birth), steps, dtype=np.int64), np.zeros(len(birth)), 1.0
    born = np.searchsorted(birth, np.arange(-1, steps), side="right")  # [t + 1]: blocks produced up to step t
    excess = int(born[0]) - room
    if excess > 0:
        read = next((at for _, at in layer.rows if len(at)), np.zeros(0, dtype=np.int64))
        first = np.zeros(int(born[0]))
        first[read[read < born[0]]] = 1
        left[np.lexsort((np.arange(len(first)), first))[:excess]] = -1
    newest = p.share_of(params.tail, params.slots)
    for t, at in layer.rows:
        score[at] += worth
        worth /= params.decay
        if worth > 1e100:
            score, worth = score / worth, 1.0
        old, all_born = int(born[t]), int(born[t + 1])
        if all_born == old:
            continue
        held = np.flatnonzero((left[:all_born] == steps) & (death[:all_born] > t))
        excess = len(held) - room
        if excess <= 0:
            continue
        choice = held[: max(0, len(held) - newest)]
        choice = choice[choice < old]
        if len(choice) < excess:
            found = (
                f"found {all_born - old} blocks of a layer produced by step {t}, and {len(choice)} of {len(held)} to be merged"
            )
            raise InputError(found, "expected more slots, or a shorter tail", field="slots")
        left[choice[np.argsort(score[choice], kind="stable")[:excess]]] = t
    return left


def _replaced(trace: Trace, gone: Int64, owner: Int64, residual: list[tuple[int, Int64]]) -> Trace:
    """The trace with lives that end when a block is merged, and a life of the residual slot from each merging to the next."""
    steps, stays = trace.num_steps, gone >= 0
    number = np.cumsum(stays) - 1
    single = np.flatnonzero(stays)
    counts = np.array([len(at) for _, at in residual])
    first = len(single) + np.concatenate([[0], np.cumsum(counts)])[:-1]
    begins = np.concatenate([at for _, at in residual])
    ends = np.concatenate([np.append(at[1:], steps) for _, at in residual])
    of = np.repeat([block for block, _ in residual], counts)
    lives = Lives(
        np.concatenate([single, of]),
        np.concatenate([trace.birth[single].astype(np.int64), begins]),
        np.concatenate([np.minimum(trace.death[single], gone[single]), ends]),
        np.concatenate([trace.sizes[single], trace.sizes[of]]),
    )
    # Residual lives by (layer, step that produces them), to find the one that a step reads.
    width = steps + 2
    keys = np.repeat(np.arange(len(residual)), counts) * width + begins + 1

    def at_step(layer: Int64, step: Int64) -> Int64:
        """The residual slot of a layer that is alive when a step begins: the last produced by an earlier step."""
        return len(single) + np.searchsorted(keys, layer * width + step + 1) - 1

    step, block = trace.read_step.astype(np.int64), trace.blocks.astype(np.int64)
    late = step > gone[block]
    life = np.where(late, at_step(owner[block], step), number[block])
    victims = np.flatnonzero((gone >= 0) & (gone < steps))
    again = np.setdiff1d(
        np.arange(len(single), len(single) + len(begins)), first
    )  # each slot but a layer's first had one before
    rows = Rows(
        np.concatenate([step, gone[victims], begins[again - len(single)]]),
        np.concatenate([life, number[victims], again - 1]),
        np.concatenate(
            [np.where(late, trace.share_base, shares_of(trace)), np.full(len(victims) + len(again), trace.share_base)]
        ),
        trace.share_base,
    )
    return rebuilt(trace, lives, rows)


TRANSFORM = Transform(Params, make)
