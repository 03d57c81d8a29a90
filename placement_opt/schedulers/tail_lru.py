"""Least recently used, but first what the tail of latencies does not miss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from placement_opt.base.arrays import Flags, Int64
from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.base import Policy, layer_of, option, passing
from placement_opt.schedulers.classical.leaves import path_of
from placement_opt.schedulers.hierarchy.hierarchy import Hierarchy
from placement_opt.schedulers.hierarchy.queues import queued
from placement_opt.schedulers.lru import start_keys

_IDS = 2**31  # more than there are blocks


@dataclass
class TailLRU(Policy):
    """Evict first the ends of conversations whose next turn stays within the threshold without them; then by last use.

    A step is a turn of a conversation of L blocks (those that it reads and produces, of each layer). The next turn is expected
    to bring q blocks more and is in the tail as far as more than xi blocks must be made anew. So L + q - xi blocks of it are
    worth keeping, those at its beginning; the last xi - q go first, the least recently read of them first, and make way for no
    other. Of a turn the end counts as read before the beginning. Paths as in ``prefix-lru``; all blocks compete. The source
    has one tier, counts tokens and takes the threshold of time by the prefill rate; here it is given in blocks. What it expects
    of the next prompt is an average; here, by default, the mean of the blocks that turns brought so far. A hierarchy of tiers
    and a free start as in ``lru``.
    """

    title: ClassVar[str] = "tail-lru"
    source: ClassVar[str] = "Zhang, Li, Moallemi and Peng, Tail-Optimized LRU, arXiv 2510.15152"
    cost: ClassVar[Cost[Size]] = passing("lru")

    xi: int = option(64, "blocks (of each layer) that a turn may miss without being in the tail", low=0, high=2**31 - 1)
    prompt: int = option(-1, "blocks (of each layer) expected of the next prompt; -1: the mean so far", low=-1, high=2**31 - 1)

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        self._layer, self._seen = layer_of(setting), np.zeros(len(setting.size), dtype=bool)
        self._turns = self._brought = 0
        keys = start_keys(setting, first_reads)[setting.initial_blocks]
        self._queued = queued(setting, by_layer=False, again=True, stacked=True)
        if self._queued is not None:
            return self._queued.start(keys)
        self._caches = Hierarchy(setting, by_layer=False, shares=False)
        return self._caches.start(keys)

    def step(self, view: View) -> Moves:
        path = path_of(view)
        in_vain = self._in_vain(path)
        if self._queued is not None:
            oldest, first = path[::-1], in_vain[::-1]
            return self._queued.bring(view, np.concatenate([oldest[first], oldest[~first]]), int(first.sum()))
        keys = (view.step + 1) * _IDS - np.arange(len(path))
        keys[in_vain] -= 2**61
        order, reads = np.argsort(path[: len(view.reads)]), len(view.reads)
        self._caches.begin(view, keys[:reads][order], keys[reads:])
        newest = np.argsort(keys)[::-1]
        self._caches.admit(path[newest], keys[newest])
        return self._caches.moves()

    def _in_vain(self, path: Int64) -> Flags:
        """Which blocks the next turn may miss without being in the tail."""
        layers = self._layer[path]
        counts = np.bincount(layers)
        self._turns += int(np.count_nonzero(counts))
        self._brought += int((~self._seen[path]).sum())
        self._seen[path] = True
        prompt = self._brought // max(self._turns, 1) if self.prompt < 0 else self.prompt
        order = np.argsort(layers, kind="stable")
        behind = np.empty(len(path), dtype=np.int64)  # how many of its layer come after it
        behind[order] = np.repeat(np.cumsum(counts), counts) - np.arange(len(path)) - 1
        return np.asarray(behind < self.xi - prompt)
