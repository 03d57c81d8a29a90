"""Lines of a text file, packed with gzip or not, in bounded memory: what every importer of text starts from."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from placement_opt.base import room
from placement_opt.base.atomic import open_regular
from placement_opt.base.errors import InputError, LimitError
from placement_opt.base.units import format_size

#: A gzip file may unpack to this much whatever its size, and beyond it to at most ``MOST_RATIO`` times its size.
SMALL_TEXT = 2**26
MOST_RATIO = 200
#: Bytes of text between two looks at the memory, and how much of that is to stay free.
_LOOK = 2**24
_RESERVE = 2**28


def read_lines(path: str | PathLike[str], longest: int) -> Iterator[bytes]:
    """The lines of a file one by one, without their ends (LF or CR LF).

    Parameters
    ----------
    path
        A regular file; gzip is recognised by its first bytes, not by the name.
    longest
        Bytes that a line may have.

    Raises
    ------
    InputError
        No regular file, a line that is too long, damaged gzip data, or more text than the size of the packed file allows.
    LimitError
        What is made of the lines has left hardly any memory.
    """
    with open_regular(path) as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        most = max(SMALL_TEXT, MOST_RATIO * os.fstat(raw.fileno()).st_size)
        stream = gzip.GzipFile(fileobj=raw) if packed else raw
        number = total = looked = 0
        while True:
            try:
                line = stream.readline(longest + 1)
            except (OSError, EOFError, zlib.error) as error:
                found = f"found a file that cannot be read on ({error})"
                raise InputError(found, "expected whole gzip data or text", path=path, line=number + 1) from None
            if not line:
                return
            number += 1
            total += len(line)
            if len(line) > longest:
                raise InputError(f"found a line of more than {longest} bytes", "expected shorter lines", path=path, line=number)
            if packed and total > most:
                found = f"found gzip data that unpack to more than {most} bytes"
                raise InputError(found, f"expected at most {MOST_RATIO} times their size (or unpack the file first)", path=path)
            if total - looked > _LOOK:
                looked = total
                _check_room(path, number)
            yield line.removesuffix(b"\n").removesuffix(b"\r")


def _check_room(path: str | PathLike[str], number: int) -> None:
    if (left := room.available()) < _RESERVE:
        found = f"found {format_size(left)} of memory left after so many lines"
        raise LimitError(f"{os.fspath(path)}:{number}: {found}, expected {format_size(_RESERVE)} (take a part, with --limit)")


def file_label(path: str | PathLike[str]) -> str:
    """The name of a file without its folders, as provenance; bytes that are no text are replaced."""
    return Path(path).name.encode("utf-8", "replace").decode("utf-8")


def check_limit(limit: int | None) -> None:
    """Refuse a limit that would leave nothing."""
    if limit is not None and limit < 1:
        raise InputError(f"found {limit}", "expected at least 1", field="limit")


def shown(text: bytes) -> str:
    """Bytes from a file as they may appear in a message: quoted, printable, short."""
    word = text.decode("utf-8", "replace")
    return repr(word if len(word) <= 40 else word[:37] + "...")
