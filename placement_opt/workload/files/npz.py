"""A trace in one file: an NPZ of its arrays with a schema number, written the same way every time, read without trust.

Members, each a plain ``.npy`` of one axis: ``schema`` (one number), ``header`` (JSON as bytes: size unit, share base, which
optional arrays follow, metadata) and the arrays of :class:`~placement_opt.workload.trace.Trace` under their own names, those of
its requests with ``request_`` before them, little endian. Nothing is allocated before the directory of the file has been found
small, complete and consistent, and nothing beyond what a file of that size may hold.
"""

from __future__ import annotations

import zipfile
from collections.abc import Container
from os import PathLike, fspath
from typing import Any, BinaryIO

import numpy as np

from placement_opt.base import room
from placement_opt.base.arrays import Array
from placement_opt.base.atomic import atomic_file
from placement_opt.base.errors import InputError
from placement_opt.base.given import check_kind, check_path
from placement_opt.base.json import dump_json, parse_json
from placement_opt.base.limits import Limits
from placement_opt.base.npz import (
    LARGEST_ARRAYS,
    MOST_RATIO,
    SMALL_ARRAYS,
    SmallReads,
    check_packing,
    opened,
    read_vector,
    write_vectors,
)
from placement_opt.workload.served import COLUMNS, Served
from placement_opt.workload.trace import Trace

SCHEMA = 1
_LARGEST_HEADER = 2**20

_REQUIRED = {"schema": "<i8", "header": "|u1", "indptr": "<i8", "blocks": "<i4", "birth": "<i4", "death": "<i4", "size": "<i8"}
_LABELS = dict.fromkeys(("step_token", "step_layer", "block_token", "block_layer"), "<i4")
_BY_READ = {"shares": "<u2", "position": "<i4"}
_OPTIONAL = _BY_READ | _LABELS | {"block_kind": "|i1", "pieces": "<i4", "step_floor": "<i8"}
#: Member -> column of the table of requests, all or none of them.
_REQUESTS = {f"request_{name}": name for name in COLUMNS}
_DTYPES = _REQUIRED | _OPTIONAL | {member: COLUMNS[name].str for member, name in _REQUESTS.items()}
_KEYS = ("arrays", "meta", "share_base", "size_unit")


def save_trace(trace: Trace, path: str | PathLike[str]) -> None:
    """Write a trace, in place of what is there, whole or not at all; equal traces give equal bytes.

    Parameters
    ----------
    trace
        What to write.
    path
        Where; an NPZ that ``numpy.load`` opens, too.

    Raises
    ------
    InputError
        The place cannot be written to, or the metadata is not what JSON can hold.

    Examples
    --------
    >>> po.save_trace(po.Trace.from_reads([[0, 1], [1]]), "t.npz")
    >>> po.load_trace("t.npz")
    Trace(2 steps, 2 blocks, 3 reads)
    """
    check_kind(trace, Trace, "a trace such as Trace.from_reads([[0, 1], [1]])", field="trace")
    check_path(path, field="path")
    optional = {name: array for name in _OPTIONAL if (array := getattr(trace, name)) is not None}
    if trace.requests is not None:
        optional |= {member: getattr(trace.requests, name) for member, name in _REQUESTS.items()}
    header = {"arrays": sorted(optional), "meta": trace.meta, "share_base": trace.share_base, "size_unit": trace.size_unit}
    text = dump_json(header).encode("ascii")
    if len(text) > _LARGEST_HEADER:
        raise InputError(f"found {len(text)} bytes of metadata", f"expected at most {_LARGEST_HEADER}", field="meta")
    members: dict[str, Array] = {"schema": np.array([SCHEMA]), "header": np.frombuffer(text, dtype=np.uint8)}
    members |= {name: getattr(trace, name) for name in _REQUIRED if name not in members} | optional
    with atomic_file(path) as handle:
        unpacked = write_vectors(handle, members, _DTYPES, zipfile.ZIP_DEFLATED)
        if unpacked > max(SMALL_ARRAYS, MOST_RATIO * handle.tell()):
            # So regular that our own reader would take it for a bomb: unpacked it is above suspicion.
            handle.seek(0)
            handle.truncate()
            write_vectors(handle, members, _DTYPES, zipfile.ZIP_STORED)


def load_trace(path: str | PathLike[str]) -> Trace:
    """Read a trace that :func:`save_trace` (or ``numpy.savez`` with the same members) wrote.

    Parameters
    ----------
    path
        The file; docs/formats.md describes it.

    Returns
    -------
    Trace
        Checked.

    Raises
    ------
    InputError
        Whatever is wrong with the file, in time and memory bounded by its size; no code run.
    LimitError
        Unpacked it would take more memory than is free.

    Examples
    --------
    >>> po.save_trace(po.Trace.from_reads([[0, 1], [1]], sizes=7), "t.npz")
    >>> po.load_trace("t.npz").sizes.tolist()
    [7, 7]
    """
    check_path(path, field="path")
    with opened(path, "a trace file", "a smaller trace") as handle:
        arrays, names = _read_members(handle, f"{fspath(path)}: reading it")
        header = _read_header(arrays.pop("schema"), arrays.pop("header"), names)
        parts: dict[str, Any] = _with_requests(arrays) | header
        return Trace(**parts)


