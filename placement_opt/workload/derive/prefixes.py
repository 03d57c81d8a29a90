"""Which pages a server has when a prompt comes: those of prompts before it that began alike.

A page of a prompt is found again by the number of the log's block that it is of, and its place in that block; only pages that
the prompt fills are. What a request computes although the page exists by then (it was being computed when the request was let
in, or lies behind a missing one), and what it generates, is its own.
"""

from __future__ import annotations

import numpy as np

from placement_opt.base.arrays import Flags, Int64
from placement_opt.workload.derive.log import Log


class Prefixes:
    """The pages that can be found, by key: block number times pages of a block, plus the place in it.

    Parameters
    ----------
    log
        The requests.
    page_tokens
        Tokens of a page.
    ttl
        How long an unused page is found, on the clock that :meth:`found` is called with; None: for ever.
    repeated
        Whether a prompt that continues the whole of an earlier one has that one's answer behind it.
    """

    def __init__(self, log: Log, page_tokens: int, ttl: int | None, *, repeated: bool) -> None:
        self.log, self.page_tokens, self.ttl, self.repeated = log, page_tokens, ttl, repeated
        self.per_block = log.block_tokens // page_tokens
        distinct = int(log.ids.max(initial=-1)) + 1
        self.page = np.full(distinct * self.per_block, -1, dtype=np.int64)
        self.born = np.zeros(len(self.page), dtype=np.int64)
        self.until = np.zeros(len(self.page), dtype=np.int64)
        self.users = np.zeros(len(self.page), dtype=np.int32)
        self._ends_with = np.full(distinct, -1, dtype=np.int64)

    def keys(self, request: int) -> Int64:
        """Keys of the pages that a prompt fills; shorter where the log has no number for its last block."""
        blocks = self.log.blocks(request)
        keys = (blocks[:, None] * self.per_block + np.arange(self.per_block)).ravel()
        return keys[: int(self.log.prompt[request]) // self.page_tokens]

    def found(self, keys: Int64, step: int, clock: int) -> Int64:
        """The pages, from the first key on without a gap, that were produced before a step and are not forgotten by then."""
        there = (self.page[keys] >= 0) & (self.born[keys] < step) & self._alive(keys, clock)
        run = len(keys) if there.all() else int(np.argmin(there))
        return self.page[keys[:run]]

    def _alive(self, keys: Int64, clock: int) -> Flags:
        if self.ttl is None:
            return np.ones(len(keys), dtype=bool)
        return np.asarray((self.users[keys] > 0) | (clock <= self.until[keys] + self.ttl))

    def produced(self, keys: Int64, pages: Int64, step: int, clock: int) -> Flags:
        """A step produces these pages; those whose key has none that lives are found from the next step on: which of them."""
        new = (self.page[keys] < 0) | ~self._alive(keys, clock)
        self.page[keys[new]], self.born[keys[new]] = pages[new], step
        return np.asarray(new)

    def held(self, keys: Int64, change: int) -> None:
        """One request more (or less) is being prefilled with these."""
        self.users[keys] += change

    def used(self, keys: Int64, clock: int) -> None:
        """A request that has these is let go of at a time."""
        np.maximum.at(self.until, keys, clock)

    def continued(self, request: int) -> int | None:
        """The latest earlier request whose prompt and answer this prompt may begin with; from now on it may be continued."""
        if not self.repeated:
            return None
        blocks = self.log.blocks(request)[: int(self.log.prompt[request]) // self.log.block_tokens]
        earlier = self._ends_with[blocks]
        tokens = self.log.prompt[earlier] + self.log.answer[earlier]
        fits = np.flatnonzero((earlier >= 0) & (tokens <= self.log.prompt[request]))
        found = int(earlier[fits[-1]]) if len(fits) else None
        if len(blocks):
            self._ends_with[blocks[-1]] = request
        return found

    def adopt(self, keys: Int64, pages: Int64, step: int, clock: int) -> None:
        """Pages of an answer that ended at a step, as those of these keys, where they have none."""
        new = self.page[keys] < 0
        self.page[keys[new]], self.born[keys[new]] = pages[new], step
        self.used(keys[new], clock)
