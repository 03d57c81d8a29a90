"""Where every block is, and what moving it costs: applies the moves of one step after the other, or refuses them.

This is the law as the simulator enforces it (problem statement, section 2): an action that breaks a rule is an error that
names the step and the block (the simulator adds the scheduler), never a silent repair. Moves are counted here and cost what
the table of operations says (:mod:`placement_opt.play.run`).
"""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int32, Int64
from placement_opt.base.errors import InputError, ScheduleError
from placement_opt.base.units import format_size
from placement_opt.instance.instance import Instance
from placement_opt.play.protocol import Ids, Moves, Resident, cheapest_source

Mask = np.uint16
_ROOM = 2**62
#: Reads from which on loading compiled loops takes less time than they save.
_MANY = 2**18
_INT64 = np.dtype(np.int64)  # comparing with a type makes it anew each time


class Ledger:
    """The residency of all blocks, as a bit mask per block and as rows per tier, and the bytes moved at every step.

    Parameters
    ----------
    instance
        The instance; sums over its blocks, times its share base, must fit 64-bit integers (InputError otherwise).

    Attributes
    ----------
    mask
        uint16[B]: bit k is set where tier k holds the block; 0 before its birth and after its end.
    resident
        bool[K, B]: the same, to be shown to schedulers.
    moved
        int64[T, C * (K + K * K)]: what was stored to each tier (k) and copied between tiers (K + j * K + k) of each of the C
        kinds of blocks, kind by kind, in the unit in which it counts (:class:`placement_opt.instance.law.Loads`: bytes, or
        blocks where loads are no mere multiples of bytes), times the share base.
    """

    def __init__(self, instance: Instance) -> None:
        tiers, blocks = instance.num_tiers, instance.num_blocks
        self.instance = instance
        self._sources = cheapest_source(instance.memory)
        peak = int(instance.alive_bytes.max()) * instance.share_base
        if peak > _ROOM:
            found = f"found {format_size(peak // instance.share_base)} alive at once with shares of 1/{instance.share_base}"
            raise InputError(found, "expected their product below 2**62", field="shares")
        self.mask = np.zeros(blocks, dtype=Mask)
        self.resident: Resident = np.zeros((tiers, blocks), dtype=bool)
        loads = instance.loads
        self._kinds, self._operations = len(loads.row), loads.operations.first_serving
        self._kind = None if loads.operations.uniform else loads.kind
        self.moved: Int64 = np.zeros((instance.num_steps, self._kinds * self._operations), dtype=np.int64)
        self._used = [0] * tiers
        self._capacity = [int(c) for c in instance.capacity]
        self._names = instance.memory.tier_names
        equal = int(instance.size[0])
        self._equal = equal if (instance.size == equal).all() else 0
        self._present = np.full(blocks, -1, dtype=np.int32)  # the step at which a block was last read or produced
        self._passed = None if loads.brings.all() else np.full(blocks, -1, dtype=np.int32)  # ... and stored in passing
        self._remade: npt.NDArray[np.bool_] = loads.remade[loads.kind]
        self._part: Int64 | None = None if instance.trace.shares is None else np.zeros(blocks, dtype=np.int64)
        self._doomed = np.zeros(blocks, dtype=bool)
        self._slot, self._turn = np.zeros(blocks, dtype=np.int32), 0
        self._count = np.arange(blocks, dtype=np.int32)
        self._home = instance.home if instance.inclusive else -1
        self._loops = loops_for(instance.trace.num_reads)
        self._step = -1
        self._births: Ids = np.zeros(0, dtype=np.int64)
        self._freed: Ids = self._births

    def place(self, initial: Resident) -> None:
        """State 0, as given by the instance."""
        self.resident[:] = initial
        self.mask[:] = (initial.astype(Mask) << np.arange(len(initial), dtype=Mask)[:, None]).sum(axis=0, dtype=Mask)
        self._used = [int(used) for used in initial.astype(np.int64) @ self.instance.size]

    @property
    def used(self) -> Int64:
        """int64[K]: bytes held in each tier."""
        return np.array(self._used, dtype=np.int64)

    def place_chosen(self, chosen: object) -> None:
        """State 0, as chosen by the scheduler; ScheduleError where the rules forbid it."""
        instance = self.instance
        shape = self.resident.shape
        if not isinstance(chosen, np.ndarray) or chosen.dtype != np.bool_ or chosen.shape != shape:
            self._refuse(f"the start is {_kind(chosen)}, expected bool{shape}")
        exists = instance.first_state == 0
        early: npt.NDArray[np.bool_] = np.asarray(chosen.any(axis=0)) & ~exists
        self._refuse_if(early, np.arange(len(early)), "placed at the start, but not yet produced")
        chosen = chosen.copy()
        if instance.inclusive:
            chosen[instance.home, exists] = True
        copies, ids = chosen[:, exists].sum(axis=0), np.flatnonzero(exists)
        if not instance.forgets:
            self._refuse_if(copies == 0, ids, "placed nowhere at the start")
        if instance.residency == "exclusive":
            self._refuse_if(copies > 1, ids, "placed in two tiers at the start, but the rule is exclusive")
        for tier, row in enumerate(chosen):
            within = np.cumsum(instance.size * row) > self._capacity[tier]
            self._refuse_if(row & within, np.arange(len(row)), self._overfull(tier, int(instance.size @ row)))
        self.place(chosen)

    def begin(
        self,
        step: int,
        reads: Ids,
        shares: npt.NDArray[np.uint16] | None,
        births: Ids,
        freed: Ids,
        held: npt.NDArray[Mask] | None = None,
    ) -> Int64:
        """Open a step; int64[K] bytes that stay occupied if nothing is moved.

        ``held`` is filled with the set of tiers that hold each block read, as a mask.
        """
        self._step, self._births, self._freed = step, births, freed
        if len(births):
            self._present[births] = step
        if self._loops is not None and held is not None:
            self._loops.meet(reads, self._present, step, self.mask, held)
        else:
            self._present[reads] = step
            if held is not None:
                held[:] = self.mask[reads]
        if self._part is not None and shares is not None:
            self._part[births] = self.instance.share_base
            self._part[reads] = shares
        if len(freed):
            self._present[freed] = -1
            self._doomed[freed] = True
            for tier, held in enumerate(self.resident):
                self._used[tier] -= self._bytes(freed[held[freed]])
        if self.instance.inclusive and len(births):
            self._used[self._home] += self._bytes(births)
        return self.used

    def apply(self, moves: object) -> None:
        """Check and charge the moves of the open step, and close it: the next state is in force."""
        if not isinstance(moves, Moves):
            self._refuse(f"the step's moves are {_kind(moves)}, expected Moves")
        self._check(moves)
        if self.instance.inclusive and len(self._births):
            home = self._home
            self._charge(home, self._births)
            self.mask[self._births] = 1 << home
            self.resident[home, self._births] = True
        arrivals = [*moves.store, *((target, ids) for _, target, ids in moves.fetch)]
        for tier, ids in arrivals:
            self._arrive(tier, ids)
        for tier, ids in moves.drop:
            self._leave(tier, ids)
        self._check_copies(moves)
        for tier, used in enumerate(self._used):
            if used > self._capacity[tier]:
                self._refuse_overfull(tier, [ids for target, ids in arrivals if target == tier])
        if len(self._freed):
            self.mask[self._freed] = 0
            self.resident[:, self._freed] = False

    def passed(self, reads: Ids) -> npt.NDArray[np.bool_] | None:
        """bool[n]: which reads of the step just applied were stored in passing, hence served by what brings the block here.

        None where every operation that serves brings it.
        """
        return None if self._passed is None else self._passed[reads] == self._step

    def _check(self, moves: Moves) -> None:
        """What can be said of moves before any of them is made, and their charge."""
        tiers = len(self._names)
        for tier, ids in moves.store:
            if not self._sound(tier, ids, self._present, self._step):
                self._check_ids("store", (tier,), ids)
                self._check_not_freed(ids)
                absent = self._present[ids] != self._step
                self._refuse_if(absent, ids, f"stored to {self._names[tier]}, but neither read nor produced at this step")
            if self.instance.forgets:
                self._check_at_hand(tier, ids)
            if self._passed is not None:
                self._passed[ids] = self._step
            if self._part is None:
                self._charge(tier, ids)
            else:
                self.moved[self._step, tier] += int(self.instance.size[ids] @ self._part[ids])
                self._charge_rest(tier, ids, self._part[ids])
        for source, target, ids in moves.fetch:
            self._check_ids("fetch", (source, target), ids)
            if source == target:
                self._refuse(f"fetched from {self._names[source]} to itself", int(ids[0]) if len(ids) else None)
            self._check_held(source, ids, "fetched from")
            self._charge(tiers + source * tiers + target, ids)
        for tier, ids in moves.drop:
            if not self._sound(tier, ids, None, 1):
                self._check_ids("drop", (tier,), ids)
                self._check_held(tier, ids, "dropped from")
            if tier == self._home and len(ids):
                self._refuse(f"dropped from {self._names[tier]}, where the inclusive rule keeps every block", int(ids[0]))

    def _sound(self, tier: object, ids: object, state: Int32 | None, wanted: int) -> bool:
        """Whether all is well with what is stored (``state``: of blocks) or dropped (None), as far as loops can say."""
        if self._loops is None or not _plain(ids) or not isinstance(tier, int) or not 0 <= tier < len(self._names):
            return False
        self._turn -= 1  # places of ids, which the slots have otherwise, are not below 0
        held = self.resident[tier].view(np.uint8) if state is None else state
        return bool(self._loops.sound(ids, self._slot, self._turn, self._doomed, held, wanted))

    def _check_at_hand(self, tier: int, ids: Ids) -> None:
        """A block that lies nowhere is at the processor only after an operation without source, and no more of it than is read.

        (What lies in some tier can be read from there, which brings it, and the rest copied.)
        """
        nowhere = (self.mask[ids] == 0) & (self.instance.first_state[ids] <= self._step)
        message = f"stored to {self._names[tier]}, but no tier holds it and nothing that serves it brings it here"
        self._refuse_if(nowhere & ~self._remade[ids], ids, message)
        if self._part is not None:
            partial = nowhere & (self._part[ids] < self.instance.share_base)
            self._refuse_if(partial, ids, f"stored to {self._names[tier]}, but only a part is read and no tier holds the rest")

    def _charge(self, operation: int, ids: Ids) -> None:
        """Whole blocks stored or copied, by the number of the operation."""
        row = self.moved[self._step]
        if self._kind is None:
            row[operation] += self._bytes(ids) * self.instance.share_base
        else:
            row[operation :: self._operations] += np.bincount(self._kind[ids], minlength=self._kinds)

    def _charge_rest(self, tier: int, ids: Ids, part: Int64) -> None:
        """Only the share that is read is at the processor; the rest of a stored block is copied from where that is cheapest."""
        tiers, base = len(self._names), self.instance.share_base
        rest = part < base
        ids, rest_bytes = ids[rest], (self.instance.size[ids] * (base - part))[rest]
        sources = self._sources[self.mask[ids], tier]
        for source in range(tiers):
            self.moved[self._step, tiers + source * tiers + tier] += int(rest_bytes[sources == source].sum())

    def _check_ids(self, what: str, tiers: tuple[object, ...], ids: object) -> None:
        for tier in tiers:
            if not isinstance(tier, int | np.integer) or not 0 <= tier < len(self._names):
                self._refuse(f"{what}: found tier {tier!r}, expected 0 to {len(self._names) - 1}")
        if not isinstance(ids, np.ndarray) or ids.ndim != 1 or ids.dtype.kind not in "iu":
            self._refuse(f"{what}: found {_kind(ids)}, expected one axis of integer block ids")
        if not len(ids):
            return
        if ids.min() < 0 or ids.max() >= len(self.mask):
            bad = (ids < 0) | (ids >= len(self.mask))
            self._refuse_if(bad, ids, f"{what}: no such block, ids are 0 to {len(self.mask) - 1}")
        order = self._count[: len(ids)]
        if len(ids) <= len(order):
            self._slot[ids] = order
            twice = self._slot[ids] != order
        else:
            twice = np.bincount(ids)[ids] > 1
        self._refuse_if(twice, ids, f"{what}: named twice")

    def _check_not_freed(self, ids: Ids) -> None:
        if len(self._freed):
            self._refuse_if(self._doomed[ids], ids, "moved, but freed after this step or before")

    def _check_held(self, tier: int, ids: Ids, what: str) -> None:
        self._check_not_freed(ids)
        self._refuse_if(~self.resident[tier][ids], ids, f"{what} {self._names[tier]}, where it is not")

    def _arrive(self, tier: int, ids: Ids) -> None:
        row = self.resident[tier]
        if self._loops is None or not _plain(ids) or not self._loops.turn(ids, row, self.mask, tier, True):
            self._refuse_if(row[ids], ids, f"moved to {self._names[tier]}, where it is or arrives already")
            row[ids] = True
            self.mask[ids] |= Mask(1 << tier)
        self._used[tier] += self._bytes(ids)

    def _leave(self, tier: int, ids: Ids) -> None:
        row = self.resident[tier]
        if self._loops is None or not _plain(ids) or not self._loops.turn(ids, row, self.mask, tier, False):
            self._refuse_if(~row[ids], ids, "drop: named twice")
            row[ids] = False
            self.mask[ids] &= Mask(~(1 << tier) & 0xFFFF)
        self._used[tier] -= self._bytes(ids)

    def _check_copies(self, moves: Moves) -> None:
        """Exclusive: one copy each; free: at least one. Only what was touched can have changed."""
        if self.instance.inclusive or self.instance.forgets:
            return
        self._refuse_if(self.mask[self._births] == 0, self._births, "produced, but stored nowhere")
        lost = [ids for _, ids in moves.drop]
        gained = [ids for _, ids in moves.store] + [ids for _, _, ids in moves.fetch]
        for ids in lost:
            self._refuse_if(self.mask[ids] == 0, ids, "dropped, but no other copy remains")
        if self.instance.residency == "exclusive":
            for ids in gained:
                held = self.mask[ids]
                self._refuse_if((held & (held - Mask(1))) != 0, ids, "in two tiers at once, but the rule is exclusive")

    def _refuse_overfull(self, tier: int, arrivals: list[Ids]) -> NoReturn:
        ids = np.concatenate(arrivals)
        room = self._capacity[tier] - (self._used[tier] - self._bytes(ids))
        first = int(np.argmax(np.cumsum(self.instance.size[ids]) > room))
        self._refuse(self._overfull(tier, self._used[tier]), int(ids[first]))

    def _overfull(self, tier: int, used: int) -> str:
        capacity = self._capacity[tier]
        held = f"{used} bytes ({format_size(used)})" if used >= 1024 else f"{used} bytes"
        return f"{self._names[tier]} would hold {held}, capacity {capacity} bytes"

    def _bytes(self, ids: Ids) -> int:
        return len(ids) * self._equal if self._equal else int(self.instance.size[ids].sum())

    def _refuse_if(self, bad: npt.NDArray[np.bool_], ids: Ids, message: str) -> None:
        if bad.any():
            self._refuse(message, int(ids[int(np.argmax(bad))]))

    def _refuse(self, message: str, block: int | None = None) -> NoReturn:
        step = None if self._step < 0 else self._step
        raise ScheduleError(message, step=step, block=block)


def loops_for(reads: int) -> Any:
    """Compiled loops that look at blocks one by one, where numba is loaded anyway or it pays; None: arrays do."""
    if "numba" not in sys.modules and reads < _MANY:
        return None
    from placement_opt.play import ledger_kernels

    return ledger_kernels


def _plain(ids: object) -> bool:
    """Whether loops take these as they are."""
    return isinstance(ids, np.ndarray) and ids.dtype == _INT64 and ids.ndim == 1 and ids.flags.c_contiguous


def _kind(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}"
    return "nothing" if value is None else f"a value of type {type(value).__name__}"
