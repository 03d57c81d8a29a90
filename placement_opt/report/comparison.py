"""Schedulers on instances, for people, for spreadsheets and for programs."""

from __future__ import annotations

from typing import Any

from placement_opt.base.units import format_energy
from placement_opt.bounds.result import Status
from placement_opt.report.hits import CEILING_COLUMNS, RATE_COLUMNS, ceiling_document, ceiling_text, rates_document
from placement_opt.report.judgement import (
    NO_SCHEDULE,
    above_sentence,
    above_text,
    binds_text,
    interval_document,
    interval_sentence,
    judgement_document,
    unavoidable_sentence,
    unavoidable_text,
)
from placement_opt.report.machine import to_csv
from placement_opt.report.meters import TIME, costs, energy_document, lifetime_text, objective_rows
from placement_opt.report.numbers import NOTHING, figure, full_seconds, percent, rates, seconds_column
from placement_opt.report.parts import assumption_rows, assumptions_info
from placement_opt.report.simulation import EFFORT_COLUMNS, effort_document
from placement_opt.report.table import facts, paragraph, table
from placement_opt.report.why import WHY_COLUMNS, csv_values, why_documents, why_text
from placement_opt.study.comparison import Comparison
from placement_opt.study.scheduled import Compared, Outcome, Scheduled

INSTANCE_COLUMNS = ("instance", "hash", "method", "status", "lower_bound_s", "roofline_s", "best_s", "known_to", "weak")
SCHEDULE_COLUMNS = (
    *("scheduler", "outcome", "verdict", "latency_s", "unit", "per_s", "tokens_per_s", "gap", "times_bound"),
    *("above_optimum_least", "above_optimum_most", "above_roofline_s", "unavoidable_least", "unavoidable_most"),
    *("unavoidable_s", "own_s", "worth", *EFFORT_COLUMNS, "wall_s", "note"),
    *("objective_s", "joules", "joules_per_unit", "joules_per_token", "lifetime_s", "would_miss"),
    *(*RATE_COLUMNS, *CEILING_COLUMNS),
)


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """The JSON keys of a comparison; times in seconds."""
    return {"interrupted": comparison.interrupted, "instances": [compared_document(one) for one in comparison.instances]}


def compared_document(one: Compared) -> dict[str, Any]:
    """The JSON keys of one instance and its schedules."""
    proof, bound, why = one.proof, one.proof.bound, why_documents(one)
    return {
        "instance": proof.instance,
        "hash": proof.hash,
        **({"setting": dict(one.setting)} if one.setting else {}),
        "objective": proof.objective,
        "lower_bound_s": bound.lower_bound_s,
        "method": bound.method,
        "status": bound.status,
        "roofline_s": proof.roofline_s,
        "unavoidable_s": proof.unavoidable_s,
        **rates(proof.counts, "most_", proof.most_tokens_per_s),
        **interval_document(proof),
        "solve_s": bound.solve_s,
        "rests_on": bound.rests_on,
        "note": bound.note,
        "sentences": comparison_sentences(one),
        "schedules": [_schedule(schedule, proof.counts) | {"why": why.get(schedule.scheduler)} for schedule in one.schedules],
        **assumptions_info(proof.assumptions),
    }


def _schedule(schedule: Scheduled, unit: str) -> dict[str, Any]:
    return {
        "scheduler": schedule.scheduler,
        "outcome": schedule.outcome,
        **judgement_document(schedule.judgement),
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
        "objective_s": schedule.cost_s,
        **energy_document(unit, schedule.joules, schedule.joules_each),
        "lifetime_s": schedule.lifetime_s,
        "would_miss": schedule.would_miss,
        **rates_document(schedule.hits),
        **ceiling_document(None if schedule.hits is None else schedule.hits.ceiling),
    }


def comparison_csv(comparison: Comparison) -> str:
    """One line for each schedule, the columns named as the JSON keys; before them those keys that were set."""
    rows, keys = [], [key for key, _ in comparison.instances[0].setting] if comparison.instances else []
    for one in comparison.instances:
        whole = compared_document(one)
        head = [*(value for _, value in one.setting), *(whole[key] for key in INSTANCE_COLUMNS)]
        rows += [[*head, *(row[key] for key in SCHEDULE_COLUMNS), *csv_values(row["why"])] for row in whole["schedules"]]
    return to_csv([*keys, *INSTANCE_COLUMNS, *SCHEDULE_COLUMNS, *WHY_COLUMNS], rows)


def comparison_text(comparison: Comparison, *, why: bool = False) -> str:
    """A table for each instance, with what it says in sentences; ``why``: and where each scheduler loses."""
    parts = [_instance_text(one, why) for one in comparison.instances]
    if comparison.interrupted:
        parts.append("interrupted: this is what was finished\n" if parts else "interrupted before anything was finished\n")
    return "\n".join(parts)


