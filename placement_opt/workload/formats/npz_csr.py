"""``npz-csr``: the sparse matrix of steps and blocks as arrays of an NPZ, as NumPy and SciPy write it.

``indptr`` and ``indices``: step t reads the blocks ``indices[indptr[t]:indptr[t + 1]]``. There may be ``births`` (of each block
the step that produces it, -1: it is there from the start), ``deaths`` (the last state at which it is alive), ``sizes`` (bytes,
one or one a block), ``layers`` (of each step) and ``block_layers``. Without an array of blocks, ids that nobody reads are no
blocks. What ``scipy.sparse.save_npz`` writes of a CSR matrix is one, too; its values are not used. All are whole numbers of any
width, little endian.
"""

from __future__ import annotations

import zipfile
from os import PathLike, fspath
from typing import Any

import numpy as np

from placement_opt.base import room
from placement_opt.base.arrays import Array
from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.base.npz import INTEGERS, LARGEST_ARRAYS, SmallReads, check_packing, opened, read_head, read_vector
from placement_opt.workload.formats.lines import check_limit, file_label
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.keep import Keep

_NAMES = {"indptr", "indices", "births", "deaths", "sizes", "layers", "block_layers"}
#: What SciPy writes besides: only ``format`` is looked at.
_SCIPY = {"format", "shape", "data", "_is_array"}
_OF_BLOCKS = ("births", "deaths", "block_layers")
_LONGEST_FORMAT = 2**12
#: Bytes that an entry takes while it is imported.
_BYTES = 60


def read(
    path: str | PathLike[str], *, limit: int | None = None, keep: Keep | None = None, block_tokens: int | None = None
) -> Trace:
    """The trace of an ``npz-csr`` file.

    Parameters
    ----------
    path
        The file.
    limit
        Only the first steps, at least 1; None for all.
    keep
        How long blocks live; a ttl in steps only, and none where the file has deaths. None: for ever.
    block_tokens
        Tokens of a block where there are no sizes; None: 1.

    Raises
    ------
    InputError
        With file and array: no such archive, arrays that are missing or of another kind, or that contradict each other.
    LimitError
        Unpacked it would take more memory than is free.
    """
    check_limit(limit)
    if keep is not None:
        keep.check_untimed()
    with opened(path, "an NPZ with indptr and indices", "a smaller one") as handle:
        size = handle.seek(0, 2)
        handle.seek(0)
        with zipfile.ZipFile(SmallReads(handle)) as archive:
            arrays = _arrays(archive, size, fspath(path))
        if keep is not None and "deaths" in arrays:
            raise InputError("found it with a file that has deaths", "expected one of the two", field="keep")
        if block_tokens is not None and "sizes" in arrays:
            raise InputError("found it with a file that has sizes", "expected one of the two", field="block_tokens")
        about = {"format": "npz-csr", "file": file_label(path)} | ({"limit": limit} if limit else {})
        trace = _made(arrays, about, limit, block_tokens)
        return trace if keep is None else keep.applied(trace)


