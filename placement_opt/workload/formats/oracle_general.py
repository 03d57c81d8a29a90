"""``oracle-general``: libCacheSim's binary records of 24 bytes.

Each has the time (uint32), the object (uint64), its bytes (uint32), the next access (int64); little endian, not packed. A
record is a step that reads its object, which exists from the start. When an object is accessed next follows from the records
themselves; what they say of it is not used.
"""

from __future__ import annotations

import os
from os import PathLike

import numpy as np

from placement_opt.base import room
from placement_opt.base.atomic import open_regular
from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.workload.formats.accesses import trace_of
from placement_opt.workload.formats.ids import numbered
from placement_opt.workload.formats.lines import check_limit, file_label
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.keep import Keep

RECORD = np.dtype([("time", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")])
#: Bytes that a record takes while it is imported.
_BYTES = 200


def read(path: str | PathLike[str], *, limit: int | None = None, keep: Keep | None = None) -> Trace:
    """The trace of an ``oracle-general`` file.

    Parameters
    ----------
    path
        The file.
    limit
        Only the first records, at least 1; None for all.
    keep
        How long blocks live; a ttl may be in time or in steps. None: for ever.

    Raises
    ------
    InputError
        With file and record (counted from 1, as lines are): no whole records, falling times, objects without bytes or of
        changing size.
    LimitError
        There is too little memory for so many records.
    """
    check_limit(limit)
    size = RECORD.itemsize
    with open_regular(path) as handle:
        total = os.fstat(handle.fileno()).st_size
        if total == 0 or total % size:
            raise InputError(f"found {total} bytes", f"expected records of {size} bytes (unpacked)", path=path)
        records = min(total // size, limit or total)
        where, way = os.fspath(path), "--limit N takes its first records"
        room.check_bytes(room.BASE_BYTES + _BYTES * records, Limits(), "to import it", place=where, ways=lambda _: way)
        data = handle.read(records * size)
    if len(data) != records * size:
        raise InputError("found a file that became shorter", "expected whole records", path=path)
    table = np.frombuffer(data, dtype=RECORD)
    try:
        trace = _made(table, {"format": "oracle-general", "file": file_label(path)} | ({"limit": limit} if limit else {}))
        return trace if keep is None else keep.applied(trace, table["time"].astype(np.float64))
    except InputError as error:
        raise error.at(path=path) from None


def _made(table: np.ndarray, meta: dict[str, object]) -> Trace:
    time, size = table["time"].astype(np.int64), table["size"].astype(np.int64)
    for good, found, expected, field in (
        (np.diff(time, prepend=0) >= 0, "a time before that of the record before", "times that never fall", "time"),
        (size > 0, "0", "at least 1", "size"),
    ):
        if not good.all():
            raise InputError(f"found {found}", f"expected {expected}", line=int(np.argmin(good)) + 1, field=field)
    block = numbered(table["id"])
    about = meta | {"first_s": int(time[0]), "last_s": int(time[-1])}
    return trace_of(np.arange(len(table)), block, steps=len(table), size=size, unit="bytes", meta=about)
