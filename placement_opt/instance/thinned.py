"""Some of an instance's blocks in the same share of everything else: a question much like it, and cheaper to ask.

Prices that are good for it are good for the whole, of which they prove what they prove; its own values are no bounds of
anything but itself.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.instance.instance import Instance
from placement_opt.instance.totals import alive_bytes
from placement_opt.workload.trace import Trace


def thinned(instance: Instance, every: int) -> Instance:
    """Each ``every``-th block of an instance, with that share of capacities, budgets, fixed loads, floors: and so of time.

    One block at least; tiers have room for what is left.
    """
    trace = instance.trace
    keep = np.zeros(trace.num_blocks, dtype=np.bool_)
    keep[min(every // 2, trace.num_blocks - 1) :: every] = True
    number = np.cumsum(keep, dtype=np.int32) - 1
    read = keep[trace.blocks]
    counts = np.bincount(trace.read_step[read], minlength=trace.num_steps)
    part = Trace(
        indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        blocks=number[trace.blocks[read]].astype(np.int32),
        birth=trace.birth[keep],
        death=trace.death[keep],
        size=trace.size if len(trace.size) == 1 else trace.size[keep],
        size_unit=trace.size_unit,
        shares=None if trace.shares is None else trace.shares[read],
        share_base=trace.share_base,
        block_kind=None if trace.block_kind is None else trace.block_kind[keep],
        pieces=trace.pieces if trace.pieces is None or len(trace.pieces) == 1 else trace.pieces[keep],
        meta={"format": "thinned"},
    )
    size, initial = instance.size[keep], None if instance.initial is None else instance.initial[:, keep]
    return replace(
        instance,
        name=f"{instance.name}, each {every}th block",
        trace=part,
        capacity=_room(instance, every, int(alive_bytes(part, size).max()), 0 if initial is None else initial @ size),
        size=size,
        fixed=instance.fixed // every,
        floor=instance.floor / every,
        initial=initial,
        budgets=tuple(replace(budget, fixed=budget.fixed / every) for budget in instance.budgets),
        fixed_metered=None if instance.fixed_metered is None else instance.fixed_metered // every,
    )


def _room(instance: Instance, every: int, peak: int, there: Int64 | int) -> Int64:
    """int64[K]: a share of the capacities, and room for so many bytes alive at once and those that are there at the start."""
    room: Int64 = np.maximum(instance.capacity // every, there)
    if not instance.forgets:
        tier = instance.home if instance.inclusive else int(np.argmax(room))
        room[tier] += max(0, peak - int(room[tier] if instance.inclusive else room.sum()))
    return room
