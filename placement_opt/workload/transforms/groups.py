"""Blocks that become others at a step of their own, alone or several as one; what clustering and ageing have in common.

A block of a trace has one size and never changes. So what is rewritten in another form is two blocks: the old one is read
whole by the step that rewrites it, and freed after it; the new one is produced by that step, as any block is. That is what it
costs in memory traffic; what the rewriting computes is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Flags, Int64
from placement_opt.memory.operations import BLOCK_KINDS
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.select import Lives, Rows, rebuilt, shares_of


@dataclass(frozen=True)
class Streams:
    """The blocks of KV in the order in which tokens follow each other, layer by layer.

    Where several blocks of a layer begin with the same token (of head groups, of sequences), the first of each token are one
    stream, the second another.

    Attributes
    ----------
    order
        int64[n]: ids, by stream, then by first token (without such labels, by id).
    stream
        int64[n]: number of the stream, from 0; rising.
    rank
        int64[n]: place in its stream, from 0.
    """

    order: Int64
    stream: Int64
    rank: Int64


def kv_blocks(trace: Trace) -> Flags:
    """bool[B]."""
    kinds = trace.block_kind
    return np.ones(trace.num_blocks, dtype=np.bool_) if kinds is None else kinds == BLOCK_KINDS.index("kv")


def streams(trace: Trace, chosen: Flags | None = None) -> Streams:
    """Of all blocks of KV, or of the chosen ones among them."""
    kept = kv_blocks(trace) if chosen is None else kv_blocks(trace) & chosen
    ids = np.flatnonzero(kept)
    layer = np.zeros(len(ids), dtype=np.int64) if trace.block_layer is None else trace.block_layer[ids].astype(np.int64)
    token = ids if trace.block_token is None else trace.block_token[ids].astype(np.int64)
    order = np.lexsort((ids, token, layer))
    nth = np.empty(len(ids), dtype=np.int64)
    nth[order] = _since(_changes(layer[order]) | _changes(token[order]))
    order = np.lexsort((ids, token, nth, layer))
    begins = _changes(layer[order]) | _changes(nth[order])
    return Streams(ids[order], np.cumsum(begins) - 1, _since(begins))


def layers(trace: Trace) -> tuple[Int64, Int64]:
    """(int64[T], int64[B]): the layers of steps and blocks; all 0 where not both are labelled."""
    if trace.step_layer is None or trace.block_layer is None:
        return np.zeros(trace.num_steps, dtype=np.int64), np.zeros(trace.num_blocks, dtype=np.int64)
    return trace.step_layer.astype(np.int64), trace.block_layer.astype(np.int64)


def _changes(values: Int64) -> Flags:
    """Whether each is another than the one before it."""
    changes = np.ones(len(values), dtype=np.bool_)
    changes[1:] = values[1:] != values[:-1]
    return changes


def _since(begins: Flags) -> Int64:
    """How many there are between each and the last beginning up to it."""
    place = np.arange(len(begins))
    return place - np.maximum.accumulate(np.where(begins, place, 0))


def turned(trace: Trace, group: Int64, at: Int64, size: Int64, *, whole: bool) -> Trace:
    """Blocks that become one block of their group at a step, which reads them whole (but what it produces) and produces that.

    Parameters
    ----------
    trace
        Any.
    group
        int64[B]: 0..G-1, -1 for blocks that stay what they are. Members of a group live at the state after ``at``.
    at
        int64[G]: the step, no earlier than any member's birth; -1: from the start.
    size
        int64[G].
    whole
        Whether a group is read whole by whoever reads a member; else it has one member and is read by the same share.

    Returns
    -------
    Trace
        Without ``position`` where groups have several members or read more than the trace did.
    """
    count, base = len(at), trace.share_base
    if not count:
        return trace
    member = np.flatnonzero(group >= 0)
    of, death = np.full(count, trace.num_blocks, dtype=np.int64), np.full(count, -1, dtype=np.int64)
    np.minimum.at(of, group[member], member)
    np.maximum.at(death, group[member], trace.death[member].astype(np.int64))
    moment = np.where(group >= 0, at[group], trace.num_steps + 1)
    alone = (group < 0) | (trace.birth < moment)
    ends = np.minimum(trace.death, moment)
    single = np.flatnonzero(alone)
    number = np.cumsum(alone) - 1
    lives = Lives(
        np.concatenate([single, of]),
        np.concatenate([trace.birth[single].astype(np.int64), at]),
        np.concatenate([ends[single], death]),
        np.concatenate([trace.sizes[single], size]),
    )
    step, block = trace.read_step.astype(np.int64), trace.blocks.astype(np.int64)
    late = step > moment[block]
    life = np.where(late, len(single) + group[block], number[block])
    rewritten = member[alone[member]]
    share = np.where(late & whole, base, shares_of(trace))
    many = len(member) > count or len(rewritten) > 0
    rows = Rows(
        np.concatenate([step, moment[rewritten]]),
        np.concatenate([life, number[rewritten]]),
        np.concatenate([share, np.full(len(rewritten), base, dtype=np.int64)]),
        base,
        None if many or trace.position is None else trace.position.astype(np.int64),
    )
    return rebuilt(trace, lives, rows)


def form(trace: Trace, group: Int64) -> tuple[Int64, Int64]:
    """Groups that are formed when the last member is produced: (int64[B] numbers anew, int64[G] steps).

    A member that is freed by then is left out, and so are groups that would have one member.
    """
    group = group.copy()
    for _ in range(2):  # who is left out by the last birth of all members; then by that of those who stay, nobody more
        at = np.full(int(group.max(initial=-1)) + 1, -1, dtype=np.int64)
        member = np.flatnonzero(group >= 0)
        np.maximum.at(at, group[member], trace.birth[member].astype(np.int64))
        group[member[trace.death[member] <= at[group[member]]]] = -1
    member = np.flatnonzero(group >= 0)
    several = np.bincount(group[member], minlength=len(at)) > 1
    group[member[~several[group[member]]]] = -1
    number = np.append(np.cumsum(several) - 1, -1)  # the last, for those that are in none
    return number[group], at[several]


def summed_size(trace: Trace, group: Int64, count: int) -> Int64:
    """int64[G]: what the members of each group have together, in whole bytes for each piece."""
    size = np.zeros(count, dtype=np.int64)
    member = np.flatnonzero(group >= 0)
    np.add.at(size, group[member], trace.sizes[member])
    if trace.pieces is None or trace.size_unit != "bytes":
        return size
    first = np.full(count, trace.num_blocks, dtype=np.int64)  # whose pieces the group has
    np.minimum.at(first, group[member], member)
    pieces = np.broadcast_to(trace.pieces, trace.num_blocks)[first].astype(np.int64)
    return -(-size // pieces) * pieces
