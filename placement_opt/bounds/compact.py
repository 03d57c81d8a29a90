"""The sums-only LP of two tiers: one column per kind of interval, rows per step only, then the dual at its prices.

An interval leads from one read of a block (or from its birth, or state 0) to its next; it is kept in the fast tier or not.
Intervals with the same two steps, size and share are one column with a larger bound, however many blocks they belong to. The
program forgets who stays and what promotion costs, and (to begin with) that a block can be fetched back in between, so its
objective is no bound: a trace is known where it lies 26 % above a schedule that exists. Published is the dual value at its
prices (:mod:`placement_opt.bounds.dual`), which counts all three; where the two differ, the fetch-back that cheapest paths
ask for is priced in and the program solved again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.bounds import step
from placement_opt.bounds.classes import Classes, classify
from placement_opt.bounds.dual import DualValue, evaluate, fetch_events
from placement_opt.bounds.highs import SMALLEST, Ended, LinearProgram, Solution, SolverError, from_triplets, solve
from placement_opt.bounds.result import Bound, Float64, Prices, Status
from placement_opt.errors import InputError
from placement_opt.instance import Instance
from placement_opt.limits import Limits
from placement_opt.memory.system import Int64

Flags = npt.NDArray[np.bool_]

TOLERANCE = 1e-6
_ROUNDS = 8
_RESTS_ON = "weak duality: the dual value at the prices found, fetch-back at every step included, evaluated without the solver"


@dataclass(frozen=True, eq=False)
class Intervals:
    """J kinds of interval, merged over blocks, and where each one-block interval went.

    Attributes
    ----------
    opens, closes
        int64[J]: first state held if kept, and the state of the read it leads to (the last state for a trailing one).
    size, count
        int64[J]: bytes of one block; how many blocks.
    share
        float64[J]: share of the block read at ``closes``; 0 for a trailing interval.
    most
        int64[J]: how many can be kept (fewer than ``count`` at state 0 of a given start).
    born
        bool[J]: the interval follows a birth.
    final
        bool[J]: nothing comes after it: it ends in the last state of its blocks.
    of
        int64[I]: kind of each one-class interval; intervals of class g are ``start[g]:start[g + 1]``, ascending.
    start
        int64[G + 1].
    """

    opens: Int64
    closes: Int64
    size: Int64
    count: Int64
    share: Float64
    most: Int64
    born: Flags
    final: Flags
    of: Int64
    start: Int64

    def __len__(self) -> int:
        return len(self.opens)


@dataclass(frozen=True, eq=False)
class CompactSolution:
    """The bound, and how many blocks of each kind of interval the program keeps (float64[J], empty if unsolved)."""

    bound: Bound
    intervals: Intervals
    kept: Float64
    classes: Classes


def cut_intervals(instance: Instance, classes: Classes, fast: int) -> Intervals:
    """The intervals of every class, merged."""
    groups = len(classes)
    lengths = np.diff(classes.start) + 1  # one per read, and what trails the last read
    start = np.concatenate([[0], np.cumsum(lengths)])
    owner = np.repeat(np.arange(groups), lengths)
    opens, closes = np.empty(start[-1], dtype=np.int64), np.empty(start[-1], dtype=np.int64)
    share = np.zeros(start[-1])
    trailing = np.zeros(start[-1], dtype=bool)
    trailing[start[1:] - 1] = True
    opens[start[:-1]], closes[start[1:] - 1] = classes.first, classes.last
    opens[np.flatnonzero(~trailing) + 1], closes[~trailing] = classes.step + 1, classes.step
    share[~trailing] = classes.share
    leading = np.zeros(start[-1], dtype=bool)
    leading[start[:-1]] = True
    begin = classes.begin[owner]
    held = ~leading | (begin <= 0) | ((begin >> fast) & 1 == 1)
    born = leading & (classes.first[owner] > 0)
    final = closes == classes.last[owner]
    # opens > closes: the last read falls in the last state, nothing trails
    share_key = np.rint(share * instance.share_base).astype(np.int64)
    keys = np.stack([opens, closes, classes.size[owner], share_key, born, final], axis=1)
    table, of = np.unique(keys, axis=0, return_inverse=True)
    of = of.reshape(-1)
    count = np.bincount(of, classes.count[owner], len(table)).astype(np.int64)
    most = np.bincount(of, classes.count[owner] * held, len(table)).astype(np.int64)
    last = np.bincount(of, share, len(table)) / np.maximum(1, np.bincount(of, minlength=len(table)))
    return Intervals(table[:, 0], table[:, 1], table[:, 2], count, last, most, table[:, 4] == 1, table[:, 5] == 1, of, start)


class CompactProgram:
    """Arrays of the sums-only LP. Columns: tau, inventory of the fast tier, bytes served from it, kept,
    (unless inclusive) bytes moved to either tier, fetched back."""

    def __init__(self, instance: Instance, intervals: Intervals, fetched: tuple[Int64, Int64]) -> None:
        self.instance, self.intervals = instance, intervals
        self.kind, self.at = fetched
        self.fast = instance.memory.fastest if not instance.inclusive else 1 - instance.home
        self.slow = 1 - self.fast
        self.unit = float(np.median(instance.size))
        self.time_unit = self.unit / float(instance.memory.rates.min())
        steps = instance.num_steps
        self.inventory, self.served = steps, 2 * steps + 1
        self.kept = self.served + steps
        self.moved = self.kept + len(intervals)
        self.back = self.moved + (0 if instance.inclusive else 2 * steps)
        self.num_columns = self.back + len(self.kind)

    def build(self) -> LinearProgram:
        inst, iv, steps = self.instance, self.intervals, self.instance.num_steps
        resources = inst.num_resources
        self._parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._scale = self.unit / inst.memory.rates / self.time_unit
        weight = iv.size / self.unit
        low, high = np.zeros(self.num_columns), np.full(self.num_columns, np.inf)
        low[:steps] = inst.floor / self.time_unit
        stays = (iv.opens <= iv.closes) & ((iv.share > 0) | (not inst.inclusive))
        high[self.kept : self.moved] = np.where(stays, iv.most, 0)
        high[self.back :] = iv.count[self.kind]
        cost = np.zeros(self.num_columns)
        cost[:steps] = 1.0
        rate_high = self._rates(weight)
        capacity = self._inventory(low, high, weight)
        lows = [np.full(steps * resources, -np.inf), *capacity, *self._service(weight)]
        highs = [rate_high, np.zeros(steps + 1), *self._service_high]
        joint, which = np.unique(self.kind, return_inverse=True)
        first = steps * resources + (steps + 1) + steps
        if not inst.inclusive:
            lows.append(np.zeros(steps) if inst.residency == "exclusive" else np.full(steps, -np.inf))
            highs.append(np.zeros(steps))
            self._net_moves(first, weight)
            first += steps
        self._add(first + np.arange(len(joint)), self.kept + joint, 1.0)
        self._add(first + which, self.back + np.arange(len(self.kind)), 1.0)
        lows.append(np.full(len(joint), -np.inf))
        highs.append(iv.count[joint].astype(np.float64))
        rows, columns, values = (np.concatenate([part[n] for part in self._parts]) for n in range(3))
        entries = from_triplets(self.num_columns, rows, columns, values)
        return LinearProgram(cost, low, high, np.concatenate(lows), np.concatenate(highs), *entries, time_unit=self.time_unit)

    def _add(self, rows: object, columns: object, values: object) -> None:
        row, column, value = np.broadcast_arrays(rows, columns, np.asarray(values, dtype=np.float64))  # type: ignore[arg-type]
        self._parts.append((row[value != 0], column[value != 0], value[value != 0]))

    def _load(self, step: Int64, column: object, operation: Int64, amount: object) -> None:
        for r in np.flatnonzero(operation):
            scaled = np.asarray(amount, dtype=np.float64) * (operation[r] * self._scale[r])
            scaled = np.where((scaled > 0) & (scaled < SMALLEST), 0.0, scaled)  # too small for the solver; the dual counts it
            self._add(step * self.instance.num_resources + r, column, scaled)

    def _rates(self, weight: Float64) -> Float64:
        """Rows rate[r,t]: fixed loads, births, reads from the slow tier except what the fast one serves, fetch-back."""
        inst, iv, memory = self.instance, self.intervals, self.instance.memory
        steps, resources = inst.num_steps, inst.num_resources
        step = np.arange(steps)
        self._add(np.arange(steps * resources), np.repeat(step, resources), -1.0)
        load = (inst.fixed / inst.memory.rates / self.time_unit).astype(np.float64)
        reads = iv.share > 0
        total = np.bincount(iv.closes[reads], (iv.share * weight * iv.count)[reads], steps)
        load += total[:, None] * memory.read[self.slow] * self._scale
        served = self.served + step
        self._load(step, served, memory.read[self.fast] - memory.read[self.slow], 1.0)
        born = np.flatnonzero(iv.born)
        produced = np.bincount(iv.opens[born] - 1, (weight * iv.count)[born], steps)
        load += produced[:, None] * memory.write[self.slow] * self._scale
        instead = 0 if inst.inclusive else memory.write[self.slow]
        self._load(iv.opens[born] - 1, self.kept + born, memory.write[self.fast] - instead, weight[born])
        fetched = self.back + np.arange(len(self.kind))
        self._load(self.at, fetched, memory.copy[self.slow, self.fast], weight[self.kind])
        return -load.ravel()

    def _inventory(self, low: Float64, high: Float64, weight: Float64) -> list[Float64]:
        """Rows capacity[fast,t]; where the slow tier need not hold everything, its room bounds the inventory from below."""
        inst, iv, steps = self.instance, self.intervals, self.instance.num_steps
        first = steps * inst.num_resources
        room = self.inventory + np.arange(steps + 1)
        high[room] = inst.capacity[self.fast] / self.unit
        if not inst.inclusive:
            low[room] = self._spilled() / self.unit
        self._add(first + np.arange(steps + 1), room, 1.0)
        self._add(first + np.arange(1, steps + 1), room[:-1], -1.0)
        held = np.flatnonzero(iv.opens <= iv.closes)
        for columns, opens, closes, size in (
            (self.kept + held, iv.opens[held], iv.closes[held], weight[held]),
            (self.back + np.arange(len(self.kind)), self.at + 1, iv.closes[self.kind], weight[self.kind]),
        ):
            self._add(first + opens, columns, -size)
            ends = closes < steps
            self._add(first + closes[ends] + 1, columns[ends], size[ends])
        return [np.zeros(steps + 1)]

    def _spilled(self) -> Int64:
        """int64[T + 1]: bytes that the slow tier has no room for."""
        spilled: Int64 = np.maximum(0, self.instance.alive_bytes - self.instance.capacity[self.slow])
        return spilled

    def _service(self, weight: Float64) -> list[Float64]:
        """Rows resident[fast,t]: what the fast tier serves is there (exclusive: is all that is there)."""
        inst, iv, steps = self.instance, self.intervals, self.instance.num_steps
        first = steps * inst.num_resources + steps + 1
        step = np.arange(steps)
        self._add(first + step, self.served + step, 1.0)
        reads = np.flatnonzero((iv.share > 0) & (iv.opens <= iv.closes))
        self._add(first + iv.closes[reads], self.kept + reads, -(iv.share * weight)[reads])
        self._add(
            first + iv.closes[self.kind],
            self.back + np.arange(len(self.kind)),
            -(iv.share * weight)[self.kind],
        )
        self._service_high = [np.zeros(steps)]
        return [np.zeros(steps) if inst.residency == "exclusive" else np.full(steps, -np.inf)]

    def _net_moves(self, first: int, weight: Float64) -> None:
        """Rows keep[fast,t]: what a step's reads leave in the fast tier beyond what they found there was stored in it; under
        the exclusive rule what they found beyond what they leave was stored in the slow tier."""
        inst, iv, steps = self.instance, self.intervals, self.instance.num_steps
        step = np.arange(steps)
        arrive = np.flatnonzero((iv.share > 0) & (iv.opens <= iv.closes) & ~iv.final)
        self._add(first + iv.closes[arrive], self.kept + arrive, -weight[arrive])
        leave = np.flatnonzero((iv.opens <= iv.closes) & ~iv.born & (iv.opens > 0))
        self._add(first + iv.opens[leave] - 1, self.kept + leave, weight[leave])
        back = np.flatnonzero(~iv.final[self.kind])
        self._add(first + iv.closes[self.kind[back]], self.back + back, -weight[self.kind[back]])
        for column, sign, tier in ((self.moved, -1.0, self.fast), (self.moved + steps, 1.0, self.slow)):
            if tier == self.fast or inst.residency == "exclusive":
                self._add(first + step, column + step, sign)
                self._load(step, column + step, inst.memory.write[tier], 1.0)

    def times(self, x: Float64) -> Float64:
        """float64[T]: seconds of each step."""
        return np.asarray(x[: self.instance.num_steps] * self.time_unit)

    def prices(self, row_dual: Float64) -> Prices:
        """Multipliers as prices in seconds per byte; the rent of the slow tier comes from the inventory's lower bound."""
        inst, steps = self.instance, self.instance.num_steps
        rates = steps * inst.num_resources
        rho = -row_dual[:rates].reshape(steps, inst.num_resources) / inst.memory.rates
        level = row_dual[rates : rates + steps + 1]
        slope = (level - np.append(level[1:], 0.0)) * self.time_unit / self.unit
        rent = np.zeros((steps + 1, 2))
        rent[:, self.fast] = np.maximum(slope, 0.0)
        if not inst.inclusive:
            rent[:, self.slow] = np.where(self._spilled() > 0, np.maximum(-slope, 0.0), 0.0)
        return Prices(np.maximum(rho, 0.0), rent)


