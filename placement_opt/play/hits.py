"""Hits: where the fastest copy of what was read lay, by tier, layer and age of the read, and the most any policy could hit.

A read hits a tier where the fastest copy that may serve it lies there. Three ages of reads are kept apart, because what a
policy can do about them differs:

    first   the first read of a block that was there before the trace: only the start, or fetching ahead, can have it near
    fresh   the first read of a block since the trace produced it: near where it was kept when it was written
    again   any later read

Four ceilings stand above the share of the bytes read that hits the fastest tier, each a theorem (shares of one sum, so that
they compare with each other and with what was measured):

* ``content``: whatever the capacity, no policy hits a read of the first step whose block a given start does not hold there,
  nor the first read of a block that lies nowhere at a given start (rule "cache": nothing can be copied from nowhere).
* ``most``: at each state the tier holds no more than its capacity, so a step hits no more than what is read of so many bytes
  of its own blocks, those read most densely first (a fractional knapsack, step by step; of equal blocks whole ones).
* ``content_on_demand``: as ``content``, for policies that bring into the tier only what the step has just read or produced:
  no first read hits but of what the start holds (a chosen start: of anything).
* ``on_demand``: the same policies within the capacity. Each hit keeps its block from its last use, or from the start, to the
  read; the most bytes so kept are Belady's (1966), as in :mod:`placement_opt.workload.profile.hits`, with the start as a step
  that produces what it may hold. Not known where reads transfer parts of blocks: what is kept and what it is worth differ.

None says anything of time: the fastest tier can hit more while what fills it takes longer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.tabular import Record, Tabular
from placement_opt.instance.instance import Instance
from placement_opt.instance.law import kind_and_sources
from placement_opt.instance.stacked import AnyQuestion, Large, Stacked

if TYPE_CHECKING:
    from placement_opt.play.run import Run

#: What a read is of its block, see the module; in runs nobody tells them apart.
AGES = ("first", "fresh", "again")
#: Where no copy might serve a read: it was made anew, or came from outside.
NOWHERE = "nowhere"
_KNOWN: WeakKeyDictionary[Instance, Ceiling] = WeakKeyDictionary()


@dataclass(frozen=True)
class Ceiling:
    """The most of the bytes read that can hit the fastest tier, as shares; see the module for what is proven of whom.

    Attributes
    ----------
    content, most
        Of any policy, whatever the capacity, and within it.
    content_on_demand, on_demand
        Of those that fetch on demand; None where it is not known, and ``unknown`` says why.
    """

    content: float
    most: float
    content_on_demand: float | None
    on_demand: float | None
    unknown: str = ""


@dataclass(frozen=True)
class Part:
    """Reads of one layer and one age.

    Attributes
    ----------
    layer
        Of the steps; None without labels.
    age
        One of ``AGES``; "any" in runs.
    reads, bytes
        By the tier where the fastest copy lay, the last entry where none might serve.
    """

    layer: int | None
    age: str
    reads: tuple[int, ...]
    bytes: tuple[float, ...]


@dataclass(frozen=True)
class Hits(Tabular):
    """What a run hit.

    Attributes
    ----------
    tiers
        Names of the tiers, in the order of all arrays, and ``NOWHERE``.
    fastest
        The number of the tier that is read fastest.
    parts
        By layer, then age; those without reads are left out.
    ceiling
        What no policy can pass.
    """

    tiers: tuple[str, ...]
    fastest: int
    parts: tuple[Part, ...]
    ceiling: Ceiling

    @property
    def rate(self) -> float:
        """Share of the bytes read that hit the fastest tier; 1 where nothing was read."""
        return self._rate(bool)

    @property
    def read_rate(self) -> float:
        """The same of reads, each of which counts one."""
        total = sum(map(sum, (part.reads for part in self.parts)))
        return sum(part.reads[self.fastest] for part in self.parts) / total if total else 1.0

    @property
    def missed_bytes(self) -> float:
        """Bytes read that did not hit the fastest tier."""
        return sum(self.bytes) - self.bytes[self.fastest]

    @property
    def reads(self) -> tuple[int, ...]:
        """Reads by tier."""
        return tuple(sum(part.reads[k] for part in self.parts) for k in range(len(self.tiers)))

    @property
    def bytes(self) -> tuple[float, ...]:
        """Bytes by tier."""
        return tuple(sum(part.bytes[k] for part in self.parts) for k in range(len(self.tiers)))

    def by_age(self) -> dict[str, float]:
        """Age -> share of the bytes of its reads that hit the fastest tier; those that were read, in their order."""
        return {age: self._rate(lambda part, age=age: part.age == age) for age in dict.fromkeys(p.age for p in self.parts)}

    def by_layer(self) -> dict[int, float]:
        """Layer -> the same; nothing without layers."""
        layers = dict.fromkeys(part.layer for part in self.parts if part.layer is not None)
        return {layer: self._rate(lambda part, layer=layer: part.layer == layer) for layer in layers}

    def to_records(self) -> list[Record]:
        """One row for each layer, age and tier; shares are of the row's layer and age."""
        rows = []
        for part in self.parts:
            reads, size = sum(part.reads), sum(part.bytes)
            for name, count, held in zip(self.tiers, part.reads, part.bytes, strict=True):
                row: Record = {"layer": part.layer, "age": part.age, "tier": name, "reads": count, "bytes": held}
                rows.append(row | {"share_of_reads": count / reads, "share_of_bytes": held / size})
        return rows

    def _rate(self, wanted: Callable[..., bool]) -> float:
        chosen = [part.bytes for part in self.parts if wanted(part)]
        total = sum(map(sum, chosen))
        return sum(each[self.fastest] for each in chosen) / total if total else 1.0


