"""One bound, for people and for programs."""

from __future__ import annotations

from typing import Any

from placement_opt.answer.prove import Proof
from placement_opt.bounds.result import Status
from placement_opt.report.judgement import (
    NO_SCHEDULE,
    NONE_EXISTS,
    SAME,
    binds_text,
    existence_sentence,
    interval_document,
    interval_sentence,
)
from placement_opt.report.meters import costs, objective_rows
from placement_opt.report.numbers import figure, full_seconds, percent, rates, seconds
from placement_opt.report.parts import assumption_rows, assumptions_info
from placement_opt.report.table import facts, paragraph
from placement_opt.report.unread import kept_unread


def bound_document(proof: Proof) -> dict[str, Any]:
    """The JSON keys of one bound; times in seconds."""
    bound = proof.bound
    return {
        "instance": proof.instance,
        "hash": proof.hash,
        "method": bound.method,
        "status": bound.status,
        "objective": proof.objective,
        "lower_bound_s": bound.lower_bound_s,
        "solve_s": bound.solve_s,
        "roofline_s": proof.roofline_s,
        "unavoidable_s": proof.unavoidable_s,
        **rates(proof.counts, "most_", proof.most_tokens_per_s),
        **interval_document(proof),
        "value_s": bound.value_s,
        "rests_on": bound.rests_on,
        "note": bound.note,
        "kept_unread": proof.unread.as_dict() if proof.unread else None,
        "sentence": bound_sentence(proof),
        "sentences": _sentences(proof),
        "details": bound.details,
        **assumptions_info(proof.assumptions),
    }


def bound_text(proof: Proof) -> str:
    """The same as lines and one sentence."""
    bound = proof.bound
    rows = [
        ("instance", f"{proof.instance} ({proof.hash[:12]})"),
        *objective_rows(proof.objective),
        ("lower bound", "" if bound.status is Status.INFEASIBLE else full_seconds(bound.lower_bound_s)),
        ("method", bound.method),
        ("status", str(bound.status)),
        ("roofline", full_seconds(proof.roofline_s)),
        ("unavoidable", _unavoidable(proof)),
        ("throughput", _throughput(proof)),
        ("best known", f"{full_seconds(proof.best_s)} ({proof.best_from})" if proof.best_s is not None else ""),
        ("binds", binds_text(proof.binds, proof.interval)),
        ("rests on", bound.rests_on),
        ("note", bound.note),
        ("kept unread", kept_unread(proof.unread)),
        ("took", seconds(bound.solve_s)),
        *assumption_rows(proof.assumptions),
    ]
    return facts(rows) + "\n\n" + paragraph(" ".join(_sentences(proof))) + "\n"


def _sentences(proof: Proof) -> list[str]:
    exists = proof.packable and proof.bound.status is not Status.INFEASIBLE
    interval = interval_sentence(proof) if exists else ""  # else the bound's own sentence says it
    return [sentence for sentence in (bound_sentence(proof), interval) if sentence]


def bound_sentence(proof: Proof) -> str:
    """What the bound says, in one sentence."""
    value, extra = proof.bound.lower_bound_s, proof.unavoidable_s
    if proof.bound.status is Status.INFEASIBLE:
        return NO_SCHEDULE
    if proof.packable is False:
        return NONE_EXISTS
    if value is None:
        known = f"; the roofline, {seconds(proof.roofline_s)}, stands" if proof.roofline_s is not None else ""
        return f"{proof.bound.method} proved nothing within the limits{known}."
    if proof.packable is None:
        return existence_sentence(proof.packable, value, costs(proof.objective))
    start = f"No schedule {costs(proof.objective)} less than {seconds(value)}"
    if extra is None or not value:
        return start + "."
    share = extra / value
    if share < -SAME:
        return f"{start}, says {proof.bound.method}; the roofline, {seconds(proof.roofline_s)}, is the better bound here."
    if share < SAME:
        return f"{start}, which is the roofline: as far as this bound sees, room and moving data need not cost anything."
    above = f"{start}: {seconds(extra)} above the roofline ({percent(share)} of the bound)"
    return f"{above}." if proof.best_s is None else f"{above} cannot be avoided by any policy."


def _unavoidable(proof: Proof) -> str:
    extra, value = proof.unavoidable_s, proof.bound.lower_bound_s
    if extra is None or not value or not proof.packable:
        return ""
    if extra / value < -SAME:
        return "unknown: this method proves less than the roofline"
    return f"{seconds(extra)} above the roofline" if extra / value >= SAME else "nothing above the roofline"


def _throughput(proof: Proof) -> str:
    rate = proof.most_tokens_per_s
    return "" if rate is None else f"at most {figure(rate)} {proof.counts}/s"
