"""The first blocks and the newest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, View
from placement_opt.schedulers.attention.order import Recent
from placement_opt.schedulers.attention.scored import PROTECTED, Kept, Scored
from placement_opt.schedulers.base import option, passing


@dataclass
class Sinks(Scored):
    """Keep the first blocks of each layer (attention sinks) and its newest.

    Nothing depends on reads: the first ``sinks`` blocks that a layer ever had stay, before its newest, as many as its room
    holds; with ``window`` no more than so many of the newest are kept by the paper's account, and what room is left goes to
    newer ones first. A block that is read comes in where an older one makes way, never in place of a newer one.
    """

    title: ClassVar[str] = "sinks"
    by_position: ClassVar[bool] = True
    lossy: ClassVar[bool] = True
    source: ClassVar[str] = "StreamingLLM: attention sinks, arXiv 2309.17453"
    cost: ClassVar[Cost[Size]] = passing("h2o")

    sinks: int = option(4, "first blocks of a layer that stay", low=0, high=2**31 - 1)
    window: int = option(0, "newest blocks of a layer kept besides; 0: all that its room holds", low=0, high=2**31 - 1)

    def _begin(self, first: npt.NDArray[np.bool_]) -> None:
        del first  # reads do not matter
        ids = self._setting.initial_blocks
        self._key[ids] = self._keys(ids)
        weight = np.ones(len(self._key), dtype=np.int64)
        self._recent = Recent(self._order, weight, [self.window or 2**62] * self._setting.num_layers)
        if self._kept is not None:
            self._kept.leave(ids[~self._recent.inside[ids] & (self._order.place[ids] >= self.sinks)])
            for layer in range(self._setting.num_layers):
                self._kept.settle(layer, self._key)

    def _rank(self, view: View) -> Ids:
        self._key[view.births] = self._keys(view.births)
        self._recent.leave(view.freed)
        left = self._recent.enter(view.births)
        if self._kept is not None:
            self._kept.leave(left[self._order.place[left] >= self.sinks])
        return left

    def _lose(self, view: View, kept: Kept) -> None:
        for layer in {view.layer, *self._order.layer[view.births].tolist()}:
            kept.settle(layer, self._key)

    def _keys(self, ids: Ids) -> npt.NDArray[np.int64]:
        place = self._order.place[ids]
        return np.where(place < self.sinks, 2 * PROTECTED - 1 - place, self._order.arrival[ids])
