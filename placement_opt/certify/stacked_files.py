"""The schedule of a question whose layers are in rows as a file: a certificate for each layer, one after the other.

A layer's is that of a schedule in rows (:mod:`placement_opt.certify.files`), made for the layer by itself. The form is said
byte by byte in docs/certificates.md.
"""

from __future__ import annotations

import shutil
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from placement_opt.base import binary
from placement_opt.base.atomic import AnyPath, atomic_file, open_regular
from placement_opt.base.binary import checksum
from placement_opt.base.errors import InputError
from placement_opt.certify.files import opened

if TYPE_CHECKING:
    from placement_opt.instance.stacked import Stacked

MAGIC = b"\x89POK\r\n\x1a\n"
VERSION = 1
#: magic, version, hash, layers, moves, lengths of the claim's numerator and denominator
_HEAD = struct.Struct("<8sI32sIQHH")
#: bytes of a layer's section
_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True)
class StackedSchedule:
    """An open file of schedules: its claim ("together they take at most so many seconds"), how many moves it says that it has,
    and where each layer's lies."""

    path: AnyPath
    claim: Fraction
    moves: int
    places: tuple[tuple[int, int], ...]

    @property
    def scheduler(self) -> str:
        """Whose moves they are, for all layers."""
        return "layers"

    def section(self, layer: int) -> bytes:
        """The certificate of one layer."""
        offset, length = self.places[layer]
        with open_regular(self.path) as handle:
            handle.seek(offset)
            return handle.read(length)


def save_stacked_schedule(path: AnyPath, digest: str, sections: Mapping[int, Path], claim: Fraction, moves: int) -> None:
    """Put the certificates of all layers, a file each, together: whole or not at all."""
    over, under = binary.ratio_bytes(claim, "claim")
    with atomic_file(path) as handle:
        head = _HEAD.pack(MAGIC, VERSION, bytes.fromhex(digest), len(sections), moves, len(over), len(under))
        handle.write(head + over + under)
        for layer in range(len(sections)):
            handle.write(_LENGTH.pack(sections[layer].stat().st_size))
            with open(sections[layer], "rb") as part:
                shutil.copyfileobj(part, handle, binary.PIECE)
        handle.flush()
        handle.write(checksum(Path(handle.name), handle.tell()))


def is_stacked_schedule(path: str | PathLike[str]) -> bool:
    """Whether a file begins like the schedule of a question whose layers are in rows."""
    return binary.begins_with(path, MAGIC)


def stacked_hash(path: str | PathLike[str]) -> str:
    """The hash of the question that such a file says it is of; InputError where it is none."""
    with open_regular(path) as handle:
        head = handle.read(_HEAD.size)
    if len(head) < _HEAD.size or head[: len(MAGIC)] != MAGIC:
        raise InputError("found another kind of file", "expected the schedule of layers", path=path)
    digest: bytes = _HEAD.unpack(head)[2]
    return digest.hex()


def open_stacked_schedule(path: AnyPath, question: Stacked) -> StackedSchedule:
    """The claim and the table of layers of a file that was written for this question.

    Raises
    ------
    InputError
        The file is no such file.
    CertificateError
        It is, but damaged, or made for another question.
    """
    what = "the schedule of a question whose layers are in rows"
    with opened(path, MAGIC, VERSION, _HEAD, 0, what, question) as (handle, head, end):
        layers, moves, over, under = head
        if layers != question.layers:
            raise InputError(f"found {layers} layers", f"expected {question.layers}", path=path)
        claim = binary.ratio_of(handle.read(over + under), over, path, "claim")
        places, at = [], _HEAD.size + over + under
        for _ in range(layers):
            handle.seek(at)
            raw = handle.read(_LENGTH.size) if at + _LENGTH.size <= end else b""
            (size,) = _LENGTH.unpack(raw) if raw else (end,)
            if at + _LENGTH.size + size > end:
                raise InputError("found a section beyond the end of the file", "expected a shorter one", path=path)
            places.append((at + _LENGTH.size, size))
            at += _LENGTH.size + size
        if at != end:
            raise InputError("found bytes after the last section", "expected the checksum", path=path)
    return StackedSchedule(path, claim, moves, tuple(places))
