"""Blocks that are read alike moved together: an instance with fewer, larger blocks, whose schedules are schedules of the whole.

Blocks of one class (:mod:`placement_opt.bounds.dual.classes`: prefix blocks of one conversation, say) are interchangeable.
Where they are many, a path for each would not fit; as parts of a class that move as one they are few, and every schedule of
such bundles is one of the blocks, with the same loads and so the same time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.bounds.dual.classes import Classes, classify
from placement_opt.instance.instance import Instance
from placement_opt.play.schedule import Schedule
from placement_opt.workload.trace import Trace

#: A bundle takes no more than this share of the smallest tier: room would be wasted.
_FINENESS = 64


@dataclass(frozen=True, eq=False)
class Bundles:
    """An instance of bundles.

    Attributes
    ----------
    instance
        Its blocks are the bundles.
    start, members
        int64[N + 1], int64[B]: the blocks of bundle n are ``members[start[n]:start[n + 1]]``.
    """

    instance: Instance
    start: Int64
    members: Int64

    def spread(self, schedule: Schedule) -> Schedule:
        """A schedule of bundles as one of their blocks."""
        from placement_opt.schedulers.search.paths_kernels import spread

        lengths = np.diff(self.start)
        count = int((np.bincount(schedule.block, minlength=len(lengths)) * lengths).sum())
        initial = np.zeros((len(schedule.initial), len(self.members)), dtype=bool)
        initial[:, self.members] = np.repeat(schedule.initial, lengths, axis=1)
        indptr, op, block = np.zeros_like(schedule.indptr), np.empty(count, dtype=np.int16), np.empty(count, dtype=np.int32)
        spread(schedule.indptr, schedule.op, schedule.block, self.start, self.members, indptr, op, block)
        return Schedule(schedule.scheduler, initial, indptr, op, block)

    def gather(self, schedule: Schedule) -> Schedule | None:
        """The schedule of bundles that a schedule of blocks was spread from; None if it was not."""
        number = np.full(len(self.members), -1, dtype=np.int32)
        leaders = self.members[self.start[:-1]]
        number[leaders] = np.arange(len(leaders))
        leads = number[schedule.block] >= 0
        indptr = np.concatenate([[0], np.cumsum(leads)])[schedule.indptr]
        block = number[schedule.block[leads]]
        found = Schedule(schedule.scheduler, schedule.initial[:, leaders], indptr, schedule.op[leads], block)
        again = self.spread(found)
        same = all(np.array_equal(getattr(again, name), getattr(schedule, name)) for name in ("initial", "op", "block"))
        return found if same else None


def bundle(instance: Instance, most_states: int, *, few: bool = False) -> Bundles | None:
    """An instance of bundles with at most so many (bundle, state) pairs; None where its classes are too many or too small, or
    where a bundle would not load what its blocks do, because loads are not by the byte.

    ``few``: as few bundles as may be, in place of as many.
    """
    if not instance.memory.operations.uniform:
        return None
    classes = classify(instance)
    lives = classes.last - classes.first + 1
    tiers = instance.capacity[instance.capacity > 0]
    most_bytes = max(int(tiers.min()) // _FINENESS, 1)
    low, high = most_bytes if few else 0, most_bytes  # bytes that a bundle may have: too many pairs at low, few enough at high
    if int((_parts(classes, most_bytes) * lives).sum()) > most_states:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if int((_parts(classes, middle) * lives).sum()) > most_states:
            low = middle
        else:
            high = middle
    parts = _parts(classes, high)
    return _bundled(instance, classes, parts)


def bundle_alike(instance: Instance, classes: Classes, most: int, largest: float = np.inf) -> Bundles | None:
    """An instance in which each class makes at most so many bundles, or more where they would be larger than so many bytes or
    too large for the smallest tier; None as above.

    Blocks that may lie nowhere and that nobody reads are as few bundles as may be: they move nowhere.
    """
    if not instance.memory.operations.uniform:
        return None
    tiers = instance.capacity[instance.capacity > 0]
    room = max(int(tiers.min()) // _FINENESS, 1)
    fewest, wanted = _parts(classes, room), np.minimum(classes.count, most)
    wanted = np.maximum(wanted, _parts(classes, max(1, int(min(largest, room)))))
    if instance.forgets:
        wanted[np.diff(classes.start) == 0] = 1
    return _bundled(instance, classes, np.maximum(wanted, fewest))


def _bundled(instance: Instance, classes: Classes, parts: Int64) -> Bundles | None:
    """Bundles of so many parts of each class; None where that is none, or they are too large for a tier or a start."""
    if len(parts) == 0 or int(parts.sum()) >= instance.num_blocks:
        return None
    owner = np.repeat(np.arange(len(classes)), parts)
    rank = np.arange(len(owner)) - np.repeat(np.cumsum(parts) - parts, parts)
    each, more = classes.count[owner] // parts[owner], classes.count[owner] % parts[owner]
    counts = each + (rank < more)
    start = np.zeros(len(owner) + 1, dtype=np.int64)
    np.cumsum(counts, out=start[1:])
    try:
        found = _instance(instance, classes, owner, counts)
    except InputError:  # too large for a tier, or for a start to fit
        return None
    return Bundles(found, start, np.argsort(classes.of, kind="stable"))


def _parts(classes: Classes, most_bytes: int) -> Int64:
    """int64[G]: how many bundles of at most so many bytes each class makes."""
    each = np.maximum(1, most_bytes // classes.size)
    return np.asarray(-(-classes.count // each))


def _instance(instance: Instance, classes: Classes, owner: Int64, counts: Int64) -> Instance:
    trace, block = instance.trace, classes.block[owner]
    lengths = np.diff(classes.start)[owner]
    take = np.arange(int(lengths.sum())) + np.repeat(classes.start[owner] - (np.cumsum(lengths) - lengths), lengths)
    reader = np.repeat(np.arange(len(owner), dtype=np.int32), lengths)
    order = np.lexsort((reader, classes.step[take]))
    steps = classes.step[take][order]
    shares = None
    if trace.shares is not None:
        shares = np.rint(classes.share[take][order] * trace.share_base).astype(np.uint16)
    size = instance.size[block] * counts
    bundled = Trace(
        indptr=np.searchsorted(steps, np.arange(trace.num_steps + 1)).astype(np.int64),
        blocks=reader[order],
        birth=trace.birth[block],
        death=trace.death[block],
        size=size,
        size_unit="bytes",
        shares=shares,
        share_base=trace.share_base,
        step_token=trace.step_token,
        step_layer=trace.step_layer,
        block_layer=None if trace.block_layer is None else trace.block_layer[block],
        block_kind=None if trace.block_kind is None else trace.block_kind[block],
        meta=trace.meta,
    )
    initial = None if instance.initial is None else np.ascontiguousarray(instance.initial[:, block])
    # Bundles have no places in a prefix; what is found for them is played again with the blocks, by the instance's own rules.
    return replace(instance, trace=bundled, size=size, initial=initial, prefix="free")
