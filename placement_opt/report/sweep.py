"""A sweep, for people, for spreadsheets and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from placement_opt.answer.verdict import TOLERANCE
from placement_opt.bounds.result import Status
from placement_opt.report.comparison import INSTANCE_COLUMNS, SCHEDULE_COLUMNS, compared_document
from placement_opt.report.judgement import NO_SCHEDULE, NONE_EXISTS, NOT_KNOWN, above_text, wide_text
from placement_opt.report.machine import to_csv
from placement_opt.report.meters import costs, objective_rows
from placement_opt.report.numbers import NOTHING, percent, seconds_column
from placement_opt.report.parts import assumption_rows
from placement_opt.report.table import facts, paragraph, table
from placement_opt.study.scheduled import Outcome, Scheduled
from placement_opt.study.sweep import Point, Sweep


def sweep_document(sweep: Sweep) -> dict[str, Any]:
    """The JSON keys of a sweep; times in seconds, values as they were given."""
    return {
        "file": str(sweep.file),
        "keys": [{"key": each.path, "values": each.values} for each in sweep.keys],
        "interrupted": sweep.interrupted,
        "points": [
            {
                "values": _values(sweep, point),
                **compared_document(point.compared),
                "from_neighbour": point.from_neighbour,
            }
            for point in sweep.points
        ],
    }


def sweep_csv(sweep: Sweep) -> str:
    """One line for each point and scheduler (one a point without schedulers), the columns named as the JSON keys."""
    keys = [each.path for each in sweep.keys]
    rows = []
    for point in sweep.points:
        whole = compared_document(point.compared)
        head = [*point.values, *(whole[key] for key in INSTANCE_COLUMNS)]
        schedules = whole["schedules"] or [dict.fromkeys(SCHEDULE_COLUMNS)]
        rows += [[*head, *(row[key] for key in SCHEDULE_COLUMNS)] for row in schedules]
    return to_csv([*keys, *INSTANCE_COLUMNS, *SCHEDULE_COLUMNS], rows)


def sweep_text(sweep: Sweep) -> str:
    """A line for each point; with one key also what each value saves against the one before it."""
    if not sweep.points:
        return "interrupted before any point was finished\n"
    proof = sweep.points[0].compared.proof
    head = [
        ("instance", f"{proof.instance} ({sweep.file})"),
        *objective_rows(proof.objective),
        *assumption_rows(proof.assumptions),
    ]
    parts = [facts(head), _table(sweep)]
    parts += [paragraph(text) for text in (*_methods(sweep), *_doubts(sweep), *_weak(sweep), *_troubles(sweep))]
    if sweep.interrupted:
        parts.append("interrupted: this is what was finished")
    return "\n\n".join(parts) + "\n"


def _values(sweep: Sweep, point: Point) -> dict[str, str]:
    return {key.path: value for key, value in zip(sweep.keys, point.values, strict=True)}


def _table(sweep: Sweep) -> str:
    points, alone = sweep.points, len(sweep.keys) == 1
    bounds = [point.compared.proof.bound.lower_bound_s for point in points]
    weak = [point.compared.proof.interval.weak for point in points]
    saved = _differences([None if each else bound for each, bound in zip(weak, bounds, strict=True)]) if alone else []
    names = [row.scheduler for row in points[0].compared.schedules]
    spent = [[point.compared.schedules[n].cost_s for point in points] for n in range(len(names))]
    columns = [[point.compared.proof.roofline_s for point in points], bounds, *([saved] if alone else []), *spent]
    unit, cells = seconds_column([value for column in columns for value in column])
    count = len(points)
    texts = [cells[n * count : (n + 1) * count] for n in range(len(columns))]
    headers = [key.name for key in sweep.keys] + [f"roofline [{unit}]", "bound", *(["saved"] if alone else [])]
    headers.append("known to")
    body = [list(column) for column in zip(*(point.values for point in points), strict=True)] + texts[: 3 if alone else 2]
    body.append([_known_to(point) for point in points])
    for n, name in enumerate(names):
        headers += [name, "above optimum"]
        body += [texts[len(texts) - len(names) + n], [_above(point.compared.schedules[n]) for point in points]]
    return table(headers, list(zip(*body, strict=True)), "r" * len(headers))


def _known_to(point: Point) -> str:
    interval = point.compared.proof.interval
    if _infeasible(point):
        return "no schedule"
    width = wide_text(interval.width)
    return f"{width} weak" if interval.weak else width


def _infeasible(point: Point) -> bool:
    """Whether it is proven that no schedule keeps the budgets there."""
    return point.compared.proof.bound.status is Status.INFEASIBLE


def _above(row: Scheduled) -> str:
    return NOTHING if row.judgement is None else above_text(row.judgement)


def _doubts(sweep: Sweep) -> list[str]:
    """At which points no schedule exists, or that is not known."""
    proofs = [(" ".join(point.values), point.compared.proof) for point in sweep.points]
    found = {NONE_EXISTS: False, NOT_KNOWN: None}
    where = {text: [values for values, proof in proofs if proof.packable is known] for text, known in found.items()}
    where[NO_SCHEDULE] = [" ".join(point.values) for point in sweep.points if _infeasible(point)]
    return [f"At {', '.join(values)}: {text[0].lower()}{text[1:]}" for text, values in where.items() if values]


def _weak(sweep: Sweep) -> list[str]:
    """At which points no policy can be judged, and what to do."""
    proofs = [(" ".join(point.values), point.compared.proof) for point in sweep.points if not _infeasible(point)]
    where = [values for values, proof in proofs if proof.packable and proof.interval.weak]
    if not where:
        return []
    needed = (
        f"the optimum is not known to {percent(TOLERANCE)}, so neither policies nor what a step saves can be judged there yet"
    )
    return [f"Weak at {', '.join(where)}: {needed}; a tighter --method, a longer --time-limit or bound --gap goes on."]


def _differences(values: Sequence[float | None]) -> list[float | None]:
    """What each value is below the one before it."""
    return [None, *(None if a is None or b is None else a - b for a, b in pairwise(values))]


def _methods(sweep: Sweep) -> list[str]:
    """Which methods and statuses the bounds have, and where a neighbour's prices gave them."""
    found: dict[str, int] = {}
    for point in sweep.points:
        bound = point.compared.proof.bound
        name = f"{bound.method} ({bound.status})"
        found[name] = found.get(name, 0) + 1
    parts = [f"{name} at {count} of {len(sweep.points)} points" if len(found) > 1 else name for name, count in found.items()]
    text = f"Bounds: {'; '.join(parts)}."
    lent = [" ".join(point.values) for point in sweep.points if point.from_neighbour]
    if lent:
        text += f" By the prices of a neighbouring point: {', '.join(lent)}."
    return [text]


def _troubles(sweep: Sweep) -> list[str]:
    rows = sweep.of(*(outcome for outcome in Outcome if outcome is not Outcome.TIMED))
    return [f"{' '.join(point.values)}: {_trouble(row, point.compared.proof.objective)}" for point, row in rows]


def _trouble(row: Scheduled, objective: str) -> str:
    if row.outcome is Outcome.BELOW_BOUND:
        spends = f"scheduler {row.scheduler} {costs(objective)} LESS than the proven lower bound"
        return f"{spends}: one of the two is wrong, please report this"
    return f"{row.scheduler} {row.outcome}: {row.note or NOTHING}"
