"""Shortest paths of all blocks at integer prices, exactly: the sum over blocks in D (problem statement, section 4).

Written for the verifier alone: numpy and Python integers, nothing shared with the code that finds bounds. A block's state is
the set of tiers that hold it; a step is a min-plus matrix over these sets (:mod:`placement_opt.certify.priced`). Costs are per
byte of a block, or, where operations are paid for by the block, per block of its size; in units of a quantum over the trace's
share base, so that a read of a share stays an integer.

Time is walked in windows. Within one, the k-th reads of all blocks are served at once; the idle steps between two reads are two
lookups in a disjoint sparse table of min-plus products. At the end of a window what every block has paid for certain is moved
into a Python integer, so 64-bit numbers have to hold the costs of one window only: its length is chosen so that they provably
do, and where not even a single step fits, the same lines run on Python integers.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.certify.parts import Part, parts, step_costs
from placement_opt.certify.priced import Priced, Sets, price, price_turns
from placement_opt.certify.rows import Exact
from placement_opt.instance.instance import Instance

#: Tier sets beyond which tables would not fit (seven tiers and home under the inclusive rule, seven under free and cache).
MOST_SETS = 128
#: Costs of one window, and of what a block carries into it, stay below this each; "impossible" costs _NEVER.
_ROOM = 2**59
_NEVER = 2**61
#: What has cost a block so much more than its cheapest set is taken to have cost that: no schedule is offered less.
_DEAREST = 2**60
_WINDOW = 4096
_TABLE_ENTRIES = 2**22
_READS = 2**21
_AT_ONCE = 2**18
#: Position of the highest bit of a number below ``_WINDOW``.
_HIGHEST = np.array([max(0, number.bit_length() - 1) for number in range(_WINDOW)])


def tier_sets(instance: Instance) -> Sets:
    """The sets that the residency rule allows; of more than ``MOST_SETS``, those of a relaxation that are no more.

    In the relaxation every block lies in the tiers that are read slowest at all times: it pays rent there only for the share
    that it reads, at the state at which it reads it, and for a store, the cheapest, only if it is born into none of the
    others (a cache stores it nowhere). No schedule is offered less.
    """
    tiers = range(instance.num_tiers)
    if instance.residency == "exclusive":
        return Sets([(k,) for k in tiers])
    home = (instance.home,) if instance.inclusive else ()
    free, always = [k for k in tiers if k not in home], []
    for k in sorted(free, key=lambda k: (-_read_s(instance, k), k)):
        if _count(free, instance) > MOST_SETS:
            free.remove(k)
            always.append(k)
    parts = itertools.chain.from_iterable(itertools.combinations(free, n) for n in range(len(free) + 1))
    found = [tuple(sorted((*part, *home, *always))) for part in parts]
    forgets = instance.residency == "cache"
    return Sets([held for held in found if held or forgets], tuple(always), forgets)


def _count(free: list[int], instance: Instance) -> int:
    """Sets of these tiers, the empty one too where there are others that hold the block, or none need."""
    return int(2 ** len(free)) - (len(free) == instance.num_tiers and instance.residency != "cache")


def _read_s(instance: Instance, tier: int) -> Fraction:
    """Seconds that a byte read from a tier takes, alone."""
    loads, rates = instance.memory.read[tier].tolist(), instance.memory.rates.tolist()
    return max(Fraction(load, rate) for load, rate in zip(loads, rates, strict=True))


def paths_total(instance: Instance, rho: Int64, rent: Int64, counted: Sequence[int] = (), *, turns: bool = False) -> int:
    """``sum_b SP_b`` at integer prices, in units of the quantum over the share base.

    Parameters
    ----------
    rho
        int64[T, R] >= 0: price of a unit of load on each resource during each step, in quanta.
    rent
        int64[T + 1, K] >= 0: rent of a byte held in each tier at each state, in quanta.
    counted
        M integers >= 0 below 2**63: price of a part of each meter that the instance uses, whatever the step, in quanta.
    turns
        Whether each step is a turn of a layer among others (:func:`placement_opt.certify.priced.price_turns`).
    """
    sets = tier_sets(instance)
    if len(counted):
        rho = np.hstack([rho, np.tile(np.array(counted, dtype=np.int64), (len(rho), 1))])
    return sum(_part_total(part, sets, rho, rent, turns=turns) for part in parts(instance))


def _part_total(part: Part, sets: Sets, rho: Int64, rent: Int64, *, turns: bool) -> int:
    most = step_costs(part, sets, rho, rent)
    small = max(most) <= _ROOM
    walk = _Walk(part, sets, np.dtype(np.int64 if small else object), _NEVER if small else 1 + sum(most))
    walk.start(rent[0])
    for low, high in _windows(part, most, len(sets.held), small):
        steps, states = rho[low:high].astype(walk.dtype), rent[low : high + 1].astype(walk.dtype)
        walk.through(low, high, (price_turns if turns else price)(part.rows, sets, steps, states))
    return walk.total


def _windows(part: Part, most: list[int], sets: int, small: bool) -> Iterator[tuple[int, int]]:
    """Consecutive ranges of steps: few enough entries in the table, few enough reads, costs that stay small together."""
    longest, indptr, low = _WINDOW, part.indptr, 0
    while longest > 1 and longest * longest.bit_length() * sets * sets > _TABLE_ENTRIES:
        longest //= 2
    while low < part.num_steps:
        high, cost = low, 0
        while high < min(part.num_steps, low + longest):
            cost += most[high]
            if high > low and ((small and cost > _ROOM) or indptr[high + 1] - indptr[low] > _READS):
                break
            high += 1
        yield low, high
        low = high


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
    """All blocks on their way through time; ``total`` is what they have paid for certain, times their weights.

    ``cost`` [S, n]: what each block has paid beyond that, by the set it lies in now; ``never`` marks what cannot be and is more
    than anything that can.
    """

    def __init__(self, part: Part, sets: Sets, dtype: np.dtype[Any], never: int) -> None:
        self.part, self.sets, self.dtype, self._never = part, sets, dtype, never
        self.total = 0
        self.cost: Exact = np.zeros((len(sets.held), len(part.weight)), dtype=dtype)
        self._scale = part.share_base

    def start(self, rent: Int64) -> None:
        """State 0: every initial block in any set, or in the given one."""
        ids = np.flatnonzero(self.part.first == 0)
        initial = self.part.initial
        tracked = [k for k in range(len(rent)) if k not in self.sets.always]
        for i, held in enumerate(self.sets.held):
            self.cost[i, ids] = self._scale * self.part.rows.size * sum(int(rent[k]) for k in held if k in tracked)
            if initial is not None:
                wanted = np.zeros((len(rent), 1), dtype=bool)
                wanted[list(held)] = True
                self.cost[i, ids[(initial[:, ids] != wanted)[tracked].any(axis=0)]] = self._never

    def through(self, low: int, high: int, priced: Priced) -> None:
        """Carry all blocks over the steps low..high - 1, from state low to state high or to their last state."""
        first, last = self.part.first, self.part.last
        born = np.flatnonzero((first > low) & (first <= high))
        self.cost[:, born] = self._scale * priced.born[:, first[born] - low - 1]
        alive = np.flatnonzero((first <= high) & (last >= low))
        reads = _Reads(self.part, low, high, alive)
        ids = reads.ids
        now, end = np.maximum(first[ids], low) - low, np.minimum(last[ids], high) - low
        step = self._scale * priced.idle
        step[priced.no_idle] = self._never
        idle = _Idle(step, self._never)
        cost = self.cost[:, ids]
        now = self._serve(cost, reads, now, idle, priced)
        one, two = idle.entries(now, end)
        _carry(cost, idle.table, one)
        _carry(cost, idle.table, two)
        self._settle(cost, ids, reads, priced)
        over = last[ids] < high if high < self.part.num_steps else np.ones(len(ids), dtype=bool)
        self.cost[:, ids[~over]] = cost[:, ~over]

    def _serve(self, cost: Exact, reads: _Reads, now: Int64, idle: _Idle, priced: Priced) -> Int64:
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
                waits = np.flatnonzero(entries != idle.nothing)
                if len(waits):
                    waiting = part[:, waits]
                    _carry(waiting, idle.table, entries[waits])
                    part[:, waits] = waiting
            self._read(part, priced, reads.step[now_read], None if reads.share is None else reads.share[now_read])
        return leave

    def _read(self, cost: Exact, priced: Priced, step: Int64, share: Int64 | None) -> None:
        """cost [S, n] := cost (min, +) the matrix of a read of each column at a step: busy for its share, idle for the rest."""
        width, scale = max(1, _AT_ONCE // len(cost) ** 2), self._scale
        for low in range(0, len(step), width):
            part = slice(low, low + width)
            paid = priced.busy[:, :, step[part]]
            if share is not None:
                paid = share[part] * paid + (scale - share[part]) * priced.idle[:, :, step[part]]
                paid[priced.no_idle[:, :, None] & (share[part] < scale)] = self._never
            paid[priced.no_busy] = self._never
            cost[:, part] = (cost[:, None, part] + paid).min(axis=0)

    def _settle(self, cost: Exact, ids: Int64, reads: _Reads, priced: Priced) -> None:
        """Book what every block has paid for certain; a read in a block's last state is paid without moving on."""
        share = 1 if reads.last_share is None else reads.last_share
        cost[:, reads.last_column] += share * priced.serve[:, reads.last_step]
        paid = cost.min(axis=0)
        never = cost >= self._never
        cost -= paid
        if priced.no_idle.any():  # otherwise one step leads from any set to any, and no set is far behind
            if self.dtype != object:
                np.minimum(cost, _DEAREST, out=cost)
            cost[never] = self._never
        self.total += sum(map(operator.mul, self.part.weight[ids].tolist(), paid.tolist()))


