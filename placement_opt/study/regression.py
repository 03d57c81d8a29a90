"""What :func:`placement_opt.study.regress.regress` finds, file by file."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What came of one file."""

    #: Every value is as recorded.
    SAME = "same"
    #: Something is not, or should not be.
    CHANGED = "changed"
    #: Something was not, and has been rewritten.
    UPDATED = "updated"
    #: Nothing was recorded, and now is.
    RECORDED = "recorded"
    #: A hostile file, refused as it should be.
    REFUSED = "refused as expected"
    #: Named in LARGE.
    SKIPPED = "skipped"
    #: Something in it, or in a file that it names, is not what it should be: nothing was compared.
    UNREADABLE = "cannot be read"
    #: The process that worked on it was killed.
    LOST = "lost"
    #: Somebody asked for a stop first.
    UNFINISHED = "not finished"


@dataclass(frozen=True)
class Checked:
    """One file.

    Attributes
    ----------
    path
        The instance, the hostile file, or the best file without an instance.
    outcome
        See :class:`Outcome`.
    lines
        What differs, or what is wrong; one line each.
    bounds, schedules
        How many values were recomputed.
    gap
        Of the best schedule over the best bound.
    wall_s
        Seconds it took.
    """

    path: str
    outcome: Outcome
    lines: tuple[str, ...] = ()
    bounds: int = 0
    schedules: int = 0
    gap: float | None = None
    wall_s: float = 0.0


@dataclass(frozen=True)
class Regression:
    """What :func:`regress` found, in the order of the files."""

    files: tuple[Checked, ...]
    interrupted: bool = False

    def count(self, outcome: Outcome) -> int:
        return sum(one.outcome is outcome for one in self.files)

    @property
    def ok(self) -> bool:
        """Whether everything was checked and nothing is left that differs."""
        return self.exit_code == 0

    @property
    def exit_code(self) -> int:
        """What the command line ends with.

        130 interrupted; 1 something differs; 2 a file cannot be read; 3 a process was killed, or was out of time; 0 otherwise.
        """
        if self.interrupted:
            return 130
        codes = {Outcome.CHANGED: 1, Outcome.UNREADABLE: 2, Outcome.LOST: 3, Outcome.UNFINISHED: 3}
        return next((code for outcome, code in codes.items() if self.count(outcome)), 0)
