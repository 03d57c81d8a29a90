"""Pages that were read come before the next step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, View
from placement_opt.schedulers.attention.order import Units
from placement_opt.schedulers.attention.scored import NOBODY, Scored, keyed
from placement_opt.schedulers.base import option, passing

_MOST = 255


@dataclass
class Quest(Scored):
    """Bring whole pages: those most read at this step of a layer are those that its next step will want.

    A page are ``blocks`` consecutive blocks of a layer, in the order in which they came. The paper scores each page against
    each query and reads the best pages, all of them in one memory; here a page's score is how many of its blocks the step
    read, and the ``pages`` best are brought before the layer's next step: blocks just read in passing, the others by copies.
    The latest step counts first, then the score, then what is newest. What is read outside these pages comes in only where
    there is room.
    """

    title: ClassVar[str] = "quest"
    by_position: ClassVar[bool] = True
    source: ClassVar[str] = "Quest: query-aware sparsity, arXiv 2406.10774"
    cost: ClassVar[Cost[Size]] = passing("h2o")

    blocks: int = option(16, "blocks of a layer in a page", low=1, high=2**31 - 1)
    pages: int = option(0, "pages brought before a step of a layer; 0: as many as fit", low=0, high=2**31 - 1)

    def _begin(self, first: npt.NDArray[np.bool_]) -> None:
        super()._begin(first)
        self._units = Units(self._order)
        self._units.pages(self._setting.initial_blocks, self.blocks)

    def _rank(self, view: View) -> Ids:
        self._units.pages(view.births, self.blocks)
        at_hand = np.concatenate([view.reads, view.births])
        self._key[at_hand] = keyed(np.zeros(len(at_hand), dtype=np.int64), self._order.arrival[at_hand])
        self._brought = NOBODY
        brought = [NOBODY]
        for layer, own in self._order.split(at_hand):
            score = self._units.counts(layer, own)
            best = np.argsort(-score[::-1], kind="stable")  # of equals the newest first
            best = len(score) - 1 - best[: min(self.pages or len(score), np.count_nonzero(score))]
            chosen = np.zeros(len(score), dtype=np.bool_)
            chosen[best] = True
            ids = self._units.members(layer, chosen)
            counted = np.minimum(score[self._units.of[ids]], _MOST).astype(np.int64)
            self._key[ids] = keyed((_MOST + 1) * (self._turns[view.layer] + 1) + counted, self._order.arrival[ids])
            brought.append(ids)
        self._brought = np.concatenate(brought)
        return self._brought

    def _ahead(self, view: View) -> Ids:  # noqa: ARG002
        return self._brought
