"""Farthest next use, whatever is read brought in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Moves, View
from placement_opt.schedulers.base import passing
from placement_opt.schedulers.belady import Belady
from placement_opt.schedulers.hierarchy.hierarchy import EVERYTHING


@dataclass
class BeladyDemand(Belady):
    """Keep what is read soonest, but bring in all that is read.

    As ``belady``, without its leave to pass by: whatever a step reads or produces comes into the fastest tier, and what is read
    latest makes way, even if it is read sooner than what comes. The blocks of a step come in the order of their next reads, the
    latest first, so that of a read set larger than the tier those stay that are read soonest. This is the rule for caches that
    have to hold what they serve.
    """

    title: ClassVar[str] = "belady-demand"
    cost: ClassVar[Cost[Size]] = passing("belady")

    def step(self, view: View) -> Moves:
        read_keys = -self._future.after_read[self._indptr[view.step] : self._indptr[view.step + 1]]
        birth_keys = -self._future.first[view.births]
        self._caches.begin(view, read_keys, birth_keys)
        wanted, keys = np.concatenate([view.reads, view.births]), np.concatenate([read_keys, birth_keys])
        order = np.lexsort((wanted, keys))
        self._caches.admit(wanted[order], np.full(len(order), EVERYTHING))
        return self._caches.moves()
