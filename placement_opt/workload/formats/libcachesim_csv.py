"""``libcachesim-csv``: a table of accesses as libCacheSim's CSV reader takes it, one object a row.

Columns by their names in a header (``time``, ``obj_id``, ``obj_size``, ``next_access_vtime``, or as others call them), or
without a header by their order, which is this one: one column is objects, two are time and object, three or four the rest as
well. Objects are any texts. A row is a step that reads its object, which exists from the start. When an object is accessed
next follows from the rows themselves; what they say of it is not used, and neither are columns of other names.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from itertools import chain, count
from os import PathLike

import numpy as np

from placement_opt.base.errors import InputError
from placement_opt.workload.formats.accesses import trace_of
from placement_opt.workload.formats.detect import columns_of
from placement_opt.workload.formats.lines import check_limit, file_label, read_lines, shown
from placement_opt.workload.trace import LARGEST_BLOCK, Trace
from placement_opt.workload.transforms.keep import Keep

_LONGEST = 2**12
#: Column -> how it may be called, in lower case.
NAMES = {
    "time": ("time", "timestamp", "real_time", "clock_time"),
    "obj_id": ("obj_id", "obj-id", "id", "object_id", "key"),
    "obj_size": ("obj_size", "obj-size", "size", "object_size"),
    "next_access_vtime": ("next_access_vtime", "next-access-vtime", "next_access"),
}
_ORDER = {1: ("obj_id",), 2: ("time", "obj_id"), 3: ("time", "obj_id", "obj_size"), 4: tuple(NAMES)}


def read(
    path: str | PathLike[str], *, limit: int | None = None, keep: Keep | None = None, block_tokens: int | None = None
) -> Trace:
    """The trace of a ``libcachesim-csv`` file, packed or not.

    Parameters
    ----------
    path
        The file.
    limit
        Only the first rows, at least 1; None for all.
    keep
        How long blocks live; a ttl may be in time, where the table has one (seconds), or in steps. None: for ever.
    block_tokens
        Tokens of an object where there are no sizes; None: 1.

    Raises
    ------
    InputError
        With file, line and column: no column of objects, falling times, objects without bytes or of changing size.
    """
    check_limit(limit)
    try:
        return _parse(path, limit, keep, block_tokens)
    except InputError as error:
        raise error.at(path=path) from None


def _parse(path: str | PathLike[str], limit: int | None, keep: Keep | None, block_tokens: int | None) -> Trace:
    lines = enumerate(read_lines(path, _LONGEST), start=1)
    _, first = next(lines, (1, b""))
    place, width, header = _places(first)
    if keep is not None and "time" not in place:
        keep.check_untimed()
    if block_tokens is not None and "obj_size" in place:
        raise InputError("found it with a column of sizes", "expected one of the two", field="block_tokens")
    times, blocks, sizes = array("d"), array("i"), array("q")
    numbers: defaultdict[bytes, int] = defaultdict(count().__next__)
    blank = 0
    for line, text in lines if header else chain([(1, first)], lines):
        if not text or text.isspace():
            blank = blank or line
            continue
        if blank:
            raise InputError("found an empty line", "expected a row", line=blank)
        row = text.split(b",")
        if len(row) != width:
            raise InputError(f"found {len(row)} columns", f"expected {width}", line=line)
        name = row[place["obj_id"]].strip()
        if not name:
            raise InputError("found nothing", "expected an object", line=line, field="obj_id")
        blocks.append(numbers[name])
        if "time" in place:
            times.append(_time(row[place["time"]], line, times[-1] if times else 0.0))
        if "obj_size" in place:
            sizes.append(_size(row[place["obj_size"]], line))
        if len(blocks) == limit:
            break
    if not blocks:
        raise InputError("found no rows", "expected at least one", line=1)
    about: dict[str, object] = {"format": "libcachesim-csv", "file": file_label(path)} | ({"limit": limit} if limit else {})
    about |= {} if sizes else {"block_tokens": block_tokens or 1}
    about |= {"first_s": times[0], "last_s": times[-1]} if times else {}
    trace = trace_of(
        np.arange(len(blocks)),
        np.frombuffer(blocks, dtype=np.intc).astype(np.int64),
        steps=len(blocks),
        size=np.frombuffer(sizes, dtype=np.int64).copy() if sizes else np.array([block_tokens or 1], dtype=np.int64),
        unit="bytes" if sizes else "tokens",
        meta=about,
        line=1 + header,
    )
    if keep is None:
        return trace
    return keep.applied(trace, np.frombuffer(times)) if times else keep.applied(trace)


def _places(first: bytes) -> tuple[dict[str, int], int, bool]:
    """Where the columns are, how many there are, and whether the first line is a header."""
    found = columns_of(first)
    place = {column: found.index(name) for column, names in NAMES.items() for name in names if name in found}
    if "obj_id" in place:
        return place, len(found), True
    numbers = [part.strip() for part in first.split(b",")]
    if len(numbers) in _ORDER and numbers[-1] and (len(numbers) == 1 or _is_number(numbers[0])):
        return {column: at for at, column in enumerate(_ORDER[len(numbers)])}, len(numbers), False
    expected = "expected a header with obj_id, and perhaps time and obj_size, or rows of time, object and perhaps size"
    raise InputError(f"found {shown(first)}", expected, line=1)


def _is_number(text: bytes) -> bool:
    return text.replace(b".", b"", 1).isdigit()


def _time(text: bytes, line: int, last: float) -> float:
    if not _is_number(text.strip()) or len(text) > 40 or (value := float(text)) >= 2**53:
        raise InputError(f"found {shown(text)}", "expected seconds from 0", line=line, field="time")
    if value < last:
        found = "found a time before that of the row before"
        raise InputError(found, "expected times that never fall", line=line, field="time")
    return value


def _size(text: bytes, line: int) -> int:
    digits = text.strip().removesuffix(b".0")
    if not digits.isdigit() or len(digits) > 19 or not 0 < (value := int(digits)) <= LARGEST_BLOCK:
        raise InputError(f"found {shown(text)}", f"expected bytes from 1 to {LARGEST_BLOCK}", line=line, field="obj_size")
    return value