class _Reads:
    """The reads of a window by block; the blocks with most reads first.

    ``ids`` int64[n]: blocks; ``count``, ``start`` int64[n]: how many reads each has and where they begin in ``step`` (int64,
    counted from the window's start, ascending for each block) and ``share`` (numerators, None where all reads are whole).
    ``last_column``, ``last_step``, ``last_share``: the reads of blocks in their last state, apart from the others.
    """

    def __init__(self, part: Part, low: int, high: int, alive: Int64) -> None:
        rows = slice(int(part.indptr[low]), int(part.indptr[high]))
        block = part.blocks[rows]
        step = np.repeat(np.arange(high - low), np.diff(part.indptr[low : high + 1]))
        share = None if part.shares is None else part.shares[rows].astype(np.int64)
        moving = part.last[block] > step + low
        count = np.bincount(block[moving], minlength=len(part.weight))[alive]
        rank = np.argsort(-count, kind="stable")
        self.ids, self.count = alive[rank], count[rank]
        self.start = np.cumsum(self.count) - self.count
        column = np.zeros(len(part.weight), dtype=np.int64)
        column[self.ids] = np.arange(len(self.ids))
        at = column[block]
        order = np.flatnonzero(moving)
        order = order[np.argsort(at[order], kind="stable")]
        self.step, self.share = step[order], None if share is None else share[order]
        self.last_column, self.last_step = at[~moving], step[~moving]
        self.last_share = None if share is None else share[~moving]


def _carry(cost: Exact, table: Exact, entry: Int64) -> None:
    """cost [S, n] := cost (min, +) a matrix for each column, ``table[:, :, entry]``."""
    width = max(1, _AT_ONCE // len(cost) ** 2)
    for low in range(0, len(entry), width):
        part = slice(low, low + width)
        cost[:, part] = (cost[:, None, part] + table[:, :, entry[part]]).min(axis=0)
