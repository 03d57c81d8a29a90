"""The batches of a recorded stream of KV events, in any form that such recordings have.

* JSONL, one batch a line: an object, or the positional list. A key ``seq`` beside the batch's own is its number in the stream.
* msgpack, one batch after the other, as the messages' payloads come.
* The recorder's own form (``trace record``), msgpack too: a map that begins with ``"kv-events": 1`` (the version), then
  ``[sequence number, payload]`` for each message, the payload as it came.

A message is decoded in bounded memory: it has at most 16 MiB, and its lists at most 2**20 elements each.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain, islice
from os import PathLike
from typing import Any

from placement_opt.base.errors import InputError, shown
from placement_opt.base.json import parse_json
from placement_opt.workload.formats.kv_messages import Batch, batch_of
from placement_opt.workload.formats.lines import STDIN, read_chunks
from placement_opt.workload.formats.records import LONGEST_LINE, read_texts

#: The first key of the recorder's own form, and its version.
FORM, VERSION = "kv-events", 1
#: Bytes of a message, and elements of one of its lists.
LONGEST, MOST_ELEMENTS = LONGEST_LINE, 2**20
#: What may be done where messages are missing.
GAPS = ("refuse", "accept")
_CHUNK = 2**16
#: How files of msgpack begin: a list of two or three and a number, or a map of one to fifteen and a text.
_LISTS, _NUMBERS, _MAPS, _NAMES = (0x92, 0x93), range(0xCA, 0xD0), range(0x81, 0x90), range(0xA0, 0xC0)


class Order:
    """Whether batches are those of one stream, all there and in order.

    Parameters
    ----------
    gaps
        "refuse", or "accept": go on where messages are missing, and count them.

    Attributes
    ----------
    first, last
        Numbers of the first message and of the last one so far; None where they were not recorded.
    gaps, missing
        How often messages are missing, and how many.
    """

    def __init__(self, gaps: str = "refuse") -> None:
        if gaps not in GAPS:
            raise InputError(f"found {shown(gaps)}", f"expected {' or '.join(GAPS)}", field="gaps")
        self.accept = gaps == "accept"
        self.first: int | None = None
        self.last: int | None = None
        self.gaps = self.missing = 0
        self._begun = False
        self._rank: int | None = None

    def check(self, batch: Batch) -> None:
        """The next batch; InputError where it is of another stream, or does not follow."""
        if batch.rank is not None:
            if self._rank not in (None, batch.rank):
                expected = "expected one (each rank has a cache of its own: record its endpoint, or split the file by it)"
                raise InputError(f"found rank {batch.rank} after {self._rank}", expected, field="data_parallel_rank")
            self._rank = batch.rank
        if self._begun and (batch.sequence is None) != (self.last is None):
            raise InputError("found batches with numbers and without", "expected all alike", field="seq")
        self._begun = True
        if batch.sequence is not None:
            self.follow(batch.sequence)

    def follow(self, number: int) -> None:
        """The number of the next message; InputError where it does not follow."""
        before, self.last = self.last, number
        if before is None:
            self.first = number
        elif number <= before:
            expected = "expected numbers that rise (where the engine began anew, so did its cache: split the file there)"
            raise InputError(f"found {number} after {before}", expected, field="seq")
        elif number > before + 1:
            missing = number - before - 1
            if not self.accept:
                expected = "expected all (--gaps accept goes on with what there is)"
                raise InputError(f"found {number} after {before}, {missing} missing", expected, field="seq")
            self.gaps += 1
            self.missing += missing


def is_packed(head: bytes) -> bool:
    """Whether a file that begins so is one of msgpack, by its first two bytes: no text begins with them."""
    first, second = (head + b"  ")[:2]
    return (first in _LISTS and second in _NUMBERS) or (first in _MAPS and second in _NAMES)


def read_batches(path: str | PathLike[str], unread: set[str]) -> Iterator[tuple[int, Batch]]:
    """All batches of a recording, with the numbers of their lines, or messages, from 1.

    Parameters
    ----------
    path
        A file, packed with gzip or zstd or not; ``-``, standard input, is taken for JSONL.
    unread
        Takes the names of fields that are not known.

    Raises
    ------
    InputError
        With the line, or message: what is none of the forms, or is cut off; msgpack where the package is missing.
    LimitError
        As :func:`placement_opt.workload.formats.lines.read_lines`.
    """
    values = _packed(path) if os.fspath(path) != STDIN and is_packed(_first(path)) else _texts(path)
    for number, sequence, value in values:
        try:
            yield number, batch_of(value, sequence, unread)
        except InputError as error:
            raise error.at(path=path, line=number) from None


def _first(path: str | PathLike[str]) -> bytes:
    """The first two bytes, unpacked."""
    return next(read_chunks(path, 2), b"")


def _texts(path: str | PathLike[str]) -> Iterator[tuple[int, int | None, Any]]:
    """(line, sequence number, value) of JSONL."""
    for line, text in read_texts(path):
        try:
            value = parse_json(text.decode("utf-8"))
            sequence = value.pop("seq", None) if isinstance(value, dict) else None
            _check_sequence(sequence)
        except UnicodeDecodeError:
            raise InputError("found bytes that are not UTF-8", "expected JSON", path=path, line=line) from None
        except InputError as error:
            raise error.at(path=path, line=line) from None
        yield line, sequence, value


def _packed(path: str | PathLike[str]) -> Iterator[tuple[int, int | None, Any]]:
    """(message, sequence number, value) of msgpack in either form."""
    msgpack = unpacking()
    number, own = 1, False
    try:
        for value in _values(msgpack, path):
            if number == 1 and not own and isinstance(value, dict) and FORM in value:
                _check_version(value[FORM])
                own = True
                continue
            yield number, *(_numbered(msgpack, value) if own else (None, value))
            number += 1
    except InputError as error:
        raise error.at(path=path, line=number) from None


def _values(msgpack: Any, path: str | PathLike[str]) -> Iterator[Any]:
    """The values of a file, none of which is longer than a message may be."""
    chunks = read_chunks(path, _CHUNK)
    ahead = list(islice(chunks, 2))
    # Older releases of msgpack make room for lists as long as they claim to be: no longer than a message, or a short file, is.
    most = min(MOST_ELEMENTS, LONGEST, len(ahead[0]) if len(ahead) == 1 else LONGEST)
    unpacker = msgpack.Unpacker(max_buffer_size=LONGEST, **_limits(most))
    fed = done = 0
    for chunk in chain(ahead, chunks):
        unpacker.feed(chunk)
        fed += len(chunk)
        while True:
            try:
                value = unpacker.unpack()
            except msgpack.OutOfData:
                break
            except _failures(msgpack) as error:
                raise _damaged(error) from None
            done = unpacker.tell()
            yield value
        if fed - done > LONGEST - _CHUNK:
            raise InputError(f"found a message of more than {LONGEST - _CHUNK} bytes", "expected shorter ones")
    if fed > done:
        raise InputError("found a message that is cut off", "expected whole messages")


def _check_version(version: Any) -> None:
    if type(version) is not int or version != VERSION:
        found, expected = f"found version {shown(version)}", f"expected {VERSION} (a newer placement-opt wrote it)"
        raise InputError(found, expected, field=FORM)


def _numbered(msgpack: Any, value: Any) -> tuple[int, Any]:
    """(sequence number, value) of one record of the recorder's form."""
    if not (isinstance(value, list) and len(value) == 2 and type(value[0]) is int and isinstance(value[1], bytes)):
        raise InputError(f"found {shown(value)}", "expected [sequence number, payload]")
    _check_sequence(value[0])
    return value[0], decoded(msgpack, value[1])


