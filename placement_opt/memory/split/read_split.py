"""One step's optimal read split, found by column generation: no solver, the same lines in floats and in rationals.

Every assignment of patterns to tiers loads the resources with some vector; a split is a mix of assignments. Over mixes, the
least possible largest load/rate is the value of a matrix game whose columns are assignments: with a_r = load_r / B_r,

    1/tau = max sum_i x_i   s.t.   sum_i a_ri x_i <= 1 for every resource r,   x >= 0,    mix lambda = x tau.

The simplex method needs the inverse of an R x R basis only; the best assignment at the prices w of its rows is found pattern
by pattern. Ratio ties are broken lexicographically, so rational arithmetic ends at the optimum whatever the input (Dantzig,
Orden and Wolfe 1955; Gilmore and Gomory 1961 for the columns).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from placement_opt.base.arrays import Float64, Int64

#: Relative distance between the two sides below which a result in floats is believed; otherwise rationals decide.
_GAP = 1e-11
_TINY = 1e-12
_MOST_PIVOTS = 2000


@dataclass(frozen=True, eq=False)
class Ways:
    """V ways to serve a byte: resources' rates int64[R], and what each way loads on them for a byte, int64[V, R]."""

    rates: Int64
    loads: Int64


@dataclass(frozen=True, eq=False)
class Split:
    """An optimal split of one step: seconds, prices float64[R] (s/byte, ``rates @ prices = 1``), bytes float64[P, V]."""

    time: float
    prices: Float64
    bytes: Float64


@dataclass(frozen=True, eq=False)
class _Mix:
    """Optimum of the game: time, weight of each resource (they sum to 1, or are all zero), assignments with their shares."""

    time: Any
    weights: list[Any]
    parts: list[tuple[Any, tuple[int, ...]]]


def solve_split(ways: Ways, members: Sequence[Sequence[int]], served: Float64, base: Float64) -> Split:
    """An optimal split of float loads: ``served`` [P] over the ways in ``members[p]``, beside ``base`` [R]."""
    rates = ways.rates.astype(np.float64)
    scale = float(max(served.max(initial=0.0), base.max(initial=0.0)))
    if scale == 0.0 or not np.isfinite(scale):
        scale = 1.0
    speed = float(rates.max())
    costs = (ways.loads / (rates / speed)).tolist()
    mix = _best_mix(costs, members, (served / scale).tolist(), (base / scale / (rates / speed)).tolist(), _TINY)
    found = None if mix is None else _as_split(ways, members, served, base, mix)
    if found is not None and found[1] <= _GAP:
        return found[0]
    return _as_split(ways, members, served, base, _exact_mix(ways, members, served.tolist(), base.tolist()))[0]


def exact_time(ways: Ways, members: Sequence[Sequence[int]], served: Sequence[int], base: Sequence[int]) -> Fraction:
    """The optimal time of integer loads, exactly."""
    return Fraction(_exact_mix(ways, members, served, base).time)


def _exact_mix(ways: Ways, members: Sequence[Sequence[int]], served: Sequence[Any], base: Sequence[Any]) -> _Mix:
    rates = ways.rates.tolist()
    costs = [[Fraction(c, rate) for c, rate in zip(row, rates, strict=True)] for row in ways.loads.tolist()]
    loads = [Fraction(b) / rate for b, rate in zip(base, rates, strict=True)]
    mix = _best_mix(costs, members, [Fraction(s) for s in served], loads, Fraction(0))
    assert mix is not None
    return mix


def _as_split(ways: Ways, members: Sequence[Sequence[int]], served: Float64, base: Float64, mix: _Mix) -> tuple[Split, float]:
    """The mix in bytes, and how far apart its two sides are, relative to the time."""
    taken = np.zeros((len(members), len(ways.loads)))
    for share, choice in mix.parts:
        taken[np.arange(len(choice)), choice] += float(share)
    total = taken.sum(axis=1, keepdims=True)
    taken *= np.divide(served[:, None], total, out=np.zeros_like(total), where=total > 0)
    rates = ways.rates.astype(np.float64)
    time = float(((base + taken.sum(axis=0) @ ways.loads) / rates).max())
    weights = np.array([max(0.0, float(w)) for w in mix.weights])
    prices = weights / max(float(weights.sum()), np.finfo(float).tiny) / rates
    unit = ways.loads @ prices
    value = float(base @ prices) + sum(float(s) * min(unit[k] for k in tiers) for s, tiers in zip(served, members, strict=True))
    gap = 0.0 if time == 0.0 else abs(time - value) / time
    return Split(time, prices, taken), gap


