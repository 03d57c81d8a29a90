"""The horizon LP as a file for other solvers (MPS or LP format), with names a reader can follow.

Scaled units: multiply the objective by the factor the command prints to get seconds. Round brackets replace square ones in
names, which the LP format reserves.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from placement_opt.bounds.highs import SolverError, to_highs
from placement_opt.bounds.lp import build
from placement_opt.errors import InputError
from placement_opt.instance import Instance

#: Bytes that a read takes in the program, the solver's copy and the names (measured: 9e4 and 4e5 reads, two tiers).
READ_BYTES = 11_000
FORMATS: tuple[Literal["mps", "lp"], ...] = ("mps", "lp")


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

    Raises
    ------
    InputError
        Unknown format, or a folder that does not exist.
    """
    if format not in FORMATS:
        raise InputError(f"found {format!r}", "expected mps or lp", field="--format")
    target = Path(path)
    if not target.parent.is_dir() or target.is_dir():
        raise InputError("found no place to write to", "expected a file name in an existing folder", path=target)
    program = build(instance)
    solver = to_highs(program)
    assert program.names is not None
    columns, rows = program.names()
    for index, name in enumerate(columns):
        solver.passColName(index, _plain(name))
    for index, name in enumerate(rows):
        solver.passRowName(index, _plain(name))
    handle, scratch = tempfile.mkstemp(suffix=f".{format}", dir=target.parent)
    os.close(handle)
    try:
        from highspy import HighsStatus

        if solver.writeModel(scratch) == HighsStatus.kError:
            raise SolverError(f"the solver could not write {target}")
        os.replace(scratch, target)
    finally:
        Path(scratch).unlink(missing_ok=True)
    return Exported(os.fspath(path), len(rows), len(columns), len(program.value), program.time_unit)


def _plain(name: str) -> str:
    return name.replace("[", "(").replace("]", ")").replace(" ", "_")
