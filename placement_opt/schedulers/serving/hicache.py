"""SGLang's hierarchical cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, Resident, Setting, View
from placement_opt.schedulers.base import option
from placement_opt.schedulers.cascade.tiered import ALL, Rule, Tiered, cascading
from placement_opt.schedulers.systems.prediction import Idle, copy_seconds

#: Seconds beyond which no prefetch is waited for (sglang#23309).
_LONGEST_S = 30.0


@dataclass
class HiCache(Tiered):
    """HiCache: GPU, host and storage; blocks are written down when produced or read, at the n-th time, or when they make way.

    ``write_through`` stores what is produced or read in all slower tiers at once, ``write_through_selective`` when it was
    touched ``hits`` times, ``write_back`` when it makes way in the fastest. What has a copy below is dropped from above. What
    makes way without one is dropped where it may (write_through_selective) or goes down. A read brings its block into the
    GPU; one found in storage comes through the host and stays there as well. At one step at most ``share`` of what the host
    holds more than the GPU comes from storage, and nothing if that is fewer than ``least`` blocks.

    ``threshold`` (its ``--hicache-write-back-threshold``, sglang#40576) lies between write_back, 1, and write_through, 0: where
    more than this share of the GPU or of the host is occupied, blocks are written down ahead of making way. How many are
    written then was not found; here those next to make way, until no more than that share is without a copy below.

    ``prefetch`` is when a prefetch from storage ends: ``wait_complete`` never before it is done, ``best_effort`` when the GPU
    could go on (here: what is copied in time that the step's reads take anyway), ``timeout`` after ``timeout`` seconds and
    ``timeout_per_ki_token`` more for every 1024 tokens asked for, 30 at most, of copying from storage to the host. What was not
    prefetched is read from where it lies. ``depth`` blocks of storage come to the host ahead of their reads besides: those
    touched next after the newest of the blocks found there, when that was touched the last time.

    Readings: SGLang prefetches while a request waits, by the hashes of its prompt; which requests wait a policy does not see
    here, so that prefetching begins at the step that reads, and ``depth`` is ours (0: only what is read). ``share`` 0.8 of the
    difference of host and device is what sglang#26449 quotes; the threshold it quotes, 256 tokens, is ``least`` in blocks, by
    default one, for a trace does not say their tokens: ``page`` says it for the timeout (64 is the page size of its guide). 2 s
    and 0.1 s are the new defaults quoted in sglang#10512 and #23309. write_through is what the examples of its guide use
    (docs.sglang.io, HiCache best practices), and ``hits`` 2 is what sglang#9776 made the count of the other policies. Under the
    rule inclusive the tiers are those above home, which has everything; under exclusive every block has one copy and nothing is
    written through or ahead.
    """

    title: ClassVar[str] = "hicache"
    family: ClassVar[str] = "serving"
    cost: ClassVar[Cost[Size]] = cascading("hicache")
    source: ClassVar[str] = (
        "SGLang HiCache: docs.sglang.io, HiCache design and best practices; sglang#9776, #10512, #23309, #26449, #40576"
    )

    write: str = option("write_through", "when a block is written to slower tiers",
                        choices=("write_through", "write_through_selective", "write_back"))  # fmt: skip
    hits: int = option(2, "reads, production included, after which write_through_selective writes", low=1)
    threshold: float = option(1.0, "share of a tier from whose occupation on write_back writes ahead; 1: never", low=0, high=1)
    order: str = option("lru", "what makes way: the least recently or the least often read", choices=("lru", "lfu"))
    share: float = option(0.8, "of what the host has more room than the GPU, how much comes from storage a step", low=0, high=1)
    least: int = option(1, "blocks found in storage at a step, below which none is brought", low=1)
    prefetch: str = option("wait_complete", "when a prefetch from storage ends",
                           choices=("wait_complete", "best_effort", "timeout"))  # fmt: skip
    timeout: float = option(2.0, "seconds after which prefetch=timeout ends", low=0.0)
    timeout_per_ki_token: float = option(0.1, "seconds more for every 1024 tokens that are asked for", low=0.0)
    page: int = option(64, "tokens of a block, for the timeout", low=1)
    depth: int = option(0, "blocks that come from storage to the host ahead of their reads", low=0)

    def rule(self) -> Rule:
        through = {"write_through": 1, "write_through_selective": self.hits, "write_back": 0}[self.write]
        return Rule(order=self.order, through=through, depth=ALL if self.write == "write_back" else 0, via=True)

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        found = super().start(setting, first_reads)
        tiers = self._levels.tiers
        self._stored = len(tiers) >= 3
        self._idle = Idle(setting, tiers[1]) if self._stored else None
        self._old = self._last.copy()  # when blocks were touched before this step
        return found

    def see(self, view: View, reads: Ids, births: Ids) -> None:
        del reads, births
        self._view = view

    def promoted(self, reads: Ids) -> Ids:
        levels = self._levels
        if not self._stored:
            return reads
        stored = levels.missing(1, reads) & ~levels.missing_below(2, reads)
        device, host = (int(self._setting.capacity[tier]) for tier in levels.tiers[:2])
        budget, found = int(self.share * max(host - device, 0)), np.flatnonzero(stored)[::-1]  # the newest first
        comes = ~stored
        if len(found) >= self.least:
            asked = np.concatenate([reads[found], self._following(reads[found])])
            asked = asked[np.cumsum(self._setting.size[asked]) <= budget]
            asked = asked[: self._in_time(asked)]
            comes[found[: len(asked)]] = True
            self._bring_ahead(asked[len(found) :])
        return reads[comes]

    def after(self, view: View) -> None:
        del view
        if self.write == "write_back" and self.threshold < 1.0 and not self._only:
            for level in range(len(self._levels.tiers) - 1):
                for block in self._falling(self._unwritten(level)):
                    self._levels.bring(level + 1, block, move=False)
        if self.depth:
            self._old = self._last.copy()

    def _following(self, found: Ids) -> Ids:
        """The blocks of storage alone that were touched next after the newest of these, when that was touched before."""
        if not self.depth:
            return found[:0]
        began, levels = self._old[found[0]], self._levels
        ids = np.flatnonzero(~levels.missing_below(2, np.arange(len(self._old))) & (self._old > began))
        ids = ids[levels.missing(0, ids) & levels.missing(1, ids)]
        ids = np.setdiff1d(ids, found)
        return np.asarray(ids[np.argsort(self._old[ids], kind="stable")][: self.depth])

    def _bring_ahead(self, ids: Ids) -> None:
        """To the host, as if they were read now, the first of them the newest."""
        if len(ids):
            self._last[ids] = self._time + np.arange(len(ids))[::-1]
            self._time += len(ids)
            self._levels.rank(ids, self.keys(ids))
            for block in self._falling(ids):
                self._levels.bring(1, block, move=self._only)

    def _in_time(self, ids: Ids) -> int:
        """How many of these blocks, one after the other, are there when the prefetch ends."""
        assert self._idle is not None
        if self.prefetch == "best_effort":
            return len(self._idle.fitting(self._view, ids))
        if self.prefetch == "wait_complete" or not len(ids):
            return len(ids)
        seconds = min(self.timeout + self.timeout_per_ki_token * self.page * len(ids) / 1024.0, _LONGEST_S)
        tiers = self._levels.tiers
        return int(np.count_nonzero(np.cumsum(copy_seconds(self._setting, tiers[2], tiers[1], ids)) <= seconds * (1 + 1e-12)))

    def _unwritten(self, level: int) -> Ids:
        """The blocks next to make way, so many that what else has no copy below a level is no more than its share."""
        levels = self._levels
        tier, size = levels.tiers[level], self._setting.size
        here = np.flatnonzero(levels.held[tier])
        most = int(self.threshold * int(self._setting.capacity[tier]))
        if int(size[here].sum()) <= most:
            return here[:0]
        bare = here[levels.missing_below(level + 1, here)]
        bare = bare[np.argsort(levels.key[bare], kind="stable")]
        left: Int64 = int(size[bare].sum()) - np.cumsum(size[bare]) + size[bare]  # with each and those behind it
        return np.asarray(bare[left > most])
