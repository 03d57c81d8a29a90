"""A fit for people and for programs, and as the table that instance files take."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from placement_opt.answer.verdict import Verdict
from placement_opt.report.numbers import figure, percent, seconds, times
from placement_opt.report.table import facts, paragraph, table
from placement_opt.study.comparison import Comparison
from placement_opt.study.fit import Fit, Fitted
from placement_opt.study.scheduled import Compared
from placement_opt.workload.fit.likeness import ALIKE


def fit_toml(fit: Fit) -> str:
    """``[trace]`` of an instance file, parameters in the generator's order, those at their defaults left to it."""
    lines = ["[trace]", f'synth = "{fit.generator}"', f"seed = {fit.seed}"]
    lines += [f"{key} = {_value(value)}" for key, value in fit.parameters.items()]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)


def fit_document(found: Fitted, asked: Comparison | None) -> dict[str, Any]:
    """The JSON keys; docs/traces.md says what they mean."""
    best = found.best
    return {
        "generator": best.generator,
        "parameters": best.parameters,
        "seed": best.seed,
        "lost": list(best.lost),
        "alike": not best.apart,
        "alike_within": ALIKE,
        "score": best.score,
        "aspects": [asdict(each) for each in best.aspects],
        "others": [{"generator": fit.generator, "score": fit.score} for fit in found.fits[1:]],
        "declined": [{"generator": name, "why": why} for name, why in found.declined.items()],
        "asked": None if asked is None else [_asked(each) for each in asked.instances],
    }


def _asked(one: Compared) -> dict[str, Any]:
    row = one.schedules[0]
    return {
        "instance": one.proof.instance,
        "lower_bound_s": one.proof.bound.lower_bound_s,
        "roofline_s": one.proof.roofline_s,
        "known_to": one.proof.interval.width,
        "lru_s": row.cost_s,
        "gap": row.gap,
        "verdict": None if row.judgement is None else str(row.judgement.verdict),
    }


def fit_text(found: Fitted, asked: Comparison | None) -> str:
    """The parameters, each side of both traces, whether they are alike, and what else was tried."""
    best = found.best
    head = [("generator", f"{best.generator}, seed {best.seed}")]
    head += [("parameters", ", ".join(f"{key} {value}" for key, value in best.parameters.items()))]
    head += [("", "")] + [("not so here", text) for text in best.lost]
    others = [f"{fit.generator} {percent(fit.score)}" for fit in found.fits]
    if len(found.fits) + len(found.declined) > 1:
        head.append(("apart by", f"{', '.join(others)} on the average of all sides: the least is taken"))
    head += [(f"not {name}", why) for name, why in found.declined.items()]
    parts = [facts(head), _sides(best), paragraph(_sentence(best))]
    if asked is not None:
        parts.append(_both(asked))
    return "\n\n".join(parts) + "\n"


def _sides(fit: Fit) -> str:
    rows = [
        [
            each.name,
            _told(each.one, each.unit),
            _told(each.other, each.unit),
            percent(each.distance),
            percent(each.by_chance),
            _octaves(each.octaves),
        ]
        for each in fit.aspects
    ]
    return table(["side", "trace", "fit", "apart by", "by chance", "octaves"], rows, "lrrrrr")


def _told(value: float | None, unit: str) -> str:
    return percent(value) if unit == "share" else f"{figure(value, 3)} {unit}"


def _octaves(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _sentence(fit: Fit) -> str:
    far = [f"{each.name} ({percent(each.distance)})" for each in fit.apart]
    if not far:
        return f"The fit is like the trace: no side is more than {percent(ALIKE)} apart, or than draws of the fit are."
    more = f"more than {percent(ALIKE)} apart, and more than draws of the fit are, in {', '.join(far)}"
    what = f"The trace does not look like what {fit.generator} draws: {more}."
    return f"{what} What is proven of the fit is proven of the fit, not of the trace."


def _both(asked: Comparison) -> str:
    rows = []
    for one in asked.instances:
        row = one.schedules[0]
        verdict = Verdict.UNKNOWN if row.judgement is None else row.judgement.verdict
        over = None if row.gap is None else 1.0 + row.gap
        cells = [seconds(one.proof.roofline_s), seconds(one.proof.bound.lower_bound_s), seconds(row.cost_s), times(over)]
        rows.append([one.proof.instance, *cells, percent(one.proof.interval.width), str(verdict)])
    return table(["question about", "roofline", "bound", "lru", "lru / bound", "known to", "verdict"], rows, "lrrrrrl")
