"""Continuous batching: which tokens of which requests every iteration computes, first come, first served.

An iteration computes one token of each request that decodes, then up to ``chunk_tokens`` of each prompt that is begun, in order
of admission, then of those that wait, as long as tokens of the iteration and places for running requests are left. Pages that
exist need not be computed; a prompt that exists as a whole takes one token all the same, whose output is the first token of
the answer. The iteration that computes the last token of a prompt gives the first of the answer, and each one after it another.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from placement_opt.base.arrays import Flags, Int64
from placement_opt.base.errors import LimitError
from placement_opt.workload.derive.log import Log
from placement_opt.workload.derive.params import Serving
from placement_opt.workload.derive.prefixes import Prefixes

#: Iterations that a derivation may have.
MOST_STEPS = 2**27
#: Chunks of prompts that it may have.
MOST_CHUNKS = 2**21
_NEVER = 2**62


class Ttl(NamedTuple):
    """How long unused pages live: in iterations, or in nanoseconds of the clock."""

    amount: int
    steps: bool


@dataclass(frozen=True, eq=False)
class Batches:
    """R requests in T iterations, idle ones included; C chunks of prompts; P pages.

    Attributes
    ----------
    steps
        T.
    idle_step, idle_ns
        int64: the idle iterations, at which nothing runs, and the wait until the next request.
    clock
        (int64, int64): iterations, ascending, and when they begin (ns); between two of them iterations last ``step_ns``.
    step_ns
        What an iteration lasts.
    admitted, first, last
        int64[R]: iterations, as :class:`placement_opt.workload.served.Served` has them.
    chunk_request, chunk_step, chunk_before, chunk_after
        int64[C], in order of iterations: tokens of a prompt whose KV is there before and after one.
    start, page
        int64[R + 1] and int64: request r has as its pages ``page[start[r]:start[r + 1]]``, in order; requests that share a
        page have the same number.
    found
        int64[R]: how many of its pages, at the front, were there when each was let in.
    """

    steps: int
    idle_step: Int64
    idle_ns: Int64
    clock: tuple[Int64, Int64]
    step_ns: int
    admitted: Int64
    first: Int64
    last: Int64
    chunk_request: Int64
    chunk_step: Int64
    chunk_before: Int64
    chunk_after: Int64
    start: Int64
    page: Int64
    found: Int64

    def begins(self, steps: Int64) -> Int64:
        """When iterations begin, in nanoseconds."""
        known, at = self.clock
        place = np.searchsorted(known, steps, side="right") - 1
        return np.asarray(at[place] + (steps - known[place]) * self.step_ns)


class _Prompt(NamedTuple):
    """A request whose prompt is being computed; ``held``: which of its keys are found as its pages."""

    request: int
    keys: Int64
    pages: Int64
    held: Flags


class Server:
    """The state of the server between two iterations."""

    def __init__(self, log: Log, serving: Serving, page_tokens: int, ttl: Ttl | None) -> None:
        self.log, self.serving, self.page_tokens, self.ttl = log, serving, page_tokens, ttl
        self.prefixes = Prefixes(log, page_tokens, ttl and ttl.amount, repeated=serving.answers == "repeated")
        self.arrival = log.arrival.tolist() if serving.arrivals == "log" else [0] * len(log)
        self.prompt, self.answer = log.prompt.tolist(), log.answer.tolist()
        tokens = log.prompt + log.answer - 1
        self.count = (tokens // page_tokens if serving.last == "full" else -(-tokens // page_tokens)).tolist()
        self.step, self.now, self.next, self.pages = 0, 0, 0, 0
        self.prompts: list[_Prompt] = []
        self.decoding: list[int] = []  # a heap of the last iterations of requests that decode
        self.done = [0] * len(log)  # tokens of each prompt whose KV is there
        self.idle: list[tuple[int, int]] = []
        self.clock: list[tuple[int, int]] = [(0, 0)]
        self.chunks: list[tuple[int, int, int, int]] = []
        self.admitted, self.first, self.found = ([0] * len(log) for _ in range(3))
        self.last = [_NEVER] * len(log)
        self.page: list[Int64] = []

    def run(self) -> Batches:
        """All iterations."""
        while self.next < len(self.log) or self.prompts or self.decoding:
            while self.decoding and self.decoding[0] < self.step:
                heapq.heappop(self.decoding)
            if not self.prompts and not self.decoding and self.next == len(self.log):
                break
            if not self.prompts and not self.decoding and self.arrival[self.next] > self.now:
                self._wait()
            elif not self._prefill():
                self._skip()
            if self.step > MOST_STEPS or len(self.chunks) > MOST_CHUNKS:
                most = f"{MOST_STEPS} iterations or {MOST_CHUNKS} chunks of prompts"
                raise LimitError(f"found requests that take more than {most}, expected fewer of them (--limit)")
        return self._batches()

    @property
    def _time(self) -> int:
        """On the clock of the pages' lives."""
        return self.step if self.ttl is not None and self.ttl.steps else self.now

    def _wait(self) -> None:
        """An idle iteration, until the next request is there."""
        wait = self.arrival[self.next] - self.now
        self.idle.append((self.step, wait))
        self._advance(1, wait)

    def _advance(self, steps: int, time: int) -> None:
        self.step, self.now = self.step + steps, self.now + time
        self.clock.append((self.step, self.now))

    def _prefill(self) -> bool:
        """An iteration that computes tokens of prompts; False where there are none to compute now."""
        budget = self.serving.batch_tokens - len(self.decoding)
        begun, self.prompts = self.prompts, []
        for prompt in begun:
            budget -= self._chunk(prompt, budget)
        while budget and self._place():
            budget -= self._chunk(self._admit(), budget)
        if not begun and not self.prompts and (not self.chunks or self.chunks[-1][1] != self.step):
            return False
        self._advance(1, self.serving.step_ns)
        return True

    def _place(self) -> bool:
        """Whether a request waits and may be let in."""
        running = len(self.prompts) + len(self.decoding)
        return self.next < len(self.log) and self.arrival[self.next] <= self.now and running < self.serving.max_running

    def _admit(self) -> _Prompt:
        request, prefixes = self.next, self.prefixes
        self.next += 1
        keys = prefixes.keys(request)
        earlier = prefixes.continued(request)
        if earlier is not None and self.last[earlier] < self.step:
            self._adopt(keys, earlier)
        found = prefixes.found(keys, self.step, self._time)[: self.count[request]]
        own = self.count[request] - len(found)
        pages = np.concatenate([found, np.arange(self.pages, self.pages + own)])
        self.pages += own
        self.page.append(pages)
        self.admitted[request], self.found[request] = self.step, len(found)
        self.done[request] = len(found) * self.page_tokens
        prefixes.held(keys[: len(found)], 1)
        return _Prompt(request, keys, pages, np.arange(len(keys)) < len(found))

    def _adopt(self, keys: Int64, earlier: int) -> None:
        """Let the answer of an earlier request, which a prompt repeats, be found."""
        first = int(self.log.prompt[earlier]) // self.log.block_tokens * self.prefixes.per_block
        end = min((self.prompt[earlier] + self.answer[earlier] - 1) // self.page_tokens, len(keys))
        until = self.last[earlier] if self.ttl is not None and self.ttl.steps else self._begins(self.last[earlier])
        if first < end and (self.ttl is None or self._time <= until + self.ttl.amount):
            self.prefixes.adopt(keys[first:end], self.page[earlier][first:end], self.last[earlier], until)

    def _begins(self, step: int) -> int:
        """When an iteration that is over began."""
        place = np.searchsorted([known for known, _ in self.clock], step, side="right") - 1
        known, now = self.clock[int(place)]
        return now + (step - known) * self.serving.step_ns

    def _chunk(self, prompt: _Prompt, budget: int) -> int:
        """The next tokens of a prompt; how many they are."""
        request, before, whole = prompt.request, self.done[prompt.request], self.prompt[prompt.request]
        taken = min(max(whole - before, 1), self.serving.chunk_tokens or budget, budget)
        if not taken:
            self.prompts.append(prompt)
            return 0
        after = min(before + taken, whole)
        self.chunks.append((request, self.step, before, after))
        self.done[request] = after
        low, high = before // self.page_tokens, min(after // self.page_tokens, len(prompt.keys), len(prompt.pages))
        if low < high:
            keys = prompt.keys[low:high]
            new = self.prefixes.produced(keys, prompt.pages[low:high], self.step, self._time)
            self.prefixes.held(keys[new], 1)
            prompt.held[low:high] = new
        if after < whole:
            self.prompts.append(prompt)
        else:
            self._begin_answer(prompt)
        return int(taken)

    def _begin_answer(self, prompt: _Prompt) -> None:
        request, more = prompt.request, self.answer[prompt.request] - 1
        self.first[request], self.last[request] = self.step, self.step + more
        heapq.heappush(self.decoding, self.step + more)  # it has its place until the iteration is over
        keys = prompt.keys[prompt.held]
        self.prefixes.held(keys, -1)
        steps = self.ttl is not None and self.ttl.steps
        self.prefixes.used(keys, self.step + more if steps else self.now + more * self.serving.step_ns)

    def _skip(self) -> None:
        """Iterations that only decode, up to the next at which anything else may happen."""
        ends = max(self.decoding) + 1
        if self.next < len(self.log):
            if self.arrival[self.next] <= self.now:  # it waits for a place
                ends = self.decoding[0] + 1
            else:
                ends = min(ends, self.step - (self.now - self.arrival[self.next]) // self.serving.step_ns)
        self._advance(ends - self.step, (ends - self.step) * self.serving.step_ns)

    def _batches(self) -> Batches:
        chunks = np.array(self.chunks, dtype=np.int64).reshape(-1, 4).T
        idle = np.array(self.idle, dtype=np.int64).reshape(-1, 2).T
        known = np.array(self.clock, dtype=np.int64).T
        page = np.concatenate([np.zeros(0, dtype=np.int64), *self.page])
        start = np.concatenate([[0], np.cumsum(self.count)]).astype(np.int64)
        return Batches(
            steps=self.step,
            idle_step=idle[0],
            idle_ns=idle[1],
            clock=(known[0], known[1]),
            step_ns=self.serving.step_ns,
            admitted=np.array(self.admitted, dtype=np.int64),
            first=np.array(self.first, dtype=np.int64),
            last=np.array(self.last, dtype=np.int64),
            chunk_request=chunks[0],
            chunk_step=chunks[1],
            chunk_before=chunks[2],
            chunk_after=chunks[3],
            start=start,
            page=page,
            found=np.array(self.found, dtype=np.int64),
        )
