"""Blocks of each layer in the order in which they came, and what may be said of that order: what is recent, what lies
together."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.play.protocol import Ids, Setting
from placement_opt.schedulers.base import layer_of

_NONE: Ids = np.zeros(0, dtype=np.int64)


class Order:
    """Blocks in the order in which they came: those of the start by their ids, then those of each step.

    Attributes
    ----------
    layer
        int32[B].
    arrival, place
        int64[B]: how many came before, of all and of the layer; 0 of those that are still to come.
    alive
        bool[B].
    """

    def __init__(self, setting: Setting) -> None:
        count = len(setting.size)
        self.layers, self.layer = setting.num_layers, layer_of(setting)
        self.arrival, self.place = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
        self.alive = np.zeros(count, dtype=np.bool_)
        self._arrived = 0
        self._ids = [np.zeros(64, dtype=np.int64) for _ in range(self.layers)]
        self._filled = [0] * self.layers
        self.add(setting.initial_blocks)

    def add(self, ids: Ids) -> None:
        """Blocks that come now, in this order."""
        self.arrival[ids] = self._arrived + np.arange(len(ids))
        self._arrived += len(ids)
        self.alive[ids] = True
        for layer, own in self.split(ids):
            filled = self._filled[layer]
            self.place[own] = filled + np.arange(len(own))
            if filled + len(own) > len(self._ids[layer]):
                self._ids[layer] = np.concatenate([self._ids[layer][:filled], np.zeros(filled + 2 * len(own), dtype=np.int64)])
            self._ids[layer][filled : filled + len(own)] = own
            self._filled[layer] = filled + len(own)

    def of(self, layer: int) -> Ids:
        """The blocks of a layer so far, those that are gone among them."""
        return self._ids[layer][: self._filled[layer]]

    def split(self, ids: Ids) -> Iterator[tuple[int, Ids]]:
        """The blocks of each layer among these, in their order."""
        if not len(ids):
            return
        layers = self.layer[ids]
        if (layers == layers[0]).all():
            yield int(layers[0]), ids
            return
        for layer in np.unique(layers).tolist():
            yield layer, ids[layers == layer]


class Recent:
    """The newest blocks of each layer, as many as some limit allows.

    Parameters
    ----------
    order
        Of the run.
    weight
        int64[B]: what each counts, its bytes or one.
    limits
        What may be recent in each layer.
    """

    def __init__(self, order: Order, weight: Int64, limits: list[int]) -> None:
        self._order, self._weight, self._limits = order, weight, limits
        self.inside = np.zeros(len(weight), dtype=np.bool_)
        self._held = [0] * order.layers
        self._queue: list[deque[int]] = [deque() for _ in range(order.layers)]
        for layer in range(order.layers):
            self.enter(order.of(layer))

    def enter(self, ids: Ids) -> Ids:
        """Blocks that are the newest now; those that are no longer recent, some of these among them."""
        left: list[int] = []
        for layer, own in self._order.split(ids):
            self.inside[own] = True
            queue = self._queue[layer]
            queue.extend(own.tolist())
            self._held[layer] += int(self._weight[own].sum())
            while queue and self._held[layer] > self._limits[layer]:
                oldest = queue.popleft()
                if self.inside[oldest]:
                    self._held[layer] -= int(self._weight[oldest])
                    self.inside[oldest] = False
                    left.append(oldest)
        return np.array(left, dtype=np.int64) if left else _NONE

    def leave(self, ids: Ids) -> None:
        """Blocks that are gone."""
        gone = ids[self.inside[ids]]
        self.inside[gone] = False
        for layer, own in self._order.split(gone):
            self._held[layer] -= int(self._weight[own].sum())


class Units:
    """Blocks of a layer that lie together: pages, clusters, runs; numbered in each layer."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.of = np.zeros(len(order.layer), dtype=np.int64)

    def pages(self, ids: Ids, blocks: int) -> None:
        """Consecutive blocks of a layer, so many each."""
        self.of[ids] = self.order.place[ids] // blocks

    def counts(self, layer: int, ids: Ids, weights: npt.NDArray[np.float64] | None = None) -> npt.NDArray[np.float64]:
        """float64[units]: how many of these blocks (or how much of them) each unit of a layer has."""
        units = int(self.of[self.order.of(layer)].max(initial=-1)) + 1
        return np.bincount(self.of[ids], weights, minlength=units).astype(float)

    def members(self, layer: int, chosen: npt.NDArray[np.bool_]) -> Ids:
        """Blocks of the chosen units that are not gone, in the order in which they came."""
        ids = self.order.of(layer)
        ids = ids[chosen[self.of[ids]]] if len(ids) else ids
        return ids[self.order.alive[ids]]
