"""``npy``: an array of accesses as ``numpy.save`` writes it: whole numbers of shape (N, 2), or records with named fields.

The two columns are step and block; fields are ``step``, ``block`` and perhaps ``bytes``, ``layer`` and ``rw`` (bool, True: a
write). What they mean is as in :mod:`placement_opt.workload.formats.access_csv`. Little endian; no code in a file is run.
"""

from __future__ import annotations

import os
import re
from os import PathLike
from typing import Any, BinaryIO

import numpy as np

from placement_opt.base import room
from placement_opt.base.arrays import Array
from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.base.npz import INTEGERS, opened, read_head
from placement_opt.workload.formats.binary_columns import BELOW, trace_of_columns
from placement_opt.workload.formats.lines import check_limit, file_label
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.keep import Keep

MAGIC = b"\x93NUMPY"
#: The header of an array of records of one axis.
_RECORDS = re.compile(
    rb"\{\s*'descr':\s*\[((?:\('[a-z_]{1,16}',\s*'[<|][a-z][1248]'\),?\s*){1,8})\],\s*'fortran_order':\s*False,"
    rb"\s*'shape':\s*\(([0-9]{1,18}),\s*\),?\s*\}\s*"
)
_FIELD = re.compile(rb"\('([a-z_]{1,16})',\s*'([<|][a-z][1248])'\)")
_EXPECTED = "expected whole numbers of shape (N, 2), step and block, or records with fields step and block"
#: Bytes that an access takes while it is imported.
_BYTES = 200


def read(
    path: str | PathLike[str], *, limit: int | None = None, keep: Keep | None = None, block_tokens: int | None = None
) -> Trace:
    """The trace of an ``npy`` file.

    Parameters are those of :func:`placement_opt.workload.formats.access_csv.read`.

    Raises
    ------
    InputError
        With file, row and column: another array, and what
        :func:`placement_opt.workload.formats.binary_columns.trace_of_columns` refuses.
    LimitError
        There is too little memory for so many accesses.
    """
    check_limit(limit)
    if keep is not None:
        keep.check_untimed()
    with opened(path, "an NPY", "a smaller array") as handle:
        about = {"format": "npy", "file": file_label(path)}
        trace = trace_of_columns(_columns(handle, os.fspath(path)), about, limit=limit, block_tokens=block_tokens)
        return trace if keep is None else keep.applied(trace)


def _columns(handle: BinaryIO, where: str) -> dict[str, Array]:
    head, total = read_head(handle), os.fstat(handle.fileno()).st_size
    if head is None:
        raise InputError("found no array of version 1", _EXPECTED)
    if head.shape:
        if head.dtype[1:] not in INTEGERS or len(head.shape) != 2 or head.shape[1] != 2:
            raise InputError(f"found {head.dtype} of shape {head.shape}", _EXPECTED)
        dtype: np.dtype[Any] = np.dtype(head.dtype)
        shape: tuple[int, ...] = head.shape
        offset = head.length
    else:
        dtype, shape, offset = _records(handle)
    rows = shape[0]
    if offset + dtype.itemsize * rows * (shape[1] if len(shape) > 1 else 1) != total:
        raise InputError(f"found {rows} rows in {total} bytes", "expected as many bytes as the rows take")
    room.check_bytes(room.BASE_BYTES + _BYTES * rows, Limits(), "to import it", place=where)
    handle.seek(offset)
    data = np.frombuffer(handle.read(total - offset), dtype=dtype)
    if dtype.names is not None:
        return {name: np.ascontiguousarray(data[name]) for name in dtype.names}
    table = data.reshape(shape, order="F" if head.columns else "C")
    return {"step": np.ascontiguousarray(table[:, 0]), "block": np.ascontiguousarray(table[:, 1])}


def _records(handle: BinaryIO) -> tuple[np.dtype[np.void], tuple[int, ...], int]:
    """The fields, the shape and where the data begin; read_head has seen no array of numbers."""
    handle.seek(8)
    length = int.from_bytes(handle.read(2), "little")
    about = _RECORDS.fullmatch(handle.read(length))
    if about is None:
        raise InputError("found another header", _EXPECTED)
    fields = [(name.decode(), kind.decode()) for name, kind in _FIELD.findall(about[1])]
    names = [name for name, _ in fields]
    if not {"step", "block"} <= set(names) <= {*BELOW, "rw"} or len(set(names)) < len(names):
        expected = "expected step and block, and perhaps bytes, layer, rw"
        raise InputError(f"found the fields {', '.join(names)}", expected)
    for name, kind in fields:
        if kind[1:] not in ({"b1"} if name == "rw" else INTEGERS):
            raise InputError(f"found {kind}", "expected " + ("bool" if name == "rw" else "whole numbers"), field=name)
    return np.dtype(fields), (int(about[2]),), 10 + length
