"""``lengths``: requests of which only the lengths are known: the CSV files of Azure's and BurstGPT's traces, JSONL without ids.

Columns (or keys) by any of their usual names: a time (``TIMESTAMP``, ``Timestamp``, ``arrived_at``: seconds, or a date and
time; ``timestamp`` in JSONL: milliseconds), the prompt's tokens (``ContextTokens``, ``Request tokens``, ``num_prefill_tokens``,
``input_length``) and what is generated (``GeneratedTokens``, ``Response tokens``, ``num_decode_tokens``, ``output_length``),
if it is there. No ids, so nobody knows which prompts begin alike: each request has blocks of its own, which nobody else
reads, and ``meta`` says so (``prefixes``: "unknown").
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from os import PathLike
from typing import Any

from placement_opt.base.errors import InputError
from placement_opt.workload.formats.detect import LENGTHS, columns_of
from placement_opt.workload.formats.lines import check_limit, file_label, read_lines, shown
from placement_opt.workload.formats.records import LARGEST, read_records, time_of, whole
from placement_opt.workload.formats.requests import Requests
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.keep import Keep

#: Tokens in a block where the caller does not say.
BLOCK_TOKENS = 512
#: Blocks that all requests may have together, and how many more for each line: a few digits can claim any number.
MOST_BLOCKS, MOST_PER_LINE = 2**20, 64
_LONGEST = 2**16
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
    requests = Requests("s")
    requests.check_size(BLOCK_TOKENS if block_tokens is None else block_tokens)
    total = 0
    try:
        for line, time, length, answer, date in _jsonl(path) if _is_jsonl(path) else _table(path):
            assert requests.tokens is not None
            blocks = -(-length // requests.tokens)
            total += blocks
            if total > MOST_BLOCKS + MOST_PER_LINE * line:
                found = f"found {total} blocks up to here"
                raise InputError(found, "expected fewer (larger ones, with --block-tokens)", line=line)
            requests.note(length, answer)
            try:
                requests.add_fresh(time, blocks, date=date)
            except InputError as error:
                raise error.at(line=line) from None
        about = {"format": "lengths", "file": file_label(path), "block_tokens": requests.tokens, "prefixes": "unknown"}
        return requests.trace(about, limit, keep)
    except InputError as error:
        raise error.at(path=path) from None


def _is_jsonl(path: str | PathLike[str]) -> bool:
    first = next(read_lines(path, 2**24), b"")
    return first.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"{", b"["))


def _jsonl(path: str | PathLike[str]) -> Iterator[tuple[int, float | None, int, int, bool]]:
    for line, record in read_records(path):
        try:
            raw = record.get("timestamp")
            time = None if raw is None else time_of(raw, "milliseconds", "timestamp") / 1000
            answer = whole(record, "output_length") if "output_length" in record else 0
            yield line, time, whole(record, "input_length"), answer, type(raw) is str
        except InputError as error:
            raise error.at(line=line) from None


def _table(path: str | PathLike[str]) -> Iterator[tuple[int, float | None, int, int, bool]]:
    time_at = length_at = answer_at = None
    columns: list[str] = []
    for line, text in enumerate(read_lines(path, _LONGEST), start=1):
        if line == 1:
            columns = columns_of(text)
            time_at = next((columns.index(name) for name in TIMES if name in columns), None)
            length_at = next((columns.index(name) for name in LENGTHS if name in columns), None)
            answer_at = next((columns.index(name) for name in ANSWERS if name in columns), None)
            if length_at is None:
                raise InputError(f"found {shown(text)}", f"expected one of the columns {', '.join(LENGTHS)}", line=1)
            continue
        if not text.strip():
            continue
        try:
            row = next(csv.reader([text.decode("utf-8")]))
        except (UnicodeDecodeError, csv.Error, StopIteration):
            raise InputError(f"found {shown(text)}", "expected a row of text", line=line) from None
        assert length_at is not None
        if len(row) != len(columns):
            raise InputError(f"found {len(row)} columns", f"expected {len(columns)}", line=line)
        time, date = (None, False) if time_at is None else _time(row[time_at], line, columns[time_at])
        answer = 0 if answer_at is None else _count(row[answer_at], line, columns[answer_at])
        yield line, time, _count(row[length_at], line, columns[length_at]), answer, date
    if not columns:
        raise InputError("found an empty file", "expected a header and rows", line=1)


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
