"""Logs of requests whose blocks live long: prices of a window, and rounding in time by reads, close the gap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.inputs import requests_instance
from placement_opt.answer import rungs, rungs_prices
from placement_opt.answer.answer import answer
from placement_opt.answer.prove_integer import certify_schedule
from placement_opt.answer.rungs import RUNGS
from placement_opt.answer.standing import Standing
from placement_opt.answer.turns import Turn, pick
from placement_opt.answer.work import Work
from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS, ascent
from placement_opt.certify.verify import verify_schedule
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler, optimised
from tests.small import fetch_ahead


def test_a_window_of_the_first_steps_where_one_in_the_middle_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks are kept for good, so that by the middle there are many that nobody reads any more."""
    monkeypatch.setattr(rungs_prices, "_WINDOW", 150)
    instance = requests_instance(1500, residency="free")
    work = Work(instance, Standing(), 0.0)
    roofline = METHODS["roofline"](instance)
    work.standing.raise_to(roofline, "roofline")
    [rung] = [rung for rung in RUNGS if rung.name == "window"]
    assert rung.suits(work)
    assert not rung.climb(work, Limits())
    assert roofline.lower_bound_s is not None
    assert work.standing.state.bound_from == "window"
    assert work.standing.state.lower_s > 10.0 * roofline.lower_bound_s


def test_both_sides_of_a_log_of_requests() -> None:
    """More (block, state) pairs than any search goes through: prices, and one sweep, whose schedule is certified."""
    instance = requests_instance(7000, residency="free")
    rungs = [rung for rung in RUNGS if rung.name in ("intervals", "stays")]
    found = answer(instance, gap=0.02, limits=Limits(600.0), rungs=rungs)
    assert found.gap is not None
    assert found.gap <= 0.02
    assert found.state.schedule_from == "stays"
    made = certify_schedule(instance, found.schedule)  # type: ignore[arg-type]
    assert verify_schedule(instance, made) == made.claim
    assert float(made.claim) == pytest.approx(found.latency_s, rel=1e-9)


def test_questions_that_a_search_goes_through_are_left_to_it() -> None:
    """Short lives, or few blocks."""
    [rung] = [rung for rung in RUNGS if rung.name == "stays"]
    assert not rung.suits(Work(requests_instance(1000, residency="free"), Standing(), 0.0))
    assert rung.suits(Work(requests_instance(3000, residency="free"), Standing(), 0.0))


def test_what_is_priced_state_by_state_is_rounded_after_that() -> None:
    """Rents alone do not make it ready."""
    instance = requests_instance(3000, residency="free")
    work = Work(instance, Standing(), 0.0)
    [rung] = [rung for rung in RUNGS if rung.name == "stays"]
    assert rung.suits(work)
    line = METHODS["roofline"](instance)
    assert line.prices is not None
    work.standing.raise_to(replace(line, prices=replace(line.prices, rent=np.full_like(line.prices.rent, 1e-15))), "made up")
    assert work.has_rents
    assert not rung.ready(work)
    run = simulate(instance, make_scheduler("belady"), record=True)
    work.standing.lower_to(run.schedule, run.cost_s, "priced")
    assert rung.ready(work)
    assert rung.climb(work, Limits())
    assert work.standing.state.schedule_from == "stays"
    assert work.standing.state.latency_s is not None
    assert work.standing.state.latency_s < run.cost_s


def test_a_long_log_begins_with_a_window_and_is_not_rounded_before_room_has_a_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prices on few intervals of all steps do not come before, however little they cost."""
    monkeypatch.setattr(rungs_prices, "_WINDOW", 1000)
    instance = requests_instance(7000, residency="free")
    work, left_s = Work(instance, Standing(), 0.02), 300.0
    work.standing.raise_to(METHODS["roofline"](instance), "roofline")

    def turns(side: str) -> list[Turn]:
        suited = [rung for rung in RUNGS if rung.side == side and rung.suits(work)]
        return [Turn(rung, rung.expected_s(work)) for rung in suited if rung.ready(work)]

    first = pick(turns("bound"), 0.0, left_s)
    assert first.rung.name == "window"
    assert "stays" not in [turn.rung.name for turn in turns("schedule")]
    first.rung.climb(work, Limits())
    assert work.has_rents
    assert "stays" in [turn.rung.name for turn in turns("schedule")]


def test_rungs_of_a_log_say_what_memory_they_take() -> None:
    """Ascents by the reads that they hold: all of them, or a sample."""
    work = Work(requests_instance(300, residency="free"), Standing(), 0.0)
    work.size = replace(work.size, reads=10**6)
    needed = {rung.name: rung.memory(work) for rung in RUNGS if rung.name in ("sample", "ascent", "home kept", "belady")}
    assert needed["ascent"] == ascent.COST.expected_bytes(work.size)
    assert 0 < needed["sample"] < needed["ascent"]
    assert needed["home kept"] == needed["belady"] > 0


def test_what_takes_long_waits_for_rents_where_stays_begin_at_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A first schedule comes in any case; a second that takes long only when no rents are on their way, or led to none."""
    [belady] = [rung for rung in RUNGS if rung.name == "belady"]
    instance = fetch_ahead()
    work = Work(instance, Standing(), 0.0)
    assert belady.ready(work)  # at once
    monkeypatch.setattr(rungs, "AT_ONCE_S", 0.0)
    monkeypatch.setattr(optimised, "PATHS", 0)
    work.at_work = {"bound", "schedule"}
    assert belady.ready(work)
    run = simulate(instance, make_scheduler("static"), record=True)
    assert run.schedule is not None
    work.standing.lower_to(run.schedule, run.latency_s, "static")
    assert not belady.ready(work)
    work.at_work = {"schedule"}
    assert belady.ready(work)
    work.standing.lower_to(run.schedule, 0.9 * run.latency_s, "stays")
    assert not belady.ready(work)
