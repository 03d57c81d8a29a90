"""A trace as a table of its accesses, one a row, in order of their steps: what the exporters of tables write."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from placement_opt.base.errors import InputError
from placement_opt.workload.trace import Trace

Numbers = npt.NDArray[np.int64]


def accesses(trace: Trace) -> tuple[Numbers, Numbers, npt.NDArray[np.bool_]]:
    """(step, block, whether it produces the block), ``[N + blocks produced]`` each: steps ascend, a step's reads come first."""
    made = np.flatnonzero(trace.birth >= 0)
    step = np.concatenate([trace.read_step.astype(np.int64), trace.birth[made].astype(np.int64)])
    block = np.concatenate([trace.blocks.astype(np.int64), made])
    order = np.argsort(step, kind="stable")
    return step[order], block[order], order >= trace.num_reads


def columns(trace: Trace) -> dict[str, npt.NDArray[np.generic]]:
    """``step`` and ``block``, with ``bytes`` and ``layer`` where the trace has them and ``rw`` where blocks are produced.

    With layers a step's number is that of the turn through the layers, and it is a step for each layer of the turn.

    Raises
    ------
    InputError
        Blocks of several sizes in tokens.
    """
    check_one_size(trace)
    step, block, made = accesses(trace)
    table: dict[str, npt.NDArray[np.generic]] = {"step": step, "block": block}
    if trace.size_unit == "bytes":
        table["bytes"] = trace.sizes[block]
    if (layer := trace.step_layer) is not None:
        begins = np.diff(layer, prepend=layer[:1]) <= 0
        table |= {"step": np.cumsum(begins)[step] - 1, "layer": layer[step].astype(np.int64)}
    if (trace.birth >= 0).any():
        table["rw"] = np.where(made, "w", "r")
    return table


def next_accesses(block: Numbers) -> Numbers:
    """int64[N]: the number of the row that accesses the same block next, -1 where none does."""
    found = np.full(len(block), -1, dtype=np.int64)
    by_block = np.argsort(block, kind="stable")
    again = block[by_block[1:]] == block[by_block[:-1]]
    found[by_block[:-1][again]] = by_block[1:][again]
    return found


def check_one_size(trace: Trace) -> None:
    """Refuse sizes that neither a column of bytes nor one number says."""
    if trace.size_unit != "bytes" and len(np.unique(trace.size)) > 1:
        found, expected = f"found sizes in {trace.size_unit}", "expected bytes, or one size (a column has bytes)"
        raise InputError(found, expected, field="size")


def check_accesses(trace: Trace) -> None:
    """Refuse a trace without an access, which would be a table without rows."""
    if not trace.num_reads and not (trace.birth >= 0).any():
        raise InputError("found no step that accesses a block", "expected one at least")
