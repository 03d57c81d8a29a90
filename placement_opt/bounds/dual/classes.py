"""Blocks with the same data are one class with a multiplicity.

Two blocks of equal size, kind, life, start and reads are interchangeable: averaging a relaxed solution over them changes
neither loads nor room, so one column with a larger bound stands for all of them, exactly. Prefix blocks of one conversation and
blocks that are never read collapse this way. What operations load for a block depends on nothing but its size, and which serve
it on whether it is KV or weights, so a class is of one kind (:class:`placement_opt.instance.law.Loads`); and no rule of
residency knows one block from another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.instance.instance import Instance


@dataclass(frozen=True, eq=False)
class Classes:
    """G classes of blocks.

    Attributes
    ----------
    of
        int64[B]: the class of each block.
    block
        int64[G]: a representative of each class.
    count
        int64[G]: how many blocks each has.
    start, step, share
        Reads of the representatives: int64[G + 1] pointers into int64[.] steps (ascending) and float64[.] shares.
    size, first, last
        int64[G]: bytes of one block, first and last state at which it can be of use that it lies somewhere
        (:attr:`placement_opt.instance.instance.Instance.kept_until`).
    begin
        int64[G]: tier set at state 0 as a bit mask, -1 where the start is free. 0 where the class is produced later, which
        ``first`` > 0 tells from what lies nowhere at state 0.
    kind, amount
        int64[G]: kind of the blocks, and what one of them counts (:class:`placement_opt.instance.law.Loads`).
    """

    of: Int64
    block: Int64
    count: Int64
    start: Int64
    step: Int64
    share: npt.NDArray[np.float64]
    size: Int64
    first: Int64
    last: Int64
    begin: Int64
    kind: Int64
    amount: Int64

    def __len__(self) -> int:
        return len(self.block)


def classify(instance: Instance) -> Classes:
    """Merge the blocks of an instance whose size, kind, life, start and reads agree."""
    trace = instance.trace
    pointers, order = trace.by_block
    steps = trace.read_step[order].astype(np.int64)
    shares = np.ones(len(order), dtype=np.int64) if trace.shares is None else trace.shares[order].astype(np.int64)
    begin = _begin(instance)
    of, block = _merge(instance, pointers, steps, shares, begin)
    lengths = np.diff(pointers)[block]
    start = np.zeros(len(block) + 1, dtype=np.int64)
    np.cumsum(lengths, out=start[1:])
    take = np.arange(start[-1]) + np.repeat(pointers[block] - start[:-1], lengths)
    return Classes(
        of=of,
        block=block,
        count=np.bincount(of, minlength=len(block)).astype(np.int64),
        start=start,
        step=steps[take],
        share=shares[take] / trace.share_base,
        size=instance.size[block],
        first=instance.first_state[block],
        last=instance.kept_until[block],
        begin=begin[block],
        kind=instance.loads.kind[block],
        amount=instance.loads.amount[block],
    )


def take_classes(classes: Classes, chosen: Int64) -> Classes:
    """Some classes (int64[g], by number) as classes of their own; ``of`` then is empty."""
    lengths = np.diff(classes.start)[chosen]
    start = np.zeros(len(chosen) + 1, dtype=np.int64)
    np.cumsum(lengths, out=start[1:])
    take = np.arange(start[-1]) + np.repeat(classes.start[chosen] - start[:-1], lengths)
    return Classes(
        of=np.zeros(0, dtype=np.int64),
        block=classes.block[chosen],
        count=classes.count[chosen],
        start=start,
        step=classes.step[take],
        share=classes.share[take],
        size=classes.size[chosen],
        first=classes.first[chosen],
        last=classes.last[chosen],
        begin=classes.begin[chosen],
        kind=classes.kind[chosen],
        amount=classes.amount[chosen],
    )


def by_kind(classes: Classes) -> list[tuple[int, Int64, Classes]]:
    """(kind, int64[g]: numbers of its classes, these as classes of their own) for every kind of block that there is."""
    if not classes.kind.any():
        return [(0, np.arange(len(classes)), classes)]
    chosen = [(int(kind), np.flatnonzero(classes.kind == kind)) for kind in np.unique(classes.kind)]
    return [(kind, numbers, take_classes(classes, numbers)) for kind, numbers in chosen]


def _begin(instance: Instance) -> Int64:
    exists = instance.first_state == 0
    if instance.initial is None:
        return np.where(exists, -1, 0).astype(np.int64)
    weights = 1 << np.arange(instance.num_tiers, dtype=np.int64)
    return np.where(exists, weights @ instance.initial, 0).astype(np.int64)


def _merge(instance: Instance, pointers: Int64, steps: Int64, shares: Int64, begin: Int64) -> tuple[Int64, Int64]:
    """Class of each block and representatives in order of first appearance; equal hashes are compared in full."""
    # a polynomial hash of each row of (step, share): sums of odd random multiples, wrapping in 64 bits
    random = np.random.default_rng(0).integers(1, 2**62, (2, instance.num_steps + 1), dtype=np.int64).view(
        np.uint64
    ) | np.uint64(1)
    terms = random[0, steps] * (shares.astype(np.uint64) * np.uint64(2) + np.uint64(1)) ^ random[1, steps]
    sums = np.concatenate([[np.uint64(0)], np.cumsum(terms, dtype=np.uint64)])
    rows = sums[pointers[1:]] - sums[pointers[:-1]]
    columns = [instance.size, instance.first_state, instance.last_state, begin, np.diff(pointers), rows.view(np.int64)]
    columns += [] if instance.loads.by_size else [instance.loads.kind]
    keys = np.stack(columns, axis=1)
    _, first, of = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    of = of.reshape(-1)
    rank = np.argsort(np.argsort(first, kind="stable"), kind="stable")
    of, block = rank[of], np.sort(first)
    same = _rows_equal(pointers, steps, shares, block[of])
    if not same.all():  # a hash collision: leave every block of its own
        return np.arange(instance.num_blocks, dtype=np.int64), np.arange(instance.num_blocks, dtype=np.int64)
    return of.astype(np.int64), block.astype(np.int64)


def _rows_equal(pointers: Int64, steps: Int64, shares: Int64, twin: Int64) -> npt.NDArray[np.bool_]:
    """Whether each block's reads equal those of its twin (rows of equal length)."""
    lengths = np.diff(pointers)
    shift = np.repeat(pointers[twin] - pointers[:-1], lengths)
    here = np.arange(len(steps))
    differs = (steps != steps[here + shift]) | (shares != shares[here + shift])
    total = np.concatenate([[0], np.cumsum(differs)])
    return np.asarray(total[pointers[1:]] == total[pointers[:-1]])
