"""Schedulers on instances, for people, for spreadsheets and for programs."""

from __future__ import annotations

from typing import Any

from placement_opt.compare import Compared, Comparison, Scheduled, Verdict
from placement_opt.report.machine import to_csv
from placement_opt.report.numbers import figure, full_seconds, percent, rates, seconds, seconds_column, times
from placement_opt.report.simulation import EFFORT_COLUMNS, effort_document
from placement_opt.report.table import facts, paragraph, table

_TIMES = ("latency_s", "above_roofline_s", "unavoidable_s", "own_s")
INSTANCE_COLUMNS = ("instance", "hash", "method", "status", "lower_bound_s", "roofline_s")
SCHEDULE_COLUMNS = (
    *("scheduler", "verdict", "latency_s", "unit", "per_s", "tokens_per_s", "gap", "times_bound"),
    *("above_roofline_s", "unavoidable_s", "own_s", "worth", *EFFORT_COLUMNS, "wall_s", "note"),
)

#: Relative differences below this are not worth a word.
_SAME = 5e-5


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """The JSON keys of a comparison; times in seconds."""
    return {"interrupted": comparison.interrupted, "instances": [compared_document(one) for one in comparison.instances]}


def compared_document(one: Compared) -> dict[str, Any]:
    """The JSON keys of one instance and its schedules."""
    proof, bound = one.proof, one.proof.bound
    return {
        "instance": proof.instance,
        "hash": proof.hash,
        "lower_bound_s": bound.lower_bound_s,
        "method": bound.method,
        "status": bound.status,
        "roofline_s": proof.roofline_s,
        "unavoidable_s": proof.unavoidable_s,
        **rates(proof.counts, "most_", proof.most_tokens_per_s),
        "solve_s": bound.solve_s,
        "rests_on": bound.rests_on,
        "note": bound.note,
        "sentences": comparison_sentences(one),
        "schedules": [_schedule(schedule, proof.counts) for schedule in one.schedules],
    }


def _schedule(schedule: Scheduled, unit: str) -> dict[str, Any]:
    return {
        "scheduler": schedule.scheduler,
        "verdict": schedule.verdict,
        "latency_s": schedule.latency_s,
        **rates(unit, "", schedule.tokens_per_s),
        "gap": schedule.gap,
        "times_bound": schedule.times_bound,
        "above_roofline_s": schedule.above_roofline_s,
        "unavoidable_s": schedule.unavoidable_s,
        "own_s": schedule.own_s,
        "worth": schedule.worth,
        **effort_document(schedule.effort),
        "wall_s": schedule.wall_s,
        "note": schedule.note,
    }


def comparison_csv(comparison: Comparison) -> str:
    """One line for each schedule, the columns named as the JSON keys."""
    rows = []
    for one in comparison.instances:
        whole = compared_document(one)
        head = [whole[key] for key in INSTANCE_COLUMNS]
        rows += [[*head, *(row[key] for key in SCHEDULE_COLUMNS)] for row in whole["schedules"]]
    return to_csv([*INSTANCE_COLUMNS, *SCHEDULE_COLUMNS], rows)


def comparison_text(comparison: Comparison) -> str:
    """A table for each instance, with what it says in sentences."""
    parts = [_instance_text(one) for one in comparison.instances]
    if comparison.interrupted:
        parts.append("interrupted: this is what was finished\n" if parts else "interrupted before anything was finished\n")
    return "\n".join(parts)


