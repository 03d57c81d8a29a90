"""Replays a schedule by the rules and adds up its time, exactly (problem statement, section 2).

Written for the verifier alone: nothing shared with the simulator or the schedulers. Whatever breaks a rule is refused with
step, block and numbers; the rest is timed by :mod:`placement_opt.certify.split`. All loads are times the share base.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import NoReturn

import numpy as np

from placement_opt.base.arrays import Flags, Int64
from placement_opt.base.arrays import Ints as Ids
from placement_opt.base.errors import CertificateError
from placement_opt.certify.account import Account
from placement_opt.certify.files import ScheduleCertificate
from placement_opt.certify.rows import Exact, Kinds, Rows, kinds_of
from placement_opt.certify.split import Clock, Pattern
from placement_opt.instance.instance import Instance


def schedule_time(instance: Instance, schedule: ScheduleCertificate) -> Fraction:
    """Seconds that a schedule takes, reads split optimally over the copies.

    Where the instance has budgets or another objective: seconds of the objective, reads split as the certificate says
    (:mod:`placement_opt.certify.account`).

    Raises
    ------
    CertificateError
        The schedule breaks a rule or a budget; says which, at what step, with which block.
    """
    _check_arrays(instance, schedule)
    kinds = kinds_of(instance)
    replay = _Replay(instance, kinds)
    replay.start(schedule.initial)
    if instance.timed:
        clock = Clock(instance, kinds)
        _play(replay, schedule, clock.add)
        return clock.total()
    if schedule.split is None:
        raise CertificateError("says nothing of how reads are split")
    account = Account(instance, kinds, schedule.parts, schedule.split)
    _play(replay, schedule, account.add)
    return account.cost()


def _play(replay: _Replay, schedule: ScheduleCertificate, add: Callable[[list[int], dict[Pattern, int]], None]) -> None:
    """All steps, one after the other."""
    for step in range(len(schedule.indptr) - 1):
        part = slice(int(schedule.indptr[step]), int(schedule.indptr[step + 1]))
        replay.read(step)
        replay.move(schedule.op[part], schedule.block[part])
        replay.serve()
        add(replay.loads, replay.served)


def _check_arrays(instance: Instance, schedule: ScheduleCertificate) -> None:
    """Shapes, ranges, and moves strictly ascending within each step, so that none is made twice."""
    tiers, moves = instance.num_tiers, len(schedule.op)
    indptr, op, block = schedule.indptr, schedule.op.astype(np.int64), schedule.block.astype(np.int64)
    if schedule.initial.shape != (tiers, instance.num_blocks) or schedule.initial.dtype != np.bool_:
        raise CertificateError(f"the start is {schedule.initial.dtype}{schedule.initial.shape}, not of this instance's size")
    ends = len(indptr) == instance.num_steps + 1 and indptr[0] == 0 and indptr[-1] == moves == len(block)
    if not ends or (np.diff(indptr) < 0).any():
        raise CertificateError("the moves are not divided over the instance's steps")
    step = np.repeat(np.arange(instance.num_steps), np.diff(indptr))

    def refuse(bad: Flags, message: str) -> None:
        if bad.any():
            first = int(np.argmax(bad))
            raise CertificateError(message, step=int(step[first]), block=int(block[first]))

    refuse((block < 0) | (block >= instance.num_blocks), f"there is no such block, ids are 0 to {instance.num_blocks - 1}")
    refuse((op < 0) | (op >= tiers * (tiers + 2)), f"an operation is not numbered from 0 to {tiers * (tiers + 2) - 1}")
    before, after = slice(None, -1), slice(1, None)
    rising = (op[after] > op[before]) | ((op[after] == op[before]) & (block[after] > block[before]))
    refuse(np.r_[False, (step[after] == step[before]) & ~rising][:moves], "named twice by an operation, or out of order")


class _Replay:
    """The residency of all blocks, step by step.

    Attributes
    ----------
    loads
        R + M integers: what the present step loads on each resource, and adds to each meter that the instance uses; reads with
        a choice of operations left out.
    served
        To what is read at the present step, by kind of block and operations that can serve it; two operations at least.
    """

    def __init__(self, instance: Instance, kinds: Kinds) -> None:
        self.loads: list[int] = []
        self.served: dict[Pattern, int] = {}
        self._instance, self._names, self._scale = instance, instance.memory.tier_names, instance.share_base
        self._rows = kinds.rows
        self._always_brings = all(kinds.rows[0].brings)  # whether what serves a read does not depend on what is stored
        self._sources = _sources(instance, kinds.rows[0])
        # sums over all blocks in 64 bits where they fit, otherwise in Python integers
        small = sum(instance.size.tolist()) * self._scale < 2**62
        self._size: Exact = instance.size if small else instance.size.astype(object)
        self._amount: Exact = kinds.amount if small else kinds.amount.astype(object)
        self._kind = kinds.kind
        self._capacity = [int(room) for room in instance.capacity]
        self._used = [0] * instance.num_tiers
        self._mask = np.zeros(instance.num_blocks, dtype=np.int64)
        self._last = instance.last_state
        self._births = _ByStep(instance.trace.birth, instance.num_steps)
        self._deaths = _ByStep(instance.trace.death, instance.num_steps)
        self._step = -1
        self._born: Ids = np.zeros(0, dtype=np.int64)
        self._present = np.full(instance.num_blocks, -1, dtype=np.int64)  # the step at which a block was last at the processor
        self._share = np.full(instance.num_blocks, self._scale, dtype=np.int64)  # and how much of it was
        self._stored = np.full(instance.num_blocks, -1, dtype=np.int64)  # the step at which it was last stored in passing
        self._reads: Ids = np.zeros(0, dtype=np.int64)
        self._found: Int64 = np.zeros(0, dtype=np.int64)

    def start(self, initial: Flags) -> None:
        """State 0: as given by the instance, or any that the rules allow."""
        instance = self._instance
        exists = instance.first_state == 0
        if instance.initial is not None:
            differs: Flags = (initial != instance.initial).any(axis=0)
            self._refuse_if(differs, np.arange(len(exists)), "does not start where the instance says")
        self._refuse_if(np.any(initial[:, ~exists], axis=0), np.flatnonzero(~exists), "is placed before it is produced")
        for tier, row in enumerate(initial):
            self._mask |= row.astype(np.int64) << tier
            self._used[tier] = int(self._size[row].sum())
        self._check_sets(np.flatnonzero(exists))
        self._check_room()

    def read(self, step: int) -> None:
        """Begin a step: its fixed loads, and what it reads in the residency that it finds."""
        instance, trace = self._instance, self._instance.trace
        rows = slice(int(trace.indptr[step]), int(trace.indptr[step + 1]))
        ids, self._step, self._born = trace.blocks[rows], step, self._births.at(step)
        fixed = [int(load) * self._scale for load in instance.fixed[step]]
        self.loads, self.served = [*fixed, *(0 for _ in instance.used_meters)], {}
        self._present[ids] = self._present[self._born] = step
        if trace.shares is not None:
            self._share[ids] = trace.shares[rows]
            self._share[self._born] = self._scale
        self._reads, self._found = ids, self._mask[ids]
        if instance.prefix == "strict":
            assert trace.position is not None
            self._break_off(trace.position[rows])

    def _break_off(self, place: Ids) -> None:
        """Copies serve the beginning of the step's prefix only: in its order, up to the first block that is missing.

        (Where a place is skipped, the step produces the block that belongs there.)
        """
        order = np.argsort(place)
        goes_on = np.logical_and.accumulate((place[order] == np.arange(len(order))) & (self._found[order] != 0))
        self._found[order[~goes_on]] = 0

    def serve(self) -> None:
        """End a step: what it reads; of what is stored in passing, all by operations that bring it to the processor."""
        amount = self._amount[self._reads] * self._share[self._reads]
        bringing = np.zeros(len(amount), dtype=np.int64) if self._always_brings else self._stored[self._reads] == self._step
        group = self._found << 1 | bringing
        for number in np.flatnonzero(np.bincount(group)).tolist():
            among = group == number
            for kind, total in self._totals(self._reads[among], amount[among]):
                rows = self._rows[kind]
                ways = rows.ways(number >> 1, bringing=bool(number & 1))
                if len(ways) > 1:
                    self.served[kind, ways] = self.served.get((kind, ways), 0) + total
                else:
                    self._load(total, rows.serve[ways[0]])

    def move(self, op: Ids, block: Ids) -> None:
        """Make the step's moves, which take effect at the next state."""
        before, tiers = self._mask[block], self._instance.num_tiers
        self._refuse_if(self._last[block] <= self._step, block, "is moved, but not alive at the next state")
        if self._instance.inclusive:  # new blocks are written through, like it or not
            home = self._instance.home
            self._arrive(home, self._born, self._mask[self._born])
            self._charge(self._born, self._scale, lambda rows: rows.store[home])
        starts = np.flatnonzero(np.r_[True, op[1:] != op[:-1]][: len(op)]).tolist()
        for low, high in itertools.pairwise([*starts, len(op)]):
            number, ids, held = int(op[low]), block[low:high], before[low:high]
            if number < tiers:
                self._store(number, ids, held)
            elif number < tiers + tiers * tiers:
                self._fetch(*divmod(number - tiers, tiers), ids, held)
            else:
                self._drop(number - tiers - tiers * tiers, ids, held)
        freed = self._deaths.at(self._step)
        self._check_sets(np.concatenate([block, self._born]))
        for tier in range(tiers):
            self._used[tier] -= int(self._size[freed[self._mask[freed] >> tier & 1 == 1]].sum())
        self._mask[freed] = 0
        self._check_room()

    def _store(self, tier: int, ids: Ids, held: Ids) -> None:
        """In passing. What is not at the processor of a block read in part is copied from the nearest tier that holds it."""
        name, born = self._names[tier], self._instance.trace.birth[ids] == self._step
        self._refuse_if(
            self._present[ids] != self._step, ids, f"is stored to {name}, but neither read nor produced at this step"
        )
        self._stored[ids] = self._step
        for mask in [] if self._always_brings else np.unique(held).tolist():
            for kind, rows in enumerate(self._rows):
                if not rows.ways(mask, bringing=True):
                    message = f"is stored to {name}, but no operation can bring it to the processor"
                    self._refuse_if((held == mask) & (self._kind[ids] == kind) & ~born, ids, message)
        self._arrive(tier, ids, self._mask[ids])
        share = self._share[ids]
        self._charge(ids, share, lambda rows: rows.store[tier])
        partly = share < self._scale
        self._refuse_if(partly & (held == 0), ids, f"is stored to {name} in part, and the rest of it lies nowhere")
        source = self._sources[tier][held]
        for j in np.unique(source[partly]).tolist():
            rest = partly & (source == j)
            self._charge(ids[rest], self._scale - share[rest], lambda rows, j=j: rows.copy[j, tier])  # type: ignore[misc]

    def _fetch(self, source: int, tier: int, ids: Ids, held: Ids) -> None:
        names = self._names
        self._refuse_if(held >> source & 1 == 0, ids, f"is fetched from {names[source]}, where it is not")
        self._arrive(tier, ids, self._mask[ids])
        self._charge(ids, self._scale, lambda rows: rows.copy[source, tier])

    def _drop(self, tier: int, ids: Ids, held: Ids) -> None:
        self._refuse_if(held >> tier & 1 == 0, ids, f"is dropped from {self._names[tier]}, where it is not")
        self._mask[ids] &= ~(1 << tier)
        self._used[tier] -= int(self._size[ids].sum())

    def _arrive(self, tier: int, ids: Ids, held: Ids) -> None:
        """Blocks come to a tier."""
        self._refuse_if(held >> tier & 1 == 1, ids, f"is moved to {self._names[tier]}, where it is or arrives already")
        self._mask[ids] |= 1 << tier
        self._used[tier] += int(self._size[ids].sum())

    def _check_sets(self, ids: Ids) -> None:
        """The residency rule, at the next state, for the blocks that were touched."""
        held, instance = self._mask[ids], self._instance
        if not instance.forgets:
            self._refuse_if(held == 0, ids, "is left without a copy")
        if instance.residency == "exclusive":
            self._refuse_if(held & (held - 1) != 0, ids, "lies in two tiers, but the rule is exclusive")
        if instance.inclusive:
            home = instance.home
            message = f"is missing from {self._names[home]}, where the inclusive rule keeps every block"
            self._refuse_if(held >> home & 1 == 0, ids, message)

    def _check_room(self) -> None:
        for name, used, room in zip(self._names, self._used, self._capacity, strict=True):
            if used > room:
                message = f"{name} holds {used} bytes at state {self._step + 1}, {used - room} more than its capacity {room}"
                raise CertificateError(message, step=None if self._step < 0 else self._step)

    def _charge(self, ids: Ids, share: int | Int64, row: Callable[[Rows], Exact]) -> None:
        """An operation, a row of theirs, on so much of blocks, in parts of the share base."""
        for kind, total in self._totals(ids, self._amount[ids] * share):
            self._load(total, row(self._rows[kind]))

    def _totals(self, ids: Ids, amount: Exact) -> Iterator[tuple[int, int]]:
        """Kind of block, and what the blocks of that kind count together."""
        if len(self._rows) == 1:
            yield 0, int(amount.sum())
            return
        kind = self._kind[ids]
        yield from ((number, int(amount[kind == number].sum())) for number in np.unique(kind).tolist())

    def _load(self, amount: int, row: Exact) -> None:
        self.loads = [load + amount * factor for load, factor in zip(self.loads, row.tolist(), strict=True)]

    def _refuse_if(self, bad: Flags, ids: Ids, message: str) -> None:
        if bad.any():
            self._refuse(message, int(ids[int(np.argmax(bad))]))

    def _refuse(self, message: str, block: int) -> NoReturn:
        raise CertificateError(message, step=None if self._step < 0 else self._step, block=block)


