"""``access-csv``: one access a row: ``step,block`` and perhaps ``bytes``, ``layer`` and ``rw``, in any order of columns.

Steps are whole numbers that never fall (with layers: pairs of step and layer); each number (pair) that occurs is a step. Blocks
are any texts, of one layer each where there are layers. ``rw`` is ``r`` or ``w``. Without ``bytes`` a block is of
``block_tokens`` tokens (of its layer).
"""

from __future__ import annotations

from array import array
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.errors import InputError
from placement_opt.workload.formats.accesses import trace_of
from placement_opt.workload.formats.detect import columns_of
from placement_opt.workload.formats.ids import Ids, by_appearance, numbered
from placement_opt.workload.formats.lines import check_limit, file_label, read_blocks, shown
from placement_opt.workload.formats.table import Fields, fields_of
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
    rows: _Rows | None = None
    blank = 0
    for number, lines in read_blocks(path, _LONGEST):
        if rows is None:
            rows = _Rows(_columns(lines.pop(0), block_tokens), limit)
            number += 1
        count = len(lines)
        while lines and not lines[-1].strip():
            lines.pop()
        if lines and blank:
            raise InputError("found an empty line", "expected a row", line=blank)
        if lines and not rows.add_many(lines):
            rows.add_each(lines, number)
        if len(lines) < count:
            blank = blank or number + len(lines)
        if rows.full:
            break
    if rows is None:
        _columns(b"", None)
    elif not rows.steps:
        raise InputError("found no rows", "expected at least one", line=1)
    assert rows is not None
    meta = {"format": "access-csv", "file": file_label(path)} | ({"limit": limit} if limit else {})
    return rows.trace(meta, block_tokens or 1)


def _columns(header: bytes, block_tokens: int | None) -> list[str]:
    columns = columns_of(header)
    if not {"step", "block"} <= set(columns) <= set(_COLUMNS) or len(set(columns)) < len(columns):
        expected = "expected the columns step and block, and perhaps bytes, layer, rw"
        raise InputError(f"found {shown(header)}", expected, line=1)
    if block_tokens is not None and "bytes" in columns:
        raise InputError("found it with a column bytes", "expected one of the two", field="block_tokens")
    return columns