def _instance_text(one: Compared, why: bool) -> str:
    proof, bound, infeasible = one.proof, one.proof.bound, one.proof.bound.status is Status.INFEASIBLE
    head = [
        ("instance", f"{proof.instance} ({proof.hash[:12]})"),
        ("set", ", ".join(f"{key}={value}" for key, value in one.setting)),
        *objective_rows(proof.objective),
        ("lower bound", "" if infeasible else f"{full_seconds(bound.lower_bound_s)}  ({bound.method}, {bound.status})"),
        ("status", f"{bound.status}  ({bound.method})" if infeasible else ""),
        ("roofline", full_seconds(proof.roofline_s)),
        ("best known", f"{full_seconds(proof.best_s)}  ({proof.best_from})" if proof.best_s is not None else ""),
        ("binds", binds_text(proof.binds, proof.interval)),
        ("hits", _ceiling_said(one)),
        ("note", bound.note),
        *assumption_rows(proof.assumptions),
    ]
    parts = [facts(head), _table(one), why_text(one) if why else "", paragraph(" ".join(comparison_sentences(one)))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _ceiling_said(one: Compared) -> str:
    """The most that any policy could hit; "" where no schedule was timed."""
    hits = next((row.hits for row in one.schedules if row.hits is not None), None)
    return "" if hits is None else ceiling_text(hits.ceiling, hits.tiers[hits.fastest])


def _table(one: Compared) -> str:
    rows, count, columns = one.schedules, len(one.schedules), ["latency"]
    if not rows:
        return ""
    if one.proof.objective != TIME:
        columns = ["objective", "latency"]
    values = [[row.latency_s if name == "latency" else row.cost_s for row in rows] for name in columns]
    unit, cells = seconds_column([value for column in (*values, [row.above_roofline_s for row in rows]) for value in column])
    texts, above = [cells[n * count : (n + 1) * count] for n in range(len(columns))], cells[-count:]
    more = [(name, cells) for name, cells in further_columns(one) if any(cell != NOTHING for cell in cells)]
    headers = [
        "scheduler",
        *(f"{name} [{unit}]" for name in columns),
        f"{one.proof.counts}/s",
        *(name for name, _ in more),
        "above optimum",
        f"above roofline [{unit}]",
        "unavoidable",
        "verdict",
        "",
    ]
    body = [
        [
            row.scheduler,
            *(column[at] for column in texts),
            figure(row.tokens_per_s),
            *(column[at] for _, column in more),
            *_judged(row, above[at]),
            remark(row),
        ]
        for at, row in enumerate(rows)
    ]
    if not any(line[-1] for line in body):
        headers, body = headers[:-1], [line[:-1] for line in body]
    return table(headers, body, f"l{'r' * (len(columns) + len(more) + 4)}ll"[: len(headers)])


def further_columns(one: Compared) -> list[tuple[str, list[str]]]:
    """Hits, and what not every memory system or scheduler says anything of: energy, how long the tier lasts that lasts the
    shortest, and what would have been missed, had it been dropped."""
    hits = [NOTHING if row.hits is None else percent(row.hits.rate) for row in one.schedules]
    joules = [NOTHING if row.joules_each is None else format_energy(row.joules_each) for row in one.schedules]
    return [
        ("hits", hits),
        (f"energy a {one.proof.counts[:-1]}", joules),
        ("lifetime", [lifetime_text(row.lifetime_s) for row in one.schedules]),
        ("would miss", [NOTHING if row.would_miss is None else percent(row.would_miss) for row in one.schedules]),
    ]


def _judged(row: Scheduled, above: str) -> list[str]:
    """The cells from "above optimum" to "verdict"."""
    if row.judgement is None:
        return [NOTHING, above, NOTHING, NOTHING]
    return [above_text(row.judgement), above, unavoidable_text(row.judgement) or NOTHING, row.judgement.verdict]


def remark(row: Scheduled) -> str:
    """What is to be said of a row besides its numbers; "" where nothing is."""
    if row.outcome is Outcome.TIMED:
        return ""
    if row.outcome is Outcome.OVER_BUDGET:
        return row.note  # which says so
    return f"{row.outcome}: {row.note}" if row.note else str(row.outcome)


def comparison_sentences(one: Compared) -> list[str]:
    """Where the optimum lies, and what that says of the worst scheduler and of the best; or that there is no schedule."""
    if one.proof.bound.status is Status.INFEASIBLE:
        return [NO_SCHEDULE]
    timed, known = one.timed, interval_sentence(one.proof)
    if not timed or one.proof.bound.lower_bound_s is None:
        return _said(known)
    fastest, slowest = timed[0], timed[-1]
    if fastest.judgement is None:
        return [complaint(one, fastest)]
    if len(timed) > 1 and fastest.cost_s == slowest.cost_s:
        names = [row.scheduler for row in one.schedules if row in timed]
        group = f"{', '.join(names[:-1])} and {names[-1]} are {'both' if len(names) == 2 else 'all'}"
        return _said(known, *_of(fastest, group, "their"))
    sentences = [*_of(slowest, f"{slowest.scheduler} is", "its")]
    if fastest is not slowest:
        sentences += _of(fastest, f"{fastest.scheduler} is", "its")[:1]
    return _said(known, *sentences)


def _said(*sentences: str) -> list[str]:
    return [sentence for sentence in sentences if sentence]


def _of(row: Scheduled, subject: str, whose: str) -> list[str]:
    """How far one is above the optimum, and how much of its distance from the roofline no policy can avoid."""
    if row.judgement is None:
        return []
    return [above_sentence(row.judgement, subject), unavoidable_sentence(row.judgement, row.above_roofline_s, whose)]


def complaint(one: Compared, row: Scheduled) -> str:
    """What is said, loudly, of a schedule that cannot be."""
    proof = one.proof
    if row.outcome is Outcome.BELOW_BOUND:
        spends = f"scheduler {row.scheduler} {costs(proof.objective)} {row.cost_s!r} s"
        return (
            f"{one.label}: {spends}, LESS than the proven lower bound "
            f"{proof.bound.lower_bound_s!r} s ({proof.bound.method}): one of the two is wrong, please report this instance"
        )
    return f"{one.label}: {row.note}"
