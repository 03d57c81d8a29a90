"""One bound in words."""

from __future__ import annotations

from dataclasses import replace

from placement_opt.answer.prove import unproven
from placement_opt.bounds import lp
from placement_opt.bounds.result import Status
from placement_opt.report.bound import bound_document, bound_sentence
from tests.budgets import CASES


def test_that_no_schedule_keeps_the_budgets_is_said() -> None:
    """Not that nothing was proven: it was."""
    found = lp.bound(CASES["7 J"].instance)
    proof = replace(unproven("small", "0" * 64, "lp", ""), bound=found, roofline_s=1.6)
    assert bound_sentence(proof) == "No schedule whatsoever keeps these budgets."
    document = bound_document(proof)
    assert (document["status"], document["lower_bound_s"]) == (Status.INFEASIBLE, None)
    nothing = replace(proof, bound=replace(found, status=Status.NONE))
    assert bound_sentence(nothing) == "lp proved nothing within the limits; the roofline, 1.6 s, stands."
