"""A layered trace as a file of runs, for traces larger than memory: one layer is read at a time, everything checked.

The form is described byte by byte in docs/formats.md. The table of layers comes first, with the numbers of reads and births of
every turn behind it, so that what a question needs to know of all layers is read without the runs.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from placement_opt.base import room
from placement_opt.base.arrays import Array, Int32, Int64
from placement_opt.base.atomic import AnyPath, atomic_file
from placement_opt.base.binary import hash_on
from placement_opt.base.errors import InputError, LimitError
from placement_opt.base.limits import Limits
from placement_opt.base.stores import is_url, open_stored
from placement_opt.workload.runs import LayerRuns, rows_of
from placement_opt.workload.synth import params
from placement_opt.workload.trace import LARGEST_BLOCK, MOST_UNITS, SIZE_UNITS, SizeUnit, Trace

MAGIC = b"\x89POR\r\n\x1a\n"
VERSION = 1
LARGEST_LAYERS, LARGEST_TURNS, LARGEST_BLOCKS, LARGEST_RUNS = 4096, 2**31 - 2, 2**31 - 1, 2**40
#: magic, version, layers, turns, number of the size unit, size of a block in it, SHA-256 of the table and the counts
_HEAD = struct.Struct("<8sIIIIQ32s")
#: blocks, runs, SHA-256
_ENTRY = struct.Struct("<QQ32s")
#: Bytes that a number takes while it is read and looked at.
_EACH = 24


@dataclass(frozen=True)
class Entry:
    """One layer in the table: its blocks and runs, where its data begin, and their SHA-256."""

    blocks: int
    runs: int
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
    size_unit, size
        Size of every block, as in a trace.
    layers
        The table.
    digest
        SHA-256 of turns and table; the table names the data of every layer and their lengths.
    """

    path: str
    turns: int
    size_unit: SizeUnit
    size: int
    layers: tuple[Entry, ...]
    digest: bytes

    def __getstate__(self) -> dict[str, object]:
        """Handed to another process, it names the file so that it is found from any folder."""
        return self.__dict__ | {"path": self.path if is_url(self.path) else os.path.abspath(self.path)}

    def reads(self, layer: int) -> Int64:
        """int64[N]: blocks that each turn of a layer reads."""
        return self._counts(2 * layer)

    def births(self, layer: int) -> Int64:
        """int64[N]: blocks that each turn of a layer produces."""
        return self._counts(2 * layer + 1)

    @property
    def num_reads(self) -> int:
        return sum(int(self.reads(layer).sum()) for layer in range(len(self.layers)))

    def birth(self, layer: int) -> Int32:
        """int32[B]: the turn that produces each block of a layer, as the file says; checked when the layer is read."""
        with open_stored(self.path) as handle:
            handle.seek(self.layers[layer].offset)
            return _take(handle, "<i4", self.layers[layer].blocks)

    def layer(self, layer: int) -> LayerRuns:
        """One layer, read and checked; InputError where it is not what the table says, or no runs."""
        entry = self.layers[layer]
        with open_stored(self.path) as handle:
            handle.seek(entry.offset)
            birth = _take(handle, "<i4", entry.blocks)
            lengths = _take(handle, "<u4", entry.blocks)
            first, last = _take(handle, "<i4", entry.runs), _take(handle, "<i4", entry.runs)
        start = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        if start[-1] != entry.runs:
            raise self._wrong(layer, f"found runs of {start[-1]} in all", f"expected {entry.runs}")
        runs = LayerRuns(self.turns, birth, start, first, last)
        if layer_digest(runs) != entry.digest:
            raise self._wrong(layer, "found data that do not match their checksum", "expected what was written")
        try:
            _check_runs(runs, layer)
        except InputError as error:
            raise error.at(path=self.path) from None
        if (runs.reads_per_turn != self.reads(layer)).any() or (runs.births_per_turn != self.births(layer)).any():
            raise self._wrong(layer, "found other numbers of reads or births than its runs have", "expected the same")
        return runs

    def _counts(self, row: int) -> Int64:
        with open_stored(self.path) as handle:
            handle.seek(_HEAD.size + _ENTRY.size * len(self.layers) + 4 * self.turns * row)
            return _take(handle, "<u4", self.turns).astype(np.int64)

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
        _, version, count, turns, unit, size, digest = _HEAD.unpack(raw)
        if version != VERSION or unit >= len(SIZE_UNITS):
            raise InputError(
                f"found version {version} and unit {unit}", f"expected version {VERSION} and units to 2", path=path
            )
        try:
            _check_shape(count, turns, size)
        except InputError as error:
            raise error.at(path=path) from None
        offset = _HEAD.size + _ENTRY.size * count + 8 * count * turns
        if length < offset:
            raise InputError(f"found {length} bytes", f"expected at least {offset}", path=path)
        lines = handle.read(_ENTRY.size * count)
        entries = []
        for blocks, runs, name in _ENTRY.iter_unpack(lines):
            entries.append(Entry(blocks, runs, offset, name))
            offset += 8 * blocks + 8 * runs
        try:
            _check_table([(entry.blocks, entry.runs) for entry in entries], size)
        except InputError as error:
            raise error.at(path=path) from None
        if offset != length:
            raise InputError(f"found {length} bytes", f"expected {offset}", path=path)
        if hash_on(hashlib.sha256(raw[: -len(digest)] + lines), handle, 8 * count * turns) != digest:
            raise InputError("found a table that does not match its checksum", "expected what was written", path=path)
    table = [(entry.blocks, entry.runs, entry.digest) for entry in entries]
    return RunsFile(os.fspath(path), turns, SIZE_UNITS[unit], size, tuple(entries), digest_of(table, turns))


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
        return rows_of(layers, size_unit=file.size_unit, size=file.size)
    except InputError as error:
        raise error.at(path=path) from None


