"""CORM's vote window."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, View
from placement_opt.schedulers.attention.order import Recent
from placement_opt.schedulers.attention.scored import PARTS, PROTECTED, Kept, Scored, keyed, without
from placement_opt.schedulers.base import option, passing


@dataclass
class CORM(Scored):
    """Keep what any of the layer's last steps read, those that most of them read first, and the newest.

    In the paper a token votes for the keys that get more than an even share of its attention, and a key that has no vote of
    the last ``window`` queries, nor is among the last ``recent`` tokens, is dropped, without a budget. Here a read is a
    vote, blocks stand for tokens, and what has most votes of the last ``window`` steps of its layer is nearest. What would
    be missed follows the paper's rule: nothing is dropped before the layer has had ``window`` steps, and then whatever has
    no vote, however much room there is. 256 and 256 are the paper's tokens as recalled; a block is many tokens.
    """

    title: ClassVar[str] = "corm"
    family: ClassVar[str] = "system"
    by_position: ClassVar[bool] = True  # what is there at the start came in the order of ids
    lossy: ClassVar[bool] = True
    source: ClassVar[str] = "CORM, arXiv 2404.15949"
    cost: ClassVar[Cost[Size]] = passing("kelle")

    window: int = option(32, "last steps of a layer that vote", low=1, high=10**6)
    recent: int = option(16, "newest blocks of a layer that stay", low=0, high=2**31 - 1)

    def _begin(self, first: npt.NDArray[np.bool_]) -> None:
        layers = self._setting.num_layers
        self._votes = np.zeros(len(self._key), dtype=np.int64)
        self._steps: list[deque[Ids]] = [deque() for _ in range(layers)]
        self._recent = Recent(self._order, np.ones(len(self._key), dtype=np.int64), [self.recent] * layers)
        ids = self._setting.initial_blocks
        self._key[ids] = self._keys(ids, first[ids].astype(np.int64))

    def _rank(self, view: View) -> Ids:
        steps, changed = self._steps[view.layer], []
        self._recent.leave(view.freed)
        left = self._recent.enter(view.births)
        self._votes[view.reads] += 1
        steps.append(view.reads)
        changed.append(left)
        if len(steps) > self.window:
            oldest = steps.popleft()
            self._votes[oldest] -= 1
            changed.append(without(oldest, view.reads, len(self._key)))
        self._faded = np.concatenate(changed)
        for ids in (view.reads, view.births, self._faded):
            self._key[ids] = self._keys(ids, self._votes[ids])
        return self._faded

    def _lose(self, view: View, kept: Kept) -> None:
        turns = self._turns[view.layer]
        if turns < self.window:
            return
        ids = self._order.of(view.layer) if turns == self.window else self._faded
        kept.leave(ids[(self._votes[ids] == 0) & ~self._recent.inside[ids] & (self._order.layer[ids] == view.layer)])

    def _keys(self, ids: Ids, votes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        arrival = self._order.arrival[ids]
        return np.where(self._recent.inside[ids], PROTECTED + arrival, keyed(PARTS * votes, arrival))
