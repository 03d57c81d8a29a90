"""What was exported."""

from __future__ import annotations

from placement_opt.bounds.programs.export import Exported
from placement_opt.report.numbers import count


def export_text(written: Exported) -> str:
    """Size of the program, and how to read its objective."""
    sizes = f"{count(written.rows)} rows, {count(written.columns)} columns, {count(written.entries)} entries"
    return f"{written.path}: {sizes}\nseconds = objective x {written.time_unit_s!r}"
