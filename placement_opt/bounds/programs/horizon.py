"""The horizon program over intervals: numpy arrays for the LP relaxation and, with whole blocks, the MILP.

Residency of a class of equal blocks changes only at its events: the steps that read it, and steps at which a copy is offered
(all steps, or those that pricing asks for). Between two events lies a segment with one variable a tier. Room is counted by
an inventory a tier and state, so that a segment costs two entries however long it is. Row and column names are those of the
algebraic statement in ``models/horizon.py``.

How a read is served has a variable for each operation that can serve it. Where there are only reads, which all leave the block
at the processor, fewer do: one for all reads of a step with two tiers, none under the exclusive rule.

Where blocks may lie nowhere, how much of a block lies in any tier has a column, too: it grows by what comes from outside alone.
Whole blocks need no such rule; parts of them would be multiplied by copying them to and fro (x + x is not more of the block).

Meters and budgets have columns and rows of their own, last of all (:mod:`placement_opt.bounds.programs.budget_rows`).

Scaled units: sizes in multiples of ``unit`` bytes, time in what that many take
(:func:`placement_opt.bounds.programs.byte_loads.time_unit`), every rate row divided by its rate: solver tolerances are
absolute, and raw bytes and seconds have produced wrong "optimal" values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.highs import SMALLEST, LinearProgram, from_triplets
from placement_opt.bounds.dual.classes import Classes
from placement_opt.bounds.programs.budget_rows import BudgetRows, column_scale
from placement_opt.bounds.programs.byte_loads import byte_loads, time_unit
from placement_opt.bounds.programs.events import Events
from placement_opt.bounds.programs.held import add_held
from placement_opt.bounds.programs.horizon_names import column_names, row_names
from placement_opt.bounds.result import Prices
from placement_opt.instance.instance import Instance


class _Triplets:
    """Entries of a sparse matrix, collected as arrays."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.columns: list[Any] = []
        self.values: list[Any] = []

    def add(self, rows: Any, columns: Any, values: Any) -> None:
        rows, columns, values = np.broadcast_arrays(rows, columns, np.asarray(values, dtype=np.float64))
        if not values.all():
            keep = values != 0
            rows, columns, values = rows[keep], columns[keep], values[keep]
        self.rows.append(rows.astype(np.int32))
        self.columns.append(columns.astype(np.int32))
        self.values.append(values)

    def arrays(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any], Float64]:
        return np.concatenate(self.rows), np.concatenate(self.columns), np.concatenate(self.values)


