"""Independent steps as one program with a block of columns a step: the LP, or with whole blocks the MILP.

A *pattern* is a set of tiers, under the rule "cache" the empty one too. The n blocks of a class (equal size and share) are
dealt out to patterns, and what is read of the blocks of a pattern is split over its *ways*: the operations that serve from one
of its tiers, and those that need no source. Only sums are needed, and nothing is lost: n blocks of pattern S of which Y_o bytes
are served by operation o can each be served Y_o / n by it, which is at most what the step reads of a block since the Y_o of a
pattern add up to n times that; and any other split of the single blocks has the same sums.

For the LP singletons (and no tier at all, where the rule allows that) are patterns enough: a share of a block that serves from
tier k needs that share of room there, no more room is needed, and every rule allows the rest (inclusive: the home copy is there
anyway and its room is not competed for). What is served without a source needs no room, but may have to lie somewhere.

Scaled units: bytes in units of a step's own size, time above what the fixed loads take, in units of such a size at a rate
in between (:func:`placement_opt.base.highs.rate_unit`); every rate row is divided by its rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from placement_opt.base.arrays import Flags, Float64, Int64
from placement_opt.base.highs import SMALLEST, LinearProgram, from_triplets, rate_unit
from placement_opt.bounds.programs.step_data import Steps
from placement_opt.bounds.result import Prices


def single_tiers(steps: Steps) -> Flags:
    """bool[S, K]: the patterns that the LP needs, each tier alone and, under the rule "cache", none."""
    alone = np.eye(steps.num_tiers, dtype=bool)
    return np.concatenate([alone, np.zeros((1, steps.num_tiers), dtype=bool)]) if steps.residency == "cache" else alone


@dataclass(frozen=True, eq=False)
class StepProgram:
    """Builds the program of some steps and reads its solutions back.

    Columns: tau[T] (above ``base_s``, scaled), deal[G, S] (blocks, or scaled bytes in the LP), births[T, C, K], and for every
    class and pattern of several ways split[V], the scaled bytes that each operation serves.

    Attributes
    ----------
    steps
        What is asked for.
    has
        bool[S, K]: the patterns.
    integral
        Whole blocks.
    """

    steps: Steps
    has: Flags
    integral: bool

    @cached_property
    def unit(self) -> Float64:
        """float64[T]: bytes of one scaled unit, the largest block of a step, or in the LP all its blocks."""
        steps = self.steps
        unit = np.ones(len(steps))
        if self.integral:
            np.maximum.at(unit, steps.owner, steps.size.astype(np.float64))
            return unit
        return np.asarray(np.maximum(unit, np.maximum(steps.total_room, steps.births @ steps.kind_size)))

    @cached_property
    def unit_s(self) -> Float64:
        """float64[T]: seconds of one scaled unit."""
        return np.asarray(self.unit / rate_unit(self.steps.rates), dtype=np.float64)

    @cached_property
    def base_s(self) -> Float64:
        """float64[T]: seconds that a step takes before anything is placed."""
        loaded = (self.steps.base / self.steps.rates).max(axis=1)
        return np.asarray(np.maximum(self.steps.floor, loaded), dtype=np.float64)

    @cached_property
    def weight(self) -> Float64:
        """float64[G]: scaled bytes of one unit of ``deal``."""
        steps = self.steps
        return np.asarray(steps.size / self.unit[steps.owner]) if self.integral else np.ones(len(steps.share))

    @cached_property
    def ways(self) -> Flags:
        """bool[S, V]: which operations can serve a block of each pattern, if they are for its kind."""
        source = self.steps.source
        return np.asarray((source < 0) | (self.has[:, np.maximum(source, 0)] & (source >= 0)))

    @cached_property
    def applies(self) -> Flags:
        """bool[G, V]: which operations are for the blocks of each class."""
        return self.steps.applies[self.steps.kind]

    @cached_property
    def several(self) -> Int64:
        """int64[.]: patterns with more than one way."""
        return np.flatnonzero(self.ways.sum(axis=1) > 1)

    def _deal(self, group: Any, pattern: Any) -> Any:
        return len(self.steps) + group * len(self.has) + pattern

    def _births(self, step: Any, kind: Any, tier: Any) -> Any:
        steps = self.steps
        return self._deal(len(steps.share), 0) + (step * len(steps.kind_size) + kind) * steps.num_tiers + tier

    def _split(self, group: Any, position: Any, way: Any) -> Any:
        first = self._births(len(self.steps), 0, 0)
        return first + (group * len(self.several) + position) * len(self.steps.source) + way

    def build(self) -> LinearProgram:
        """The arrays; rows: rate[T, R], room[T, limited tiers], all[G], births[T, C], served[G, several]."""
        steps, has = self.steps, self.has
        count, resources, kinds = len(steps), len(steps.rates), len(steps.kind_size)
        groups, limited = np.arange(len(steps.share)), steps.limited
        every = np.arange(count)
        entries: list[tuple[Any, Any, Any]] = [(every[:, None] * resources + np.arange(resources), every[:, None], -1.0)]
        slack = (self.base_s[:, None] - steps.base / steps.rates) / self.unit_s[:, None]
        row_high, row_low = [slack.ravel()], [np.full(slack.size, -np.inf)]
        rows = slack.size

        room = rows + every[:, None] * len(limited) + np.arange(len(limited))
        for position, k in enumerate(limited):
            holding = np.flatnonzero(has[:, k])
            entries.append((room[steps.owner, position][:, None], self._deal(groups[:, None], holding), self.weight[:, None]))
        row_high.append((steps.capacity[:, limited] / self.unit[:, None]).ravel())
        row_low.append(np.full(room.size, -np.inf))
        rows += room.size

        total = steps.count.astype(np.float64) if self.integral else steps.room / self.unit[steps.owner]
        entries.append((rows + groups[:, None], self._deal(groups[:, None], np.arange(len(has))), 1.0))
        row_high.append(total)
        row_low.append(total)
        rows += len(groups)

        born = (steps.births * steps.kind_size / self.unit[:, None]) * (not steps.inclusive)
        for kind in range(kinds):
            for k in range(steps.num_tiers):
                column = self._births(every, kind, k)
                entries.append((rows + every * kinds + kind, column, 1.0))
                entries += self._loads(every, column, steps.store[kind, k], np.ones(count) / steps.kind_size[kind])
        row_high.append(born.ravel())
        row_low.append(born.ravel())
        rows += born.size

        read = steps.share * self.weight
        for single in np.flatnonzero(self.ways.sum(axis=1) == 1).tolist():
            entries += self._served(self._deal(groups, single), int(np.argmax(self.ways[single])), read)
        for position, pattern in enumerate(self.several.tolist()):
            row = rows + groups * len(self.several) + position
            entries.append((row, self._deal(groups, pattern), -read))
            for way in np.flatnonzero(self.ways[pattern]).tolist():
                column, applies = self._split(groups, position, way), self.applies[:, way]
                entries.append((row[applies], column[applies], 1.0))
                entries += self._served(column, way, np.ones(len(groups)))
        row_high.append(np.zeros(len(groups) * len(self.several)))
        row_low.append(np.zeros(len(groups) * len(self.several)))

        columns = self._split(len(groups), 0, 0)
        cost = np.zeros(columns)
        cost[:count] = 1.0
        integral = None
        if self.integral:
            integral = np.zeros(columns, dtype=bool)
            integral[count : self._deal(len(groups), 0)] = True
        flat = [np.broadcast_arrays(row, column, np.asarray(value, dtype=np.float64)) for row, column, value in entries]
        row, column, value = (np.concatenate([part[n].ravel() for part in flat]) for n in range(3))
        keep = np.abs(value) > SMALLEST  # leaving out less than the solver takes only relaxes the program
        matrix = from_triplets(columns, row[keep], column[keep], value[keep])
        low, high = np.concatenate(row_low), np.concatenate(row_high)
        return LinearProgram(cost, np.zeros(columns), np.full(columns, np.inf), low, high, *matrix, integral=integral)

    def _served(self, column: Int64, way: int, amount: Float64) -> list[tuple[Any, Any, Any]]:
        """Entries of the rate rows for scaled bytes of each class, float64[G] per unit of its column, served in a way."""
        steps, entries = self.steps, []
        for kind, size in enumerate(steps.kind_size.tolist()):
            of_kind = np.flatnonzero(steps.kind == kind)
            entries += self._loads(steps.owner[of_kind], column[of_kind], steps.serve[kind, way], amount[of_kind] / size)
        return entries

    def _loads(self, step: Int64, column: Any, operation: Int64, amount: Float64) -> list[tuple[Any, Any, Any]]:
        """Entries of the rate rows for ``amount`` scaled units of what the operation's loads are for, per unit of a column."""
        rates = self.steps.rates
        scale = operation * (rate_unit(rates) / rates)
        return [(step * len(rates) + r, column, amount * scale[r]) for r in np.flatnonzero(operation)]

    def prices(self, row_dual: Float64) -> Prices:
        """The solver's multipliers as prices in seconds per byte, sign errors clipped."""
        steps = self.steps
        count, resources = len(steps), len(steps.rates)
        rates = -row_dual[: count * resources].reshape(count, resources)
        rent = np.zeros((count + 1, steps.num_tiers))
        limited = row_dual[count * resources :][: count * len(steps.limited)].reshape(count, -1)
        rent[:-1, steps.limited] = -limited * (self.unit_s / self.unit)[:, None]
        return Prices(np.maximum(rates / steps.rates, 0.0), np.maximum(rent, 0.0))

    def times(self, x: Float64) -> Float64:
        """float64[T]: seconds of a primal point, from its placement alone; infinite where that is none.

        Blocks dealt out are rounded (MILP) or scaled (LP) to their number, splits scaled to what is read; room is checked,
        exactly for whole blocks and to 1e-9 in the LP.
        """
        steps, has = self.steps, self.has
        groups = len(steps.share)
        deal = np.maximum(x[len(steps) : self._deal(groups, 0)].reshape(groups, len(has)), 0.0)
        if self.integral:
            deal = np.round(deal)
            fits = deal.sum(axis=1) == steps.count
            held = deal * steps.size[:, None]
        else:
            whole = deal.sum(axis=1)
            fits = whole > 0
            held = deal * (steps.room / np.where(fits, whole, 1.0))[:, None]
        legal = steps.total((~fits).astype(np.float64)) == 0
        room = np.stack([steps.total(held[:, has[:, k]].sum(axis=1)) for k in range(steps.num_tiers)], axis=1)
        slack = 0.0 if self.integral else 1e-9 * (1.0 + steps.total_room[:, None])
        legal &= (room <= steps.capacity + slack)[:, steps.limited].all(axis=1)
        loads = steps.base.copy()
        read = held * steps.share[:, None]
        for pattern in range(len(has)):
            members = self.ways[pattern]
            bytes_read = np.zeros((groups, len(members)))
            bytes_read[:, members] = read[:, [pattern]] * self._parts(x, pattern)[:, members]
            for kind, size in enumerate(steps.kind_size.tolist()):
                of_kind = np.flatnonzero(steps.kind == kind)
                amounts = bytes_read[of_kind] / size
                np.add.at(loads, steps.owner[of_kind], amounts @ steps.serve[kind].astype(np.float64))
        if not steps.inclusive:
            births = np.maximum(x[self._births(0, 0, 0) : self._split(0, 0, 0)], 0.0)
            parts = births.reshape(len(steps), len(steps.kind_size), steps.num_tiers)
            sums = parts.sum(axis=2)
            legal &= ((sums > 0) | (steps.births == 0)).all(axis=1)
            stored = parts * (steps.births / np.where(sums > 0, sums, 1.0))[:, :, None]
            for kind, store in enumerate(steps.store):
                loads += stored[:, kind] @ store.astype(np.float64)
        return np.where(legal, np.maximum(steps.floor, (loads / steps.rates).max(axis=1)), np.inf)

    def _parts(self, x: Float64, pattern: int) -> Float64:
        """float64[G, V]: how a pattern's reads are split over its ways; adds up to 1."""
        groups, members = len(self.steps.share), self.ways[pattern] & self.applies
        parts = members.astype(np.float64)
        if self.ways[pattern].sum() > 1:
            position = int(np.searchsorted(self.several, pattern))
            split = x[self._split(0, 0, 0) :].reshape(groups, len(self.several), -1)[:, position]
            split = np.where(members, np.maximum(split, 0.0), 0.0)
            parts = np.where(split.sum(axis=1, keepdims=True) > 0, split, parts)
        return np.asarray(parts / parts.sum(axis=1, keepdims=True))
