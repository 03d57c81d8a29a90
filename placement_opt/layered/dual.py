"""The dual value on runs: equal to that on rows, at a cost that grows with runs, not with reads.

For any prices (problem statement, section 4) D is a sum over layers less what the capacity costs, so layers are priced one
after the other, in any order and by any process, and never lie in memory together. A layer that was not priced is granted the
cheapest read of every byte at no rent, which is less than any path of its blocks: the sum then still is a lower bound.

Prices are rounded to whole numbers of a quantum before anything is added up, a quantum so coarse that what a block can pay at
most stays below 2**53: sums and minima of such numbers are exact in floats, so that D is exact, and is what a certificate of
the same prices proves.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.limits import Limits
from placement_opt.bounds.dual.evaluate import legal_at
from placement_opt.bounds.result import Prices
from placement_opt.certify.files import LARGEST_QUANTUM
from placement_opt.instance.layered import Layered
from placement_opt.memory.split.timing import StepTimer
from placement_opt.workload.runs import LayerRuns

if TYPE_CHECKING:
    from placement_opt.layered.dual_kernels import Tables

#: What a block can pay at most, twice over, stays below this many quanta.
_EXACT = 2.0**52
#: Taken off the resource prices, so that their sum stays below 1 whatever floats did to it.
_SLACK = 1.0 - 2.0**-44
#: Seconds per byte and state; no rent beyond makes sense.
_MOST_RENT = 1e6
#: Blocks between two looks at the limits.
_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class WholePrices:
    """Legal prices as whole numbers: ``rho`` int64[T, R] and ``rent`` int64[T + 1, 2] in 1/quantum seconds per byte."""

    quantum: int
    rho: Int64
    rent: Int64


@dataclass(frozen=True, eq=False)
class Actions:
    """What each action on one byte costs at each step, in quanta: whole numbers.

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


def price_large(problem: Layered, prices: Prices) -> tuple[WholePrices, Actions]:
    """Legal prices in whole numbers, and the actions at them."""
    legal = legal_at(problem.memory.rates, prices)
    rents = np.minimum(legal.rent, _MOST_RENT)
    quantum = _quantum(problem, _actions(problem, legal.rho, rents))
    rho = np.floor(np.minimum(legal.rho * (_SLACK * quantum), 2.0**62)).astype(np.int64)
    rent = np.rint(rents * float(quantum)).astype(np.int64)
    return WholePrices(quantum, rho, rent), _actions(problem, rho.astype(np.float64), rent.astype(np.float64))


def _actions(problem: Layered, rho: Float64, rent: Float64) -> Actions:
    memory, home, fast = problem.memory, problem.home, problem.fast
    slow = rho @ memory.read[home].astype(np.float64)
    quick = rho @ memory.read[fast].astype(np.float64)
    write = rho @ memory.write.T.astype(np.float64)
    copy = rho @ memory.copy[home, fast].astype(np.float64)
    serve = np.stack([slow, np.minimum(slow, quick)], axis=1)
    rents = np.stack([rent[:, home], rent[:, home] + rent[:, fast]], axis=1)
    return Actions(serve, copy, np.ascontiguousarray(write[:, fast]), np.ascontiguousarray(write[:, home]), rents)


def _quantum(problem: Layered, actions: Actions) -> int:
    """A power of ten that leaves the costs of every block of every layer exact in floats."""
    layers = problem.layers.count
    reads = max(float(actions.serve[layer::layers, 0].sum()) for layer in range(layers))
    moves = sum(float(part.max()) for part in (actions.copy, actions.write, actions.home))
    dearest = reads + moves + float(actions.rent[:, 1].sum())
    most = int(math.log10(LARGEST_QUANTUM)) - 1
    return int(10 ** min(most, max(0, math.floor(math.log10(_EXACT / 4 / max(dearest, 1e-30))))))


def layer_value(problem: Layered, actions: Actions, layer: int, runs: LayerRuns, limits: Limits | None = None) -> int | None:
    """The cheapest paths of all blocks of one layer, in quanta times bytes; None where a limit was reached on the way."""
    total = 0
    for paths in layer_paths(problem, actions, layer, runs):
        total += _column_sums(paths[:, None])[0]
        if limits is not None and limits.reached:
            return None
    return total * problem.block_bytes


def layer_paths(problem: Layered, actions: Actions, layer: int, runs: LayerRuns) -> Iterator[Int64]:
    """The cheapest path of one byte of each block of a layer, in quanta; some thousands of blocks at a time."""
    from placement_opt.layered.dual_kernels import run_paths

    tables = _tables(problem, actions, layer)
    for low in range(0, runs.num_blocks, _AT_ONCE):
        birth, start = runs.birth[low : low + _AT_ONCE], runs.start[low : low + _AT_ONCE + 1]
        costs = np.empty(len(birth), dtype=np.int64)
        run_paths(tables, birth, start, runs.first, runs.last, costs)
        yield costs


