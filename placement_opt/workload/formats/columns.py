"""Many records of a log of requests at once: their values as columns, checked together.

What is unusual in any of them (dates, whole numbers written as floats, a missing key, all that is wrong) is not for here: the
reader then looks at the records one by one, and says what is wrong with which.
"""

from __future__ import annotations

from array import array
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.workload.formats.records import LARGEST, LONGEST_ID, Records


class Keys(NamedTuple):
    """What the keys of a log's records are called."""

    time: str
    length: str
    ids: str
    generated: str | None = None  # a whole number where it is there
    size: str | None = None  # tokens in a block; None: records do not say
    untimed: bool = False  # whether a log may have no times


class Columns(NamedTuple):
    """N requests with M ids."""

    time: npt.NDArray[np.float64] | None
    whole: bytes  # N, whether each time is a whole number
    length: Int64  # N, tokens of the prompt
    counts: Int64  # N, ids of each
    ids: array[int] | list[int] | list[str]  # M; an array where all are signed whole numbers of 64 bits
    kind: type | None  # of the ids; None where there is none
    tokens: int  # in a block
    answer: Int64  # N, tokens that each generated; 0 where the log does not say


def columns_of(records: Records, keys: Keys, tokens: int | None) -> Columns | None:
    """The columns of usual records, ``tokens`` in a block where they do not say; None where any of them is unusual."""
    objects = records.objects
    if objects is None:
        return None
    length = column(objects, keys.length)
    ids: list[Any] = [one.get(keys.ids) for one in objects]
    if length is None or set(map(type, ids)) != {list}:
        return None
    answer = [0] * len(objects) if keys.generated is None else column(objects, keys.generated, 0)
    sizes = {tokens} if keys.size is None else set(column(objects, keys.size, tokens, low=1) or (None, None))
    size = sizes.pop()
    times = times_of(objects, keys)
    flat = _flat(ids)
    if size is None or sizes or times is None or flat is None or answer is None:
        return None
    if isinstance(flat[0], array) and _may_have_booleans(records, flat[0]):
        return None
    counts = np.fromiter(map(len, ids), dtype=np.int64, count=len(ids))
    return Columns(*times, np.array(length, dtype=np.int64), counts, *flat, size, np.array(answer, dtype=np.int64))


def column(objects: list[dict[str, Any]], key: str, missing: int | None = None, low: int = 0) -> list[int] | None:
    """The values of a key, ``missing`` where it is not there; None unless all are whole numbers from ``low``, below 2**31."""
    values: list[Any] = [one.get(key, missing) for one in objects]
    return values if _is_column(values, low) else None


def _is_column(values: list[Any], low: int = 0) -> bool:
    return not values or (set(map(type, values)) == {int} and min(values) >= low and max(values) < LARGEST)


def times_of(objects: list[dict[str, Any]], keys: Keys) -> tuple[npt.NDArray[np.float64] | None, bytes] | None:
    """All times, and whether each is a whole number."""
    values = [one[keys.time] for one in objects if keys.time in one]
    if not values and keys.untimed:
        return None, bytes(len(objects))
    if len(values) < len(objects) or not set(map(type, values)) <= {int, float} or not 0 <= min(values) <= max(values) < 2**53:
        return None
    return np.array(values, dtype=np.float64), bytes([type(value) is int for value in values])


def _flat(ids: list[list[Any]]) -> tuple[array[int] | list[int] | list[str], type | None] | None:
    """All ids one after another, and their kind."""
    whole: array[int] = array("q")
    try:
        for one in ids:
            whole.fromlist(one)
        return whole, int if whole else None
    except (TypeError, OverflowError):  # texts, or numbers of more bits
        flat = list(chain.from_iterable(ids))
        kinds = set(map(type, flat))
        if kinds == {int}:
            return flat, int
        good = kinds == {str} and "" not in flat and max(map(len, flat)) <= LONGEST_ID
        return (flat, str) if good else None


def _may_have_booleans(records: Records, ids: array[int]) -> bool:
    """Whether any of the ids may have been a truth value, which arrays take for 0 or 1."""
    found = np.frombuffer(ids, dtype=np.int64) if ids else np.zeros(0, dtype=np.int64)
    if not ((found == 0) | (found == 1)).any():
        return False
    text = b"\n".join(records.lines)
    # a single letter is looked for much faster
    return (b"r" in text and b"true" in text) or (b"f" in text and b"false" in text)
