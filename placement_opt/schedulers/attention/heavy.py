"""What is read most, beside what is newest: the frame of several policies that differ in how they count and what they
protect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.play.protocol import Ids, View
from placement_opt.schedulers.attention.order import Recent
from placement_opt.schedulers.attention.scored import PARTS, PROTECTED, Scored, keyed

#: Added to the logarithms of decayed scores, so that they are positive.
_OFFSET = 16.0


@dataclass
class Heavy(Scored):
    """The newest blocks of each layer are protected, and perhaps its first; the others are ranked by counted reads."""

    lossy: ClassVar[bool] = True

    @property
    def _frame(self) -> tuple[int, float, float]:
        """(first blocks protected, share of the room for the newest, what is left of a score after a step of the layer)."""
        raise NotImplementedError

    def _begin(self, first: npt.NDArray[np.bool_]) -> None:
        self._sinks, recent, self._decay = self._frame
        self._score = np.full(len(self._key), -np.inf if self._decay < 1.0 else 0.0)
        self._recent = Recent(self._order, self._setting.size, [int(recent * room) for room in self._room])
        ids = self._setting.initial_blocks
        self._key[ids] = self._keys(ids, PARTS * first[ids].astype(np.int64))

    def _rank(self, view: View) -> Ids:
        self._tally(view)
        self._recent.leave(view.freed)
        left = self._recent.enter(view.births)
        for ids in (view.reads, view.births, left):
            self._key[ids] = self._keys(ids)
        return left

    def _tally(self, view: View) -> None:
        """Count the reads. Decayed scores are kept as logarithms of what they would be, had older reads not faded but later
        ones counted more: the order is the same, and what is not read need not change."""
        weights = self._weights(view)
        if self._decay < 1.0:
            grown = np.log(np.maximum(weights, 1e-6)) - self._turns[view.layer] * np.log(self._decay)
            self._score[view.reads] = np.logaddexp(self._score[view.reads], grown)
        else:
            self._score[view.reads] += weights

    def _keys(self, ids: Ids, score: Int64 | None = None) -> Int64:
        if score is None:
            found = self._score[ids]
            found = found if self._decay == 1.0 else np.where(np.isfinite(found), np.maximum(found + _OFFSET, 1.0), 0.0)
            score = np.minimum(found * PARTS, 2.0**40).astype(np.int64)
        arrival, place = self._order.arrival[ids], self._order.place[ids]
        keys = np.where(self._recent.inside[ids], PROTECTED + arrival, keyed(score, arrival))
        return np.where(place < self._sinks, 2 * PROTECTED - 1 - place, keys)
