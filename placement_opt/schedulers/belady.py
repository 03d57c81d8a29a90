"""Farthest next use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from placement_opt.base.cost import Cost
from placement_opt.base.limits import Limits
from placement_opt.bounds.size import Size
from placement_opt.instance.instance import Instance
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.base import Policy, passing
from placement_opt.schedulers.hierarchy.future import NEVER, look_ahead
from placement_opt.schedulers.hierarchy.hierarchy import Hierarchy


@dataclass
class Belady(Policy):
    """Keep what is read soonest.

    A block that a step reads or produces, and that is read again, is brought into the fastest tier if enough blocks with a
    strictly later next read make way; ties move nothing. Minimal misses for one cache of equal blocks; blind to what moving
    costs, to the split of reads over copies, and to fetching ahead (it only stores in passing). All layers compete. Several
    tiers form a hierarchy (:mod:`placement_opt.schedulers.hierarchy.hierarchy`). A free start holds what is read first. Under
    the rule cache nothing is kept that is not read again.
    """

    title: ClassVar[str] = "belady"
    online: ClassVar[bool] = False
    family: ClassVar[str] = "clairvoyant"
    source: ClassVar[str] = "Belady, IBM Systems Journal 5(2), 1966"
    cost: ClassVar[Cost[Size]] = passing("belady")

    def plan(self, instance: Instance, limits: Limits) -> None:  # noqa: ARG002
        self._future = look_ahead(instance.trace)
        self._indptr = instance.trace.indptr

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        del first_reads  # the whole trace is known
        self._caches = Hierarchy(setting, by_layer=False, shares=False)
        self._unread = setting.initial_blocks[self._future.first[setting.initial_blocks] == NEVER]
        return self._caches.start(-self._future.first[setting.initial_blocks], useless=-NEVER)

    def step(self, view: View) -> Moves:
        read_keys = -self._future.after_read[self._indptr[view.step] : self._indptr[view.step + 1]]
        birth_keys = -self._future.first[view.births]
        self._caches.begin(view, read_keys, birth_keys)
        again = read_keys > -NEVER
        if self._caches.forgets:
            done = view.reads[~again]
            self._caches.forget(done if view.step else np.append(done, self._unread))
        # Births that nobody will read have to lie somewhere, but not where it is fast.
        wanted = np.concatenate([view.reads[again], view.births])
        keys = np.concatenate([read_keys[again], birth_keys])
        order = np.lexsort((wanted, keys))[::-1]
        levels = np.where(keys[order] > -NEVER, 0, self._caches.lowest)
        self._caches.admit(wanted[order], keys[order], levels)
        return self._caches.moves()
