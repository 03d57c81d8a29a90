"""Kinds of interval: what the compact program counts instead of blocks.

An interval leads from one read of a block (or from its birth, or state 0) to its next. Intervals with the same two steps, size
and share are one kind, however many blocks they belong to, and the reads of a step are one group: blocks that arrive in the
fast tier may leave it under another's name. Where that loses, reads are given labels that tell more of the future (how long
the run of consecutive reads still lasts, when the block comes back after it): only reads of one step with one label form a
group, and intervals are of one kind only if both their ends have the same groups. One label for all is the sums-only program, a
label for each block the exact one; any labels give a relaxation of whole reads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Flags, Float64, Int64
from placement_opt.bounds.dual.classes import Classes
from placement_opt.instance.instance import Instance


@dataclass(frozen=True, eq=False)
class Intervals:
    """J kinds of interval, merged over blocks, and where each interval of each class went.

    Attributes
    ----------
    opens, closes
        int64[J]: first state held, and the state of the read it leads to (the last state for a trailing one). Where the last
        read falls in the last state nothing trails it: ``opens > closes``.
    size, count
        int64[J]: bytes of one block; how many blocks.
    share
        float64[J]: share of the block read at ``closes``; 0 for a trailing interval.
    begin
        int64[J]: tier set held at state 0 as a bit mask; 0 where it is free, 2^K (no tier's bit) where it lies nowhere.
    born
        bool[J]: the interval follows a birth.
    after, into
        int64[J]: group of the read that it follows, and of the read that it leads to if the block goes on; -1 for none.
    kind
        int64[J]: kind of block, as in :class:`placement_opt.instance.law.Loads`.
    group_step, group_share, group_kind
        int64[H], float64[H] and int64[H]: the step of each group, the share of each block that it reads, their kind.
    of
        int64[I]: kind of each interval of each class; those of class g are ``start[g]:start[g + 1]``, ascending.
    start
        int64[G + 1].
    """

    opens: Int64
    closes: Int64
    size: Int64
    count: Int64
    share: Float64
    begin: Int64
    born: Flags
    after: Int64
    into: Int64
    kind: Int64
    group_step: Int64
    group_share: Float64
    group_kind: Int64
    of: Int64
    start: Int64

    def __len__(self) -> int:
        return len(self.opens)

    @property
    def shape(self) -> tuple[int, int]:
        """(J, H): what grows as reads are told apart."""
        return len(self.opens), len(self.group_step)


def merge_rows(columns: list[Int64]) -> tuple[Int64, Int64]:
    """(first, of): positions of the first of each set of equal rows, in ascending order of the rows, and each row's set.

    Columns are packed into one integer as long as their ranges allow, which sorts ten times faster than rows do.
    """
    key = np.zeros(len(columns[0]), dtype=np.int64)
    width = 1
    for column in columns:
        low = int(column.min()) if len(column) else 0
        span = int(column.max()) - low + 1 if len(column) else 1
        if width * span >= 2**62:
            _, key = np.unique(key, return_inverse=True)
            key, width = key.reshape(-1).astype(np.int64), len(key)
        if width * span >= 2**62:
            _, column = np.unique(column, return_inverse=True)
            low, span = 0, len(key)
        key = key * span + (column.reshape(-1) - low)
        width *= span
    _, first, of = np.unique(key, return_index=True, return_inverse=True)
    return first.astype(np.int64), of.reshape(-1).astype(np.int64)


def cut_intervals(instance: Instance, classes: Classes, labels: Int64 | None = None) -> Intervals:
    """The intervals of every class, merged; ``labels`` int64, one per read of each class (all equal if None)."""
    groups, reads = len(classes), len(classes.step)
    owner = np.repeat(np.arange(groups), np.diff(classes.start))
    goes_on = classes.step < classes.last[owner]
    labels = np.zeros(reads, dtype=np.int64) if labels is None else labels
    group = np.full(reads, -1, dtype=np.int64)
    numerator = np.rint(classes.share * instance.share_base).astype(np.int64)
    block_kind = instance.loads.kind[classes.block]
    told = [classes.step[goes_on], labels[goes_on], numerator[goes_on]]
    told += [block_kind[owner[goes_on]]] if len(instance.loads.size) > 1 else []
    first, of = merge_rows(told)
    group[goes_on] = of
    group_step, group_share = classes.step[goes_on][first], classes.share[goes_on][first]
    group_kind = block_kind[owner[goes_on]][first]

    start = classes.start + np.arange(groups + 1)  # one interval per read, and what trails the last
    total = int(start[-1])
    leads = np.arange(reads) + owner  # the interval that leads to each read
    opens, closes = np.empty(total, dtype=np.int64), np.empty(total, dtype=np.int64)
    after, into = np.full(total, -1, dtype=np.int64), np.full(total, -1, dtype=np.int64)
    share = np.zeros(total, dtype=np.int64)
    opens[start[:-1]], closes[start[1:] - 1] = classes.first, classes.last
    opens[leads + 1], closes[leads] = classes.step + 1, classes.step
    after[leads + 1], into[leads] = group, group
    share[leads] = numerator
    begin, born = np.zeros(total, dtype=np.int64), np.zeros(total, dtype=np.int64)
    nowhere = (classes.first == 0) & (classes.begin == 0)
    begin[start[:-1]] = np.where(nowhere, 1 << instance.num_tiers, np.maximum(classes.begin, 0))
    born[start[:-1]] = classes.first > 0
    count = np.repeat(classes.count, np.diff(start))
    size = np.repeat(classes.size, np.diff(start))
    kind = np.repeat(block_kind, np.diff(start))
    told = [opens, closes, size, share, begin, born, after, into]
    told += [] if instance.loads.by_size else [kind]
    first, of = merge_rows(told)
    return Intervals(
        opens[first],
        closes[first],
        size[first],
        np.bincount(of, count, len(first)).astype(np.int64),
        share[first] / instance.share_base,
        begin[first],
        born[first] == 1,
        after[first],
        into[first],
        kind[first],
        group_step,
        group_share,
        group_kind,
        of,
        start,
    )


#: Labels from the coarsest to those that make every class its own: the program is refined in this order.
LEVELS = ("one", "nearness of the end", "end of the run", "end and return", "class")
_NEAR = (1, 2, 3, 5, 9, 17, 33)


def label_reads(instance: Instance, classes: Classes, level: str) -> Int64:
    """int64[N]: a label for each read of each class, at one of the :data:`LEVELS`.

    Reads as close together as any of a block's are form a run. Labels tell how many reads of the run are still to come, roughly
    or exactly, and when the block is read again after it.
    """
    owner = np.repeat(np.arange(len(classes)), np.diff(classes.start))
    if level == "one" or not len(owner):
        return np.zeros(len(owner), dtype=np.int64)
    if level == "class":
        return owner
    left, back = _look_ahead(instance, classes, owner)
    if level == "end of the run":
        return left
    if level == "end and return":
        return left * (instance.num_steps + 2) + back
    return np.searchsorted(_NEAR, left, side="right").astype(np.int64)


def _look_ahead(instance: Instance, classes: Classes, owner: Int64) -> tuple[Int64, Int64]:
    """(reads of its run still to come, next read after the run or T + 1) of each read."""
    never = instance.num_steps + 1
    final = np.append(owner[1:] != owner[:-1], True)
    following = np.where(final, never, np.append(classes.step[1:], never))
    gap = following - classes.step
    least = np.full(len(classes), never, dtype=np.int64)
    np.minimum.at(least, owner[~final], gap[~final])
    ends = np.flatnonzero(final | (gap > least[owner]))
    position = np.arange(len(owner))
    last = ends[np.searchsorted(ends, position)]
    return last - position, following[last]
