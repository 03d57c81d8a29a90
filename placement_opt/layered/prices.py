"""Prices at scale: a few knots in time, raised on a sample of the blocks.

At each step the resource that a fast read loads most and the one that a slow read loads most share the price: ``theta`` of the
one, ``1 - theta`` of the other. Rent of the fast tier is due once a turn, at the state where the turn begins: between two reads
of a block lies the beginning of each turn that it waits for, whatever its layer, and so does one before its first. Both are
piecewise linear in time between knots: first few, which are soon at their best, then more, dense at the two ends, where the
free start and the end of the trace make themselves felt. The dual value is concave in the knots, and its slope is read off the
cheapest paths: what they load, and how much they hold beyond the room.

None of this has to be right: whatever knots come out are evaluated on every block, exactly, before anything is published.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.limits import Limits
from placement_opt.bounds.result import Prices
from placement_opt.instance.layered import Layered
from placement_opt.layered.ascent import Point, maximise
from placement_opt.workload.runs import LayerRuns

#: Rents up to this many slow reads a turn are looked at.
_MOST_RENT = 4.0
#: An interval between knots is halved where theta and rent change by more than this over it.
_LEAST_CHANGE = 0.003
#: Knots that prices of another origin are described by, at most.
_FITTED = 24
#: Turns at which room begins or ceases to bind that get knots of their own from the start.
_MOST_SWITCHES = 3
#: Where prices tell blocks apart no more, a read saves this share of a write, and a turn of waiting costs that.
LEAST_GAIN, LEAST_RENT = 0.03, 0.001


@dataclass(frozen=True, eq=False)
class Knots:
    """theta and rent at K knots: ``value`` float64[2 K], rents in slow reads a turn; ``weight`` float64[N, K] interpolates."""

    at: Float64
    weight: Float64
    value: Float64

    @property
    def theta(self) -> Float64:
        """float64[N]."""
        return self.weight @ self.value[: len(self.at)]

    @property
    def rent(self) -> Float64:
        """float64[N], in slow reads a turn."""
        return self.weight @ self.value[len(self.at) :]


@dataclass(frozen=True, eq=False)
class Worths:
    """Prices as a schedule uses them, in seconds a block.

    ``gain`` of a read from the fast tier and cost of a ``write`` into it, float64[N]; ``gains`` and ``rents`` float64[N + 1]
    are sums over the turns before each. ``theta`` and ``rent`` float64[N]: the prices themselves, as knots have them but rents
    in seconds.
    """

    gain: Float64
    write: Float64
    gains: Float64
    rents: Float64
    theta: Float64
    rent: Float64


class Family:
    """The prices of a problem that knots describe, and the dual value of a sample of its blocks at them.

    Parameters
    ----------
    problem
        The question.
    sample
        Blocks of one or more layers; whole layers or each n-th block of them. ``looks`` counts the passes over it.
    jobs
        Threads that look at it. What they count is whole, so that nothing depends on how many they are.
    """

    def __init__(self, problem: Layered, sample: list[LayerRuns], jobs: int = 1) -> None:
        self.problem, self.sample, self.looks, self.jobs = problem, sample, 0, jobs
        memory, layers = problem.memory, problem.layers
        self.home, self.fast = problem.home, problem.fast
        self.ends = tuple(_bottleneck(memory.rates, memory.read[tier]) for tier in (self.fast, self.home))
        self.reads = np.sum([layers.reads(n) for n in range(layers.count)], axis=0)
        self.births = np.sum([layers.births(n) for n in range(layers.count)], axis=0)
        self.scale = float(self.reads.sum()) / max(1, sum(part.num_reads for part in sample))
        self.rates = memory.rates[list(self.ends)].astype(np.float64)
        self.read_slow = memory.read[self.home, self.ends] / self.rates * problem.block_bytes
        self.read_fast = memory.read[self.fast, self.ends] / self.rates * problem.block_bytes
        self.write_fast = memory.write[self.fast, self.ends] / self.rates * problem.block_bytes
        self.unit = float(self.read_slow.max())
        births = memory.write[self.home, self.ends] / self.rates * problem.block_bytes
        self.fixed = layers.count * problem.fixed[list(self.ends)] / self.rates + self.births[:, None] * births

    def evaluate(self, knots: Knots) -> tuple[float, Float64]:
        """(estimate of the dual value in seconds, its slope in the knots)."""
        return self._look(knots)[:2]

    def turns(self, knots: Knots) -> tuple[float, Float64]:
        """(estimate of the dual value, float64[N]: seconds of each turn of the cheapest paths, rents left out)."""
        value, _, load = self._look(knots)
        return value, _seconds(knots, load)

    def _look(self, knots: Knots) -> tuple[float, Float64, Float64]:
        """The same, and float64[N, 2]: seconds that the cheapest paths load on either resource."""
        from placement_opt.layered.prices_kernels import path_counts

        self.looks += 1
        theta, rent = knots.theta, knots.rent * self.unit
        share = np.stack([theta, 1.0 - theta], axis=1)
        costs = [np.ascontiguousarray(share @ row) for row in (self.read_slow, self.read_fast, self.write_fast)]
        pieces = [piece for part in self.sample for piece in _pieces(part, self.jobs)]

        def count(piece: tuple[LayerRuns, slice, slice]) -> Int64:
            part, blocks, ends = piece
            counts: Int64 = path_counts(part.birth[blocks], part.start[ends], part.first, part.last, *costs, rent)
            return counts

        with ThreadPoolExecutor(self.jobs) as pool:
            miss, hit, store, held = self.scale * np.sum(list(pool.map(count, pieces)), axis=0)
        load = self.fixed + np.outer(miss, self.read_slow) + np.outer(hit, self.read_fast) + np.outer(store, self.write_fast)
        beyond = held - self.problem.room
        value = float((share * load).sum() + (rent * beyond).sum())
        slope = [knots.weight.T @ (load[:, 0] - load[:, 1]), knots.weight.T @ (beyond * self.unit)]
        return value, np.concatenate(slope), load

    def denser(self, knots: Knots, count: int) -> Knots:
        """The same prices with knots at some ``count`` places more and close to both ends."""
        return self._at(np.union1d(knots.at, knot_places(self.problem.layers.turns, count)), knots)

    def refined(self, knots: Knots, count: int) -> Knots:
        """The same prices with up to ``count`` knots more, each halving an interval over which prices change most."""
        theta, rent = np.split(knots.value, 2)
        change = np.abs(np.diff(theta)) + np.minimum(1.0, np.abs(np.diff(rent)))
        middle = np.rint((knots.at[1:] + knots.at[:-1]) / 2)
        change[(middle <= knots.at[:-1]) | (middle >= knots.at[1:])] = 0.0
        chosen = np.argsort(-change, kind="stable")[:count]
        return self._at(np.union1d(knots.at, middle[chosen[change[chosen] > _LEAST_CHANGE]]), knots)

    def _at(self, at: Float64, knots: Knots) -> Knots:
        """The same prices with these knots, the old ones among them."""
        values = np.concatenate([np.interp(at, knots.at, part) for part in np.split(knots.value, 2)])
        return Knots(at, interpolation(at, self.problem.layers.turns), values)

    def knots(self, count: int) -> Knots:
        """``count`` knots evenly over time, and some about the turns where room begins or ceases to bind.

        They are valued at the best of a few constants, and of the two extremes where each of them belongs: all of the price to
        the slow reads and a read's worth of rent where there is less room than the best split would serve from, else the
        balanced split and no rent.
        """
        turns, starved = self.problem.layers.turns, self._starved()
        at = np.unique(np.rint(np.linspace(0, turns - 1, count)))
        for turn in np.flatnonzero(np.diff(starved.astype(np.int8)))[:_MOST_SWITCHES]:
            near = 2.0 ** np.arange(int(np.log2(turns)))
            at = np.union1d(at, np.clip(np.concatenate([turn + 1 - near, turn + near]), 0, turns - 1))
        weight = interpolation(at, turns)
        balanced = self.rates[0] / self.rates.sum()
        trials = [
            Knots(at, weight, np.repeat([theta, rent], len(at)))
            for theta in (0.0, balanced / 2, balanced * 0.9, balanced)
            for rent in (0.0, 0.1, 0.3, 0.9)
        ]
        binding = starved[at.astype(np.int64)]
        worth = float((self.read_slow - self.read_fast)[1]) / self.unit
        trials.append(Knots(at, weight, np.concatenate([np.where(binding, 0.0, balanced), np.where(binding, worth, 0.0)])))
        return max(trials, key=lambda knots: self.evaluate(knots)[0])

    def fitted(self, prices: Prices) -> Knots:
        """Some prices, of as many steps or others, as nearly as a few knots describe them."""
        layers, turns, steps = self.problem.layers.count, self.problem.layers.turns, len(prices.rho)
        per_turn = turns / steps
        theta = _over_turns(prices.rho[:, self.ends[0]] * self.rates[0], turns) * per_turn
        rent = _over_turns(prices.rent[:-1, self.fast], turns) * (per_turn * layers * self.problem.block_bytes / self.unit)
        profile = np.stack([np.clip(theta, 0.0, 1.0), np.clip(rent, 0.0, _MOST_RENT)])
        at = _bends(profile)
        return Knots(at, interpolation(at, turns), profile[:, at.astype(np.int64)].ravel())

    def _starved(self) -> npt.NDArray[np.bool_]:
        """bool[N]: whether the fast tier has less room than the best split would serve from it."""
        # both ends of the price take equally long: fixed + (reads - best) slow + best fast on either
        ahead = self.fixed[:, 1] - self.fixed[:, 0] + self.reads * (self.read_slow[1] - self.read_slow[0])
        per_read = (self.read_slow[1] - self.read_fast[1]) + (self.read_fast[0] - self.read_slow[0])
        return np.asarray(ahead > self.problem.room * per_read)

    def raised(self, knots: Knots, *, rounds: int, tolerance: float, limits: Limits) -> tuple[Knots, Point, Float64]:
        """(better knots at the same places, how they were found, seconds of each turn).

        The seconds are what the mix of cheapest paths that cannot be bettered by other knots costs at these prices, rents left
        out: at the best prices the time of a turn in the relaxation.
        """
        count, loads = len(knots.at), list[Float64]()
        high = np.repeat([1.0, _MOST_RENT], count)

        def look(x: Float64) -> tuple[float, Float64]:
            value, slope, load = self._look(Knots(knots.at, knots.weight, x))
            loads.append(load)
            return value, slope

        best = maximise(
            look,
            knots.value,
            np.zeros(2 * count),
            high,
            rounds=rounds,
            tolerance=tolerance,
            limits=limits,
        )
        better = Knots(knots.at, knots.weight, best.x)
        load = sum(part * each for part, each in zip(best.weight.tolist(), loads, strict=True))
        return better, best, _seconds(better, load)

    def prices(self, knots: Knots) -> Prices:
        """The prices of every step and state, not yet legal by a rounding error."""
        layers, turns = self.problem.layers.count, self.problem.layers.turns
        theta = np.repeat(knots.theta, layers)
        rho = np.zeros((layers * turns, len(self.problem.memory.rates)))
        rho[:, self.ends[0]] += theta / self.rates[0]
        rho[:, self.ends[1]] += (1.0 - theta) / self.rates[1]
        rent = np.zeros((layers * turns + 1, 2))
        rent[:-1:layers, self.fast] = knots.rent * self.unit / self.problem.block_bytes
        return Prices(rho, rent)

    def worths(self, knots: Knots) -> Worths:
        """What a read from the fast tier saves, what a store costs, and rents, per block and turn."""
        theta, rent = knots.theta, knots.rent * self.unit
        share = np.stack([theta, 1.0 - theta], axis=1)
        write = np.ascontiguousarray(share @ self.write_fast)
        gain = np.maximum(share @ (self.read_slow - self.read_fast), LEAST_GAIN * write)
        gains = np.concatenate([[0.0], np.cumsum(gain)])
        rents = np.concatenate([[0.0], np.cumsum(np.maximum(rent, LEAST_RENT * write))])
        return Worths(gain, write, gains, rents, theta, rent)


def _pieces(part: LayerRuns, count: int) -> list[tuple[LayerRuns, slice, slice]]:
    """The blocks of a part of a sample in so many pieces, as what they take of ``birth`` and of ``start``."""
    edges = np.linspace(0, part.num_blocks, count + 1).astype(np.int64).tolist()
    return [(part, slice(low, high), slice(low, high + 1)) for low, high in pairwise(edges)]


def _seconds(knots: Knots, load: Float64) -> Float64:
    """float64[N]: what the loads of turns on either resource cost at these prices."""
    seconds: Float64 = (np.stack([knots.theta, 1.0 - knots.theta], axis=1) * load).sum(axis=1)
    return seconds


def _bottleneck(rates: npt.NDArray[np.int64], load: npt.NDArray[np.int64]) -> int:
    """The resource that limits an operation with this load row."""
    speed = np.where(load > 0, rates / np.maximum(1, load), np.inf)
    return int(np.argmin(speed))


def _over_turns(values: Float64, turns: int) -> Float64:
    """float64[turns]: values of any number of steps, summed over as many stretches of equal length."""
    ends = np.linspace(0.0, len(values), turns + 1)
    return np.diff(np.interp(ends, np.arange(len(values) + 1), np.concatenate([[0.0], np.cumsum(values)])))


def _bends(profile: Float64) -> Float64:
    """Turns between which the rows of a profile are nearly straight, its ends among them."""
    turns = np.arange(profile.shape[1], dtype=np.float64)
    at = np.unique(turns[[0, -1]])
    while len(at) < _FITTED:
        off = np.abs(profile - [np.interp(turns, at, row[at.astype(np.int64)]) for row in profile]).max(axis=0)
        if off.max() <= _LEAST_CHANGE:
            break
        at = np.union1d(at, float(off.argmax()))
    return at


def knot_places(turns: int, count: int) -> Float64:
    """About ``count`` places in 0 .. turns - 1: even in the middle, at doubling distances from both ends."""
    last = turns - 1
    even = np.linspace(0, last, count)
    near = 2.0 ** np.arange(0, max(1, int(np.log2(max(1.0, last / count)))) + 1) - 1
    return np.unique(np.clip(np.rint(np.concatenate([even, near, last - near])), 0, last))


def interpolation(at: Float64, turns: int) -> Float64:
    """float64[turns, K]: weights of the knots at each turn; rows sum to 1."""
    turn = np.arange(turns, dtype=np.float64)
    weight = np.zeros((turns, len(at)))
    if len(at) == 1:
        weight[:, 0] = 1.0
        return weight
    left = np.clip(np.searchsorted(at, turn, side="right") - 1, 0, len(at) - 2)
    part = (turn - at[left]) / (at[left + 1] - at[left])
    weight[np.arange(turns), left] = 1.0 - part
    weight[np.arange(turns), left + 1] += part
    return weight