def save_runs(layers: Iterable[LayerRuns], count: int, turns: int, path: AnyPath, *, size_unit: SizeUnit, size: int) -> None:
    """Write the layers, one after the other, as a file of runs: whole or not at all.

    InputError for anything that :func:`open_runs` and :meth:`RunsFile.layer` would refuse: one law for both.
    """
    _check_shape(count, turns, size)
    sizes: list[tuple[int, int]] = []
    table, counts = bytearray(), bytearray()
    with atomic_file(path) as handle:
        handle.seek(_HEAD.size + (_ENTRY.size + 8 * turns) * count)
        for runs in layers:
            _check_runs(runs, len(sizes))
            for array, kind in _data(runs):
                handle.write(array.astype(kind, copy=False).tobytes())
            sizes.append((runs.num_blocks, runs.num_runs))
            table += _ENTRY.pack(*sizes[-1], layer_digest(runs))
            counts += runs.reads_per_turn.astype("<u4").tobytes() + runs.births_per_turn.astype("<u4").tobytes()
        _check_table(sizes, size)
        head = _HEAD.pack(MAGIC, VERSION, count, turns, SIZE_UNITS.index(size_unit), size, bytes(32))[:-32]
        handle.seek(0)
        handle.write(head + hashlib.sha256(head + table + counts).digest() + table + counts)


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
    entries = b"".join(_ENTRY.pack(*entry) for entry in table)
    return hashlib.sha256(b"placement-opt runs 2\n" + struct.pack("<II", len(table), turns) + entries).digest()


def _data(runs: LayerRuns) -> list[tuple[Array, str]]:
    return [(runs.birth, "<i4"), (np.diff(runs.start), "<u4"), (runs.first, "<i4"), (runs.last, "<i4")]


def _take(handle: BinaryIO, kind: str, count: int) -> Array:
    """So many numbers; the file was found long enough, the memory is looked at now."""
    room.check(f"{handle.name}: reading it", _EACH * count, Limits())
    raw = handle.read(count * np.dtype(kind).itemsize)
    if len(raw) != count * np.dtype(kind).itemsize:
        raise InputError("found the end of the file", "expected more numbers", path=handle.name)
    return np.frombuffer(raw, dtype=kind).astype(np.dtype(kind).newbyteorder("="), copy=True)


def _check_shape(layers: int, turns: int, size: int) -> None:
    """Refuse what no file of runs has, before there is any layer."""
    if not (1 <= layers <= LARGEST_LAYERS and 1 <= turns <= LARGEST_TURNS and 1 <= size <= LARGEST_BLOCK):
        expected = f"expected 1 to {LARGEST_LAYERS} layers, 1 to {LARGEST_TURNS} turns and sizes from 1 to 2**50"
        raise InputError(f"found {layers} layers, {turns} turns and blocks of size {size}", expected)


def _check_table(layers: Sequence[tuple[int, int]], size: int) -> None:
    """Refuse numbers of (blocks, runs) that no file of runs has; a layer may have none."""
    for blocks, runs in layers:
        if blocks > LARGEST_BLOCKS or runs > LARGEST_RUNS:
            raise InputError(f"found a layer of {blocks} blocks and {runs} runs", "expected fewer")
    total = sum(blocks for blocks, _ in layers)
    if total == 0:
        raise InputError("found no block in any layer", "expected at least one")
    if total * size > MOST_UNITS:
        raise InputError(f"found {total} blocks of size {size}", "expected at most 2**60 in all")


def _check_runs(runs: LayerRuns, layer: int) -> None:
    """Refuse a layer whose arrays contradict each other."""
    if complaint := _complaint(runs):
        raise InputError(*complaint, field=f"layer {layer}")


def _complaint(runs: LayerRuns) -> tuple[str, str] | None:
    """What is wrong with runs; None where nothing is."""
    birth, first, last = runs.birth, runs.first, runs.last
    if (birth < -1).any() or (birth >= runs.turns).any():
        return "found a block that is produced at no turn", f"expected turns from -1 to {runs.turns - 1}"
    if (first < 0).any() or (last < first).any() or (last >= runs.turns).any():
        return "found a run that is none", f"expected 0 <= first <= last < {runs.turns}"
    owner = np.repeat(np.arange(runs.num_blocks, dtype=np.int32), np.diff(runs.start))
    if ((first[1:] <= last[:-1] + 1) & (owner[1:] == owner[:-1])).any():
        return "found runs of one block that touch or are out of order", "expected a pause between them"
    if (first <= birth[owner]).any():
        return "found a block that is read before it is there", "expected reads after its birth"
    return None
