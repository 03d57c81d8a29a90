"""Runs of a layer found turn by turn, and files of layers that are alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from placement_opt.workload.files import runs as runs_file
from placement_opt.workload.files.runs import Shape, save_runs
from placement_opt.workload.runs import LayerRuns
from placement_opt.workload.trace import SizeUnit


def collect(rows: Iterable[npt.NDArray[np.integer]], birth: npt.NDArray[np.int32]) -> LayerRuns:
    """From the blocks that each turn of a layer reads, numbered within the layer."""
    found: list[list[list[int]]] = [[] for _ in birth]
    turns = 0
    for turn, reads in enumerate(rows):
        turns = turn + 1
        for block in reads.tolist():
            if found[block] and found[block][-1][1] == turn - 1:
                found[block][-1][1] = turn
            else:
                found[block].append([turn, turn])
    start = np.cumsum([0, *map(len, found)])
    ends = np.array([run for runs in found for run in runs], dtype=np.int32).reshape(-1, 2)
    return LayerRuns(turns, birth, start, ends[:, 0].copy(), ends[:, 1].copy())


def save_plain(layers: Sequence[LayerRuns], turns: int, path: Path, *, size_unit: SizeUnit, size: int) -> None:
    """Layers of whole blocks of one size that are never freed."""
    save_runs(iter(layers), Shape(turns, size_unit, (size,) * len(layers)), path)


def spoilt(path: Path, change: object, where: int) -> None:
    data = bytearray(path.read_bytes())
    raw = np.array([change], dtype="<i4").tobytes()
    data[where : where + 4] = raw
    path.write_bytes(data)


def resign(path: Path, layer: int) -> None:
    """Checksums of a layer and of the table that match what lies there."""
    data = bytearray(path.read_bytes())
    count, turns = np.frombuffer(data, "<u4", 2, 12).tolist()
    version = data[8]
    head, entry = runs_file._HEAD.size, runs_file._ENTRIES[version]
    table = head + (entry.size + {1: 8, 2: 20}[version] * turns) * count
    offset, each = table, {1: (8, 8), 2: (12, 8 if data[24] == 1 else 10)}[version]
    for n in range(layer + 1):
        blocks, runs, *rest = entry.unpack_from(data, head + n * entry.size)
        end = offset + each[0] * blocks + each[1] * runs
        if n == layer:
            rest[-1] = hashlib.sha256(data[offset:end]).digest()
            entry.pack_into(data, head + n * entry.size, blocks, runs, *rest)
        offset = end
    data[head - 32 : head] = hashlib.sha256(data[: head - 32] + data[head:table]).digest()
    path.write_bytes(data)
