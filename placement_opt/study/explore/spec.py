"""What is explored: a file with a base instance, choices, workloads, what is minimised and what every design must keep.

The keys: docs/explore.md. An alternative of a choice gives values to any keys of the instance, several at once where they hang
together (16 dies for one role leave so many for another), and says what it costs; a workload does the same for what the design
is to run. A design is one alternative of each choice.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

#: Designs beyond which a space is taken for a mistake, and workloads likewise.
MOST_DESIGNS, MOST_WORKLOADS = 200_000, 1000
AXES = ("time", "cost", "energy", "lifetime")
OVER = ("max", "sum", "geomean", "each")
#: What a part of a design may cost, apart from time and energy.
COSTS = ("money", "area", "power")
#: Where the file says none: a design is the best if none can be better by more than this share.
GAP = 0.01
#: How a design is bounded and scheduled, the cheapest first: each is tried only where those before it left the answer open.
BOUNDS, SCHEDULERS = ("roofline", "step", "auto"), ("static", "belady", "lru", "lp-rounded", "milp")
TABLES = ("memory", "llm", "trace", "rules", "recompute", "stores", "budgets")
_FILES = ("memory.file", "trace.file", "rules.initial_file")


@dataclass(frozen=True)
class Alternative:
    """One alternative of a choice, or one workload: values by dotted key; what it costs; a workload's weight."""

    name: str
    values: tuple[tuple[str, Any], ...]
    money: Fraction = Fraction(0)
    area: Fraction = Fraction(0)
    power: Fraction = Fraction(0)
    weight: Fraction = Fraction(1)


@dataclass(frozen=True)
class Choice:
    """What is to be chosen, by its name."""

    name: str
    alternatives: tuple[Alternative, ...]


@dataclass(frozen=True)
class PartCost:
    """What a tier costs: by the GB of its capacity, and as such, by the names of :data:`COSTS`."""

    each: tuple[tuple[str, Fraction], ...]
    per_gb: tuple[tuple[str, Fraction], ...]


@dataclass(frozen=True)
class Constraint:
    """What designs must keep with every workload: ``what`` at most (lifetimes: at least) ``value``, or what ``text`` says."""

    what: str
    text: str
    value: Fraction


@dataclass(frozen=True)
class Spec:
    """What is explored.

    Attributes
    ----------
    path, name
        Its file and its label.
    base, base_path
        The tables of the base instance, and the file that their file names are beside.
    base_lines
        Line of each of its keys.
    choices, workloads
        At least one of each.
    parts
        What tiers cost, by name.
    minimise
        One of :data:`AXES` (a lifetime is maximised).
    over
        How workloads count together, of :data:`OVER`.
    constraints
        What every design must keep.
    gap
        A design is the best if none can be better by more than this share.
    front
        Axes of the Pareto front; empty: none is asked for.
    bounds, schedulers
        What is tried, in this order.
    """

    path: Path
    name: str
    base: dict[str, Any]
    base_path: Path
    base_lines: dict[str, int]
    choices: tuple[Choice, ...]
    workloads: tuple[Alternative, ...]
    parts: tuple[tuple[str, PartCost], ...]
    minimise: str = "time"
    over: str = "max"
    constraints: tuple[Constraint, ...] = ()
    gap: float = GAP
    front: tuple[str, ...] = ()
    bounds: tuple[str, ...] = BOUNDS
    schedulers: tuple[str, ...] = SCHEDULERS

    @property
    def count(self) -> int:
        """Designs there are."""
        return math.prod(len(choice.alternatives) for choice in self.choices)

    def picks(self, design: int) -> tuple[int, ...]:
        """Which alternative of each choice a design takes; the last choice is the fastest."""
        found = []
        for choice in reversed(self.choices):
            design, pick = divmod(design, len(choice.alternatives))
            found.append(pick)
        return tuple(reversed(found))

    def chosen(self, design: int) -> tuple[Alternative, ...]:
        """The alternatives themselves."""
        return tuple(choice.alternatives[pick] for choice, pick in zip(self.choices, self.picks(design), strict=True))

    def label(self, design: int) -> str:
        """A design in words: "hbm=16GiB, link=fast"."""
        return ", ".join(f"{choice.name}={one.name}" for choice, one in zip(self.choices, self.chosen(design), strict=True))

    def files(self) -> list[Path]:
        """Files that the answer depends on, the spec first."""
        found = [self.path] + ([self.base_path] if self.base_path != self.path else [])
        for key in _FILES:
            table, _, last = key.partition(".")
            values = [self.base.get(table, {}).get(last)]
            for one in (*self.workloads, *(one for choice in self.choices for one in choice.alternatives)):
                values += [value for name, value in one.values if name == key]
            found += [self.base_path.parent / value for value in values if isinstance(value, str) and value]
        return list(dict.fromkeys(found))

    def digest(self) -> str:
        """Hex SHA-256 of all that the answer depends on, file contents included."""
        digest = hashlib.sha256(b"placement-opt exploration 1")
        digest.update(json.dumps(self.base, sort_keys=True, default=str).encode())
        plain = (self.choices, self.workloads, self.parts, self.minimise, self.over, self.constraints, self.gap)
        digest.update(repr((*plain, self.front, self.bounds, self.schedulers)).encode())
        for file in self.files()[1:]:
            digest.update(hashlib.sha256(file.read_bytes()).digest() if file.is_file() else b"none")
        return digest.hexdigest()
