"""The horizon program over intervals: numpy arrays for the LP relaxation and, with whole blocks, the MILP.

Residency of a class of equal blocks changes only at its events: the steps that read it, and steps at which a copy is offered
(all steps, or those that pricing asks for). Between two events lies a segment with one variable a tier. Room is counted by
an inventory a tier and state, so that a segment costs two entries however long it is. Row and column names are those of the
algebraic statement in ``models/horizon.py``.

Scaled units: sizes in multiples of ``unit`` bytes, time in ``unit`` bytes over a rate in between
(:func:`placement_opt.bounds.programs.highs.rate_unit`), every rate row divided by its rate: solver tolerances are absolute,
and raw bytes and seconds have produced wrong "optimal" values.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.bounds.dual.classes import Classes
from placement_opt.bounds.programs.highs import SMALLEST, LinearProgram, from_triplets, rate_unit
from placement_opt.bounds.result import Float64, Prices
from placement_opt.instance.instance import Instance
from placement_opt.memory.system import Int64

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Events:
    """When each class may change: M events, ascending within a class, and the segments between them.

    Attributes
    ----------
    start
        int64[G + 1]: events of class g are start[g]:start[g + 1].
    step
        int64[M].
    share
        float64[M]: share read at the event's step; 0 where the class is not read.
    """

    start: Int64
    step: Int64
    share: Float64

    @cached_property
    def owner(self) -> Int64:
        """int64[M]: the class of each event. The segment before event m is m + owner[m], the one after follows it."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))


