"""``access-csv``: one access a row: ``step,block`` and perhaps ``bytes``, ``layer`` and ``rw``, in any order of columns.

Steps are whole numbers that never fall (with layers: pairs of step and layer); each number (pair) that occurs is a step. Blocks
are any texts, of one layer each where there are layers. ``rw`` is ``r`` or ``w``. Without ``bytes`` a block is of
``block_tokens`` tokens (of its layer).
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from itertools import count
from os import PathLike

import numpy as np

from placement_opt.base.errors import InputError
from placement_opt.workload.formats.accesses import trace_of
from placement_opt.workload.formats.detect import columns_of
from placement_opt.workload.formats.lines import check_limit, file_label, read_lines, shown
from placement_opt.workload.trace import LARGEST_BLOCK, MOST_LAYERS, Trace
from placement_opt.workload.transforms.keep import Keep

_COLUMNS = ("step", "block", "bytes", "layer", "rw")
_LONGEST = 2**12
_KINDS = {b"r": False, b"read": False, b"w": True, b"write": True}


def read(
    path: str | PathLike[str], *, limit: int | None = None, keep: Keep | None = None, block_tokens: int | None = None
) -> Trace:
    """The trace of an ``access-csv`` file, packed or not.

    Parameters
    ----------
    path
        The file.
    limit
        Only the first steps, at least 1; None for all.
    keep
        How long blocks live; a ttl in steps only. None: for ever.
    block_tokens
        Tokens of a block where there are no bytes; None: 1.

    Raises
    ------
    InputError
        With file, line and column: other columns, no whole numbers, falling steps, and what
        :func:`placement_opt.workload.formats.accesses.trace_of` refuses.
    """
    check_limit(limit)
    if keep is not None:
        keep.check_untimed()
    try:
        trace = _parse(path, limit, block_tokens)
    except InputError as error:
        raise error.at(path=path) from None
    return trace if keep is None else keep.applied(trace)


def _parse(path: str | PathLike[str], limit: int | None, block_tokens: int | None) -> Trace:
    lines = read_lines(path, _LONGEST)
    header = next(lines, b"")
    columns = columns_of(header)
    if not {"step", "block"} <= set(columns) <= set(_COLUMNS) or len(set(columns)) < len(columns):
        expected = "expected the columns step and block, and perhaps bytes, layer, rw"
        raise InputError(f"found {shown(header)}", expected, line=1)
    if block_tokens is not None and "bytes" in columns:
        raise InputError("found it with a column bytes", "expected one of the two", field="block_tokens")
    place = {name: columns.index(name) for name in columns}
    steps, blocks, sizes, writes, layers = array("q"), array("i"), array("q"), bytearray(), array("q")
    numbers: defaultdict[tuple[int, bytes], int] = defaultdict(count().__next__)
    last, blank = (-1, -1), 0
    for line, text in enumerate(lines, start=2):
        if not text or text.isspace():
            blank = blank or line
            continue
        if blank:
            raise InputError("found an empty line", "expected a row", line=blank)
        row = text.split(b",")
        if len(row) != len(columns):
            raise InputError(f"found {len(row)} columns", f"expected {len(columns)}", line=line)
        layer = _number(row[place["layer"]], "layer", MOST_LAYERS, line) if "layer" in place else 0
        now = (_number(row[place["step"]], "step", 2**62, line), layer)
        if now < last:
            raise InputError(
                f"found {now[0]} after {last[0]}", "expected steps (and layers) that never fall", line=line, field="step"
            )
        if now > last:
            if len(layers) == limit:
                break
            layers.append(layer)
        last = now
        name = row[place["block"]].strip()
        if not name:
            raise InputError("found nothing", "expected a block", line=line, field="block")
        steps.append(len(layers) - 1)
        blocks.append(numbers[layer, name])
        if "bytes" in place:
            sizes.append(_number(row[place["bytes"]], "bytes", LARGEST_BLOCK + 1, line))
        if "rw" in place:
            kind = _KINDS.get(row[place["rw"]].strip().lower())
            if kind is None:
                raise InputError(f"found {shown(row[place['rw']])}", "expected r or w", line=line, field="rw")
            writes.append(kind)
    if not steps:
        raise InputError("found no rows", "expected at least one", line=1)
    meta = {"format": "access-csv", "file": file_label(path)} | ({"limit": limit} if limit else {})
    if not sizes:
        meta["block_tokens"] = block_tokens or 1
        sizes.append(block_tokens or 1)
    return trace_of(
        np.frombuffer(steps, dtype=np.int64),
        np.frombuffer(blocks, dtype=np.intc).astype(np.int64),
        steps=len(layers),
        size=np.frombuffer(sizes, dtype=np.int64).copy(),
        unit="bytes" if "bytes" in place else "token-layers" if "layer" in place else "tokens",
        meta=meta,
        write=np.frombuffer(writes, dtype=np.bool_) if "rw" in place else None,
        layer=np.frombuffer(layers, dtype=np.int64) if "layer" in place else None,
        line=2,
    )


def _number(text: bytes, field: str, below: int, line: int) -> int:
    """A whole number in plain digits; ``7.0`` is one."""
    digits = text.strip().removesuffix(b".0")
    if not digits.isdigit() or len(digits) > 19 or (value := int(digits)) >= below:
        raise InputError(f"found {shown(text)}", f"expected a whole number below {below}", line=line, field=field)
    return value
