"""Designs as instances: one for each design and workload, made from what designs have in common.

Traces are made once for all designs that ask for the same one, memory files are read once. An instance is the one that its
keys would give from a file, to the hash.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np

from placement_opt.base.capacity import UNLIMITED
from placement_opt.base.errors import InputError, shown
from placement_opt.base.toml import Table
from placement_opt.instance.budgets import TIME, Objective
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import in_rows
from placement_opt.instance.outline import Outline, outline_of
from placement_opt.instance.stated import beside, either
from placement_opt.instance.trace_source import TraceAtHand
from placement_opt.instance.transformed import read_trace
from placement_opt.memory import MemorySystem, load_memory, preset
from placement_opt.memory.energy import ENERGY
from placement_opt.study.explore.spec import COSTS, Constraint, PartCost, Spec

#: Traces and memory files that are kept at hand.
_KEPT = 16
#: Bytes that hold whatever there may be.
_ROOMY = 2**56
#: How complaints begin or end that say that a design has too little room: it is no design, and not a mistake of the file.
_NO_ROOM = ("found room for", "which do not fit", "no schedule exists")


class Unbuildable(Exception):
    """A design that cannot hold what it is to hold; says why."""


@dataclass(eq=False)
class Space:
    """The designs of a spec as instances; ``rooflines``: those that are known, by kind of shape and rates."""

    spec: Spec
    rooflines: dict[tuple[str, tuple[int, ...]], float] = field(default_factory=dict)
    _traces: dict[str, TraceAtHand] = field(default_factory=dict)
    _memories: dict[str, MemorySystem] = field(default_factory=dict)

    def instance(self, design: int, workload: int, goal: str = "time") -> Instance:
        """The instance that a design is for a workload, its objective what ``goal`` says.

        Raises
        ------
        Unbuildable
            It has too little room.
        InputError
            Whatever else is wrong, named with the design.
        """
        try:
            return with_goal(in_rows(self._outline(design, workload)), goal)
        except InputError as error:
            place = f"{self.spec.label(design)}; {self.spec.workloads[workload].name}"
            if error.found.startswith(_NO_ROOM[0]) or error.found.endswith(_NO_ROOM[1]) or error.expected.endswith(_NO_ROOM[2]):
                raise Unbuildable(f"{error.field}: {error.found}, {error.expected}") from None
            expected = f"{error.expected} (at {place})".lstrip()
            raise InputError(error.found, expected, path=error.path, line=error.line, field=error.field) from None

    def values(self, design: int, workload: int) -> dict[str, Any]:
        """What they set of the instance's keys, constraints included as far as they are of tables and not of tiers."""
        chosen = (*self.spec.chosen(design), self.spec.workloads[workload])
        values = {key: value for one in chosen for key, value in one.values}
        limits = {one.what: one.text for one in self.spec.constraints}
        return values | {f"budgets.{what}": limits[what] for what in ("time", "energy") if what in limits}

    def costs(self, design: int, instances: list[Instance]) -> dict[str, Fraction]:
        """Money, area and power of a design: of its alternatives and, the most over its workloads, of its tiers."""
        chosen, parts = self.spec.chosen(design), dict(self.spec.parts)
        found = {}
        for what in COSTS:
            tiers = max((_of_parts(instance.memory, parts, what) for instance in instances), default=Fraction(0))
            found[what] = tiers + sum((getattr(one, what) for one in chosen), Fraction(0))
        return found

    def tables(self, design: int, workload: int) -> dict[str, Any]:
        """The tables of the instance that they are, as its file would have them."""
        return self._root(design, workload).data

    def _outline(self, design: int, workload: int) -> Outline:
        root = self._root(design, workload)
        source = self._trace(root) if isinstance(root.data.get("trace"), dict) else None
        memory = self._memory(root) if isinstance(root.data.get("memory"), dict) else None
        return outline_of(root, memory=memory, source=source)

    def _root(self, design: int, workload: int) -> Table:
        spec, values = self.spec, self.values(design, workload)
        data = copy.deepcopy(spec.base)
        for group, rest in (("memory", {"memory.preset": "file", "memory.file": "preset"}), ("trace", {"trace.synth": "file"})):
            for key, other in rest.items():
                if key in values and other in data.get(group, {}):
                    del data[group][other]
        if "trace.file" in values:
            data["trace"] = {}
        root = Table(data, spec.base_path, "", dict(spec.base_lines))
        for key, value in values.items():
            root.override(key, value)
        lifetime = next((one for one in spec.constraints if one.what == "lifetime"), None)
        if lifetime is not None and isinstance(data.get("memory"), dict):
            _demand(root, self._system(root), lifetime)
        return root

    def _trace(self, root: Table) -> TraceAtHand:
        key = json.dumps(root.data["trace"], sort_keys=True, default=str)
        if key not in self._traces:
            table = root.table("trace")
            assert table is not None
            made = TraceAtHand(read_trace(table).make())
            if len(self._traces) >= _KEPT:
                del self._traces[next(iter(self._traces))]
            self._traces[key] = made
        return self._traces[key]

    def _memory(self, root: Table) -> MemorySystem:
        """The system that the table overrides, whose ``preset`` or ``file`` are taken out of it."""
        found = self._system(root)
        root.data["memory"] = {one: value for one, value in root.data["memory"].items() if one not in ("preset", "file")}
        return found

    def _system(self, root: Table) -> MemorySystem:
        table = root.table("memory")
        assert table is not None
        name, file = either(table, "preset", "file")
        key = f"preset {name}" if name is not None else f"file {file}"
        if key not in self._memories:
            if name is not None:
                try:
                    found = preset(name)
                except InputError as error:
                    raise table.error("preset", error.found, error.expected) from None
            else:
                assert file is not None
                found = load_memory(beside(table, "file", file))
            if len(self._memories) >= _KEPT:
                del self._memories[next(iter(self._memories))]
            self._memories[key] = found
        return self._memories[key]


