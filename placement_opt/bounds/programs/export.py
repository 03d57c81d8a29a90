"""The horizon LP as a file for other solvers (MPS or LP format), with names a reader can follow.

Scaled units: multiply the objective by the factor the command prints to get seconds. Round brackets replace square ones in
names, which the LP format reserves.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from placement_opt.base.arrays import Float64
from placement_opt.base.atomic import atomic_path, check_output
from placement_opt.base.cost import bytes_of
from placement_opt.base.errors import InputError
from placement_opt.base.highs import LinearProgram, SolverError, to_highs
from placement_opt.bounds.lp import build
from placement_opt.instance.instance import Instance

#: Bytes that a read takes in the program, the solver's copy and the names.
READ_BYTES = bytes_of("export", "per_read")
FORMATS: tuple[Literal["mps", "lp"], ...] = ("mps", "lp")
#: The writer gives numbers at least so many digits.
_DIGITS = 1e-9


@dataclass(frozen=True)
class Exported:
    """What was written; ``time_unit_s`` turns the file's objective into seconds."""

    path: str
    rows: int
    columns: int
    entries: int
    time_unit_s: float


def export(instance: Instance, format: Literal["mps", "lp"], path: str | os.PathLike[str]) -> Exported:
    """Write the LP relaxation (a copy offered at every step) to ``path``, complete or not at all.

    The solver's writer does not say when the disk is full, so what it wrote is read again and held against the program.

    Raises
    ------
    InputError
        Unknown format, a place that cannot be written to, or a disk without room for the whole file.
    """
    if format not in FORMATS:
        raise InputError(f"found {format!r}", "expected mps or lp", field="--format")
    check_output(path)
    program = build(instance)
    solver = to_highs(program)
    assert program.names is not None
    columns, rows = program.names()
    for index, name in enumerate(columns):
        solver.passColName(index, _plain(name))
    for index, name in enumerate(rows):
        solver.passRowName(index, _plain(name))
    with atomic_path(path, f".{format}") as draft:
        _write(solver, draft)
        if not _holds(solver, draft, program):
            raise InputError("found a file that cannot be written whole (no room?)", "expected a place to write to", path=path)
    return Exported(os.fspath(path), len(rows), len(columns), len(program.value), program.time_unit)


def _write(solver: Any, draft: Path) -> None:
    """Have the solver write its model; where it cannot, the file that it leaves is none."""
    from highspy import HighsStatus

    draft.touch(exist_ok=False)  # what the system refuses at once is told in its own words
    if solver.writeModel(os.fspath(draft)) == HighsStatus.kError:
        raise SolverError("the solver could not write its model")


def _holds(solver: Any, draft: Path, program: LinearProgram) -> bool:
    """Whether a file holds a program: as many rows, columns and entries, and the same numbers, in whatever order."""
    from highspy import HighsStatus

    solver.clear()  # room for a second one
    solver.silent()
    if solver.readModel(os.fspath(draft)) == HighsStatus.kError:
        return False
    found = solver.getLp()
    pairs = [
        (found.a_matrix_.value_, program.value),
        (found.col_cost_, program.cost),
        (found.col_lower_, program.lower),
        (found.col_upper_, program.upper),
        (found.row_lower_, program.row_lower),
        (found.row_upper_, program.row_upper),
    ]
    return all(_alike(np.asarray(one, dtype=np.float64), other) for one, other in pairs)


def _alike(one: Float64, other: Float64) -> bool:
    """Whether two arrays hold the same numbers, to the digits that a file has."""
    return len(one) == len(other) and bool(np.allclose(np.sort(one), np.sort(other), rtol=_DIGITS, atol=_DIGITS))


def _plain(name: str) -> str:
    return name.replace("[", "(").replace("]", ")").replace(" ", "_")
