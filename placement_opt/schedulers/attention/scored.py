"""What policies by scores share: keys of blocks, the hierarchy that obeys them, and what a lossy policy would have kept.

A policy says at each step what the keys of blocks are: the higher, the nearer to the processor. What the step reads or
produces, and what the policy wants besides, is brought in by descending keys where blocks with lower keys make way
(:mod:`placement_opt.schedulers.hierarchy.hierarchy`); blocks at the processor are stored in passing, others are copied. Each
layer has its even share of the room.

A trace says which blocks a step reads, and perhaps in what share, but not how much attention each gets. So scores count
reads: 1 for a block read whole, its share for one read in part, 0 for others.

**What a lossy policy would have missed.** The policies of papers drop blocks for good. Here a block is sent to a slower tier
instead, may come back, and a read of it is served. Beside that the set is kept up to date that the paper would have: it
begins with all blocks of the start (a trace does not say what a prompt's attention was), gains each new block, and whenever
it exceeds the layer's share of the fastest tier it loses the blocks of lowest keys, for good. The share of the bytes read
that were of lost blocks is :attr:`would_miss`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64, Int64
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.attention.order import Order
from placement_opt.schedulers.base import Policy, cache_tiers
from placement_opt.schedulers.hierarchy.hierarchy import Hierarchy

#: Below the key of whatever is protected, above every score.
PROTECTED = 1 << 60
#: Parts of a score that keys tell apart.
PARTS = 256
_ARRIVALS = 28
_HIGHEST = (1 << 31) - 1
NOBODY: Ids = np.zeros(0, dtype=np.int64)


@dataclass
class Scored(Policy):
    """A policy whose blocks have keys by layer; derive from it and say what they are.

    ``lossy``: where it comes from drops for good what it does not keep. ``alone``: each layer has its even share of the room.
    """

    family: ClassVar[str] = "attention"
    lossy: ClassVar[bool] = False
    alone: ClassVar[bool] = True

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        self._setting, self._order = setting, Order(setting)
        tiers = cache_tiers(setting)
        self._fast = tiers[0] if tiers else setting.home
        self._key = np.zeros(len(setting.size), dtype=np.int64)
        self._turns = [0] * setting.num_layers
        self._room = shares(setting, self._fast)
        self._caches = Hierarchy(setting, by_layer=self.alone, shares=self.alone)
        self._missed = self._read = 0
        self._kept = Kept(setting, self._order, self._fast) if self.lossy else None
        first = np.zeros(len(setting.size), dtype=np.bool_)
        for ids in first_reads:
            first[ids] = True
        self._begin(first)
        return self._caches.start(self._key[setting.initial_blocks])

    def step(self, view: View) -> Moves:
        order, layer = self._order, view.layer
        order.add(view.births)
        order.alive[view.freed] = False
        if self._kept is not None:
            self._count(view, self._kept)
        near, key = np.concatenate([view.reads, view.births]), self._key
        changed = without(self._rank(view), near, len(key))
        self._turns[layer] += 1
        self._caches.begin(view, key[view.reads], key[view.births])
        self._caches.rekey(changed, key[changed])
        wanted = np.concatenate([near, self._placed(view, without(self._ahead(view), near, len(key)))])
        wanted = wanted[self._caches.absent(wanted)]
        wanted = wanted[np.argsort(-key[wanted], kind="stable")]
        self._caches.admit(wanted, key[wanted])
        if self._kept is not None:
            self._lose(view, self._kept)
        return self._caches.moves()

    @property
    def would_miss(self) -> float | None:
        if not self.lossy or not hasattr(self, "_kept"):
            return None
        return self._missed / self._read if self._read else 0.0

    def _begin(self, first: npt.NDArray[np.bool_]) -> None:
        """The keys of the blocks of the start, given which of them are read first."""
        ids = self._setting.initial_blocks
        self._key[ids] = keyed(PARTS * first[ids].astype(np.int64), self._order.arrival[ids])

    def _rank(self, view: View) -> Ids:
        """New keys for what the step reads and produces, and for others, which are named."""
        raise NotImplementedError

    def _ahead(self, view: View) -> Ids:  # noqa: ARG002
        """Blocks to be brought in besides, once the keys are known."""
        return NOBODY

    def _lose(self, view: View, kept: Kept) -> None:
        """What is dropped for good after a step."""
        for layer in {view.layer, *self._order.layer[view.births].tolist()}:
            if self._turns[layer]:
                kept.settle(layer, self._key)

    def _count(self, view: View, kept: Kept) -> None:
        sizes = self._setting.size[view.reads]
        if view.shares is not None:
            sizes = sizes * view.shares
        self._read += int(sizes.sum())
        self._missed += int(sizes[~kept.has[view.reads]].sum())
        kept.add(view.births)
        kept.leave(view.freed)

    def _placed(self, view: View, ids: Ids) -> Ids:
        """Those of these blocks that lie somewhere, so that they can be copied."""
        return ids[view.resident[:, ids].any(axis=0)] if len(ids) else ids

    def _weights(self, view: View) -> Float64:
        """float64: how much of each read counts."""
        return np.ones(len(view.reads)) if view.shares is None else view.shares / self._setting.share_base


class Kept:
    """The blocks that a lossy policy still has."""

    def __init__(self, setting: Setting, order: Order, fast: int) -> None:
        room = shares(setting, fast)
        # Where a share would not hold a block all layers have one room, as in the hierarchy.
        single = min(room) < max(int(setting.size[setting.initial_blocks].max(initial=1)), 1)
        self._pool = np.zeros_like(order.layer) if single else order.layer
        self._limits = [int(setting.capacity[fast])] if single else room
        self._size, self._order = setting.size, order
        self.has = np.zeros(len(setting.size), dtype=np.bool_)
        self._held = [0] * len(self._limits)
        self._ids = [NOBODY] * len(self._limits)
        self.add(setting.initial_blocks)

    def add(self, ids: Ids) -> None:
        """Blocks that are new, or come back."""
        ids = ids[~self.has[ids]]
        self.has[ids] = True
        for pool in np.unique(self._pool[ids]).tolist():
            own = ids[self._pool[ids] == pool]
            self._held[pool] += int(self._size[own].sum())
            self._ids[pool] = np.concatenate([self._ids[pool], own])

    def leave(self, ids: Ids) -> None:
        """Blocks that are dropped, or gone."""
        ids = ids[self.has[ids]]
        self.has[ids] = False
        for pool in np.unique(self._pool[ids]).tolist():
            self._held[pool] -= int(self._size[ids[self._pool[ids] == pool]].sum())
            self._ids[pool] = self._ids[pool][self.has[self._ids[pool]]]

    def settle(self, layer: int, key: Int64) -> None:
        """Drop the blocks of lowest keys that a layer has no room for."""
        pool = layer if len(self._limits) > 1 else 0
        over, ids = self._held[pool] - self._limits[pool], self._ids[pool]
        if over > 0:
            keys, count = key[ids], 8
            while True:  # the lowest few first: most steps drop but one
                lowest = np.argpartition(keys, count - 1)[:count] if count < len(ids) else np.arange(len(ids))
                lowest = lowest[np.argsort(keys[lowest])]
                freed = np.cumsum(self._size[ids[lowest]])
                if count >= len(ids) or freed[-1] >= over:
                    break
                count *= 8
            self.leave(ids[lowest[: int(np.searchsorted(freed, over)) + 1]])


def shares(setting: Setting, tier: int) -> list[int]:
    """Bytes of a tier for each layer."""
    capacity, layers = int(setting.capacity[tier]), setting.num_layers
    return [capacity * (layer + 1) // layers - capacity * layer // layers for layer in range(layers)]


def keyed(score: Int64, arrival: Int64) -> Int64:
    """Keys by scores (whole numbers, in :data:`PARTS` of a read), the newest first among equals; below :data:`PROTECTED`."""
    return (np.clip(score, 0, _HIGHEST).astype(np.int64) << _ARRIVALS) | (arrival & ((1 << _ARRIVALS) - 1))


def without(ids: Ids, others: Ids, count: int) -> Ids:
    """Those of these blocks that are not among others, of so many blocks in all."""
    if not len(ids):
        return ids
    among = np.zeros(count, dtype=np.bool_)
    among[others] = True
    return ids[~among[ids]]
