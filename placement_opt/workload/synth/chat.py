"""Agents over a prefix cache: tool loops, think times, sub-agents; every session is a tree of prompts.

What it adds to ``requests``, whose sessions are chains of turns with one pause between any two:

* A user's turn is a loop of model calls. Each call's prompt is the one before with its answer and a tool's result; between
  calls passes a tool's time, between turns a person's.
* A call may start a sub-agent, which makes calls of its own while its parent waits, then leaves a result in the parent's prompt
  and is gone. ``subagents`` says what it begins with: ``fork``, all that its parent has (its prompt extends the parent's, so
  that both read one prefix); ``fresh``, instructions and tools that all sub-agents of all sessions share.

A step is one call. Blocks stand for whole prefixes, as in ``requests``: a call reads those of its prompt that exist, produces
the others; a partly filled block is none. ``keep`` is that of ``requests``; with ``session`` what nobody extends any more is
freed after its last use, but for shared instructions.

The defaults were chosen near the coding sessions that callanjfox/kv-cache-tester publishes (commit 94f6046d): 64-token blocks,
some 13,000 tokens of tools and instructions, prompts that grow by a few hundred tokens a call, tools of some seconds, nine of
ten calls ending in a tool. They are means of few sessions and no fit: sessions there begin with 11,000 to 576,000 tokens. How
often sub-agents start, and how long they run, is unknown and chosen. Prompts are never compacted or edited.
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

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Params:
    """Settings of the generator of agents; InputError for values out of range.

    Lengths and times are log-normal: a median and the standard deviation of the logarithm (``_spread``).
    """

    requests: int = p.integer(1000, 1, "model calls; each is one step", 10**7)
    sessions_per_second: float = p.number(0.05, 0, 1e9, "rate at which sessions begin", open_low=True)
    turns: float = p.number(4.0, 1, 1e4, "mean number of a user's turns in a session (geometric)")
    calls: float = p.number(10.0, 1, 1e4, "mean number of model calls in a turn (geometric): one more than tools")
    spawn: float = p.number(0.03, 0, 1, "chance that a call starts a sub-agent")
    spawned_calls: float = p.number(8.0, 1, 1e4, "mean number of calls of a sub-agent (geometric)")
    subagents: str = p.choice(
        "fork", ("fork", "fresh"), "whether sub-agents extend their parent's prompt or instructions of their own"
    )
    prefixes: int = p.integer(1, 1, "different tools and instructions that sessions open with", 10**6)
    prefix_tokens: int = p.integer(13_000, 0, "tokens of them", 10**6)
    prefix_exponent: float = p.number(1.0, 0, 10, "how steeply their popularity falls with rank")
    opening: int = p.integer(5000, 1, "median tokens of a session's first question with its files", 10**6)
    opening_spread: float = p.number(1.5, 0, 5, "its spread")
    question: int = p.integer(200, 1, "median tokens of a later question, and of what a sub-agent is asked", 10**6)
    question_spread: float = p.number(1.0, 0, 5, "its spread")
    result: int = p.integer(300, 1, "median tokens of a tool's result, and of a sub-agent's", 10**6)
    result_spread: float = p.number(1.2, 0, 5, "its spread")
    answer: int = p.integer(150, 1, "median tokens of an answer", 10**6)
    answer_spread: float = p.number(0.8, 0, 5, "its spread")
    tool: str = p.duration("6 s", "median time between two calls of a loop")
    tool_spread: float = p.number(1.0, 0, 5, "its spread")
    think: str = p.duration("60 s", "median time between two turns")
    think_spread: float = p.number(1.2, 0, 5, "its spread")
    longest: int = p.integer(200_000, 1, "tokens at which a prompt is cut off", 10**7)
    block_tokens: int = p.integer(64, 1, "tokens of a block", 10**6)
    keep: str = p.choice("forever", ("forever", "session", "ttl"), "how long blocks live")
    ttl: str | None = p.duration(None, "time without use after which a block is freed (with keep = ttl)")

    def __post_init__(self) -> None:
        p.check(self)
        p.check_keep(self.keep, self.ttl)
        p.check_longest(self.longest, self.prefix_tokens)


@dataclass(frozen=True, eq=False)
class Calls:
    """C model calls of some sessions.

    Attributes
    ----------
    time
        float64[C], seconds.
    tokens
        int64[C]: of the prompt.
    session
        int64[C].
    main
        int64[C]: the call of the session's own loop that it is, or whose sub-agent makes it (an index of these calls).
    helper
        bool[C]: whether a sub-agent makes it.
    spawns
        bool[C]: whether it starts a sub-agent.
    """

    time: Floats
    tokens: Int64
    session: Int64
    main: Int64
    helper: npt.NDArray[np.bool_]
    spawns: npt.NDArray[np.bool_]


def generate(params: Params, rng: np.random.Generator) -> Trace:
    """A trace of ``requests`` steps over blocks of ``block_tokens`` tokens of all layers, without layers or labels.

    Raises
    ------
    InputError
        No prompt fills a block.
    LimitError
        More reads than rows can hold.
    """
    starts = np.cumsum(rng.exponential(1 / params.sessions_per_second, params.requests))
    prefix = rng.choice(params.prefixes, params.requests, p=popularity(params.prefixes, params.prefix_exponent))
    calls = drawn(params, starts, rng)
    order = np.argsort(calls.time, kind="stable")[: params.requests]
    uses = used(params, calls, prefix, order)
    return trace_of(uses, params, "chat", _deaths(params, calls, uses, order))


def drawn(params: Params, starts: Floats, rng: np.random.Generator) -> Calls:
    """Calls of the sessions that begin at these times, from the first on; so many that no later one can be wanted."""
    parts: list[Calls] = []
    done = 0
    while done < len(starts):
        many = max(16, int(params.requests / (params.turns * params.calls)), done)
        part = _sessions(params, starts[done : done + many], rng)
        shift = sum(len(each.time) for each in parts)
        parts.append(Calls(part.time, part.tokens, part.session + done, part.main + shift, part.helper, part.spawns))
        done = min(len(starts), done + many)
        if done < len(starts) and sum(int((each.time <= starts[done]).sum()) for each in parts) >= params.requests:
            break
    names = ("time", "tokens", "session", "main", "helper", "spawns")
    return Calls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _sessions(params: Params, starts: Floats, rng: np.random.Generator) -> Calls:
    """All calls of these sessions: those of their own loops, then those of sub-agents."""
    turns = rng.geometric(1 / params.turns, len(starts))
    loops = rng.geometric(1 / params.calls, int(turns.sum()))
    opens = np.zeros(int(loops.sum()), dtype=np.bool_)  # the first call of each turn
    opens[np.cumsum(loops) - loops] = True
    count = np.add.reduceat(loops, np.cumsum(turns) - turns)
    first = np.cumsum(count) - count
    spawns = rng.random(len(opens)) < params.spawn
    helpers = _helpers(params, int(spawns.sum()), rng)

    asked = lengths(rng, params.question, params.question_spread, len(opens))
    added = np.where(opens, asked, lengths(rng, params.result, params.result_spread, len(opens)))
    added += lengths(rng, params.answer, params.answer_spread, len(opens))
    spawned = np.flatnonzero(spawns)
    after = spawned + 1
    stays = after < len(opens)
    added[after[stays]] += helpers.left[stays]  # where a session ends with it, it is overwritten below
    added[first] = params.prefix_tokens + lengths(rng, params.opening, params.opening_spread, len(starts))
    pause = np.where(
        opens,
        pauses(rng, params.think, params.think_spread, len(opens)),
        pauses(rng, params.tool, params.tool_spread, len(opens)),
    )
    pause[after[stays]] += helpers.takes[stays]
    pause[first] = starts
    tokens, time = np.minimum(running(added, first, count), params.longest), running(pause, first, count)

    parent = np.repeat(spawned, helpers.count)
    base = tokens[parent] if params.subagents == "fork" else params.prefix_tokens
    session = np.repeat(np.arange(len(starts)), count)
    none = np.zeros(len(parent), dtype=np.bool_)
    return Calls(
        time=np.concatenate([time, time[parent] + helpers.since]),
        tokens=np.concatenate([tokens, np.minimum(base + helpers.tokens, params.longest)]),
        session=np.concatenate([session, session[parent]]),
        main=np.concatenate([np.arange(len(opens)), parent]),
        helper=np.concatenate([np.zeros(len(opens), dtype=np.bool_), ~none]),
        spawns=np.concatenate([spawns, none]),
    )


@dataclass(frozen=True, eq=False)
class _Helpers:
    """Sub-agents: their calls, seconds in all, tokens left to the parent; of each call, seconds since the start and tokens."""

    count: Int64
    takes: Floats
    left: Int64
    since: Floats
    tokens: Int64


def _helpers(params: Params, many: int, rng: np.random.Generator) -> _Helpers:
    count = rng.geometric(1 / params.spawned_calls, many)
    calls, first = int(count.sum()), np.cumsum(count) - count
    added = lengths(rng, params.result, params.result_spread, calls)
    added += lengths(rng, params.answer, params.answer_spread, calls)
    added[first] = lengths(rng, params.question, params.question_spread, many)
    pause = pauses(rng, params.tool, params.tool_spread, calls)
    since = running(pause, first, count)
    left = lengths(rng, params.result, params.result_spread, many)
    return _Helpers(count, since[first + count - 1], left, since, running(added, first, count))


@dataclass(frozen=True, eq=False)
class _Pieces:
    """Sessions' prompts, cut where a sub-agent forks, so that whoever extends a piece has all of it.

    ``of``: the piece that each call (a sub-agent's: its parent's) comes to; ``first``: its session's first; ``start``: blocks
    before each piece.
    """

    of: Int64
    first: Int64
    start: Int64


def _cut(params: Params, calls: Calls, blocks: Int64) -> _Pieces:
    own = np.flatnonzero(~calls.helper)
    opens = np.ones(len(own), dtype=np.bool_)
    opens[1:] = calls.session[own[1:]] != calls.session[own[:-1]]
    begins = opens.copy()
    if params.subagents == "fork":
        begins[1:] |= calls.spawns[own[:-1]]
    start = np.where(opens, params.prefix_tokens // params.block_tokens, np.concatenate([[0], blocks[own[:-1]]]))[begins]
    of, first = np.empty(len(calls.time), dtype=np.int64), np.empty(len(calls.time), dtype=np.int64)
    of[own] = np.cumsum(begins) - 1
    first[own] = np.maximum.accumulate(np.where(opens, of[own], 0))
    return _Pieces(of[calls.main], first[calls.main], start)


def used(params: Params, calls: Calls, prefix: Int64, order: Int64) -> Uses:
    """What the calls use, in this order: shared instructions, the pieces of a session's prompt, what a sub-agent adds.

    Chains are numbered likewise: instructions of sessions, those of sub-agents, pieces, sub-agents by the call that has them.
    """
    shared, blocks = params.prefix_tokens // params.block_tokens, calls.tokens // params.block_tokens
    pieces = _cut(params, calls, blocks)
    helper, main = calls.helper[order], calls.main[order]
    fresh = helper & (params.subagents == "fresh")
    last, many = pieces.of[order], np.where(fresh, 0, pieces.of[order] - pieces.first[order] + 1)
    count = 1 + many + helper
    step = np.repeat(np.arange(len(order)), count)
    place = np.arange(len(step)) - np.repeat(np.cumsum(count) - count, count)
    piece = np.minimum(pieces.first[order][step] + place - 1, last[step])
    follows = np.minimum(piece + 1, len(pieces.start) - 1)
    ends = np.where(piece < last[step], pieces.start[follows], blocks[main][step])

    opening, adding = place == 0, place > many[step]
    behind = np.where(fresh, shared, blocks[main])[step]
    instructions = np.where(fresh, params.prefixes, prefix[calls.session[order]])
    head = params.prefixes + 1
    chain = np.where(adding, head + len(pieces.start) + main[step], head + piece)
    wanted = np.where(adding, blocks[order][step] - behind, ends - pieces.start[piece])
    ttl = np.inf if params.ttl is None else float(parse_duration(params.ttl))
    return Uses(step, np.where(opening, instructions[step], chain), np.where(opening, shared, wanted), calls.time[order], ttl)


def _deaths(params: Params, calls: Calls, uses: Uses, order: Int64) -> Deaths | None:
    """With ``keep = "session"``, the last use of chains of which every user is there; other chains stay."""
    if params.keep != "session":
        return None
    missing = np.ones(len(calls.time), dtype=np.bool_)
    missing[order] = False
    open_session = np.bincount(calls.session[missing], minlength=int(calls.session.max()) + 1) > 0
    stays = np.zeros(int(uses.chain.max()) + 1, dtype=np.bool_)
    stays[: params.prefixes + 1] = True
    stays[uses.chain[open_session[calls.session[order]][uses.step]]] = True

    def ended(grown: Grown) -> Int64:
        return np.where(stays[grown.life_chain], len(order), grown.life_last)

    return ended


GENERATOR = Params, generate
OUTLINE = Outline("requests", None, grows=True, freed=lambda params: params.keep != "forever")
