"""What a step is expected to read, from what its layer read before, and what can be copied meanwhile without taking time."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from placement_opt.play.protocol import Ids, Setting, View
from placement_opt.schedulers.hierarchy.transition import Sources, masks_of


class History:
    """The last read sets of each layer."""

    def __init__(self, layers: int, turns: int) -> None:
        self._layers = layers
        self._turns: list[deque[Ids]] = [deque(maxlen=turns) for _ in range(layers)]

    def add(self, layer: int, reads: Ids) -> None:
        """What a step of a layer reads."""
        self._turns[layer].appendleft(reads)

    def last(self, layer: int, turn: int = 0) -> Ids:
        """What the layer read so many of its steps ago; nothing where it had fewer."""
        turns = self._turns[layer]
        return turns[turn] if turn < len(turns) else np.zeros(0, dtype=np.int64)

    def following(self, layer: int, steps: int = 1) -> int:
        """The layer that is expected so many steps later."""
        return (layer + steps) % self._layers


def copy_seconds(setting: Setting, source: int, target: int, ids: Ids) -> npt.NDArray[np.float64]:
    """float64[n]: how long a copy of each block from one tier to another takes by itself."""
    table, tiers = setting.memory.operations, len(setting.capacity)
    row = tiers + source * tiers + target
    loads = table.per_byte[row] * setting.size[ids].astype(float)[:, None] + table.per_call[row]
    return np.asarray((loads / setting.memory.rates).max(axis=1))


class Idle:
    """How much can be copied during a step while what it reads keeps it busy anyway."""

    def __init__(self, setting: Setting, target: int) -> None:
        self._setting, self._target, self._sources = setting, target, Sources(setting.memory)
        self._table = setting.memory.operations
        own = self._table.first_serving + target
        self._below = (self._table.per_byte[own] == 0) & (self._table.per_call[own] == 0)

    def fitting(self, view: View, ids: Ids) -> Ids:
        """The first of these blocks that can be copied to the target in time that is left on every resource below it.

        A step is expected to last as long as its most loaded resource when each read is served by the fastest tier that holds
        its block; loads are taken by the byte and by the call. What the target itself is loaded with is not counted: where it
        is what the step waits for nothing could ever be copied, and it is the fastest.
        """
        setting, table, tiers = self._setting, self._table, len(self._setting.capacity)
        if not len(ids):
            return ids
        loads = view.fixed.astype(float)
        sizes = setting.size[view.reads] if view.shares is None else setting.size[view.reads] * view.shares / setting.share_base
        waiting = np.ones(len(view.reads), dtype=np.bool_)
        for tier in setting.memory.by_speed:
            here = waiting & view.resident[tier, view.reads]
            row = table.first_serving + tier
            loads = loads + table.per_byte[row] * float(sizes[here].sum()) + table.per_call[row] * np.count_nonzero(here)
            waiting &= ~here
        rates = setting.memory.rates
        spare = max(float((loads / rates).max()), view.floor) * rates - loads
        pieces = None if setting.pieces is None else setting.pieces[ids]
        source = self._sources.of(masks_of(view, ids), self._target, setting.size[ids], pieces).astype(np.int64)
        rows = tiers + source * tiers + self._target
        each = table.per_byte[rows] * setting.size[ids].astype(float)[:, None] + table.per_call[rows]
        return ids[: int(np.count_nonzero((np.cumsum(each, axis=0) <= spare * (1.0 + 1e-12))[:, self._below].all(axis=1)))]