def outline_trace(path: str | PathLike[str]) -> tuple[Trace, int]:
    """The steps and blocks of a trace file, as a trace without reads, and how many reads it has.

    The reads, which are most of the file, are not unpacked. InputError as :func:`load_trace`.
    """
    with opened(path, "a trace file", "a smaller trace") as handle:
        arrays, names = _read_members(handle, f"{fspath(path)}: reading it", without=("blocks", *_BY_READ))
        if "position" in names:
            arrays["position"] = np.zeros(0, dtype=np.int32)
        most = handle.seek(0, 2) * MOST_RATIO  # what its pointers claim beyond that is refused with the reads
        header = _read_header(arrays.pop("schema"), arrays.pop("header"), names)
        indptr = arrays.pop("indptr")
        parts: dict[str, Any] = _with_requests(arrays) | header | {"share_base": 1}
        reads = min(max(0, int(indptr[-1])), most) if len(indptr) else 0
        return Trace(indptr=np.zeros_like(indptr), blocks=np.zeros(0, dtype=np.int32), **parts), reads


def _read_members(handle: BinaryIO, what: str, without: Container[str] = ()) -> tuple[dict[str, Array], set[str]]:
    """The members, but for some, and the names of the arrays of all of them."""
    size = handle.seek(0, 2)
    handle.seek(0)
    if size == 0:
        raise InputError("found an empty file", "expected a trace file")
    if handle.read(2) != b"PK":
        found = "found no readable NPZ (File is not a zip file)"
        raise InputError(found, "expected a trace file (trace import FILE -o T.npz makes one of a log)")
    with zipfile.ZipFile(SmallReads(handle)) as archive:
        infos = archive.infolist()
        _check_directory(infos, size)
        named = {info.filename.removesuffix(".npy"): info for info in infos}
        room.check(what, 2 * sum(info.file_size for name, info in named.items() if name not in without), Limits())
        arrays = {name: _read_array(archive, info, name) for name, info in named.items() if name not in without}
        return arrays, set(named) - {"schema", "header"}


def _check_directory(infos: list[zipfile.ZipInfo], size: int) -> None:
    """Names, methods and declared sizes, before anything is unpacked."""
    names = [info.filename for info in infos]
    if "indices.npy" in names:
        found = "found a sparse matrix of steps and blocks"
        raise InputError(found, "expected a trace file (trace import FILE -o T.npz makes one)")
    for name in names:
        if name.removesuffix(".npy") not in _DTYPES or not name.endswith(".npy"):
            raise InputError(f"found the member {name!r:.60}", "expected only the arrays of a trace")
        if names.count(name) > 1:
            raise InputError(f"found the member {name!r} twice", "expected each once")
    for name in _REQUIRED:
        if f"{name}.npy" not in names:
            raise InputError("found no such member", "expected this array of a trace", field=name)
    for member in _REQUESTS if any(f"{member}.npy" in names for member in _REQUESTS) else ():
        if f"{member}.npy" not in names:
            raise InputError("found no such member", "expected all arrays of requests or none", field=member)
    check_packing(infos, size)


def _with_requests(arrays: dict[str, Array]) -> dict[str, Any]:
    """The arrays, those of requests joined to their table."""
    columns = {name: arrays.pop(member) for member, name in _REQUESTS.items() if member in arrays}
    return arrays | ({"requests": Served(**columns)} if columns else {})


def _read_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Array:
    try:
        return read_vector(archive, info, np.dtype(_DTYPES[name]), _LARGEST_HEADER if name == "header" else LARGEST_ARRAYS)
    except InputError as error:
        raise error.at(field=name) from None


def _read_header(schema: Array, raw: Array, names: set[str]) -> dict[str, Any]:
    """The part of a trace that is no array, its types checked (``Trace`` checks the values)."""
    if schema.tolist() != [SCHEMA]:
        raise InputError(f"found {schema.tolist()[:3]}", f"expected schema {SCHEMA}", field="schema")
    try:
        header = parse_json(raw.tobytes().decode("utf-8"))
    except UnicodeDecodeError:
        raise InputError("found bytes that are not UTF-8", "expected JSON", field="header") from None
    except InputError as error:
        raise error.at(field="header") from None
    if not isinstance(header, dict) or sorted(header) != list(_KEYS):
        raise InputError("found other keys", f"expected {', '.join(_KEYS)}", field="header")
    arrays = header.pop("arrays")
    if not isinstance(arrays, list) or arrays != sorted(names - set(_REQUIRED)):
        raise InputError(f"found {arrays!r:.100}", "expected the optional arrays that the file holds", field="header.arrays")
    return header
