"""LMCache's tiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, Resident, Setting, View
from placement_opt.schedulers.base import layer_of, option
from placement_opt.schedulers.cascade.tiered import ORDERS, Rule, Tiered, cascading


@dataclass
class LMCache(Tiered):
    """LMCache: what is stored is written to CPU, disk and remote at once; a hit further down comes into the GPU and the CPU.

    What makes way is dropped, because the tiers below had it from the start; where they had no room for it and it has to be
    somewhere, it goes down. LMCache leaves out blocks of the answer by default (``save_decode_cache`` false); a trace does not
    say which blocks are of answers, so all are stored. Under the rule exclusive, where every block has one copy, it is
    ``exclusive-cascade``.

    ``chunk`` blocks of a layer that came one after the other are a chunk (256 tokens there: 16 blocks of vLLM's 16; by default
    a block of the trace is a chunk). It is written when its last block is there, as a tail that is no whole chunk is not
    stored; what is read of it counts as read for all of it, so that its blocks make way together; and one of its blocks
    that comes from behind the CPU brings the others into the CPU. Readings: a trace does not say where one text ends and the
    next begins, so that a chunk may be of two; blocks that are there before step 0 are chunks in the order in which they are
    ranked then (that of their ids where nothing else says it), the last of them a whole one.
    """

    title: ClassVar[str] = "lmcache"
    family: ClassVar[str] = "serving"
    cost: ClassVar[Cost[Size]] = cascading("hicache")
    source: ClassVar[str] = "LMCache: docs.lmcache.ai, configuring LMCache (chunk_size 256, cache_policy LRU)"

    order: str = option("lru", "cache_policy: what makes way", choices=ORDERS)
    chunk: int = option(1, "blocks that are stored, read and evicted together", low=1)

    def rule(self) -> Rule:
        return Rule(order=self.order, through=1, via=True)

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        found = super().start(setting, first_reads)
        self._layer = layer_of(setting)
        self._chunk = np.full(len(setting.size), -1, dtype=np.int64)
        self._members: list[list[int]] = []
        self._growing: dict[int, int] = {}
        self._whole: set[int] = set()
        there = setting.initial_blocks[np.argsort(self._last[setting.initial_blocks], kind="stable")]
        self._gather(there)
        self._whole.update(range(len(self._members)))
        self._growing.clear()
        return found

    def see(self, view: View, reads: Ids, births: Ids) -> None:
        del view
        self._gather(births)
        if self.chunk > 1:
            self._touch(np.concatenate([reads, births]))

    def _gather(self, ids: Ids) -> None:
        """New blocks into the chunks of their layers."""
        for block, layer in zip(ids.tolist(), self._layer[ids].tolist(), strict=True):
            if layer not in self._growing:
                self._growing[layer] = len(self._members)
                self._members.append([])
            number = self._growing[layer]
            self._chunk[block] = number
            self._members[number].append(block)
            if len(self._members[number]) == self.chunk:
                self._whole.add(number)
                del self._growing[layer]

    def _others(self, ids: Ids) -> Ids:
        """What else is somewhere of the whole chunks of these blocks."""
        chunks = [number for number in np.unique(self._chunk[ids]).tolist() if number in self._whole]
        members = np.array([block for number in chunks for block in self._members[number]], dtype=np.int64)
        members = np.setdiff1d(members, ids)
        return members[~self._levels.missing_below(0, members)]

    def _touch(self, arrived: Ids) -> None:
        """Blocks of a chunk count as read with those that are, just before all that the step reads."""
        others = self._others(arrived)
        if len(others) and self._rule.order != "fifo":
            others = others[np.argsort(self._last[others], kind="stable")]
            both = np.concatenate([others, arrived[np.argsort(self._last[arrived], kind="stable")]])
            self._last[both] = self._time + np.arange(len(both))
            self._time += len(both)
            self._levels.rank(others, self.keys(others))

    def _stage(self, block: int) -> None:
        super()._stage(block)
        for other in self._others(np.array([block])).tolist() if self.chunk > 1 else ():
            if self._levels.level_of(other) > 1:
                super()._stage(other)

    def _write_through(self, arrived: Ids) -> None:
        if self.chunk > 1:
            whole = np.array([number in self._whole for number in self._chunk[arrived].tolist()], dtype=np.bool_)
            ready = arrived[whole]
            arrived = np.concatenate([ready, self._others(ready)])
        super()._write_through(arrived)
