"""What devices and stores outside add to the table: pages, requests, computing where blocks lie, blocks that lie nowhere.

* A **page** is a grain: what is read from the tier, written to it or attended in it is rounded up to multiples of its page. A
  copy moves the same bytes at both ends: multiples of the larger of the two pages.
* **Requests** are a resource of the tier: each block read from it, attended in it or copied out of it is one to read, each
  stored to it or copied into it one to write.
* A tier that **computes** offers ``attend``: the block is read from the tier's own cells, byte by byte, and is processed beside
  them (a resource of its own, where that has a rate); over the rest of the way to the processor goes only the result. Where it
  says of which kinds of block, ``attend`` is for KV and ``multiply`` for weights, sharing that one resource.
* What comes from **outside** loads its own resource, byte by byte, and is at the processor then.
* **Engines** (:mod:`placement_opt.memory.engines`) are loaded by whatever passes their places, which may shrink there.

Where only a share of each byte passes a resource, that resource counts in fractions: its rate and all its loads are multiplied
by the denominator, so that the table stays one of integers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.base.units import LARGEST, format_rate
from placement_opt.memory.engines import owner, ratio_of
from placement_opt.memory.operations import Operation, Operations, table
from placement_opt.memory.parts import Engine, Outside, Tier, Way

REQUESTS = "requests"


@dataclass(frozen=True, eq=False)
class Routed:
    """The loads that routes make, per byte, over the resources of tiers and links: ``read`` and ``write`` int64[K, R], ``copy``
    int64[K, K, R]; ``rates`` int64[R], bytes/s; ``own`` int[K], the resource that reading a tier's cells loads."""

    resources: tuple[str, ...]
    rates: Int64
    read: Int64
    write: Int64
    copy: Int64
    own: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Tables:
    """What :class:`placement_opt.memory.system.MemorySystem` holds under these names."""

    resources: tuple[str, ...]
    rates: Int64
    operations: Operations
    units: dict[str, str]
    scale: dict[str, int]


def tables(routed: Routed, tiers: Sequence[Tier], outside: Sequence[Outside], engines: Sequence[Engine] = ()) -> Tables:
    """The whole table; InputError where a rate is too small, or fractions of it too large to count."""
    found, units = _further(tiers, outside, engines)
    names = (*routed.resources, *(name for name, _ in found))
    index = {name: r for r, name in enumerate(names)}
    scale = _scale(routed, tiers, engines)
    loads = _Loads(routed, engines, index, scale)
    rates = np.concatenate([routed.rates, np.array([rate for _, rate in found], dtype=np.int64)]) * loads.factors
    read, write, copy = (loads.along(part) for part in (routed.read, routed.write, routed.copy))
    calls, grains = _calls(tiers, index), _grains(tiers)
    more = [
        Operation(
            f"{way.verb} {tier.name}", k, loads.computing(k, tier, way), tuple(calls[0][k].tolist()), tier.page, kinds=way.kinds
        )
        for k, tier in enumerate(tiers)
        if tier.compute is not None
        for way in tier.compute.ways
    ]
    more += [Operation(each.name, None, _unit_row(index[each.resource], len(names)), brings=True) for each in outside]
    operations = table([tier.name for tier in tiers], read, write, copy, more, calls=calls, grains=grains)
    return Tables(names, rates, operations, units, scale)


class _Loads:
    """Loads per byte over all resources: what routes make, in the fractions that each resource counts in, and engines'."""

    def __init__(self, routed: Routed, engines: Sequence[Engine], index: dict[str, int], scale: dict[str, int]) -> None:
        self._routed, self._engines, self._index = routed, engines, index
        self.factors = np.array([scale.get(name, 1) for name in index], dtype=np.int64)
        ratios = [ratio_of(owner(name), engines) for name in routed.resources]
        pairs = zip(self.factors.tolist(), ratios, strict=False)
        self._per_byte = np.array([int(factor * ratio) for factor, ratio in pairs], dtype=np.int64)

    def along(self, routes: Int64) -> Int64:
        """int64[..., R]: of bytes along routes; an engine is loaded by a byte for each whose route passes one of its places."""
        loads = _widened(routes * self._per_byte, len(self._index))
        for engine in self._engines:
            places = [r for r, name in enumerate(self._routed.resources) if owner(name) in engine.on]
            r = self._index[engine.name]
            loads[..., r] = routes[..., places].any(axis=-1) * self.factors[r]
        return loads

    def computing(self, k: int, tier: Tier, way: Way) -> tuple[int, ...]:
        """Of a byte that is computed with in tier k."""
        row, read = [0] * len(self._index), (self._routed.read[k] * self._per_byte).tolist()
        row[self._routed.own[k]] = read[self._routed.own[k]]
        for r in _way_out(self._routed, k).tolist():
            row[r] = int(way.result * read[r])
        for engine in self._engines:
            r = self._index[engine.name]
            row[r] = int(_passing(engine, k, way, self._routed) * int(self.factors[r]))
        if tier.compute is not None and tier.compute.rate is not None:
            row[self._index[f"{tier.name}.compute"]] = 1
        return tuple(row)


