"""A server, obvious and slow: request by request, token by token, page by page; for the tests of the derivation."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from placement_opt.workload.derive.log import Log
from placement_opt.workload.derive.params import Serving


@dataclasses.dataclass
class Request:
    """What the server knows of a request: ``pages`` it has by place, tokens in memory, its steps."""

    number: int
    prompt: int
    answer: int
    pages: dict[int, int]
    done: int
    admitted: int
    first: int | None = None
    last: int | None = None
    given: int = 0


@dataclasses.dataclass
class Page:
    """A page: the step that produced it, for which request and place; when it was full, who uses it, who did (step, clock)."""

    birth: int
    maker: tuple[int, int]
    full: int | None = None
    users: int = 0
    used: tuple[int, int] = (-1, -1)


class SlowServer:
    """Runs a log; afterwards ``reads[step]`` has {(page, layer): tokens}, ``idle`` the waits, ``requests`` the stays."""

    def __init__(self, log: Log, serving: Serving, page_tokens: int, ttl: tuple[int, bool] | None = None) -> None:
        self.log, self.serving, self.size, self.ttl = log, serving, page_tokens, ttl
        self.pages: list[Page] = []
        self.known: dict[Any, int] = {}
        self.ended: list[Request] = []
        self.requests: list[Request] = []
        self.reads: list[dict[tuple[int, int], int]] = []
        self.clocks: list[int] = []
        self.idle: dict[int, int] = {}
        self.tokens: list[int] = []
        self.at_once: list[int] = []
        self.decodes: list[tuple[int, int, int]] = []  # step, request, tokens before
        self.run()

    def run(self) -> None:
        waiting, running, now = list(range(len(self.log))), [], 0
        arrival = self.log.arrival if self.serving.arrivals == "log" else np.zeros(len(self.log), dtype=int)
        while waiting or running:
            step = len(self.reads)
            self.clocks.append(now)
            self.reads.append({})
            if not running and arrival[waiting[0]] > now:
                self.idle[step] = int(arrival[waiting[0]]) - now
                now += self.idle[step]
                self.tokens.append(0)
                self.at_once.append(0)
                continue
            budget = self.serving.batch_tokens
            for one in running:
                if one.first is not None:
                    self.decode(one, step)
                    budget -= 1
            for one in running:
                if one.first is None:
                    budget -= self.chunk(one, budget, step, now)
            while waiting and budget and len(running) < self.serving.max_running and arrival[waiting[0]] <= now:
                one = self.admit(waiting.pop(0), step, now)
                running.append(one)
                budget -= self.chunk(one, budget, step, now)
            self.tokens.append(self.serving.batch_tokens - budget)
            self.at_once.append(len(running))
            for one in [one for one in running if one.given == one.answer]:
                one.last = step
                running.remove(one)
                self.ended.append(one)
                for page in one.pages.values():
                    self.pages[page].users -= 1
                    self.pages[page].used = max(self.pages[page].used, (step, now))
            now += self.serving.step_ns

    def key(self, number: int, place: int) -> Any:
        """What a page of a prompt is found by, where the prompt fills it and the log has a number for it."""
        if (place + 1) * self.size > self.log.prompt[number]:
            return None
        block, within = divmod(place * self.size, self.log.block_tokens)
        ids = self.log.blocks(number).tolist()
        return (ids[block], within) if block < len(ids) else None

    def alive(self, page: int, step: int, now: int) -> bool:
        one = self.pages[page]
        if self.ttl is None or one.users:
            return True
        amount, steps = self.ttl
        return (step if steps else now) <= one.used[0 if steps else 1] + amount

    def admit(self, number: int, step: int, now: int) -> Request:
        one = Request(number, int(self.log.prompt[number]), int(self.log.answer[number]), {}, 0, step)
        if self.serving.answers == "repeated":
            self.repeat(number, step, now)
        place = 0
        while (key := self.key(number, place)) is not None:
            page = self.known.get(key)
            if (
                page is None
                or self.pages[page].full is None
                or self.pages[page].full >= step
                or not self.alive(page, step, now)
            ):
                break
            one.pages[place] = page
            self.pages[page].users += 1
            place += 1
        one.done = place * self.size
        self.requests.append(one)
        return one

    def repeat(self, number: int, step: int, now: int) -> None:
        """The deepest prompt that this one continues, the latest of these: its answer's pages are found by this one's keys."""
        size, mine = self.log.block_tokens, self.log.blocks(number).tolist()
        best, most = None, 0
        for other in range(number):
            full = int(self.log.prompt[other]) // size
            fits = self.log.prompt[other] + self.log.answer[other] <= self.log.prompt[number]
            ends = [self.log.blocks(one).tolist()[int(self.log.prompt[one]) // size - 1 :][:1] for one in range(number)]
            latest = full > 0 and ends[other] not in ends[other + 1 :]
            if latest and fits and ends[other][0] in mine[: int(self.log.prompt[number]) // size] and full > most:
                best, most = other, full
        done = [one for one in self.ended if one.number == best]
        if best is None or not done:
            return
        first = int(self.log.prompt[best]) // size * (size // self.size)
        end = int(self.log.prompt[best] + self.log.answer[best] - 1) // self.size
        begun = (done[0].last, self.clocks[done[0].last])
        late = self.ttl is not None and (step if self.ttl[1] else now) > begun[0 if self.ttl[1] else 1] + self.ttl[0]
        for place in range(first, end):
            key = self.key(number, place)
            if key is not None and key not in self.known and not late:
                self.known[key] = done[0].pages[place]

    def compute(self, one: Request, tokens: int, step: int, now: int) -> None:
        """The next tokens of a request get their KV."""
        for token in range(one.done, one.done + tokens):
            place = token // self.size
            if self.serving.last_page == "full" and token % self.size < self.size - 1:
                continue
            if place not in one.pages:
                one.pages[place] = len(self.pages)
                self.pages.append(Page(step, (one.number, place), users=1))
            if token % self.size == self.size - 1:
                page = self.pages[one.pages[place]]
                page.full = step
                key = self.key(one.number, place) if token < one.prompt else None
                other = self.known.get(key)
                if key is not None and (other is None or not self.alive(other, step, now)):
                    self.known[key] = one.pages[place]
        one.done += tokens

    def chunk(self, one: Request, budget: int, step: int, now: int) -> int:
        if not budget:
            return 0
        taken = min(budget, self.serving.chunk_tokens or budget, max(1, one.prompt - one.done))
        self.read(one, step, min(taken, one.prompt - one.done) or 1, prefill=True)
        self.compute(one, min(taken, one.prompt - one.done), step, now)
        if one.done == one.prompt:
            one.first, one.given = step, 1
        return taken

    def decode(self, one: Request, step: int) -> None:
        self.decodes.append((step, one.number, one.done))
        self.read(one, step, 1, prefill=False)
        self.compute(one, 1, step, self.clocks[step])
        one.given += 1

    def read(self, one: Request, step: int, tokens: int, *, prefill: bool) -> None:
        """Pages with a token in memory that any of these tokens attends to."""
        if self.serving.kind == "sparse" and not prefill:
            return
        for layer, window in enumerate(self.serving.windows):
            for token in range(one.done):
                queries = range(one.done, one.done + tokens)
                seen = token < (self.serving.sinks or 0) or any(window is None or mine - token < window for mine in queries)
                page, there = one.pages.get(token // self.size), min(self.size, one.done - token // self.size * self.size)
                if seen and page is not None and (there == self.size or self.serving.last_page == "shares"):
                    self.reads[step][page, layer] = there
