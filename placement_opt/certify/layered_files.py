"""The schedule of a question at scale as a file: the moves of each layer by themselves, written and read as a stream.

The form is described byte by byte in docs/certificates.md. Layers are sections, in any order, so that processes can write them
apart; a section holds the layer's start and its moves in chunks of turns, each packed by itself. A layer without a section
keeps nothing in the fast tier. Prices at scale have the same form as elsewhere (:mod:`placement_opt.certify.files`).
"""

from __future__ import annotations

import os
import shutil
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn

import numpy as np
import numpy.typing as npt

from placement_opt.base import binary, room
from placement_opt.base.arrays import Int64
from placement_opt.base.atomic import AnyPath, atomic_file, open_regular
from placement_opt.base.binary import checksum, of_planes, planes
from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.certify.files import opened

if TYPE_CHECKING:
    from placement_opt.instance.layered import Layered

MAGIC = b"\x89POL\r\n\x1a\n"
VERSION = 1
#: magic, version, hash, layers, turns
_HEAD = struct.Struct("<8sI32sII")
#: layer, blocks, bytes of the packed start
_SECTION = struct.Struct("<IIQ")
#: turns, stores, drops, bytes packed
_CHUNK = struct.Struct("<IQQQ")
#: lengths of the claim's numerator and denominator
_CLAIM = struct.Struct("<HH")
#: Bits of a block's number, which is an int32.
_BLOCK = 32
#: What stands in place of a layer after the last section.
_END = 2**32 - 1
#: Turns and moves of one chunk, so that no chunk takes much memory.
LARGEST_TURNS, LARGEST_MOVES = 2**16, 2**28


@dataclass(frozen=True, eq=False)
class Chunk:
    """The moves of some turns of a layer: numbers of stores and drops, int64[n] each, and their blocks, int64, turn by turn."""

    stores: Int64
    drops: Int64
    stored: Int64
    dropped: Int64


