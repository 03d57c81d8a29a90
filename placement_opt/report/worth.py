"""What more of everything is worth, for people and for programs."""

from __future__ import annotations

import math
from typing import Any

from placement_opt.base.units import format_rate, format_requests, format_size
from placement_opt.report.meters import costs, objective_rows
from placement_opt.report.numbers import full_seconds, percent, seconds, seconds_column
from placement_opt.report.table import facts, paragraph, table
from placement_opt.study.worths import RateWorth, RoomWorth, Trial, Worth

#: Savings below this share of the bound are rounding.
_SAME = 1e-9
_HEADERS = ("more of", "has", "saves at the margin", "of the time", "of the steps", "with")


def worth_document(worth: Worth) -> dict[str, Any]:
    """The JSON keys: seconds saved per GiB (2**30 bytes) and per GB/s (10**9 bytes/s), predictions and what came of them."""
    return {
        "method": worth.method,
        "objective": worth.objective,
        "lower_bound_s": worth.lower_bound_s,
        "budgets": [{"budget": each.budget, "unit": each.unit, "seconds_per_unit": each.per_unit_s} for each in worth.budgets],
        "room": [
            {
                "tier": each.tier,
                "capacity_bytes": each.capacity,
                "seconds_per_gib": each.per_gib_s,
                "trials": [_trial(trial, "extra_bytes") for trial in each.trials],
            }
            for each in worth.room
        ],
        "rates": [
            {
                "resource": each.resource,
                "unit": each.unit,
                "rate_bytes_per_s": each.rate // each.scale if each.unit == "bytes" else None,
                "rate_per_s": each.rate // each.scale,
                "seconds_per_gb_per_s": each.per_gb_s,
                "share_of_time": each.share_of_time,
                "share_of_steps": each.share_of_steps,
                "trials": [_trial(trial, "extra_bytes_per_s", each.scale) for trial in each.trials],
            }
            for each in worth.rates
        ],
        "floor_share_of_time": worth.floor_share,
        "unexplained_share_of_time": worth.unexplained,
        "known_to": worth.interval.width,
        "weak": worth.weak,
        "unfinished": worth.unfinished,
        "note": worth.note,
        "sentences": worth_sentences(worth),
    }


def _trial(trial: Trial, extra: str, scale: int = 1) -> dict[str, Any]:
    return {
        "share": trial.share,
        extra: trial.extra // scale,
        "predicted_s": trial.predicted_s,
        "actual_s": trial.actual_s,
        "held": trial.held,
        "lower_bound_s": trial.lower_bound_s,
        "status": trial.status,
        "solved_again": trial.solved,
    }


