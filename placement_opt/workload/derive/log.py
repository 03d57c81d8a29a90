"""The common form of a log of requests, whatever its format: when each came, the blocks of its prompt, its tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.workload.trace import Trace


@dataclass(frozen=True, eq=False)
class Log:
    """R requests in the order of their arrival.

    Attributes
    ----------
    arrival
        int64[R] nanoseconds after the first one's.
    start, ids
        int64[R + 1] and int64[M]: the blocks of each prompt, in order; equal numbers stand for equal prefixes.
    block_tokens
        Tokens of a block; the last one of a prompt may have fewer, or no number.
    prompt, answer
        int64[R]: tokens, from 1.
    """

    arrival: Int64
    start: Int64
    ids: Int64
    block_tokens: int
    prompt: Int64
    answer: Int64

    def __len__(self) -> int:
        return len(self.arrival)

    def blocks(self, request: int) -> Int64:
        """The blocks of one prompt."""
        return self.ids[self.start[request] : self.start[request + 1]]


def log_of(trace: Trace, output_tokens: int | None) -> Log:
    """The log that a trace of requests was imported from.

    ``output_tokens``: of each answer whose length the trace does not say.

    Raises
    ------
    InputError
        The trace is not one of requests (blocks of one size in tokens, their places in prompts, none there from the start,
        none freed), or does not say how long an answer is and neither does ``output_tokens``.
    """
    _check(trace)
    block_tokens = int(trace.size[0])
    steps = np.arange(trace.num_steps)
    start, ids = _prompts(trace)
    served = trace.requests
    if served is None:
        prompt, answer, arrival = np.diff(start) * block_tokens, np.zeros(len(steps), dtype=np.int64), np.zeros_like(steps)
    elif np.array_equal(served.admitted, steps) and np.array_equal(served.last, steps):
        prompt, answer, arrival = served.prompt_tokens, served.output_tokens, served.arrival
    else:
        raise InputError("found requests of several steps", "expected a trace whose steps are requests", field="requests")
    if (answer == 0).any() and output_tokens is None:
        where = int(np.argmin(answer))
        found = f"found no length of the answer to request {where}"
        raise InputError(found, "expected it in the log, or as --output-tokens", field="output_tokens")
    answer = np.where(answer == 0, output_tokens or 1, answer)
    return Log(arrival, start, ids, block_tokens, np.maximum(prompt, 1), answer)


def _check(trace: Trace) -> None:
    expected = "expected a trace of requests: a log of requests, or what trace import made of one"
    if trace.position is None or trace.size_unit != "tokens" or (trace.size != trace.size[0]).any() or (trace.birth < 0).any():
        raise InputError("found a trace whose steps are no requests with their prompts", expected, field="trace")
    if (trace.death < trace.num_steps).any():
        found = "found a trace that frees blocks"
        raise InputError(found, "expected one imported with --keep forever (derive has a --keep of its own)", field="trace")


def _prompts(trace: Trace) -> tuple[Int64, Int64]:
    """The blocks of every prompt in order: those read at their places, those produced at the places between."""
    assert trace.position is not None
    pointers, born = trace.births_by_step
    counts = np.diff(trace.indptr) + np.diff(pointers)
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    place = start[trace.read_step] + trace.position
    if (trace.position >= counts[trace.read_step]).any():
        raise InputError("found places beyond the blocks of a prompt", "expected whole prompts", field="position")
    ids = np.empty(start[-1], dtype=np.int64)
    taken = np.zeros(start[-1], dtype=bool)
    taken[place] = True
    ids[place] = trace.blocks
    ids[~taken] = born  # ascending within each step, as are the places
    return start, ids
