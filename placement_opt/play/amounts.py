"""What a run read, stored and copied, and what that loads on each resource.

A read may be served in any way that its block's tiers and its kind allow. With V operations that serve and C kinds of blocks
(:class:`placement_opt.instance.law.Loads`) that is a set of the C * V pairs (kind, operation), a *pattern*: bit c * V + v. What
is read in a pattern, stored and copied is counted in the unit of its kind: bytes where every load is bytes times a factor (then
C is 1), otherwise blocks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.tabular import Tabular
from placement_opt.instance.instance import Instance
from placement_opt.instance.stacked import AnyQuestion, Stacked
from placement_opt.memory.split.timing import StepTimer
from placement_opt.play.budgeted import Split
from placement_opt.play.protocol import Effort
from placement_opt.play.schedule import Schedule


@dataclass(frozen=True, eq=False)
class Amounts(Tabular):
    """The arrays of a :class:`placement_opt.play.run.Run`, where they are described, and bytes and loads by them."""

    instance: AnyQuestion
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
    split: Split | None = None
    would_miss: float | None = None
    held: npt.NDArray[np.uint16] | None = None

    @property
    def read_bytes(self) -> float:
        """Bytes read in all.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> run = po.simulate(instance, po.make_scheduler("lru"))
        >>> run.read_bytes, run.hit_rate
        (18000000.0, 0.5)
        """
        return self._read(range(len(self._size))) / self.instance.share_base

    @property
    def hit_rate(self) -> float:
        """Share of the bytes read that a copy in the fastest tier might serve (1 where nothing was read)."""
        total = self._read(range(len(self._size)))
        return self._read(self._hits) / total if total else 1.0

    @cached_property
    def tier_read_bytes(self) -> Float64:
        """float64[K]: bytes read from each tier under the optimal split of every step (attending to them there not counted)."""
        return self.served_bytes[: self.instance.num_tiers]

    @cached_property
    def served_bytes(self) -> Float64:
        """float64[V]: bytes served by each operation that serves, under the optimal split of every step.

        Examples
        --------
        What hbm holds is read from both tiers at once: 4.9 of 5.35 parts from hbm.

        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> run = po.simulate(instance, po.make_scheduler("lru"))
        >>> run.served_bytes.round().tolist() == run.tier_read_bytes.round().tolist() == [8621495.0, 9378505.0]
        True
        """
        return np.array([math.fsum(column) for column in self._ways.T])

    @cached_property
    def operation_bytes(self) -> dict[str, float]:
        """Name of each operation that did anything -> bytes of blocks that it stored, copied or served.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> run = po.simulate(instance, po.make_scheduler("lru"))
        >>> run.operation_bytes["store hbm"], sorted(run.operation_bytes)
        (4500000.0, ['read hbm', 'read lpddr', 'store hbm'])
        >>> run.stored_bytes.tolist(), run.copied_bytes.tolist()
        ([4500000.0, 0.0], [[0.0, 0.0], [0.0, 0.0]])
        """
        loads, base = self.instance.loads, self.instance.share_base
        moved = [self._moved(row) / base for row in range(loads.operations.first_serving)]
        sums = zip(loads.operations.names, [*moved, *self.served_bytes.tolist()], strict=True)
        return {name: size for name, size in sums if size > 0}

    @cached_property
    def loads(self) -> Float64:
        """float64[R]: load on each resource in all (bytes, or whatever its rate counts a second).

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> run = po.simulate(instance, po.make_scheduler("lru"))
        >>> dict(zip(instance.memory.resources, run.loads.round().tolist()))
        {'hbm': 13121495.0, 'lpddr': 9378505.0, 'c2c.up': 9378505.0, 'c2c.down': 0.0}
        """
        return np.array([math.fsum(column) for column in self.step_loads.T])

    @cached_property
    def step_loads(self) -> Float64:
        """float64[T, R]: load on each resource at each step, in the same units.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> run = po.simulate(instance, po.make_scheduler("lru"))
        >>> run.step_loads[2].tolist(), f"{(run.step_loads[2] / instance.memory.rates).max():.4g}"
        ([4500000.0, 4500000.0, 4500000.0, 0.0], '1e-05')
        """
        reads: Float64 = self._amounts.reshape(self.instance.num_steps, -1) @ self.timer.ways.loads
        return self.base + reads

    @property
    def stored_bytes(self) -> Float64:
        """float64[K]: bytes stored in passing to each tier, births included."""
        tiers = self.instance.num_tiers
        return np.array([self._moved(k) for k in range(tiers)], dtype=object).astype(float) / self.instance.share_base

    @property
    def copied_bytes(self) -> Float64:
        """float64[K, K]: bytes copied from each tier (row) to each tier (column)."""
        tiers = self.instance.num_tiers
        sums = [self._moved(tiers + pair) / self.instance.share_base for pair in range(tiers * tiers)]
        return np.array(sums).reshape(tiers, tiers)

    @property
    def _rows(self) -> Instance | Stacked:
        """The instance where its reads have a split of their own, whole or layer by layer: the engine on runs has none."""
        assert isinstance(self.instance, Instance | Stacked)
        return self.instance

    @cached_property
    def _kinds(self) -> list[int]:
        """The kind of block of each pattern."""
        ways = len(self.instance.loads.serves_from)
        return [((pattern & -pattern).bit_length() - 1) // ways for pattern in self.timer.patterns]

    @cached_property
    def _size(self) -> Int64:
        """int64[P]: bytes of the unit in which each pattern counts."""
        return self.instance.loads.size[self._kinds]

    @cached_property
    def _hits(self) -> list[int]:
        fastest, ways = self.instance.memory.fastest, len(self.instance.loads.serves_from)
        kinds = enumerate(zip(self.timer.patterns, self._kinds, strict=True))
        return [p for p, (pattern, kind) in kinds if pattern >> (kind * ways + fastest) & 1]

    def _read(self, patterns: Iterable[int]) -> int:
        """Bytes, times the share base, read in these patterns."""
        return sum(exact_sum(self.served[:, p]) * int(self._size[p]) for p in patterns)

    def _moved(self, operation: int) -> int:
        """Bytes, times the share base, that an operation stored or copied."""
        loads = self.instance.loads
        columns = self.moved[:, operation :: loads.operations.first_serving].T
        return sum(exact_sum(column) * size for column, size in zip(columns, loads.size.tolist(), strict=True))

    @cached_property
    def _amounts(self) -> Float64:
        """float64[T, C, V]: what each operation serves of each kind, in its unit."""
        served, loads = self.served / self.instance.share_base, self.instance.loads
        if self.split is not None:
            amounts = np.zeros((len(served), len(self.timer.ways.loads)))
            for piece, ways in zip(self.split.pieces, self.timer.members, strict=True):
                amounts[:, ways] += piece / (self.split.parts * self.instance.share_base)
            return amounts.reshape(self.instance.num_steps, len(loads.row), len(loads.serves_from))
        rows = [self.timer.split(row, base).sum(axis=0) for row, base in zip(served, self.base, strict=True)]
        return np.array(rows).reshape(self.instance.num_steps, len(loads.row), len(loads.serves_from))

    @cached_property
    def _ways(self) -> Float64:
        """float64[T, V]: bytes that each operation serves."""
        ways: Float64 = (self._amounts * self.instance.loads.size[:, None]).sum(axis=1)
        return ways


def moving_loads(instance: AnyQuestion) -> Int64:
    """int64[C * (K + K * K), R]: what one unit of each column of ``moved`` loads on each resource."""
    loads = instance.loads
    return loads.row[:, : loads.operations.first_serving].reshape(-1, instance.num_resources)


def exact_sum(bytes_by_step: Int64) -> int:
    """The exact sum, whatever its size."""
    low, high = bytes_by_step & (2**31 - 1), bytes_by_step >> 31
    return (int(high.sum()) << 31) + int(low.sum())