def worth_text(worth: Worth) -> str:
    """A table with a line for each tier's room and each resource's rate, and for each trial; then what it says."""
    trials = [trial for each in worth.things for trial in each.trials if trial.predicted_s]
    unit, cells = seconds_column([value for trial in trials for value in (trial.predicted_s, trial.actual_s)])
    texts = {id(trial): tuple(cells[2 * n : 2 * n + 2]) for n, trial in enumerate(trials)}
    rows: list[list[str]] = []
    for each in worth.things:
        rows += _rows(each, texts)
    headers = [*_HEADERS, f"predicted [{unit}]", f"actual [{unit}]", "held"]
    if all(trial.actual_s is None for trial in trials):  # nothing was solved again, or nothing has a price
        headers, rows = headers[:-2], [row[:-2] for row in rows]
    bound = f"the {worth.method} bound, {full_seconds(worth.lower_bound_s)}"
    head = [
        *objective_rows(worth.objective),
        ("prices of", f"{bound} (weak, as far as is known)" if worth.weak else bound),
        ("note", worth.note),
    ]
    parts = [facts(head), table(headers, rows, "lrrrrrrrr"[: len(headers)]), paragraph(" ".join(worth_sentences(worth)))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _rows(each: RoomWorth | RateWorth, texts: dict[int, tuple[str, ...]]) -> list[list[str]]:
    if isinstance(each, RoomWorth):
        first = [f"{each.tier}: room", format_size(each.capacity), _per(each.per_gib_s, "per GiB"), "", ""]
    else:
        binds = [_share(each.share_of_time), _share(each.share_of_steps)]
        per = _per(each.per_gb_s, "per GB/s") if each.unit == "bytes" else _per(each.per_gb_s / 1e3, "per MIOPS")
        first = [f"{each.resource}: rate", _rate(each, each.rate), per, *binds]
    more = [[_more(each, trial), *_came(trial, *texts[id(trial)])] for trial in each.trials if id(trial) in texts]
    if not more:
        return [[*first, "", "", "", ""]]
    return [[*(first if n == 0 else [""] * len(first)), *cells] for n, cells in enumerate(more)]


def _came(trial: Trial, predicted: str, actual: str) -> list[str]:
    """What a trial was to save, what it saved, and how much of the prediction that is."""
    return [predicted, "not solved", ""] if trial.actual_s is None else [predicted, actual, _share(trial.held)]


def _more(each: RoomWorth | RateWorth, trial: Trial) -> str:
    """``"4.5 GB/s (1.0 %)"``"""
    if isinstance(each, RoomWorth):
        return f"{format_size(trial.extra)} ({percent(trial.extra / each.capacity)})"
    return f"{_rate(each, trial.extra)} ({percent(trial.extra / each.rate)})"


def _rate(each: RateWorth, rate: int) -> str:
    """A rate of the resource as its owner would say it."""
    return format_rate(rate / each.scale) if each.unit == "bytes" else format_requests(rate / each.scale)


def _share(value: float | None) -> str:
    """Per cent of what is right to nine digits only: 1 - 1e-15 is all."""
    return percent(None if value is None else round(value, 9))


def _per(value: float, unit: str) -> str:
    return f"{seconds(value)} {unit}" if value else "nothing"


def worth_sentences(worth: Worth) -> list[str]:
    """What binds, where a little more saves most, and what the predictions are good for."""
    bound, verb, least = worth.lower_bound_s, costs(worth.objective), seconds(worth.lower_bound_s)
    binding = sorted((each for each in worth.rates if each.share_of_time >= 5e-3), key=lambda each: -each.share_of_time)
    parts = [f"{_share(each.share_of_time)} is {each.resource}" for each in binding]
    if worth.floor_share >= 5e-3:
        parts.append(f"{_share(worth.floor_share)} the floor under the steps' times")
    sentences = [_weakness(worth)] if worth.weak else []
    if parts:
        sentences.append(f"Of the bound's time {_listed(parts)}.")
    if worth.unexplained >= 5e-3:
        sentences.append(
            f"{_share(worth.unexplained)} of it these prices do not explain: they are not the best for this bound."
        )
    found = [(_gain(each.trials[0]), each) for each in worth.things if each.trials and each.trials[0].predicted_s]
    if found and bound > 0 and not worth.weak:
        gain, most = max(found, key=lambda pair: pair[0])
        where = f"in {most.tier}" if isinstance(most, RoomWorth) else f"at {most.resource}"
        more = f"{_more(most, most.trials[0])} more {where}"
        sentences.append(f"Of the first trials, {more} saves most: {percent(gain / bound)} of the bound.")
    sentences += [
        f"With more room in {each.tier} no policy {verb} less than {least} less {seconds(each.per_gib_s)} for each GiB."
        for each in worth.room
        if each.price_s
    ]
    sentences += [
        f"One more {each.unit} in the budget {each.budget} saves {seconds(each.per_unit_s)} at the margin."
        for each in worth.budgets
        if each.per_unit_s
    ]
    if any(each.trials and (each.trials[0].actual_s or 0.0) < -_SAME * bound for each in worth.things):
        sentences.append("A saving below zero says that the bound was not the best: what is proven with more holds with less.")
    if worth.unfinished:
        sentences.append("Some trials were not solved within the limits.")
    return sentences


def _weakness(worth: Worth) -> str:
    """Why these prices are no guide yet."""
    best = worth.interval.best_s
    if math.isinf(best):
        known = "no schedule is known that shows how close this bound is"
    else:
        known = f"the best schedule known {costs(worth.objective)} {seconds(best)}, the bound is {seconds(worth.lower_bound_s)}"
    return f"Weak, as far as is known: {known}. These prices are those of the proof as it stands and need not be the machine's."


def _gain(trial: Trial) -> float:
    return trial.predicted_s if trial.actual_s is None else trial.actual_s


def _listed(parts: list[str]) -> str:
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]
