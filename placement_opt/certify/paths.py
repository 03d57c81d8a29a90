"""Shortest paths of all blocks at integer prices, exactly: the sum over blocks in D (problem statement, section 4).

Written for the verifier alone: numpy and Python integers, nothing shared with the code that finds bounds. A block's state is
the set of tiers that hold it; a step is a min-plus matrix over these sets. Costs are per byte of a block, in units of a quantum
over the trace's share base, so that a read of a share stays an integer.

Time is walked in windows. Within one, the k-th reads of all blocks are served at once; the idle steps between two reads are two
lookups in a disjoint sparse table of min-plus products. At the end of a window what every block has paid for certain is moved
into a Python integer, so 64-bit numbers have to hold the costs of one window only: its length is chosen so that they provably
do, and where not even a single step fits, the same lines run on Python integers.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.instance.instance import Instance

#: Exact integers: int64 where a bound on every sum is proven, Python integers (dtype object) elsewhere.
Exact = npt.NDArray[Any]
Int64 = npt.NDArray[np.int64]

#: Tier sets beyond which tables would not fit (seven tiers and home under the inclusive rule, seven under the free one).
MOST_SETS = 128
#: Costs of one window, and of what a block carries into it, stay below this each; "impossible" costs _NEVER.
_ROOM = 2**59
_NEVER = 2**61
_WINDOW = 4096
_TABLE_ENTRIES = 2**22
_READS = 2**21
_AT_ONCE = 2**18
#: Position of the highest bit of a number below ``_WINDOW``.
_HIGHEST = np.array([max(0, number.bit_length() - 1) for number in range(_WINDOW)])


@dataclass(frozen=True)
class Sets:
    """The sets of tiers in which a block may lie, ``held``, and the tiers that all of them contain, ``always``."""

    held: list[tuple[int, ...]]
    always: tuple[int, ...] = ()


def tier_sets(instance: Instance) -> Sets:
    """The sets that the residency rule allows; of more than ``MOST_SETS``, those of a relaxation that are no more.

    In the relaxation every block lies in the tiers that are read slowest at all times: it pays rent there only for the share
    that it reads, at the state at which it reads it, and for a store, the cheapest, only if it is born into none of the
    others. No schedule is offered less.
    """
    tiers = range(instance.num_tiers)
    if instance.residency == "exclusive":
        return Sets([(k,) for k in tiers])
    home = (instance.home,) if instance.inclusive else ()
    free, always = [k for k in tiers if k not in home], []
    for k in sorted(free, key=lambda k: (-_read_s(instance, k), k)):
        if _count(free, tiers) > MOST_SETS:
            free.remove(k)
            always.append(k)
    parts = itertools.chain.from_iterable(itertools.combinations(free, n) for n in range(len(free) + 1))
    found = [tuple(sorted((*part, *home, *always))) for part in parts]
    return Sets([held for held in found if held], tuple(always))


def _count(free: list[int], tiers: range) -> int:
    """Sets of these tiers, the empty one too where there are others that hold the block."""
    return int(2 ** len(free)) - (len(free) == len(tiers))


def _read_s(instance: Instance, tier: int) -> Fraction:
    """Seconds that a byte read from a tier takes, alone."""
    loads, rates = instance.memory.read[tier].tolist(), instance.memory.rates.tolist()
    return max(Fraction(load, rate) for load, rate in zip(loads, rates, strict=True))


def paths_total(instance: Instance, rho: Int64, rent: Int64) -> int:
    """``sum_b s_b SP_b`` at integer prices, in units of the quantum over the share base.

    Parameters
    ----------
    rho
        int64[T, R] >= 0: price of a byte of load on each resource during each step, in quanta.
    rent
        int64[T + 1, K] >= 0: rent of a byte held in each tier at each state, in quanta.
    """
    sets, most = tier_sets(instance), _step_costs(instance, rho, rent)
    small = max(most) <= _ROOM
    walk = _Walk(instance, sets, np.dtype(np.int64 if small else object), _NEVER if small else 1 + sum(most))
    walk.start(rent[0])
    for low, high in _windows(instance, most, len(sets.held), small):
        steps, states = rho[low:high].astype(walk.dtype), rent[low : high + 1].astype(walk.dtype)
        walk.through(low, high, _price(instance, sets, steps, states))
    return walk.total


def as_exact(array: Int64, largest_sum: int) -> Exact:
    """The array itself where sums up to ``largest_sum`` fit 64 bits, otherwise as Python integers."""
    return array if largest_sum < 2**62 else array.astype(object)


def _step_costs(instance: Instance, rho: Int64, rent: Int64) -> list[int]:
    """For each step at least what one byte can pay in it, times the share base; the last entry is for the start."""
    memory, tiers = instance.memory, instance.num_tiers
    loads = np.concatenate([memory.read, memory.write, memory.copy.reshape(-1, instance.num_resources)]).max(axis=0)
    dearest = as_exact(rho, int(rho.max(initial=0)) * sum(loads.tolist())) @ loads  # no operation costs more, per step
    rents = as_exact(rent, int(rent.max(initial=0)) * tiers).sum(axis=1).tolist()
    scale, steps = instance.share_base, zip(dearest.tolist(), rents[1:], strict=True)
    # a read, and a copy or store into every other tier; or, at birth, a store into every tier
    return [scale * ((1 + tiers) * price + held) for price, held in steps] + [scale * rents[0]]


def _windows(instance: Instance, most: list[int], sets: int, small: bool) -> Iterator[tuple[int, int]]:
    """Consecutive ranges of steps: few enough entries in the table, few enough reads, costs that stay small together."""
    longest, indptr, low = _WINDOW, instance.trace.indptr, 0
    while longest > 1 and longest * longest.bit_length() * sets * sets > _TABLE_ENTRIES:
        longest //= 2
    while low < instance.num_steps:
        high, cost = low, 0
        while high < min(instance.num_steps, low + longest):
            cost += most[high]
            if high > low and ((small and cost > _ROOM) or indptr[high + 1] - indptr[low] > _READS):
                break
            high += 1
        yield low, high
        low = high


@dataclass(frozen=True, eq=False)
class _Priced:
    """What one byte pays in the w steps of a window.

    ``serve`` [S, w]: a read from each set; ``idle`` and ``busy`` [S, S, w]: from set i at state t to set j at state t + 1
    without and with a whole read at t, rent of j included; ``born`` [S, w]: produced at t and stored in each set.
    """

    serve: Exact
    idle: Exact
    busy: Exact
    born: Exact


def _price(instance: Instance, sets: Sets, rho: Exact, rent: Exact) -> _Priced:
    """Price the operations' loads; ``rho`` [w, R] of the window's steps, ``rent`` [w + 1, K] of its states."""
    memory, tiers = instance.memory, range(instance.num_tiers)
    read, write = (rho @ memory.read.T).T, (rho @ memory.write.T).T
    copy = [[rho @ memory.copy[j, k] for k in tiers] for j in tiers]
    for k in sets.always:
        read[k] = read[k] + rent[:-1, k]
    serve = np.array([read[list(held)].min(axis=0) for held in sets.held])
    tracked = [[k for k in held if k not in sets.always] for held in sets.held]
    rents = np.array([rent[1:, held].sum(axis=1) for held in tracked])
    born = rents + np.array([write[held].sum(axis=0) if held else write[list(sets.always)].min(axis=0) for held in tracked])
    idle = np.array([rents] * len(sets.held))
    busy = idle + serve[:, None]
    for i, held in enumerate(sets.held):
        for k in tiers:
            source = np.min([copy[j][k] for j in held], axis=0)
            cheaper = np.minimum(source, write[k])
            for j in (j for j, wanted in enumerate(sets.held) if k in wanted and k not in held):
                idle[i, j] += source
                busy[i, j] += cheaper
    return _Priced(serve, idle, busy, born)


def _times(a: Exact, b: Exact) -> Exact:
    """Min-plus products of n pairs of matrices [S, S, n]."""
    out: Exact = a[:, 0, None] + b[None, 0]
    for middle in range(1, len(a)):
        np.minimum(out, a[:, middle, None] + b[None, middle], out=out)
    return out


class _Idle:
    """Products of the idle steps low..high - 1 of a window, for any low <= high: two entries of one table.

    At level l, positions lie in aligned groups of 2**l. The table keeps for a position with bit l unset the product from it to
    the end of its group, otherwise the product from the start of its group to it. Two positions whose highest differing bit is
    l give, multiplied, everything between them. The last entry is the identity.
    """

    def __init__(self, step: Exact, never: int) -> None:
        self._width = step.shape[2]
        here = np.arange(self._width)
        before, after, levels = step, step, [step]
        for level in range(max(0, self._width - 1).bit_length() - 1):
            group = here >> level
            second = here[group & 1 == 1]
            first = here[(group & 1 == 0) & ((group + 1) << level < self._width)]
            # an incomplete last group ends early: no product through it to its end is asked for
            ends = np.minimum(((group[first] + 2) << level) - 1, self._width - 1)
            to_end, from_start = before[:, :, ends], before[:, :, (group[second] << level) - 1]
            before, after = before.copy(), after.copy()
            after[:, :, first] = _times(after[:, :, first], to_end)
            before[:, :, second] = _times(from_start, before[:, :, second])
            levels.append(np.where(here >> (level + 1) & 1, before, after))
        identity = np.full((len(step), len(step), 1), never, dtype=step.dtype)
        identity[range(len(step)), range(len(step))] = 0
        self.table = np.concatenate([*levels, identity], axis=2)
        self.nothing = self.table.shape[2] - 1

    def entries(self, low: Int64, high: Int64) -> Int64:
        """int64[2, n]: the two entries for each range; positions count from the start of the window."""
        last = high - 1
        level = _HIGHEST[np.where(last > low, low ^ last, 0)]
        one = np.where(last >= low, level * self._width + low, self.nothing)
        two = np.where(last > low, level * self._width + last, self.nothing)
        return np.array([one, two])


class _Walk:
    """All blocks on their way through time; ``total`` is what they have paid for certain, times their sizes.

    ``cost`` [S, B]: what each block has paid beyond that, by the set it lies in now; ``never`` marks what cannot be and is more
    than anything that can.
    """

    def __init__(self, instance: Instance, sets: Sets, dtype: np.dtype[Any], never: int) -> None:
        self.instance, self.sets, self.dtype, self._never = instance, sets, dtype, never
        self.total = 0
        self.cost: Exact = np.zeros((len(sets.held), instance.num_blocks), dtype=dtype)
        self._first, self._last = instance.first_state, instance.last_state
        self._scale = instance.share_base

    def start(self, rent: Int64) -> None:
        """State 0: every initial block in any set, or in the given one."""
        ids = np.flatnonzero(self._first == 0)
        initial = self.instance.initial
        tracked = [k for k in range(self.instance.num_tiers) if k not in self.sets.always]
        for i, held in enumerate(self.sets.held):
            self.cost[i, ids] = self._scale * sum(int(rent[k]) for k in held if k in tracked)
            if initial is not None:
                wanted = np.zeros((self.instance.num_tiers, 1), dtype=bool)
                wanted[list(held)] = True
                self.cost[i, ids[(initial[:, ids] != wanted)[tracked].any(axis=0)]] = self._never

    def through(self, low: int, high: int, priced: _Priced) -> None:
        """Carry all blocks over the steps low..high - 1, from state low to state high or to their last state."""
        born = np.flatnonzero((self._first > low) & (self._first <= high))
        self.cost[:, born] = self._scale * priced.born[:, self._first[born] - low - 1]
        alive = np.flatnonzero((self._first <= high) & (self._last >= low))
        reads = _Reads(self.instance, low, high, alive)
        ids = reads.ids
        now, end = np.maximum(self._first[ids], low) - low, np.minimum(self._last[ids], high) - low
        idle = _Idle(self._scale * priced.idle, self._never)
        cost = self.cost[:, ids]
        now = self._serve(cost, reads, now, idle, priced)
        one, two = idle.entries(now, end)
        _carry(cost, idle.table, one)
        _carry(cost, idle.table, two)
        self._settle(cost, ids, reads, priced)
        over = self._last[ids] < high if high < self.instance.num_steps else np.ones(len(ids), dtype=bool)
        self.cost[:, ids[~over]] = cost[:, ~over]

    def _serve(self, cost: Exact, reads: _Reads, now: Int64, idle: _Idle, priced: _Priced) -> Int64:
        """The k-th reads of all blocks at once, each after the idle steps before it; the states that the blocks are in then."""
        leave = now.copy()
        before = np.empty(len(reads.step), dtype=np.int64)
        before[1:] = reads.step[:-1] + 1
        some = reads.count > 0
        before[reads.start[some]] = now[some]
        leave[some] = reads.step[reads.start[some] + reads.count[some] - 1] + 1
        one, two = idle.entries(before, reads.step)
        deeper = len(reads.count) - np.cumsum(np.bincount(reads.count, minlength=1))  # blocks with more than k reads
        for k, width in enumerate(deeper[:-1].tolist()):
            now_read = reads.start[:width] + k
            part = cost[:, :width]
            for entries in (one[now_read], two[now_read]):
                if (entries != idle.nothing).any():
                    _carry(part, idle.table, entries)
            share = None if reads.share is None else reads.share[now_read]
            _carry(part, priced.busy, reads.step[now_read], priced.idle, share, self._scale)
        return leave

    def _settle(self, cost: Exact, ids: Int64, reads: _Reads, priced: _Priced) -> None:
        """Book what every block has paid for certain; a read in a block's last state is paid without moving on."""
        share = 1 if reads.last_share is None else reads.last_share
        cost[:, reads.last_column] += share * priced.serve[:, reads.last_step]
        paid = cost.min(axis=0)
        cost -= paid
        self.total += sum(map(operator.mul, self.instance.size[ids].tolist(), paid.tolist()))


