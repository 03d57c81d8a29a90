"""How alike two traces are, in what decides where blocks should lie: one number from 0 to 1 for each side of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from placement_opt.base.arrays import Float64
from placement_opt.workload.profile.distribution import Octaves
from placement_opt.workload.profile.hits import HitCurve
from placement_opt.workload.stats import TraceInfo

#: Two traces are called alike where no side is farther apart than this, or than draws of one generator at seeds of their own.
ALIKE = 0.15


@dataclass(frozen=True)
class Aspect:
    """One side of two traces.

    Attributes
    ----------
    name
        Which.
    one, other
        A number that sums it up for people, of each; ``unit`` is theirs ("share" is from 0 to 1).
    unit
        Of both.
    distance
        From 0, the same, to 1.
    octaves
        Of distances and times between reads: by how many factors of two they lie apart on the average (Wasserstein).
    by_chance
        The distance between draws of the fit at other seeds; None where nobody looked.
    """

    name: str
    one: float | None
    other: float | None
    unit: str
    distance: float
    octaves: float | None = None
    by_chance: float | None = None

    @property
    def far(self) -> bool:
        """Whether this is more than :data:`ALIKE`, and more than chance."""
        return self.distance > max(ALIKE, self.by_chance or 0.0)


def likeness(one: TraceInfo, other: TraceInfo) -> list[Aspect]:
    """All sides; whether the blocks of both have the same bytes is none of them.

    * reads and productions of a step, working set: difference over the larger; of the working set the mean over windows of 1,
      2, 4, ... steps;
    * reuse distance, time between reads: the largest difference of the shares of reads up to a power of two
      (Kolmogorov-Smirnov);
    * overlap, popularity, hits: the largest difference of shares (mean Jaccard index and mean share kept; reads of the most
      read 1, 10 and 50 %; hits at equal shares of all that is used, and at most: all but first uses).
    """
    found = [
        _relative("reads of a step", one.reads / one.steps, other.reads / other.steps, "blocks"),
        _relative("productions of a step", one.born_blocks / one.steps, other.born_blocks / other.steps, "blocks"),
        _octaves("reuse distance", one, other, "stack_distance", "blocks"),
        _octaves("time between reads", one, other, "steps_apart", "steps"),
        _shares("overlap", [_overlap(each) for each in (one, other)]),
        _working_set(one, other),
        _shares("popularity", [_popularity(each) for each in (one, other)]),
    ]
    if one.hits is not None and other.hits is not None:
        found.append(_shares("hits at most", [[each.hits.ceiling] for each in (one, other) if each.hits is not None]))
        found += [_hits(f"hits of {name}", one.hits, other.hits, field) for name, field in _CURVES.items()]
    return found


_CURVES = {"lru": "lru", "the best": "optimal"}


def score(aspects: list[Aspect]) -> float:
    """The mean of the distances: of several fits the one with the least is chosen."""
    return float(np.mean([each.distance for each in aspects]))


def apart(aspects: list[Aspect]) -> list[Aspect]:
    """Those that are far apart, the farthest first."""
    return sorted((each for each in aspects if each.far), key=lambda each: -each.distance)


def with_chance(aspects: list[Aspect], draws: list[list[Aspect]]) -> list[Aspect]:
    """The same, knowing how far apart draws of one generator are: the most of each side."""
    most = [max(each.distance for each in side) for side in zip(*draws, strict=True)]
    return [replace(each, by_chance=distance) for each, distance in zip(aspects, most, strict=True)]


def _difference(one: float, other: float) -> float:
    most = max(abs(one), abs(other))
    return abs(one - other) / most if most else 0.0


def _relative(name: str, one: float, other: float, unit: str) -> Aspect:
    return Aspect(name, one, other, unit, _difference(one, other))


def _octaves(name: str, one: TraceInfo, other: TraceInfo, field: str, unit: str) -> Aspect:
    pair = [each.histograms[field] or Octaves([], []) for each in (one, other)]
    length = max(1, *(len(each.low) for each in pair))
    below = [np.cumsum(each.shares(length)) for each in pair]
    gap: Float64 = np.abs(below[0] - below[1])
    medians = [_median(each) for each in pair]
    return Aspect(name, medians[0], medians[1], unit, float(gap.max()), float(gap.sum()) if None not in medians else None)


def _median(found: Octaves) -> float | None:
    """The middle of the octave of the median."""
    if not found.count:
        return None
    at = int(np.searchsorted(np.cumsum(found.count), sum(found.count) / 2))
    return 1.5 * found.low[at] if at else 1.0


def _overlap(info: TraceInfo) -> list[float]:
    return [info.overlap.jaccard_mean or 0.0, info.overlap.kept_mean or 0.0]


def _popularity(info: TraceInfo) -> list[float]:
    return [0.0] * 3 if info.popularity is None else list(info.popularity.top_share.values())


def _shares(name: str, pair: list[list[float]]) -> Aspect:
    """Of shares that belong together; told is the one that differs most."""
    gaps = [abs(a - b) for a, b in zip(*pair, strict=True)]
    at = gaps.index(max(gaps))
    return Aspect(name, pair[0][at], pair[1][at], "share", gaps[at])


def _working_set(one: TraceInfo, other: TraceInfo) -> Aspect:
    pair = [each.working_set.mean_blocks for each in (one, other)]
    windows = min(map(len, pair))
    gaps = [_difference(a, b) for a, b in zip(pair[0][:windows], pair[1][:windows], strict=True)]
    return Aspect("working set", pair[0][windows - 1], pair[1][windows - 1], "blocks", float(np.mean(gaps)))


def _hits(name: str, one: HitCurve, other: HitCurve, field: str) -> Aspect:
    """At equal shares of all that is used, where both have them; told is the share hit where they differ most."""
    share = [np.log(np.array(each.room) / each.room[-1]) for each in (one, other)]
    common = np.linspace(max(each[0] for each in share), 0.0, 25)
    curves = [np.interp(common, at, getattr(each, field)) for at, each in zip(share, (one, other), strict=True)]
    gap = np.abs(curves[0] - curves[1])
    at = int(gap.argmax())
    return Aspect(name, float(curves[0][at]), float(curves[1][at]), "share", float(gap[at]))
