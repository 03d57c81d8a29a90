"""What came of a run: its time, exactly where asked for, and where the bytes went."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.tabular import Record, Tabular
from placement_opt.instance.instance import Instance
from placement_opt.memory.split.timing import StepTimer
from placement_opt.memory.system import Int64
from placement_opt.play.protocol import Effort
from placement_opt.play.schedule import Schedule

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Run(Tabular):
    """A timed schedule. K tiers, R resources, T steps; P sets of tiers ("patterns") that blocks were read from.

    Attributes
    ----------
    instance
        What was asked.
    scheduler
        Who answered, options included.
    latency_s
        Sum of the step times, rounded once.
    step_s
        float64[T]: time of each step.
    timer
        Knows the patterns and splits a step's reads over them.
    served
        int64[T, P]: bytes, times the instance's share base, read from blocks that lie in each pattern of tiers.
    base
        float64[T, R]: bytes of all loads but reads.
    moved
        int64[T, K + K * K]: bytes, times the share base, stored to tier k (column k) and copied from j to k (K + j * K + k).
    schedule
        The moves, where they were recorded.
    effort
        Counted work of a scheduler that searches: what it was given, what it took, and whether the clock ended it.
    per_step
        Column name -> one entry a step, where asked for: step, token, layer, seconds, critical (resources that could not be
        slower, joined by "+"), then bytes: read, hit, "read TIER", "store TIER", "copy FROM->TO" where there were any.
    """

    instance: Instance
    scheduler: str
    latency_s: float
    step_s: Float64
    timer: StepTimer
    served: Int64
    base: Float64
    moved: Int64
    schedule: Schedule | None = None
    per_step: dict[str, npt.NDArray[Any]] | None = None
    effort: Effort | None = None

    def __repr__(self) -> str:
        return f"Run({self.scheduler} on {self.instance.name}: {self.latency_s:.6g} s)"

    def to_records(self) -> list[Record]:
        """One row: how long it took, and what was moved, in bytes."""
        row: Record = {
            "instance": self.instance.name,
            "scheduler": self.scheduler,
            "latency_s": self.latency_s,
            f"{self.counts}_per_s": self.tokens_per_s,
            "hit_rate": self.hit_rate,
            "read_bytes": self.read_bytes,
            "stored_bytes": float(self.stored_bytes.sum()),
            "copied_bytes": float(self.copied_bytes.sum()),
        }
        return [row]

    @property
    def tokens(self) -> int:
        """Distinct token labels of the steps; the number of steps (requests) where they carry none."""
        labels = self.instance.trace.step_token
        return self.instance.num_steps if labels is None else len(np.unique(labels))

    @property
    def counts(self) -> str:
        """What ``tokens`` counts: "tokens", or "steps" where steps carry none."""
        return "steps" if self.instance.trace.step_token is None else "tokens"

    @property
    def tokens_per_s(self) -> float:
        """Tokens (or requests) per second; infinite if nothing took any time."""
        return self.tokens / self.latency_s if self.latency_s > 0 else math.inf

    @property
    def read_bytes(self) -> float:
        """Bytes read in all."""
        return _total(self.served) / self.instance.share_base

    @property
    def hit_rate(self) -> float:
        """Share of the bytes read whose block had a copy in the fastest tier (1 where nothing was read)."""
        total = _total(self.served)
        return _total(self.served[:, self._hits]) / total if total else 1.0

    @cached_property
    def tier_read_bytes(self) -> Float64:
        """float64[K]: bytes read from each tier under the optimal split of every step."""
        return np.array([math.fsum(column) for column in self._tier_reads.T])

    @property
    def stored_bytes(self) -> Float64:
        """float64[K]: bytes stored in passing to each tier, births included."""
        tiers = self.instance.num_tiers
        return np.array([_total(self.moved[:, k]) for k in range(tiers)], dtype=object).astype(float) / self.instance.share_base

    @property
    def copied_bytes(self) -> Float64:
        """float64[K, K]: bytes copied from each tier (row) to each tier (column)."""
        tiers = self.instance.num_tiers
        sums = [_total(self.moved[:, tiers + pair]) / self.instance.share_base for pair in range(tiers * tiers)]
        return np.array(sums).reshape(tiers, tiers)

    @cached_property
    def critical_share(self) -> Float64:
        """float64[R]: share of the time during which each resource is critical: were it slower, the step would take longer.

        Several resources are critical at once where the split of the reads balances them, so the shares may sum to more
        than 1; none is while the floor of a step's time binds.
        """
        return self._critical.T @ self.step_s / self.latency_s if self.latency_s > 0 else np.zeros(self.instance.num_resources)

    @property
    def prices(self) -> Float64:
        """float64[T, R]: seconds per byte loaded on each resource, at the optimal split of the reads; 0 where a floor binds."""
        served = self.served / self.instance.share_base
        moving = self.timer.times(served, self.base)
        return self.timer.prices(served, self.base) * ((moving > 0) & (moving >= self.instance.floor))[:, None]

    def exact_latency(self) -> Fraction:
        """The latency as a rational: integer bytes over integer rates."""
        sums: dict[int, int] = {}
        for step in range(self.instance.num_steps):
            time = self.exact_step(step)
            sums[time.denominator] = sums.get(time.denominator, 0) + time.numerator
        return sum((Fraction(top, bottom) for bottom, top in sums.items()), Fraction(0))

    def exact_step(self, step: int) -> Fraction:
        """The time of one step as a rational."""
        scale = self.instance.share_base
        base = [int(load) * scale for load in self.instance.fixed[step]]
        for amount, loads in zip(self.moved[step].tolist(), _operation_loads(self.instance).tolist(), strict=True):
            if amount:
                base = [load + amount * factor for load, factor in zip(base, loads, strict=True)]
        time = self.timer.exact(self.served[step], base, scale)
        return max(time, Fraction(float(self.instance.floor[step])))

    @property
    def _hits(self) -> list[int]:
        fastest = self.instance.memory.fastest
        return [p for p, pattern in enumerate(self.timer.patterns) if pattern >> fastest & 1]

    @cached_property
    def _critical(self) -> npt.NDArray[np.bool_]:
        return self.prices > 0

    @cached_property
    def _tier_reads(self) -> Float64:
        """float64[T, K]"""
        served = self.served / self.instance.share_base
        rows = [self.timer.split(row, base).sum(axis=0) for row, base in zip(served, self.base, strict=True)]
        return np.array(rows).reshape(self.instance.num_steps, self.instance.num_tiers)


def time_run(
    instance: Instance,
    scheduler: str,
    patterns: npt.NDArray[np.uint16],
    moved: Int64,
    schedule: Schedule | None = None,
    per_step: bool = False,
) -> Run:
    """Time all steps at once.

    Parameters
    ----------
    patterns
        uint16[N]: the set of tiers that held the block of each read, as a mask.
    moved
        As in :class:`Run`.
    """
    found = [int(pattern) for pattern in np.flatnonzero(np.bincount(patterns))]
    timer = StepTimer(instance.memory, found)
    served = _served(instance, patterns, found)
    base = instance.fixed + moved.astype(float) @ _operation_loads(instance) / instance.share_base
    seconds = np.maximum(timer.times(served / instance.share_base, base), instance.floor)
    run = Run(instance, scheduler, math.fsum(seconds), seconds, timer, served, base, moved, schedule)
    return replace(run, per_step=_table(run)) if per_step else run


def _served(instance: Instance, patterns: npt.NDArray[np.uint16], found: list[int]) -> Int64:
    """Exact sums of the bytes read at each step from each pattern."""
    starts, ends = instance.trace.indptr[:-1], instance.trace.indptr[1:]
    served = np.zeros((instance.num_steps, len(found)), dtype=np.int64)
    sums = np.zeros(instance.trace.num_reads + 1, dtype=np.int64)
    for column, pattern in enumerate(found):
        # Differences of running sums are exact even where the sums themselves wrap around.
        np.cumsum(np.where(patterns == pattern, instance.read_bytes, 0), out=sums[1:])
        served[:, column] = sums[ends] - sums[starts]
    return served


def _operation_loads(instance: Instance) -> Int64:
    """int64[K + K * K, R]: bytes that one byte of each column of ``moved`` loads on each resource."""
    memory = instance.memory
    return np.concatenate([memory.write, memory.copy.reshape(-1, len(memory.resources))])


def _total(bytes_by_step: Int64) -> int:
    """The exact sum, whatever its size."""
    low, high = bytes_by_step & (2**31 - 1), bytes_by_step >> 31
    return (int(high.sum()) << 31) + int(low.sum())


def _table(run: Run) -> dict[str, npt.NDArray[Any]]:
    instance, names = run.instance, run.instance.memory.tier_names
    trace, base, tiers = instance.trace, run.instance.share_base, instance.num_tiers
    labels = {"step": np.arange(instance.num_steps), "token": trace.step_token, "layer": trace.step_layer}
    table: dict[str, npt.NDArray[Any]] = {name: label for name, label in labels.items() if label is not None}
    table["seconds"] = run.step_s
    resources = instance.memory.resources
    table["critical"] = np.array(["+".join(resources[r] for r in np.flatnonzero(row)) for row in run._critical], dtype=object)
    table["read"], table["hit"] = run.served.sum(axis=1) / base, run.served[:, run._hits].sum(axis=1) / base
    columns = [(f"read {name}", run._tier_reads[:, k]) for k, name in enumerate(names)]
    columns += [(f"store {name}", run.moved[:, k] / base) for k, name in enumerate(names)]
    for j in range(tiers):
        columns += [(f"copy {names[j]}->{names[k]}", run.moved[:, tiers + j * tiers + k] / base) for k in range(tiers)]
    table.update({name: column for name, column in columns if column.any() or name.startswith("read")})
    return table
