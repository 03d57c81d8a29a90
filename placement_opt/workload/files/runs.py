"""A layered trace as a file of runs, for traces larger than memory: one layer is read at a time, everything checked.

The form is described byte by byte in docs/formats.md. The table of layers comes first, with the numbers of reads and births of
every turn behind it, so that what a question needs to know of all layers is read without the runs.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import BinaryIO

import numpy as np

from placement_opt.base import room
from placement_opt.base.arrays import Array, Int32, Int64
from placement_opt.base.atomic import AnyPath, atomic_file
from placement_opt.base.binary import hash_on
from placement_opt.base.errors import InputError, LimitError
from placement_opt.base.limits import Limits
from placement_opt.base.stores import is_url, open_stored
from placement_opt.workload.files.runs_law import check_runs, check_shape, check_table
from placement_opt.workload.layered_rows import rows_of
from placement_opt.workload.runs import LayerRuns
from placement_opt.workload.synth import params
from placement_opt.workload.trace import SIZE_UNITS, SizeUnit, Trace

MAGIC = b"\x89POR\r\n\x1a\n"
#: Of whole blocks of one size that are never freed; of any.
PLAIN, VERSION = 1, 2
#: magic, version, layers, turns, number of the size unit, size of a block in it (in version 2 the base of shares), SHA-256 of
#: the table and the counts
_HEAD = struct.Struct("<8sIIIIQ32s")
#: Version -> blocks, runs, in version 2 the size of a block, SHA-256.
_ENTRIES = {PLAIN: struct.Struct("<QQ32s"), VERSION: struct.Struct("<QQQ32s")}
#: Version -> what is said of every turn of a layer: blocks read and produced, in version 2 freed and shares read.
_COUNTS = {PLAIN: ("<u4", "<u4"), VERSION: ("<u4", "<u4", "<u4", "<u8")}
#: Bytes that a number takes while it is read and looked at.
_EACH = 24


@dataclass(frozen=True)
class Entry:
    """One layer in the table: its blocks and runs, the size of a block, where its data begin, and their SHA-256."""

    blocks: int
    runs: int
    size: int
    offset: int
    digest: bytes


@dataclass(frozen=True)
class RunsFile:
    """An open question to a file of runs: its table, the layers still in the file.

    Attributes
    ----------
    path
        The file, or its address in a store.
    turns
        N.
    size_unit
        Of the sizes of blocks, as in a trace.
    share_base
        As in a trace: 1 where blocks are read whole.
    layers
        The table.
    digest
        SHA-256 of turns and table; the table names the data of every layer and their lengths.
    plain
        Whether blocks are read whole, are of one size and are never freed.
    """

    path: str
    turns: int
    size_unit: SizeUnit
    share_base: int
    layers: tuple[Entry, ...]
    digest: bytes
    plain: bool

    def __getstate__(self) -> dict[str, object]:
        """Handed to another process, it names the file so that it is found from any folder."""
        return self.__dict__ | {"path": self.path if is_url(self.path) else os.path.abspath(self.path)}

    def reads(self, layer: int) -> Int64:
        """int64[N]: blocks that each turn of a layer reads."""
        return self._counts(layer, 0)

    def births(self, layer: int) -> Int64:
        """int64[N]: blocks that each turn of a layer produces."""
        return self._counts(layer, 1)

    def deaths(self, layer: int) -> Int64:
        """int64[N]: blocks that are freed after each turn of a layer."""
        return np.zeros(self.turns, dtype=np.int64) if self.plain else self._counts(layer, 2)

    def shares(self, layer: int) -> Int64:
        """int64[N]: the shares that each turn of a layer reads, added up."""
        return self.reads(layer) if self.plain else self._counts(layer, 3)

    @property
    def num_reads(self) -> int:
        return sum(int(self.reads(layer).sum()) for layer in range(len(self.layers)))

    @cached_property
    def most_reads(self) -> int:
        """Reads of the layer that has most."""
        return max(int(self.reads(layer).sum()) for layer in range(len(self.layers)))

    @property
    def shape(self) -> Shape:
        """What it says of all layers."""
        frees = any(self.deaths(layer).any() for layer in range(len(self.layers)))
        return Shape(self.turns, self.size_unit, tuple(entry.size for entry in self.layers), self.share_base, frees)

    @property
    def _version(self) -> int:
        return PLAIN if self.plain else VERSION

    def birth(self, layer: int) -> Int32:
        """int32[B]: the turn that produces each block of a layer, as the file says; checked when the layer is read."""
        with open_stored(self.path) as handle:
            handle.seek(self.layers[layer].offset)
            return _take(handle, "<i4", self.layers[layer].blocks)

    def layer(self, layer: int) -> LayerRuns:
        """One layer, read and checked; InputError where it is not what the table says, or no runs."""
        entry, death, shares = self.layers[layer], None, None
        with open_stored(self.path) as handle:
            handle.seek(entry.offset)
            birth = _take(handle, "<i4", entry.blocks)
            lengths = _take(handle, "<u4", entry.blocks)
            if not self.plain:
                death = _take(handle, "<i4", entry.blocks)
            first, last = _take(handle, "<i4", entry.runs), _take(handle, "<i4", entry.runs)
            if self.share_base > 1:
                shares = _take(handle, "<u2", entry.runs)
        start = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        if start[-1] != entry.runs:
            raise self._wrong(layer, f"found runs of {start[-1]} in all", f"expected {entry.runs}")
        runs = LayerRuns(self.turns, birth, start, first, last, death, shares)
        if layer_digest(runs) != entry.digest:
            raise self._wrong(layer, "found data that do not match their checksum", "expected what was written")
        try:
            check_runs(runs, layer, self.share_base)
        except InputError as error:
            raise error.at(path=self.path) from None
        said = (self.reads(layer), self.births(layer), self.deaths(layer), self.shares(layer))
        if any((one != other).any() for one, other in zip(said, _turns(runs), strict=True)):
            raise self._wrong(layer, "found other numbers of reads, births or deaths than its runs have", "expected the same")
        return runs

    def _counts(self, layer: int, column: int) -> Int64:
        kinds, count = _COUNTS[self._version], len(self.layers)
        each = [np.dtype(kind).itemsize for kind in kinds]
        with open_stored(self.path) as handle:
            handle.seek(
                _HEAD.size + _ENTRIES[self._version].size * count + self.turns * (sum(each) * layer + sum(each[:column]))
            )
            return _take(handle, kinds[column], self.turns).astype(np.int64)

    def _wrong(self, layer: int, found: str, expected: str) -> InputError:
        return InputError(found, expected, path=self.path, field=f"layer {layer}")


def is_runs_file(path: AnyPath) -> bool:
    """Whether a file begins like a file of runs; InputError where it cannot be read."""
    with open_stored(path) as handle:
        return handle.read(len(MAGIC)) == MAGIC


def open_runs(path: AnyPath) -> RunsFile:
    """The table of a file of runs.

    Raises
    ------
    InputError
        The file is not one, is damaged in its table, or is shorter or longer than the table says.

    What is read of it later, layer by layer, is a LimitError where there is too little memory for it.
    """
    with open_stored(path) as handle:
        length = handle.seek(0, 2)
        handle.seek(0)
        raw = handle.read(_HEAD.size)
        if len(raw) < _HEAD.size or raw[: len(MAGIC)] != MAGIC:
            raise InputError("found another kind of file", "expected a file of runs", path=path)
        _, version, count, turns, unit, number, digest = _HEAD.unpack(raw)
        if version not in _ENTRIES or unit >= len(SIZE_UNITS):
            expected = f"expected version {PLAIN} or {VERSION}, and units to 2"
            raise InputError(f"found version {version} and unit {unit}", expected, path=path)
        plain, entry, counts = version == PLAIN, _ENTRIES[version], sum(np.dtype(kind).itemsize for kind in _COUNTS[version])
        try:
            check_shape(count, turns, number if plain else 1, 1 if plain else number)
        except InputError as error:
            raise error.at(path=path) from None
        offset = _HEAD.size + entry.size * count + counts * count * turns
        if length < offset:
            raise InputError(f"found {length} bytes", f"expected at least {offset}", path=path)
        lines = handle.read(entry.size * count)
        entries = []
        for blocks, runs, *size, name in entry.iter_unpack(lines):
            entries.append(Entry(blocks, runs, number if plain else size[0], offset, name))
            offset += (8 if plain else 12) * blocks + (8 if plain or number == 1 else 10) * runs
        try:
            check_table([(one.blocks, one.runs, one.size) for one in entries])
        except InputError as error:
            raise error.at(path=path) from None
        if offset != length:
            raise InputError(f"found {length} bytes", f"expected {offset}", path=path)
        if hash_on(hashlib.sha256(raw[: -len(digest)] + lines), handle, counts * count * turns) != digest:
            raise InputError("found a table that does not match its checksum", "expected what was written", path=path)
    base, table = 1 if plain else number, [(one.blocks, one.runs, one.size, one.digest) for one in entries]
    named = (
        digest_of([(blocks, runs, name) for blocks, runs, _, name in table], turns) if plain else _digest(table, turns, base)
    )
    return RunsFile(os.fspath(path), turns, SIZE_UNITS[unit], base, tuple(entries), named, plain)


def load_rows(path: AnyPath) -> Trace:
    """The whole of a file of runs in rows; the blocks of each layer have ids one after the other.

    Raises
    ------
    InputError
        As :func:`open_runs`.
    LimitError
        More reads than rows can hold.
    """
    file = open_runs(path)
    if file.num_reads > params.LARGEST_READS:
        expected = f"expected at most {params.LARGEST_READS:,} to be held in memory"
        raise LimitError(f"found {file.num_reads:,} reads, {expected}")
    layers = [file.layer(layer) for layer in range(len(file.layers))]
    try:
        sizes = [entry.size for entry in file.layers]
        return rows_of(layers, size_unit=file.size_unit, size=sizes, share_base=file.share_base)
    except InputError as error:
        raise error.at(path=path) from None


@dataclass(frozen=True)
class Shape:
    """What a file says of all layers: how many there are and their turns, the size of a block of each layer, the base of shares
    (1: blocks are read whole), whether any block is freed."""

    turns: int
    size_unit: SizeUnit
    size: tuple[int, ...]
    share_base: int = 1
    frees: bool = False

    @property
    def plain(self) -> bool:
        """Whether blocks are read whole, are of one size and are never freed."""
        return self.share_base == 1 and not self.frees and len(set(self.size)) <= 1


def save_runs(layers: Iterable[LayerRuns], shape: Shape, path: AnyPath) -> None:
    """Write the layers, one after the other, as a file of runs: whole or not at all.

    InputError for anything that :func:`open_runs` and :meth:`RunsFile.layer` would refuse: one law for both.
    """
    count, turns, base = len(shape.size), shape.turns, shape.share_base
    for size in {*shape.size} or {1}:
        check_shape(count, turns, size, base)
    version, lengths = PLAIN if shape.plain else VERSION, list[tuple[int, int, int]]()
    entry, kinds = _ENTRIES[version], _COUNTS[version]
    table, counts = bytearray(), bytearray()
    with atomic_file(path) as handle:
        handle.seek(_HEAD.size + (entry.size + turns * sum(np.dtype(kind).itemsize for kind in kinds)) * count)
        for layer, runs in enumerate(layers):
            written = _whole(runs, shape)
            check_runs(written, layer, base)
            for array, kind in _data(written):
                handle.write(array.astype(kind, copy=False).tobytes())
            lengths.append((runs.num_blocks, runs.num_runs, shape.size[layer]))
            table += entry.pack(*lengths[-1][: 2 if shape.plain else 3], layer_digest(written))
            for said, kind in zip(_turns(written), kinds, strict=False):
                counts += said.astype(kind).tobytes()
        check_table(lengths)
        number = shape.size[0] if shape.plain else base
        head = _HEAD.pack(MAGIC, version, count, turns, SIZE_UNITS.index(shape.size_unit), number, bytes(32))[:-32]
        handle.seek(0)
        handle.write(head + hashlib.sha256(head + table + counts).digest() + table + counts)


def _whole(runs: LayerRuns, shape: Shape) -> LayerRuns:
    """A layer with all that its file says of it."""
    if shape.plain:
        assert runs.plain
        return runs
    death = np.full(runs.num_blocks, runs.turns, dtype=np.int32) if runs.death is None else runs.death
    shares = runs.shares
    if shares is None and shape.share_base > 1:
        shares = np.full(runs.num_runs, shape.share_base, dtype=np.uint16)
    return replace(runs, death=death, shares=shares)


def _turns(runs: LayerRuns) -> tuple[Int64, Int64, Int64, Int64]:
    """What is said of every turn: blocks read, produced and freed, shares read."""
    return runs.reads_per_turn, runs.births_per_turn, runs.deaths_per_turn, runs.shares_per_turn


def layer_digest(runs: LayerRuns) -> bytes:
    """SHA-256 of a layer's data as they lie in a file."""
    digest = hashlib.sha256()
    for array, kind in _data(runs):
        digest.update(np.ascontiguousarray(array.astype(kind, copy=False)).data)
    return digest.digest()


