"""A scheduler over its knobs, for people, for spreadsheets and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from placement_opt.answer.verdict import Verdict
from placement_opt.report.comparison import compared_document
from placement_opt.report.judgement import above_text
from placement_opt.report.machine import to_csv
from placement_opt.report.numbers import NOTHING, percent, seconds_column
from placement_opt.report.table import facts, paragraph, table
from placement_opt.study.knobs import Knob
from placement_opt.study.scheduled import Outcome, Scheduled
from placement_opt.study.tuned import AS_GOOD, Tuned, Tuning

#: Settings and instances up to which every regret is printed.
_MOST_ROWS, _MOST_COLUMNS = 40, 6


def tuning_document(found: Tuning) -> dict[str, Any]:
    """The JSON keys of a tuning; times in seconds, regrets as shares, settings as names of schedulers."""
    settings = found.settings
    specs = [settings.spec(one) for one in settings.combinations]
    return {
        "scheduler": settings.head,
        "knobs": [{"key": knob.key, "default": knob.default, "values": knob.values} for knob in settings.knobs],
        "interrupted": found.interrupted,
        "default": settings.spec(settings.defaults),
        "overall": _spec(specs, found.overall),
        "mean_regret": {which: found.mean_regret(which) for which in ("default", "overall", "carried")},
        "carries": found.carries,
        "sentences": tuning_sentences(found),
        "instances": [
            {
                "name": one.name,
                "best": _spec(specs, one.best),
                "carried": _spec(specs, one.carried),
                "default_regret": one.regret(one.default),
                "carried_regret": one.regret(one.carried),
                "regrets": [one.regret(at) for at in range(len(specs))],
                **compared_document(one.compared),
            }
            for one in found.instances
        ],
    }


def tuning_csv(found: Tuning) -> str:
    """One line for each instance and setting."""
    rows = found.to_records()
    headers = list(rows[0]) if rows else ["instance"]
    return to_csv(headers, [[row[key] for key in headers] for row in rows])


def tuning_text(found: Tuning) -> str:
    """What was tried, a line for each instance, every regret where that is not too much, and what it comes to in sentences."""
    settings = found.settings
    head = [("scheduler", settings.head), *((f"  {knob.key}", _tried(knob)) for knob in settings.knobs)]
    head.append(("settings", f"{len(settings.combinations)}, the default included"))
    parts = [facts(head), _table(found)]
    if len(settings.combinations) <= _MOST_ROWS and len(found.instances) <= _MOST_COLUMNS:
        parts.append(_regrets(found))
    parts += [paragraph(text) for text in tuning_sentences(found)]
    if found.interrupted:
        parts.append("interrupted: this is what was finished")
    return "\n\n".join(parts) + "\n"


def tuning_sentences(found: Tuning) -> list[str]:
    """What the knobs are worth: on each instance, over all of them, and on those that were not tuned on."""
    few = len(found.instances) <= _MOST_COLUMNS
    texts = [_sentence(one, found) for one in found.instances if few or one.best is None]
    default, overall = found.mean_regret("default"), found.mean_regret("overall")
    if len(found.instances) < 2 or default is None or overall is None:
        return texts
    many, best = len(found.instances), found.settings.combinations[found.overall or 0]
    if default <= AS_GOOD:
        texts.append(f"Over {many} instances the default is within {percent(max(default, 0.0))} of each one's best setting.")
        return texts
    text = (
        f"Over {many} instances the default costs {percent(default)} more than each one's best setting; one setting for all, "
    )
    texts.append(f"{text}{_values(found, best)}, costs {percent(overall)} more.")
    carried, share = found.mean_regret("carried"), found.carries
    if carried is not None and share is not None:
        text = f"Chosen on the other instances, a setting costs {percent(carried)} more than the best"
        if share <= 0:
            texts.append(f"{text}: what was tuned elsewhere is no better than the default.")
        else:
            texts.append(f"{text}: {percent(share)} of what tuning wins over the default carries over.")
    return texts


def complaints(found: Tuning) -> list[str]:
    """What contradicts a bound or the rules, or was not timed; the same once for each instance."""
    texts = []
    for one in found.instances:
        rows = [row for row in one.compared.schedules if row.outcome is not Outcome.TIMED]
        notes = dict.fromkeys((str(row.outcome), row.note) for row in rows)
        for outcome, note in notes:
            same = [row.scheduler for row in rows if (str(row.outcome), row.note) == (outcome, note)]
            which = same[0] if len(same) == 1 else f"{len(same)} settings of {found.settings.head}"
            texts.append(f"{one.name}: {which} {outcome}{f': {note}' if note else ''}")
    return texts


def _sentence(one: Tuned, found: Tuning) -> str:
    regret = one.regret(one.default)
    if one.best is None:
        return f"{one.name}: no setting could be timed."
    row, values = one.compared.schedules[one.best], _values(found, found.settings.combinations[one.best])
    if regret is None:
        text = f"{one.name}: the default could not be timed; the best setting is {values}"
    elif one.best == one.default:
        text = f"{one.name}: no setting is better than the default"
    elif regret <= AS_GOOD:
        text = f"{one.name}: the default is within {percent(regret)} of the best setting, {values}"
    else:
        text = f"{one.name}: the default costs {percent(regret)} more than the best setting, {values}"
    return f"{text}{_left(row)}."


def _left(row: Scheduled) -> str:
    """What no setting wins back, where the optimum is known closely enough to say so."""
    judgement = row.judgement
    if judgement is None or judgement.verdict is Verdict.UNKNOWN or judgement.above_most is None:
        return ""
    return f", which is {above_text(judgement)} above the optimum"


def _table(found: Tuning) -> str:
    rows, several = found.instances, len(found.instances) > 1
    costs = [[one.compared.proof.bound.lower_bound_s for one in rows]]
    costs += [[_cost(one, one.default) for one in rows], [_cost(one, one.best) for one in rows]]
    unit, cells = seconds_column([value for column in costs for value in column])
    columns = [cells[n * len(rows) : (n + 1) * len(rows)] for n in range(3)]
    headers = ["instance", f"bound [{unit}]", "default", "best", "at", "default's regret", "best above optimum"]
    body = [[one.name for one in rows], *columns, [_at(found, one.best) for one in rows]]
    body += [[percent(one.regret(one.default)) for one in rows], [_above(one) for one in rows]]
    if several:
        headers += ["chosen on the others", "its regret"]
        body += [[_at(found, one.carried) for one in rows], [percent(one.regret(one.carried)) for one in rows]]
    return table(headers, list(zip(*body, strict=True)), "lrrrlrrlr"[: len(headers)])


def _regrets(found: Tuning) -> str:
    """Every setting's regret on every instance."""
    settings = found.settings
    headers = [*(knob.key for knob in settings.knobs), *(one.name for one in found.instances)]
    body = []
    for at, values in enumerate(settings.combinations):
        marks = ["  best" if at == one.best else "" for one in found.instances]
        regrets = [f"{percent(one.regret(at))}{mark}" for one, mark in zip(found.instances, marks, strict=True)]
        body.append([*values, *regrets])
    text = table(headers, body, "r" * len(settings.knobs) + "l" * len(found.instances))
    return f"regret of every setting (the first line is the default):\n\n{text}" if _default_first(found) else text


def _default_first(found: Tuning) -> bool:
    return found.settings.combinations[0] == found.settings.defaults


def _tried(knob: Knob) -> str:
    return f"{', '.join(knob.values)}  (default {knob.default})"


def _values(found: Tuning, combination: Sequence[str]) -> str:
    return ", ".join(f"{knob.key}={value}" for knob, value in zip(found.settings.knobs, combination, strict=True))


def _at(found: Tuning, position: int | None) -> str:
    return NOTHING if position is None else _values(found, found.settings.combinations[position])


def _cost(one: Tuned, at: int | None) -> float | None:
    return None if at is None else one.compared.schedules[at].cost_s


def _above(one: Tuned) -> str:
    judgement = None if one.best is None else one.compared.schedules[one.best].judgement
    return NOTHING if judgement is None else above_text(judgement)


def _spec(specs: Sequence[str], at: int | None) -> str | None:
    return None if at is None else specs[at]