def _best_mix(
    costs: list[list[Any]], members: Sequence[Sequence[int]], served: list[Any], base: list[Any], tiny: Any
) -> _Mix | None:
    """The simplex method over assignments; None where floats (``tiny`` > 0) go round in circles.

    ``costs[k][r]``: seconds on resource r of one byte read from tier k; ``base[r]``: seconds of the other loads.
    """
    size = len(base)
    zero, one = 0 * (tiny + 1), tiny * 0 + 1
    inverse = [[one if i == j else zero for j in range(size)] for i in range(size)]
    level = [one] * size  # values of the basic variables
    profit = [zero] * size  # 1 where the basic variable is an assignment
    basic: list[tuple[int, ...] | None] = [None] * size
    for _ in range(_MOST_PIVOTS if tiny else 10**9):
        weights = [sum((p * row[r] for p, row in zip(profit, inverse, strict=True) if p), zero) for r in range(size)]
        slack = min(range(size), key=weights.__getitem__)
        if weights[slack] < -tiny:
            choice, column = None, [row[slack] for row in inverse]
        else:
            unit = [sum((w * c for w, c in zip(weights, row, strict=True) if c), zero) for row in costs]
            choice = tuple(min(tiers, key=unit.__getitem__) for tiers in members)
            loads = _loads(costs, choice, served, base)
            if sum((w * a for w, a in zip(weights, loads, strict=True)), zero) >= one - tiny:
                return _finish(weights, level, basic)
            column = [sum((x * a for x, a in zip(row, loads, strict=True) if a), zero) for row in inverse]
        rows = [i for i in range(size) if column[i] > tiny]
        if not rows:  # nothing to do at all: no load on any resource
            return _Mix(zero, [one / size] * size, [(one, choice)]) if choice is not None else None
        leave = min(rows, key=_ratios(inverse, level, column).__getitem__)
        _pivot(inverse, level, column, leave)
        basic[leave], profit[leave] = choice, zero if choice is None else one
    return None


def _finish(weights: list[Any], level: list[Any], basic: list[tuple[int, ...] | None]) -> _Mix:
    parts = [(x, choice) for x, choice in zip(level, basic, strict=True) if choice is not None and x > 0]
    time = 1 / sum(x for x, _ in parts)
    return _Mix(time, [w * time for w in weights], [(x * time, choice) for x, choice in parts])


def _loads(costs: list[list[Any]], choice: tuple[int, ...], served: list[Any], base: list[Any]) -> list[Any]:
    """Seconds on each resource when every pattern is read from its chosen tier."""
    loads = list(base)
    for k, amount in zip(choice, served, strict=True):
        if amount:
            loads = [a + amount * c for a, c in zip(loads, costs[k], strict=True)]
    return loads


def _ratios(inverse: list[list[Any]], level: list[Any], column: list[Any]) -> list[list[Any]]:
    """What the entering variable may rise to before each basic one is gone; the inverse breaks ties."""
    rows = zip(level, inverse, column, strict=True)
    return [[height / by, *(x / by for x in row)] if by else [] for height, row, by in rows]


def _pivot(inverse: list[list[Any]], level: list[Any], column: list[Any], leave: int) -> None:
    row = [x / column[leave] for x in inverse[leave]]
    height = level[leave] / column[leave]
    for i, factor in enumerate(column):
        if i != leave and factor:
            inverse[i] = [x - factor * y for x, y in zip(inverse[i], row, strict=True)]
            level[i] -= factor * height
    inverse[leave], level[leave] = row, height