def bound(instance: Instance, *, limits: Limits | None = None) -> Bound:
    """The compact bound; InputError where the memory system does not have exactly two tiers."""
    return relax(instance, limits=limits).bound


def relax(instance: Instance, *, limits: Limits | None = None) -> CompactSolution:
    """The compact bound together with how much of each kind of interval the program keeps."""
    if instance.num_tiers != 2:
        raise InputError(f"found {instance.num_tiers} tiers", "expected two, which is what compact is for", field="method")
    limits = limits or Limits()
    began = time.perf_counter()
    classes = classify(instance)
    fast = instance.memory.fastest if not instance.inclusive else 1 - instance.home
    intervals = cut_intervals(instance, classes, fast)
    kind, at = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    start = step.bound(instance, limits=limits)
    best: DualValue | None = None if start.prices is None else evaluate(instance, start.prices, classes)
    step_s = start.step_s
    kept, value, rounds, solution, columns, trouble = np.zeros(0), np.inf, 0, None, 0, ""
    while rounds < _ROUNDS and not limits.reached:
        program = CompactProgram(instance, intervals, (kind, at))
        arrays = program.build()
        rounds, columns = rounds + 1, arrays.num_columns
        try:
            solution = solve(arrays, limits=limits)
        except SolverError as error:
            trouble = f"{error}; "
            break
        if not len(solution.row_dual):
            break
        dual = evaluate(instance, program.prices(solution.row_dual), classes)
        if best is None or dual.value_s > best.value_s:
            best = dual
        if solution.ended is not Ended.SOLVED:
            break
        kept = solution.x[program.kept : program.moved]
        value, step_s = solution.objective * program.time_unit, program.times(solution.x)
        more = _missing(instance, classes, intervals, dual, kind, at)
        if value - dual.value_s <= TOLERANCE * value or not len(more[0]):
            break
        kind, at = np.append(kind, more[0]), np.append(at, more[1])
    seconds = time.perf_counter() - began
    details: dict[str, Any] = {
        "classes": len(classes),
        "intervals": len(intervals),
        "columns": columns,
        "rounds": rounds,
        "fetched": len(kind),
    }
    found = replace(_publish(best, value, solution, limits, seconds, details), step_s=step_s)
    if start.lower_bound_s is not None and start.lower_bound_s > (found.lower_bound_s or 0.0):
        found = replace(found, lower_bound_s=start.lower_bound_s, prices=start.prices)
    found = replace(found, note=trouble + found.note)
    return CompactSolution(found, intervals, kept, classes)


