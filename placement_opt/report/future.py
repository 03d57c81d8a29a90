"""What knowing the future is worth, for people, for spreadsheets, for programs and as a picture."""

from __future__ import annotations

import math
from typing import Any

from placement_opt.report.comparison import compared_document
from placement_opt.report.machine import to_csv
from placement_opt.report.meters import objective_rows
from placement_opt.report.numbers import NOTHING, full_seconds, percent, seconds, seconds_column, time_unit
from placement_opt.report.picture import STYLE, check_installed, check_place, make_log, picture_bytes
from placement_opt.report.table import facts, paragraph, table
from placement_opt.study.future import POLICIES, WHOLE, Future

_BOUND, _ONLINE, _SAVED = "#111111", "#777777", "#e8f1f8"
_COLOURS, _WHOLE, _MARKS = ("#0072B2", "#D55E00"), "#009E73", "os"
#: Shares of the distance below this are rounding.
_SAME = 5e-4


def future_document(found: Future) -> dict[str, Any]:
    """The JSON keys: times in seconds, shares of the distance from the best online policy to the bound."""
    whole = compared_document(found.comparison.instances[0])
    return {
        "instance": whole["instance"],
        "hash": whole["hash"],
        "objective": found.proof.objective,
        "lower_bound_s": found.proof.bound.lower_bound_s,
        "method": found.proof.bound.method,
        "best_online": found.best_online,
        "online_s": found.online_s,
        "distance_s": found.distance_s,
        "windows": found.to_records()[1:],
        "interrupted": found.interrupted,
        "sentences": future_sentences(found),
        "schedules": whole["schedules"],
    }


def future_csv(found: Future) -> str:
    """One line for the best online policy and one for each window, the columns named as the JSON keys."""
    rows = found.to_records()
    return to_csv(list(rows[0]), [list(row.values()) for row in rows])


def future_text(found: Future) -> str:
    """A line for each window, then what they say."""
    proof, rows = found.proof, found.to_records()
    best = "" if found.online_s is None else f"{full_seconds(found.online_s)}  ({found.best_online})"
    head = [
        ("instance", f"{proof.instance} ({proof.hash[:12]})"),
        *objective_rows(proof.objective),
        ("lower bound", f"{full_seconds(proof.bound.lower_bound_s)}  ({proof.bound.method}, {proof.bound.status})"),
        ("best online", best),
        ("note", proof.bound.note),
    ]
    policies = [*POLICIES, *([WHOLE] if any(row[f"{WHOLE}_s"] is not None for row in rows) else [])]
    names = [*(f"{name}_s" for name in policies), "known_s", "saved_s"]
    unit, cells = seconds_column([row[name] for name in names for row in rows])
    texts = [cells[n * len(rows) : (n + 1) * len(rows)] for n in range(len(names))]
    known = ["none", *("all" if one.whole else f"{one.steps:,}" for one in found.windows)]
    shares = [NOTHING, *(share_text(one.share) for one in found.windows)]
    headers = ["steps known", *(f"{name} [{unit}]" for name in policies), "best by then", "saved", "of the distance"]
    body = table(headers, list(zip(known, *texts, shares, strict=True)), "r" * len(headers))
    parts = [facts(head), body, paragraph(" ".join(future_sentences(found)))]
    if found.interrupted:
        parts.append("interrupted: this is what was finished")
    return "\n\n".join(part for part in parts if part) + "\n"


def share_text(share: float | None) -> str:
    """A share of the distance; 0 where it is rounding."""
    return percent(0.0 if share is not None and abs(share) < _SAME else share)


def future_sentences(found: Future) -> list[str]:
    """What the nearest and all of the future are worth, from where on more does not help, and what is left."""
    if found.online_s is None:
        return ["No online policy was timed."]
    distance = found.distance_s
    if distance is None:
        return ["No bound is known, so that no distance is."]
    share = percent(distance / found.online_s)
    said = [f"From {found.best_online} to the bound it is {seconds(distance)}, {share} of what it takes."]
    windows = [one for one in found.windows if one.share is not None and one.saved_s is not None]
    if not windows or distance <= 0:
        return said
    first, last = windows[0], windows[-1]
    said.append(f"Knowing {_steps(first.steps, whole=first.whole)} ahead saves {_saving(first.saved_s, first.share)}.")
    enough = next(one for one in windows if (last.share or 0.0) - (one.share or 0.0) < _SAME)
    if last is not first:
        said.append(f"Knowing {_steps(last.steps, whole=last.whole)} saves {_saving(last.saved_s, last.share)}.")
        if enough is not last and (last.share or 0.0) >= _SAME:
            said.append(f"From {_steps(enough.steps, whole=enough.whole)} on, more does not help these policies.")
    left = 1.0 - (last.share or 0.0)
    if left >= _SAME:
        said.append(f"{percent(left)} of the distance none of them goes: the bound may be too low, or they are not the best.")
    return said


def _steps(steps: int, *, whole: bool) -> str:
    return "the whole trace" if whole else f"{steps:,} step{'s' if steps > 1 else ''}"


def _saving(saved_s: float | None, share: float | None) -> str:
    if share is None or abs(share) < _SAME:
        return "nothing"
    return f"{seconds(saved_s)}, {percent(share)} of the distance"


def check_picture(path: str) -> None:
    """Refuse, before anything is computed, a picture that cannot be drawn; InputError says why."""
    check_place(path, "--plot")
    check_installed("curve", "--plot")


def draw(found: Future, path: str) -> bytes:
    """The picture's bytes: the policies over the steps known, between the best online policy and the bound."""
    import matplotlib
    from matplotlib.figure import Figure

    x = [one.steps for one in found.windows]
    values = [found.online_s, found.proof.bound.lower_bound_s]
    values += [row.cost_s for one in found.windows for row in one.schedules]
    factor, unit = time_unit(max((value for value in values if value is not None), default=1.0))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 3.6), layout="constrained", dpi=160)
        axes = figure.subplots()
        make_log(axes.xaxis)
        for n, name in enumerate(POLICIES):
            y = [math.nan if (cost := one.schedules[n].cost_s) is None else cost / factor for one in found.windows]
            axes.plot(x, y, _MARKS[n], ls="-", color=_COLOURS[n], mfc="none", lw=1.1, ms=5.5, label=name)
        whole = [(one.steps, row.cost_s) for one in found.windows for row in one.schedules[len(POLICIES) :]]
        for steps, cost in whole:
            if cost is not None:
                axes.plot([steps], [cost / factor], "D", color=_WHOLE, mfc="none", ms=5.5, label=WHOLE)
        if found.online_s is not None:
            axes.axhline(found.online_s / factor, color=_ONLINE, lw=1.0, ls=(0, (4, 3)), label=f"{found.best_online} (online)")
            known = [math.nan if one.known_s is None else one.known_s / factor for one in found.windows]
            top = [found.online_s / factor] * len(x)
            axes.fill_between(x, known, top, color=_SAVED, step=None, zorder=0, label="worth of knowing")
        if found.proof.bound.lower_bound_s is not None:
            axes.axhline(found.proof.bound.lower_bound_s / factor, color=_BOUND, lw=1.8, label="lower bound")
        axes.set_xlabel("steps known")
        axes.set_ylabel(f"{'total time' if found.proof.objective == 'time' else 'objective'} [{unit}]")
        figure.suptitle(found.proof.instance, fontsize=10)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper")
        return picture_bytes(figure, path)