def _instance_text(one: Compared) -> str:
    proof, bound = one.proof, one.proof.bound
    head = [
        ("instance", f"{proof.instance} ({proof.hash[:12]})"),
        ("lower bound", f"{full_seconds(bound.lower_bound_s)}  ({bound.method}, {bound.status})"),
        ("roofline", full_seconds(proof.roofline_s)),
        ("note", bound.note),
    ]
    parts = [facts(head), _table(one), paragraph(" ".join(comparison_sentences(one)))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(one: Compared) -> str:
    rows, count = one.schedules, len(one.schedules)
    if not rows:
        return ""
    unit, cells = seconds_column([getattr(row, name) for name in _TIMES for row in rows])
    latency, above, unavoidable, own = (cells[at * count : (at + 1) * count] for at in range(len(_TIMES)))
    headers = [
        "scheduler",
        f"latency [{unit}]",
        f"{one.proof.counts}/s",
        "gap",
        "x bound",
        f"above roofline [{unit}]",
        "= unavoidable",
        "+ own",
        "",
    ]
    body = [
        [
            row.scheduler,
            latency[at],
            figure(row.tokens_per_s),
            percent(row.gap),
            times(row.times_bound),
            above[at],
            unavoidable[at],
            own[at],
            _remark(row),
        ]
        for at, row in enumerate(rows)
    ]
    if not any(line[-1] for line in body):
        headers, body = headers[:-1], [line[:-1] for line in body]
    return table(headers, body, "lrrrrrrrl"[: len(headers)])


def _remark(row: Scheduled) -> str:
    if row.verdict is Verdict.TIMED:
        return ""
    return f"{row.verdict}: {row.note}" if row.note else str(row.verdict)


def comparison_sentences(one: Compared) -> list[str]:
    """What the table says of the slowest scheduler and of the fastest, and of whose fault the distance is."""
    timed = one.timed
    if not timed or timed[0].times_bound is None:
        return []
    if timed[0].verdict is Verdict.BELOW_BOUND:
        return [complaint(one, timed[0])]
    fastest, slowest = timed[0], timed[-1]
    if len(timed) > 1 and fastest.gap == slowest.gap:
        names = [row.scheduler for row in one.schedules if row in timed]
        group = f"{', '.join(names[:-1])} and {names[-1]} are {'both' if len(names) == 2 else 'all'}"
        return [_verdict(fastest, group), *_shares(fastest, "their", "theirs")]
    sentences = [_verdict(slowest, f"{slowest.scheduler} is"), *_shares(slowest, "its", "its own")]
    return sentences if fastest is slowest else [*sentences, _verdict(fastest, f"{fastest.scheduler} is")]


def _verdict(row: Scheduled, subject: str) -> str:
    """``"static is 4.6x the bound; moving data optimally is worth at most 78 %."``"""
    if row.gap is not None and row.gap < _SAME:
        return f"{subject} at the bound: nothing is left to gain."
    near = row.times_bound is not None and row.times_bound < 1.5
    where = f"{percent(row.gap)} above the bound" if near else f"{times(row.times_bound)} the bound"
    return f"{subject} {where}; moving data optimally is worth at most {percent(row.worth)}."


def _shares(row: Scheduled, whose: str, own: str) -> list[str]:
    """How much of a scheduler's distance from the roofline is its own."""
    above, unavoidable, extra = row.above_roofline_s, row.unavoidable_s, row.own_s
    if above is None or unavoidable is None or extra is None or not row.latency_s or above / row.latency_s < _SAME:
        return []
    if unavoidable / above < _SAME:
        return [f"As far as this bound sees, all of {whose} {seconds(above)} above the roofline is {own}."]
    parts = f"{percent(unavoidable / above)} ({seconds(unavoidable)}) cannot be avoided by any policy"
    return [
        f"Of {whose} {seconds(above)} above the roofline, {parts} and {percent(extra / above)} ({seconds(extra)}) is {own}."
    ]


def complaint(one: Compared, row: Scheduled) -> str:
    """What is said, loudly, of a schedule that cannot be."""
    proof = one.proof
    if row.verdict is Verdict.BELOW_BOUND:
        return (
            f"{proof.instance}: scheduler {row.scheduler} takes {row.latency_s!r} s, LESS than the proven lower bound "
            f"{proof.bound.lower_bound_s!r} s ({proof.bound.method}): one of the two is wrong, please report this instance"
        )
    return f"{proof.instance}: {row.note}"
