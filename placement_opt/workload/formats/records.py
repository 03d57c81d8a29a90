"""Records of a JSONL log one by one, and the few kinds of values that all such logs have; errors say the line."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from os import PathLike
from typing import Any

from placement_opt.base.errors import InputError
from placement_opt.base.json import parse_json
from placement_opt.workload.formats.lines import read_lines

#: Bytes that one line of a log may have.
LONGEST_LINE = 2**24
LARGEST = 2**31
_MARK = b"\xef\xbb\xbf"


def read_records(path: str | PathLike[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSONL file with their line numbers.

    Raises
    ------
    InputError
        With the line: no JSON object; as :func:`read_texts`.
    """
    for line, text in read_texts(path):
        try:
            yield line, _record(text)
        except InputError as error:
            raise error.at(path=path, line=line) from None


def read_texts(path: str | PathLike[str]) -> Iterator[tuple[int, bytes]]:
    """The lines of a JSONL file with their numbers; a byte order mark and empty lines at the end are passed over.

    Raises
    ------
    InputError
        With the line: an empty line before others, a file without any; as
        :func:`placement_opt.workload.formats.lines.read_lines`.
    """
    line = blank = 0
    for line, text in enumerate(read_lines(path, LONGEST_LINE), start=1):
        if line == 1:
            text = text.removeprefix(_MARK)
        if not text or text.isspace():
            blank = blank or line
            continue
        if blank:
            raise InputError("found an empty line", "expected a JSON object", path=path, line=blank)
        yield line, text
    if line == 0 or blank == 1:
        raise InputError("found an empty file", "expected one JSON object a line", path=path, line=1)


def _record(text: bytes) -> dict[str, Any]:
    try:
        record = parse_json(text.decode("utf-8"))
    except UnicodeDecodeError:
        raise InputError("found bytes that are not UTF-8", "expected a JSON object") from None
    if isinstance(record, list) and record and isinstance(record[0], dict):
        raise InputError("found one JSON list of objects", "expected one object a line (`jq -c '.[]' FILE` writes it so)")
    if not isinstance(record, dict):
        raise InputError(f"found {record!r:.40}", "expected a JSON object")
    return record


def need(record: dict[str, Any], key: str) -> Any:
    """The value of a key that every record has."""
    if key not in record:
        raise InputError("found no such key", "expected it in every record", field=key)
    return record[key]


def whole(record: dict[str, Any], key: str, low: int = 0) -> int:
    """A whole number from ``low`` and below 2**31; ``600.0`` is one."""
    value = need(record, key)
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or not low <= value < LARGEST:
        raise InputError(f"found {value!r:.40}", f"expected a whole number from {low} to {LARGEST - 1}", field=key)
    return value


def time_of(value: Any, unit: str, key: str) -> float:
    """A time from 0 in ``unit`` ("milliseconds" or "seconds"), as a number or a date and time (UTC unless it says)."""
    if type(value) is str and value.count("-") >= 2:
        try:
            date = datetime.fromisoformat(value)
            seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
            value = seconds * 1000.0 if unit == "milliseconds" else seconds
        except (ValueError, OverflowError):
            pass
    if type(value) not in (int, float) or not 0 <= value < 2**53:
        raise InputError(f"found {value!r:.40}", f"expected {unit} from 0", field=key)
    return value  # type: ignore[no-any-return]


def ids_of(value: Any, key: str) -> list[int | str]:
    """A list of whole numbers or of texts, each once."""
    if not isinstance(value, list):
        raise InputError(f"found {value!r:.40}", "expected a list of ids", field=key)
    kinds = set(map(type, value))
    if not kinds <= {int, str} or (str in kinds and "" in value):
        item = next(item for item in value if type(item) not in (int, str) or item == "")
        raise InputError(f"found {item!r:.40}", "expected whole numbers or texts", field=key)
    if len(kinds) > 1:
        raise InputError("found whole numbers and texts mixed", "expected ids of one kind", field=key)
    if len(set(value)) < len(value):
        seen: set[int | str] = set()
        item = next(item for item in value if item in seen or seen.add(item))  # type: ignore[func-returns-value]
        why = "expected each id once in a request (an id stands for a block and all that lies before it)"
        raise InputError(f"found {item!r:.40} twice", why, field=key)
    return value
