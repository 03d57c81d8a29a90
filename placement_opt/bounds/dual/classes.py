"""Blocks with the same data are one class with a multiplicity.

Two blocks of equal size, kind, life, start and reads are interchangeable: averaging a relaxed solution over them changes
neither loads nor room, so one column with a larger bound stands for all of them, exactly. Prefix blocks of one conversation and
blocks that are never read collapse this way. What operations load for a block depends on nothing but its size, and which serve
it on whether it is KV or weights, so a class is of one kind (:class:`placement_opt.instance.law.Loads`); and no rule of
residency knows one block from another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int32, Int64
from placement_opt.instance.instance import Instance

Shares = npt.NDArray[np.uint16] | None
#: Reads that are compared with those of others at once.
_AT_ONCE = 1 << 22


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
    steps = trace.read_step[order]
    shares = None if trace.shares is None else trace.shares[order]
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
        step=steps[take].astype(np.int64),
        share=np.ones(len(take)) if shares is None else shares[take] / trace.share_base,
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


def _merge(instance: Instance, pointers: Int64, steps: Int32, shares: Shares, begin: Int64) -> tuple[Int64, Int64]:
    """Class of each block and representatives in order of first appearance; equal hashes are compared in full.

    Blocks alike mostly follow each other (those that one request produces): each run of them is looked up once.
    """
    keys = _row_hashes(pointers, steps, shares, instance.num_steps)
    for number, column in enumerate(_columns(instance, pointers, begin)):
        keys ^= column.astype(np.uint64)
        keys *= _odd(number)
        keys ^= keys >> np.uint64(29)
    begins = np.ones(len(keys), dtype=bool)
    begins[1:] = keys[1:] != keys[:-1]
    runs = np.flatnonzero(begins)
    _, first, of = np.unique(keys[runs], return_index=True, return_inverse=True)
    del keys
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    block = runs[np.sort(first)].astype(np.int64)
    of = np.repeat(rank[of.reshape(-1)], np.diff(np.append(runs, instance.num_blocks)))
    twin = block[of]
    same = all(bool((column == column[twin]).all()) for column in _columns(instance, pointers, begin))
    if not (same and _rows_equal(pointers, steps, shares, twin)):  # a hash collision: leave every block of its own
        return np.arange(instance.num_blocks, dtype=np.int64), np.arange(instance.num_blocks, dtype=np.int64)
    return of, block


def _columns(instance: Instance, pointers: Int64, begin: Int64) -> Iterator[Int64]:
    """int64[B] each: what tells blocks apart besides their reads, one after the other, so that not all are held at once."""
    yield instance.size
    yield instance.first_state
    yield instance.last_state
    yield begin
    yield np.diff(pointers)
    if not instance.loads.by_size:
        yield instance.loads.kind


def _odd(number: int) -> np.uint64:
    return np.uint64(2 * int(np.random.default_rng((1, number)).integers(2**62)) + 1)


def _row_hashes(pointers: Int64, steps: Int32, shares: Shares, num_steps: int) -> npt.NDArray[np.uint64]:
    """uint64[B]: a polynomial hash of each row of (step, share), a sum of odd random multiples, wrapping in 64 bits."""
    random = np.random.default_rng(0).integers(1, 2**62, (2, num_steps + 1), dtype=np.int64).view(np.uint64) | np.uint64(1)
    sums = np.zeros(len(steps) + 1, dtype=np.uint64)
    terms = sums[1:]
    np.take(random[0], steps, out=terms)
    terms *= np.uint64(3) if shares is None else shares.astype(np.uint64) * np.uint64(2) + np.uint64(1)
    terms ^= random[1, steps]
    np.cumsum(sums, out=sums)
    return np.asarray(sums[pointers[1:]] - sums[pointers[:-1]])


def _rows_equal(pointers: Int64, steps: Int32, shares: Shares, twin: Int64) -> bool:
    """Whether each block's reads equal those of its twin (rows of equal length); some millions of reads at once."""
    at = 0
    while at < len(twin):
        upto = max(at + 1, int(np.searchsorted(pointers, pointers[at] + _AT_ONCE, side="right")) - 1)
        here = np.arange(pointers[at], pointers[upto])
        there = here + np.repeat(pointers[twin[at:upto]] - pointers[at:upto], np.diff(pointers[at : upto + 1]))
        if (steps[here] != steps[there]).any() or (shares is not None and (shares[here] != shares[there]).any()):
            return False
        at = upto
    return True
