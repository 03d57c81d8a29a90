"""Ways through intervals: what the compact program has columns for, and which of them it begins with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Flags, Float64, Int64
from placement_opt.bounds.columns.kinds import Intervals
from placement_opt.bounds.programs.budget_rows import BudgetRows, column_scale
from placement_opt.bounds.programs.byte_loads import byte_loads, time_unit
from placement_opt.instance.instance import Instance
from placement_opt.instance.law import tier_sets

#: Kinds are taken to be likely up to this many times the room there is, and up to this many kinds.
_LIKELY, _ALL = 1.2, 3_000
#: Share of what is read whose kinds have a row for their count from the start.
_BUSY = 0.9


@dataclass(frozen=True, eq=False)
class Ways:
    """W ways through intervals, each one leg or several.

    Attributes
    ----------
    kind
        int64[W].
    start
        int64[W + 1]: legs of way w are ``start[w]:start[w + 1]``, in time's order.
    held, opens, closes
        int64[L]: position of the tier set that holds the block, first and last state of the leg.
    """

    kind: Int64
    start: Int64
    held: Int64
    opens: Int64
    closes: Int64

    def __len__(self) -> int:
        return len(self.kind)

    def joined(self, other: Ways) -> Ways:
        """These ways followed by others."""
        return Ways(
            np.concatenate([self.kind, other.kind]),
            np.concatenate([self.start, other.start[1:] + self.start[-1]]),
            np.concatenate([self.held, other.held]),
            np.concatenate([self.opens, other.opens]),
            np.concatenate([self.closes, other.closes]),
        )

    @property
    def owner(self) -> Int64:
        """int64[L]: the way of each leg."""
        return np.repeat(np.arange(len(self)), np.diff(self.start))


class Frame:
    """What every program of an instance shares: tier sets, units, loads, tiers that can be full, resources that can bind.

    Where nothing is decided a block lies in the set ``default``: the home tier alone, under the rule cache none. Of plain
    tables a read costs what reading from the home tier does, and what it costs less or more elsewhere; of others (``each``)
    every read is served by operations that have variables.
    """

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        memory = instance.memory
        self.bytes, self.each = byte_loads(instance), not memory.operations.plain
        self.always_brings = all(self.bytes.brings)
        self.masks = tier_sets(instance)
        self.has = (self.masks[:, None] >> np.arange(instance.num_tiers)) & 1 == 1
        self.default = self.set_of(0 if instance.forgets else 1 << instance.home)
        self.alone = self.has.sum(axis=1) == 1
        self.unit = float(np.median(instance.size))
        self.time_unit = time_unit(instance, self.unit)
        self.scale = column_scale(instance, self.unit, self.budgets(elastic=False))
        peak = int(instance.wanted_bytes.max())
        self.rooms = [k for k in range(instance.num_tiers) if instance.capacity[k] < peak]
        self.stores = [k for k in range(instance.num_tiers) if not (instance.inclusive and k == instance.home)]
        self.binding = binding(instance)
        self.copy_load = self._cheapest_copies()

    def budgets(self, *, elastic: bool) -> BudgetRows:
        """Rows and columns of meters and budgets."""
        return BudgetRows.of(self.instance, self.bytes, self.unit, self.time_unit, elastic=elastic)

    def set_of(self, mask: int) -> int:
        """The position of a set of tiers (bit mask)."""
        return int(np.flatnonzero(self.masks == mask)[0])

    def _cheapest_copies(self) -> Float64:
        """float64[C, S, K, R + M]: load of copying a byte into tier k from the member of set i that has it there soonest.

        0 for what is there already, and from the empty set, which nothing is copied from.
        """
        rates, tiers = self.instance.memory.rates, self.instance.num_tiers
        load = np.zeros((len(self.bytes), len(self.masks), tiers, self.bytes.row.shape[2]))
        for c, copy in enumerate(self.bytes.copy):
            each = copy[:, :, : len(rates)] / rates
            seconds = each.max(axis=2) + 1e-6 * each.sum(axis=2)
            for i, members in enumerate(self.has):
                inside = np.flatnonzero(members)
                for k in range(tiers) if len(inside) else ():
                    if not members[k]:
                        load[c, i, k] = copy[inside[np.argmin(seconds[inside, k])], k]
        return load

    def rest(self, intervals: Intervals) -> Int64:
        """int64[J]: the set in which blocks of each kind lie that take none of the columns."""
        if self.instance.forgets:
            return np.full(len(intervals), self.default)
        return np.where(intervals.begin > 0, self.slowest(intervals.begin), self.default)

    def slowest(self, begin: Int64) -> Int64:
        """The set of one tier to which blocks given in these sets (bit masks) may be brought down by dropping."""
        home, inclusive = self.instance.home, self.instance.inclusive
        slowest = np.full(1 << self.instance.num_tiers, -1)
        for k in self.instance.memory.by_speed:
            with_k = (np.arange(len(slowest)) >> k) & 1 == 1
            slowest[with_k] = self.set_of(1 << (home if inclusive else k))
        with_home = (np.arange(len(slowest)) >> home) & 1 == 1
        slowest[with_home] = self.set_of(1 << home)
        return slowest[begin]


def binding(instance: Instance) -> Int64:
    """Resources that no other resource is always at least as busy as."""
    memory = instance.memory
    load = np.concatenate([instance.loads.row.reshape(-1, len(memory.rates)), instance.fixed])
    busy = load / memory.rates
    kept: list[int] = []
    for r in range(len(memory.rates)):
        beaten = any(
            (busy[:, r] <= busy[:, q]).all() and (q in kept or (busy[:, r] < busy[:, q]).any())
            for q in range(len(memory.rates))
            if q != r
        )
        if not beaten:
            kept.append(r)
    return np.array(kept, dtype=np.int64)


def _likely(frame: Frame, intervals: Intervals) -> Flags:
    """bool[J]: kinds short enough to be held; of a large program the others wait until they pay.

    The room of all states together holds the shortest of them and hardly more.
    """
    instance = frame.instance
    length = np.maximum(0, intervals.closes - intervals.opens + 1)
    order = np.argsort(length, kind="stable")
    taken = np.cumsum((intervals.count * intervals.size * length.astype(np.float64))[order])
    room = float(instance.capacity[frame.rooms].sum()) * (instance.num_steps + 1)
    likely = np.zeros(len(intervals), dtype=bool)
    likely[order[: max(_ALL, int(np.searchsorted(taken, _LIKELY * room)) + 1)]] = True
    return likely


def simple_ways(frame: Frame, intervals: Intervals) -> Ways:
    """Holding in one set from beginning to end; and, where a given start must be left, moving at once."""
    instance, masks = frame.instance, frame.masks
    rest = frame.rest(intervals)
    lasting = (intervals.opens <= intervals.closes) & _likely(frame, intervals)
    reading = lasting & (intervals.share > 0)
    trailing = lasting & (intervals.share == 0) & (not (instance.inclusive or instance.forgets))
    kinds, sets = [], []
    few = frame.alone | ((frame.has.sum(axis=1) == 2) & frame.has[:, instance.home])  # more copies are priced in
    for s in np.flatnonzero(few):
        inside = (intervals.begin == 0) | (masks[s] & ~intervals.begin == 0)
        fits = (reading | (trailing & frame.alone[s])) & inside & (rest != s)
        kinds.append(np.flatnonzero(fits))
        sets.append(np.full(len(kinds[-1]), s))
    kind, held = np.concatenate(kinds), np.concatenate(sets)
    ways = Ways(kind, np.arange(len(kind) + 1), held, intervals.opens[kind], intervals.closes[kind])
    if instance.inclusive or instance.initial is None:
        return ways
    for s in np.flatnonzero(frame.alone):
        somewhere = (intervals.begin > 0) & (intervals.begin < 1 << instance.num_tiers)
        leaves = np.flatnonzero(somewhere & (masks[s] & intervals.begin == 0) & (intervals.closes > 0))
        opens = np.stack([np.zeros(len(leaves), dtype=np.int64), np.ones(len(leaves), dtype=np.int64)], axis=1)
        closes = np.stack([np.zeros(len(leaves), dtype=np.int64), intervals.closes[leaves]], axis=1)
        held = np.stack([frame.slowest(intervals.begin[leaves]), np.full(len(leaves), s)], axis=1)
        more = Ways(leaves, 2 * np.arange(len(leaves) + 1), held.ravel(), opens.ravel(), closes.ravel())
        ways = ways.joined(more)
    return ways


def busy_kinds(frame: Frame, intervals: Intervals) -> Int64:
    """With three tiers and more: the largest kinds, most of what is read, which would take more ways than they have blocks."""
    if frame.instance.num_tiers <= 2:
        return np.zeros(0, dtype=np.int64)
    amount = np.where(intervals.share > 0, intervals.count * intervals.size.astype(np.float64), 0.0)
    order = np.argsort(-amount, kind="stable")
    most = int(np.searchsorted(np.cumsum(amount[order]), _BUSY * amount.sum()))
    return np.sort(order[:most])
