"""The request generator from a trace of requests: sessions, their turns, and how much each adds.

The trace says no sessions. A request goes on with the one that produced the deepest block that it finds; it begins a new one
where it finds nothing, or nothing behind a block that three requests or more went on from, each with blocks of its own: a
system prefix. Lengths are seen in whole blocks only, so that medians and spreads are the likeliest under what blocks show of
them: of a first prompt, how many fit into it; of a later turn, how many ends of blocks it passes from anywhere in one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from placement_opt.base.arrays import Flags, Float64, Int64
from placement_opt.base.errors import InputError
from placement_opt.workload.fit.estimate import Estimate, LogNormal, least, likeliest_length, rounded
from placement_opt.workload.profile.popularity import likeliest
from placement_opt.workload.trace import Trace

#: Requests that go on from a block, from which on it ends a shared prefix.
_SHARED = 3
#: Fewer later turns than this say nothing of their lengths and pauses.
_FEW = 5
#: Requests without another turn are looked at in so many groups.
_BINS = 200


@dataclass(frozen=True)
class _Sessions:
    """Of each request, int64[T]: its session, which turn it is from 0, the request before it there (-1), blocks asked for.

    ``prefix``: blocks of the shared prefix that a first turn finds, -1 for other turns. ``opened``: the last block of that
    prefix, -1 where there is none. Blocks are counted from the beginning of the prompt.
    """

    session: Int64
    turn: Int64
    previous: Int64
    asked: Int64
    prefix: Int64
    opened: Int64


def estimate(trace: Trace, unit_bytes: int | None) -> Estimate:
    """All parameters, but that what every later turn adds is taken for the answer, without spread, and all beyond for question.

    Raises
    ------
    InputError
        A trace without positions, or without any block.
    """
    del unit_bytes
    if trace.position is None:
        found = "found a trace that does not say in which order steps ask for blocks"
        raise InputError(found, "expected one of requests", field="position")
    block = max(1, round(float(trace.sizes.mean()))) if trace.size_unit == "tokens" else 512
    seen = _sessions(trace)
    seconds, lost = _seconds(trace)
    first, later = seen.turn == 0, seen.turn > 0
    sessions = int(first.sum())
    parameters = {
        "requests": trace.num_steps,
        "sessions_per_second": rounded(sessions / seconds),
        "turns": rounded(trace.num_steps / sessions),
        "block_tokens": block,
        "answer": 1,
        "answer_spread": 0.0,
        **_prefixes(seen, first, block),
    }
    prefix = parameters["prefix_tokens"] // block
    counts = np.bincount(np.maximum(seen.asked[first] - prefix, 0))
    longest = (int(seen.asked.max()) + 1) * block - 1
    guess = block * float(np.median(seen.asked[first]))
    median, spread = likeliest_length(partial(_fitting, block), counts, guess)
    parameters |= {"prompt": max(1, round(rounded(median))), "prompt_spread": rounded(spread), "longest": longest}
    parameters["longest"] = max(longest, parameters["prefix_tokens"])
    if int(later.sum()) >= _FEW:
        parameters |= _turns(seen, later, block, seconds / trace.num_steps)
    else:
        lost.append("later turns are so few that the generator's own lengths and pauses are taken")
    return Estimate(parameters, (*lost, *_lost(trace)))


def _sessions(trace: Trace) -> _Sessions:
    steps = trace.num_steps
    assert trace.position is not None
    order = np.argsort(trace.read_step.astype(np.int64) << 32 | trace.position, kind="stable")
    ids = trace.blocks[order]
    born = np.diff(trace.births_by_step[0])
    count = np.diff(trace.indptr)
    deepest = np.where(count > 0, ids[np.maximum(trace.indptr[1:] - 1, 0)] if len(ids) else -1, -1).astype(np.int64)
    on = np.bincount(deepest[(born > 0) & (deepest >= 0)], minlength=trace.num_blocks)
    shared = on >= _SHARED
    session, turn, previous = np.empty(steps, np.int64), np.zeros(steps, np.int64), np.full(steps, -1, np.int64)
    last: dict[int, int] = {}  # session -> its last request
    begun = 0
    for step, block in enumerate(deepest.tolist()):
        if block < 0 or shared[block] or trace.birth[block] < 0:
            session[step], begun = begun, begun + 1
        else:
            session[step] = session[trace.birth[block]]
            previous[step] = last[int(session[step])]
            turn[step] = turn[previous[step]] + 1
        last[int(session[step])] = step
    opens = (turn == 0) & (deepest >= 0)
    prefix = np.where(turn == 0, np.where(opens, count, 0), -1)
    return _Sessions(session, turn, previous, count + born, prefix, np.where(opens, deepest, -1))


def _seconds(trace: Trace) -> tuple[float, list[str]]:
    """How long the trace lasts, by what is known of it as a whole."""
    meta = trace.meta
    for first, last, unit in (("first_ms", "last_ms", 1e-3), ("first_s", "last_s", 1.0)):
        ends = meta.get(first), meta.get(last)
        if all(isinstance(end, int | float) for end in ends) and ends[1] > ends[0]:  # type: ignore[operator]
            return float(ends[1] - ends[0]) * unit, []  # type: ignore[operator]
    if isinstance(meta.get("seconds"), int | float) and meta["seconds"] > 0:
        return float(meta["seconds"]), []
    return float(trace.num_steps), ["requests come at one a second: the trace has no times"]


def _prefixes(seen: _Sessions, first: Flags, block: int) -> dict[str, Any]:
    """How many system prefixes there are, how long, and how unevenly sessions open with them."""
    opens = first & (seen.opened >= 0)
    if 2 * np.count_nonzero(opens) < first.sum():
        return {"prefixes": 1, "prefix_tokens": 0}
    depth = int(np.median(seen.prefix[opens]))
    times = np.bincount(seen.opened[opens & (seen.prefix == depth)])
    times = -np.sort(-times[times > 0])
    tokens = depth * block
    return {"prefixes": len(times), "prefix_tokens": tokens} | (
        {"prefix_exponent": rounded(likeliest(times))} if len(times) > 1 else {}
    )


def _returns(seen: _Sessions) -> tuple[float, float, float]:
    """Share of the requests that have another turn, median of the requests until then, and its spread.

    The likeliest, with the turns counted in that would come after the end of the trace: a request with r of them behind it and
    no turn has one there, or none at all. There are turns enough (``_FEW``).
    """
    steps, known = len(seen.turn), np.flatnonzero(seen.previous >= 0)
    pause = np.log(known - seen.previous[known])
    over = seen.asked > seen.prefix  # others have no blocks of their own that anything could go on from
    over[seen.previous[known]] = False
    left = steps - 0.5 - np.flatnonzero(over)
    count = -(-len(left) // _BINS)
    left, weight = left[count // 2 :: count], len(left) / max(1, len(left[count // 2 :: count]))

    def loss(at: tuple[float, ...]) -> float:
        share, middle, spread = 1.0 / (1.0 + math.exp(-at[0])), at[1], at[2]
        if not (0.01 <= spread <= 5 and 0 <= middle <= 40 and -10 <= at[0] <= 10):
            return math.inf
        seen_again = len(pause) * (math.log(share) - math.log(spread)) - float(((pause - middle) ** 2).sum()) / (2 * spread**2)
        gone = np.log1p(-share * LogNormal(math.exp(middle), spread).below(left))
        return -seen_again - weight * float(gone.sum())

    share = min(0.99, len(known) / steps)
    start = math.log(share / (1 - share)), float(pause.mean()), min(5.0, max(0.1, float(pause.std())))
    odds, middle, spread = least(loss, start)
    return 1.0 / (1.0 + math.exp(-odds)), math.exp(middle), spread


def _turns(seen: _Sessions, later: Flags, block: int, step_s: float) -> dict[str, Any]:
    """How many later turns there are, what they add, and how long after the turn before they come."""
    counts = np.bincount(np.maximum(seen.asked[later] - seen.asked[seen.previous[later]], 0))
    mean = float(counts @ np.arange(len(counts))) / float(counts.sum())
    median, spread, least_added = _added(counts, block, block * max(0.1, mean))
    share, pause, pause_spread = _returns(seen)
    return {
        "turns": rounded(min(1 / (1 - share), float(len(later)))),
        "answer": max(1, round(rounded(least_added))),
        "question": max(1, round(rounded(median))),
        "question_spread": rounded(spread),
        "think": f"{rounded(pause * step_s):g} s",
        "think_spread": rounded(pause_spread),
    }


def _fitting(block: int, law: LogNormal, counts: int) -> Float64:
    """How likely a length holds k whole blocks, for each k."""
    ends = block * np.arange(counts + 1, dtype=np.float64)
    return np.diff(law.below(ends))


def _passed(block: int, law: LogNormal, counts: int, shift: float) -> Float64:
    """How likely a length, ``shift`` longer than the law says, that begins anywhere in a block passes k ends of blocks.

    A length of a blocks passes k of them with probability max(0, 1 - |a - k|), a second difference of ramps in k.
    """
    ends = block * np.arange(-1, counts + 1, dtype=np.float64)
    found: Float64 = np.diff(law.spared(ends - shift), n=2) / block
    return found


def _added(counts: Int64, block: int, guess: float) -> tuple[float, float, float]:
    """Median and spread of what a turn adds beyond what all turns add, and that: the likeliest of all three."""

    def loss(at: tuple[float, ...]) -> float:
        if not (0 <= at[0] <= 40 and 0 <= at[1] <= 5 and 0 <= at[2] <= 40):
            return math.inf
        likely = _passed(block, LogNormal(math.exp(at[0]), at[1]), len(counts), math.exp(at[2]))
        return float(-(counts @ np.log(np.maximum(likely, 1e-12))))

    start = math.log(max(1.0, guess))
    median, spread, least_added = least(loss, (start, 1.0, max(0.0, start - 2.0)))
    return math.exp(median), spread, math.exp(least_added)


def _lost(trace: Trace) -> list[str]:
    lost = []
    if (trace.death < trace.num_steps).any():
        lost.append("no block is freed")
    if trace.size_unit != "tokens":
        lost.append("a block is 512 tokens: the trace does not say how many")
    if trace.meta.get("reads_after_new"):
        lost.append("no block is found behind one that is missing")
    return lost
