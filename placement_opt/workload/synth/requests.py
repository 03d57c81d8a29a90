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

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.units import parse_duration
from placement_opt.workload.synth import params as p
from placement_opt.workload.synth.chains import Deaths, Grown, Uses, trace_of
from placement_opt.workload.synth.draws import lengths, pauses, popularity, running
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
        p.check_keep(self.keep, self.ttl)
        p.check_longest(self.longest, self.prefix_tokens)


@dataclass(frozen=True)
class _Requests:
    """The requests in order of time: seconds, session, whether its last, number of blocks, system prefix."""

    time: npt.NDArray[np.float64]
    session: Int64
    last: npt.NDArray[np.bool_]
    blocks: Int64
    prefix: Int64


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
    return trace_of(_uses(params, requests), params, "requests", _deaths(params, requests))


def _arrivals(params: Params, rng: np.random.Generator) -> _Requests:
    """The first ``requests`` requests. As many sessions are drawn: those that begin later cannot be among them."""
    sessions = params.requests
    start = np.cumsum(rng.exponential(1 / params.sessions_per_second, sessions))
    turns = rng.geometric(1 / params.turns, sessions)
    prefix = rng.choice(params.prefixes, sessions, p=popularity(params.prefixes, params.prefix_exponent))
    session = np.repeat(np.arange(sessions), turns)
    first = np.cumsum(turns) - turns
    added = lengths(rng, params.question, params.question_spread, len(session))
    added += lengths(rng, params.answer, params.answer_spread, len(session))
    pause = pauses(rng, params.think, params.think_spread, len(session))
    added[first] = params.prefix_tokens + lengths(rng, params.prompt, params.prompt_spread, sessions)
    pause[first] = start
    tokens = np.minimum(running(added, first, turns), params.longest)
    time = running(pause, first, turns)
    order = np.argsort(time, kind="stable")[: params.requests]
    final = np.zeros(len(session), dtype=np.bool_)
    final[first + turns - 1] = True
    return _Requests(time[order], session[order], final[order], tokens[order] // params.block_tokens, prefix[session[order]])


def _uses(params: Params, requests: _Requests) -> Uses:
    """Two of each request: its system prefix, and what its session adds to it."""
    steps, shared = len(requests.time), params.prefix_tokens // params.block_tokens
    chain = np.stack([requests.prefix, params.prefixes + requests.session], axis=1).ravel()
    wanted = np.stack([np.full(steps, shared, dtype=np.int64), requests.blocks - shared], axis=1).ravel()
    ttl = np.inf if params.ttl is None else float(parse_duration(params.ttl))
    return Uses(np.repeat(np.arange(steps), 2), chain, wanted, requests.time, ttl)


def _deaths(params: Params, requests: _Requests) -> Deaths | None:
    """With ``keep = "session"``, those of sessions whose last request is there."""
    if params.keep != "session":
        return None

    def ended(grown: Grown) -> Int64:
        over = (grown.life_chain >= params.prefixes) & requests.last[grown.life_last]
        return np.where(over, grown.life_last, len(requests.time))

    return ended


GENERATOR = Params, generate
OUTLINE = Outline("requests", None, grows=True, freed=lambda params: params.keep != "forever")
