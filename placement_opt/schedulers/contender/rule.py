"""Prices from the past, life tables from the past."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from placement_opt.base.arrays import Flags, Int64
from placement_opt.base.errors import ScheduleError
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View, cheapest_source
from placement_opt.play.simulate import read_only
from placement_opt.schedulers.base import cache_tiers
from placement_opt.schedulers.contender.life import EDGES, Life
from placement_opt.schedulers.hierarchy.transition import Masks, Sources, copies, pieces_at, stuck

_RULES = {"inclusive": 0, "exclusive": 1, "free": 2, "cache": 3}
_FINE = 2.0**20  # parts of a read by which values are told apart
_NEVER = -2.0  # reads that a block is worth that was never seen
_MOST_CHANGES = 2**16  # of one promotion


class Rule:
    """Keep what saves most for its room; bring in what saves more than its write and what makes way.

    A block's value is what its being in the fastest tier rather than not is expected to save, in reads, less the rent of the
    room (:mod:`placement_opt.schedulers.contender.life`); blocks in one state have one value, and of those the one that came
    into it first goes first (:mod:`placement_opt.schedulers.contender.shelves_kernels`), in all layers. A block
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
        from placement_opt.schedulers.contender import rule_kernels, shelves_kernels

        self._kernels, self._caches, self._setting = rule_kernels, shelves_kernels, setting
        self._order, self._home = cache_tiers(setting), setting.home if setting.residency == "inclusive" else -1
        self._sources = Sources(setting.memory)
        layers = setting.block_layer is not None and setting.num_layers > 1
        self._layer = setting.block_layer if layers else read_only(np.zeros(0, dtype=np.int32))
        levels = max(1, len(self._order)) if setting.residency == "cache" else 1
        room = float(setting.capacity[self._order[0]]) / setting.num_layers if self._order else 1.0
        self._life = Life(setting, levels, room)
        self._market()
        self._shelves(levels)
        if any(len(ids) for ids in first_reads):
            self._life.begin(float(sum(setting.size[ids].sum() for ids in first_reads)) / len(first_reads))
            for ids in first_reads:
                # As if just read: layers are treated alike, the newest of each first.
                self.shelves.block["state"][ids] = np.arange(len(ids)) * shelves_kernels.COLUMNS // max(1, len(ids))
        self._rank()
        return self._fill(first_reads)

    def adopt(self, other: Rule) -> None:
        """Know what another one has learnt of blocks in general, prices and rents."""
        self._life.adopt(other._life)
        self.market.price[:], self.market.base[:] = other.market.price, other.market.base
        self._rank()

    def advance(self, view: View, out: Ids) -> None:
        """One step but for what it comes to (:meth:`moves`, :meth:`changes`). ``out``: reads that cannot be brought in."""
        if not self._order:
            self.shelves.block["mask"][view.births] = 1 << self._home
            return
        kernels, setting, life = self._kernels, self._setting, self._life
        reads, births, freed = (own(ids) for ids in (view.reads, view.births, view.freed))
        weight = setting.size[reads].astype(np.float64)
        if not life.begun and len(reads):
            life.begin(float(weight.sum()))
            self._rank()
        if view.shares is not None:
            weight = weight * view.shares / setting.share_base
        kernels.begin(life.seen, self.shelves, self._home, reads, births)
        if life.learn(len(reads)):
            self._rank()
        may = reads[~np.isin(reads, out)] if len(out) else reads
        now = kernels.Step(reads, weight, may, births, freed, view.fixed.astype(np.float64))
        homeless = kernels.decide(life.seen, self.shelves, self.market, setting.capacity, self._memory, now)
        if homeless >= 0:
            raise ScheduleError("produced, but no tier has room for it", step=view.step, block=int(homeless))

    def step(self, view: View) -> Moves:
        self.advance(view, stuck(self._setting, view))
        return self.moves()

    def held(self, ids: Ids) -> Masks:
        """uint16[n]: the tiers that hold each of these blocks, bit k for tier k."""
        return np.asarray(self.shelves.block["mask"][ids])

    def changes(self) -> tuple[Int64, Masks, Masks, Flags]:
        """(blocks, tiers before, tiers now, whether at the processor) of all that was moved in this step and lives on."""
        found: tuple[Int64, Masks, Masks, Flags] = self._caches.changes(self.shelves)
        return found

    def moves(self) -> Moves:
        """What all that was moved in this round comes to."""
        shelves, tiers, setting = self.shelves, len(self._setting.capacity), self._setting
        ids = np.sort(shelves.touched[: shelves.count[self._caches.TOUCHED]]).astype(np.int64)
        if not len(ids):
            return Moves()
        found, counts = np.empty((3 * tiers, len(ids)), dtype=np.int64), np.zeros(3 * tiers, dtype=np.int64)
        self._caches.split(shelves, ids, found, counts)
        parts = [row[:count] for row, count in zip(found, counts.tolist(), strict=True)]
        store = [(tier, blocks) for tier, blocks in enumerate(parts[::3]) if len(blocks)]
        fetch: list[tuple[int, int, Ids]] = []
        for tier, blocks in enumerate(parts[1::3]):
            if len(blocks):
                before = shelves.block["before"][blocks]
                fetch += copies(blocks, before, tier, self._sources, setting.size[blocks], pieces_at(setting, blocks))
        return Moves(store, fetch, [(tier, blocks) for tier, blocks in enumerate(parts[2::3]) if len(blocks)])

    def _market(self) -> None:
        """Nothing is known of prices."""
        operations, rates = self._setting.memory.operations, self._setting.memory.rates.astype(np.float64)
        table, tiers = operations.per_byte.astype(np.float64), operations.tiers
        outside = [row for row in operations.serving if operations.source[row] < 0]
        outside.sort(key=lambda one: float((table[one] / rates).max()))
        last = self._home if self._home >= 0 else self._order[-1] if self._order else 0
        states = self._caches.STATES
        self.market = self._kernels.Market(
            table=table,
            rate=rates,
            speed=np.array(self._setting.memory.by_speed, dtype=np.int64),
            source=cheapest_source(self._setting.memory),
            price=np.zeros(len(rates)),
            load=np.zeros(len(rates)),
            moved=np.zeros(len(rates)),
            rent=self._life.rent,
            write=self._life.write,
            copy=np.full(len(self._order), np.inf),
            level=np.zeros(states, dtype=np.int64),
            bar=np.zeros(states),
            outside=np.array(outside, dtype=np.int64),
            base=np.array([tiers + tiers * tiers + last, 0], dtype=np.int64),
        )

    def _shelves(self, values: int) -> None:
        """Empty ones; nobody was seen."""
        kernels, setting = self._caches, self._setting
        blocks, levels = len(setting.size), len(self._order)
        shelves = kernels.STATES + self._life.idle[0].size + 1
        block = np.zeros(blocks, dtype=kernels.BLOCK)
        block["last"], block["state"], block["age"] = -1, kernels.UNKNOWN, -2
        rows = 1 if setting.residency == "exclusive" else max(1, levels)
        link = np.empty((rows, blocks + levels * shelves, 2), dtype=np.int32)
        link[:] = np.arange(link.shape[1], dtype=np.int32)[:, None]
        most = min(6 * blocks + 64, _MOST_CHANGES)
        self.shelves = kernels.Shelves(
            block=block,
            size=setting.size,
            layer=self._layer,
            group=self._life.group,
            link=link,
            order=np.array(self._order, dtype=np.int64),
            room=setting.capacity.copy(),
            worth=np.zeros((values, shelves)),
            rank=np.zeros(shelves, dtype=np.int32),
            shelf=np.zeros(shelves, dtype=np.int32),
            low=np.zeros(2 * levels, dtype=np.int64),
            filled=np.zeros(2 * levels, dtype=np.int64),
            barred=np.zeros(shelves, dtype=np.uint16),
            count=np.array([0, 0, 0, _RULES[setting.residency], len(EDGES)], dtype=np.int64),
            touched=np.zeros(blocks, dtype=np.int32),
            undo=np.zeros((most, 3), dtype=np.int32),
            stack=np.zeros((2, most), dtype=np.int32),
        )

    def _rank(self) -> None:
        """Order shelves by what their blocks are worth now."""
        shelves = self.shelves
        shelves.worth[:, :-1] = np.round(self._life.values() * _FINE) / _FINE
        shelves.worth[:, -1] = _NEVER
        order = np.argsort(shelves.worth[0], kind="stable")
        shelves.shelf[:] = order
        shelves.rank[order] = np.arange(len(order))
        shelves.low[:] = 0

    def _fill(self, first_reads: Sequence[Ids]) -> Resident | None:
        """State 0, as given, or filled with what is worth most, of equals the newest."""
        setting, shelves = self._setting, self.shelves
        ids, tiers = setting.initial_blocks, np.arange(len(setting.capacity))[:, None]
        if self._home >= 0:
            shelves.block["mask"][ids] = 1 << self._home
        if setting.initial is not None:
            held = ids[setting.initial[:, ids].any(axis=0)].astype(np.int64)
            masks = shelves.block["mask"][held] | (setting.initial[:, held].astype(np.int64) << tiers).sum(axis=0)
            if self._order:
                self._caches.load(shelves, held, masks)
            return None
        if self._order:
            keys = np.full(len(setting.size), _NEVER)
            for some in first_reads:
                keys[some] = shelves.worth[0, shelves.block["state"][some]]
            among = np.zeros(len(setting.size))
            for some in first_reads:
                among[some] = np.arange(len(some)) / max(1, len(some))
            order = ids[np.lexsort((ids, among[ids], keys[ids]))[::-1]].astype(np.int64)
            homeless = self._caches.fill(shelves, order)
            if homeless >= 0:
                raise ScheduleError("no tier has room for it at the start", block=int(homeless))
        return np.asarray(shelves.block["mask"] >> tiers & 1).astype(bool)


def own(ids: Ids) -> Int64:
    """As compiled loops are handed them: int64, and not read-only, which would be another type of array."""
    return ids.astype(np.int64, copy=not ids.flags.writeable)