def hits_of(run: Run) -> Hits:
    """What a run hit; O(reads) without a loop over steps."""
    memory = run.instance.memory
    if not isinstance(run.instance, Instance):
        parts, ceiling = _parts_in_runs(run, run.instance), _ceiling_in_runs(run, run.instance)
    else:
        assert run.held is not None
        parts, ceiling = _parts(run.instance, run.held), ceiling_of(run.instance)
    return Hits((*memory.tier_names, NOWHERE), memory.fastest, tuple(parts), ceiling)


def ages_of(instance: Instance) -> npt.NDArray[np.int8]:
    """int8[N]: positions in ``AGES``."""
    trace = instance.trace
    ages = np.full(trace.num_reads, 2, dtype=np.int8)
    first = _first_reads(instance)
    ages[first] = np.where(instance.first_state[trace.blocks[first]] == 0, 0, 1)
    return ages


def ceiling_of(instance: Instance) -> Ceiling:
    """What no policy can pass; reckoned once for each instance."""
    found = _KNOWN.get(instance)
    if found is None:
        found = _KNOWN[instance] = _ceiling(instance)
    return found


def _first_reads(instance: Instance) -> Int64:
    """The positions of the first read of each block that is read."""
    trace = instance.trace
    first = np.full(trace.num_blocks, -1, dtype=np.int64)
    first[trace.blocks[::-1]] = np.arange(trace.num_reads - 1, -1, -1)  # the last one written stays
    return first[first >= 0]


def _nearest(instance: AnyQuestion) -> npt.NDArray[np.int64]:
    """int64[2**K]: the fastest tier of each set of tiers, K for none."""
    tiers = instance.num_tiers
    nearest = np.full(1 << tiers, tiers, dtype=np.int64)
    for tier in reversed(instance.memory.by_speed):
        nearest[(np.arange(1 << tiers) >> tier) & 1 == 1] = tier
    return nearest


def _parts(instance: Instance, held: npt.NDArray[np.uint16]) -> list[Part]:
    trace, width = instance.trace, instance.num_tiers + 1
    key = _nearest(instance)[held] + width * ages_of(instance)
    labels: list[int | None] = [None]
    if trace.step_layer is not None:
        found, place = np.unique(trace.step_layer, return_inverse=True)
        labels = list(found.tolist())
        key += width * len(AGES) * np.repeat(place, np.diff(trace.indptr))
    shape, cells = (len(labels), len(AGES), width), len(labels) * len(AGES) * width
    reads = np.bincount(key, minlength=cells).reshape(shape)
    size = np.bincount(key, weights=instance.read_bytes, minlength=cells).reshape(shape) / instance.share_base
    return _told(labels, AGES, reads, size)


def _parts_in_runs(run: Run, question: Large) -> list[Part]:
    """Of each layer: whole blocks that are read, partly read ones by their shares, where all blocks are of one kind."""
    layers, loads, nearest = question.num_layers, question.loads, _nearest(question)
    block = question.kv_bytes if isinstance(question, Stacked) else question.block_bytes
    size, reads = np.zeros((2, layers, 1, question.num_tiers + 1))
    for (kind, held), column in zip(_told_by(run, question), _bytes_in_runs(run, question).T, strict=True):
        served = column.reshape(-1, layers).sum(axis=0)
        size[:, 0, nearest[held]] += served
        reads[:, 0, nearest[held]] += served / (loads.size[kind] if loads.size[kind] > 1 else block)
    return _told(list(range(layers)), ("any",), np.rint(reads).astype(np.int64), size)


def _told_by(run: Run, question: Large) -> list[tuple[int, int]]:
    """Of each pattern: the kind of block, and the tiers that hold it."""
    return [kind_and_sources(question.loads, pattern) for pattern in run.timer.patterns]


