"""The next tile, while this one is computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, View
from placement_opt.schedulers.attention.scored import NOBODY, Scored, keyed, without
from placement_opt.schedulers.base import option, passing
from placement_opt.schedulers.systems.prediction import History, Idle


@dataclass
class NextTile(Scored):
    """While a step is computed, fetch the tile that comes next, if the memory below is idle that long.

    The paper prefetches the next tile of keys into a GPU's L2 cache while the present one is computed. A step here is a tile
    and the fastest tier the cache, for which layers compete as they do in L2. With layers the next tile is what the next layer
    read at its last step; without, the blocks that follow the last one read, in the order in which they came, from the first
    again after the last. Of its first ``tile`` blocks those that are missing are fetched, as far as links and the tiers below
    are idle (:mod:`placement_opt.schedulers.systems.prediction`). All else is a cache of what was read last, or was a tile.
    """

    title: ClassVar[str] = "next-tile"
    family: ClassVar[str] = "system"
    by_position: ClassVar[bool] = True
    alone: ClassVar[bool] = False
    source: ClassVar[str] = "Asynchronous KV cache prefetching, arXiv 2504.06319"
    cost: ClassVar[Cost[Size]] = passing("kelle")

    tile: int = option(64, "blocks of a tile, at most", low=1, high=2**31 - 1)

    def _begin(self, first: npt.NDArray[np.bool_]) -> None:
        super()._begin(first)
        self._history, self._idle = History(self._setting.num_layers, 1), Idle(self._setting, self._fast)

    def _rank(self, view: View) -> Ids:
        at_hand = np.concatenate([view.reads, view.births])
        self._key[at_hand] = keyed(np.full(len(at_hand), 2 * view.step + 2), self._order.arrival[at_hand])
        self._history.add(view.layer, view.reads)
        ids = self._next(view)
        ids = without(ids[self._order.alive[ids]], view.births, len(self._key))[: self.tile]
        self._key[ids] = keyed(np.full(len(ids), 2 * view.step + 3), self._order.arrival[ids])
        missing = without(ids[~view.resident[self._fast, ids]], view.reads, len(self._key))
        self._coming = self._idle.fitting(view, self._placed(view, missing))
        return ids

    def _ahead(self, view: View) -> Ids:  # noqa: ARG002
        return self._coming

    def _next(self, view: View) -> Ids:
        if self._setting.num_layers > 1:
            return self._history.last(self._history.following(view.layer))
        if not len(view.reads):
            return NOBODY
        ids, last = self._order.of(0), int(self._order.place[view.reads].max())
        return np.concatenate([ids[last + 1 :], ids[: last + 1]])
