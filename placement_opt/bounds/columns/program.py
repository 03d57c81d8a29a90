"""The compact program as arrays: columns for kinds of interval, rows for steps.

Columns are the time of each step, the inventory of each tier that can be full, what each step serves in each way out of each
set of tiers, what each group of reads stores in passing (and copies, where it need not be at the processor), and ways through
an interval: how many blocks of a kind are held in one set of tiers from its beginning to its end, or in one set after another
with copies in between. Every kind has one way that is no column, because it costs nothing more than is fixed already: all that
no other way takes (its ``rest``).

It need not be a relaxation: what is published is the dual value at its prices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.highs import SMALLEST, LinearProgram, from_triplets
from placement_opt.bounds.columns.kinds import Intervals
from placement_opt.bounds.columns.ways import Frame, Ways
from placement_opt.bounds.result import Prices

#: A kind takes more ways than it has blocks where it does so by more than this, relatively.
_CROWD = 1e-6


@dataclass(frozen=True, eq=False)
class Cells:
    """What is served together: N pairs of a step and a kind of block.

    Attributes
    ----------
    step, kind
        int64[N].
    of, of_group
        int64[J] and int64[H]: the cell of each kind of interval, where it leads to a read, and of each group of reads.
    """

    step: Int64
    kind: Int64
    of: Int64
    of_group: Int64


def cells_of(frame: Frame, intervals: Intervals) -> Cells:
    """All steps, where there is one kind of block; else the pairs that are read."""
    steps, iv = frame.instance.num_steps, intervals
    if len(frame.bytes) == 1:
        every = np.arange(steps)
        return Cells(every, np.zeros(steps, dtype=np.int64), iv.closes, iv.group_step)
    key, reads = iv.kind * steps + iv.closes, iv.share > 0
    found = np.unique(key[reads])
    of = np.where(reads, np.searchsorted(found, key), 0)
    return Cells(found % steps, found // steps, of, np.searchsorted(found, iv.group_kind * steps + iv.group_step))


class CompactProgram:
    """Arrays of the program for some ways, and its solution read back."""

    def __init__(
        self, frame: Frame, intervals: Intervals, ways: Ways, joint: Int64, *, moves: bool, elastic: bool = False
    ) -> None:
        self.frame, self.instance, self.intervals, self.ways = frame, frame.instance, intervals, ways
        steps = self.instance.num_steps
        self.rest = frame.rest(intervals)
        self.tracked = frame.stores if moves else []
        self.cells = cells_of(frame, intervals)
        self.sets = [s for s in range(len(frame.masks)) if frame.each or s != frame.default]
        self.serving = [(s, v) for s in self.sets for v in self._ways_to_serve(s)]
        self.joint = joint
        self.budgets = frame.budgets(elastic=elastic)
        cells, moved = len(self.cells.step), len(self.tracked) * len(intervals.group_step)
        self.column: dict[str, int] = {}
        self.num_columns = 0
        for name, size in (
            ("tau", steps),
            ("inventory", len(frame.rooms) * (steps + 1)),
            ("served", len(self.serving) * cells),
            ("stored", moved),
            ("copied", 0 if frame.always_brings else moved),
            ("meter", self.budgets.num_columns),
            ("ways", len(ways)),
        ):
            self.column[name], self.num_columns = self.num_columns, self.num_columns + size

    def _ways_to_serve(self, held: int) -> list[int]:
        """Serving operations with columns for blocks in a set: all that can; of plain tables, those that are not from home."""
        has, home = self.frame.has[held], self.instance.home
        usable = [v for v, k in enumerate(self.frame.bytes.source) if k < 0 or has[k]]
        return usable if self.frame.each or not has[home] else [v for v in usable if v != home]

    # ---- building ------------------------------------------------------------------------------------------------

    def build(self) -> LinearProgram:
        """The arrays; see :mod:`placement_opt.base.highs` for their meaning."""
        inst, iv, steps = self.instance, self.intervals, self.instance.num_steps
        self.weight = iv.size / self.frame.unit
        self._parts: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Float64]] = []
        self._low: list[Float64] = []
        self._high: list[Float64] = []
        self.rows: dict[str, int] = {}
        self.num_rows = 0
        low, high = np.zeros(self.num_columns), np.full(self.num_columns, np.inf)
        low[:steps] = inst.floor / self.frame.time_unit
        high[self.column["ways"] :] = iv.count[self.ways.kind]
        for n, (_, v) in enumerate(self.serving):
            first = self.column["served"] + n * len(self.cells.kind)
            high[first : first + len(self.cells.kind)] = np.where(self.frame.bytes.applies[self.cells.kind, v], np.inf, 0.0)
        for n, k in enumerate(self.frame.rooms):
            first = self.column["inventory"] + n * (steps + 1)
            high[first : first + steps + 1] = inst.capacity[k] / self.frame.unit
        self._rates()
        self._inventory()
        self._service()
        self._moves(high)
        self._counts()
        rows, columns, values = self._entries()
        cost = self.budgets.costs(self.num_columns, self.column["meter"])
        entries = from_triplets(self.num_columns, rows, columns, values)
        row_low, row_high = np.concatenate(self._low), np.concatenate(self._high)
        return LinearProgram(cost, low, high, row_low, row_high, *entries, time_unit=self.budgets.goal_unit)

    def _new(self, name: str, low: npt.NDArray[Any], high: npt.NDArray[Any]) -> int:
        self.rows[name] = self.num_rows
        self._low.append(low.astype(np.float64))
        self._high.append(high.astype(np.float64))
        self.num_rows += len(low)
        return self.rows[name]

    def _add(self, rows: object, columns: object, values: object) -> None:
        row, column, value = np.broadcast_arrays(rows, columns, np.asarray(values, dtype=np.float64))  # type: ignore[arg-type]
        used = value != 0
        self._parts.append((row[used].astype(np.int64), column[used].astype(np.int64), value[used]))

    def _entries(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Float64]:
        """Triplets without duplicates: a way may load a resource by several copies, or leave a tier as it enters it."""
        rows, columns, values = (np.concatenate([part[n] for part in self._parts]) for n in range(3))
        key = columns * self.num_rows + rows
        order = np.argsort(key, kind="stable")
        key, values = key[order], values[order]
        begins = np.flatnonzero(np.append(True, key[1:] != key[:-1]))
        values = np.add.reduceat(values, begins) if len(begins) else values
        key = key[begins]
        kept = np.abs(values) >= SMALLEST  # what is too small for the solver; the dual counts it
        return key[kept] % self.num_rows, key[kept] // self.num_rows, values[kept]

    def _load(self, step: Int64, column: object, operation: Float64, amount: object) -> None:
        """``amount`` (units of bytes) of an operation (float64[n, R + M]) at some steps."""
        width = len(self.frame.binding)
        for n, r in enumerate(self.frame.binding):
            if operation[..., r].any():
                self._add(step * width + n, column, np.asarray(amount) * operation[..., r] * self.frame.scale[r])
        for m, r in enumerate(range(self.instance.num_resources, operation.shape[-1])):
            if operation[..., r].any():
                load = np.asarray(amount) * operation[..., r] * self.frame.scale[r]
                self._add(self.rows["meter"] + m, np.broadcast_to(np.asarray(column), np.shape(step)), load)

    def _rates(self) -> None:
        """Fixed loads, of plain tables reads as if all were from home, births, copies, what is served in which way."""
        inst, iv, table = self.instance, self.intervals, self.frame.bytes
        steps, binding = inst.num_steps, self.frame.binding
        step = np.arange(steps)
        load = inst.fixed / inst.memory.rates / self.frame.time_unit
        load = np.concatenate([load, np.zeros((steps, len(inst.used_meters)))], axis=1)
        from_home = np.zeros_like(table.serve[:, 0]) if self.frame.each else table.serve[:, inst.home]
        if not self.frame.each:
            reads = iv.share > 0
            total = np.bincount(iv.closes[reads], (iv.share * self.weight * iv.count)[reads], steps)
            load = load + total[:, None] * from_home[0] * self.frame.scale
        for c, store in enumerate(table.store):
            for s in np.unique(self.rest[iv.born]):
                born = iv.born & (self.rest == s) & (iv.kind == c)
                produced = np.bincount(iv.opens[born] - 1, (self.weight * iv.count)[born], steps)
                load += produced[:, None] * store[self.frame.has[s]].sum(axis=0) * self.frame.scale
        first = self._new("rate", np.full(steps * len(binding), -np.inf), -load[:, binding].ravel())
        self._add(first + np.arange(steps * len(binding)), np.repeat(step, len(binding)), -1.0)
        self._budgets(load[:, inst.num_resources :].sum(axis=0))
        kind, cells = self.cells.kind, np.arange(len(self.cells.step))
        for n, (_, v) in enumerate(self.serving):
            column = self.column["served"] + n * len(cells) + cells
            self._load(self.cells.step, column, (table.serve[:, v] - from_home)[kind], 1.0)
        self._ways_loads(table.store)

    def _budgets(self, given: Float64) -> None:
        """Rows of meters, to which ``given`` (float64[M], in their units) is added anyway, and of budgets."""
        most, budgets = self.budgets.meter_most(given), self.budgets.budget_most()
        meter = self._new("meter", np.full(len(most), -np.inf), most)
        budget = self._new("budget", np.full(len(budgets), -np.inf), budgets)
        self.budgets.entries(self._add, meter, budget, self.column["meter"])

    def _ways_loads(self, store: Float64) -> None:
        """Births in another set than the rest's; copies between legs."""
        ways, iv, has = self.ways, self.intervals, self.frame.has
        column = self.column["ways"] + np.arange(len(ways))
        held = ways.held[ways.start[:-1]]
        born = np.flatnonzero(iv.born[ways.kind])
        for s in np.unique(held[born]):
            here = born[held[born] == s]
            kind = ways.kind[here]
            more = store[:, has[s]].sum(axis=1) - store[:, has[self.frame.default]].sum(axis=1)
            self._load(iv.opens[kind] - 1, column[here], more[iv.kind[kind]], self.weight[kind])
        owner = ways.owner
        later = np.flatnonzero(np.append(False, owner[1:] == owner[:-1])[: len(owner)])
        for s in np.unique(ways.held[later]):
            here = later[ways.held[later] == s]
            kind, source = ways.kind[owner[here]], ways.held[here - 1]
            for k in np.flatnonzero(has[s]):
                copied = ~has[source, k]
                load = self.frame.copy_load[iv.kind[kind[copied]], source[copied], k]
                self._load(ways.opens[here[copied]] - 1, column[owner[here[copied]]], load, self.weight[kind[copied]])

    def _inventory(self) -> None:
        """Rows capacity[k, t]: what opens less what closed, against the state before."""
        iv, ways, steps = self.intervals, self.ways, self.instance.num_steps
        state = np.arange(steps + 1)
        owner = ways.owner
        kind = ways.kind[owner]
        lasting = iv.opens <= iv.closes
        first = self.num_rows
        for n, k in enumerate(self.frame.rooms):
            resting = np.flatnonzero(lasting & self.frame.has[self.rest, k])
            held = (self.weight * iv.count)[resting]
            change = np.bincount(iv.opens[resting], held, steps + 2) - np.bincount(iv.closes[resting] + 1, held, steps + 2)
            change = change[: steps + 1]
            first = self._new(f"capacity {k}", change, change)
            room = self.column["inventory"] + n * (steps + 1) + state
            self._add(first + state, room, 1.0)
            self._add(first + state[1:], room[:-1], -1.0)
            delta = self.weight[kind] * (self.frame.has[ways.held, k].astype(np.float64) - self.frame.has[self.rest[kind], k])
            moved = np.flatnonzero(delta)
            self._add(first + ways.opens[moved], self.column["ways"] + owner[moved], -delta[moved])
            ends = moved[ways.closes[moved] < steps]
            self._add(first + ways.closes[ends] + 1, self.column["ways"] + owner[ends], delta[ends])

    def _service(self) -> None:
        """Rows resident[s, cell]: what is served out of a set lies in that set, and all that does is served.

        Of plain tables not out of sets with the home tier: what no column serves is read there.
        """
        inst, iv, ways = self.instance, self.intervals, self.ways
        cells = len(self.cells.step)
        cell = np.arange(cells)
        last = ways.held[ways.start[1:] - 1]
        served = self.weight * iv.share
        reads = np.flatnonzero(iv.share[ways.kind] > 0)
        kind = ways.kind[reads]
        elsewhere = (self.frame.each | (self.rest != self.frame.default)) & (iv.share > 0)
        for s in self.sets:
            resting = np.flatnonzero(elsewhere & (self.rest == s))
            there = np.bincount(self.cells.of[resting], (served * iv.count)[resting], cells)
            exact = self.frame.each or not self.frame.has[s, inst.home]
            first = self._new(f"resident {s}", there if exact else np.full(cells, -np.inf), there)
            for n, (where, _) in enumerate(self.serving):
                if where == s:
                    self._add(first + cell, self.column["served"] + n * cells + cell, 1.0)
            delta = served[kind] * ((last[reads] == s).astype(np.float64) - (self.rest[kind] == s))
            self._add(first + self.cells.of[kind], self.column["ways"] + reads, -delta)

    def _moves(self, high: Float64) -> None:
        """Rows keep[k, h]: what the reads of a group leave in a tier beyond what they found there was stored in it."""
        iv, ways = self.intervals, self.ways
        groups = len(iv.group_step)
        column = self.column["ways"] + np.arange(len(ways))
        opening, closing = ways.held[ways.start[:-1]], ways.held[ways.start[1:] - 1]
        lasting = iv.opens <= iv.closes
        leave = np.flatnonzero(iv.after[ways.kind] >= 0)
        arrive = np.flatnonzero(iv.into[ways.kind] >= 0)
        for n, k in enumerate(self.tracked):
            has = self.frame.has[:, k].astype(np.float64)
            resting = has[self.rest] * self.weight * iv.count
            found = np.zeros(groups)
            np.add.at(found, iv.into[iv.into >= 0], resting[iv.into >= 0])
            np.add.at(found, iv.after[(iv.after >= 0) & lasting], -resting[(iv.after >= 0) & lasting])
            first = self._new(f"keep {k}", np.full(groups, -np.inf), found)
            stored = self.column["stored"] + n * groups + np.arange(groups)
            self._add(first + np.arange(groups), stored, -1.0)
            # what a read of a share brings is stored in passing, the rest copied
            copy = self.frame.copy_load[:, self._source(k), k][iv.group_kind]
            self._load(iv.group_step, stored, self.frame.bytes.store[:, k][iv.group_kind], iv.group_share)
            self._load(iv.group_step, stored, copy, 1.0 - iv.group_share)
            if not self.frame.always_brings:
                copied = self.column["copied"] + n * groups + np.arange(groups)
                self._add(first + np.arange(groups), copied, -1.0)
                self._load(iv.group_step, copied, copy, 1.0)
                high[copied] = np.inf if self.instance.num_tiers > 1 else 0.0
                self._passing(k, stored)
            kind = ways.kind[leave]
            self._add(first + iv.after[kind], column[leave], self.weight[kind] * (has[opening[leave]] - has[self.rest[kind]]))
            kind = ways.kind[arrive]
            self._add(first + iv.into[kind], column[arrive], -self.weight[kind] * (has[closing[arrive]] - has[self.rest[kind]]))

    def _passing(self, tier: int, stored: Int64) -> None:
        """Rows passing[k, cell]: what reads store in passing was brought to the processor."""
        cells = np.arange(len(self.cells.step))
        first = self._new(f"passing {tier}", np.full(len(cells), -np.inf), np.zeros(len(cells)))
        self._add(first + self.cells.of_group, stored, self.intervals.group_share)
        for n, (_, v) in enumerate(self.serving):
            if self.frame.bytes.brings[v]:
                self._add(first + cells, self.column["served"] + n * len(cells) + cells, -1.0)

    def _source(self, tier: int) -> int:
        """The set of tiers that copies into a tier come from, if no more is known: the home tier, or the fastest."""
        home = self.instance.home
        return self.frame.set_of(1 << (home if tier != home else self.instance.memory.by_speed[0]))

    def _counts(self) -> None:
        """Rows count[j]: no kind takes more ways than it has blocks."""
        position = np.full(len(self.intervals), -1)
        position[self.joint] = np.arange(len(self.joint))
        first = self._new("count", np.full(len(self.joint), -np.inf), self.intervals.count[self.joint].astype(np.float64))
        which = np.flatnonzero(position[self.ways.kind] >= 0)
        self._add(first + position[self.ways.kind[which]], self.column["ways"] + which, 1.0)

    # ---- reading back --------------------------------------------------------------------------------------------

    def times(self, x: Float64) -> Float64:
        """float64[T]: seconds of each step."""
        return np.asarray(x[: self.instance.num_steps] * self.frame.time_unit)

    def counts(self, x: Float64) -> Float64:
        """float64[W]: blocks that take each way."""
        return x[self.column["ways"] :]

    def taken(self, counts: Float64) -> Float64:
        """float64[J]: blocks of each kind that take a way."""
        taken: Float64 = np.bincount(self.ways.kind, counts, len(self.intervals)).astype(np.float64)
        return taken

    def crowded(self, x: Float64) -> tuple[Int64, float]:
        """Kinds that take more ways than they have blocks, and by how many bytes as a share of all that is read."""
        iv = self.intervals
        excess = np.maximum(0.0, self.taken(self.counts(x)) - iv.count)
        read = float((iv.count * iv.size * (iv.share > 0)).sum())
        return np.flatnonzero(excess > _CROWD * iv.count), float((excess * iv.size).sum()) / max(read, 1.0)

    def stored(self, x: Float64) -> Float64:
        """float64[C, K, T]: what the reads of each step bring of each kind of block to each tier, in units of bytes."""
        iv, steps = self.intervals, self.instance.num_steps
        stored = np.zeros((len(self.frame.bytes), self.instance.num_tiers, steps))
        groups = len(iv.group_step)
        for n, k in enumerate(self.tracked):
            amount = x[self.column["stored"] + n * groups :][:groups]
            if not self.frame.always_brings:
                amount = amount + x[self.column["copied"] + n * groups :][:groups]
            for c in range(len(stored)):
                here = iv.group_kind == c
                stored[c, k] = np.bincount(iv.group_step[here], amount[here], steps)
        return stored

    def bringing(self, kind: int, tier: int) -> Float64:
        """float64[R + M]: loads of bringing another byte of a block to a tier as it is read: stored, or copied where not
        all reads leave it at the processor."""
        table = self.frame.bytes
        copied = not self.frame.always_brings and self.instance.num_tiers > 1
        load: Float64 = self.frame.copy_load[kind, self._source(tier), tier] if copied else table.store[kind, tier]
        return load

    def prices(self, row_dual: Float64) -> Prices:
        """Multipliers as prices in seconds per byte; any sign error or noise is the dual's to clean up."""
        inst, steps, binding = self.instance, self.instance.num_steps, self.frame.binding
        rho = np.zeros((steps, inst.num_resources))
        rho[:, binding] = -row_dual[: steps * len(binding)].reshape(steps, len(binding)) / inst.memory.rates[binding]
        rho *= self.budgets.goal_unit / self.frame.time_unit
        rent = np.zeros((steps + 1, inst.num_tiers))
        for k in self.frame.rooms:
            first = self.rows[f"capacity {k}"]
            level = row_dual[first : first + steps + 1]
            rent[:, k] = (level - np.append(level[1:], 0.0)) * self.budgets.goal_unit / self.frame.unit
        mu = self.budgets.mu(row_dual[self.rows["budget"] :][: len(inst.budgets)])
        return Prices(np.maximum(rho, 0.0), np.maximum(rent, 0.0), mu)
