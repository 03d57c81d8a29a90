"""From columns of single accesses to a trace: what the binary tables share. Rows are counted from 1, as lines are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.errors import InputError
from placement_opt.workload.formats.accesses import trace_of
from placement_opt.workload.trace import LARGEST_BLOCK, MOST_LAYERS, Trace

Column = npt.NDArray[Any]
#: The columns that there may be, and what the numbers of each are below.
BELOW = {"step": 2**62, "block": 2**63, "bytes": LARGEST_BLOCK + 1, "layer": MOST_LAYERS}
_KINDS = {"r": False, "read": False, "w": True, "write": True}


def trace_of_columns(
    columns: Mapping[str, Column], meta: dict[str, Any], *, limit: int | None, block_tokens: int | None
) -> Trace:
    """The trace of a table as ``access-csv`` has it.

    Parameters
    ----------
    columns
        ``step`` and ``block``, perhaps ``bytes``, ``layer`` and ``rw``, one entry a row: whole numbers of any kind; blocks
        also texts; ``rw`` texts, or bool (True: a write).
    meta
        How the metadata begins.
    limit
        Only the first steps; None for all.
    block_tokens
        Tokens of a block where there is no column ``bytes``; None: 1.

    Raises
    ------
    InputError
        With row and column: no rows, other values, falling steps, and what
        :func:`placement_opt.workload.formats.accesses.trace_of` refuses.
    """
    if block_tokens is not None and "bytes" in columns:
        raise InputError("found it with a column bytes", "expected one of the two", field="block_tokens")
    if not len(columns["step"]):
        raise InputError("found no rows", "expected at least one")
    table = {name: _checked(name, column) for name, column in columns.items()}
    step, layer = table["step"], table.get("layer", np.zeros(1, dtype=np.int64))
    begins, falls = _changes(step, np.broadcast_to(layer, step.shape))
    if falls.any():
        row = int(np.argmax(falls))
        found = f"found {step[row]} after {step[row - 1]}"
        raise InputError(found, "expected steps (and layers) that never fall", line=row + 1, field="step")
    number = np.cumsum(begins) - 1
    rows = len(step) if limit is None else int(np.searchsorted(number, limit))
    number, table = number[:rows], {name: column[:rows] for name, column in table.items()}
    meta = meta | ({"limit": limit} if limit else {})
    if "bytes" not in table:
        meta["block_tokens"] = block_tokens or 1
    return trace_of(
        number,
        _numbered(table["block"], table.get("layer")),
        steps=int(number[-1]) + 1,
        size=table["bytes"] if "bytes" in table else np.array([block_tokens or 1], dtype=np.int64),
        unit="bytes" if "bytes" in table else "token-layers" if "layer" in table else "tokens",
        meta=meta,
        write=table.get("rw"),
        layer=table["layer"][np.flatnonzero(begins[:rows])] if "layer" in table else None,
    )


def _changes(step: Column, layer: Column) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """bool[N] twice: whether a row begins another step, or one before that of the row before it."""
    begins, falls = np.ones(len(step), dtype=bool), np.zeros(len(step), dtype=bool)
    same = step[1:] == step[:-1]
    begins[1:] = ~same | (layer[1:] != layer[:-1])
    falls[1:] = (step[1:] < step[:-1]) | (same & (layer[1:] < layer[:-1]))
    return begins, falls


def _numbered(block: Column, layer: Column | None) -> npt.NDArray[np.int64]:
    """Blocks, those of each layer apart, as numbers from 0 without gaps."""
    number = np.unique(block, return_inverse=True)[1].reshape(-1).astype(np.int64)
    if layer is None:
        return number
    return np.unique(number * MOST_LAYERS + layer, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _checked(name: str, column: Column) -> Column:
    if name == "rw":
        return _writes(column)
    if column.dtype.kind in "UO" and name == "block":
        empty = column == ""
        if empty.any():
            raise InputError("found nothing", "expected a block", line=int(np.argmax(empty)) + 1, field=name)
        return column
    if column.dtype.kind not in "iu":
        raise InputError(f"found {column.dtype}", "expected whole numbers", field=name)
    low = 1 if name == "bytes" else 0
    bad = (column < low) | (column >= BELOW[name])
    if bad.any():
        row = int(np.argmax(bad))
        expected = f"expected a whole number from {low} to {BELOW[name] - 1}"
        raise InputError(f"found {column[row]}", expected, line=row + 1, field=name)
    return column.astype(np.int64)


def _writes(column: Column) -> npt.NDArray[np.bool_]:
    if column.dtype.kind == "b":
        return column
    if column.dtype.kind not in "UO":
        raise InputError(f"found {column.dtype}", "expected r or w", field="rw")
    kinds, inverse = np.unique(column, return_inverse=True)
    for kind in kinds.tolist():
        if str(kind).lower() not in _KINDS:
            row = int(np.argmax(column == kind))
            raise InputError(f"found {kind!r:.40}", "expected r or w", line=row + 1, field="rw")
    made: npt.NDArray[np.bool_] = np.array([_KINDS[str(kind).lower()] for kind in kinds.tolist()], dtype=bool)[inverse]
    return made.reshape(-1)
