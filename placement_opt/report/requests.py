"""What a run means to the requests of its trace: waits, times to the first token and per further token."""

from __future__ import annotations

from typing import Any

from placement_opt.play.latencies import Percentiles
from placement_opt.play.run import Run
from placement_opt.report.numbers import count, seconds
from placement_opt.report.table import table

_WORDS = {"waiting": "waiting", "ttft": "to the first token (TTFT)", "tpot": "per further token (TPOT)"}


def requests_document(run: Run) -> dict[str, Any]:
    """The JSON key ``requests``: how many, and percentiles in seconds; null where the trace does not say."""
    if (found := run.latencies) is None:
        return {"requests": None}
    each = {f"{name}_s": times._asdict() for name, times in found.percentiles().items()}
    return {"requests": {"count": len(found.ttft), "tokens_apart": _apart(run), **each}}


def _apart(run: Run) -> int:
    """Requests whose further tokens are made by later steps, so that they have a time each."""
    assert run.latencies is not None
    return int((run.latencies.tpot == run.latencies.tpot).sum())  # not NaN


def requests_tables(run: Run) -> list[str]:
    """The same as a table; none where there is nothing to tell."""
    if (found := run.latencies) is None:
        return []
    rows = [[_WORDS[name], *_cells(times)] for name, times in found.percentiles().items() if times.p50 is not None]
    head = f"{count(len(found.ttft))} requests"
    return [
        table([head, "p50", "p90", "p99"], rows, "lrrr") + "\n(no step begins before the requests that it lets in have come)"
    ]


def _cells(times: Percentiles) -> list[str]:
    return ["" if one is None else seconds(one) for one in times]
