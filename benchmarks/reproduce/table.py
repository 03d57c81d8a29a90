"""What a table of published figures beside ours is, and which there are."""

from __future__ import annotations

import importlib
import pkgutil
import statistics
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.registry import Target

PUBLISHED = Path(__file__).parent.parent / "published"


def published(name: str) -> dict[str, Any]:
    """A file of ``benchmarks/published/``."""
    return tomllib.loads((PUBLISHED / f"{name}.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Figure:
    """One cell.

    Attributes
    ----------
    row, column
        Where it stands.
    ours
        What the package gives; a text where that is no number ("does not fit").
    published
        What it stands beside; None: nobody published it.
    """

    row: str
    column: str
    ours: float | str
    published: float | str | None = None

    @property
    def error(self) -> float | None:
        """Ours over the published figure, less one; None where either is no number."""
        if isinstance(self.ours, str) or self.published is None or isinstance(self.published, str):
            return None
        return self.ours / self.published - 1


@dataclass(frozen=True)
class Outcome:
    """What a table shows.

    Attributes
    ----------
    figures
        Its cells.
    summary
        What its targets speak of, and other sums, by name.
    """

    figures: Sequence[Figure]
    summary: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes
    ----------
    name, title
        As on the command line, and in words.
    unit
        Of its cells.
    data
        Its file of ``benchmarks/published/``, and the part of it, if any, that says source, date and evidence.
    how
        How ours come about, in words.
    compute
        Makes it; the same on every machine.
    targets
        What its summary should reach.
    assumes
        What the published side does not say and ours assumes.
    quick
        Whether it takes a second or two, so that the tests make it again.
    """

    name: str
    title: str
    unit: str
    data: tuple[str, ...]
    how: str
    compute: Callable[[], Outcome]
    targets: tuple[Target, ...] = ()
    assumes: tuple[str, ...] = ()
    quick: bool = False


def errors(figures: Iterable[Figure], name: str = "") -> dict[str, float]:
    """Mean and worst of the absolute errors of those that have one, as a summary."""
    found = [abs(figure.error) for figure in figures if figure.error is not None]
    of = f" of {name}" if name else ""
    return {f"mean error{of}": statistics.fmean(found), f"worst error{of}": max(found)}


def all_tables() -> dict[str, Table]:
    """Every table of ``benchmarks/reproduce/tables/``, by name."""
    package = importlib.import_module("benchmarks.reproduce.tables")
    modules = [
        importlib.import_module(f"{package.__name__}.{module.name}") for module in pkgutil.iter_modules(package.__path__)
    ]
    found = [table for module in modules for table in getattr(module, "TABLES", ())]
    tables = {table.name: table for table in sorted(found, key=lambda table: table.name)}
    if len(tables) < len(found):
        raise ValueError("two tables have one name")
    return tables
