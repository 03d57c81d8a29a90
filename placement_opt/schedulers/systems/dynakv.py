"""DynaKV's cache of clusters, by size and latest update, with delayed splits."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, View
from placement_opt.schedulers.attention.order import Units
from placement_opt.schedulers.attention.scored import NOBODY, PROTECTED, Scored, keyed
from placement_opt.schedulers.base import option, passing

_LARGEST = 1023
_CLOCK = 1 << 20


@dataclass
class DynaKV(Scored):
    """Keep clusters that were updated lately, then small ones; a read of any block brings its whole cluster.

    A cluster begins as ``cluster`` consecutive blocks of a layer, in the order in which they came (the paper's are of
    similar keys, which are not in a trace); a new block joins its layer's newest cluster. The ``pinned`` clusters of a layer
    that were updated last stay. Of the others small ones come first, because flash is slow at them, then those read last. A
    cluster of more than ``cluster`` blocks splits in two (the paper: when it is too varied): at once where some of it lies
    in the fastest tier, otherwise when it is read next.
    """

    title: ClassVar[str] = "dynakv"
    family: ClassVar[str] = "system"
    by_position: ClassVar[bool] = True
    source: ClassVar[str] = "DynaKV, arXiv 2511.07427"
    cost: ClassVar[Cost[Size]] = passing("kelle")

    cluster: int = option(16, "blocks in a cluster, at most, before it is split", low=1, high=_LARGEST)
    pinned: int = option(2, "clusters of a layer that were updated last and stay", low=0, high=2**20)

    def _begin(self, first: npt.NDArray[np.bool_]) -> None:
        super()._begin(first)
        layers = self._setting.num_layers
        self._units = Units(self._order)
        self._units.pages(self._setting.initial_blocks, self.cluster)
        self._next = [-(-len(self._order.of(layer)) // self.cluster) for layer in range(layers)]
        self._updated: list[deque[int]] = [deque(maxlen=self.pinned) for _ in range(layers)]
        self._marked: list[set[int]] = [set() for _ in range(layers)]

    def _rank(self, view: View) -> Ids:
        self._halved: list[Ids] = []
        changed = [self._join(view, layer, own) for layer, own in self._order.split(view.births)]
        self._brought = NOBODY
        for layer, own in self._order.split(view.reads):
            for unit in self._marked[layer] & set(self._units.of[own].tolist()):
                self._split(layer, unit)
            ids = self._units.members(layer, self._units.counts(layer, own) > 0)
            self._key[ids] = self._keys(layer, ids, self._turns[view.layer] + 1)
            self._brought = np.concatenate([self._brought, ids])
        return np.concatenate([*changed, *self._halved, self._brought])

    def _ahead(self, view: View) -> Ids:  # noqa: ARG002
        return self._brought

    def _join(self, view: View, layer: int, born: Ids) -> Ids:
        """New blocks join the newest cluster; blocks of clusters that are no longer pinned."""
        self._next[layer] = max(self._next[layer], 1)
        before = set(self._updated[layer])
        unit = self._next[layer] - 1
        self._units.of[born] = unit
        while (members := self._of(layer, unit)).size > self.cluster:
            if not view.resident[self._fast, members].any() and members.size <= 2 * self.cluster:
                self._marked[layer].add(unit)
                break
            unit = self._split(layer, unit)
        if unit in self._updated[layer]:
            self._updated[layer].remove(unit)
        self._updated[layer].append(unit)
        gone = [self._of(layer, one) for one in before - set(self._updated[layer])]
        ids = np.concatenate([born, self._of(layer, unit), *gone])
        self._key[ids] = self._keys(layer, ids, self._turns[layer])
        return ids

    def _split(self, layer: int, unit: int) -> int:
        """Cut a cluster in two; the number of the newer half, which is the layer's newest if the cluster was."""
        self._marked[layer].discard(unit)
        members = self._of(layer, unit)
        newer, self._next[layer] = self._next[layer], self._next[layer] + 1
        self._units.of[members[len(members) // 2 :]] = newer
        self._key[members] = self._keys(layer, members, self._turns[layer])
        self._halved.append(members)
        return newer

    def _of(self, layer: int, unit: int) -> Ids:
        ids = self._order.of(layer)
        found: Ids = ids[(self._units.of[ids] == unit) & self._order.alive[ids]]
        return found

    def _keys(self, layer: int, ids: Ids, turn: int) -> npt.NDArray[np.int64]:
        arrival, unit = self._order.arrival[ids], self._units.of[ids]
        living = self._order.of(layer)
        sizes = np.bincount(self._units.of[living[self._order.alive[living]]], minlength=self._next[layer])
        small = _LARGEST - np.minimum(sizes[unit], _LARGEST)
        pinned = np.isin(unit, np.array(self._updated[layer], dtype=np.int64))
        return np.where(pinned, PROTECTED + arrival, keyed(small * _CLOCK + min(turn, _CLOCK - 1), arrival))