@dataclass(frozen=True)
class LargeSchedule:
    """A file of moves: its claim ("takes at most so many seconds"), its moves, and where the section of each layer begins."""

    path: AnyPath
    turns: int
    claim: Fraction
    moves: int
    sections: Mapping[int, tuple[int, int]]

    @property
    def scheduler(self) -> str:
        """Whose moves they are: the engine on runs alone writes such files."""
        return "scale"

    def start(self, layer: int) -> npt.NDArray[np.bool_]:
        """bool[B]: what a layer holds in the fast tier at the start."""
        offset, blocks = self.sections[layer]
        with open_regular(self.path) as handle:
            handle.seek(offset)
            _, _, packed = _SECTION.unpack(handle.read(_SECTION.size))
            raw = _unpacked(self.path, handle.read(packed), -(-blocks // 8))
        bits = np.unpackbits(np.frombuffer(raw, dtype=np.uint8), bitorder="little").astype(np.bool_)
        if bits[blocks:].any():
            raise InputError("found bits beyond the last block", "expected zeros", path=self.path, field="start")
        return bits[:blocks]

    def chunks(self, layer: int) -> Iterator[Chunk]:
        """The moves of a layer in the order of time; they may end before the last turn."""
        offset, _ = self.sections[layer]
        with open_regular(self.path) as handle:
            handle.seek(offset)
            _, _, packed = _SECTION.unpack(handle.read(_SECTION.size))
            handle.seek(packed, 1)
            while True:
                turns, stores, drops, packed = _CHUNK.unpack(handle.read(_CHUNK.size))
                if turns == 0:
                    return
                raw = _unpacked(self.path, handle.read(packed), 8 * turns + 4 * (stores + drops))
                ins, outs = (of_planes(raw, "<u4", turns, start).astype(np.int64) for start in (0, 4 * turns))
                moves = of_planes(raw, "<u4", stores + drops, 8 * turns).astype(np.int64)
                if ins.sum() != stores or outs.sum() != drops:
                    expected = f"expected {stores} and {drops}"
                    raise InputError("found other numbers of moves in the turns", expected, path=self.path, field="counts")
                yield Chunk(ins, outs, moves[:stores], moves[stores:])


class SectionWriter:
    """Writes the section of one layer as its moves are made."""

    def __init__(self, handle: BinaryIO, layer: int, blocks: int) -> None:
        self._handle, self._layer, self._blocks = handle, layer, blocks
        self._begun = False
        self.moves = 0

    def add(self, low: int, high: int, moves: npt.NDArray[np.int32]) -> None:
        """The moves of the turns ``low .. high - 1``, int32[3, .] of turn, block and 1 stored or 0 dropped.

        The first call also holds the start, as stores of turn -1; each next call goes on where the one before ended.
        """
        turn, block, stored = moves.astype(np.int64)
        if not self._begun:
            bits = np.zeros(self._blocks, dtype=np.bool_)
            bits[block[turn < 0]] = True
            packed = zlib.compress(np.packbits(bits, bitorder="little").tobytes(), 6)
            self._handle.write(_SECTION.pack(self._layer, self._blocks, len(packed)) + packed)
            self._begun, low = True, max(low, 0)
        parts = []
        for kind in (1, 0):
            mine = (stored == kind) & (turn >= 0)
            counts, of_turns = np.bincount(turn[mine] - low, minlength=max(0, high - low)), turn[mine] << _BLOCK | block[mine]
            if (of_turns[1:] < of_turns[:-1]).any():
                of_turns.sort()
            parts.append((counts, of_turns & (1 << _BLOCK) - 1))
        if high <= low:
            return
        (stores, ins), (drops, outs) = parts
        self.moves += len(ins) + len(outs)
        packed = zlib.compress(b"".join(planes(part, "<u4") for part in (stores, drops, np.concatenate([ins, outs]))), 1)
        self._handle.write(_CHUNK.pack(high - low, len(ins), len(outs), len(packed)) + packed)

    def close(self) -> None:
        """No more moves of this layer."""
        if not self._begun:
            self.add(0, 0, np.zeros((3, 0), dtype=np.int32))
        self._handle.write(_CHUNK.pack(0, 0, 0, 0))


def save_large_schedule(
    path: AnyPath, digest: str, layers: int, turns: int, sections: Iterable[AnyPath], claim: Fraction
) -> None:
    """Put sections, a file each, together as the schedule of a question: whole or not at all."""
    over, under = binary.ratio_bytes(claim, "claim")
    with atomic_file(path) as handle:
        handle.write(_HEAD.pack(MAGIC, VERSION, bytes.fromhex(digest), layers, turns))
        for section in sections:
            with open(section, "rb") as part:
                shutil.copyfileobj(part, handle, binary.PIECE)
        handle.write(struct.pack("<I", _END) + over + under + _CLAIM.pack(len(over), len(under)))
        handle.flush()
        handle.write(checksum(Path(handle.name), handle.tell()))


def is_large_schedule(path: AnyPath) -> bool:
    """Whether a file begins like the schedule of a question at scale."""
    return binary.begins_with(path, MAGIC)


def open_large_schedule(path: AnyPath, question: Layered, layers: int, turns: int) -> LargeSchedule:
    """The claim and the table of sections of a file that was written for this question.

    Raises
    ------
    InputError
        The file is no such file.
    CertificateError
        It is, but damaged, or made for another question.
    """
    what = "the schedule of a question at scale"
    with opened(path, MAGIC, VERSION, _HEAD, 4 + _CLAIM.size, what, question) as (handle, head, end):
        found_layers, found_turns = head
        if (found_layers, found_turns) != (layers, turns):
            found = f"found {found_layers} layers of {found_turns} turns"
            raise InputError(found, f"expected {layers} of {turns}", path=path)
        claim, end = _read_claim(handle, end, path)
        sections, moves = _Sections(handle, end, path, question).read()
    return LargeSchedule(path, turns, claim, moves, sections)


def _read_claim(handle: BinaryIO, end: int, path: AnyPath) -> tuple[Fraction, int]:
    """(claim, where it begins)."""
    handle.seek(end - _CLAIM.size)
    over, under = _CLAIM.unpack(handle.read(_CLAIM.size))
    end -= _CLAIM.size + over + under
    if end < _HEAD.size + 4:
        raise InputError("found a claim longer than the file", "expected a shorter one", path=path, field="claim")
    handle.seek(end)
    return binary.ratio_of(handle.read(over + under), over, path, "claim"), end


class _Sections:
    """Walks over the heads of all sections and chunks, without unpacking any."""

    def __init__(self, handle: BinaryIO, end: int, path: AnyPath, question: Layered) -> None:
        self._handle, self._end, self._path, self._question = handle, end, path, question
        self._layers, self._turns = question.layers.count, question.layers.turns

    def read(self) -> tuple[dict[int, tuple[int, int]], int]:
        """(layer to offset and blocks of its section, moves in all)."""
        found: dict[int, tuple[int, int]] = {}
        moves = 0
        self._handle.seek(_HEAD.size)
        while True:
            offset = self._handle.tell()
            (layer,) = struct.unpack("<I", self._some(4))
            if layer == _END:
                if self._handle.tell() != self._end:
                    self._refuse("found bytes after the last section", "expected the claim")
                return found, moves
            if layer >= self._layers or layer in found:
                self._refuse(f"found layer {layer} twice or beyond the last", f"expected each of 0 to {self._layers - 1} once")
            blocks, packed = struct.unpack("<IQ", self._some(_SECTION.size - 4))
            self._skip(packed, -(-blocks // 8))
            found[layer] = offset, blocks
            moves += self._chunks(self._question.layers.blocks_of(layer))

    def _chunks(self, blocks: int) -> int:
        reached, moves = 0, 0
        while True:
            turns, stores, drops, packed = _CHUNK.unpack(self._some(_CHUNK.size))
            if turns == 0:
                return moves
            reached += turns
            moves += stores + drops
            most = min(LARGEST_MOVES, turns * blocks)  # a block is stored or dropped at a turn, not both
            if turns > LARGEST_TURNS or stores + drops > most or reached > self._turns:
                self._refuse(f"found a chunk of {turns} turns and {stores + drops} moves", "expected fewer")
            self._skip(packed, 8 * turns + 4 * (stores + drops))

    def _some(self, count: int) -> bytes:
        if self._handle.tell() + count > self._end:
            self._refuse("found the end of the sections", "expected more")
        return self._handle.read(count)

    def _skip(self, count: int, length: int) -> None:
        """Pass over packed data of so many bytes, which should become ``length`` bytes."""
        if self._handle.tell() + count > self._end:
            self._refuse("found packed data longer than the file", "expected less")
        if count > (most := binary.most_packed(length)):
            self._refuse(f"found {count} bytes of packed data", f"expected at most {most}")
        self._handle.seek(count, 1)

    def _refuse(self, found: str, expected: str) -> NoReturn:
        raise InputError(found, expected, path=self._path)


def _unpacked(path: AnyPath, packed: bytes, length: int) -> bytes:
    """Packed data, which must be so long and no longer; LimitError where there is too little memory for the numbers in it."""
    room.check(f"{os.fspath(path)}: reading it", 8 * length, Limits())
    return binary.unpacked(packed, length, path)
