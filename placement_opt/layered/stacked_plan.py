"""The schedule of a question whose layers are in rows: the moves of each layer, a file each until they are wanted as one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from os import PathLike
from pathlib import Path

from placement_opt.certify.stacked_files import StackedSchedule, open_stacked_schedule, save_stacked_schedule
from placement_opt.instance.stacked import Stacked
from placement_opt.layered.plan import copy_moves


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
    """A schedule written anew under another name."""
    copy_moves(written.path, path)
    return open_stacked_schedule(path, question)
