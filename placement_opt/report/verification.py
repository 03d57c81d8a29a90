"""What certificates prove, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from placement_opt.certify.claims import AnyVerified
from placement_opt.certify.layered import VerifiedLarge
from placement_opt.instance.budgets import objective_text
from placement_opt.instance.instance import Instance
from placement_opt.report.meters import costs, objective_rows
from placement_opt.report.numbers import count, full_seconds, percent
from placement_opt.report.table import facts, paragraph

#: Keys of :func:`verified_document` that are news to a report on the same instance.
_ADDED = ("lower_bound_s", "upper_bound_s", "gap", "prices", "schedule")
_KEPT = "keeps the budgets"


def verified_document(found: AnyVerified, files: Mapping[str, str]) -> dict[str, Any]:
    """The JSON keys of what certificates prove; times in seconds, rounded outwards.

    ``files``: "prices" or "schedule" to the name of its file.
    """
    prices, schedule = found.prices, found.schedule
    return {
        "instance": found.instance.name,
        "hash": found.instance.hash,
        "objective": objective_text(found.instance.memory.meters, found.instance.objective),
        "lower_bound_s": found.lower_s,
        "upper_bound_s": found.upper_s,
        "gap": found.gap,
        "prices": None if prices is None else {"file": files["prices"], "quantum_s_per_byte": f"1/{prices.quantum}"},
        "schedule": None
        if schedule is None
        else {"file": files["schedule"], "scheduler": schedule.scheduler, "moves": schedule.moves},
        **_budgets(found),
        "sentence": verified_sentence(found),
    }


def _budgets(found: AnyVerified) -> dict[str, Any]:
    """Of an instance with budgets: whether a schedule was proved to keep them, or that none does; null where neither was."""
    if not isinstance(found.instance, Instance) or not found.instance.budgets:
        return {}
    kept = None if found.upper is None and not found.no_schedule else found.upper is not None
    return {"budgets": [budget.name for budget in found.instance.budgets], "budgets_kept": kept}


def verified_text(found: AnyVerified, files: Mapping[str, str]) -> str:
    """The same as lines and a sentence."""
    minimised = objective_rows(objective_text(found.instance.memory.meters, found.instance.objective))
    rows = [("instance", f"{found.instance.name} ({found.instance.hash[:12]})"), *minimised, *verified_rows(found, files)]
    return facts(rows) + "\n\n" + paragraph(verified_sentence(found)) + "\n"


def verified_rows(found: AnyVerified, files: Mapping[str, str]) -> list[tuple[str, str]]:
    """One fact for each certificate, and the gap between them."""
    rows = []
    if found.prices is not None and found.no_schedule:
        rows.append(("certified", f"no schedule keeps these budgets, by the prices in {files['prices']}"))
    elif found.prices is not None:
        rows.append(("certified", f"at least {full_seconds(found.lower_s)} by the prices in {files['prices']}"))
    if found.schedule is not None:
        by = f"by the {count(found.schedule.moves)} moves of {found.schedule.scheduler} in {files['schedule']}"
        kept = f" and {_KEPT}" if found.instance.budgets else ""
        rows.append(("certified", f"at most {full_seconds(found.upper_s)}{kept} {by}"))
    return [*rows, *([("gap", percent(found.gap))] if found.gap is not None else [])]


def with_verified(
    document: Mapping[str, Any], text: str, found: AnyVerified, files: Mapping[str, str]
) -> tuple[dict[str, Any], str]:
    """Another report, as document and text, with what was certified besides, and by how much that is less."""
    keys, rows = verified_document(found, files), verified_rows(found, files)
    certified: dict[str, Any] = {key: keys[key] for key in _ADDED}
    short = found.short_of(document.get("lower_bound_s"))
    if short is not None:
        certified["short_of_lower_bound"] = short
        rows.append(("note", f"the prices prove {percent(short)} less than the lower bound above: only that much is certified"))
    return {**document, "certified": certified}, f"{text}\n{facts(rows)}\n"


def verified_sentence(found: AnyVerified) -> str:
    """What is proven, in one sentence."""
    layers = ", layer by layer" if isinstance(found, VerifiedLarge) else ""
    how = f"proved again in exact integers{layers}, without a solver"
    if found.no_schedule:
        return f"No schedule whatsoever keeps these budgets: {how}."
    verb = costs(objective_text(found.instance.memory.meters, found.instance.objective))
    least, most = full_seconds(found.lower_s), full_seconds(found.upper_s)
    kept, keeping = (f" and {_KEPT}", " that keeps the budgets") if found.instance.budgets else ("", "")
    if found.lower is None:
        return f"The schedule {verb} at most {most}{kept}: {how}."
    if found.upper is None:
        return f"No schedule{keeping} {verb} less than {least}: {how}."
    return f"No schedule{keeping} {verb} less than {least}, and this one {verb} at most {most}{kept}: {how}."
