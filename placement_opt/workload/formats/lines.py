"""Lines of a text file, packed or not, or of standard input, in bounded memory: what every importer of text starts from."""

from __future__ import annotations

import gzip
import importlib
import io
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from placement_opt.base import room
from placement_opt.base.atomic import open_regular
from placement_opt.base.errors import InputError, LimitError
from placement_opt.base.units import format_size

#: A gzip file may unpack to this much whatever its size, and beyond it to at most ``MOST_RATIO`` times its size.
SMALL_TEXT = 2**24
MOST_RATIO = 100
#: Bytes of text that are split into lines at a time.
_PIECE = 2**16
#: Bytes of text between two looks at the memory, and how much of that is to stay free.
_LOOK = 2**24
_RESERVE = 2**28
#: The name that stands for standard input, and how packed files begin.
STDIN = "-"
#: Bytes of a window that zstd may ask for, as a power of 2: what `zstd --ultra` takes up to level 21.
_WINDOW = 26
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


def read_lines(path: str | PathLike[str], longest: int) -> Iterator[bytes]:
    """The lines of a file one by one, without their ends (LF or CR LF); otherwise as :func:`read_blocks`."""
    for _, lines in read_blocks(path, longest):
        yield from lines


def read_blocks(path: str | PathLike[str], longest: int) -> Iterator[tuple[int, list[bytes]]]:
    """The lines of a file, without their ends (LF or CR LF), many at a time, each time with the number of the first.

    Parameters
    ----------
    path
        A regular file, or ``-``: standard input; gzip and zstd are recognised by their first bytes, not by the name.
    longest
        Bytes that a line may have.

    Raises
    ------
    InputError
        No regular file, a line that is too long, damaged packed data, more text than the size of the packed file allows, zstd
        where nothing unpacks it, or packed data on standard input.
    LimitError
        What is made of the lines has left hardly any memory.
    """
    with open_unpacked(path) as (stream, most):
        number, total, looked, begun, size = 1, 0, 0, [b""], 0
        while True:
            piece = _read(stream, path, number)
            total += len(piece)
            _check_unpacked(stream, total, most, path)
            if total - looked > _LOOK:
                looked = total
                _check_room(path, number)
            end = piece.rfind(b"\n")
            begun.append(piece if end < 0 else piece[:end])
            size += len(begun[-1])
            if end >= 0 or not piece:
                lines = _split(b"".join(begun), longest, path, number) if end >= 0 or size else []
                if lines:
                    yield number, lines
                number += len(lines)
                begun = [piece[end + 1 :]]
                size = len(begun[0])
            if size > longest + 1:
                raise _too_long(longest, path, number)
            if not piece:
                return


def _split(block: bytes, longest: int, path: str | PathLike[str], number: int) -> list[bytes]:
    """The lines of a text whose last line has no end."""
    lines = block.split(b"\n")
    if b"\r" in block:
        lines = [line.removesuffix(b"\r") for line in lines]
    if len(block) > longest and max(map(len, lines)) > longest:
        raise _too_long(longest, path, number + next(place for place, line in enumerate(lines) if len(line) > longest))
    return lines


def _too_long(longest: int, path: str | PathLike[str], number: int) -> InputError:
    return InputError(f"found a line of more than {longest} bytes", "expected shorter lines", path=path, line=number)


def read_chunks(path: str | PathLike[str], size: int) -> Iterator[bytes]:
    """The bytes of a file, packed or not, ``size`` at a time; path and errors as :func:`read_lines`."""
    with open_unpacked(path) as (stream, most):
        total = looked = 0
        while True:
            try:
                chunk = stream.read(size)
            except InputError:
                raise
            except Exception as error:  # of an unpacker, whichever it is
                found = f"found a file that cannot be read on ({error})"
                raise InputError(found, "expected whole packed data", path=path) from None
            if not chunk:
                return
            total += len(chunk)
            _check_unpacked(stream, total, most, path)
            if total - looked > _LOOK:
                looked = total
                _check_room(path, total, "bytes")
            yield chunk


@contextmanager
def open_unpacked(path: str | PathLike[str]) -> Iterator[tuple[IO[bytes], int | None]]:
    """The text of a file and, where it is packed, how many bytes of it are to be believed; errors as :func:`read_lines`."""
    if os.fspath(path) == STDIN:
        stream = io.BufferedReader(sys.stdin.buffer)  # type: ignore[type-var]
        try:
            if stream.peek(4).startswith((_GZIP, _ZSTD)):
                raise InputError("found packed data", "expected text (unpack it on the way: `zcat FILE | ...`)", path=path)
            yield stream, None
        finally:
            stream.detach()
        return
    with open_regular(path) as raw:
        head = raw.read(4)
        raw.seek(0)
        most = max(SMALL_TEXT, MOST_RATIO * os.fstat(raw.fileno()).st_size)
        if head.startswith(_GZIP):
            yield cast(IO[bytes], gzip.GzipFile(fileobj=raw)), most
        elif head == _ZSTD:
            yield _unpacked_zstd(raw, path), most
        else:
            yield raw, None


def _unpacked_zstd(raw: BinaryIO, path: str | PathLike[str]) -> IO[bytes]:
    """From Python 3.14 on its own module, before it the package ``zstandard``, where it is."""
    for name in ("compression.zstd", "zstandard"):
        try:
            module: Any = importlib.import_module(name)
        except ImportError:
            continue
        if name == "zstandard":
            return io.BufferedReader(
                module.ZstdDecompressor(max_window_size=2**_WINDOW).stream_reader(raw, read_across_frames=True)
            )
        most = {module.DecompressionParameter.window_log_max: _WINDOW}
        return module.ZstdFile(raw, options=most)  # type: ignore[no-any-return]
    found = "found zstd data, which nothing here unpacks"
    raise InputError(found, "expected the package zstandard (or Python 3.14; or `zstd -d` the file)", path=path)


def _packing(stream: IO[bytes]) -> str:
    return "gzip" if isinstance(stream, gzip.GzipFile) else "zstd"


def _read(stream: IO[bytes], path: str | PathLike[str], number: int) -> bytes:
    """The next piece of a text, empty at its end; whatever an unpacker complains of is said with the line it came to."""
    try:
        return stream.read1(_PIECE)  # type: ignore[attr-defined, no-any-return]  # what comes before an error is had
    except InputError:
        raise
    except (OSError, EOFError, zlib.error) as error:
        found = f"found a file that cannot be read on ({error})"
        raise InputError(found, "expected whole gzip data or text", path=path, line=number) from None
    except Exception as error:  # of the zstd module, whichever it is
        if not type(error).__name__.startswith("Zstd"):
            raise
        found = f"found a file that cannot be read on ({error})"
        raise InputError(found, "expected whole zstd data", path=path, line=number) from None


def _check_unpacked(stream: IO[bytes], total: int, most: int | None, path: str | PathLike[str]) -> None:
    """Refuse packed data that have come to more than is to be believed of their size."""
    if most is not None and total > most:
        found = f"found {_packing(stream)} data that unpack to more than {most} bytes"
        raise InputError(found, f"expected at most {MOST_RATIO} times their size (or unpack the file first)", path=path)


def _check_room(path: str | PathLike[str], number: int, what: str = "lines") -> None:
    if (left := room.available()) < _RESERVE:
        found = f"found {format_size(left)} of memory left after so many {what}"
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
