"""Runs of a layer found turn by turn, and files of layers that are alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

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
