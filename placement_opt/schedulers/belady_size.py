"""Largest product of size and time to the next use."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.cost import Cost
from placement_opt.base.limits import Limits
from placement_opt.bounds.size import Size
from placement_opt.instance.instance import Instance
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.base import Policy, passing
from placement_opt.schedulers.cache import CachePolicy, Caches
from placement_opt.schedulers.hierarchy.future import look_ahead


@dataclass
class BeladySize(Policy):
    """Evict the block of the largest size times steps to its next read.

    A heuristic for blocks of unequal sizes: where a large one goes many small ones can stay. With equal ones it is
    ``belady-demand``. Whatever is read is brought in, in each step the largest such product first. What is never read again
    goes before all others, the largest first; of two alike the one that came or was read longer ago. The source draws a sample
    of blocks and evicts the worst of it; here it is the worst of all, found by size: of each size it is the one that is read
    latest. Goes through caches as any rule of eviction does (:mod:`placement_opt.schedulers.cache`), in Python, so that it is
    slower than the compiled ones.
    """

    title: ClassVar[str] = "belady-size"
    online: ClassVar[bool] = False
    family: ClassVar[str] = "clairvoyant"
    source: ClassVar[str] = "Belady, IBM Systems Journal 5(2), 1966, by size as in libCacheSim's BeladySize"
    cost: ClassVar[Cost[Size]] = passing("myopic")

    def plan(self, instance: Instance, limits: Limits) -> None:  # noqa: ARG002
        self._future, self._indptr = look_ahead(instance.trace), instance.trace.indptr

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        self._next, self._size = self._future.first.copy(), setting.size
        self._caches = Caches(_Farthest(_Known(self._next)), setting)
        return self._caches.start(first_reads)

    def step(self, view: View) -> Moves:
        self._next[view.reads] = self._future.after_read[self._indptr[view.step] : self._indptr[view.step + 1]]
        for own in self._caches.policies:
            assert isinstance(own, _Farthest)
            own.now = view.step
            for block in view.reads.tolist():
                own.file(block)
        touched = np.concatenate([view.reads, view.births])
        away = (self._next[touched] - view.step).astype(np.float64)  # of what is never read again more than whole numbers hold
        worst = np.lexsort((touched, -self._size[touched] * away))
        return self._caches.step(view, touched[worst])


@dataclass
class _Known:
    """int64[B]: the next read of each block from now on; one array for all tiers."""

    next: Int64

    def __deepcopy__(self, memo: dict[int, Any]) -> _Known:
        return self


@dataclass
class _Farthest(CachePolicy):
    """For each size a heap of (minus the next read, use, block); what is out of date is passed over when it is on top."""

    known: _Known
    now: int = 0
    uses: int = 0
    size: dict[int, int] = field(default_factory=dict)
    use: dict[int, int] = field(default_factory=dict)
    heaps: dict[int, list[tuple[int, int, int]]] = field(default_factory=dict)

    def file(self, block: int) -> None:
        """Its next read has changed, or it has come in; one that is not in the tier is left alone."""
        if block in self.size:
            self.uses += 1
            self.use[block] = self.uses
            heap = self.heaps.setdefault(self.size[block], [])
            heapq.heappush(heap, (-int(self.known.next[block]), self.uses, block))

    def miss(self, block: int, size: int) -> None:
        self.size[block] = size
        self.file(block)

    def evict(self) -> int:
        tops = []
        for size, heap in self.heaps.items():
            while heap and self.use.get(heap[0][2]) != heap[0][1]:
                heapq.heappop(heap)
            if heap:
                later, use, block = heap[0]
                tops.append((size * (-later - self.now), -use, block))
        return max(tops)[2]

    def free(self, block: int) -> None:
        del self.size[block], self.use[block]
