"""The two-sided answer to a question too large for rows, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from placement_opt.bounds.result import Status
from placement_opt.layered import Answer
from placement_opt.report.numbers import count, full_seconds, percent, seconds
from placement_opt.report.table import facts, paragraph


def large_document(answer: Answer, files: Mapping[str, str]) -> dict[str, Any]:
    """The JSON keys of one answer; times in seconds, the gap as a share of the bound; ``files`` are those written."""
    return {
        "instance": answer.name,
        "hash": answer.hash,
        "method": "scale",
        "status": _status(answer),
        "lower_bound_s": answer.lower_bound_s,
        "schedule_s": answer.schedule_s,
        "gap": answer.gap,
        "gap_wanted": answer.wanted,
        "roofline_s": answer.roofline_s,
        "reads": answer.reads,
        "solve_s": answer.solve_s,
        "rests_on": answer.rests_on,
        "files": dict(files),
        "sentence": large_sentence(answer),
        "details": answer.details,
    }


def large_text(answer: Answer, files: Mapping[str, str]) -> str:
    """The same as lines and one sentence."""
    rows = [
        ("instance", f"{answer.name} ({answer.hash[:12]})"),
        ("reads", f"{answer.reads:,}"),
        ("lower bound", full_seconds(answer.lower_bound_s)),
        ("schedule", full_seconds(answer.schedule_s)),
        ("gap", f"{percent(answer.gap)}, {percent(answer.wanted)} wanted" if answer.wanted > 0 else percent(answer.gap)),
        ("method", "scale: drawn layer by layer, in runs"),
        ("status", _status(answer)),
        ("roofline", full_seconds(answer.roofline_s)),
        ("rests on", answer.rests_on),
    ]
    if "prices" in files:
        rows.append(("certificate", f"{files['prices']}: at least {full_seconds(float(answer.certificate.claim))}"))
    if "schedule" in files and answer.moves is not None:
        rows.append(("certificate", f"{files['schedule']}: {count(answer.moves)} moves"))
    return facts([*rows, ("took", seconds(answer.solve_s))]) + "\n\n" + paragraph(large_sentence(answer)) + "\n"


def large_sentence(answer: Answer) -> str:
    """Both sides in one sentence."""
    start = f"No schedule takes less than {seconds(answer.lower_bound_s)}, and one takes {seconds(answer.schedule_s)}"
    return f"{start}: the optimum is known to {percent(answer.gap)}."


def _status(answer: Answer) -> str:
    """``within gap`` where that is reached, else how the work ended."""
    if answer.wanted > 0 and answer.gap <= answer.wanted:
        return "within gap"
    return {Status.LIMIT: "limit reached", Status.INTERRUPTED: "interrupted"}.get(answer.status, str(answer.status))