def digest_of(table: Sequence[tuple[int, int, bytes]], turns: int) -> bytes:
    """Of a whole trace: its turns, and of each layer the blocks, the runs and the SHA-256.

    A layer's data have no marks between its arrays: without their lengths two traces could have the same.
    """
    entries = b"".join(_ENTRIES[PLAIN].pack(*entry) for entry in table)
    return hashlib.sha256(b"placement-opt runs 2\n" + struct.pack("<II", len(table), turns) + entries).digest()


def _digest(table: Sequence[tuple[int, int, int, bytes]], turns: int, base: int) -> bytes:
    """The same of a trace with shares, deaths or sizes of its layers."""
    entries = b"".join(_ENTRIES[VERSION].pack(*entry) for entry in table)
    return hashlib.sha256(b"placement-opt runs 3\n" + struct.pack("<III", len(table), turns, base) + entries).digest()


def _data(runs: LayerRuns) -> list[tuple[Array, str]]:
    found: list[tuple[Array | None, str]] = [(runs.birth, "<i4"), (np.diff(runs.start), "<u4"), (runs.death, "<i4")]
    found += [(runs.first, "<i4"), (runs.last, "<i4"), (runs.shares, "<u2")]
    return [(array, kind) for array, kind in found if array is not None]


def _take(handle: BinaryIO, kind: str, count: int) -> Array:
    """So many numbers; the file was found long enough, the memory is looked at now."""
    room.check(f"{handle.name}: reading it", _EACH * count, Limits())
    raw = handle.read(count * np.dtype(kind).itemsize)
    if len(raw) != count * np.dtype(kind).itemsize:
        raise InputError("found the end of the file", "expected more numbers", path=handle.name)
    return np.frombuffer(raw, dtype=kind).astype(np.dtype(kind).newbyteorder("="), copy=True)