def _tables(problem: Layered, actions: Actions, layer: int) -> Tables:
    from placement_opt.layered.dual_kernels import layer_tables

    parts = (actions.serve, actions.copy, actions.write, actions.home, actions.rent)
    layers = problem.layers
    tables: Tables = layer_tables(layer, layers.count, layers.turns, *(part.astype(np.int64) for part in parts))
    return tables


def least_value(problem: Layered, actions: Actions, layer: int) -> int:
    """What the blocks of one layer cost at least, whatever they are: every birth written home, every read at the cheapest.

    A copy in the fast tier when a turn begins has cost the rents of the turn before, or a copy from home: a read from there
    costs no less than that besides.
    """
    tables = _tables(problem, actions, layer)
    reads = np.minimum(tables.reads[0, :, 0], tables.least[:-1] + tables.reads[0, :, 2])
    births = problem.layers.births(layer)
    before = problem.layers.blocks_of(layer) - int(births.sum())
    pairs = ((problem.layers.reads(layer), reads), (births, tables.cost[1:]), (np.array([before]), tables.cost[:1]))
    return sum(_product(counts, costs) for counts, costs in pairs) * problem.block_bytes


def combine(problem: Layered, prices: WholePrices, values: list[int]) -> Fraction:
    """D in seconds from one value for each layer, exactly; not below 0."""
    memory = problem.memory
    rho, rent = (_column_sums(each) for each in (prices.rho, prices.rent))
    used = sum(map(operator.mul, rho, memory.rates.tolist()))
    fixed = sum(map(operator.mul, rho, problem.fixed.tolist()))
    room = sum(map(operator.mul, rent, problem.capacity.tolist()))
    floor = Fraction(problem.floor) * (prices.quantum * problem.num_steps - used)
    value: Fraction = (floor + fixed + sum(values) - room) / prices.quantum
    return max(Fraction(0), value)


def _product(counts: Int64, costs: Int64) -> int:
    """The sum of counts, which add up to less than 2^42, times costs from 0, exactly: 20 bits of those at a time."""
    parts = [(costs >> low) & (1 << 20) - 1 for low in range(0, 63, 20)]
    return sum(int(counts.astype(np.int64) @ part) << low for low, part in zip(range(0, 63, 20), parts, strict=True))


def _column_sums(table: Int64) -> list[int]:
    """The sums of columns, however large."""
    high, low = (table >> 31).sum(axis=0).tolist(), (table & (1 << 31) - 1).sum(axis=0).tolist()
    return [(above << 31) + rest for above, rest in zip(high, low, strict=True)]


def below(value: Fraction) -> float:
    """The largest float that is not above."""
    near = float(value)
    return math.nextafter(near, -math.inf) if Fraction(near) > value else near


def above(value: Fraction) -> float:
    """The smallest float that is not below."""
    return -below(-value)


def roofline(problem: Layered) -> float:
    """The best case in seconds, a lower bound: every byte read at the best split, no residency, no capacity, no moves."""
    total = [math.fsum(roofline_times(problem, layer).tolist()) for layer in range(problem.layers.count)]
    # every step is a short sum of non-negative terms
    return math.fsum(total) * (1.0 - 1e-13)


def roofline_times(problem: Layered, layer: int) -> Float64:
    """float64[N]: the best case of each step of a layer."""
    times = StepTimer(problem.memory, [3]).times(*_best_case(problem, layer))
    return np.asarray(np.maximum(problem.floor, times))


def roofline_prices(problem: Layered) -> Prices:
    """Prices that prove as much, but for rounding: those of each step's best split, and no rent."""
    timer, layers = StepTimer(problem.memory, [3]), problem.layers.count
    rho = np.zeros((problem.num_steps, problem.num_resources))
    for layer in range(layers):
        case = _best_case(problem, layer)
        times = timer.times(*case)
        rho[layer::layers] = timer.prices(*case) * ((times > 0) & (times >= problem.floor))[:, None]
    return Prices(rho, np.zeros((problem.num_steps + 1, problem.num_tiers)))


def _best_case(problem: Layered, layer: int) -> tuple[Int64, Int64]:
    """What the steps of a layer read, [N, 1], and load besides, [N, R], wherever blocks lie."""
    births = problem.layers.births(layer)[:, None] * problem.block_bytes * problem.memory.write[problem.home]
    return problem.layers.reads(layer)[:, None] * problem.block_bytes, problem.fixed + births
