"""Plain lists, as people write them in Python, made the arrays of a trace; what is no list of numbers is an InputError."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError, shown
from placement_opt.base.given import check_kind

#: Shares that are given as floats are taken for the nearest fraction with at most this denominator.
_FINEST = 1024


def rows_of(reads: Sequence[Iterable[int]]) -> list[Int64]:
    """The ids of each step, as given."""
    if isinstance(reads, str | bytes | Mapping) or not isinstance(reads, Iterable):
        raise InputError(f"found {shown(reads)}", "expected a list of the ids that each step reads", field="reads")
    rows = []
    for step, row in enumerate(reads):
        ids = whole_numbers(row, f"reads[{step}]", "block ids, whole numbers from 0")
        if len(ids) and not (ids.min() >= 0 and ids.max() < 2**31):
            strange = ids.min() if ids.min() < 0 else ids.max()
            raise InputError(f"found {strange}", "expected ids from 0 and below 2**31", field=f"reads[{step}]")
        rows.append(ids)
    if not rows:
        raise InputError("found no steps", "expected at least one", field="reads")
    return rows


def places(given: Sequence[Int64]) -> npt.NDArray[np.int32]:
    """int32[N]: where each step's ids, ascending, stand in the order given."""
    for step, ids in enumerate(given):
        ascending = np.sort(ids)
        if len(twice := ascending[1:][ascending[1:] == ascending[:-1]]):
            expected = "expected each block once, where the order of reads counts"
            raise InputError(f"found block {twice[0]} twice", expected, field=f"reads[{step}]")
    return np.concatenate([np.zeros(0, dtype=np.int32), *(np.argsort(ids).astype(np.int32) for ids in given)])


def labels(values: Sequence[int], *, field: str, what: str = "steps, whole numbers") -> npt.NDArray[np.int32]:
    """int32 of whole numbers that fit."""
    array = whole_numbers(values, field, what)
    if (bad := np.abs(array) >= 2**31).any():
        where = int(np.argmax(bad))
        raise InputError(f"found {array[where]} at entry {where}", "expected numbers below 2**31", field=field)
    return array.astype(np.int32)


def sizes_of(sizes: int | Sequence[int]) -> Int64:
    """int64[1] or one for each block; the trace says which fit it."""
    array = whole_numbers([sizes] if isinstance(sizes, Real) else sizes, "sizes", "whole numbers, such as 1 << 20 for 1 MiB")
    if len(array) and array.min() <= 0:
        raise InputError(f"found {array.min()} at entry {array.argmin()}", "expected sizes above 0", field="sizes")
    return array


def pieces_of(pieces: int | Sequence[int]) -> npt.NDArray[np.int32]:
    """int32[1] or one for each block; the trace says which fit it."""
    given = [pieces] if isinstance(pieces, int) else pieces
    return labels(given, field="pieces", what="whole numbers from 1")


def check_layers(layers: int) -> None:
    """Refuse what is no number of layers."""
    check_kind(layers, int, "a whole number of layers", field="layers")
    if layers < 1:
        raise InputError(f"found {layers}", "expected at least one layer", field="layers")


def numerators(
    rows: Sequence[Int64], shares: Sequence[Mapping[int, Fraction | float]] | None
) -> tuple[npt.NDArray[np.uint16] | None, int]:
    """(uint16[N] numerators, their base) of shares by step and id; the least base that holds them all."""
    if shares is None:
        return None, 1
    check_kind(shares, Sequence, "a table {block: share} for each step", field="shares")
    if len(shares) != len(rows):
        raise InputError(f"found {len(shares)} steps", f"expected {len(rows)}", field="shares")
    parts = []
    for step, (row, given) in enumerate(zip(rows, shares, strict=True)):
        check_kind(given, Mapping, "a table {block: share} for each step", field=f"shares[{step}]")
        if not set(given) <= set(row.tolist()):
            strange = min(set(given) - set(row.tolist()), key=str)
            raise InputError(f"found block {strange} at step {step}", "expected blocks that the step reads", field="shares")
        parts += [_share(given.get(block, 1)) for block in row.tolist()]
    base = math.lcm(*(part.denominator for part in parts))
    if base >= 2**16:
        raise InputError(f"found a common denominator of {base}", "expected at most 65535", field="shares")
    return np.array([int(part * base) for part in parts], dtype=np.uint16), base


def _share(value: Any) -> Fraction:
    number = isinstance(value, Real)
    if not (number and 0 < value <= 1):
        raise InputError(f"found a share of {shown(value)}", "expected shares above 0, at most 1", field="shares")
    part = Fraction(value).limit_denominator(_FINEST)
    if part == 0:
        raise InputError(f"found a share of {shown(value)}", f"expected shares from 1/{_FINEST}", field="shares")
    return part


def whole_numbers(values: Any, field: str, expected: str) -> Int64:
    """int64 of one axis from any list of whole numbers; InputError names the first entry that is none."""
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise InputError(f"found {shown(values)}", f"expected a list of {expected}", field=field)
    entries = values if isinstance(values, np.ndarray) else list(values)
    try:
        array = np.asarray(entries)
    except ValueError:  # lists of several lengths
        array = np.zeros(0, dtype=object)
    if array.ndim == 1 and array.dtype.kind == "i":
        return array.astype(np.int64)
    for at, entry in enumerate(entries):
        if not _is_whole(entry):
            raise InputError(f"found {shown(entry)} at entry {at}", f"expected {expected}", field=field)
    return np.array([int(entry) for entry in entries], dtype=np.int64)


def _is_whole(value: Any) -> bool:
    """Whether a value is a whole number that fits 64 bits, of whatever type (but for bool)."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    return number and math.isfinite(value) and value == int(value) and abs(int(value)) < 2**63
