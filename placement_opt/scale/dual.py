"""The dual value on runs: equal to :mod:`placement_opt.bounds.dual` on rows, at a cost that grows with runs, not with reads.

For any prices (problem statement, section 4) D is a sum over layers less what the capacity costs, so layers are priced one
after the other, in any order and by any process, and never lie in memory together. A layer that was not priced is granted the
cheapest read of every byte at no rent, which is less than any path of its blocks: the sum then still is a lower bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from placement_opt.bounds.dual import legal_at
from placement_opt.bounds.result import Float64, Prices
from placement_opt.memory.timing import StepTimer
from placement_opt.scale.problem import Large
from placement_opt.workload.runs import LayerRuns

_EPS = 2.0**-52


@dataclass(frozen=True, eq=False)
class Actions:
    """What each action on one byte costs at each step, at some legal prices.

    Attributes
    ----------
    serve
        float64[T, 2]: reading where only home holds it, and where both do.
    copy, write
        float64[T]: into the fast tier, from home or in passing.
    home
        float64[T]: the write of a new block to its home.
    rent
        float64[T + 1, 2]: of a state in home alone, and in both.
    """

    serve: Float64
    copy: Float64
    write: Float64
    home: Float64
    rent: Float64


@dataclass(frozen=True)
class LayerValue:
    """One layer's paths: ``paths_s`` seconds in all, of which the float sum may be wrong by ``margin_s``."""

    paths_s: float
    margin_s: float


def price_large(problem: Large, prices: Prices) -> tuple[Prices, Actions]:
    """Legal prices, and the actions at them."""
    memory, home, fast = problem.memory, problem.home, problem.fast
    prices = legal_at(memory.rates, prices)
    slow = prices.rho @ memory.read[home].astype(np.float64)
    quick = prices.rho @ memory.read[fast].astype(np.float64)
    write = prices.rho @ memory.write.T.astype(np.float64)
    rent = np.stack([prices.rent[:, home], prices.rent[:, home] + prices.rent[:, fast]], axis=1)
    copy = prices.rho @ memory.copy[home, fast].astype(np.float64)
    serve = np.stack([slow, np.minimum(slow, quick)], axis=1)
    return prices, Actions(serve, copy, np.ascontiguousarray(write[:, fast]), np.ascontiguousarray(write[:, home]), rent)


def layer_value(problem: Large, actions: Actions, layer: int, runs: LayerRuns) -> LayerValue:
    """The cheapest paths of all blocks of one layer."""
    paths = layer_paths(problem, actions, layer, runs) * problem.block_bytes
    total = math.fsum(paths.tolist())
    depth = 2 * (int(runs.turns).bit_length() + 2)
    # sums of non-negative terms: the relative error is at most the number of additions on the way of any term
    terms = 64 + problem.layers.count + depth * (2 * int(np.diff(runs.start).max(initial=0)) + 2)
    return LayerValue(total, _EPS * terms * total)


def layer_paths(problem: Large, actions: Actions, layer: int, runs: LayerRuns) -> Float64:
    """float64[B]: the cheapest path of one byte of each block of a layer."""
    from placement_opt.scale.dual_kernels import layer_trees, run_paths

    layers = problem.layers.count
    trees = layer_trees(layer, layers, runs.turns, actions.serve, actions.copy, actions.write, actions.rent)
    found: Float64 = run_paths(
        layer, layers, trees, actions.home, actions.write, actions.rent, runs.birth, runs.start, runs.first, runs.last
    )
    return found


def least_value(problem: Large, actions: Actions, layer: int) -> LayerValue:
    """What the blocks of one layer cost at least: every read at the cheapest, every birth written home, no rent."""
    steps = slice(layer, None, problem.layers.count)
    reads = problem.layers.reads(layer) * np.minimum(actions.serve[steps, 0], actions.serve[steps, 1])
    births = problem.layers.births(layer) * actions.home[steps]
    total = (math.fsum(reads.tolist()) + math.fsum(births.tolist())) * problem.block_bytes
    return LayerValue(total, 16 * _EPS * total)


def combine(problem: Large, prices: Prices, values: list[LayerValue]) -> float:
    """D in seconds from one value for each layer, rounded towards safety; ``prices`` are legal."""
    used = prices.rho @ problem.memory.rates.astype(np.float64)
    floor = math.fsum((np.maximum(0.0, 1.0 - used - (8 + len(problem.memory.rates)) * _EPS) * problem.floor).tolist())
    fixed = math.fsum((prices.rho @ problem.fixed.astype(np.float64)).tolist())
    rent = math.fsum((prices.rent @ problem.capacity.astype(np.float64)).tolist())
    paths = math.fsum(value.paths_s for value in values)
    margin = math.fsum(value.margin_s for value in values) + 64 * _EPS * (paths + floor + fixed + rent)
    return max(0.0, floor + fixed + paths - rent - margin)


def roofline(problem: Large) -> float:
    """The best case in seconds, a lower bound: every byte read at the best split, no residency, no capacity, no moves."""
    timer = StepTimer(problem.memory, [3])
    total = []
    for layer in range(problem.layers.count):
        served = problem.layers.reads(layer) * problem.block_bytes
        births = problem.layers.births(layer)[:, None] * problem.block_bytes * problem.memory.write[problem.home]
        times = timer.times(served[:, None], problem.fixed + births)
        total.append(math.fsum(np.maximum(problem.floor, times).tolist()))
    # every step is a short sum of non-negative terms
    return math.fsum(total) * (1.0 - 1e-13)
