"""What a schedule means to whoever asked: waits, times to the first token, times per further token.

The steps of a run follow each other on a clock that starts with step 0. No step begins before the requests that it lets in have
come (open loop); an idle step, at which no request is worked on, takes what is moved in it and no more: waiting is the clock's.

    begin(t) = max(end(t - 1), arrivals of the requests that t lets in)        end(t) = begin(t) + seconds(t)

    waiting = begin(admitted) - arrival        TTFT = end(first) - arrival        TPOT = (end(last) - end(first)) / (tokens - 1)

Which step lets in which request is the trace's, whatever the schedule: on slower memory a server would batch more at a time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from placement_opt.base.arrays import Float64
from placement_opt.workload.served import Served

PERCENTS = (50, 90, 99)


class Percentiles(NamedTuple):
    """Of some times in seconds: the least that 50, 90 and 99 of a hundred are not above; None where there are none."""

    p50: float | None
    p90: float | None
    p99: float | None


@dataclass(frozen=True, eq=False)
class Latencies:
    """Of R requests, in seconds.

    Attributes
    ----------
    begin, end
        float64[T]: of each step, on the clock.
    waiting, ttft
        float64[R]: from arrival until a step works on it, and until the first token of the answer is there.
    tpot
        float64[R]: per token after the first; NaN where there is none, or they are not made by later steps.
    """

    begin: Float64
    end: Float64
    waiting: Float64
    ttft: Float64
    tpot: Float64

    def percentiles(self) -> dict[str, Percentiles]:
        """By name: waiting, ttft and tpot."""
        return {"waiting": _of(self.waiting), "ttft": _of(self.ttft), "tpot": _of(self.tpot)}


def latencies(served: Served, seconds: Float64) -> Latencies:
    """Of these requests; ``seconds``: float64[T], what each step takes, an idle one without its floor."""
    begin, end = clock(served, seconds)
    arrival = served.arrival / 1e9
    more = (served.output_tokens > 1) & (served.last > served.first)
    each = (end[served.last] - end[served.first]) / np.maximum(served.output_tokens - 1, 1)
    return Latencies(begin, end, begin[served.admitted] - arrival, end[served.first] - arrival, np.where(more, each, math.nan))


def clock(served: Served, seconds: Float64) -> tuple[Float64, Float64]:
    """(float64[T] begins, float64[T] ends) of steps of these lengths."""
    release = np.zeros(len(seconds))
    np.maximum.at(release, served.admitted, served.arrival / 1e9)
    # end(t) = the most of release(s) + seconds(s) + ... + seconds(t) over s up to t: sums are taken once.
    before = np.concatenate([[0.0], np.cumsum(seconds)])
    begin = before[:-1] + np.maximum.accumulate(release - before[:-1])
    return begin, begin + seconds


def _of(values: Float64) -> Percentiles:
    known = np.sort(values[~np.isnan(values)])
    if not len(known):
        return Percentiles(None, None, None)
    return Percentiles(*(float(known[-(-len(known) * percent // 100) - 1]) for percent in PERCENTS))
