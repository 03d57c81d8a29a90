"""What a memory system counts over a whole run: joules, bytes written to each tier, bytes moved into each tier from others.

An operation takes the energy of every place that its bytes pass: the cells that it reads, those that it writes, and each link
on its route. Attending takes what reading the cells does, what computing does, and of the links a share, the result's. Where
nothing is said of a place its energy counts as none, and :func:`unsaid` names it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from placement_opt.base.errors import InputError
from placement_opt.memory.meters import Meters
from placement_opt.memory.operations import Operations
from placement_opt.memory.system import Link, MemorySystem, Outside, Tier

ENERGY = "energy"
#: Energies are counted in whole parts of a joule, no finer than this: a thousandth of a femtojoule.
FINEST = 10**18
#: Largest number of parts that a byte may take: sums over all bytes must fit 64-bit integers.
MOST_PARTS = 2**31


def meters_of(
    tiers: Sequence[Tier],
    links: Sequence[Link],
    outside: Sequence[Outside],
    operations: Operations,
    routes: Mapping[str, Sequence[str]],
) -> Meters:
    """The meters of a system: energy, where anything is said of it, then "written TIER" and "into TIER" of every tier.

    ``routes``: the nodes that each operation passes, by its name; a store is there as a write.
    """
    names, units, parts, columns = [], [], [], []
    joules = _joules(tiers, links, outside, operations, routes)
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
    found += [f"{tier.name}.compute" for tier in memory.tiers if tier.compute is not None and tier.compute.energy is None]
    found += [link.name for link in memory.links if link.energy is None]
    return (*found, *(each.name for each in memory.outside if each.energy is None))


def _joules(
    tiers: Sequence[Tier],
    links: Sequence[Link],
    outside: Sequence[Outside],
    operations: Operations,
    routes: Mapping[str, Sequence[str]],
) -> list[Fraction] | None:
    """Joules a byte of every operation; None where nothing is said of any energy."""
    said: list[Fraction | None] = [link.energy for link in links] + [each.energy for each in outside]
    for tier in tiers:
        said += [tier.read_energy, tier.write_energy, None if tier.compute is None else tier.compute.energy]
    if all(value is None for value in said) and not any(tier.background_power for tier in tiers):
        return None
    each = {frozenset((link.start, link.end)): link.energy or Fraction(0) for link in links}
    by_name = {one.name: one.energy or Fraction(0) for one in outside}
    found = []
    for row, name in enumerate(operations.names):
        source, target = int(operations.source[row]), int(operations.target[row])
        if name in by_name:
            found.append(by_name[name])
            continue
        route = routes.get(name.replace("store ", "write ") if row < operations.tiers else name, ())
        passed = sum((each.get(frozenset(ends), Fraction(0)) for ends in itertools.pairwise(route)), Fraction(0))
        compute = tiers[source].compute if row >= operations.first_serving + operations.tiers else None
        if compute is not None:
            passed = (compute.energy or Fraction(0)) + compute.result * passed
        if source >= 0:
            passed += tiers[source].read_energy or Fraction(0)
        if target >= 0:
            passed += tiers[target].write_energy or Fraction(0)
        found.append(passed if source != target else Fraction(0))
    return found
