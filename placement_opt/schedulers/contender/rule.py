"""Prices from the past, life tables from the past."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Flags, Float64, Int64
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.base import cache_tiers
from placement_opt.schedulers.contender.life import Life
from placement_opt.schedulers.hierarchy.hierarchy import NOTHING, Hierarchy

_ONE = 2**40  # of a key: one read
_FINE = 2**20  # of a key: what values are told apart by; within it those read longer ago go first
_POWER = 4.0  # how much more the price of a resource is that is used longer
_LOW = 1e-3  # of lower tiers, reads a step: what is filled later has its rent within some steps
_HIGHEST = 0.5  # rent in reads a step; at 1, what is certain to be read is worth no more than nothing


class Rule:
    """Keep what saves most for its room; bring in what saves more than its write and what makes way.

    A block's value is what its being in the fastest tier rather than not is expected to save, in reads, less the rent of the
    room (:mod:`placement_opt.schedulers.contender.life`); a key of :class:`Hierarchy`, in which all layers compete. A block
    read or produced is admitted at the fastest level whose write, at the average prices of the past, it earns back, where
    blocks worth less than it is after paying for that make way. A resource's price at a step grows with the fourth power of
    how long it is used when all is read from the fastest copy: near balance between two of them both have a price, and
    promotions that save nothing are not made. Rent rises while the least of what the full fastest tier holds is worth more
    than nothing, else falls; slower tiers have none of their own.

    A block that has to lie somewhere (exclusive, free) pays only for what a write costs beyond that to the slowest tier.
    Under the rule cache what is not worth any write is stored nowhere. Loads by the call are left out of prices. A free
    start holds the newest part of each layer's first reads. With layers a block's clock counts the steps of its layer.

    Parameters
    ----------
    memory
        Steps over which prices are averaged.
    """

    def __init__(self, memory: float) -> None:
        self._memory = memory

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        from placement_opt.schedulers.contender import life_kernels

        self._kernels, self._setting = life_kernels, setting
        self._caches = Hierarchy(setting, by_layer=False, shares=False)
        self._life = Life(setting)
        self._order = cache_tiers(setting)
        self._rate = setting.memory.rates.astype(np.float64)
        self._table = setting.memory.operations.per_byte.astype(np.float64)
        self._seen = 0
        self._moved = np.zeros(len(self._rate))
        self._copy = np.full(len(self._order), np.inf)  # of each level, what a copy there takes, in reads saved
        self._price: npt.NDArray[np.float64] | None = None
        keys = np.arange(len(setting.size), dtype=np.int64) - 2 * _ONE
        if any(len(ids) for ids in first_reads):
            self._life.begin(float(sum(setting.size[ids].sum() for ids in first_reads)) / len(first_reads))
        for ids in first_reads:
            # As if just read: layers are treated alike, the newest of each first.
            column = np.arange(len(ids)) * life_kernels.COLUMNS // max(1, len(ids))
            keys[ids] = _keys(self._life.fresh[0, column]) + np.arange(len(ids)) * 1024 // max(1, len(ids))
        return self._caches.start(keys[setting.initial_blocks])

    def step(self, view: View) -> Moves:
        life, setting = self._life, self._setting
        turned, values = life.step(view)
        read_values, birth_values = life.values(view.reads), np.full(len(view.births), life.fresh[0, -1])
        self._caches.begin(view, self._keyed(view.reads, read_values), self._keyed(view.births, birth_values))
        if life.solved:
            turned = self._held()
            values = life.values(turned)
        self._caches.rekey(turned, self._keyed(turned, values))
        self._learn_prices(view)
        away = np.flatnonzero(self._caches.absent(view.reads))
        wanted = np.concatenate([view.reads[away], view.births]).astype(np.int64)
        value = np.concatenate([read_values[away], birth_values])
        lower = [life.values(wanted, at) for at in range(1, len(life.rent))]
        must = np.zeros(len(wanted), dtype=bool)
        must[len(away) :] = setting.residency in ("exclusive", "free")
        level, bar = self._choose(value, lower, must)
        if self._caches.forgets:
            self._bar(np.concatenate([view.reads, view.births, turned]).astype(np.int64))
        level[must] = np.minimum(level[must], len(self._order) - 1)
        go = level < len(self._order)
        order = np.lexsort((wanted[go], value[go]))[::-1]
        self._caches.admit(wanted[go][order], bar[go][order], level[go][order])
        self._learn_rent()
        moves = self._caches.moves()
        self._note(moves)
        return moves

    def _keyed(self, ids: Ids, values: npt.NDArray[np.float64]) -> Int64:
        """Keys of blocks that have these values: of equal ones, that read last is the higher."""
        return _keys(values) + np.clip(self._life.last[ids], 0, _FINE - 1)

    def _note(self, moves: Moves) -> None:
        """What a step's moves load, for the price of the next."""
        tiers, size = self._setting.memory.operations.tiers, self._setting.size
        self._moved = np.zeros(len(self._rate))
        for tier, ids in moves.store:
            self._moved += size[ids].sum() * self._table[tier]
        for source, tier, ids in moves.fetch:
            self._moved += size[ids].sum() * self._table[tiers + source * tiers + tier]

    def _bar(self, ids: Ids) -> None:
        """Keep blocks that make way from levels that are not worth a copy, by their values there."""
        barred = np.zeros(len(ids), dtype=np.int64)
        for at in range(1, len(self._order)):
            barred |= (self._life.values(ids, at) <= self._copy[at]).astype(np.int64) << at
        self._caches.bar(ids, barred)

    def _choose(self, value: Float64, lower: list[Float64], must: Flags) -> tuple[Int64, Int64]:
        """The fastest level worth its write for each block, and the key below which residents make way for it.

        ``value``: in the fastest tier; ``lower``: at the levels below, where blocks may lie nowhere.
        """
        assert self._price is not None
        setting, levels = self._setting, len(self._order)
        level, bar = np.full(len(value), levels), np.full(len(value), NOTHING)
        cost = self._table @ self._price
        tiers = setting.memory.operations.tiers
        least = self._least()
        serve = cost[tiers + tiers * tiers : 2 * tiers + tiers * tiers]
        base = self._without(cost)
        for at in range(levels - 1, -1, -1):
            tier = self._order[at]
            saved, write = base - serve[tier], cost[tier]
            self._copy[at] = cost[tiers + self._order[at - 1] * tiers + tier] / saved if at and saved > 0 else np.inf
            if setting.residency == "exclusive" and at + 1 < levels:
                write += cost[tiers + tier * tiers + self._order[at + 1]]
            if saved <= 0:
                if at < len(self._life.write):
                    self._life.write[at] = 1e3
                continue
            if at < len(self._life.write):
                self._life.write[at] = min(write / saved, 1e3)
            # What has to lie somewhere is written somewhere in any case.
            own = lower[at - 1] if at and lower else value
            worth = own - np.where(must, write - cost[self._order[-1]], write) / saved
            good = worth > least[at]
            if least[at] == 0.0 and cost[tier] <= cost[self._order[-1]]:
                good |= must  # there is room, and writing elsewhere costs no less
            level[good], bar[good] = at, _keys((worth if own is value else value)[good])
        return level, bar

    def _without(self, cost: npt.NDArray[np.float64]) -> float:
        """Seconds a byte read takes that lies in no tier of the hierarchy but the slowest."""
        setting = self._setting
        operations = setting.memory.operations
        tiers = operations.tiers
        if setting.residency == "cache":
            free = [row for row in operations.serving if operations.source[row] < 0]
            if free:
                return float(min(cost[row] for row in free))
        last = setting.home if setting.residency == "inclusive" else self._order[-1]
        return float(cost[tiers + tiers * tiers + last])

    def _learn_prices(self, view: View) -> None:
        """The resource that binds when all is read from where it is fastest gets the price of this step."""
        operations, setting = self._setting.memory.operations, self._setting
        tiers = operations.tiers
        weight = setting.size[view.reads].astype(np.float64)
        if view.shares is not None:
            weight = weight * view.shares / setting.share_base
        order = np.array(setting.memory.by_speed, dtype=np.int64)
        read = self._kernels.loads(view.resident, order, view.reads, weight)
        first = tiers + tiers * tiers
        load = view.fixed + self._moved + read[:-1] @ self._table[first : first + tiers]
        outside = [row for row in operations.serving if operations.source[row] < 0]
        if outside:
            row = min(outside, key=lambda one: float((self._table[one] / self._rate).max()))
            load = load + read[-1] * self._table[row]
        used = load / self._rate
        if not used.any():
            used = np.ones(len(load))
        weights = (used / used.max()) ** _POWER
        now = weights / weights.sum() / self._rate
        self._seen += 1
        self._price = now if self._price is None else self._price + (now - self._price) / min(self._seen, self._memory)

    def _learn_rent(self) -> None:
        """Up where the least of what a full tier holds is worth more than its rent, else down, and fast where there is room."""
        if not self._order:
            return
        rent = self._life.rent
        rises = np.array(self._least(ever=True)[: len(rent)]) > 0
        room = np.array([at > 0 and not self._full(tier) for at, tier in enumerate(self._order[: len(rent)])])
        least = np.where(np.arange(len(rent)) > 0, _LOW, 1e-6)
        rent[:] = np.clip(rent * np.where(rises, 1.05, np.where(room, 0.5, 1 / 1.05)), least, _HIGHEST)

    def _held(self) -> Ids:
        """Blocks that have a place in some tier and were seen."""
        ids = self._caches.held
        return ids[self._life.last[ids] >= 0]

    def _full(self, tier: int) -> bool:
        """Whether there is hardly any room left."""
        return self._caches.room(tier) < int(self._setting.capacity[tier]) // 50 + 1

    def _value(self, block: int, at: int) -> float:
        """Of a block by its key, but at lower levels by what it would be there."""
        if at and at < len(self._life.rent):
            return float(self._life.values(np.array([block]), at)[0])
        return self._caches.key(block) / _ONE

    def _least(self, ever: bool = False) -> list[float]:
        """The least value in each tier that is full; at most 0, which is the least worth bringing in where there is room."""
        found = []
        for at, tier in enumerate(self._order):
            least = self._caches.lowest_at(tier)
            value = self._value(least, at) if least is not None and self._full(tier) else 0.0
            found.append(value if ever else min(0.0, value))
        return found


def _keys(values: npt.NDArray[np.float64]) -> Int64:
    return np.round(values * (_ONE // _FINE)).astype(np.int64) * _FINE
