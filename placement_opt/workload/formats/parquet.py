"""``parquet``: a table of accesses (the columns of ``access-csv``), or of requests with the hashes of their prompts' blocks.

Requests, as AIPerf's Baseten traces have them: ``total_hashes`` (or ``hash_ids``), ``input_tokens`` (``input_length``), perhaps
``timestamp_start_unix_ms`` (``timestamp``, ms) and ``block_size``; steps and blocks are as
:mod:`placement_opt.workload.formats.requests` says. Other columns, prompts above all, are not read. Needs pyarrow. Rows are
streamed; what the file's footer says of its size is held against the size of the file and the memory before any are read.
pyarrow trusts what it reads and ends its process on some damaged files, so that it works in one of its own.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

import placement_opt
from placement_opt.base import room
from placement_opt.base.arrays import Array
from placement_opt.base.atomic import open_regular, scratch_folder
from placement_opt.base.errors import InputError, LimitError
from placement_opt.base.limits import Limits
from placement_opt.base.npz import MOST_RATIO, SMALL_ARRAYS
from placement_opt.workload.files.npz import load_trace, save_trace
from placement_opt.workload.formats.binary_columns import BELOW, trace_of_columns
from placement_opt.workload.formats.lines import check_limit, file_label
from placement_opt.workload.formats.records import ids_of, time_of, whole
from placement_opt.workload.formats.requests import Requests, provenance
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.keep import Keep

MAGIC = b"PAR1"
#: Tokens in a block where neither the rows nor the caller say.
BLOCK_TOKENS = 512
#: Column of requests -> how it may be called.
_REQUESTS = {
    "hash_ids": ("hash_ids", "total_hashes"),
    "input_length": ("input_length", "input_tokens"),
    "timestamp": ("timestamp", "timestamp_start_unix_ms"),
    "block_size": ("block_size",),
}
_LARGEST_FOOTER = 2**24
#: Values that a file may have whatever its size, and how many more for each byte: few bits can claim any number.
_MOST_VALUES, _PER_BYTE = 2**20, 64
#: Bytes that a value takes while it is imported, and rows that are read at a time.
_BYTES, _ROWS = 200, 2**12
#: How a process ends that found something wrong with the file.
REFUSED = 9


def read(
    path: str | PathLike[str], *, limit: int | None = None, keep: Keep | None = None, block_tokens: int | None = None
) -> Trace:
    """The trace of a ``parquet`` file.

    Parameters
    ----------
    path
        The file.
    limit
        Only the first steps (requests in order of time), at least 1; None for all.
    keep
        How long blocks live; a ttl in time for requests that have one, else in steps. None: for ever.
    block_tokens
        Tokens of a block where the file does not say; None: 1, of requests 512.

    Raises
    ------
    InputError
        With file, row (from 1) and column: no such file, no such columns, values of another kind, more than a file of its
        size can hold; there is no pyarrow.
    LimitError
        There is too little memory for so many rows.
    """
    check_limit(limit)
    try:
        _check_frame(path)
        find_arrow()
        return _apart(
            path,
            {
                "limit": limit,
                "block_tokens": block_tokens,
                "keep": None if keep is None else [keep.rule, keep.seconds and str(keep.seconds), keep.steps],
            },
        )
    except InputError as error:
        raise error.at(path=path) from None


def _apart(path: str | PathLike[str], options: dict[str, Any]) -> Trace:
    """The trace, made by a process of its own, which a damaged file may end."""
    with scratch_folder() as folder:
        made = folder / "t.npz"
        root = os.fspath(Path(placement_opt.__file__).parents[1])
        paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [
            sys.executable,
            "-P",
            "-m",
            "placement_opt.workload.formats.parquet",
            os.path.abspath(path),
            os.fspath(made),
            json.dumps(options),
        ]
        done = subprocess.run(command, capture_output=True, env=os.environ | {"PYTHONPATH": paths}, check=False)
        if done.returncode == 0:
            trace = load_trace(made)
            return dataclasses.replace(trace, meta={**trace.meta, "file": file_label(path)})
    if done.returncode != REFUSED:
        raise InputError("found a file that ends what reads it", "expected whole Parquet")
    said = json.loads(done.stdout)
    if "limit" in said:
        raise LimitError(said["limit"])
    raise InputError(said["found"], said["expected"], line=said["line"], field=said["field"])


def main(path: str, target: str, options: str) -> int:
    """In a process of its own: make the trace and write it, or say on stdout why there is none."""
    given = json.loads(options)
    rule, seconds, steps = given["keep"] or ("forever", None, None)
    keep = Keep(rule, seconds and Fraction(seconds), steps) if given["keep"] else None
    try:
        save_trace(_opened(path, given["limit"], keep, given["block_tokens"]), target)
    except InputError as error:
        print(json.dumps({"found": error.found, "expected": error.expected, "line": error.line, "field": error.field}))
        return REFUSED
    except LimitError as error:
        print(json.dumps({"limit": str(error)}))
        return REFUSED
    return 0


def _opened(path: str, limit: int | None, keep: Keep | None, block_tokens: int | None) -> Trace:
    pyarrow, parquet = arrow()
    try:
        with open_regular(path) as handle, parquet.ParquetFile(handle) as file:
            return _read(path, file, limit, keep, block_tokens)
    except (InputError, LimitError):
        raise
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        raise InputError(f"found no readable Parquet ({str(error)[:100]!r})", "expected a whole file") from None


def find_arrow() -> None:
    """InputError where there is no pyarrow; it is not imported."""
    if ("pyarrow" in sys.modules and sys.modules["pyarrow"] is None) or not importlib.util.find_spec("pyarrow"):
        found = "found no pyarrow, which reads and writes Parquet"
        raise InputError(found, "expected it installed (pip install 'placement-opt[parquet]')")


def arrow() -> tuple[Any, Any]:
    """pyarrow and its part for Parquet; InputError where they are not installed."""
    find_arrow()
    import pyarrow
    import pyarrow.parquet

    return pyarrow, pyarrow.parquet


def _check_frame(path: str | PathLike[str]) -> None:
    """How the file begins and ends, and that its footer is as long as a table of numbers needs at most."""
    with open_regular(path) as handle:
        size = os.fstat(handle.fileno()).st_size
        begin = handle.read(4)
        handle.seek(max(0, size - 8))
        end = handle.read(8)
    if begin != MAGIC or size < 12 or end[4:] != MAGIC:
        raise InputError("found no Parquet file", "expected one that begins and ends with PAR1")
    footer = int.from_bytes(end[:4], "little")
    if footer > min(_LARGEST_FOOTER, size - 12):
        raise InputError(f"found a footer of {footer} bytes in {size}", f"expected at most {min(_LARGEST_FOOTER, size - 12)}")


def _read(path: str | PathLike[str], file: Any, limit: int | None, keep: Keep | None, block_tokens: int | None) -> Trace:
    names = file.schema_arrow.names
    if {"step", "block"} <= set(names):
        if keep is not None:
            keep.check_untimed()
        taken = [name for name in (*BELOW, "rw") if name in names]
        _check_size(path, file, taken)
        parts: dict[str, list[Array]] = {name: [] for name in taken}
        for row, batch in _batches(file, taken):
            for name in taken:
                parts[name].append(_column(batch.column(name), name, row))
        columns = {name: np.concatenate(found) if found else np.zeros(0, dtype=np.int64) for name, found in parts.items()}
        about = provenance("parquet", path, None, set(names) - set(taken))
        about.pop("block_tokens")
        trace = trace_of_columns(columns, about, limit=limit, block_tokens=block_tokens)
        return trace if keep is None else keep.applied(trace)
    called = {key: name for key, known in _REQUESTS.items() for name in known if name in names}
    if not {"hash_ids", "input_length"} <= set(called):
        expected = "expected step and block, or hash_ids (total_hashes) and input_length (input_tokens)"
        raise InputError(f"found the columns {', '.join(names)[:200]}", expected)
    _check_size(path, file, list(called.values()))
    requests = _requests(file, called, block_tokens)
    return requests.trace(
        provenance("parquet", path, requests.tokens, set(names) - set(called.values())),
        limit,
        keep,
    )


def _check_size(path: str | PathLike[str], file: Any, taken: list[str]) -> None:
    """What the footer claims of the columns that are read: values, and bytes when they are unpacked."""
    about, size, unpacked, values = file.metadata, os.path.getsize(path), 0, file.metadata.num_rows
    for group in range(about.num_row_groups):
        claimed = about.row_group(group)
        for number in range(claimed.num_columns):
            column = claimed.column(number)
            if column.path_in_schema.split(".")[0] in taken:
                unpacked += column.total_uncompressed_size
                values = max(values, column.num_values)
    most = max(SMALL_ARRAYS, MOST_RATIO * size)
    if not 0 <= unpacked <= most:
        raise InputError(f"found {size} bytes that unpack to {unpacked}", f"expected at most {most}")
    most = _MOST_VALUES + _PER_BYTE * size
    if not 0 <= values <= most:
        raise InputError(f"found {values} values in {size} bytes", f"expected at most {most}")
    way = "write it without what is not needed"
    room.check_bytes(room.BASE_BYTES + _BYTES * values, Limits(), "to import it", place=os.fspath(path), ways=lambda _: way)


def _batches(file: Any, taken: list[str]) -> Iterator[tuple[int, Any]]:
    """Some rows at a time, with the number of the first, from 1."""
    row = 1
    for batch in file.iter_batches(batch_size=_ROWS, columns=taken, use_threads=False):
        yield row, batch
        row += batch.num_rows


def _column(column: Any, name: str, row: int) -> Array:
    if column.null_count:
        at = column.is_null().to_pylist().index(True)
        raise InputError("found nothing", "expected a value in every row", line=row + at, field=name)
    values = column.to_numpy(zero_copy_only=False)
    if values.dtype.kind == "O" and (other := {type(value) for value in values} - {str}):
        raise InputError(f"found {other.pop().__name__}", "expected whole numbers or texts", field=name)
    return values.astype(str) if values.dtype.kind == "O" else values  # type: ignore[no-any-return]


def _requests(file: Any, called: dict[str, str], block_tokens: int | None) -> Requests:
    requests = Requests("ms")
    for first, batch in _batches(file, list(called.values())):
        columns = {key: batch.column(name).to_pylist() for key, name in called.items()}
        for at in range(batch.num_rows):
            record = {key: values[at] for key, values in columns.items() if values[at] is not None}
            try:
                said = "block_size" in record
                requests.check_size(whole(record, "block_size", 1) if said else block_tokens or BLOCK_TOKENS)
                time = time_of(record["timestamp"], "milliseconds", "timestamp") if "timestamp" in record else None
                ids = ids_of(record.get("hash_ids"), "hash_ids")
                requests.check_count(len(ids), whole(record, "input_length"), fixed=said)
                requests.add(time, ids)
            except InputError as error:
                raise error.at(line=first + at) from None
    if not len(requests.blocks):
        raise InputError("found no rows", "expected at least one")
    return requests


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