def make_events(instance: Instance, classes: Classes, extra: tuple[Int64, Int64] | None, every_step: bool) -> Events:
    """Reads before the last state, plus ``extra`` (classes, steps), or all steps at which a class lives.

    Blocks whose start is given may be dropped or moved at their first step: nobody asked for them to lie where they do.
    """
    steps = instance.num_steps + 2
    owner = np.repeat(np.arange(len(classes)), np.diff(classes.start))
    inside = classes.step < classes.last[owner]
    keys = owner[inside] * steps + classes.step[inside]
    shares = classes.share[inside]
    if every_step:
        lengths = classes.last - classes.first
        ends = np.cumsum(lengths)
        offset = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
        more = np.repeat(np.arange(len(classes)) * steps + classes.first, lengths) + offset
    else:
        given = np.flatnonzero((classes.begin > 0) & (classes.first < classes.last))
        more = given * steps + classes.first[given]
        if extra is not None:
            more = np.concatenate([more, extra[0] * steps + extra[1]])
    merged = np.sort(np.concatenate([keys, more])) if len(more) else keys
    merged = merged[np.append(True, merged[1:] != merged[:-1])[: len(merged)]]
    share = np.zeros(len(merged))
    share[np.searchsorted(merged, keys)] = shares
    start = np.searchsorted(merged, np.arange(len(classes) + 1) * steps)
    return Events(start.astype(np.int64), merged % steps, share)


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
    """

    def __init__(self, instance: Instance, classes: Classes, events: Events, *, integral: bool = False) -> None:
        self.instance, self.classes, self.events, self.integral = instance, classes, events, integral
        self.tiers = [k for k in range(instance.num_tiers) if not (instance.inclusive and k == instance.home)]
        # whole blocks want whole coefficients: thirds made the solver's presolve call a feasible program infeasible
        self.unit = float(np.gcd.reduce(instance.size) if integral else np.median(instance.size))
        self.time_unit = self.unit / rate_unit(instance.memory.rates)
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
        self.aggregated = inst.num_tiers == 2 and inst.residency != "exclusive"
        self.split = inst.num_tiers != 2 and inst.residency != "exclusive"
        self.copies = self._copies()
        self.stores = np.flatnonzero(events.share > 0)
        sizes = {
            "tau": steps,
            "inventory": tiers * (steps + 1),
            "fast": steps if self.aggregated else 0,
            "x": tiers * self.segments,
            "p": tiers * len(self.stores),
            "z": sum(len(which) for _, _, which in self.copies),
            "y": tiers * len(classes.step) if self.split else 0,
        }
        self.column: dict[str, int] = {}
        total = 0
        for name, size in sizes.items():
            self.column[name] = total
            total += size
        self.num_columns = total

    def _copies(self) -> list[tuple[int, int, Int64]]:
        """(source, target, events) of the copies worth offering: those that load nothing less than another way do not help."""
        memory, inst = self.instance.memory, self.instance
        whole = self.events.share >= 1.0
        found = []
        for j in range(inst.num_tiers):
            for k in self.tiers:
                if j == k:
                    continue
                home_copy = memory.copy[inst.home, k]
                if inst.inclusive and j != inst.home and (memory.copy[j, k] >= home_copy).all():
                    continue
                passing = bool((memory.copy[j, k] >= memory.write[k]).all())
                found.append((j, k, np.flatnonzero(~whole) if passing else np.arange(len(whole))))
        return found

    def _x(self, tier: int, segment: Any) -> Any:
        return self.column["x"] + self.tiers.index(tier) * self.segments + segment

    # ---- building ------------------------------------------------------------------------------------------------

    def build(self) -> LinearProgram:
        """The arrays; see :mod:`placement_opt.bounds.programs.highs` for their meaning."""
        inst = self.instance
        steps, resources = inst.num_steps, inst.num_resources
        self.matrix = _Triplets()
        self.load_scale = self.unit / inst.memory.rates / self.time_unit  # one unit of bytes on a resource, in time units
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
        integral = None
        if self.integral:
            integral = np.zeros(self.num_columns, dtype=bool)
            integral[self.column["x"] : self.column["p"]] = True
        cost = np.zeros(self.num_columns)
        cost[:steps] = 1.0
        entries = from_triplets(self.num_columns, *self.matrix.arrays())
        return LinearProgram(
            cost,
            low,
            high,
            np.concatenate(self.row_low),
            np.concatenate(self.row_high),
            *entries,
            integral=integral,
            time_unit=self.time_unit,
            names=lambda: (self.column_names(), self.names_of_rows()),
        )

    def _new_rows(self, name: str, count: int, low: Any, high: Any, index: Any) -> int:
        first = self.rows
        self.row_low.append(np.broadcast_to(np.asarray(low, dtype=np.float64), count))
        self.row_high.append(np.broadcast_to(np.asarray(high, dtype=np.float64), count))
        self.row_names.append((name, index))
        self.rows += count
        return first

    def _load(self, step: Any, column: Any, operation: Int64, amount: Any) -> None:
        """``amount`` (units of bytes per unit of the column) of an operation at some steps, on every resource it uses.

        One call a column and step: the solver refuses two entries in one place.
        """
        for r in np.flatnonzero(operation):
            load = np.asarray(amount * (operation[r] * self.load_scale[r]))
            # what is too small for the solver is left out: that can only lower the time, and the dual counts it
            load = np.where((load > 0) & (load < SMALLEST), 0.0, load)
            self.matrix.add(step * self.instance.num_resources + r, column, load)

    def _weight(self, owner: Any) -> Float64:
        return np.asarray(self.classes.size[owner] / self.unit)

    def _births(self, rate_high: Float64) -> None:
        """Inclusive: the write-through of new blocks; else (and for other tiers) the first segment pays for its store."""
        inst, classes = self.instance, self.classes
        born = np.flatnonzero(classes.first > 0)
        if inst.inclusive:
            bytes_written = np.zeros(inst.num_steps)
            np.add.at(bytes_written, classes.first[born] - 1, (classes.size * classes.count)[born].astype(np.float64))
            load = bytes_written[:, None] * inst.memory.write[inst.home] / inst.memory.rates / self.time_unit
            rate_high -= load.ravel()
        for k in self.tiers:
            self._load(
                classes.first[born] - 1,
                self._x(k, self.first_segment[born]),
                inst.memory.write[k],
                self._weight(born),
            )

    def _inventory(self, high: Float64) -> None:
        steps, inst = self.instance.num_steps, self.instance
        for n, k in enumerate(self.tiers):
            first = self._new_rows("capacity", steps + 1, 0.0, 0.0, k)
            room = self.column["inventory"] + n * (steps + 1) + np.arange(steps + 1)
            high[room] = inst.capacity[k] / self.unit
            self.matrix.add(first + np.arange(steps + 1), room, 1.0)
            self.matrix.add(first + np.arange(1, steps + 1), room[:-1], -1.0)
            segment = np.arange(self.segments)
            weight = self._weight(self.segment_owner)
            self.matrix.add(first + self.opens, self._x(k, segment), -weight)
            ends = self.closes < steps
            self.matrix.add(first + self.closes[ends] + 1, self._x(k, segment[ends]), weight[ends])

    def _residency(self, low: Float64, high: Float64) -> None:
        """Bounds of x, the given start, and what must be alive."""
        inst, classes = self.instance, self.classes
        count = classes.count[self.segment_owner].astype(np.float64)
        used = np.ones(self.segments, dtype=bool)
        if inst.inclusive:  # nothing is gained by holding a copy that serves neither a read nor a copy
            used = np.zeros(self.segments, dtype=bool)
            used[self.read_segment] = True
            used[self.before] = True
        given = classes.begin > 0
        start = self.first_segment[given]
        for k in self.tiers:
            columns = self._x(k, np.arange(self.segments))
            high[columns] = np.where(used, count, 0.0)
            held = ((classes.begin[given] >> k) & 1) * classes.count[given]
            low[self._x(k, start)] = high[self._x(k, start)] = held
        if not inst.inclusive:
            top = count if inst.residency == "exclusive" else np.inf
            rows = self._new_rows("alive", self.segments, count, top, "segment") + np.arange(self.segments)
            for k in self.tiers:
                self.matrix.add(rows, self._x(k, np.arange(self.segments)), 1.0)

    def _moves(self, high: Float64) -> None:
        """keep, source and passing: what a segment may hold beyond the one before it."""
        inst, events, classes = self.instance, self.events, self.classes
        count = classes.count[events.owner].astype(np.float64)
        keep = {}
        for k in self.tiers:
            keep[k] = self._new_rows("keep", len(events.step), -np.inf, 0.0, k) + np.arange(len(events.step))
            self.matrix.add(keep[k], self._x(k, self.before + 1), 1.0)
            self.matrix.add(keep[k], self._x(k, self.before), -1.0)
            columns = self.column["p"] + self.tiers.index(k) * len(self.stores) + np.arange(len(self.stores))
            high[columns] = count[self.stores] * events.share[self.stores]
            self.matrix.add(keep[k][self.stores], columns, -1.0)
            self._load(events.step[self.stores], columns, inst.memory.write[k], self._weight(events.owner[self.stores]))
        column = self.column["z"]
        for j, k, which in self.copies:
            columns = column + np.arange(len(which))
            column += len(which)
            high[columns] = count[which]
            self.matrix.add(keep[k][which], columns, -1.0)
            self._load(events.step[which], columns, inst.memory.copy[j, k], self._weight(events.owner[which]))
            if j in self.tiers:
                rows = self._new_rows("source", len(which), -np.inf, 0.0, (j, k)) + np.arange(len(which))
                self.matrix.add(rows, columns, 1.0)
                self.matrix.add(rows, self._x(j, self.before[which]), -1.0)

    def _service(self, high: Float64) -> None:
        """How each read's bytes are split over the copies; sums suffice for two tiers and for exclusive residency."""
        if self.aggregated:
            self._service_sums()
        elif self.split:
            self._service_split(high)
        else:
            weight = self._weight(self.read_owner) * self.classes.share  # one copy: it serves every read
            for k in self.tiers:
                self._load(self.classes.step, self._x(k, self.read_segment), self.instance.memory.read[k], weight)

    def _service_sums(self) -> None:
        """Two tiers: bytes served from tier f at a step, at most the bytes resident there; the other tier serves the rest."""
        inst, classes = self.instance, self.classes
        fast = self.tiers[0]
        other = inst.home if inst.inclusive else self.tiers[1]
        steps = inst.num_steps
        weight = self._weight(self.read_owner) * classes.share
        total = np.bincount(classes.step, weight * classes.count[self.read_owner], steps)
        served = self.column["fast"] + np.arange(steps)
        read = inst.memory.read
        self._load(np.arange(steps), served, read[fast] - read[other], 1.0)
        self.row_high[0] -= (total[:, None] * read[other] * self.load_scale).ravel()
        rows = self._new_rows("served", steps, -np.inf, total, "all") + np.arange(steps)
        self.matrix.add(rows, served, 1.0)
        rows = self._new_rows("resident", steps, -np.inf, 0.0, fast) + np.arange(steps)
        self.matrix.add(rows, served, 1.0)
        self.matrix.add(rows[classes.step], self._x(fast, self.read_segment), -weight)
        if not inst.inclusive:
            rows = self._new_rows("resident", steps, total, np.inf, other) + np.arange(steps)
            self.matrix.add(rows, served, 1.0)
            self.matrix.add(rows[classes.step], self._x(other, self.read_segment), weight)

    def _service_split(self, high: Float64) -> None:
        inst, classes = self.instance, self.classes
        reads = len(classes.step)
        count = classes.count[self.read_owner].astype(np.float64)
        weight = self._weight(self.read_owner) * classes.share
        least = -np.inf if inst.inclusive else count
        served = self._new_rows("served", reads, least, count, "all") + np.arange(reads)
        if inst.inclusive:  # the home tier serves what the others do not
            total = np.zeros(inst.num_steps)
            np.add.at(total, classes.step, weight * count)
            self.row_high[0] -= (total[:, None] * inst.memory.read[inst.home] * self.load_scale).ravel()
        for n, k in enumerate(self.tiers):
            columns = self.column["y"] + n * reads + np.arange(reads)
            high[columns] = count
            self.matrix.add(served, columns, 1.0)
            rows = self._new_rows("resident", reads, -np.inf, 0.0, k) + np.arange(reads)
            self.matrix.add(rows, columns, 1.0)
            self.matrix.add(rows, self._x(k, self.read_segment), -1.0)
            instead = inst.memory.read[inst.home] if inst.inclusive else 0
            self._load(classes.step, columns, inst.memory.read[k] - instead, weight)

    # ---- reading back --------------------------------------------------------------------------------------------

    def prices(self, row_dual: Float64) -> Prices:
        """Multipliers of the solver as prices in seconds per byte; any sign error or noise is the dual's to clean up."""
        inst = self.instance
        steps, resources = inst.num_steps, inst.num_resources
        rho = -row_dual[: steps * resources].reshape(steps, resources) / inst.memory.rates
        rent = np.zeros((steps + 1, inst.num_tiers))
        first = steps * resources
        for k in self.tiers:
            level = row_dual[first : first + steps + 1]
            rent[:, k] = (level - np.append(level[1:], 0.0)) * self.time_unit / self.unit
            first += steps + 1
        return Prices(np.maximum(rho, 0.0), np.maximum(rent, 0.0))

    def times(self, x: Float64) -> Float64:
        """float64[T]: seconds of each step."""
        return np.asarray(x[: self.instance.num_steps] * self.time_unit)

    def residency(self, x: Float64) -> Float64:
        """float64[K, segments]: copies of each class in each tier over each segment (the home tier of inclusive: all)."""
        held = np.zeros((self.instance.num_tiers, self.segments))
        if self.instance.inclusive:
            held[self.instance.home] = self.classes.count[self.segment_owner]
        for k in self.tiers:
            held[k] = x[self._x(k, np.arange(self.segments))]
        return held

    # ---- names ---------------------------------------------------------------------------------------------------

    def column_names(self) -> list[str]:
        """Names for export: x[block,tier,first state], p[block,tier,step], z[block,from,to,step], y[...], tau[step]."""
        inst, classes, events = self.instance, self.classes, self.events
        tier = inst.memory.tier_names
        names = [f"tau[{t}]" for t in range(inst.num_steps)]
        names += [f"inventory[{tier[k]},{t}]" for k in self.tiers for t in range(inst.num_steps + 1)]
        if self.aggregated:
            names += [f"y[all,{tier[self.tiers[0]]},{t}]" for t in range(inst.num_steps)]
        block, owner = classes.block, self.segment_owner
        opens = self.opens.tolist()
        names += [f"x[{block[owner[s]]},{tier[k]},{opens[s]}]" for k in self.tiers for s in range(self.segments)]
        at = [int(block[g]) for g in events.owner]
        names += [f"p[{at[m]},{tier[k]},{events.step[m]}]" for k in self.tiers for m in self.stores]
        names += [f"z[{at[m]},{tier[j]},{tier[k]},{events.step[m]}]" for j, k, which in self.copies for m in which]
        if self.split:
            reads = range(len(classes.step))
            names += [f"y[{block[self.read_owner[n]]},{tier[k]},{classes.step[n]}]" for k in self.tiers for n in reads]
        return names

    def names_of_rows(self) -> list[str]:
        """Names for export, equal to the constraint names of the algebraic statement."""
        inst, classes, events = self.instance, self.classes, self.events
        tier, resource, block = inst.memory.tier_names, inst.memory.resources, classes.block
        at = [int(block[g]) for g in events.owner]
        reads = [(int(block[g]), int(t)) for g, t in zip(self.read_owner, classes.step, strict=True)]
        copies = {(j, k): which for j, k, which in self.copies}
        names: list[str] = []
        for name, index in self.row_names:
            if name == "rate":
                names += [f"rate[{resource[r]},{t}]" for t in range(inst.num_steps) for r in range(inst.num_resources)]
            elif name == "capacity":
                names += [f"capacity[{tier[index]},{t}]" for t in range(inst.num_steps + 1)]
            elif name == "keep":
                names += [f"keep[{b},{tier[index]},{t}]" for b, t in zip(at, events.step.tolist(), strict=True)]
            elif name == "source":
                j, k = index
                names += [f"source[{at[m]},{tier[j]},{tier[k]},{events.step[m]}]" for m in copies[j, k]]
            elif name == "alive":
                names += [f"alive[{block[g]},{t}]" for g, t in zip(self.segment_owner, self.opens.tolist(), strict=True)]
            elif self.aggregated:
                where = "" if name == "served" else f"{tier[index]},"
                names += [f"{name}[all,{where}{t}]" for t in range(inst.num_steps)]
            elif name == "served":
                names += [f"served[{b},{t}]" for b, t in reads]
            else:
                names += [f"resident[{b},{tier[index]},{t}]" for b, t in reads]
        return names
