"""MEC's hot set, pinned by popularity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, View
from placement_opt.schedulers.attention.scored import NOBODY, PARTS, PROTECTED, Scored, keyed
from placement_opt.schedulers.base import option, passing


@dataclass
class MEC(Scored):
    """Pin what has been read most often; look anew only once in a while.

    The paper's tables of embeddings have a popularity that does not change, so that few rows get most lookups. Here every
    ``every`` steps of a layer its blocks are ranked by all reads so far, and those that fit into the room are pinned, until
    the next look: nothing that is read in between displaces them, however often. A pinned block comes in when it is read
    next. Before the first look blocks are ranked as they are read. The paper's quantised codes belong to the sizes of the
    trace.
    """

    title: ClassVar[str] = "mec"
    family: ClassVar[str] = "system"
    by_position: ClassVar[bool] = True  # what is there at the start came in the order of ids
    source: ClassVar[str] = "MEC (quantised embeddings for click-through rates), arXiv 2502.15355"
    cost: ClassVar[Cost[Size]] = passing("kelle")

    every: int = option(64, "steps of a layer from one look to the next", low=1, high=2**31 - 1)

    def _begin(self, first: npt.NDArray[np.bool_]) -> None:
        super()._begin(first)
        self._reads = np.zeros(len(self._key))

    def _rank(self, view: View) -> Ids:
        self._reads[view.reads] += self._weights(view)
        turn, layer = self._turns[view.layer] + 1, view.layer
        self._key[view.births] = self._ranked(view.births)
        if turn < self.every:
            self._key[view.reads] = self._ranked(view.reads)
        if turn % self.every:
            return NOBODY
        ids = self._order.of(layer)
        ids = ids[self._order.alive[ids]]
        keys = self._ranked(ids)
        best = np.argsort(-keys)
        pinned = best[np.cumsum(self._setting.size[ids[best]]) <= self._room[layer]]
        keys[pinned] += PROTECTED
        self._key[ids] = keys
        return ids

    def _ranked(self, ids: Ids) -> npt.NDArray[np.int64]:
        return keyed((PARTS * self._reads[ids]).astype(np.int64), self._order.arrival[ids])
