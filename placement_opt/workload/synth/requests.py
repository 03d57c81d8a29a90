"""Requests of multi-turn sessions over a prefix cache, in the shape of Mooncake's conversation trace (arXiv 2407.00079).

Sessions begin as a Poisson process; each opens with one of a few shared system prefixes, and every turn's prompt is the
whole conversation so far: the previous prompt, its answer and a new question. A step is one request. Its prompt is cut into
blocks of ``block_tokens`` tokens that stand for whole prefixes (equal block, equal everything before it); the request reads
those of its blocks that exist and produces the others. A last, partly filled block is never shared (its continuation is a
different prefix) and so is no block here; answers are cached when the next prompt repeats them.

The defaults come near that trace (12,031 requests in 3,537 s; 24 blocks a request, 37 % of them there already; 61 % of the
sessions with one turn only; one system prefix of one block): see the tests.

``keep`` says when blocks are freed: ``forever`` never; ``session``: with the last request of their session, shared prefixes
never; ``ttl``: when unused for longer than ``ttl``, after which a request must produce them again, as new blocks.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.base.units import parse_duration
from placement_opt.workload.synth import params as p
from placement_opt.workload.synth.outline import Outline
from placement_opt.workload.trace import Trace


@dataclass(frozen=True)
class Params:
    """Settings of the request generator; InputError for values out of range.

    Lengths are log-normal: a median and the standard deviation of the logarithm (``_spread``).
    """

    requests: int = p.integer(1000, 1, "requests; each is one step", 10**7)
    sessions_per_second: float = p.number(2.1, 0, 1e9, "rate at which sessions begin", open_low=True)
    turns: float = p.number(1.6, 1, 1e4, "mean number of requests in a session (geometric)")
    prefixes: int = p.integer(1, 1, "different system prefixes that sessions open with", 10**6)
    prefix_tokens: int = p.integer(512, 0, "tokens of a system prefix", 10**6)
    prefix_exponent: float = p.number(1.0, 0, 10, "how steeply the popularity of system prefixes falls with rank")
    prompt: int = p.integer(5300, 1, "median tokens of a first question with its documents", 10**6)
    prompt_spread: float = p.number(1.25, 0, 5, "its spread")
    question: int = p.integer(60, 1, "median tokens that a later turn adds", 10**6)
    question_spread: float = p.number(2.3, 0, 5, "its spread")
    answer: int = p.integer(280, 1, "median tokens of an answer", 10**6)
    answer_spread: float = p.number(0.65, 0, 5, "its spread")
    think: str = p.duration("123 s", "median time between two requests of a session")
    think_spread: float = p.number(0.9, 0, 5, "its spread")
    longest: int = p.integer(131072, 1, "tokens at which a prompt is cut off", 10**7)
    block_tokens: int = p.integer(512, 1, "tokens of a block", 10**6)
    keep: str = p.choice("forever", ("forever", "session", "ttl"), "how long blocks live")
    ttl: str | None = p.duration(None, "time without use after which a block is freed (with keep = ttl)")

    def __post_init__(self) -> None:
        p.check(self)
        if (self.keep == "ttl") != (self.ttl is not None):
            found = "found nothing" if self.ttl is None else f"found {self.ttl!r} beside keep = {self.keep!r}"
            raise InputError(found, "expected a duration with keep = 'ttl' and only then", field="ttl")
        if self.longest < self.prefix_tokens:
            found = f"found {self.longest}"
            raise InputError(found, f"expected at least prefix_tokens, {self.prefix_tokens}", field="longest")


@dataclass(frozen=True)
class _Requests:
    """The requests in order of time: seconds, session, whether its last, number of blocks, system prefix."""

    time: npt.NDArray[np.float64]
    session: Int64
    last: npt.NDArray[np.bool_]
    blocks: Int64
    prefix: Int64


@dataclass
class _Chain:
    """Blocks in the cache that extend one prefix: a system prefix's, or what a session adds to it."""

    ids: list[range] = field(default_factory=list)
    used: int = -1

    @property
    def count(self) -> int:
        return sum(len(part) for part in self.ids)


def generate(params: Params, rng: np.random.Generator) -> Trace:
    """A trace of ``requests`` steps over blocks of ``block_tokens`` tokens of all layers, without layers or labels.

    Raises
    ------
    InputError
        No prompt fills a block.
    LimitError
        More reads than rows can hold.
    """
    requests = _arrivals(params, rng)
    p.limit_reads(int(requests.blocks.sum()))
    return _Cache(params, requests).trace()


def _lengths(rng: np.random.Generator, median: float, spread: float, count: int) -> Int64:
    return np.maximum(1, np.exp(rng.normal(np.log(median), spread, count))).astype(np.int64)


