"""The schedule of a question whose layers are in rows: the moves of each layer, a file each until they are wanted as one."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from os import PathLike
from os.path import realpath
from pathlib import Path

from placement_opt.base.atomic import atomic_file, open_regular
from placement_opt.certify.stacked_files import StackedSchedule, open_stacked_schedule, save_stacked_schedule
from placement_opt.instance.stacked import Stacked

_COPY = 1 << 22


@dataclass(frozen=True, eq=False)
class StackedPlan:
    """What every layer does: the file of its moves, and what they take together, exactly, and how many
    moves there are."""

    question: Stacked
    sections: Mapping[int, Path]
    seconds: Fraction
    moves: int

    def save(self, path: str | PathLike[str]) -> StackedSchedule:
        """Write it as one file, whole or not at all; InputError where it cannot be written."""
        save_stacked_schedule(path, self.question.hash, self.sections, self.seconds, self.moves)
        return open_stacked_schedule(path, self.question)


def save_stacked_copy(written: StackedSchedule, question: Stacked, path: str | PathLike[str]) -> StackedSchedule:
    """Write a file of moves anew under another name, whole or not at all."""
    if realpath(written.path) != realpath(path):
        with open_regular(written.path) as source, atomic_file(path) as handle:
            shutil.copyfileobj(source, handle, _COPY)
    return open_stacked_schedule(path, question)