def _arrays(archive: zipfile.ZipFile, size: int, where: str) -> dict[str, Array]:
    infos = archive.infolist()
    named = {info.filename.removesuffix(".npy"): info for info in infos}
    if {"schema", "header"} <= set(named):
        raise InputError("found a trace file", "expected a matrix (a trace file needs no import)")
    for name in ("indptr", "indices"):
        if name not in named:
            raise InputError("found no such array", f"expected it (there are: {', '.join(sorted(named))[:200]})", field=name)
    if len(named) < len(infos):
        raise InputError("found a member twice", "expected each once")
    if unknown := sorted(set(named) - _NAMES - _SCIPY):
        expected = f"expected {', '.join(sorted(_NAMES))}"
        raise InputError(f"found the array {unknown[0]!r:.60}", expected)
    taken = [named[name] for name in sorted(_NAMES & set(named))]
    check_packing(taken, size)
    room.check(f"{where}: reading it", _BYTES // 4 * sum(info.file_size for info in taken), Limits())
    if "format" in named:
        _check_format(archive, named["format"])
    return {info.filename.removesuffix(".npy"): _integers(archive, info) for info in taken}


def _check_format(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    """SciPy's name of the kind of matrix, the last bytes of a small member."""
    with archive.open(info) as stream:
        end = stream.read(_LONGEST_FORMAT).replace(b"\0", b"")[-3:]
    if end != b"csr":
        found = f"found a matrix of the format {end.decode('ascii', 'replace')!r}"
        raise InputError(found, "expected csr, a row a step (matrix.tocsr())", field="format")


def _integers(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Array:
    name = info.filename.removesuffix(".npy")
    with archive.open(info) as stream:
        head = read_head(stream)
    if head is None or head.dtype[1:] not in INTEGERS:
        raise InputError("found no whole numbers", "expected integers, little endian, of one axis", field=name)
    try:
        array = read_vector(archive, info, np.dtype(head.dtype), LARGEST_ARRAYS)
    except InputError as error:
        raise error.at(field=name) from None
    if head.dtype[1:] == "u8" and len(array) and array.max() >= 2**63:
        raise InputError(f"found {array.max()}", "expected numbers below 2**63", field=name)
    return array.astype(np.int64, copy=False)


def _made(arrays: dict[str, Array], about: dict[str, Any], limit: int | None, block_tokens: int | None) -> Trace:
    """Blocks in order of production, each once in a step."""
    indptr, indices = arrays["indptr"], arrays["indices"]
    _check_pointers(indptr, len(indices))
    whole = len(indptr) - 1
    steps = min(whole, limit or whole)
    indices = indices[: indptr[steps]]
    _between(indices, 0, 2**63 - 1, "indices")
    blocks = _count(arrays)
    if blocks is None:
        ids, indices = np.unique(indices, return_inverse=True)
        blocks = len(ids)
        if not blocks:
            raise InputError("found no block in any step", "expected at least one, or births", field="indices")
        if len(sizes := arrays.get("sizes", np.ones(1))) > 1:
            _within(ids, len(sizes))
            arrays = arrays | {"sizes": sizes[ids]}
    _within(indices, blocks)
    birth = arrays.get("births", np.full(blocks, -1, dtype=np.int64))
    _between(birth, -1, whole - 1, "births")
    death = arrays.get("deaths", np.full(blocks, whole, dtype=np.int64))
    _between(death, 0, whole, "deaths")
    kept = birth < steps  # what is produced later is no block of the first steps
    order = np.flatnonzero(kept)[np.lexsort((np.flatnonzero(kept), birth[kept]))]
    rank = np.full(blocks, -1, dtype=np.int64)
    rank[order] = np.arange(len(order))
    step = np.repeat(np.arange(steps), np.diff(indptr[: steps + 1]))
    if (late := rank[indices] < 0).any():
        found = f"found block {indices[np.argmax(late)]} read before the step that produces it"
        raise InputError(found, "expected later reads", field="indices")
    reads = np.unique((step << 32) | rank[indices])
    sizes = arrays.get("sizes", np.array([block_tokens or 1]))
    _between(sizes, 1, 2**50, "sizes")
    if len(sizes) not in (1, blocks):
        raise InputError(f"found {len(sizes)} entries", f"expected 1 or {blocks}", field="sizes")
    return Trace(
        indptr=np.searchsorted(reads, np.arange(steps + 1, dtype=np.int64) << 32).astype(np.int64),
        blocks=(reads & (2**32 - 1)).astype(np.int32),
        birth=birth[order].astype(np.int32),
        death=np.minimum(death[order], steps).astype(np.int32),
        size=sizes if len(sizes) == 1 else sizes[order],
        size_unit="bytes" if "sizes" in arrays else "token-layers" if "layers" in arrays else "tokens",
        step_layer=_labels(arrays, "layers", whole, slice(steps)),
        block_layer=_labels(arrays, "block_layers", blocks, order),
        meta=about
        | ({} if "sizes" in arrays else {"block_tokens": block_tokens or 1})
        | {"repeated": len(indices) - len(reads)},
    )


def _check_pointers(indptr: Array, entries: int) -> None:
    if not 2 <= len(indptr) < 2**31:
        raise InputError(f"found {len(indptr)} entries", "expected one more than there are steps", field="indptr")
    if indptr[0] != 0 or indptr[-1] != entries or (indptr[1:] < indptr[:-1]).any():
        expected = f"expected pointers that never fall, from 0 to {entries}"
        raise InputError(f"found pointers {indptr[0]}..{indptr[-1]}", expected, field="indptr")


def _count(arrays: dict[str, Array]) -> int | None:
    """How many blocks the arrays of blocks have; None without one."""
    lengths = {name: len(arrays[name]) for name in _OF_BLOCKS if name in arrays}
    first = next(iter(lengths.values()), None)
    for name, length in lengths.items():
        if length != first:
            raise InputError(f"found {length} entries", f"expected {first}, as many as {next(iter(lengths))}", field=name)
    if first is not None and not 1 <= first < 2**31:
        raise InputError(f"found {first} entries", "expected at least 1 and fewer than 2**31", field=next(iter(lengths)))
    return first


def _within(indices: Array, blocks: int) -> None:
    bad = (indices < 0) | (indices >= blocks)
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(f"found {indices[row]} at entry {row}", f"expected ids 0..{blocks - 1}", field="indices")


def _between(values: Array, low: int, high: int, name: str) -> None:
    bad = (values < low) | (values > high)
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(f"found {values[row]} at entry {row}", f"expected numbers from {low} to {high}", field=name)


def _labels(arrays: dict[str, Array], name: str, count: int, taken: Any) -> Array | None:
    if name not in arrays:
        return None
    if len(arrays[name]) != count:
        raise InputError(f"found {len(arrays[name])} entries", f"expected {count}", field=name)
    _between(arrays[name], 0, 2**16 - 1, name)
    labels: Array = arrays[name][taken].astype(np.int32)
    return labels
