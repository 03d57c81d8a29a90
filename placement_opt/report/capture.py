"""What was captured from a model, or chosen again, as a table of its layers."""

from __future__ import annotations

from placement_opt.report.numbers import count, percent
from placement_opt.report.table import table
from placement_opt.workload.capture.capture import Captured


def captured(done: Captured, path: str) -> str:
    """A line about the file written, and one for each layer: tokens that a step reads, and the attention that they have."""
    rows = [[str(layer), f"{chosen:,.1f}", percent(done.mass[layer])] for layer, chosen in done.chosen.items()]
    parts = table(["layer", "tokens read", "of the attention"], rows, "rrr")
    head = f"{path}: {count(done.tokens)} tokens decoded in {count(len(rows))} layers"
    return f"{head}, the last of a sequence of {count(done.length)}\n\n{parts}"
