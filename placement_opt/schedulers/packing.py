"""A legal schedule where others find no room: every block in some tier, packed afresh where what is new does not fit.

Under the inclusive rule nothing has to be done, the home tier holds everything; nor under the rule cache, where nothing need
lie anywhere. Otherwise blocks stay where they are and new ones go, the largest first, to the fastest tier with room. Where one
finds none, all are packed anew: by decreasing size, and if that fails tiers are filled as exactly as subsets of the sizes
allow, slowest first; what then lies elsewhere is copied.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import ScheduleError
from placement_opt.instance.packing import exactly_filled
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.hierarchy.transition import Sources, moves_between, pieces_at
from placement_opt.schedulers.static import needs_room


class Packing:
    """Keeps every block somewhere, whatever that costs; online."""

    online = True
    name = "packing"
    source = "this project: first fit by decreasing size, packed anew where that fails"

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        """All initial blocks packed at once; ScheduleError if no packing is found."""
        del first_reads
        self._setting = setting
        self._sources = Sources(setting.memory)
        if not setting.free_start:
            return None
        resident = np.zeros((len(setting.capacity), len(setting.size)), dtype=bool)
        ids = setting.initial_blocks
        if setting.residency == "inclusive":
            resident[setting.home, ids] = True
            return resident
        if setting.residency == "cache":
            return resident
        tier = self._packed(setting.size[ids])
        if tier is None:
            raise ScheduleError("no packing found for the start")
        resident[tier, ids] = True
        return resident

    def step(self, view: View) -> Moves:
        """Room for what is produced; ScheduleError if no packing is found."""
        if not needs_room(self._setting) or not len(view.births):
            return Moves()
        size, births = self._setting.size, view.births[np.argsort(-self._setting.size[view.births], kind="stable")]
        tier = _first_fit(size[births], self._setting.capacity - view.used, self._setting.memory.by_speed)
        if tier is not None:
            return Moves(store=[(k, births[tier == k]) for k in range(len(view.resident)) if (tier == k).any()])
        return self._repacked(view)

    def _repacked(self, view: View) -> Moves:
        held = np.asarray(view.resident.any(axis=0))
        held[view.freed] = False
        ids = np.append(np.flatnonzero(held), view.births)
        tier = self._packed(self._setting.size[ids])
        if tier is None:
            raise ScheduleError("no packing found for what is produced", step=view.step, block=int(view.births[0]))
        weights = np.uint16(1) << np.arange(len(view.resident), dtype=np.uint16)
        before = (view.resident[:, ids] * weights[:, None]).sum(axis=0).astype(np.uint16)
        near = np.isin(ids, np.append(view.reads, view.births))
        sizes, pieces = self._setting.size[ids], pieces_at(self._setting, ids)
        return moves_between(ids, before, weights[tier], near, self._sources, sizes, pieces)

    def _packed(self, sizes: Int64) -> Int64 | None:
        """int64[n]: a tier for each of n blocks of these sizes; None if none is found."""
        order, room = np.argsort(-sizes, kind="stable"), self._setting.capacity
        for by in (self._setting.memory.by_speed, tuple(np.argsort(room).tolist()), None):
            found = _first_fit(sizes[order], room, by)
            if found is not None:
                tier = np.empty(len(sizes), dtype=np.int64)
                tier[order] = found
                return tier
        return exactly_filled(sizes, room, self._setting.memory.by_speed[::-1])


def _first_fit(sizes: Int64, room: Int64, order: Sequence[int] | None) -> Int64 | None:
    """int64[n]: the first tier in an order (None: the one with least room) with room for each; None if one finds none."""
    left, tier = room.tolist(), np.empty(len(sizes), dtype=np.int64)
    for n, size in enumerate(sizes.tolist()):
        tiers = sorted(range(len(left)), key=left.__getitem__) if order is None else order
        chosen = next((k for k in tiers if left[k] >= size), None)
        if chosen is None:
            return None
        left[chosen] -= size
        tier[n] = chosen
    return tier
