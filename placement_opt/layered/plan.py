"""The schedule of a question in runs: the moves of each layer, in files of their own until they are wanted as one."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from os import PathLike
from os.path import realpath
from pathlib import Path

from placement_opt.base.atomic import AnyPath, atomic_file, open_regular
from placement_opt.certify.layered import layer_seconds
from placement_opt.certify.layered_files import LargeSchedule, open_large_schedule, save_large_schedule
from placement_opt.instance.layered import Layered

_COPY = 1 << 22


@dataclass(frozen=True)
class Section:
    """What one layer does: the file of its moves, the seconds that they take exactly, and how many they are."""

    path: Path
    seconds: Fraction
    moves: int


@dataclass(frozen=True, eq=False)
class Plan:
    """What every layer does; those without a section keep nothing in the fast tier."""

    question: Layered
    sections: Mapping[int, Section]

    @cached_property
    def seconds(self) -> Fraction:
        """What it takes, exactly."""
        idle = (layer for layer in range(self.question.layers.count) if layer not in self.sections)
        taken = sum((section.seconds for section in self.sections.values()), Fraction(0))
        return taken + sum((_idle_seconds(self.question, layer) for layer in idle), Fraction(0))

    def save(self, path: str | PathLike[str]) -> LargeSchedule:
        """Write it as one file, whole or not at all; InputError where it cannot be written."""
        question, files = self.question, [self.sections[layer].path for layer in sorted(self.sections)]
        save_large_schedule(path, question.hash, question.layers.count, question.layers.turns, files, self.seconds)
        return open_large_schedule(path, question, question.layers.count, question.layers.turns)


def copy_moves(written: AnyPath, path: AnyPath) -> None:
    """Write a file of moves anew under another name, whole or not at all."""
    if realpath(written) != realpath(path):
        with open_regular(written) as source, atomic_file(path) as handle:
            shutil.copyfileobj(source, handle, _COPY)


def save_copy(written: LargeSchedule, question: Layered, path: str | PathLike[str]) -> LargeSchedule:
    """A schedule written anew under another name."""
    copy_moves(written.path, path)
    return open_large_schedule(path, question, question.layers.count, question.layers.turns)


def _idle_seconds(question: Layered, layer: int) -> Fraction:
    """Seconds of a layer that keeps nothing, exactly."""
    reads, births = question.layers.reads(layer), question.layers.births(layer)
    return layer_seconds(question, reads, births, 0 * reads, 0 * reads)
