"""How unevenly reads fall on blocks: rank and frequency, and the power law that fits best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Float64, Int64
from placement_opt.workload.trace import Trace

_STEEPEST = 10.0
#: Points of the curves for people, half an octave apart.
_SHARES = 2.0 ** (-np.arange(33) / 2)


@dataclass(frozen=True)
class Popularity:
    """Blocks that are read, most read first.

    Attributes
    ----------
    rank, reads
        Some ranks from 1, half an octave apart, and how often the block of that rank is read.
    top_share
        Share of the reads that go to the most read 1 %, 10 % and 50 % of the read blocks, by name.
    exponent
        Of the Zipf law ``rank ** -exponent`` over the read blocks: the likeliest. Few reads of each block make it look
        steeper than what they were drawn from, because ranks are those of the counts themselves.
    distance
        The largest difference between the shares of reads up to a rank in the trace and in that law
        (Kolmogorov-Smirnov): from 0, a Zipf law, to 1.
    """

    rank: list[int]
    reads: list[int]
    top_share: dict[str, float]
    exponent: float
    distance: float


def popularity(trace: Trace) -> Popularity | None:
    """Of a trace; None where nothing is read."""
    count = np.bincount(trace.blocks)
    count = -np.sort(-count[count > 0])
    if not len(count):
        return None
    reach = np.cumsum(count) / count.sum()
    exponent = likeliest(count)
    rank = np.unique(np.ceil(len(count) * _SHARES).astype(np.int64))
    top = {f"{share} %": float(reach[-(-len(count) * share // 100) - 1]) for share in (1, 10, 50)}
    distance = float(np.abs(reach - _reach(exponent, len(count))).max())
    return Popularity(rank.tolist(), count[rank - 1].tolist(), top, exponent, distance)


def likeliest(count: Int64) -> float:
    """The exponent s that maximises the likelihood: where the mean of ln(rank) is that of the law; 0 where all are alike."""
    logs = np.log(np.arange(1, len(count) + 1))
    wanted = float(count @ logs) / float(count.sum())

    def mean(exponent: float) -> float:
        weight = np.exp(-exponent * logs)
        return float(weight @ logs) / float(weight.sum())

    low, high = 0.0, _STEEPEST
    if len(count) == 1 or mean(low) <= wanted:
        return 0.0
    for _ in range(40):  # the mean falls with the exponent
        middle = (low + high) / 2
        low, high = (middle, high) if mean(middle) > wanted else (low, middle)
    return (low + high) / 2


def _reach(exponent: float, ranks: int) -> Float64:
    """float64[ranks]: share of the reads up to each rank under the law."""
    weight: Float64 = np.arange(1, ranks + 1, dtype=np.float64) ** -exponent
    found: Float64 = np.cumsum(weight) / weight.sum()
    return found