def _arrivals(params: Params, rng: np.random.Generator) -> _Requests:
    """The first ``requests`` requests. As many sessions are drawn: those that begin later cannot be among them."""
    sessions = params.requests
    start = np.cumsum(rng.exponential(1 / params.sessions_per_second, sessions))
    turns = rng.geometric(1 / params.turns, sessions)
    popularity = np.arange(1, params.prefixes + 1) ** -params.prefix_exponent
    prefix = rng.choice(params.prefixes, sessions, p=popularity / popularity.sum())
    session = np.repeat(np.arange(sessions), turns)
    first = np.cumsum(turns) - turns
    added = _lengths(rng, params.question, params.question_spread, len(session))
    added += _lengths(rng, params.answer, params.answer_spread, len(session))
    pause = np.exp(rng.normal(np.log(max(1e-9, float(parse_duration(params.think)))), params.think_spread, len(session)))
    added[first] = params.prefix_tokens + _lengths(rng, params.prompt, params.prompt_spread, sessions)
    pause[first] = start
    tokens = np.minimum(_running(added, first, turns), params.longest)
    time = _running(pause, first, turns)
    order = np.argsort(time, kind="stable")[: params.requests]
    final = np.zeros(len(session), dtype=np.bool_)
    final[first + turns - 1] = True
    return _Requests(time[order], session[order], final[order], tokens[order] // params.block_tokens, prefix[session[order]])


def _running(values: npt.NDArray[Any], first: Int64, turns: Int64) -> npt.NDArray[Any]:
    """Running sums that begin anew with every session."""
    total = np.cumsum(values)
    return np.asarray(total - np.repeat(total[first] - values[first], turns))


class _Cache:
    """What is cached while the requests go by, and the trace that they leave."""

    def __init__(self, params: Params, requests: _Requests) -> None:
        self.params, self.requests = params, requests
        self.ttl = np.inf if params.ttl is None else float(parse_duration(params.ttl))
        self.shared = params.prefix_tokens // params.block_tokens
        self.prefixes = [_Chain() for _ in range(params.prefixes)]
        self.sessions: dict[int, _Chain] = {}
        self.rows: list[list[range]] = []
        self.birth: list[int] = []
        self.lives: list[tuple[range, int]] = []

    def trace(self) -> Trace:
        requests, params = self.requests, self.params
        for step, session in enumerate(requests.session.tolist()):
            self._serve(step, session)
            if requests.last[step]:
                chain = self.sessions.pop(session)
                self._free(chain, step if params.keep == "session" else self._expiry(step))
        for chain in [*self.prefixes, *self.sessions.values()]:
            self._free(chain, len(requests.time) if params.keep == "session" else self._expiry(chain.used))
        return self._finish()

    def _serve(self, step: int, session: int) -> None:
        row: list[range] = []
        prefix = self.prefixes[self.requests.prefix[step]]
        own = self.sessions.setdefault(session, _Chain())
        for chain, wanted in ((prefix, self.shared), (own, int(self.requests.blocks[step]) - self.shared)):
            if chain.ids and self.requests.time[step] > self.requests.time[chain.used] + self.ttl:
                self._free(chain, self._expiry(chain.used))
            row += chain.ids
            if new := wanted - chain.count:
                chain.ids.append(range(len(self.birth), len(self.birth) + new))
                self.birth += [step] * new
            chain.used = step
        self.rows.append(row)

    def _expiry(self, used: int) -> int:
        """The last step not later than ``ttl`` after step ``used``; T where none is later."""
        time = self.requests.time
        later = int(np.searchsorted(time, time[used] + self.ttl, side="right"))
        return later if later == len(time) else later - 1

    def _free(self, chain: _Chain, death: int) -> None:
        self.lives += [(part, death) for part in chain.ids]
        chain.ids = []

    def _finish(self) -> Trace:
        params, steps = self.params, len(self.rows)
        if not self.birth:
            found = f"found {params.block_tokens}, more than any prompt's tokens"
            raise InputError(found, "expected blocks that at least one prompt fills", field="block_tokens")
        birth = np.array(self.birth, dtype=np.int32)
        death = np.empty(len(birth), dtype=np.int32)
        for part, last in self.lives:
            death[part.start : part.stop] = last
        lengths = [sum(len(part) for part in row) for row in self.rows]
        parts = [np.arange(part.start, part.stop, dtype=np.int32) for row in self.rows for part in row]
        indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        # What is cached of a prompt is its beginning.
        position = np.arange(indptr[-1], dtype=np.int32) - np.repeat(indptr[:-1].astype(np.int32), lengths)
        return Trace(
            indptr=indptr,
            blocks=np.concatenate([np.zeros(0, dtype=np.int32), *parts]),
            birth=birth,
            # A block lives in at least one state, the one after the step that produced it.
            death=np.minimum(np.maximum(death, birth + 1), steps).astype(np.int32),
            size=np.array([params.block_tokens], dtype=np.int64),
            size_unit="tokens",
            position=position,
            meta={"generator": "requests", "parameters": dataclasses.asdict(params), "seconds": float(self.requests.time[-1])},
        )


GENERATOR = Params, generate
OUTLINE = Outline("requests", None, grows=True, freed=lambda params: params.keep != "forever")