def _further(
    tiers: Sequence[Tier], outside: Sequence[Outside], engines: Sequence[Engine]
) -> tuple[list[tuple[str, int]], dict[str, str]]:
    """(name, effective rate) of the resources that are on no route, and the units of those that count no bytes."""
    found, units = [], {}
    for tier in tiers:
        field = f"tiers.{tier.name}"
        ways = (
            [("iops", tier.read_iops)] if tier.shared_iops else [("read_iops", tier.read_iops), ("write_iops", tier.write_iops)]
        )
        for key, rate in ways:
            if rate is not None:
                found.append((f"{tier.name}.{key}", slowed(rate, tier.efficiency, "requests/s", f"{field}.{key}")))
                units[f"{tier.name}.{key}"] = REQUESTS
        if tier.compute is not None and tier.compute.rate is not None:
            rate = slowed(tier.compute.rate, tier.efficiency, "B/s", f"{field}.compute.rate")
            found.append((f"{tier.name}.compute", rate))
    found += [(engine.name, engine.rate) for engine in engines]
    return found + [(each.resource, each.rate) for each in outside], units


def slowed(rate: int, efficiency: Fraction, unit: str, field: str) -> int:
    """Effective rate, rounded down; InputError at the field where nothing is left of it."""
    effective = int(rate * efficiency)
    if effective < 1:
        found = f"found {rate} {unit} at an efficiency of {float(efficiency):g}"
        raise InputError(found, f"expected at least 1 {unit}", field=field)
    return effective


def _scale(routed: Routed, tiers: Sequence[Tier], engines: Sequence[Engine]) -> dict[str, int]:
    """Resource -> the fractions that it counts in, where less than whole bytes pass it."""
    scale: dict[str, int] = {}
    ratios = [ratio_of(owner(name), engines) for name in routed.resources]

    def count_in(name: str, rate: int, parts: int, what: str, field: str) -> None:
        scale[name] = math.lcm(scale.get(name, 1), parts)
        if rate * scale[name] > LARGEST:
            found = f"found {what} that make {name}, of {format_rate(rate)}, count in {scale[name]}ths of a byte"
            raise InputError(found, "expected denominators with which its rate stays within 2**60", field=field)

    for name, rate, ratio in zip(routed.resources, routed.rates.tolist(), ratios, strict=True):
        shrinking = next((one.name for one in engines if owner(name) in one.on and one.ratio != 1), None)
        if shrinking is not None:
            count_in(name, rate, ratio.denominator, "ratios", f"engines.{shrinking}.ratio")
    for k, tier in enumerate(tiers):
        if tier.compute is None:
            continue
        way_out = _way_out(routed, k).tolist()
        if not way_out:
            found = f"found no link between {tier.name} and the processor, so that attending would load all that reading does"
            expected = "expected the rate of its cells as the tier's, and a link with the rate at which data leave it"
            raise InputError(found, expected, field=f"tiers.{tier.name}.compute")
        for way in tier.compute.ways:
            field = f"tiers.{tier.name}.compute.{way.key}"
            for r in way_out:
                parts = (way.result * int(routed.read[k, r]) * ratios[r]).denominator
                count_in(routed.resources[r], int(routed.rates[r]), parts, "results", field)
            for engine in engines:
                count_in(engine.name, engine.rate, _passing(engine, k, way, routed).denominator, "results", field)
    return {name: parts for name, parts in scale.items() if parts > 1}


def _passing(engine: Engine, k: int, way: Way, routed: Routed) -> Fraction:
    """Bytes that pass an engine for each that is computed with in tier k: all, the result or none."""
    if owner(routed.resources[routed.own[k]]) in engine.on:
        return Fraction(1)
    passed = any(owner(routed.resources[r]) in engine.on for r in _way_out(routed, k).tolist())
    return way.result if passed else Fraction(0)


def _way_out(routed: Routed, k: int) -> Int64:
    """Resources between tier k's cells and the processor."""
    passed = np.flatnonzero(routed.read[k])
    return np.asarray(passed[passed != routed.own[k]], dtype=np.int64)


def _calls(tiers: Sequence[Tier], index: dict[str, int]) -> tuple[Int64, Int64, Int64]:
    """Requests of reading from and storing to each tier and of copying from tier to tier: int64[K, R], [K, R], [K, K, R]."""
    count, width = len(tiers), len(index)
    read, write = np.zeros((count, width), dtype=np.int64), np.zeros((count, width), dtype=np.int64)
    for k, tier in enumerate(tiers):
        for row, limit, key in ((read, tier.read_iops, "read_iops"), (write, tier.write_iops, "write_iops")):
            if limit is not None:
                row[k, index[f"{tier.name}.{'iops' if tier.shared_iops else key}"]] = 1
    copy = read[:, None] + write[None]
    copy[np.arange(count), np.arange(count)] = 0
    return read, write, copy


def _grains(tiers: Sequence[Tier]) -> tuple[Int64, Int64, Int64]:
    page = np.array([tier.page for tier in tiers], dtype=np.int64)
    copy = np.maximum.outer(page, page)
    copy[np.arange(len(tiers)), np.arange(len(tiers))] = 1
    return page, page, copy


def _widened(part: Int64, width: int) -> Int64:
    """The same over ``width`` resources, zero on those that are new."""
    wide = np.zeros((*part.shape[:-1], width), dtype=np.int64)
    wide[..., : part.shape[-1]] = part
    return wide


def _unit_row(resource: int, width: int) -> tuple[int, ...]:
    return tuple(int(r == resource) for r in range(width))
