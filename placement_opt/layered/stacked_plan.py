"""The schedule of a question whose layers are in rows: the moves of each layer, a file each until they are wanted as one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from placement_opt.instance.stacked import Stacked


@dataclass(frozen=True, eq=False)
class StackedPlan:
    """What every layer does: the file of its moves, by its number."""

    question: Stacked
    sections: Mapping[int, Path]
