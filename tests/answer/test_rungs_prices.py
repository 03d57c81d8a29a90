"""When a search for prices is worth its while."""

from __future__ import annotations

import pytest

from placement_opt.answer.rungs import RUNGS
from placement_opt.answer.standing import Standing
from placement_opt.answer.work import Work
from placement_opt.base.limits import Limits
from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.intervals import PriceIntervals
from placement_opt.bounds.result import Bound, Status
from placement_opt.bounds.sample import sampled_futures
from tests.small import fetch_ahead


@pytest.mark.parametrize(
    ("idle", "exact", "others", "ready"),
    [
        (1, True, 1.5, False),
        (0, True, 1.5, True),
        (1, False, 1.5, True),
        (1, True, 1.01, True),
    ],
)
def test_few_intervals_wait_where_they_gain_little_and_others_proved_more(
    idle: int, exact: bool, others: float, ready: bool
) -> None:
    """Not begun they are always ready; what a sample promises is no measure of what others prove."""
    instance, standing = fetch_ahead(), Standing()
    [intervals] = [rung for rung in RUNGS if rung.name == "intervals"]
    work = Work(instance, standing, 0.0)
    assert intervals.ready(work)
    search = work.intervals = PriceIntervals(instance, sampled_futures(instance, classify(instance)))
    search.run(Limits(), levels=2)
    assert search.exact
    search._idle, search.exact = idle, exact
    standing.raise_to(Bound("ascent", Status.BOUND, others * search.value_s, 0.0, ""), "ascent")
    assert intervals.ready(work) is ready
