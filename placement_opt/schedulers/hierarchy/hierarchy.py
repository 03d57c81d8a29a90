"""Tiers as a hierarchy of caches: what LRU, Belady and their kin share, for any number of tiers and every residency rule.

A policy says how much it wants to keep each block (its *key*), which blocks it would like to bring in, and below which key
(the *bar*) residents make way for them. What then happens depends on the rule:

* inclusive: every tier faster than the home tier is a cache of its own over the same reads. A block is stored in passing
  in each of them where room is made for it; victims are dropped free of charge, because the home tier has them.
* exclusive: a block moves up by a store (or copy) and leaves its old place; a victim moves down to the next slower tier,
  where it may displace blocks with lower keys in turn, and so on; the slowest tier displaces nothing. If a victim finds no
  place anywhere, the promotion is not made.
* free: as exclusive, but a block that moves up leaves its old copy as a *spare*. Spares go first when room is needed; a
  victim that still has one falls back on it free of charge.
* cache: as free, but nothing has to lie anywhere: a victim that finds no place, the slowest tier's among them, is dropped. A
  block that is missing is brought in like any other, from the processor, if an operation without a source leaves it there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import ScheduleError
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.base import cache_tiers, layer_of
from placement_opt.schedulers.hierarchy.transition import Sources, moves_between, pieces_at, stuck

if TYPE_CHECKING:
    from placement_opt.schedulers.hierarchy.heaps_kernels import Tables

UNLIMITED = 2**62
_RULES = {"inclusive": 0, "exclusive": 1, "free": 2, "cache": 3}
#: Bars: nothing is evicted for this block, or everything may be.
NOTHING, EVERYTHING = -(2**62), 2**62


class Hierarchy:
    """The caches of one run.

    Parameters
    ----------
    setting
        Of the run.
    by_layer
        Whether blocks displace only blocks of their own layer.
    shares
        Whether each layer may fill only its even share of a tier; otherwise the room is for whoever comes first. The slowest
        tier is for all where blocks must be somewhere, and so are tiers whose shares would not hold one block.

    Attributes
    ----------
    forgets
        Whether blocks may lie nowhere.
    """

    def __init__(self, setting: Setting, *, by_layer: bool, shares: bool) -> None:
        from placement_opt.schedulers.hierarchy import heaps_kernels, hierarchy_kernels

        self._heaps, self._kernels = heaps_kernels, hierarchy_kernels
        self._setting = setting
        self._rule = _RULES[setting.residency]
        self._home = setting.home if setting.residency == "inclusive" else -1
        self._sources = Sources(setting.memory)
        self.forgets = setting.residency == "cache"
        self._stuck: Ids = np.zeros(0, dtype=np.int64)
        self.tables = _tables(setting, by_layer, shares)

    def start(self, keys: Int64, *, useless: int = NOTHING) -> Resident | None:
        """State 0, as given, or filled in order of the keys of the initial blocks (highest first, then newest): bool[K, B].

        Those with keys up to ``useless`` are left out where they may lie nowhere.
        """
        blocks, t = self._setting.initial_blocks, self.tables
        t.block[blocks, self._heaps.KEY] = t.block[blocks, self._heaps.FILED] = keys
        if self._setting.initial is not None:
            self.place(self._setting.initial)
            return None
        if self._home >= 0:
            t.block[blocks, self._heaps.MASK] = 1 << self._home
        order = np.argsort(keys, kind="stable")[::-1]
        if self.forgets:
            order = order[keys[order] > useless]
        homeless = self._kernels.fill(t, self._rule, blocks[order])
        if homeless >= 0:
            raise ScheduleError("no tier has room for it at the start", block=int(homeless))
        resident: Resident = (t.block[:, self._heaps.MASK] >> np.arange(len(self._setting.capacity))[:, None] & 1).astype(bool)
        return resident

    def place(self, resident: Resident) -> None:
        """What is empty takes blocks where they are."""
        t, blocks = self.tables, np.flatnonzero(resident.any(axis=0))
        t.block[blocks, self._heaps.SIZE] = self._setting.size[blocks]
        held = resident[:, blocks].astype(np.int64)
        self._kernels.load(t, self._rule, blocks, (held << np.arange(len(held))[:, None]).sum(axis=0))

    def begin(self, view: View, read_keys: Int64, birth_keys: Int64) -> None:
        """Open a step: blocks freed after it make room, blocks at the processor get new keys."""
        self._step = view.step
        self._stuck = stuck(self._setting, view)
        births = view.births
        sizes = self._setting.size[births]
        self._kernels.begin(self.tables, self._home, view.freed, view.reads, read_keys, births, birth_keys, sizes)

    def rekey(self, blocks: Ids, keys: Int64) -> None:
        """New keys for blocks that are not at the processor, wherever they are; not for those that are still to come."""
        if len(blocks):
            self._kernels.rekey_all(self.tables, blocks, keys)

    def admit(self, wanted: Ids, bars: Int64, levels: Int64 | None = None) -> None:
        """Bring blocks in, in this order.

        Parameters
        ----------
        wanted
            Blocks at the processor. Under the rules exclusive and free all births have to be among them.
        bars
            Residents with keys below its bar make way for a block.
        levels
            The fastest level of the hierarchy (0 is its fastest tier) that each is meant for; 0 for all by default.
        """
        levels = np.zeros(len(wanted), dtype=np.int64) if levels is None else levels
        if len(self._stuck):
            may = ~np.isin(wanted, self._stuck)
            wanted, bars, levels = wanted[may], bars[may], levels[may]
        homeless = self._kernels.admit(self.tables, self._rule, wanted, bars, levels)
        if homeless >= 0:
            raise ScheduleError("produced, but no tier has room for it", step=self._step, block=int(homeless))

    def bar(self, blocks: Ids, levels: Int64) -> None:
        """Rule cache: blocks that make way do not move down to these levels, a bit each; where no other is left they go."""
        self.tables.block[blocks, self._heaps.BARRED] = levels

    def lowest_at(self, tier: int) -> int | None:
        """The block of the lowest key of those that have their place in a tier; None where there is none, or layers have their
        shares."""
        if not self.tables.filled[tier, 0] or self.tables.tier[tier, self._heaps.GROUPED]:
            return None
        return int(self._heaps.top(self.tables, tier, 0))

    def key(self, block: int) -> int:
        """Of a block."""
        return int(self.tables.block[block, self._heaps.KEY])

    def room(self, tier: int) -> int:
        """Bytes that are free in a tier."""
        return int(self.tables.tier[tier, self._heaps.ROOM])

    @property
    def held(self) -> Ids:
        """Blocks that have a place in some tier, ascending."""
        return np.flatnonzero((self.tables.block[:, self._heaps.PLACE :] >= 0).any(axis=1))

    @property
    def lowest(self) -> int:
        """The level meant for new blocks that are not worth caching: the slowest, or none where they need none."""
        levels = len(self.tables.order)
        return levels if self._home >= 0 or self.forgets else levels - 1

    def forget(self, ids: Ids) -> None:
        """Drop every copy of these blocks; rule cache only."""
        self._kernels.forget(self.tables, ids)

    def missed(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Which of these blocks do not have their place in the fastest tier."""
        order = self.tables.order
        return (
            np.asarray(self.tables.block[ids, self._heaps.PLACE + order[0]] < 0)
            if len(order)
            else np.ones(len(ids), dtype=bool)
        )

    def absent(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Which of these blocks :meth:`admit` could bring nearer: they lack their place in the fastest tier, or under the
        inclusive rule in any cache."""
        order = self.tables.order if self._home >= 0 else self.tables.order[:1]
        return np.asarray((self.tables.block[ids[:, None], self._heaps.PLACE + order] < 0).any(axis=1))

    def flush_in(self, wanted: Ids) -> None:
        """Bring blocks into the fastest tier; when it is full, it is first emptied of all blocks of their layer."""
        if len(self._stuck):
            wanted = wanted[~np.isin(wanted, self._stuck)]
        self._kernels.flush_in(self.tables, self._rule, wanted)

    def moves(self) -> Moves:
        """What all that was done since :meth:`begin` comes to."""
        touched, before, after, near = self._heaps.changes(self.tables)
        blocks = touched.astype(np.int64)
        sizes, pieces = self._setting.size[blocks], pieces_at(self._setting, blocks)
        return moves_between(blocks, before, after, near, self._sources, sizes, pieces)


def _tables(setting: Setting, by_layer: bool, shares: bool) -> Tables:
    from placement_opt.schedulers.hierarchy import heaps_kernels as kernels

    tiers, blocks, order = len(setting.capacity), len(setting.size), cache_tiers(setting)
    groups = setting.num_layers if by_layer else 1
    block = np.zeros((blocks, kernels.PLACE + 2 * tiers), dtype=np.int64)
    block[:, kernels.SIZE] = setting.size
    block[:, kernels.GROUP] = layer_of(setting) if by_layer else 0
    block[:, kernels.PLACE :] = -1
    tier = np.full((tiers, kernels.QUOTA + groups), UNLIMITED, dtype=np.int64)
    tier[:, kernels.ROOM], tier[:, kernels.GROUPED] = setting.capacity, groups > 1
    if setting.residency in ("exclusive", "free"):
        tier[order[-1], kernels.GROUPED] = False
    if shares:
        grouped = tier[:, kernels.GROUPED] > 0
        tier[grouped, kernels.QUOTA :] = even_shares(setting, groups)[grouped]
    sizes = np.bincount(block[:, kernels.GROUP], minlength=groups)
    return kernels.Tables(
        block=block,
        tier=tier,
        heap=np.zeros((2 * tiers, blocks), dtype=np.int32),
        filled=np.zeros((2 * tiers, groups), dtype=np.int64),
        first=np.cumsum(sizes) - sizes,
        order=np.array(order, dtype=np.int64),
        counter=np.zeros(3, dtype=np.int64),
        touched=np.zeros(blocks, dtype=np.int32),
        undo=np.zeros(6 * blocks + 64, dtype=np.int64),
        stack=np.zeros((2, blocks + 1), dtype=np.int32),
    )


def even_shares(setting: Setting, groups: int) -> Int64:
    """int64[K, G]: the room of each tier split evenly; unlimited where a share would not hold the largest block known."""
    largest = max(int(setting.size.max()), 1)
    table = np.empty((len(setting.capacity), groups), dtype=np.int64)
    for tier, capacity in enumerate(setting.capacity.tolist()):
        ends = [capacity * g // groups for g in range(groups + 1)]
        table[tier] = np.diff(ends) if capacity // groups >= largest else UNLIMITED
    return table
