"""Which pages every iteration reads: of each request that it works on, those in memory that its layers attend to.

A token is computed when ``before`` tokens of its request have their KV in memory; it attends to those, or to the latest of them
that a window reaches (itself included) and the first ones. Pages with such a token are read whole, or, while they are being
filled, in the share that is. The chunk of a prompt reads what any of its tokens attends to. All arrays of this module are of
iterations and pages; :mod:`placement_opt.workload.derive.rows` makes steps and blocks of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Flags, Int64
from placement_opt.workload.derive.batching import Batches
from placement_opt.workload.derive.log import Log


@dataclass(frozen=True, eq=False)
class Stays:
    """What requests hold, and when: the batches of a log in pages of so many tokens.

    ``partial``: whether a page is a block from its first token on, not when it is full.
    """

    log: Log
    batches: Batches
    page_tokens: int
    partial: bool

    def births(self) -> Int64:
        """int64[P]: the iteration that produces each page."""
        batches = self.batches
        counts = np.diff(batches.start)
        request = np.repeat(np.arange(len(counts)), counts)
        place = np.arange(len(request)) - batches.start[request]
        own = place >= batches.found[request]
        request, place = request[own], place[own]
        token = place * self.page_tokens + (0 if self.partial else self.page_tokens - 1)
        prompt = self.log.prompt[request]
        by_request = np.lexsort((batches.chunk_step, batches.chunk_request))
        ends = batches.chunk_request[by_request] << 32 | batches.chunk_after[by_request]
        chunk = np.searchsorted(ends, request << 32 | np.minimum(token, prompt - 1), side="right")
        within = batches.chunk_step[by_request][np.minimum(chunk, len(by_request) - 1)]
        birth = np.empty(len(request), dtype=np.int64)
        birth[batches.page[own]] = np.where(token < prompt, within, batches.first[request] + 1 + token - prompt)
        return birth

    def _reach(self, window: int | None, sinks: int) -> tuple[Int64, Int64, Int64]:
        """int64[C] each: a chunk reads the full pages ``low .. full - 1``, and before them the first ``front``."""
        before, size = self.batches.chunk_before, self.page_tokens
        full = before // size
        low = np.zeros_like(full) if window is None else np.minimum(np.maximum(before - window + 1, 0) // size, full)
        return full, low, np.minimum(-(-sinks // size), low)

    def most_reads(self, window: int | None, sinks: int) -> int:
        """At least the reads of chunks, and of pages that are being filled."""
        full, low, front = self._reach(window, sinks)
        partial = len(full) + int((self.log.answer - 1).sum()) if self.partial else 0
        return int((full - low + front).sum()) + partial

    def prefill(self, window: int | None, sinks: int) -> tuple[Int64, Int64, Int64]:
        """What chunks read: iterations, pages, tokens of each that are there."""
        batches, size = self.batches, self.page_tokens
        before, request = batches.chunk_before, batches.chunk_request
        full, low, front = self._reach(window, sinks)
        counts = full - low + front
        chunk = np.repeat(np.arange(len(counts)), counts)
        place = np.arange(len(chunk)) - np.repeat(np.cumsum(counts) - counts, counts)
        place += np.where(place >= front[chunk], (low - front)[chunk], 0)
        step, page = batches.chunk_step[chunk], batches.page[batches.start[request[chunk]] + place]
        tokens = np.full(len(step), size, dtype=np.int64)
        begun = np.flatnonzero(self._begun(before, window, sinks))
        last = batches.page[batches.start[request[begun]] + full[begun]]
        return (
            np.concatenate([step, batches.chunk_step[begun]]),
            np.concatenate([page, last]),
            np.concatenate([tokens, before[begun] % size]),
        )

    def decode(self, window: int | None, sinks: int) -> tuple[Int64, Int64, Int64]:
        """What decoded tokens read of full pages, as (pages, first iterations, last iterations) between which all read them."""
        batches, size = self.batches, self.page_tokens
        counts = np.diff(batches.start)
        request = np.repeat(np.arange(len(counts)), counts)
        end = (np.arange(len(request)) - batches.start[request] + 1) * size  # tokens up to the end of the page
        prompt, first, last = self.log.prompt[request], batches.first[request], batches.last[request]
        begin = first + np.maximum(1, end - prompt + 1)
        if window is not None:
            leaves = first + end + window - 1 - prompt
            last = np.where(end - size < sinks, last, np.minimum(last, leaves))
        read = begin <= last
        return batches.page[read], begin[read], last[read]

    def _begun(self, before: Int64, window: int | None, sinks: int) -> Flags:
        """Whether a page that is being filled is read: a window of one token is that token alone."""
        rest = before % self.page_tokens
        if not self.partial:
            return np.zeros(len(before), dtype=bool)
        return np.asarray((rest > 0) & ((window != 1) | (before - rest < sinks)))

    def decode_begun(self, window: int | None, sinks: int) -> tuple[Int64, Int64, Int64]:
        """What decoded tokens read of pages that are being filled: iterations, pages, tokens of each that are there."""
        if not self.partial:
            return (np.zeros(0, dtype=np.int64),) * 3
        batches, size = self.batches, self.page_tokens
        request, number = self.decoded()
        before = self.log.prompt[request] + number - 1
        begun = self._begun(before, window, sinks)
        request, number, before = request[begun], number[begun], before[begun]
        return batches.first[request] + number, batches.page[batches.start[request] + before // size], before % size

    def decoded(self) -> tuple[Int64, Int64]:
        """Every token that is decoded after the first of its answer: its request, its number from 1."""
        counts = self.log.answer - 1
        request = np.repeat(np.arange(len(counts)), counts)
        return request, np.arange(len(request)) - np.repeat(np.cumsum(counts) - counts, counts) + 1

    def running(self) -> Flags:
        """bool[T]: the iterations that are not idle."""
        found = np.ones(self.batches.steps, dtype=bool)
        found[self.batches.idle_step] = False
        return found
