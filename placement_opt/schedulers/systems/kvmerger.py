"""KVMerger's runs of like neighbours, which move together."""

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


@dataclass
class KVMerger(Scored):
    """Neighbours that were read alike form a run; a run comes and goes as one, the least recently read first.

    The paper merges consecutive tokens whose keys are similar into one state when the prompt is over. What is similar is not
    in a trace, so that neighbours of a layer, in the order in which they came, are alike if of its first ``steps`` steps
    that read one of them at least a share ``likeness`` read both. Nothing is merged: a read of any block of a run brings the
    others, too. Later blocks are runs of their own, as are all before ``steps`` steps have been.
    """

    title: ClassVar[str] = "kvmerger"
    family: ClassVar[str] = "system"
    by_position: ClassVar[bool] = True
    source: ClassVar[str] = "KVMerger, arXiv 2407.08454: merge sets"
    cost: ClassVar[Cost[Size]] = passing("kelle")

    steps: int = option(8, "first steps of a layer that tell what is alike", low=1, high=63)
    likeness: float = option(0.75, "share of the steps reading either that read both", low=0.0, high=1.0)

    def _begin(self, first: npt.NDArray[np.bool_]) -> None:
        super()._begin(first)
        self._seen = np.zeros(len(self._key), dtype=np.int64)
        self._units = Units(self._order)
        self._units.pages(self._setting.initial_blocks, 1)

    def _rank(self, view: View) -> Ids:
        turn, layer = self._turns[view.layer], view.layer
        self._units.of[view.births] = self._order.place[view.births]
        if turn < self.steps:
            self._seen[view.reads] |= 1 << turn
        if turn + 1 == self.steps:
            ids = self._order.of(layer)
            self._units.of[ids] = runs(self._seen[ids], self._order.place[ids], self.likeness)
        at_hand = np.concatenate([view.reads, view.births])
        self._brought = NOBODY
        for one, own in self._order.split(at_hand):
            ids = self._units.members(one, self._units.counts(one, own) > 0)
            self._brought = np.concatenate([self._brought, ids])
        ids = np.concatenate([self._brought, at_hand])  # those at hand that are freed now are no members
        self._key[ids] = keyed(np.full(len(ids), turn + 1), self._order.arrival[ids])
        return self._brought

    def _ahead(self, view: View) -> Ids:  # noqa: ARG002
        return self._brought


def runs(seen: npt.NDArray[np.int64], place: npt.NDArray[np.int64], likeness: float) -> npt.NDArray[np.int64]:
    """int64[n]: of each of consecutive blocks the place of the first of its run; ``seen``: bits of the steps that read it."""
    both, either = seen[1:] & seen[:-1], seen[1:] | seen[:-1]
    alike = (both != 0) & (np.bitwise_count(both) >= likeness * np.bitwise_count(either))
    starts = np.concatenate([[True], ~alike])[: len(seen)]
    return place[np.maximum.accumulate(np.where(starts, np.arange(len(seen)), 0))]
