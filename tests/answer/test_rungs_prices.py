"""When a search for prices is worth its while."""

from __future__ import annotations

import pytest

from placement_opt.answer.rungs import RUNGS
from placement_opt.answer.rungs_prices import behind
from placement_opt.answer.standing import Standing
from placement_opt.answer.work import Work
from placement_opt.base.limits import Limits
from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.intervals import PriceIntervals
from placement_opt.bounds.result import Bound, Status
from placement_opt.bounds.sample import sampled_futures
from tests.small import fetch_ahead


def searched() -> PriceIntervals:
    instance = fetch_ahead()
    search = PriceIntervals(instance, sampled_futures(instance, classify(instance)))
    search.run(Limits(), levels=2)
    assert search.exact
    return search


@pytest.mark.parametrize(
    ("idle", "exact", "others", "expected"),
    [(1, True, 1.5, True), (0, True, 1.5, False), (1, False, 1.5, False), (1, True, 1.01, False)],
)
def test_few_intervals_are_behind_where_they_gain_little_and_others_proved_more(
    idle: int, exact: bool, others: float, expected: bool
) -> None:
    """What a sample promises is no measure of what others prove."""
    search = searched()
    search._idle, search.exact = idle, exact
    assert behind(search, others * search.value_s) is expected


def test_few_intervals_that_are_behind_end() -> None:
    """Without another look, and for good: nobody waits for them."""
    [intervals] = [rung for rung in RUNGS if rung.name == "intervals"]
    work = Work(fetch_ahead(), Standing(), 0.0)
    search = work.intervals = searched()
    search._idle, passes = 1, search.passes
    work.standing.raise_to(Bound("ascent", Status.BOUND, 1.5 * search.value_s, 0.0, ""), "ascent")
    assert intervals.climb(work, Limits()) is False
    assert search.passes == passes
    assert intervals.ready(work)
