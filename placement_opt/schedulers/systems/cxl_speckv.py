"""CXL-SpecKV's speculative prefetch, as deep as it is right."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, View
from placement_opt.schedulers.attention.scored import NOBODY, Scored, keyed, without
from placement_opt.schedulers.base import layer_of, option, passing
from placement_opt.schedulers.systems.prediction import History

_DEEPEST, _OUTCOMES, _RIGHT, _WRONG = 8, 10, 0.95, 0.85


@dataclass
class CXLSpecKV(Scored):
    """Fetch what the next step is predicted to read into a buffer beside a cache; deeper while predictions are right.

    The paper predicts tokens by a small network, which does not say what attention reads; here the next step's layer is
    predicted to read what it read at its last ``depth`` steps, the latest first. Of that up to ``outstanding`` blocks are made
    sure of: those that the fastest tier misses are fetched, the others stay as if they were read now. As in its code the depth
    grows by one (to 8) while more than 95 % of the last ten steps' predictions were read, and shrinks by one (to 2) below 85 %.
    Blocks fetched and not yet read are the buffer, a share of the fastest tier; beyond it the oldest are the first to be
    overwritten. All else is a cache of what was read last, one for all layers. The buffer is no tier of its own here, and data
    are not compressed.

    ``accuracy`` below 1 is a predictor that is wrong more often than these reads are: each predicted block stands with that
    chance, else any block alive of the same layer is predicted in its place, drawn by ``seed``. What a wrong prediction of a
    token names was not found; that it names another block of the layer is our reading.
    """

    title: ClassVar[str] = "cxl-speckv"
    family: ClassVar[str] = "system"
    alone: ClassVar[bool] = False
    source: ClassVar[str] = "CXL-SpecKV (FPGA 2026) and its code"
    cost: ClassVar[Cost[Size]] = passing("kelle")

    depth: int = option(4, "last steps of a layer that predict its next, at first", low=2, high=_DEEPEST)
    outstanding: int = option(16, "blocks fetched at a step", low=1, high=2**31 - 1)
    buffer: float = option(0.2, "share of the fastest tier for blocks fetched and not yet read", low=0.0, high=1.0)

    accuracy: float = option(1.0, "chance of each predicted block to stand; others are replaced by any of the layer", low=0.0,
                             high=1.0)  # fmt: skip
    seed: int = option(0, "of what is predicted wrongly", low=0)

    def _begin(self, first: npt.NDArray[np.bool_]) -> None:
        super()._begin(first)
        self._history = History(self._setting.num_layers, _DEEPEST)
        self._deep, self._outcomes = self.depth, deque[float](maxlen=_OUTCOMES)
        self._predicted, self._rng = NOBODY, np.random.default_rng(self.seed)
        self._layer = layer_of(self._setting)
        self._unread = np.zeros(len(self._key), dtype=np.bool_)
        self._fetched: deque[int] = deque()
        self._bytes = 0

    def _rank(self, view: View) -> Ids:
        self._adapt(view)
        at_hand = np.concatenate([view.reads, view.births])
        self._forget(np.concatenate([view.reads, view.freed]))
        self._key[at_hand] = keyed(np.full(len(at_hand), 2 * view.step + 2), self._order.arrival[at_hand])
        self._history.add(view.layer, view.reads)
        self._predicted = self._predict(view)
        ids = without(self._placed(view, self._predicted), at_hand, len(self._key))[: self.outstanding]
        self._key[ids] = keyed(np.full(len(ids), 2 * view.step + 3), self._order.arrival[ids])
        coming: Ids = ids[~view.resident[self._fast, ids]]
        self._coming = coming
        self._forget(coming)
        self._fetched.extend(coming.tolist())
        self._unread[coming] = True
        self._bytes += int(self._setting.size[coming].sum())
        return np.concatenate([ids, self._overwritten()])

    def _ahead(self, view: View) -> Ids:  # noqa: ARG002
        return self._coming

    def _adapt(self, view: View) -> None:
        """Hold the last prediction against what is read, and go deeper or less deep."""
        if len(self._predicted):
            read = len(self._predicted) - len(without(self._predicted, view.reads, len(self._key)))
            self._outcomes.append(read / len(self._predicted))
        if len(self._outcomes) == _OUTCOMES:
            right = sum(self._outcomes) / _OUTCOMES
            self._deep = min(self._deep + 1, _DEEPEST) if right > _RIGHT else self._deep
            self._deep = max(self._deep - 1, 2) if right < _WRONG else self._deep

    def _predict(self, view: View) -> Ids:
        """What the next step may read, each block once, the latest reads first."""
        layer = self._history.following(view.layer)
        seen, found = np.zeros(len(self._key), dtype=np.bool_), [NOBODY]
        for turn in range(self._deep):
            ids = self._history.last(layer, turn)
            ids = ids[~seen[ids] & self._order.alive[ids]]
            seen[ids] = True
            found.append(ids)
        return self._mistaken(np.concatenate(found), layer)

    def _mistaken(self, ids: Ids, layer: int) -> Ids:
        """The prediction with some blocks replaced, each once."""
        if self.accuracy == 1.0:
            return ids
        wrong = np.flatnonzero(self._rng.random(len(ids)) >= self.accuracy)
        pool = np.flatnonzero(self._order.alive & (self._layer == layer))
        pool = pool[np.argsort(self._order.arrival[pool], kind="stable")]
        ids = ids.copy()
        if len(wrong) and len(pool):
            ids[wrong] = pool[self._rng.integers(0, len(pool), len(wrong))]
        _, first = np.unique(ids, return_index=True)
        return np.asarray(ids[np.sort(first)])

    def _forget(self, ids: Ids) -> None:
        """Blocks that are no longer in the buffer: read, gone, or fetched again."""
        ids = np.unique(ids[self._unread[ids]])
        self._unread[ids] = False
        self._bytes -= int(self._setting.size[ids].sum())

    def _overwritten(self) -> Ids:
        """The oldest of the buffer, as far as it holds more than its share; their keys are the lowest from now on."""
        room, out = int(self.buffer * int(self._setting.capacity[self._fast])), []
        while self._bytes > room and self._fetched:
            oldest = self._fetched.popleft()
            if self._unread[oldest]:
                out.append(oldest)
                self._unread[oldest] = False
                self._bytes -= int(self._setting.size[oldest])
        ids = np.array(out, dtype=np.int64)
        self._key[ids] = self._order.arrival[ids]
        return ids
