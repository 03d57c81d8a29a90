"""Records of a JSONL log one by one, and the few kinds of values that all such logs have; errors say the line."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from os import PathLike
from typing import Any, NamedTuple

from placement_opt.base.errors import InputError
from placement_opt.base.json import parse_json, parse_objects
from placement_opt.workload.formats.lines import read_blocks

#: Bytes that one line of a log may have.
LONGEST_LINE = 2**23
LARGEST = 2**31
#: Characters that an id may have.
LONGEST_ID = 1024
#: Short name of a unit of times -> what messages call it.
UNITS = {"s": "seconds", "ms": "milliseconds"}
_MARK = b"\xef\xbb\xbf"


class Records(NamedTuple):
    """Some consecutive objects of a JSONL file."""

    line: int  # of the first
    lines: list[bytes]
    #: The objects at once, whole numbers beyond 64 bits as floats; None where one has to be looked at by itself.
    objects: list[dict[str, Any]] | None

    def one_by_one(self, path: str | PathLike[str]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Each object with its line, exactly as it is written; InputError with the line for what is none."""
        for line, text in enumerate(self.lines, start=self.line):
            try:
                yield line, _record(text)
            except InputError as error:
                raise error.at(path=path, line=line) from None

    def each(self, path: str | PathLike[str]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Each object with its line, as it was read at once where that was so; errors as :meth:`one_by_one`."""
        return self.one_by_one(path) if self.objects is None else enumerate(self.objects, start=self.line)


def read_records(path: str | PathLike[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSONL file with their line numbers.

    Raises
    ------
    InputError
        With the line: no JSON object, an empty line before others, a file without objects; as
        :func:`placement_opt.workload.formats.lines.read_blocks`.
    """
    for records in read_many(path, parse=False):
        yield from records.one_by_one(path)


def read_texts(path: str | PathLike[str]) -> Iterator[tuple[int, bytes]]:
    """The lines of a JSONL file with their numbers, whatever is in them; errors of empty ones as :func:`read_records`."""
    for records in read_many(path, parse=False):
        yield from enumerate(records.lines, start=records.line)


def read_many(path: str | PathLike[str], *, parse: bool = True) -> Iterator[Records]:
    """The objects of a JSONL file, many at a time; errors as :func:`read_records`, of texts that are no objects at their turn.

    ``parse``: whether ``objects`` are made.
    """
    first, blank = True, 0
    for number, lines in read_blocks(path, LONGEST_LINE):
        if first:
            lines[0] = lines[0].removeprefix(_MARK)
            first = False
        count = len(lines)
        while lines and not lines[-1].strip():
            lines.pop()
        if lines and (blank or not all(map(bytes.strip, lines))):
            blank = blank or number + next(place for place, line in enumerate(lines) if not line.strip())
            lines = lines[: max(0, blank - number)]
            if lines:
                yield Records(number, lines, None)
            raise InputError("found an empty line", "expected a JSON object", path=path, line=blank)
        if lines:
            yield Records(number, lines, parse_objects(lines) if parse else None)
        if len(lines) < count:
            blank = blank or number + len(lines)
    if first or blank == 1:
        raise InputError("found an empty file", "expected one JSON object a line", path=path, line=1)


def _record(text: bytes) -> dict[str, Any]:
    try:
        record = parse_json(text)
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
    if str in kinds and (most := max(map(len, value))) > LONGEST_ID:
        raise InputError(f"found an id of {most} characters", f"expected at most {LONGEST_ID}", field=key)
    if len(set(value)) < len(value):
        seen: set[int | str] = set()
        raise repeated(next(item for item in value if item in seen or seen.add(item)), key)  # type: ignore[func-returns-value]
    return value


def repeated(item: int | str, key: str) -> InputError:
    """An id that a request has twice."""
    why = "expected each id once in a request (an id stands for a block and all that lies before it)"
    return InputError(f"found {item!r:.40} twice", why, field=key)