class HorizonProgram:
    """Builds and reads back the horizon program of an instance.

    Parameters
    ----------
    instance, classes, events
        What to build it for. ``integral`` wants one class a block.
    integral
        Residency is 0 or 1 (MILP) instead of between 0 and the number of blocks in the class.
    elastic
        By how much budgets must be overdrawn, instead of the objective (:mod:`placement_opt.bounds.programs.budget_rows`).
    """

    def __init__(
        self, instance: Instance, classes: Classes, events: Events, *, integral: bool = False, elastic: bool = False
    ) -> None:
        self.instance, self.classes, self.events, self.integral = instance, classes, events, integral
        self.tiers = [k for k in range(instance.num_tiers) if not (instance.inclusive and k == instance.home)]
        # whole blocks want whole coefficients: thirds made the solver's presolve call a feasible program infeasible
        self.unit = float(np.gcd.reduce(instance.size) if integral else np.median(instance.size))
        self.time_unit = time_unit(instance, self.unit)
        self.bytes = byte_loads(instance)
        self.budgets = BudgetRows.of(instance, self.bytes, self.unit, self.time_unit, elastic=elastic)
        self.kind = self.bytes.kind[classes.block]
        self._layout()

    # ---- columns -------------------------------------------------------------------------------------------------

    def _layout(self) -> None:
        """Which columns and rows exist, and where."""
        inst, classes, events = self.instance, self.classes, self.events
        steps, groups, tiers = inst.num_steps, len(classes), len(self.tiers)
        self.segments = len(events.step) + groups
        self.before = np.arange(len(events.step)) + events.owner
        self.segment_owner = np.repeat(np.arange(groups), np.diff(events.start) + 1)
        opens = np.empty(self.segments, dtype=np.int64)
        closes = np.empty(self.segments, dtype=np.int64)
        first_segment = events.start[:-1] + np.arange(groups)
        last_segment = events.start[1:] + np.arange(groups)
        opens[first_segment], closes[last_segment] = classes.first, classes.last
        opens[self.before + 1], closes[self.before] = events.step + 1, events.step
        self.opens, self.closes, self.first_segment = opens, closes, first_segment
        owner = np.repeat(np.arange(groups), np.diff(classes.start))
        key = owner * (steps + 2)
        at = np.searchsorted(events.owner * (steps + 2) + events.step, key + classes.step)
        self.read_owner, self.read_segment = owner, at + owner
        self.each = not inst.memory.operations.plain  # a variable for each read and operation that serves it
        self.aggregated = inst.num_tiers == 2 and inst.residency != "exclusive" and not self.each
        self.split = inst.num_tiers != 2 and inst.residency != "exclusive" and not self.each
        self.always_brings = all(self.bytes.brings)
        self.copies = self._copies()
        self.stores = np.flatnonzero(events.share > 0)
        inside = classes.step < classes.last[owner]
        self.read_stored = np.where(inside, np.searchsorted(self.stores, at), -1)
        self.read_event = np.where(inside, at, -1)
        self.anywhere = inst.forgets and self.each
        sizes = {
            "tau": steps,
            "inventory": tiers * (steps + 1),
            "fast": steps if self.aggregated else 0,
            "x": tiers * self.segments,
            "p": tiers * len(self.stores),
            "z": sum(len(which) for _, _, which in self.copies),
            "y": (len(self.bytes.source) if self.each else tiers if self.split else 0) * len(classes.step),
            "held": self.segments if self.anywhere else 0,
            "meter": self.budgets.num_columns,
        }
        self.column: dict[str, int] = {}
        total = 0
        for name, size in sizes.items():
            self.column[name] = total
            total += size
        self.num_columns = total

    def _copies(self) -> list[tuple[int, int, Int64]]:
        """(source, target, events) of the copies worth offering: those that load nothing less than another way do not help."""
        inst, store, copy = self.instance, self.instance.loads.counted.store, self.instance.loads.counted.copy
        whole = self.events.share >= 1.0
        found = []
        for j in range(inst.num_tiers):
            for k in self.tiers:
                if j == k:
                    continue
                if inst.inclusive and j != inst.home and (copy[:, j, k] >= copy[:, inst.home, k]).all():
                    continue
                passing = self.always_brings and bool((copy[:, j, k] >= store[:, k]).all())
                found.append((j, k, np.flatnonzero(~whole) if passing else np.arange(len(whole))))
        return found

    def x_column(self, tier: int, segment: Any) -> Any:
        return self.column["x"] + self.tiers.index(tier) * self.segments + segment

    # ---- building ------------------------------------------------------------------------------------------------

    def build(self) -> LinearProgram:
        """The arrays; see :mod:`placement_opt.base.highs` for their meaning."""
        inst = self.instance
        steps, resources = inst.num_steps, inst.num_resources
        self.matrix = _Triplets()
        self.load_scale = column_scale(inst, self.unit, self.budgets)
        self.metered = np.zeros((len(inst.used_meters), self.num_columns))
        self.given = np.zeros(len(inst.used_meters))  # what no column decides adds to each meter, in its unit
        low, high = np.zeros(self.num_columns), np.full(self.num_columns, np.inf)
        self.matrix.add(np.arange(steps * resources), np.repeat(np.arange(steps), resources), -1.0)
        self.row_low = [np.full(steps * resources, -np.inf)]
        self.row_high = [-(inst.fixed / inst.memory.rates / self.time_unit).ravel()]
        self.rows = steps * resources
        self.row_names: list[tuple[str, Any]] = [("rate", (steps, resources))]
        low[:steps] = inst.floor / self.time_unit
        self._births(self.row_high[0])
        self._inventory(high)
        self._residency(low, high)
        self._moves(high)
        self._service(high)
        if self.anywhere:
            add_held(self, high)
        self._meters()
        integral = None
        if self.integral:
            integral = np.zeros(self.num_columns, dtype=bool)
            integral[self.column["x"] : self.column["p"]] = True
        cost = self.budgets.costs(self.num_columns, self.column["meter"])
        entries = from_triplets(self.num_columns, *self.matrix.arrays())
        return LinearProgram(
            cost,
            low,
            high,
            np.concatenate(self.row_low),
            np.concatenate(self.row_high),
            *entries,
            integral=integral,
            time_unit=self.budgets.goal_unit,
            names=lambda: (column_names(self), row_names(self)),
        )

    def new_rows(self, name: str, count: int, low: Any, high: Any, index: Any) -> int:
        """``count`` rows of a kind, between ``low`` and ``high``; the first of them."""
        first = self.rows
        self.row_low.append(np.broadcast_to(np.asarray(low, dtype=np.float64), count))
        self.row_high.append(np.broadcast_to(np.asarray(high, dtype=np.float64), count))
        self.row_names.append((name, index))
        self.rows += count
        return first

    def _load(self, step: Any, column: Any, operation: Float64, amount: Any, kind: Int64) -> None:
        """``amount`` (units of bytes per unit of the column) of an operation at some steps, on every resource it uses.

        ``operation`` float64[C, R + M]: its loads by kind of block, which is ``kind``. One call a column and step: the solver
        refuses two entries in one place.
        """
        resources = self.instance.num_resources
        for r in np.flatnonzero(operation.any(axis=0)):
            factor = operation[kind, r] if len(operation) > 1 else operation[0, r]
            load = np.asarray(amount * (factor * self.load_scale[r]))
            if r >= resources:
                np.add.at(self.metered[r - resources], column, np.broadcast_to(load, np.shape(column)))
                continue
            # what is too small for the solver is left out: that can only lower the time, and the dual counts it
            load = np.where((load > 0) & (load < SMALLEST), 0.0, load)
            self.matrix.add(step * resources + r, column, load)

    def _meters(self) -> None:
        """Rows of meters and budgets."""
        rows = self.budgets
        meter = self.new_rows("meter", len(self.given), -np.inf, rows.meter_most(self.given), None)
        budget = self.new_rows("budget", len(self.instance.budgets), -np.inf, rows.budget_most(), None)
        rows.entries(self.matrix.add, meter, budget, self.column["meter"])
        for m, loads in enumerate(self.metered):
            loaded = np.flatnonzero(np.abs(loads) >= SMALLEST)
            self.matrix.add(meter + m, loaded, loads[loaded])

    def _give(self, amount: float, operation: Float64) -> None:
        """So many units of bytes under an operation (float64[R + M]) are nobody's choice: on meters."""
        resources = self.instance.num_resources
        self.given += amount * operation[resources:] * self.load_scale[resources:]

    def _weight(self, owner: Any) -> Float64:
        return np.asarray(self.classes.size[owner] / self.unit)

    def _births(self, rate_high: Float64) -> None:
        """Inclusive: the write-through of new blocks; else (and for other tiers) the first segment pays for its store."""
        inst, classes = self.instance, self.classes
        born = np.flatnonzero(classes.first > 0)
        if inst.inclusive:
            for c in range(len(self.bytes)):
                bytes_written, here = np.zeros(inst.num_steps), born[self.kind[born] == c]
                np.add.at(bytes_written, classes.first[here] - 1, (classes.size * classes.count)[here].astype(np.float64))
                store, resources = self.bytes.store[c, inst.home], inst.num_resources
                load = bytes_written[:, None] * store[:resources] / inst.memory.rates / self.time_unit
                rate_high -= load.ravel()
                self._give(bytes_written.sum() / self.unit, store)
        for k in self.tiers:
            self._load(
                classes.first[born] - 1,
                self.x_column(k, self.first_segment[born]),
                self.bytes.store[:, k],
                self._weight(born),
                self.kind[born],
            )

    def _inventory(self, high: Float64) -> None:
        steps, inst = self.instance.num_steps, self.instance
        for n, k in enumerate(self.tiers):
            first = self.new_rows("capacity", steps + 1, 0.0, 0.0, k)
            room = self.column["inventory"] + n * (steps + 1) + np.arange(steps + 1)
            high[room] = inst.capacity[k] / self.unit
            self.matrix.add(first + np.arange(steps + 1), room, 1.0)
            self.matrix.add(first + np.arange(1, steps + 1), room[:-1], -1.0)
            segment = np.arange(self.segments)
            weight = self._weight(self.segment_owner)
            self.matrix.add(first + self.opens, self.x_column(k, segment), -weight)
            ends = self.closes < steps
            self.matrix.add(first + self.closes[ends] + 1, self.x_column(k, segment[ends]), weight[ends])

    def _residency(self, low: Float64, high: Float64) -> None:
        """Bounds of x, the given start, and what must be alive."""
        inst, classes = self.instance, self.classes
        count = classes.count[self.segment_owner].astype(np.float64)
        used = np.ones(self.segments, dtype=bool)
        if inst.inclusive or inst.forgets:  # nothing is gained by holding a copy that serves neither a read nor a copy
            used = np.zeros(self.segments, dtype=bool)
            used[self.read_segment] = True
            used[self.before] = True
        given = (classes.begin >= 0) & (classes.first == 0)
        start = self.first_segment[given]
        for k in self.tiers:
            columns = self.x_column(k, np.arange(self.segments))
            high[columns] = np.where(used, count, 0.0)
            held = ((classes.begin[given] >> k) & 1) * classes.count[given]
            low[self.x_column(k, start)] = high[self.x_column(k, start)] = held
        if not (inst.inclusive or inst.forgets):
            top = count if inst.residency == "exclusive" else np.inf
            rows = self.new_rows("alive", self.segments, count, top, "segment") + np.arange(self.segments)
            for k in self.tiers:
                self.matrix.add(rows, self.x_column(k, np.arange(self.segments)), 1.0)

    def _moves(self, high: Float64) -> None:
        """keep, source and passing: what a segment may hold beyond the one before it."""
        events, classes = self.events, self.classes
        count = classes.count[events.owner].astype(np.float64)
        keep = {}
        for k in self.tiers:
            keep[k] = self.new_rows("keep", len(events.step), -np.inf, 0.0, k) + np.arange(len(events.step))
            self.matrix.add(keep[k], self.x_column(k, self.before + 1), 1.0)
            self.matrix.add(keep[k], self.x_column(k, self.before), -1.0)
            columns = self.column["p"] + self.tiers.index(k) * len(self.stores) + np.arange(len(self.stores))
            high[columns] = count[self.stores] * events.share[self.stores]
            self.matrix.add(keep[k][self.stores], columns, -1.0)
            stored = events.owner[self.stores]
            self._load(events.step[self.stores], columns, self.bytes.store[:, k], self._weight(stored), self.kind[stored])
        column = self.column["z"]
        for j, k, which in self.copies:
            columns = column + np.arange(len(which))
            column += len(which)
            high[columns] = count[which]
            self.matrix.add(keep[k][which], columns, -1.0)
            copied = events.owner[which]
            self._load(events.step[which], columns, self.bytes.copy[:, j, k], self._weight(copied), self.kind[copied])
            if j in self.tiers:
                rows = self.new_rows("source", len(which), -np.inf, 0.0, (j, k)) + np.arange(len(which))
                self.matrix.add(rows, columns, 1.0)
                self.matrix.add(rows, self.x_column(j, self.before[which]), -1.0)

    def _service(self, high: Float64) -> None:
        """How each read's bytes are split over what can serve them; of reads alone, sums suffice with two tiers or one copy."""
        if self.each:
            self._service_each(high)
        elif self.aggregated:
            self._service_sums()
        elif self.split:
            self._service_split(high)
        else:
            weight = self._weight(self.read_owner) * self.classes.share  # one copy: it serves every read
            for k in self.tiers:
                self._load(self.classes.step, self.x_column(k, self.read_segment), self.bytes.serve[:, k], weight, self.kind)

    def _service_sums(self) -> None:
        """Two tiers: bytes served from tier f at a step, at most the bytes resident there; the other tier serves the rest."""
        inst, classes = self.instance, self.classes
        fast = self.tiers[0]
        other = inst.home if inst.inclusive else self.tiers[1]
        steps = inst.num_steps
        weight = self._weight(self.read_owner) * classes.share
        total = np.bincount(classes.step, weight * classes.count[self.read_owner], steps)
        served = self.column["fast"] + np.arange(steps)
        read = self.bytes.serve
        self._load(np.arange(steps), served, read[:, fast] - read[:, other], 1.0, self.kind)
        resources = inst.num_resources
        self.row_high[0] -= (total[:, None] * read[0, other, :resources] * self.load_scale[:resources]).ravel()
        self._give(total.sum(), read[0, other])
        rows = self.new_rows("served", steps, -np.inf, total, "all") + np.arange(steps)
        self.matrix.add(rows, served, 1.0)
        rows = self.new_rows("resident", steps, -np.inf, 0.0, fast) + np.arange(steps)
        self.matrix.add(rows, served, 1.0)
        self.matrix.add(rows[classes.step], self.x_column(fast, self.read_segment), -weight)
        if not inst.inclusive:
            rows = self.new_rows("resident", steps, total, np.inf, other) + np.arange(steps)
            self.matrix.add(rows, served, 1.0)
            self.matrix.add(rows[classes.step], self.x_column(other, self.read_segment), weight)

    def _service_split(self, high: Float64) -> None:
        """Reads alone: shares of each that come from each tier."""
        inst, classes = self.instance, self.classes
        reads = len(classes.step)
        count = classes.count[self.read_owner].astype(np.float64)
        weight = self._weight(self.read_owner) * classes.share
        least = -np.inf if inst.inclusive else count
        served = self.new_rows("served", reads, least, count, "all") + np.arange(reads)
        if inst.inclusive:  # the home tier serves what the others do not
            total = np.zeros(inst.num_steps)
            np.add.at(total, classes.step, weight * count)
            read, resources = self.bytes.serve[0, inst.home], inst.num_resources
            self.row_high[0] -= (total[:, None] * read[:resources] * self.load_scale[:resources]).ravel()
            self._give(total.sum(), read)
        for n, k in enumerate(self.tiers):
            columns = self.column["y"] + n * reads + np.arange(reads)
            high[columns] = count
            self.matrix.add(served, columns, 1.0)
            rows = self.new_rows("resident", reads, -np.inf, 0.0, k) + np.arange(reads)
            self.matrix.add(rows, columns, 1.0)
            self.matrix.add(rows, self.x_column(k, self.read_segment), -1.0)
            instead = self.bytes.serve[:, inst.home] if inst.inclusive else 0.0
            self._load(classes.step, columns, self.bytes.serve[:, k] - instead, weight, self.kind)

    def _service_each(self, high: Float64) -> None:
        """Shares of each read that each operation serves, and what of them is at the processor afterwards."""
        classes, table = self.classes, self.bytes
        reads = len(classes.step)
        count = classes.count[self.read_owner].astype(np.float64)
        weight, kind = self._weight(self.read_owner) * classes.share, self.kind[self.read_owner]
        columns = [self.column["y"] + v * reads + np.arange(reads) for v in range(len(table.source))]
        served = self.new_rows("served", reads, count, count, "all") + np.arange(reads)
        for v, column in enumerate(columns):
            high[column] = np.where(table.applies[kind, v], count, 0.0)
            self.matrix.add(served, column, 1.0)
            self._load(classes.step, column, table.serve[:, v], weight, kind)
        for k in self.tiers:
            rows = self.new_rows("resident", reads, -np.inf, 0.0, k) + np.arange(reads)
            self.matrix.add(rows, self.x_column(k, self.read_segment), -1.0)
            for v in np.flatnonzero(np.array(table.source) == k).tolist():
                self.matrix.add(rows, columns[v], 1.0)
        if self.always_brings:
            return
        at = np.flatnonzero(self.read_stored >= 0)
        for n, k in enumerate(self.tiers):
            rows = self.new_rows("passing", len(self.stores), -np.inf, 0.0, k) + np.arange(len(self.stores))
            self.matrix.add(rows, self.column["p"] + n * len(self.stores) + np.arange(len(self.stores)), 1.0)
            for v in np.flatnonzero(table.brings).tolist():
                self.matrix.add(rows[self.read_stored[at]], columns[v][at], -classes.share[at])

    # ---- reading back --------------------------------------------------------------------------------------------

    def prices(self, row_dual: Float64) -> Prices:
        """Multipliers of the solver as prices in seconds per byte; any sign error or noise is the dual's to clean up."""
        inst = self.instance
        steps, resources = inst.num_steps, inst.num_resources
        goal_unit = self.budgets.goal_unit
        rho = -row_dual[: steps * resources].reshape(steps, resources) / inst.memory.rates * (goal_unit / self.time_unit)
        rent = np.zeros((steps + 1, inst.num_tiers))
        first = steps * resources
        for k in self.tiers:
            level = row_dual[first : first + steps + 1]
            rent[:, k] = (level - np.append(level[1:], 0.0)) * goal_unit / self.unit
            first += steps + 1
        mu = self.budgets.mu(row_dual[self.rows - len(inst.budgets) : self.rows])
        return Prices(np.maximum(rho, 0.0), np.maximum(rent, 0.0), mu)

    def times(self, x: Float64) -> Float64:
        """float64[T]: seconds of each step."""
        return np.asarray(x[: self.instance.num_steps] * self.time_unit)

    def residency(self, x: Float64) -> Float64:
        """float64[K, segments]: copies of each class in each tier over each segment (the home tier of inclusive: all)."""
        held = np.zeros((self.instance.num_tiers, self.segments))
        if self.instance.inclusive:
            held[self.instance.home] = self.classes.count[self.segment_owner]
        for k in self.tiers:
            held[k] = x[self.x_column(k, np.arange(self.segments))]
        return held
