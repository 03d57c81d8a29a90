"""Ids of blocks as logs have them, whole numbers or texts, in growing arrays: equal ids become equal numbers at the end."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Hashable
from itertools import count
from typing import Any

import numpy as np

from placement_opt.base.arrays import Array, Int64


class Ids:
    """Ids one after another. Whole numbers of 64 bits take 8 bytes each; others, and texts, are kept once each besides."""

    def __init__(self) -> None:
        self._raw: array[int] = array("q")
        self._numbers: defaultdict[Hashable, int] | None = None  # of each other id; then `_raw` has these numbers
        self._found: Int64 | None = None

    def __len__(self) -> int:
        return len(self._raw)

    def extend(self, ids: list[Any]) -> None:
        """More ids, each a whole number or hashable; truth values are not told from numbers."""
        if self._numbers is None:
            try:
                self._raw.fromlist(ids)  # leaves the array as it was where it fails
                return
            except (OverflowError, TypeError):
                self._widen()
        if self._numbers is None:
            self.extend(ids)
        else:
            self._raw.extend(map(self._numbers.__getitem__, ids))

    def extend_whole(self, ids: array[int]) -> None:
        """More ids, signed whole numbers of 64 bits."""
        if self._raw.typecode == "q" and self._numbers is None:
            self._raw.extend(ids)
        else:
            self.extend(ids.tolist())

    def extend_fresh(self, count: int) -> None:
        """So many ids that are not equal to any other; where all are made so."""
        begin = len(self._raw)
        self._raw.frombytes(np.arange(begin, begin + count, dtype=np.int64).tobytes())

    def _widen(self) -> None:
        """From signed numbers to unsigned ones, hashes of 64 bits, and from these to anything."""
        if self._raw.typecode == "q" and (not self._raw or np.frombuffer(self._raw, dtype=np.int64).min() >= 0):
            self._raw = array("Q", self._raw.tobytes())
            return
        numbers: defaultdict[Hashable, int] = defaultdict(count().__next__)
        self._raw = array("q", map(numbers.__getitem__, self._raw))
        self._numbers = numbers

    def value(self, place: int) -> Any:
        """The id at a place, as the log has it."""
        raw = self._raw[place]
        return raw if self._numbers is None else next(id for id, number in self._numbers.items() if number == raw)

    def numbers(self) -> Int64:
        """int64[N]: of each id the number of its value, from 0 without gaps."""
        if self._found is None or len(self._found) < len(self._raw):
            kind = np.uint64 if self._raw.typecode == "Q" else np.int64
            self._found = numbered(np.frombuffer(self._raw, dtype=kind) if self._raw else np.zeros(0, dtype=kind))
        return self._found


def by_appearance(numbers: Int64) -> Int64:
    """Numbers from 0 without gaps, renumbered in the order in which they first appear."""
    first = first_of(numbers)
    new = np.zeros(len(numbers), dtype=bool)
    new[first] = True
    rank: Int64 = np.cumsum(new) - 1
    return rank[first[numbers]]


def first_of(numbers: Int64) -> Int64:
    """Of each number from 0 to the largest, none missing, the place where it first appears."""
    first = np.full(int(numbers.max(initial=-1)) + 1, len(numbers), dtype=np.int64)
    np.minimum.at(first, numbers, np.arange(len(numbers)))
    return first


def numbered(raw: Array) -> Int64:
    """Of each whole number the place of its value among the distinct ones, ascending."""
    if not len(raw):
        return np.zeros(0, dtype=np.int64)
    low, high = int(raw.min()), int(raw.max())
    if high - low < 4 * len(raw):
        place = (raw - raw.dtype.type(low)).astype(np.int64)
        found = np.zeros(high - low + 1, dtype=bool)
        found[place] = True
        number: Int64 = (np.cumsum(found) - 1)[place]
        return number
    order = np.argsort(raw)
    begins = np.ones(len(raw), dtype=bool)
    np.not_equal(raw[order[1:]], raw[order[:-1]], out=begins[1:])
    number = np.empty(len(raw), dtype=np.int64)
    number[order] = np.cumsum(begins) - 1
    return number
