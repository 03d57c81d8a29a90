"""Rows of a plain table at once, as arrays: where each field begins and ends, and whole numbers among them.

Only what is plain in all rows is for here (as many fields as there are columns, no spaces, digits alone). Whatever is not, the
reader looks at row by row, and says what is wrong with which.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64

_SPACES = (b" ", b"\t", b"\r", b"\x0b", b"\x0c")
_COMMA, _LINE, _ZERO = 44, 10, 48
#: Digits that are always below 2**63.
_DIGITS = 18


class Fields(NamedTuple):
    """R rows of C fields in one text."""

    text: npt.NDArray[np.uint8]
    begin: Int64  # [R, C]
    end: Int64  # [R, C]

    def width(self, column: int) -> Int64:
        """int64[R]: bytes of each field of a column."""
        return self.end[:, column] - self.begin[:, column]

    def first(self, column: int) -> npt.NDArray[np.uint8]:
        """uint8[R]: the first byte of each field, or what follows an empty one."""
        return self.text[self.begin[:, column]]

    def whole(self, column: int, below: int = 2**63) -> Int64 | None:
        """int64[R]: a column of whole numbers; None unless all are digits alone and ``below``."""
        width, end = self.width(column), self.end[:, column]
        most = int(width.max())
        if width.min() < 1 or most > _DIGITS:
            return None
        value = np.zeros(len(width), dtype=np.int64)
        for place in range(most):
            # what is not of the field counts as a zero; places before the text are not of it either
            digit = (self.text[np.maximum(end - 1 - place, 0)] - np.uint8(_ZERO)) * (width > place)
            if digit.max() > 9:
                return None
            value += digit * np.int64(10**place)
        return value if value.max() < below else None

    def dates(self, column: int) -> npt.NDArray[np.float64] | None:
        """float64[R]: seconds since 1970 of a column of dates and times in UTC, to the microsecond.

        ``2023-11-16 18:17:03`` (or with a T), perhaps with a fraction; None unless all are and have one length.
        """
        width, begin = self.width(column), self.begin[:, column]
        most = int(width[0])
        if most < 19 or (width != most).any() or most == 20 or most > 29:
            return None
        letters = self.text[begin[:, None] + np.arange(most)]
        digits = letters - np.uint8(_ZERO)
        marks = np.array([4, 7, 10, 13, 16, *([19] if most > 19 else [])])
        good = letters[:, marks] == np.frombuffer(b"--T::."[: len(marks)], dtype=np.uint8)
        good[:, 2] |= letters[:, 10] == ord(" ")
        if not good.all() or np.delete(digits, marks, axis=1).max() > 9:
            return None
        year, month, day, hour, minute, second, part = (
            digits[:, begin:end] @ 10 ** np.arange(end - begin - 1, -1, -1, dtype=np.int64)
            for begin, end in ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19), (20, max(20, min(most, 26))))
        )
        months = (year - 1970) * 12 + month - 1
        days = months.astype("datetime64[M]").astype("datetime64[D]") + (day - 1)
        within = (year > 0) & (month > 0) & (month < 13) & (day > 0) & (hour < 24) & (minute < 60) & (second < 60)
        if not (within & (days.astype("datetime64[M]").astype(np.int64) == months)).all():
            return None
        whole = ((days.astype(np.int64) * 24 + hour) * 60 + minute) * 60 + second
        micro: Int64 = whole * 10**6 + part * 10 ** max(0, 26 - max(most, 20))
        return micro / 10**6

    def whole_names(self, column: int) -> Int64 | None:
        """As :meth:`whole`, of numbers without zeros before them, so that equal numbers are equal texts."""
        padded = (self.first(column) == _ZERO) & (self.width(column) > 1)
        return None if padded.any() else self.whole(column)


def fields_of(lines: list[bytes], columns: int, *, texts: bool = False) -> Fields | None:
    """The fields of rows between commas; None where rows have other numbers of them, quotes or spaces.

    ``texts``: spaces may be, and all is ASCII."""
    text = b"\n".join([*lines, b""])
    if b'"' in text or any(space in text for space in (_SPACES[2:] if texts else _SPACES)) or (texts and not text.isascii()):
        return None
    data = np.frombuffer(text, dtype=np.uint8)
    marks = np.flatnonzero((data == _COMMA) | (data == _LINE))
    if len(marks) != len(lines) * columns:
        return None
    end = marks.reshape(len(lines), columns)
    kind = data[end]
    if (kind[:, -1] != _LINE).any() or (kind[:, :-1] != _COMMA).any():
        return None
    begin = np.concatenate([[0], marks[:-1] + 1]).reshape(len(lines), columns)
    return Fields(data, begin, end)
