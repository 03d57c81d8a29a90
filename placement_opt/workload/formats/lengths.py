"""``lengths``: requests of which only the lengths are known: the CSV files of Azure's and BurstGPT's traces, JSONL without ids.

Columns (or keys) by any of their usual names: a time (``TIMESTAMP``, ``Timestamp``, ``arrived_at``: seconds, or a date and
time; in JSONL ``timestamp``: milliseconds, ``arrival_time_ns``), the prompt's tokens (``ContextTokens``, ``Request tokens``,
``num_prefill_tokens``, ``input_length``) and what is generated
(``GeneratedTokens``, ``Response tokens``, ``num_decode_tokens``, ``output_length``),
if it is there. No ids, so nobody knows which prompts begin alike: each request has blocks of its own, which nobody else
reads, and ``meta`` says so (``prefixes``: "unknown").
"""

from __future__ import annotations

import csv
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.workload.formats.columns import Keys, column, times_of
from placement_opt.workload.formats.detect import LENGTHS, columns_of
from placement_opt.workload.formats.lines import check_limit, file_label, read_blocks, read_lines, shown
from placement_opt.workload.formats.records import LARGEST, LONGEST_LINE, read_many, time_of, whole
from placement_opt.workload.formats.requests import Requests
from placement_opt.workload.formats.table import fields_of
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.keep import Keep

#: Tokens in a block where the caller does not say.
BLOCK_TOKENS = 512
#: Blocks that all requests may have together, and how many more for each line: a few digits can claim any number.
MOST_BLOCKS, MOST_PER_LINE = 2**20, 64
_LONGEST = 2**16
_KEYS = Keys("timestamp", "input_length", "hash_ids", untimed=True)
ANSWERS = ("generatedtokens", "response tokens", "num_decode_tokens", "output_length", "output_toks", "output_len")
TIMES = ("timestamp", "arrived_at", "arrival_time")


def read(
    path: str | PathLike[str], *, limit: int | None = None, keep: Keep | None = None, block_tokens: int | None = None
) -> Trace:
    """The trace of a file of lengths, packed or not: each step, a request, produces the blocks of its prompt and reads none.

    Parameters are those of :func:`placement_opt.workload.formats.mooncake.read`.

    Raises
    ------
    InputError
        With file, line and column: no such column, no number, too many blocks.
    """
    check_limit(limit)
    requests = _Requests(BLOCK_TOKENS if block_tokens is None else block_tokens)
    try:
        if _is_jsonl(path):
            _jsonl(path, requests)
        else:
            _table(path, requests)
        about = {"format": "lengths", "file": file_label(path), "block_tokens": requests.tokens, "prefixes": "unknown"}
        return requests.trace(about, limit, keep)
    except InputError as error:
        raise error.at(path=path) from None


class _Requests(Requests):
    """Requests by their lengths, a bounded number of blocks for each line."""

    def __init__(self, tokens: int) -> None:
        super().__init__("s")
        self.check_size(tokens)
        self.size, self.total = tokens, 0

    def add_lengths(
        self, line: int, time: npt.NDArray[np.float64] | None, length: Int64, answer: Int64, *, date: bool = False
    ) -> bool:
        """Those of consecutive lines; False where any of them has to be looked at by itself."""
        blocks = -(-length // self.size)
        if (self.total + np.cumsum(blocks) > MOST_BLOCKS + MOST_PER_LINE * (line + np.arange(len(blocks)))).any():
            return False
        if time is not None and not (time.min() >= 0 and time.max() < 2**53):
            return False
        if not self.add_fresh_many(time, blocks, date=date):
            return False
        self.note_many(length, answer)
        self.total += int(blocks.sum())
        return True

    def add_length(self, line: int, time: float | None, length: int, answer: int, *, date: bool) -> None:
        blocks = -(-length // self.size)
        self.total += blocks
        if self.total > MOST_BLOCKS + MOST_PER_LINE * line:
            found = f"found {self.total} blocks up to here"
            raise InputError(found, "expected fewer (larger ones, with --block-tokens)", line=line)
        self.note(length, answer)
        try:
            self.add_fresh(time, blocks, date=date)
        except InputError as error:
            raise error.at(line=line) from None


def _is_jsonl(path: str | PathLike[str]) -> bool:
    first = next(read_lines(path, LONGEST_LINE), b"")
    return first.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"{", b"["))


