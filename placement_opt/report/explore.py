"""An exploration, for people, for spreadsheets and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from placement_opt.base.units import format_energy, format_seconds
from placement_opt.report.machine import to_csv
from placement_opt.report.numbers import NOTHING, count, figure, percent
from placement_opt.report.table import facts, paragraph, table
from placement_opt.study.explore.found import Design, Explored, Found
from placement_opt.study.explore.milp import Linear
from placement_opt.study.explore.spec import Spec

#: Designs that a table shows; JSON and CSV have all of them.
MOST_ROWS = 20
_SHOWN = ("best", "on the front", "not told apart", "beaten", "pruned", "not looked at")
_STATUSES = (*_SHOWN, "impossible", "over budget")


def explore_document(found: Explored) -> dict[str, Any]:
    """The JSON keys of an exploration; seconds, joules, money as in the file, lifetimes as the share that a run uses up."""
    spec = found.spec
    return {
        "file": str(spec.path),
        "name": spec.name,
        "minimise": spec.minimise,
        "over": spec.over,
        "constraints": [f"{one.what} {'>=' if one.what == 'lifetime' else '<='} {one.text}" for one in spec.constraints],
        "gap": spec.gap,
        "choices": [{"name": one.name, "alternatives": [other.name for other in one.alternatives]} for one in spec.choices],
        "workloads": [one.name for one in spec.workloads],
        "interrupted": found.interrupted,
        "limited": found.limited,
        "reused": found.reused,
        "searches": [_search_document(spec, one) for one in (*found.best, *found.fronts)],
    }


def _search_document(spec: Spec, found: Found) -> dict[str, Any]:
    best = found.best if found.what == "best" else None
    return {
        "search": found.what,
        "workload": found.workload or None,
        "axes": list(found.axes),
        "proven": found.proven,
        "best": None if best is None else best.number + 1,
        "counts": {status: len(found.of(status)) for status in _STATUSES},
        "simulated": found.simulated,
        "linear": None if (linear := found.linear) is None else _linear_document(linear),
        "designs": [_design_document(spec, found, design) for design in found.designs],
    }


def _linear_document(linear: Linear) -> dict[str, Any]:
    return {"design": linear.design + 1, "roofline_s": linear.value_s, "confirmed": linear.confirmed}


def _design_document(spec: Spec, found: Found, design: Design) -> dict[str, Any]:
    names = [choice.name for choice in spec.choices]
    return {
        "design": design.number + 1,
        "choices": {name: one.name for name, one in zip(names, spec.chosen(design.number), strict=True)},
        "status": design.status,
        "lower": dict(zip(found.axes, design.lower, strict=True)),
        "value": None if design.value is None else dict(zip(found.axes, design.value, strict=True)),
        "schedulers": list(design.by),
        "proof": design.proof,
        "beaten_by": None if design.beaten_by is None else design.beaten_by + 1,
        "costs": design.costs or None,
    }


def explore_csv(found: Explored) -> str:
    """One line for each search and design."""
    rows = found.to_records()
    headers = list(rows[0])
    return to_csv(headers, [[row[key] for key in headers] for row in rows])


def explore_text(found: Explored) -> str:
    """What was asked, then each search: its verdict, its counts and its best designs."""
    spec = found.spec
    asked = f"{spec.count:,} designs of {', '.join(one.name for one in spec.choices)}"
    demands = ", ".join(f"{one.what} {'>=' if one.what == 'lifetime' else '<='} {one.text}" for one in spec.constraints)
    over = "" if len(spec.workloads) == 1 else f", {'each alone' if spec.over == 'each' else spec.over}"
    parts = [
        facts(
            [
                ("exploration", f"{spec.name} ({spec.path})"),
                ("designs", asked),
                ("workloads", f"{', '.join(one.name for one in spec.workloads)}{over}"),
                ("keeping", demands),
            ]
        )
    ]
    for one in (*found.best, *found.fronts):
        parts += [paragraph(_verdict(one)), paragraph(_counts(one))]
        if any(design.status in _SHOWN for design in one.designs):
            parts.append(_table(one))
        if (why := _impossible(one)) is not None:
            parts.append(paragraph(why))
    if found.interrupted or found.limited:
        parts.append(
            "interrupted: this is what was finished" if found.interrupted else "the time was up: this is what was finished"
        )
    return "\n\n".join(parts) + "\n"


def _verdict(found: Found) -> str:
    where = f"{found.workload}: " if found.workload else ""
    axes = " and ".join(found.axes)
    if found.none:
        return f"{where}No design will do: proven for each of them."
    if found.what == "front":
        on, undecided = found.of("on the front"), found.of("not told apart", "not looked at")
        rest = "every other design is proven off it" if not undecided else f"{_designs(len(undecided))} not told apart from it"
        return f"{where}The front of {axes}: {_designs(len(on))} proven on it to {_gap(found)}, {rest}."
    best = found.best
    if best is None:
        return f"{where}No schedule of any design is known."
    assert best.value is not None
    said = f"{where}{'Best' if best.status == 'best' else 'Best known'} by {axes}: design {best.number + 1}, {best.label}"
    value, lower = best.value[0], best.lower[0]
    said += f", {_amount(found.axes[0], value)}"
    if best.status == "best":
        return f"{said}; no design can be better by more than {_gap(found)}: proven by the bound of every other one."
    others = [design for design in found.of("not told apart") if design is not best]
    if not others:
        return f"{said}; its own bound is {_amount(found.axes[0], lower)}."
    names = ", ".join(str(design.number + 1) for design in others[:MOST_ROWS])
    more = "" if len(others) <= MOST_ROWS else f" and {len(others) - MOST_ROWS} more"
    return f"{said}; not told apart from {'design' if len(others) == 1 else 'designs'} {names}{more}."


def _gap(found: Found) -> str:
    return percent(found.gap) if found.gap > 1e-6 else "rounding"


def _designs(number: int) -> str:
    return f"{count(number)} design{'' if number == 1 else 's'}"


def _counts(found: Found) -> str:
    beaten = len(found.of("pruned"))
    texts = [f"{count(found.simulated)} of {_designs(len(found.designs))} simulated"]
    if beaten:
        texts.append(f"{count(beaten)} put off by their bounds alone ({_provers(found.of('pruned'))})")
    texts += [f"{count(number)} {status}" for status in ("impossible", "over budget") if (number := len(found.of(status)))]
    if found.linear is not None:
        least = f"design {found.linear.design + 1}, {format_seconds(found.linear.value_s)}"
        says = "say the same" if found.linear.confirmed else "say OTHERWISE: please report this"
        texts.append(f"by one program the least roofline is that of {least}, and the rooflines of all designs {says}")
    return "; ".join(texts) + "."


def _provers(designs: Sequence[Design]) -> str:
    """ "812 by roofline, 40 by lp"."""
    found: dict[str, int] = {}
    for design in designs:
        method = design.proof.partition(" of design ")[0] + (" of a larger one" if " of design " in design.proof else "")
        found[method] = found.get(method, 0) + 1
    return ", ".join(f"{count(number)} by {method}" for method, number in sorted(found.items(), key=lambda item: -item[1])[:5])


def _table(found: Found) -> str:
    order = {status: n for n, status in enumerate(_SHOWN)}
    rows = [design for design in found.designs if design.status in order]
    best_first = [one for one in rows if one.value is not None] + [one for one in rows if one.value is None]
    rows = sorted(best_first, key=lambda one: (order[one.status], one.value or (float("inf"),), one.number))[:MOST_ROWS]
    headers = ["design", "", "status"]
    for axis in found.axes:
        headers += [f"{axis}, at least", "found"]
    body = []
    for one in rows:
        line = [str(one.number + 1), one.label, one.status]
        for n, axis in enumerate(found.axes):
            line += [_amount(axis, one.lower[n]), NOTHING if one.value is None else _amount(axis, one.value[n])]
        beaten = "" if one.beaten_by is None else f"beaten by {one.beaten_by + 1}"
        body.append([*line, "; ".join(filter(None, (one.proof, " ".join(one.by), beaten)))])
    return table([*headers, "by"], body, "rll" + "rr" * len(found.axes) + "l")


def _amount(axis: str, value: float | None) -> str:
    """A value on an axis; of a lifetime, the runs after which it is used up."""
    if value is None:
        return NOTHING
    if axis == "time":
        return format_seconds(value)
    if axis == "energy":
        return format_energy(value)
    if axis == "lifetime":
        return f"{figure(1.0 / value)} runs" if value > 0 else "unlimited"
    return figure(value)


def _impossible(found: Found) -> str | None:
    """Why some designs are none, each reason once."""
    reasons: dict[str, list[int]] = {}
    for design in found.of("impossible", "over budget"):
        reasons.setdefault(design.proof, []).append(design.number + 1)
    if not reasons:
        return None
    texts = []
    for why, numbers in list(reasons.items())[:5]:
        shown = ", ".join(map(str, numbers[:5])) + ("" if len(numbers) <= 5 else f" and {len(numbers) - 5} more")
        texts.append(f"{shown}: {why}")
    return "No designs: " + "; ".join(texts) + ("." if len(reasons) <= 5 else f"; and {len(reasons) - 5} more reasons.")
