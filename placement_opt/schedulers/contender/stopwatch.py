"""What steps take whose reads are split as fast as can be, for what a scheduler knows of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64, Int64
from placement_opt.instance.law import behind
from placement_opt.memory.split.timing import StepTimer
from placement_opt.play.protocol import Setting, View
from placement_opt.schedulers.contender.ghost import Ghost
from placement_opt.schedulers.contender.rule import own


class Stopwatch:
    """Times ghosts step by step, as the simulator would.

    But for this: where loads are not by the byte alone, all blocks count as if of the size that was read first; a block stored
    that is read in part is charged whole, and none of budgets.
    """

    def __init__(self, setting: Setting) -> None:
        from placement_opt.schedulers.contender import ghost_kernels

        operations, self._kernels = setting.memory.operations, ghost_kernels
        self._setting, self._operations, self._tiers = setting, operations, operations.tiers
        self._loads, self._unit, self._known = operations.per_byte, 1, operations.uniform
        self._attends = not bool(operations.brings[operations.serving].all())
        self._limited = operations.limited and setting.block_kind is not None
        self._cases = 1 << self._tiers + (3 if self._limited else 1 if self._attends else 0)
        self._seen = np.zeros(self._cases, dtype=np.bool_)
        self._column = np.full(self._cases, -1, dtype=np.int64)
        self._timer = StepTimer(setting.memory, [])
        self._cheapest, self._rho = self._timer.cheapest, self._timer.rho

    def lap(self, view: View, ghosts: list[Ghost]) -> Float64:
        """float64[n]: seconds of a step of each ghost, which makes it."""
        told = (own(view.births), view.resident, view.used, view.fixed, view.floor, own(view.freed), view.places)
        view = View(view.step, view.layer, own(view.reads), view.shares, *told, view.requests)  # of one type for all ghosts
        served = np.zeros((len(ghosts), self._cases))
        moved = np.zeros((len(ghosts), self._operations.first_serving))
        if not self._known:
            self._learn_unit(view)
        setting, weight = self._setting, self._setting.size[view.reads].astype(np.float64)
        if view.shares is not None:
            weight = weight * view.shares / setting.share_base
        special = self._attends or self._limited or view.places is not None
        for row, one in enumerate(ghosts):
            if not special:
                one.lap(view, weight, served[row], moved[row])
                continue
            held = one.held(view.reads)
            one.step(view, moved[row])
            served[row] = np.bincount(self._case(view, held, one), weights=weight, minlength=self._cases)
        if setting.residency == "inclusive" and len(view.births):
            moved[:, setting.home] += setting.size[view.births].sum()
        if self._unit != 1:
            served, moved = served / self._unit, moved / self._unit
        return np.maximum(self._seconds(served, moved, view.fixed), view.floor)

    def _case(self, view: View, held: npt.NDArray[np.uint16], one: Ghost) -> Int64:
        """Of each read, the tiers that may serve it, whether it must be brought to the processor, and its kind."""
        case = held.astype(np.int64)
        if view.places is not None:
            case[behind(view.places, held != 0)] = 0
        if self._attends:
            case += (np.isin(view.reads, one.touched) & (one.held(view.reads) & ~held != 0)).astype(np.int64) << self._tiers
        if self._limited:
            assert self._setting.block_kind is not None
            case += self._setting.block_kind[view.reads].astype(np.int64) << self._tiers + 1
        return case

    def _learn_unit(self, view: View) -> None:
        """Loads by the call are those of a block of the size first seen."""
        ids = view.reads if len(view.reads) else view.births
        if len(ids):
            block, self._known = ids[len(ids) // 2], True
            self._unit = int(self._setting.size[block])
            pieces = 1 if self._setting.pieces is None else int(self._setting.pieces[block])
            self._loads = self._operations.block_loads(self._unit, pieces)

    def _seconds(self, served: Float64, moved: Float64, fixed: Int64) -> Float64:
        found, loads = np.empty(len(served)), self._loads[: self._operations.first_serving]
        while not self._kernels.seconds(served, moved, loads, fixed, self._column, self._cheapest, self._rho, found):
            self._seen |= served.any(axis=0)
            cases = np.flatnonzero(self._seen)
            patterns = [self._pattern(case) for case in cases.tolist()]
            serve = np.ascontiguousarray(self._loads[self._operations.serving])
            self._timer = timer = StepTimer(self._setting.memory, patterns, serve)
            self._column[cases] = np.arange(len(cases))
            self._cheapest, self._rho = timer.cheapest, timer.rho
        if not self._timer.complete:
            return self._timer.times(served[:, self._seen], fixed + moved @ loads)
        return found

    def _pattern(self, case: int) -> int:
        bringing = bool(case >> self._tiers & 1)
        usable = self._operations.usable(case & (1 << self._tiers) - 1, bringing=bringing)
        applies = self._operations.applies[self._operations.serving, case >> self._tiers + 1]
        return usable & sum(1 << int(v) for v in np.flatnonzero(applies))
