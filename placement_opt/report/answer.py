"""Both sides of an instance: a line of progress for each improvement, and the answer for people and for programs."""

from __future__ import annotations

import math
from typing import Any

from placement_opt.answer.answer import Answer, Outcome
from placement_opt.answer.binding import Binding, binding
from placement_opt.answer.standing import State
from placement_opt.answer.verdict import Interval
from placement_opt.instance.budgets import objective_text
from placement_opt.instance.instance import Instance
from placement_opt.instance.packing import packing_known
from placement_opt.report.judgement import NO_SCHEDULE, binds_document, binds_text, existence_sentence
from placement_opt.report.meters import costs, objective_rows
from placement_opt.report.numbers import full_seconds, percent, seconds, time_unit
from placement_opt.report.parts import assumption_rows, assumptions_info
from placement_opt.report.table import facts, paragraph
from placement_opt.report.unread import kept_unread
from placement_opt.workload.unread import unread

TIMED = "every move checked and timed by the simulator, reads split optimally"
IN_RUNS = "scheduled layer by layer and timed with reads split optimally; verify replays its moves"
_OUTCOMES = {
    Outcome.WITHIN: "within gap",
    Outcome.UNCERTIFIED: "not certified: within gap, but the certificate proves less than the bound",
    Outcome.LIMIT: "limit reached",
    Outcome.INTERRUPTED: "interrupted",
    Outcome.NO_SCHEDULE: "no schedule keeps the budgets",
    Outcome.OPTIMAL: "optimal: the bound is its relaxation's own optimum, and no better schedule was found",
    Outcome.BOUND: "bound: nothing is left to try",
}


class ProgressTable:
    """Lines in fixed columns: time, bound, incumbent (the best schedule), gap, what gave the improvement."""

    def __init__(self) -> None:
        self._unit: tuple[float, str] | None = None
        self._last: tuple[float, str] | None = None

    def lines(self, state: State) -> list[str]:
        """The line of a state, the header before the first one; nothing where the last one was of the same improvement."""
        if self._last == (state.since_s, state.source):
            return []
        self._last = state.since_s, state.source
        bound = None if state.bound is None else state.lower_s
        first = self._unit is None
        factor, unit = self._unit = self._unit or time_unit(bound or state.latency_s or 0.0)
        proven = "-" if bound is None else f"{bound / factor:.5f}"
        incumbent = "-" if state.latency_s is None else f"{state.latency_s / factor:.5f}"
        head = [_line("time [s]", f"bound [{unit}]", f"incumbent [{unit}]", "gap", "from")] if first else []
        return [*head, _line(f"{state.since_s:.1f}", proven, incumbent, percent(state.gap), state.source)]


def _line(time: str, bound: str, incumbent: str, gap: str, source: str) -> str:
    return f"{time:>8}  {bound:>14}  {incumbent:>14}  {gap:>8}  {source}"


def answer_document(answer: Answer) -> dict[str, Any]:
    """The JSON keys of one answer; times in seconds, gaps as shares of the bound."""
    bound, state = answer.bound, answer.state
    return {
        "instance": answer.instance.name,
        "hash": answer.instance.hash,
        "method": bound.method,
        "status": answer.outcome,
        "objective": _objective(answer),
        "lower_bound_s": bound.lower_bound_s,
        "schedule_s": answer.latency_s,
        "gap": answer.gap,
        "gap_wanted": answer.wanted,
        "scheduler": state.schedule_from or None,
        "solve_s": answer.solve_s,
        "roofline_s": answer.roofline_s,
        "weak": _interval(answer).weak,
        "binds": binds_document(_binds(answer)),
        "unavoidable_s": None if bound.lower_bound_s is None else bound.lower_bound_s - answer.roofline_s,
        "rests_on": bound.rests_on,
        "schedule_rests_on": _timed(answer),
        "note": _note(answer),
        "kept_unread": unread(answer.instance.trace).as_dict() if isinstance(answer.instance, Instance) else None,
        "sentence": answer_sentence(answer),
        "details": bound.details,
        **assumptions_info(answer.instance.memory.assumptions),
    }


def answer_text(answer: Answer) -> str:
    """The same as lines and one sentence."""
    bound, state = answer.bound, answer.state
    exists = answer.outcome is not Outcome.NO_SCHEDULE
    schedule = f"{full_seconds(answer.latency_s)}  ({state.schedule_from})" if answer.latency_s is not None else "none found"
    gap = f"{percent(answer.gap)}, {percent(answer.wanted)} wanted" if answer.wanted > 0 else percent(answer.gap)
    rows = [
        ("instance", f"{answer.instance.name} ({answer.instance.hash[:12]})"),
        *objective_rows(_objective(answer)),
        ("lower bound", f"{full_seconds(bound.lower_bound_s)}  ({bound.method})" if exists else ""),
        ("schedule", schedule if exists else ""),
        ("gap", gap if exists else ""),
        ("status", _OUTCOMES[answer.outcome]),
        ("roofline", full_seconds(answer.roofline_s)),
        ("binds", binds_text(_binds(answer), _interval(answer))),
        ("bound by", bound.rests_on),
        ("schedule by", _timed(answer)),
        ("note", _note(answer)),
        ("kept unread", _kept_unread(answer)),
        ("took", seconds(answer.solve_s)),
        *assumption_rows(answer.instance.memory.assumptions),
    ]
    return facts(rows) + "\n\n" + paragraph(answer_sentence(answer)) + "\n"


def answer_sentence(answer: Answer) -> str:
    """Both sides in one sentence."""
    if answer.outcome is Outcome.NO_SCHEDULE:
        return NO_SCHEDULE
    verb = costs(_objective(answer))
    start = f"No schedule {verb} less than {seconds(answer.bound.lower_bound_s)}"
    if answer.latency_s is None:
        packable = packing_known(answer.instance) if isinstance(answer.instance, Instance) else True
        doubt = existence_sentence(packable, answer.bound.lower_bound_s, verb)
        return doubt or f"{start}; no schedule was found."
    found = f"{start}, and one {verb} {seconds(answer.latency_s)}: the optimum is known to {percent(answer.gap)}"
    return f"{found}, too little to judge policies by." if _interval(answer).weak else f"{found}."


def _objective(answer: Answer) -> str:
    return objective_text(answer.instance.memory.meters, answer.instance.objective)


def _interval(answer: Answer) -> Interval:
    return Interval(answer.bound.lower_bound_s or 0.0, math.inf if answer.latency_s is None else answer.latency_s)


def _binds(answer: Answer) -> tuple[Binding, ...]:
    """What binds at the prices that prove most."""
    return (
        ()
        if answer.state.prices is None or answer.state.no_schedule is not None
        else binding(answer.instance, answer.state.prices.rho)
    )


def _timed(answer: Answer) -> str:
    """What the schedule's time rests on."""
    if answer.latency_s is None:
        return ""
    return TIMED if isinstance(answer.instance, Instance) else IN_RUNS


def _kept_unread(answer: Answer) -> str:
    """What the trace keeps for nobody, where anybody has looked."""
    instance = answer.instance
    return kept_unread(unread(instance.trace)) if isinstance(instance, Instance) and not instance.forgets else ""


def _note(answer: Answer) -> str:
    return "; ".join(part for part in (answer.bound.note, *answer.notes) if part)
