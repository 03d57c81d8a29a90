"""Some of an instance's blocks in the same share of everything else: a question much like it, and cheaper to ask.

Prices that are good for it are good for the whole, of which they prove what they prove; its own values are no bounds of
anything but itself.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from placement_opt.instance.instance import Instance
from placement_opt.workload.trace import Trace


def thinned(instance: Instance, every: int) -> Instance:
    """Each ``every``-th block of an instance, with that share of capacities, budgets, fixed loads, floors: and so of time."""
    trace = instance.trace
    keep = np.zeros(trace.num_blocks, dtype=np.bool_)
    keep[every // 2 :: every] = True
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
    return replace(
        instance,
        name=f"{instance.name}, each {every}th block",
        trace=part,
        capacity=instance.capacity // every,
        size=instance.size[keep],
        fixed=instance.fixed // every,
        floor=instance.floor / every,
        initial=None if instance.initial is None else instance.initial[:, keep],
        budgets=tuple(replace(budget, fixed=budget.fixed / every) for budget in instance.budgets),
        fixed_metered=None if instance.fixed_metered is None else instance.fixed_metered // every,
    )