def _demand(root: Table, memory: MemorySystem, lifetime: Constraint) -> None:
    """A budget of its lifetime for every tier that wears."""
    stated = root.data["memory"]
    for tier in memory.tiers:
        if tier.endurance is not None or "endurance" in (stated.get(tier.name) or {}):
            root.override(f"budgets.{tier.name}.lifetime", lifetime.text)


def _of_parts(memory: MemorySystem, parts: Mapping[str, PartCost], what: str) -> Fraction:
    """What the tiers and links of a system cost."""
    there = {*memory.tier_names, *(link.name for link in memory.links)}
    total = sum((dict(part.each).get(what, Fraction(0)) for name, part in parts.items() if name in there), Fraction(0))
    for tier in memory.tiers:
        per_gb = dict(parts[tier.name].per_gb).get(what, Fraction(0)) if tier.name in parts else Fraction(0)
        if per_gb and tier.capacity == UNLIMITED:
            raise InputError(f"found {tier.name} unlimited", f"expected a size, which costs {what}", field=f"costs.{tier.name}")
        total += per_gb * tier.capacity / 10**9
    return total


def check_parts(spec: Spec, memories: Sequence[MemorySystem]) -> None:
    """InputError for costs of what is neither a tier nor a link of any system, and for those by the GB of a link."""
    links = {link.name for memory in memories for link in memory.links}
    known = links.union(*(memory.tier_names for memory in memories))
    for name, part in spec.parts if memories else ():
        if name not in known:
            expected = f"expected one of {', '.join(sorted(known))}"
            raise InputError(f"found {shown(name)}", expected, path=spec.path, field="costs")
        if name in links and part.per_gb:
            found = f"found {part.per_gb[0][0]}_per_gb of a link"
            raise InputError(found, "expected that of a tier, or what the link costs", path=spec.path, field=f"costs.{name}")


def with_goal(instance: Instance, goal: str) -> Instance:
    """The instance that minimises time, joules, or the share of its tiers' lives that a run uses up.

    InputError where energy is asked for and nothing says any.
    """
    if goal == "time":
        return instance
    if goal == "energy":
        if ENERGY not in instance.memory.meters.names:
            raise InputError(
                "found no energy of any tier or link", "expected it in the memory file", field="objective.minimise"
            )
        meter = instance.memory.meters.index(ENERGY)
        weight = Fraction(1, instance.memory.meters.parts[meter])
        return replace(instance, objective=Objective(instance.memory.background_power, ((meter, weight),)))
    weights = tuple(sorted((meter, each) for meter, each in wear_weights(instance.memory)))
    return replace(instance, objective=Objective(Fraction(0), weights)) if weights else replace(instance, objective=TIME)


def wear_weights(memory: MemorySystem) -> list[tuple[int, Fraction]]:
    """(meter, share of the tier's life that one byte written to it uses up) of each tier that wears."""
    return [
        (memory.meters.index(f"written {tier.name}"), tier.write_amplification / (tier.endurance * tier.capacity))
        for tier in memory.tiers
        if tier.endurance is not None and tier.capacity not in (0, UNLIMITED)
    ]


@dataclass(frozen=True)
class Shape:
    """What of a design may be more without making anything worse: its rates and rooms; and what else it is, as a digest.

    Of two designs of one ``kind``, the one with no less of any rate and room can do whatever the other can, as fast: its
    bound on time holds for the other too.
    """

    kind: str
    rates: tuple[int, ...]
    rooms: tuple[int, ...]


def shape_of(instance: Instance) -> Shape:
    """The shape of an instance: its kind is the hash of one with all rates 1 and all rooms alike."""
    memory = instance.memory
    even = replace(
        instance,
        memory=replace(memory, rates=np.ones_like(memory.rates)),
        capacity=np.full_like(instance.capacity, _ROOMY),
        home_tier=instance.home,
    )
    return Shape(f"{even.hash} {memory.scale}", tuple(memory.rates.tolist()), tuple(instance.capacity.tolist()))
