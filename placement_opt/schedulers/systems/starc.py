"""STARC's clusters, chosen whole under a budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, View
from placement_opt.schedulers.attention.order import Units
from placement_opt.schedulers.attention.scored import NOBODY, PARTS, PROTECTED, Scored, keyed
from placement_opt.schedulers.base import option, passing

_UNCLUSTERED = -1


@dataclass
class STARC(Scored):
    """Bring whole clusters, those first of which the step read the largest share, up to a budget; the newest blocks stay.

    The paper sorts each window of 64 tokens by k-means of their keys into clusters of 16 that lie together, ranks clusters
    by query and centroid, and reads whole clusters until a budget, the last one cut. Keys are not in a trace. Here the
    blocks of each ``window`` of a layer, in the order in which they came, are sorted by how often they were read so far, and
    cut into clusters of ``cluster``: those of the start after the layer's step number ``after``, later ones as soon as a
    window is full. A cluster's rank is the share of it that the layer's latest step read; the budget is the layer's room.
    Blocks of no cluster yet are the newest, which stay.
    """

    title: ClassVar[str] = "starc"
    family: ClassVar[str] = "system"
    by_position: ClassVar[bool] = True
    source: ClassVar[str] = "STARC, arXiv 2505.05772"
    cost: ClassVar[Cost[Size]] = passing("kelle")

    window: int = option(64, "blocks of a layer that are clustered together", low=1, high=2**20)
    cluster: int = option(16, "blocks in a cluster", low=1, high=2**20)
    after: int = option(4, "steps of a layer before its first blocks are clustered", low=1, high=2**31 - 1)

    def _begin(self, first: npt.NDArray[np.bool_]) -> None:
        super()._begin(first)
        self._reads = np.zeros(len(self._key))
        self._units = Units(self._order)
        self._units.of[:] = _UNCLUSTERED
        self._done = [0] * self._setting.num_layers
        self._clusters = [0] * self._setting.num_layers

    def _rank(self, view: View) -> Ids:
        self._reads[view.reads] += self._weights(view)
        at_hand, layer = np.concatenate([view.reads, view.births]), view.layer
        if self._turns[layer] + 1 >= self.after:
            self._cluster(layer)
        self._brought, arrival = NOBODY, self._order.arrival
        self._key[at_hand] = PROTECTED + arrival[at_hand]  # for those of no cluster
        changed = [NOBODY]
        for one, own in self._order.split(at_hand):
            ids = self._order.of(one)
            ids = ids[(self._units.of[ids] != _UNCLUSTERED) & self._order.alive[ids]]
            own = own[self._units.of[own] != _UNCLUSTERED]
            if not len(ids):
                continue
            score = self._units.counts(one, own) / np.maximum(self._units.counts(one, ids), 1.0)
            rank = score[self._units.of[ids]]
            self._key[own] = keyed(np.zeros(len(own), dtype=np.int64), arrival[own])
            self._key[ids] = keyed((PARTS * rank).astype(np.int64) * PARTS + self._units.of[ids] % PARTS, arrival[ids])
            changed.append(ids)
            best = np.lexsort((arrival[ids], -self._key[ids]))
            fits = np.cumsum(self._setting.size[ids[best]]) <= self._room[one]
            chosen = ids[best[fits]]
            self._brought = np.concatenate([self._brought, chosen[score[self._units.of[chosen]] > 0]])
        return np.concatenate(changed)

    def _ahead(self, view: View) -> Ids:  # noqa: ARG002
        return self._brought

    def _cluster(self, layer: int) -> None:
        """Sort whole windows into clusters, and what is left of the start where it is the first time."""
        ids = self._order.of(layer)
        first = self._done[layer] == 0
        while len(ids) - self._done[layer] >= self.window or (first and self._done[layer] < len(ids)):
            own = ids[self._done[layer] : self._done[layer] + self.window]
            best = own[np.argsort(-self._reads[own], kind="stable")]
            self._units.of[best] = self._clusters[layer] + np.arange(len(best)) // self.cluster
            self._clusters[layer] += -(-len(best) // self.cluster)
            self._done[layer] += len(own)