def _bytes_in_runs(run: Run, question: Large) -> Float64:
    """float64[T, P]: bytes that each step reads of each pattern."""
    sizes = question.loads.size[[kind for kind, _ in _told_by(run, question)]]
    return np.asarray(run.served * (sizes / question.share_base))


def _told(labels: list[Any], ages: tuple[str, ...], reads: npt.NDArray[np.int64], size: npt.NDArray[np.float64]) -> list[Part]:
    return [
        Part(label, age, tuple(reads[n, a].tolist()), tuple(size[n, a].tolist()))
        for n, label in enumerate(labels)
        for a, age in enumerate(ages)
        if reads[n, a].any() or size[n, a].any()
    ]


def _ceiling(instance: Instance) -> Ceiling:
    trace, fast = instance.trace, instance.memory.fastest
    total = int(instance.read_bytes.sum(dtype=np.float64))
    if not total:
        return Ceiling(1.0, 1.0, 1.0, 1.0)
    size: npt.NDArray[Any] = instance.read_bytes.astype(np.float64)
    first, possible = _first_reads(instance), np.ones(trace.num_reads, dtype=np.bool_)
    far = np.zeros(trace.num_reads, dtype=np.bool_)
    if instance.initial is not None:
        there = instance.first_state[trace.blocks] == 0
        near = instance.initial[fast, trace.blocks[first]]
        early = there[first]
        far[first] = early & ~near
        possible[first] = ~(early & ~instance.initial[:, trace.blocks[first]].any(axis=0))
        opening = slice(0, int(trace.indptr[1]))
        possible[opening] &= instance.initial[fast, trace.blocks[opening]]
    most = _per_step(instance, np.where(possible, size, 0.0))
    on_demand, unknown = _on_demand(instance)
    content = float(size[possible].sum()) / total
    content_on_demand = float(size[possible & ~far].sum()) / total
    return Ceiling(content, min(content, most / total), content_on_demand, on_demand, unknown)


def _per_step(instance: Instance, worth: npt.NDArray[np.float64]) -> float:
    """The most that steps can hit within the capacity; ``worth``: bytes times the share base of a hit of each read."""
    trace, room = instance.trace, int(instance.capacity[instance.memory.fastest])
    size = instance.size[trace.blocks].astype(np.float64)
    size[worth == 0.0] = 0.0
    if (instance.size == instance.size[0]).all():
        room = room // int(instance.size[0]) * int(instance.size[0])
    step = trace.read_step
    if trace.shares is not None:
        order = np.lexsort((-trace.shares.astype(np.int64), step))
        size, worth, step = size[order], worth[order], step[order]
    before = np.concatenate([[0.0], np.cumsum(size)])
    inside = before[:-1] - before[trace.indptr[:-1]][step]
    part = np.clip(room - inside, 0.0, size)
    return float((worth * np.divide(part, size, out=np.zeros_like(part), where=size > 0)).sum())


def _on_demand(instance: Instance) -> tuple[float | None, str]:
    """The share that Belady's rule hits, or None and why nobody knows."""
    trace, fast = instance.trace, instance.memory.fastest
    if trace.shares is not None:
        return None, "reads transfer parts of blocks: what the best cache on demand hits of these is not known"
    unit = int(np.gcd.reduce(instance.size))
    size = np.ascontiguousarray(instance.size // unit)
    wanted = float(size[trace.blocks].sum(dtype=np.float64))
    if wanted + float(size.sum(dtype=np.float64)) >= 2.0**62:
        return None, "sizes are so odd and so large that 64 bits do not hold their sum"
    from placement_opt.workload.profile.hits_kernels import optimal_hits, read_after

    exists = instance.first_state == 0
    start = np.flatnonzero(exists if instance.initial is None else exists & instance.initial[fast])
    pointers, born = trace.births_by_step
    pointers = np.concatenate([[0, len(start)], pointers[1:] + len(start)]).astype(np.int64)
    born = np.concatenate([start, born]).astype(np.int64)
    indptr = np.concatenate([[0], trace.indptr]).astype(np.int64)
    after = read_after(indptr, trace.blocks, trace.num_blocks, pointers, born)
    room = min(int(instance.capacity[fast]) // unit, int(size.sum()))
    return int(optimal_hits(indptr, trace.blocks, size, pointers, born, *after, room)) / wanted, ""


def _ceiling_in_runs(run: Run, question: Large) -> Ceiling:
    """The capacity against each step's reads; on demand is for rows, and the inclusive rule keeps everything to copy from."""
    read = _bytes_in_runs(run, question).sum(axis=1)
    room = int(question.capacity[question.memory.fastest]) // question.block_bytes * question.block_bytes
    total = float(read.sum(dtype=np.float64))
    most = float(np.minimum(read, room).sum(dtype=np.float64)) / total if total else 1.0
    return Ceiling(1.0, most, None, None, "in runs nobody follows single blocks")
