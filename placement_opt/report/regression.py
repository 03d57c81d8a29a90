"""What ``regress`` found."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from placement_opt.report.numbers import count, percent, seconds
from placement_opt.report.table import table
from placement_opt.study.regression import Checked, Outcome, Regression


def regression_document(found: Regression) -> dict[str, Any]:
    """The JSON keys of a regression."""
    return {"ok": found.ok, "interrupted": found.interrupted, "files": [asdict(one) for one in found.files]}


def regression_text(found: Regression) -> str:
    """One line for each instance, every difference below, and a summary; hostile files only where they differ."""
    shown = [one for one in found.files if one.outcome not in (Outcome.REFUSED, Outcome.SKIPPED)]
    parts = []
    if shown:
        parts.append(table(["file", "outcome", "bounds", "schedules", "gap", "took"], [_row(one) for one in shown], "llrrrr"))
    parts += ["\n".join([f"{one.path}: {one.outcome}", *(f"    {line}" for line in one.lines)]) for one in shown if one.lines]
    skipped = [one.path for one in found.files if one.outcome is Outcome.SKIPPED]
    if skipped:
        parts.append("\n    ".join(["skipped, as named in LARGE:", *skipped]))
    parts.append(_summary(found))
    return "\n\n".join(parts) + "\n"


def _row(one: Checked) -> list[str]:
    if not one.bounds and not one.schedules:
        return [one.path, _word(one), "", "", "", ""]
    return [one.path, _word(one), count(one.bounds), count(one.schedules), percent(one.gap), seconds(one.wall_s)]


def _word(one: Checked) -> str:
    return one.outcome.upper() if one.outcome in (Outcome.CHANGED, Outcome.UNREADABLE, Outcome.LOST) else str(one.outcome)


def _summary(found: Regression) -> str:
    words = {
        Outcome.SAME: "as recorded",
        Outcome.REFUSED: "refused as expected",
        Outcome.RECORDED: "recorded",
        Outcome.UPDATED: "updated",
        Outcome.CHANGED: "CHANGED",
        Outcome.UNREADABLE: "that cannot be read",
        Outcome.LOST: "lost",
        Outcome.SKIPPED: "skipped",
        Outcome.UNFINISHED: "not finished",
    }
    parts = [f"{count(found.count(outcome))} {word}" for outcome, word in words.items() if found.count(outcome)]
    total = len(found.files)
    return f"{count(total)} file{'s' if total != 1 else ''}: " + ", ".join(parts)
