"""What the first queries voted for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, View
from placement_opt.schedulers.attention.heavy import Heavy
from placement_opt.schedulers.attention.scored import PARTS, Kept
from placement_opt.schedulers.base import option, passing


@dataclass
class SnapKV(Heavy):
    """Keep for good what the first steps of each layer voted for, and the newest.

    The paper lets the last queries of a prompt vote and pools their votes over neighbouring tokens. A trace begins after the
    prompt, so the first ``votes`` steps of a layer vote, each read a vote (or its share); until then the layer's blocks are
    ranked by the votes so far, and nothing is dropped. Then every block's votes are the mean over ``kernel`` blocks around
    it, in the order in which the layer's blocks came, and stay. A share of the room is for the newest blocks; one that
    leaves it has no votes. The paper keeps all that is generated; here it has to fit into the same room.
    """

    title: ClassVar[str] = "snapkv"
    by_position: ClassVar[bool] = True
    source: ClassVar[str] = "SnapKV, arXiv 2404.14469"
    cost: ClassVar[Cost[Size]] = passing("h2o")

    votes: int = option(8, "first steps of a layer that vote", low=1, high=2**31 - 1)
    kernel: int = option(5, "neighbouring blocks over which votes are pooled", low=1, high=2**16)
    recent: float = option(0.25, "share of a layer's room for its newest blocks", low=0.0, high=1.0)

    @property
    def _frame(self) -> tuple[int, float, float]:
        return 0, self.recent, 1.0

    def _rank(self, view: View) -> Ids:
        left = super()._rank(view)
        if self._turns[view.layer] + 1 != self.votes:
            return left
        ids = self._order.of(view.layer)
        self._score[ids] = pooled(self._score[ids], self.kernel)
        ids = ids[self._order.alive[ids]]
        self._key[ids] = self._keys(ids)
        return np.concatenate([left, ids])

    def _tally(self, view: View) -> None:
        voting = np.array([turns < self.votes for turns in self._turns])[self._order.layer[view.reads]]
        self._score[view.reads[voting]] += self._weights(view)[voting]

    def _lose(self, view: View, kept: Kept) -> None:
        for layer in {view.layer, *self._order.layer[view.births].tolist()}:
            if self._turns[layer] >= self.votes:
                kept.settle(layer, self._key)


def pooled(values: npt.NDArray[np.float64], kernel: int) -> npt.NDArray[np.float64]:
    """The mean of each value and its neighbours, ``kernel`` in all, zeros beyond the ends; in whole :data:`PARTS`."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(len(values))
    low, high = np.maximum(at - (kernel - 1) // 2, 0), np.minimum(at + kernel // 2 + 1, len(values))
    return np.asarray(np.round((sums[high] - sums[low]) / kernel * PARTS) / PARTS)
