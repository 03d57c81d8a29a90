"""From single accesses to a trace: what the formats share that name a block, and perhaps a step, in each record.

A block that is first read exists from the start; one that is first written is produced by that step, and is read later only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.errors import InputError
from placement_opt.workload.formats.ids import first_of
from placement_opt.workload.trace import Trace

Numbers = npt.NDArray[np.int64]


def trace_of(
    step: Numbers,
    block: Numbers,
    *,
    steps: int,
    size: npt.NDArray[np.int64],
    unit: str,
    meta: dict[str, Any],
    write: npt.NDArray[np.bool_] | None = None,
    layer: Numbers | None = None,
    line: int = 1,
) -> Trace:
    """The trace of N accesses.

    Parameters
    ----------
    step, block
        int64[N]: the step of each access, ascending from 0, and its block, from 0 without gaps.
    steps
        How many steps there are.
    size, unit
        Of each access, or int64[1] of all; what a block takes must not change.
    meta
        How the metadata begins; ``repeated`` is how many reads of a block that its step reads already were left out.
    write
        bool[N]: whether it is a write; None: none is.
    layer
        int64[steps] of each step, or None.
    line
        Of the first access, for messages.

    Raises
    ------
    InputError
        With the line: a block changes its size, is written twice or not by its first access, is read by the step that
        writes it.
    """
    first = first_of(block)
    blocks = len(first)
    if len(size) > 1:
        _check(size == size[first][block], line, "another size than before of this block", "one", "bytes")
    birth = np.full(blocks, -1, dtype=np.int64)
    if write is not None:
        begins = np.zeros(len(block), dtype=bool)
        begins[first] = True
        why = "each block written once, before it is read (what is written anew is another block)"
        _check(~write | begins, line, "a write of a block that was accessed before", why, "rw")
        birth[block[write]] = step[write]
        _check(write | (step > birth[block]), line, "a read of a block by the step that writes it", "later ones", "rw")
    reading = np.ones(len(block), dtype=bool) if write is None else ~write
    order = np.lexsort((np.arange(blocks), birth))
    rank = np.empty(blocks, dtype=np.int64)
    rank[order] = np.arange(blocks)
    reads = np.sort((step[reading] << 32) | rank[block[reading]])
    reads = reads[np.diff(reads, prepend=-1) > 0]
    return Trace(
        indptr=np.searchsorted(reads, np.arange(steps + 1, dtype=np.int64) << 32).astype(np.int64),
        blocks=(reads & (2**32 - 1)).astype(np.int32),
        birth=birth[order].astype(np.int32),
        death=np.full(blocks, steps, dtype=np.int32),
        size=size if len(size) == 1 else size[first][order],
        size_unit=unit,  # type: ignore[arg-type]
        step_layer=None if layer is None else layer.astype(np.int32),
        block_layer=None if layer is None else layer[step[first]][order].astype(np.int32),
        meta=meta | {"repeated": int(reading.sum()) - len(reads)},
    )


def _check(good: npt.NDArray[np.bool_], line: int, found: str, expected: str, field: str) -> None:
    if not good.all():
        raise InputError(f"found {found}", f"expected {expected}", line=line + int(np.argmin(good)), field=field)