def decoded(msgpack: Any, payload: bytes) -> Any:
    """The value of one message; InputError for what is no msgpack, or more than that."""
    if len(payload) > LONGEST:
        raise InputError(f"found a message of {len(payload)} bytes", f"expected at most {LONGEST}")
    try:
        return msgpack.unpackb(payload, **_limits(min(MOST_ELEMENTS, len(payload))))
    except _failures(msgpack) as error:
        raise _damaged(error) from None


def _limits(elements: int) -> dict[str, int]:
    """No list is made room for that is longer than this: how long it is a message merely claims."""
    return {"max_array_len": elements, "max_map_len": elements, "max_ext_len": LONGEST}


def _failures(msgpack: Any) -> tuple[type[Exception], ...]:
    """What the package raises for damaged data: its own, and what Python says of texts, keys, depth and claimed lengths."""
    return msgpack.UnpackException, ValueError, TypeError, OverflowError, RecursionError, MemoryError


def _damaged(error: Exception) -> InputError:
    reason = str(error).strip() or type(error).__name__
    return InputError(f"found no valid msgpack ({reason:.80})", "expected whole messages")


def _check_sequence(sequence: Any) -> None:
    if sequence is not None and (type(sequence) is not int or not 0 <= sequence < 2**63):
        raise InputError(f"found {shown(sequence)}", "expected a number from 0", field="seq")


def unpacking() -> Any:
    """The package msgpack; InputError where it is missing."""
    try:
        import msgpack
    except ImportError:
        expected = 'expected the extra "events": pip install "placement-opt[events]"'
        raise InputError("found no package msgpack", expected) from None
    return msgpack
