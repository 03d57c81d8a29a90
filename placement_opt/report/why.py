"""Where policies lose, for people and for programs."""

from __future__ import annotations

from typing import Any

from placement_opt.base.units import format_size
from placement_opt.play.use import ResourceUse
from placement_opt.report.numbers import NOTHING, percent, seconds
from placement_opt.report.table import table
from placement_opt.study.scheduled import Compared
from placement_opt.study.why import losses

#: Of these, the numbers that CSV has.
WHY_COLUMNS = ("missed_bytes", "avoidable_least_bytes", "avoidable_most_bytes", "more_than_best_bytes", "idle_share")


def why_documents(one: Compared) -> dict[str, dict[str, Any]]:
    """Scheduler -> the JSON keys of where it loses; those whose use was asked for."""
    return {loss.scheduler: loss.to_record() for loss in losses(one)}


def why_text(one: Compared) -> str:
    """A table of missed reads, then each scheduler's resources and longest steps; "" where nothing was asked for."""
    found = losses(one)
    if not found:
        return ""
    rows = [
        [
            loss.scheduler,
            format_size(loss.missed_bytes),
            f"{format_size(loss.avoidable_least_bytes)} to {format_size(loss.avoidable_most_bytes)}",
            NOTHING if loss.more_than_best_bytes is None else _signed(loss.more_than_best_bytes),
            format_size(sum(size for _, size in loss.written)),
            percent(loss.idle_share),
        ]
        for loss in found
    ]
    headers = ["scheduler", "missed", "need not have been", "above the best", "written", "one idle, one full"]
    parts = [table(headers, rows, "lrrrrr")]
    busy = [[loss.scheduler, *_row(each)] for loss in found for each in loss.resources if each.load]
    parts.append(table(["scheduler", "resource", "carried", "busy", "full", "idle, another full"], busy, "llrrrr"))
    steps = [
        [loss.scheduler, str(each.step), seconds(each.seconds), seconds(each.bound_s)]
        for loss in found
        for each in loss.longest
    ]
    parts.append(table(["scheduler", "longest step", "takes", "in the bound"], steps, "lrrr"))
    return "\n\n".join(parts)


def csv_values(loss: dict[str, Any] | None) -> list[Any]:
    """One value for each of ``WHY_COLUMNS``."""
    return [None if loss is None else loss[key] for key in WHY_COLUMNS]


def _row(each: ResourceUse) -> list[str]:
    carried = format_size(each.load) if each.unit == "bytes" else f"{each.load:,.0f} {each.unit}"
    return [each.resource, carried, percent(each.busy), percent(each.full), percent(each.idle)]


def _signed(size: float) -> str:
    return f"{'-' if size < 0 else ''}{format_size(abs(size))}"
