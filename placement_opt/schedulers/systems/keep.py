"""KEEP's loading in idle slots, balanced over layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, View
from placement_opt.schedulers.attention.scored import NOBODY, PROTECTED, Scored, keyed, without
from placement_opt.schedulers.base import option, passing
from placement_opt.schedulers.systems.prediction import History, Idle

_ARRIVALS = 28


@dataclass
class Keep(Scored):
    """Load what layers will want in the earliest idle time of the links, the layer that comes next first.

    Each layer is expected to read what it read at its last step (the paper knows: what it recomputes at one layer shrinks with
    depth, and the rest is loaded). While a step lasts as long as it does anyway, blocks of the next ``ahead`` layers that the
    fastest tier misses are copied there, as many as find links and the tiers below idle that long; what comes late makes way
    for what comes soon, and what no layer is expected to read goes first. The room is one for all layers, which is what
    balances them. What a step reads or produces comes in under the same keys: its layer is the last to come again. How long a
    step lasts is estimated (:mod:`placement_opt.schedulers.systems.prediction`). The paper's choice of what to recompute is no
    question of placement.
    """

    title: ClassVar[str] = "keep"
    family: ClassVar[str] = "system"
    alone: ClassVar[bool] = False
    source: ClassVar[str] = "KEEP, arXiv 2602.23592: layer-balanced loading"
    cost: ClassVar[Cost[Size]] = passing("kelle")

    ahead: int = option(4, "layers for which blocks are loaded before", low=1, high=4096)

    def _begin(self, first: npt.NDArray[np.bool_]) -> None:
        super()._begin(first)
        layers, ids = self._setting.num_layers, self._setting.initial_blocks
        self._history, self._idle = History(layers, 1), Idle(self._setting, self._fast)
        soon = ids[first[ids]]
        self._key[soon] = self._expected(soon, self._order.layer[soon].astype(np.int64))

    def _rank(self, view: View) -> Ids:
        before = self._history.last(view.layer)
        self._history.add(view.layer, view.reads)
        at_hand = np.concatenate([view.reads, view.births])
        again = view.step + self._setting.num_layers
        self._key[at_hand] = self._expected(at_hand, np.full(len(at_hand), again))
        gone = without(before, at_hand, len(self._key))
        self._key[gone] = keyed(np.full(len(gone), view.step), self._order.arrival[gone])
        return gone

    def _ahead(self, view: View) -> Ids:
        found = [NOBODY]
        for steps in range(1, min(self.ahead, self._setting.num_layers) + 1):
            ids = self._history.last(self._history.following(view.layer, steps))
            ids = ids[~view.resident[self._fast, ids] & self._order.alive[ids]]
            found.append(ids)
        wanted = without(np.concatenate(found), view.reads, len(self._key))
        return self._idle.fitting(view, self._placed(view, wanted))

    def _expected(self, ids: Ids, step: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Keys of blocks expected at some step: above those expected nowhere, the sooner the higher."""
        return 2 * PROTECTED - (step << _ARRIVALS) + self._order.arrival[ids]
