"""A question in runs, solved by the engine alone: both sides, and the two certificates of what was found."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from placement_opt.answer.standing import Standing
from placement_opt.base.backend import Backend
from placement_opt.base.limits import Limits
from placement_opt.certify.files import PriceCertificate
from placement_opt.instance.layered import Layered
from placement_opt.layered.plan import Plan
from placement_opt.layered.solve import CertifiedPrices, begin, solve


@dataclass(frozen=True)
class Solved:
    """Seconds of both sides and of the roofline, whether every layer was done, the prices, and how many moves were written."""

    lower_s: float
    schedule_s: float
    roofline_s: float
    complete: bool
    certificate: PriceCertificate
    moves: int


def solved(
    question: Layered, *, gap: float = 0.0, limits: Limits | None = None, jobs: int = 1, schedule: Path | None = None
) -> Solved:
    """What the engine finds; ``schedule``: the file to write its moves to."""
    standing = Standing()
    with tempfile.TemporaryDirectory() as folder:
        roofline = begin(question, standing, moves=True)
        complete = solve(question, standing, gap=gap, limits=limits, backend=Backend(jobs=jobs), folder=Path(folder))
        state = standing.close()
        assert isinstance(state.schedule, Plan)
        assert isinstance(state.prices, CertifiedPrices)
        if schedule is not None:
            state.schedule.save(schedule)
    assert state.latency_s is not None
    assert roofline.lower_bound_s is not None
    moves = sum(section.moves for section in state.schedule.sections.values())
    return Solved(state.lower_s, state.latency_s, roofline.lower_bound_s, complete, state.prices.certificate, moves)