def _jsonl(path: str | PathLike[str], requests: _Requests) -> None:
    for records in read_many(path):
        objects = records.objects or []
        plain = objects and not any("arrival_time_ns" in record for record in objects)
        length = column(objects, _KEYS.length) if plain else None
        times = times_of(objects, _KEYS) if length is not None else None
        if length is not None and times is not None:
            time = None if times[0] is None else times[0] / 1000
            answer = column(objects, "output_length", 0)
            if answer is not None and requests.add_lengths(records.line, time, *map(np.array, (length, answer))):
                continue
        for line, record in records.one_by_one(path):
            try:
                raw = record.get("timestamp")
                one = None if raw is None else time_of(raw, "milliseconds", "timestamp") / 1000
                if one is None and "arrival_time_ns" in record:
                    one = time_of(record["arrival_time_ns"], "nanoseconds", "arrival_time_ns") / 1e9
                key = next((name for name in LENGTHS if name in record), "input_length")
                answered = next((whole(record, name) for name in ANSWERS if name in record), 0)
                requests.add_length(line, one, whole(record, key), answered, date=type(raw) is str)
            except InputError as error:
                raise error.at(line=line) from None


def _table(path: str | PathLike[str], requests: _Requests) -> None:
    columns: list[str] | None = None
    time_at: int | None = None
    length_at, answer_at = 0, None
    for number, lines in read_blocks(path, _LONGEST):
        if columns is None:
            header, number = lines.pop(0), number + 1
            columns = columns_of(header)
            time_at = next((columns.index(name) for name in TIMES if name in columns), None)
            at = next((columns.index(name) for name in LENGTHS if name in columns), None)
            if at is None:
                raise InputError(f"found {shown(header)}", f"expected one of the columns {', '.join(LENGTHS)}", line=1)
            length_at = at
            answer_at = next((columns.index(name) for name in ANSWERS if name in columns), None)
        if lines and not _add_rows(requests, lines, number, len(columns), time_at, length_at, answer_at):
            for line, text in enumerate(lines, start=number):
                if text.strip():
                    _add_row(requests, text, line, columns, time_at, length_at, answer_at)
    if columns is None:
        raise InputError("found an empty file", "expected a header and rows", line=1)


def _add_rows(
    requests: _Requests, lines: list[bytes], number: int, columns: int, time_at: int | None, at: int, answer_at: int | None
) -> bool:
    """Plain rows at once; False where any is not."""
    fields = fields_of(lines, columns, texts=True)
    length = None if fields is None else fields.whole(at, LARGEST)
    if fields is None or length is None:
        return False
    answer = np.zeros_like(length) if answer_at is None else fields.whole(answer_at, LARGEST)
    if answer is None:
        return False
    if time_at is None:
        return requests.add_lengths(number, None, length, answer)
    seconds = fields.whole(time_at)
    if seconds is not None:
        return requests.add_lengths(number, seconds.astype(np.float64), length, answer)
    dates = fields.dates(time_at)
    return dates is not None and requests.add_lengths(number, dates, length, answer, date=True)


def _add_row(
    requests: _Requests,
    text: bytes,
    line: int,
    columns: list[str],
    time_at: int | None,
    length_at: int,
    answer_at: int | None,
) -> None:
    try:
        row = next(csv.reader([text.decode("utf-8")]))
    except (UnicodeDecodeError, csv.Error, StopIteration):
        raise InputError(f"found {shown(text)}", "expected a row of text", line=line) from None
    if len(row) != len(columns):
        raise InputError(f"found {len(row)} columns", f"expected {len(columns)}", line=line)
    time, date = (None, False) if time_at is None else _time(row[time_at], line, columns[time_at])
    answer = 0 if answer_at is None else _count(row[answer_at], line, columns[answer_at])
    requests.add_length(line, time, _count(row[length_at], line, columns[length_at]), answer, date=date)


def _count(text: str, line: int, column: str) -> int:
    value = _number(text)
    try:
        return whole({column: value}, column)
    except InputError:
        expected = f"expected a whole number from 0 to {LARGEST - 1}"
        raise InputError(f"found {text!r:.40}", expected, line=line, field=column) from None


def _time(text: str, line: int, column: str) -> tuple[float, bool]:
    value = _number(text)
    try:
        return time_of(value, "seconds", column), type(value) is str
    except InputError as error:
        raise error.at(line=line) from None


def _number(text: str) -> Any:
    """As a number where it is one in plain digits."""
    try:
        return float(text) if text.isascii() and "_" not in text else text
    except ValueError:
        return text