class _ByStep:
    """Blocks by a label of theirs, an integer array over blocks that names a step."""

    def __init__(self, label: Ids, steps: int) -> None:
        self._order = np.argsort(label, kind="stable")
        self._ends = np.searchsorted(label[self._order], np.arange(steps + 1)).tolist()

    def at(self, step: int) -> Ids:
        return self._order[self._ends[step] : self._ends[step + 1]]


def _sources(instance: Instance, rows: Rows) -> Int64:
    """int64[K, 2**K]: for each target and set of tiers, the tier from which a copy takes least time, alone.

    Among equals the one that is read fastest, alone; among these the first. 0 where there is none.
    """
    tiers = range(instance.num_tiers)
    rates: list[int] = instance.memory.rates.tolist()

    def seconds(loads: list[int]) -> Fraction:
        return max(map(Fraction, loads, rates))  # meters, which come after the resources, have no rates

    table = np.zeros((len(tiers), 1 << len(tiers)), dtype=np.int64)
    for target in tiers:
        rank = {
            j: (seconds(rows.copy[j, target].tolist()), seconds(rows.serve[rows.read(j)].tolist()), j)
            for j in tiers
            if j != target
        }
        for mask in range(1 << len(tiers)):
            held = [j for j in rank if mask >> j & 1]
            table[target, mask] = min(held, key=rank.__getitem__) if held else 0
    return table
