"""What the interval for the optimum says, in words and under keys that all commands share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from placement_opt.answer.binding import Binding
from placement_opt.answer.prove import Proof
from placement_opt.answer.verdict import TOLERANCE, Interval, Judgement
from placement_opt.report.meters import costs
from placement_opt.report.numbers import percent, seconds, times

#: Relative differences below this are not worth a word.
SAME = 5e-5
#: How a bound is raised.
ADVICE = "--gap or a longer --time-limit goes on"
#: Instead of claims about policies, where whole blocks may not fit anywhere (:mod:`placement_opt.instance.packing`).
NOT_KNOWN = "It is not known whether any schedule exists: the bytes have room in the tiers, the whole blocks may not."
NO_SCHEDULE = "No schedule whatsoever keeps these budgets."
NONE_EXISTS = "No schedule exists: at some state the blocks alive do not fit into the tiers whole."


def interval_document(proof: Proof) -> dict[str, Any]:
    """The keys of one instance: whether schedules exist, the best one known, to what share the optimum is known, what binds."""
    interval = proof.interval
    return {
        "packable": proof.packable,
        "best_s": proof.best_s,
        "best_from": proof.best_from or None,
        "known_to": interval.width,
        "weak": interval.weak,
        "binds": binds_document(proof.binds),
    }


def binds_document(binds: Sequence[Binding]) -> list[dict[str, Any]]:
    """What binds, the most frequent first; null is the floor under the steps' times."""
    return [{"resource": each.resource, "share_of_steps": each.share} for each in binds]


def judgement_document(judgement: Judgement | None) -> dict[str, Any]:
    """The keys of one schedule, null where it is not judged."""
    return {
        "verdict": None if judgement is None else judgement.verdict,
        "above_optimum_least": None if judgement is None else judgement.above_least,
        "above_optimum_most": None if judgement is None else judgement.above_most,
        "unavoidable_least": None if judgement is None else judgement.unavoidable_least,
        "unavoidable_most": None if judgement is None else judgement.unavoidable_most,
    }


def binds_text(binds: Sequence[Binding], interval: Interval) -> str:
    """``"c2c.up at 74 % of the steps, hbm at 26 %"``, with a word of warning where the bound is weak."""
    parts = [f"{each.resource or 'the floor'} at {percent(each.share)}" for each in binds]
    if not parts:
        return ""
    text = ", ".join([f"{parts[0]} of the steps", *parts[1:]])
    return f"{text} (by a bound that is weak, as far as is known)" if interval.weak else text


def interval_sentence(proof: Proof, advice: str = ADVICE) -> str:
    """Where the optimum lies and whether policies can be judged by that; "" where nothing is proven."""
    interval, low = proof.interval, proof.interval.lower_s
    if proof.bound.lower_bound_s is None or interval.broken:
        return ""
    if proof.best_s is None:
        doubt = existence_sentence(proof.packable, low, costs(proof.objective))
        return doubt or "No schedule has been found, though some exist: how close the bound is, is not known."
    known = f"{seconds(proof.best_s)} ({proof.best_from})"
    if interval.width is not None and interval.width < SAME:
        return f"The optimum is known: {known} is at the bound."
    where = f"The optimum lies between {seconds(low)} and {known}"
    if not interval.weak:
        return f"{where}: it is known to {percent(interval.width)}."
    wide = "" if interval.width is None else f", {wide_text(interval.width)} wide where {percent(TOLERANCE)} is needed"
    return f"{where}: policies cannot be judged by this bound yet{wide}; {advice}."


def existence_sentence(packable: bool | None, lower_s: float | None, verb: str) -> str:
    """That no schedule exists, or that this is not known and what one "takes" or "costs" then; "" where schedules exist."""
    if packable is None:
        return f"{NOT_KNOWN} If one does, it {verb} at least {seconds(lower_s)}."
    return "" if packable else NONE_EXISTS


def wide_text(width: float | None) -> str:
    """``"0.76 %"``, ``"369 times"``: the width of an interval as a share of its lower end."""
    return percent(width) if width is None or width < 10.0 else f"{width:,.0f} times"


def above_text(judgement: Judgement) -> str:
    """``"2.5 to 2.9 %"``: how far above the optimum."""
    return _range(judgement.above_least, judgement.above_most)


def unavoidable_text(judgement: Judgement) -> str:
    """``"31 to 64 %"``: the share of the time above the roofline; "" at the roofline."""
    if judgement.unavoidable_least is None:
        return ""
    return _range(judgement.unavoidable_least, judgement.unavoidable_most)


def _range(least: float, most: float | None) -> str:
    if most is None:
        return f"from {percent(least)}"
    low, high = percent(least), percent(most)
    return high if low == high else f"{low.removesuffix(' %')} to {high}"


def above_sentence(judgement: Judgement, subject: str) -> str:
    """``"lru is at most 5.0 % above the optimum, and at least 0 %."``; the subject with its verb."""
    least, most = judgement.above_least, judgement.above_most
    if most is None:
        return f"{subject} at least {percent(least)} above the optimum."
    if most < SAME:
        return f"{subject} at the optimum: nothing is left to gain."
    if most >= 1.0:
        low, high = times(1.0 + least), times(1.0 + most)
        return f"{subject} {high} the optimum." if low == high else f"{subject} at most {high} the optimum, and at least {low}."
    low, high = percent(least), percent(most)
    if low == high:
        return f"{subject} {high} above the optimum."
    return f"{subject} at most {high} above the optimum, and at least {low}."


def unavoidable_sentence(judgement: Judgement, above_roofline_s: float | None, whose: str) -> str:
    """How much of the distance from the roofline is no policy's fault; "" where nothing is known of it."""
    least, most = judgement.unavoidable_least, judgement.unavoidable_most
    if least is None or most is None or above_roofline_s is None or (least < SAME and most > 1.0 - SAME):
        return ""
    above = f"{whose} {seconds(above_roofline_s)} above the roofline"
    if most < SAME:
        return f"All of {above} can be avoided."
    low, high = percent(least), percent(most)
    if low == high:
        return f"Of {above} {high} cannot be avoided by any policy."
    return f"Of {above} between {low} and {high} cannot be avoided by any policy."
