"""Changed files, and what may come of reading one: an error that names it, or a valid trace."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from placement_opt.base.errors import InputError, LimitError
from placement_opt.workload.trace import Trace

#: What is put into texts: marks, numbers at the edges, words that mean something somewhere.
PIECES = (
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b",",
        b":",
        b"\\",
        b"\n",
        b"\r\n",
        b" ",
        b"\xff",
        b"\x00",
        b"\xef\xbb\xbf",
        b"-",
        b".",
        b"e9",
    ),
    *(b"0", b"-1", b"1e999", b"-0.0", b"1.5", b"2147483648", b"9223372036854775808", b"18446744073709551616", b"1" * 400),
    *(b"true", b"null", b"NaN", b'""', b"[]", b"{}", b'"a"', b"[" * 80, b"2023-13-45 00:00:00", b"\\ud800", b"r", b"w"),
)
_TOKEN = re.compile(rb'"[^"]*"|[0-9.+-]+|[A-Za-z_]+|.', re.DOTALL)


def outcome(read: Callable[[Path], Trace], path: Path, data: bytes) -> Trace | None:
    """Read a file of these bytes: the trace, which checked itself when it was made, or None for an error of ours.

    Anything else that is raised, or an error that does not name the file, comes through.
    """
    path.write_bytes(data)
    message = ""
    try:
        return read(path)
    except (InputError, LimitError) as error:
        message = str(error)
    assert message.startswith(f"{path}:"), message
    return None


def cut_and_flipped(data: bytes) -> Iterator[bytes]:
    """Ended at every place; and at every place with the lowest bit, the highest or all but one of a byte turned over."""
    for place in range(len(data)):
        yield data[:place]
        for bits in (0x01, 0x80, 0x5F):
            yield data[:place] + bytes([data[place] ^ bits]) + data[place + 1 :]


def mutant(data: bytes, rng: np.random.Generator) -> bytes:
    """One file made of another by some changes of bytes, tokens or lines."""
    for _ in range(int(rng.integers(1, 4))):
        data = _CHANGES[int(rng.integers(len(_CHANGES)))](data, rng)
    return data


def _bytes(data: bytes, rng: np.random.Generator) -> bytes:
    begin, end = np.sort(rng.integers(0, len(data) + 1, 2)).tolist()
    end = min(end, begin + int(rng.integers(0, 9)))
    return data[:begin] + rng.bytes(int(rng.integers(0, 5))) + data[end:]


def _piece(data: bytes, rng: np.random.Generator) -> bytes:
    place = int(rng.integers(0, len(data) + 1))
    return data[:place] + PIECES[int(rng.integers(len(PIECES)))] + data[place:]


def _token(data: bytes, rng: np.random.Generator) -> bytes:
    """A token replaced by a piece, by another token, or left out."""
    tokens = _TOKEN.findall(data)
    if not tokens:
        return data
    place, other = rng.integers(0, len(tokens), 2).tolist()
    tokens[place] = (PIECES[int(rng.integers(len(PIECES)))], tokens[other], b"")[int(rng.integers(3))]
    return b"".join(tokens)


def _line(data: bytes, rng: np.random.Generator) -> bytes:
    """A line repeated, left out or moved."""
    lines = data.splitlines(keepends=True)
    if not lines:
        return data
    place, other = rng.integers(0, len(lines), 2).tolist()
    line = lines[place]
    if rng.integers(2):
        lines.pop(place)
    lines[other:other] = [line] * int(rng.integers(0, 3))
    return b"".join(lines)


_CHANGES = (_bytes, _piece, _token, _line)
