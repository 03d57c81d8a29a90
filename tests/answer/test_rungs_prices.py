"""When a search for prices is worth its while."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmarks.inputs import requests_instance
from placement_opt.answer import rungs_prices
from placement_opt.answer.answer import answer
from placement_opt.answer.rungs import RUNGS
from placement_opt.answer.rungs_prices import behind
from placement_opt.answer.standing import Standing
from placement_opt.answer.work import Rung, Work, offer_prices
from placement_opt.base.limits import Limits
from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.intervals import PriceIntervals
from placement_opt.bounds.result import Bound, Prices, Status
from placement_opt.bounds.sample import sampled_futures
from placement_opt.instance.load import load_instance
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from tests.small import chain, fetch_ahead, make_instance, make_trace
from tests.worlds import drifting


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


def test_the_bound_is_done_when_no_prices_prove_more() -> None:
    """What is left of the compact program's placement is a quarter of the gap asked for; then only a schedule closes it."""
    instance = drifting(1, 40, prefill=60)
    [compact] = [rung for rung in RUNGS if rung.name == "compact"]
    exact, near = (Work(instance, Standing(), gap) for gap in (0.0, 0.02))
    for work in (exact, near):
        assert not work.exhausted
        compact.climb(work, Limits())
        assert work.most_s >= work.standing.state.lower_s
    assert near.exhausted
    assert not exact.exhausted
    found = answer(instance, gap=0.02, limits=Limits(60.0), rungs=[rung for rung in RUNGS if rung.side == "bound"])
    assert found.state.bound_from == "compact"
    assert found.outcome == "bound"


def test_lengthened_prices_are_the_same_at_both_ends() -> None:
    """Single steps and states at the ends keep their prices, the others have that of the middle."""
    rho, rent = np.array([[9.0], [2.0], [2.0], [7.0]]), np.array([[8.0], [1.0], [1.0], [1.0], [6.0]])
    found = rungs_prices.lengthened(Prices(rho, rent), 9)
    assert found.rho.ravel().tolist() == [9.0, *[2.0] * 7, 7.0]
    assert found.rent.ravel().tolist() == [8.0, *[1.0] * 8, 6.0]


def test_a_window_gives_prices_for_a_long_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a trace that repeats itself, a fifth of the steps gives prices that prove almost what those of all prove, and no more
    than any schedule takes; short traces and those with layers have none."""
    rows = [[0, 1, 2], [3, 4], [0, 1], [2, 5]] * 50
    instance = make_instance(chain([2, 20], [90, 50], [4]), make_trace(rows, [-1] * 6), "free")
    work = Work(instance, Standing(), 0.0)
    (window,) = [rung for rung in RUNGS if rung.name == "window"]
    assert not window.suits(work)
    monkeypatch.setattr(rungs_prices, "_WINDOW", 40)
    assert window.suits(work)
    assert not window.climb(work, Limits())
    proven = work.standing.state.lower_s
    assert work.standing.state.bound_from == "window"
    whole = PriceIntervals(instance, sampled_futures(instance, work.classes))
    whole.run(Limits(), levels=1)
    assert proven >= 0.9 * whole.value_s
    assert proven <= simulate(instance, make_scheduler("belady")).latency_s


def test_prices_are_multiplied_where_blocks_may_be_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of long logs, once rents are known, and until that brings little, or others proved more; of longer ones climbs wait."""
    [rung] = [rung for rung in RUNGS if rung.name == "mirror"]
    [ascent] = [rung for rung in RUNGS if rung.name == "ascent"]
    [intervals] = [rung for rung in RUNGS if rung.name == "intervals"]
    log = Path(__file__).parents[2] / "instances" / "requests" / "nvme4-cache.toml"
    work = Work(load_instance(log), Standing(), 0.0)
    assert not rung.suits(work)
    monkeypatch.setattr(rungs_prices, "_TRIED", 60)
    assert not rung.suits(Work(requests_instance(300, residency="free"), Standing(), 0.0))
    assert rung.suits(work)
    assert ascent.ready(work)
    assert not rung.ready(work)
    search = PriceIntervals(work.instance, sampled_futures(work.instance, work.classes))
    search.run(Limits(), levels=1)
    offer_prices(work, search.prices, "intervals", 0.0)
    assert ascent.ready(work)
    assert not rung.ready(work)  # of few steps, an ascent comes first
    monkeypatch.setattr(rungs_prices, "_MULTIPLIED", 60)
    assert rung.ready(work)
    assert not ascent.ready(work)
    assert not intervals.ready(work)
    before = work.standing.state.lower_s
    while rung.climb(work, Limits(1000.0)):
        pass
    after = work.standing.state
    assert after.bound_from == "mirror"
    assert after.lower_s > 1.05 * before
    assert ascent.ready(work)
    assert work.mirror is not None
    passes, work.mirror.over = work.mirror.passes, False
    work.standing.raise_to(Bound("ascent", Status.BOUND, 1.01 * after.lower_s, 0.0, "", prices=after.prices), "ascent")
    assert not rung.climb(work, Limits())
    assert work.mirror.passes == passes
    assert intervals.ready(work)
    assert not intervals.climb(work, Limits())  # it never began, and has nothing to add
    assert work.intervals is None


def test_climbs_do_not_wait_for_what_was_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no memory for prices step by step, others go on."""
    monkeypatch.setattr(rungs_prices, "_TRIED", 60)
    monkeypatch.setattr(rungs_prices, "_MULTIPLIED", 60)
    [mirror] = [rung for rung in RUNGS if rung.name == "mirror"]
    short = replace(mirror, memory=lambda _: 1 << 60)
    log = Path(__file__).parents[2] / "instances" / "requests" / "nvme4-cache.toml"
    chosen = [short if rung is mirror else rung for rung in RUNGS if rung.side == "bound"]
    few, rungs = ("intervals", "mirror", "ascent"), list[str]()
    counted = [replace(rung, climb=partial(_counted, rung, rungs)) for rung in chosen if rung.name in few]
    found = answer(load_instance(log), gap=0.0, limits=Limits(600.0), rungs=counted)
    assert any(note.startswith("passed over: mirror") for note in found.notes)
    assert "ascent" in rungs
    assert "mirror" not in rungs


def _counted(rung: Rung, names: list[str], work: Work, limits: Limits) -> bool:
    """A turn whose name is written down; the first of an ascent is its last, and ends the climb."""
    names.append(rung.name)
    more = rung.climb(work, limits)
    if rung.name == "ascent":
        work.limits.interrupt()
    return more


@pytest.mark.parametrize("lasting", [True, False])
def test_few_intervals_come_after_a_window(lasting: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which found them already; elsewhere they come before any program is built."""
    monkeypatch.setattr(rungs_prices, "_WINDOW", 50 if lasting else 500)
    [rung] = [rung for rung in RUNGS if rung.name == "intervals"]
    work = Work(requests_instance(400, residency="cache"), Standing(), 0.0)
    assert (rung.expected_s(work) > 0.0) == lasting
