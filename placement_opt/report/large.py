"""The two-sided answer to a question too large for rows, for people and for programs."""

from __future__ import annotations

from typing import Any

from placement_opt.report.numbers import full_seconds, percent, seconds
from placement_opt.report.table import facts, paragraph
from placement_opt.scale import Answer


def large_document(answer: Answer) -> dict[str, Any]:
    """The JSON keys of one answer; times in seconds, the gap as a share of the bound."""
    return {
        "instance": answer.name,
        "method": "scale",
        "status": answer.status,
        "lower_bound_s": answer.lower_bound_s,
        "schedule_s": answer.schedule_s,
        "gap": answer.gap,
        "roofline_s": answer.roofline_s,
        "reads": answer.reads,
        "solve_s": answer.solve_s,
        "rests_on": answer.rests_on,
        "sentence": large_sentence(answer),
        "details": answer.details,
    }


def large_text(answer: Answer) -> str:
    """The same as lines and one sentence."""
    rows = [
        ("instance", answer.name),
        ("reads", f"{answer.reads:,}"),
        ("lower bound", full_seconds(answer.lower_bound_s)),
        ("schedule", full_seconds(answer.schedule_s)),
        ("gap", percent(answer.gap)),
        ("method", "scale: drawn layer by layer, in runs"),
        ("status", str(answer.status)),
        ("roofline", full_seconds(answer.roofline_s)),
        ("rests on", answer.rests_on),
        ("took", seconds(answer.solve_s)),
    ]
    return facts(rows) + "\n\n" + paragraph(large_sentence(answer)) + "\n"


def large_sentence(answer: Answer) -> str:
    """Both sides in one sentence."""
    start = f"No schedule takes less than {seconds(answer.lower_bound_s)}, and one takes {seconds(answer.schedule_s)}"
    return f"{start}: the optimum is known to {percent(answer.gap)}."
