"""``oracle-general`` out: libCacheSim's binary records, with the step as their time."""

from __future__ import annotations

from os import PathLike

import numpy as np

from placement_opt.base.atomic import atomic_file
from placement_opt.base.errors import InputError
from placement_opt.workload.formats.oracle_general import RECORD
from placement_opt.workload.formats.writers.losses import ACROSS, lost
from placement_opt.workload.formats.writers.rows import accesses, check_accesses, next_accesses
from placement_opt.workload.trace import Trace


def write(trace: Trace, path: str | PathLike[str]) -> list[str]:
    """Write the accesses of each step, those that produce blocks last.

    The next access is the number of its record, counted from 0, and -1 where there is none.

    Returns
    -------
    list of str
        What is lost.

    Raises
    ------
    InputError
        Sizes that are not bytes below 2^32; no access.
    """
    if trace.size_unit != "bytes" or int(trace.size.max()) >= 2**32:
        raise InputError(f"found sizes in {trace.size_unit}", "expected bytes, below 2**32", field="size")
    check_accesses(trace)
    step, block, made = accesses(trace)
    table = np.zeros(len(step), dtype=RECORD)
    table["time"], table["id"], table["size"], table["next"] = step, block, trace.sizes[block], next_accesses(block)
    with atomic_file(path) as handle:
        handle.write(table.tobytes())
    return of_records(step, made) + records_lost(trace)


def of_records(step: np.ndarray, made: np.ndarray) -> list[str]:
    """What is lost where a record is a step and reads its block."""
    lost = ["which accesses are of one step is told by their time alone"] if len(np.unique(step)) < len(step) else []
    return lost + (["that steps produce blocks"] if made.any() else [])


def records_lost(trace: Trace) -> list[str]:
    """The losses of records, which know no layers."""
    layers = trace.step_layer is not None or trace.block_layer is not None
    return lost(trace, {ACROSS}) + (["which layer steps and blocks are of"] if layers else [])
