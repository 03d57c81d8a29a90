"""What designs have, side by side: whose bound on time holds for whom; and workloads taken together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.study.explore.spec import Spec
from placement_opt.study.explore.work import Record, Task


@dataclass(frozen=True, eq=False)
class Shapes:
    """The designs of one workload by kind of their shapes: members, and int64[n, R + K] what they have."""

    kind: dict[int, str]
    groups: dict[str, tuple[Int64, Int64]]

    @classmethod
    def of(cls, known: dict[Task, Record], first: Callable[[int], Task], designs: Sequence[int]) -> Shapes:
        kind: dict[int, str] = {}
        rows: dict[str, list[tuple[int, tuple[int, ...]]]] = {}
        for design in designs:
            record = known.get(first(design))
            if record is not None and record.shape is not None:
                kind[design] = record.shape.kind
                rows.setdefault(record.shape.kind, []).append((design, (*record.shape.rates, *record.shape.rooms)))
        groups = {
            name: (np.array([d for d, _ in group]), np.array([row for _, row in group], dtype=np.int64))
            for name, group in rows.items()
        }
        return cls(kind, groups)

    def add_ranks(self, means: Int64) -> None:
        """Add to int64[D] the ranks of what the designs have, of each rate and room."""
        for members, rows in self.groups.values():
            for column in rows.T:
                means[members] += np.unique(column, return_inverse=True)[1].reshape(-1)

    def below(self, design: int) -> list[int]:
        """The others that have no more of anything."""
        if design not in self.kind:
            return []
        members, rows = self.groups[self.kind[design]]
        own = rows[np.flatnonzero(members == design)[0]]
        return [other for other in members[(rows <= own).all(axis=1)].tolist() if other != design]


def combined(over: str, weights: Sequence[Fraction], values: Sequence[float]) -> float:
    """What workloads take together: the most, the sum (both weighted), or the weighted geometric mean."""
    if over == "geomean":
        if min(values) <= 0.0:
            return 0.0
        total = float(sum(weights))
        return math.exp(math.fsum(float(w) * math.log(v) for w, v in zip(weights, values, strict=True)) / total)
    weighted = [float(w) * v for w, v in zip(weights, values, strict=True)]
    return math.fsum(weighted) if over == "sum" else max(weighted)


def workload_groups(spec: Spec) -> list[tuple[str, tuple[int, ...]]]:
    """(label, workloads) of each search: all together, or each alone."""
    if spec.over == "each":
        return [(one.name, (n,)) for n, one in enumerate(spec.workloads)]
    return [("", tuple(range(len(spec.workloads))))]
