"""The registry of benchmark cases.

A case is built at some size (never timed), then its phases run one after the other, each timed apart. What they return are
figures: numbers or short texts that go into the result file.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Figure = float | int | str
#: What ``build`` returns and the phases share and extend.
State = dict[str, Any]
Phase = Callable[[State], Mapping[str, Figure]]


@dataclass(frozen=True)
class Target:
    """What a case should reach: ``figure`` of the result compared with ``limit``; ``sense`` is "at least" or "at most"."""

    figure: str
    sense: str
    limit: float

    def met(self, value: float) -> bool:
        return value >= self.limit if self.sense == "at least" else value <= self.limit


@dataclass(frozen=True)
class Spec:
    """One case.

    Attributes
    ----------
    name
        Lower case words joined by hyphens; also the name of its result file.
    about
        One sentence for the table.
    build
        Makes the input at a size; not timed.
    phases
        Name -> function, run in this order; each is timed, and returns figures.
    sizes
        (smallest, full): the first is what the smoke test builds and runs, the last is what the runner measures.
    requires
        Folders, relative to the repository's root, that must exist; a case that lacks one is skipped and named.
    targets
        What the figures should reach. A phase's time is the figure ``<phase>_s``.
    """

    name: str
    about: str
    build: Callable[[int], State]
    phases: Mapping[str, Phase]
    sizes: tuple[int, ...]
    requires: tuple[str, ...] = ()
    targets: tuple[Target, ...] = field(default=())

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.name):
            raise ValueError(f"benchmark name {self.name!r}: expected lower case words joined by hyphens")
        if not self.phases:
            raise ValueError(f"benchmark {self.name}: expected at least one phase")
        if not self.sizes or list(self.sizes) != sorted(set(self.sizes)):
            raise ValueError(f"benchmark {self.name}: found sizes {self.sizes}, expected different ones in ascending order")
        for target in self.targets:
            if target.sense not in ("at least", "at most"):
                raise ValueError(f"benchmark {self.name}: found sense {target.sense!r}, expected 'at least' or 'at most'")

    def missing(self, root: Path) -> list[str]:
        """The required folders that are not there."""
        return [folder for folder in self.requires if not (root / folder).is_dir()]


_SPECS: dict[str, Spec] = {}


def register(spec: Spec) -> Spec:
    """Add a case; a second one of the same name is refused."""
    if spec.name in _SPECS:
        raise ValueError(f"benchmark {spec.name!r} is registered twice")
    _SPECS[spec.name] = spec
    return spec


def all_specs() -> dict[str, Spec]:
    """Every case of ``benchmarks/cases/``, by name."""
    package = importlib.import_module("benchmarks.cases")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"benchmarks.cases.{module.name}")
    return dict(sorted(_SPECS.items()))