class _Reads:
    """The reads of a window by block; the blocks with most reads first.

    ``ids`` int64[n]: blocks; ``count``, ``start`` int64[n]: how many reads each has and where they begin in ``step`` (int64,
    counted from the window's start, ascending for each block) and ``share`` (numerators, None where all reads are whole).
    ``last_column``, ``last_step``, ``last_share``: the reads of blocks in their last state, apart from the others.
    """

    def __init__(self, instance: Instance, low: int, high: int, alive: Int64) -> None:
        trace = instance.trace
        rows = slice(int(trace.indptr[low]), int(trace.indptr[high]))
        block = trace.blocks[rows]
        step = np.repeat(np.arange(high - low), np.diff(trace.indptr[low : high + 1]))
        share = None if trace.shares is None else trace.shares[rows].astype(np.int64)
        moving = instance.last_state[block] > step + low
        count = np.bincount(block[moving], minlength=instance.num_blocks)[alive]
        rank = np.argsort(-count, kind="stable")
        self.ids, self.count = alive[rank], count[rank]
        self.start = np.cumsum(self.count) - self.count
        column = np.zeros(instance.num_blocks, dtype=np.int64)
        column[self.ids] = np.arange(len(self.ids))
        at = column[block]
        order = np.flatnonzero(moving)
        order = order[np.argsort(at[order], kind="stable")]
        self.step, self.share = step[order], None if share is None else share[order]
        self.last_column, self.last_step = at[~moving], step[~moving]
        self.last_share = None if share is None else share[~moving]


def _carry(
    cost: Exact, table: Exact, entry: Int64, rest: Exact | None = None, share: Int64 | None = None, scale: int = 1
) -> None:
    """cost [S, n] := cost (min, +) a matrix for each column: ``table[:, :, entry]``, or of a part share / scale that and
    otherwise ``rest[:, :, entry]``, times the scale."""
    width = max(1, _AT_ONCE // len(cost) ** 2)
    for low in range(0, len(entry), width):
        part = slice(low, low + width)
        step = table[:, :, entry[part]]
        if share is not None and rest is not None:
            step = share[part] * step + (scale - share[part]) * rest[:, :, entry[part]]
        cost[:, part] = (cost[:, None, part] + step).min(axis=0)
