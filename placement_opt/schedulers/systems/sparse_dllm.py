"""Sparse-dLLM's delayed keep-top."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, View
from placement_opt.schedulers.attention.scored import NOBODY, PARTS, PROTECTED, Kept, Scored, keyed
from placement_opt.schedulers.base import option, passing


@dataclass
class SparseDLLM(Scored):
    """Once in a while, one step late, choose the blocks of a layer read most; keep them until the next time.

    The paper decodes text block by block. Of each, the first ``delay`` + 1 denoising steps pass the whole sequence; then
    every layer keeps the ``keep`` best of all positions by their scores, each the maximum over ``kernel`` neighbours, until
    the next block. Here ``period`` steps of a layer are such a block, whatever they decode, and the reads of its first
    ``delay`` + 1 steps are the scores. What is produced after the choice is kept to the end of the period. Nothing would be
    missed before the choice, because the whole sequence is passed anew; after it, whatever is read and was not chosen.
    """

    title: ClassVar[str] = "sparse-dllm"
    family: ClassVar[str] = "system"
    by_position: ClassVar[bool] = True
    lossy: ClassVar[bool] = True
    source: ClassVar[str] = "Sparse-dLLM, arXiv 2508.02558"
    cost: ClassVar[Cost[Size]] = passing("kelle")

    keep: float = option(0.5, "share of a layer's blocks that is kept", low=0.0, high=1.0)
    period: int = option(32, "steps of a layer from one choice to the next", low=1, high=2**31 - 1)
    delay: int = option(1, "steps of a period before the one that chooses", low=0, high=2**31 - 1)
    kernel: int = option(3, "neighbouring blocks of which the best counts", low=1, high=2**16)

    def _begin(self, first: npt.NDArray[np.bool_]) -> None:
        super()._begin(first)
        self._score = np.zeros(len(self._key))
        self._chosen = np.zeros(len(self._key), dtype=np.bool_)

    def _count(self, view: View, kept: Kept) -> None:
        if self._turns[view.layer] % self.period <= self.delay:
            ids = self._order.of(view.layer)
            kept.add(ids[self._order.alive[ids]])
        super()._count(view, kept)

    def _rank(self, view: View) -> Ids:
        turn, layer, changed = self._turns[view.layer] % self.period, view.layer, NOBODY
        if turn == 0:
            ids = self._order.of(layer)
            self._score[ids] = 0.0
        if turn <= self.delay:
            self._score[view.reads] += self._weights(view)
        self._chosen[view.births] = turn > self.delay
        if turn == min(self.delay, self.period - 1):
            changed = self._choose(layer)
        for ids in (view.reads, view.births):
            self._key[ids] = self._keys(ids)
        return changed

    def _choose(self, layer: int) -> Ids:
        ids = self._order.of(layer)
        self._score[ids] = best_nearby(self._score[ids], self.kernel)
        ids = ids[self._order.alive[ids]]
        best = np.argsort(-self._score[ids], kind="stable")
        self._chosen[ids] = False
        self._chosen[ids[best[: int(self.keep * len(ids))]]] = True
        self._key[ids] = self._keys(ids)
        return ids

    def _lose(self, view: View, kept: Kept) -> None:
        if (self._turns[view.layer] - 1) % self.period == min(self.delay, self.period - 1):
            ids = self._order.of(view.layer)
            kept.leave(ids[~self._chosen[ids]])

    def _keys(self, ids: Ids) -> npt.NDArray[np.int64]:
        keys = keyed((PARTS * self._score[ids]).astype(np.int64), self._order.arrival[ids])
        return np.where(self._chosen[ids], PROTECTED + keys, keys)


def best_nearby(values: npt.NDArray[np.float64], kernel: int) -> npt.NDArray[np.float64]:
    """The largest of each value and its neighbours, ``kernel`` in all."""
    padded = np.pad(values, ((kernel - 1) // 2, kernel // 2), constant_values=-np.inf)
    return sliding_window_view(padded, kernel).max(axis=1) if len(values) else values