def _missing(
    instance: Instance, classes: Classes, intervals: Intervals, dual: DualValue, kind: Int64, at: Int64
) -> tuple[Int64, Int64]:
    """(kinds, steps) of fetch-back that cheapest paths use and the program does not offer yet."""
    group, step = fetch_events(instance, dual.prices, classes)
    if not len(group):
        return group, step
    width = instance.num_steps + 2
    owner = np.repeat(np.arange(len(classes)), np.diff(intervals.start))
    closes = intervals.closes[intervals.of]
    position = np.searchsorted(owner * width + closes, group * width + step + 1)
    found = np.unique(intervals.of[position] * width + step)
    found = found[~np.isin(found, kind * width + at)]
    found = found[intervals.share[found // width] > 0]
    return found // width, found % width


def _publish(
    best: DualValue | None,
    value: float,
    solution: Solution | None,
    limits: Limits,
    seconds: float,
    details: dict[str, Any],
) -> Bound:
    if best is None:
        return Bound("compact", Status.NONE, None, seconds, "", "no prices within the limits", details=details)
    status = Status.INTERRUPTED if limits.interrupted else Status.LIMIT if limits.reached else Status.BOUND
    note = ""
    if not np.isfinite(value):
        note = "no program was solved within the limits; the prices are those of the per-step bound"
        if solution is not None and solution.ended not in (Ended.SOLVED, Ended.LIMIT, Ended.INTERRUPTED):
            note = f"the solver ended with {solution.message!r}; only what prices prove is published"
    elif value > best.value_s * (1.0 + TOLERANCE):
        note = f"the program's objective {value:.6g} s is no bound; its prices prove {best.value_s:.6g} s"
    details["objective_s"] = value if np.isfinite(value) else None
    return Bound("compact", status, best.value_s, seconds, _RESTS_ON, note, prices=best.prices, details=details)