class _Rows:
    """Rows in growing arrays."""

    def __init__(self, columns: list[str], limit: int | None) -> None:
        self.columns, self.limit = len(columns), limit
        self.place = {name: columns.index(name) for name in columns}
        self.steps: array[int] = array("i")  # number of the step of each row
        self.blocks = Ids()  # of each row; numbers are told from texts
        self.sizes: array[int] = array("q")
        self.writes = bytearray()
        self.layers: array[int] = array("q")  # of each step
        self.full = False  # whether there are as many steps as are wanted
        self.last = (-1, -1)  # step and layer of the last row

    def add_many(self, lines: list[bytes]) -> bool:
        """Rows that are all plain; False where any is not, and then none was added."""
        fields, place = fields_of(lines, self.columns), self.place
        if fields is None:
            return False
        step = fields.whole(place["step"], 2**62)
        layer = fields.whole(place["layer"], MOST_LAYERS) if "layer" in place else np.zeros(len(lines), dtype=np.int64)
        size = fields.whole(place["bytes"], LARGEST_BLOCK + 1) if "bytes" in place else layer
        write = _writes(fields, place["rw"]) if "rw" in place else np.zeros(len(lines), dtype=np.bool_)
        if step is None or layer is None or size is None or write is None or fields.width(place["block"]).min() < 1:
            return False
        before = np.diff(step, prepend=self.last[0]), np.diff(layer, prepend=self.last[1])
        if ((before[0] < 0) | ((before[0] == 0) & (before[1] < 0))).any():
            return False
        begins = (before[0] > 0) | (before[1] != 0)
        number = np.cumsum(begins) - 1 + len(self.layers)
        rows = len(lines) if self.limit is None else int(np.searchsorted(number, self.limit))
        self.full = rows < len(lines)
        self.steps.frombytes(number[:rows].astype(np.intc).tobytes())
        self.layers.frombytes(layer[:rows][begins[:rows]].tobytes())
        names = fields.whole_names(place["block"])
        if names is None:
            texts = [line.split(b",", place["block"] + 1)[place["block"]] for line in lines[:rows]]
            digits = fields.first(place["block"]) - np.uint8(ord("0")) <= 9
            self.blocks.extend(list(map(_name, texts)) if digits.any() else texts)
        else:
            self.blocks.extend_whole(array("q", names[:rows].tobytes()))
        if "bytes" in place:
            self.sizes.frombytes(size[:rows].tobytes())
        if "rw" in place:
            self.writes.extend(write[:rows].tobytes())
        self.last = (int(step[-1]), int(layer[-1]))
        return True

    def add_each(self, lines: list[bytes], first: int) -> None:
        """The same row by row, whatever they are; InputError with the line for what is wrong with one."""
        for line, text in enumerate(lines, start=first):
            if not text.strip():
                raise InputError("found an empty line", "expected a row", line=line)
            self._add(text.split(b","), line)
            if self.full:
                return

    def _add(self, row: list[bytes], line: int) -> None:
        if len(row) != self.columns:
            raise InputError(f"found {len(row)} columns", f"expected {self.columns}", line=line)
        place = self.place
        layer = _number(row[place["layer"]], "layer", MOST_LAYERS, line) if "layer" in place else 0
        now = (_number(row[place["step"]], "step", 2**62, line), layer)
        if now < self.last:
            expected = "expected steps (and layers) that never fall (sort the rows by them first)"
            raise InputError(f"found {now[0]} after {self.last[0]}", expected, line=line, field="step")
        if now > self.last:
            if len(self.layers) == self.limit:
                self.full = True
                return
            self.layers.append(layer)
        self.last = now
        name = row[place["block"]].strip()
        if not name:
            raise InputError("found nothing", "expected a block", line=line, field="block")
        size = _number(row[place["bytes"]], "bytes", LARGEST_BLOCK + 1, line) if "bytes" in place else None
        write = _KINDS.get(row[place["rw"]].strip().lower()) if "rw" in place else False
        if write is None:
            raise InputError(f"found {shown(row[place['rw']])}", "expected r or w", line=line, field="rw")
        self.steps.append(len(self.layers) - 1)
        self.blocks.extend([_name(name)])
        if size is not None:
            self.sizes.append(size)
        if "rw" in place:
            self.writes.append(write)

    def trace(self, meta: dict[str, Any], block_tokens: int) -> Trace:
        steps, layers = np.frombuffer(self.steps, dtype=np.intc).astype(np.int64), np.frombuffer(self.layers, dtype=np.int64)
        block = self.blocks.numbers()
        if "layer" in self.place:
            block = numbered(layers[steps] * (int(block.max()) + 1) + block)
        if "bytes" not in self.place:
            meta["block_tokens"] = block_tokens
        sizes = self.sizes or array("q", [block_tokens])
        return trace_of(
            steps,
            by_appearance(block),
            steps=len(layers),
            size=np.frombuffer(sizes, dtype=np.int64).copy(),
            unit="bytes" if "bytes" in self.place else "token-layers" if "layer" in self.place else "tokens",
            meta=meta,
            write=np.frombuffer(self.writes, dtype=np.bool_) if "rw" in self.place else None,
            layer=layers if "layer" in self.place else None,
            line=2,
        )


def _writes(fields: Fields, column: int) -> npt.NDArray[np.bool_] | None:
    """Whether each row is a write, where all say so by a letter."""
    letter = fields.first(column) | np.uint8(32)  # in lower case
    write = letter == ord("w")
    good = (fields.width(column) == 1) & (write | (letter == ord("r")))
    return write if good.all() else None


def _name(text: bytes) -> int | bytes:
    """A block: a number where that is written in one way only."""
    plain = text.isdigit() and len(text) <= 18 and (text[:1] != b"0" or len(text) == 1)
    return int(text) if plain else text


def _number(text: bytes, field: str, below: int, line: int) -> int:
    """A whole number in plain digits; ``7.0`` is one."""
    digits = text.strip().removesuffix(b".0")
    if not digits.isdigit() or len(digits) > 19 or (value := int(digits)) >= below:
        kind = "number of bytes, without a unit," if field == "bytes" else "number"
        raise InputError(f"found {shown(text)}", f"expected a whole {kind} from 0 and below {below}", line=line, field=field)
    return value
