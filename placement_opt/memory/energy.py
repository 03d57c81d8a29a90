"""What a memory system counts over a whole run: joules, bytes written to each tier, bytes moved into each tier from others.

An operation takes the energy of every place that its bytes pass: the cells that it reads, those that it writes, each link
on its route, and each engine. Attending takes what reading the cells does, what computing does, and of the links a share, the
result's. Where an engine shrinks what passes a place it shrinks its energy. Where nothing is said of a place its energy counts
as none, and :func:`unsaid` names it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from placement_opt.base.errors import InputError
from placement_opt.memory.engines import ratio_of
from placement_opt.memory.meters import Meters
from placement_opt.memory.operations import Operations
from placement_opt.memory.parts import Engine, Link, Outside, Tier, Way
from placement_opt.memory.system import MemorySystem

ENERGY = "energy"
#: Energies are counted in whole parts of a joule, no finer than this: a thousandth of a femtojoule.
FINEST = 10**18
#: Largest number of parts that a byte may take: sums over all bytes must fit 64-bit integers.
MOST_PARTS = 2**31


def meters_of(
    tiers: Sequence[Tier],
    links: Sequence[Link],
    outside: Sequence[Outside],
    engines: Sequence[Engine],
    operations: Operations,
    routes: Mapping[str, Sequence[str]],
) -> Meters:
    """The meters of a system: energy, where anything is said of it, then "written TIER" and "into TIER" of every tier.

    ``routes``: the nodes that each operation passes, by its name; a store is there as a write.
    """
    names, units, parts, columns = [], [], [], []
    joules = _joules(tiers, links, outside, engines, operations, routes)
    if joules is not None:
        whole = math.lcm(*(value.denominator for value in joules))
        counts = [int(value * whole) for value in joules]
        if whole > FINEST or max(counts) > MOST_PARTS:
            expected = "expected fewer digits in the energies of its tiers and links"
            raise InputError(f"found energies that only parts of 1/{whole} J can count", expected, field="tiers")
        names, units, parts, columns = [ENERGY], ["J"], [whole], [np.array(counts, dtype=np.int64)]
    for k, tier in enumerate(tiers):
        arrives = ((operations.target == k) & (operations.source != k)).astype(np.int64)
        names += [f"written {tier.name}", f"into {tier.name}"]
        units, parts = [*units, "B", "B"], [*parts, 1, 1]
        columns += [arrives, arrives * (operations.source >= 0)]
    return Meters(tuple(names), tuple(units), tuple(parts), np.stack(columns, axis=1))


def unsaid(memory: MemorySystem) -> tuple[str, ...]:
    """Of a system whose energy is counted: what nothing is said of, "hbm" or "recompute", so that it counts as none."""
    found = [tier.name for tier in memory.tiers if tier.read_energy is None or tier.write_energy is None]
    computing = [(tier.name, tier.compute.ways) for tier in memory.tiers if tier.compute is not None]
    found += [f"{name}.compute" for name, ways in computing if any(way.energy is None for way in ways)]
    found += [link.name for link in memory.links if link.energy is None]
    found += [engine.name for engine in memory.engines if engine.energy is None]
    return (*found, *(each.name for each in memory.outside if each.energy is None))


def _joules(
    tiers: Sequence[Tier],
    links: Sequence[Link],
    outside: Sequence[Outside],
    engines: Sequence[Engine],
    operations: Operations,
    routes: Mapping[str, Sequence[str]],
) -> list[Fraction] | None:
    """Joules a byte of every operation; None where nothing is said of any energy."""
    said = [one.energy for one in links] + [one.energy for one in outside] + [one.energy for one in engines]
    ways = {f"{way.verb} {tier.name}": way for tier in tiers if tier.compute is not None for way in tier.compute.ways}
    for tier in tiers:
        said += [tier.read_energy, tier.write_energy]
    said += [way.energy for way in ways.values()]
    if all(value is None for value in said) and not any(tier.background_power for tier in tiers):
        return None
    by_name = {one.name: one.energy or Fraction(0) for one in outside}
    place = _Places(tiers, links, engines)
    found = []
    for row, name in enumerate(operations.names):
        source, target = int(operations.source[row]), int(operations.target[row])
        if name in by_name:
            found.append(by_name[name])
            continue
        route = routes.get(name.replace("store ", "write ") if row < operations.tiers else name, ())
        joules = place.passed(route, source, target, ways.get(name))
        found.append(joules if source != target else Fraction(0))
    return found


class _Places:
    """What a byte of block takes at the places that it passes."""

    def __init__(self, tiers: Sequence[Tier], links: Sequence[Link], engines: Sequence[Engine]) -> None:
        self._tiers, self._engines = tiers, engines
        self._links = {frozenset((link.start, link.end)): link for link in links}

    def passed(self, route: Sequence[str], source: int, target: int, way: Way | None) -> Fraction:
        """Joules along a route between tiers (-1: none); ``way``: of computing at its start."""
        share = Fraction(1) if way is None else way.result
        links = [self._links[ends] for ends in map(frozenset, itertools.pairwise(route)) if ends in self._links]
        found = sum((share * self._of(link.name, link.energy) for link in links), Fraction(0))
        cells = []
        if source >= 0:
            found += self._of(self._tiers[source].name, self._tiers[source].read_energy)
            cells.append(self._tiers[source].name)
        if target >= 0:
            found += self._of(self._tiers[target].name, self._tiers[target].write_energy)
            cells.append(self._tiers[target].name)
        for engine in self._engines:
            if set(cells) & set(engine.on):
                found += engine.energy or Fraction(0)
            elif any(link.name in engine.on for link in links):
                found += share * (engine.energy or Fraction(0))
        return found + (Fraction(0) if way is None else way.energy or Fraction(0))

    def _of(self, name: str, energy: Fraction | None) -> Fraction:
        return (energy or Fraction(0)) * ratio_of(name, self._engines)
