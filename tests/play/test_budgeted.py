"""Runs of instances with budgets and objectives: what meters count, which split keeps them, and what cannot keep them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from placement_opt.answer.prove import proof_of
from placement_opt.base.errors import ScheduleError
from placement_opt.bounds import roofline
from placement_opt.instance.budgets import Budget, Objective
from placement_opt.instance.instance import Instance
from placement_opt.play.protocol import Moves
from placement_opt.play.replay import Replay
from placement_opt.play.run import Run
from placement_opt.play.schedule import Recorder
from placement_opt.play.simulate import simulate
from placement_opt.report.simulation import simulation_document, simulation_text
from tests.budgets import CASES, two_copies

MOVES = {name: Moves() for name in CASES} | {"wear": Moves(store=[(0, np.arange(10))])}


def run_of(instance: Instance, moves: Moves | None = None) -> Run:
    recorder = Recorder(np.ones((2, 8), dtype=bool) if instance.num_tiers == 2 else np.zeros((1, 10), dtype=bool))
    recorder.add(moves or Moves())
    return simulate(instance, Replay(recorder.schedule("by hand")))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.optimum is not None])
def test_runs_by_hand(name: str) -> None:
    """The one sensible schedule of each case costs exactly what the statement says."""
    case = CASES[name]
    run = run_of(case.instance, MOVES[name])
    assert run.cost_s == case.optimum
    assert {"no budget": 11.2, "10 J": 10, "time and energy": 8, "wear": 10}[name] == pytest.approx(run.metered[0], rel=1e-15)
    assert run.waited_s == pytest.approx(19.99 if name == "wear" else 0.0)
    assert run.exact_latency() == Fraction({"no budget": "1.6", "10 J": "7/4", "time and energy": "2", "wear": "20"}[name])


def test_what_no_split_keeps_is_refused() -> None:
    """Eight bytes take 8 J at least, whatever serves them: with 7 J the schedule is illegal by 1 J."""
    message = "replay of by hand: breaks the budget energy: however its reads are split, by 1 J at least"
    with pytest.raises(ScheduleError, match=message):
        run_of(CASES["7 J"].instance)


def test_of_two_budgets_the_one_that_cannot_be_kept_is_named() -> None:
    """8 J can be kept alone, in 2 s; beside it a cap of 1.5 s is passed by half a second."""
    instance = two_copies(8)
    both = replace(instance, budgets=(*instance.budgets, Budget("time", None, Fraction(3, 2), Fraction(-1))))
    assert run_of(instance).latency_s == 2.0
    with pytest.raises(ScheduleError, match=r"breaks the budget time beside energy: .* by 0.5 s at least"):
        run_of(both)
    with pytest.raises(ScheduleError, match=r"breaks the budget time: .* by 0.1 s at least"):
        run_of(replace(both, budgets=both.budgets[1:]))


def test_a_run_that_would_wait_for_power_is_split_anew() -> None:
    """At 5 W the fastest split would wait: 11.2 J take 2.24 s. With 96/13 B from the fast tier none does: x/4 = (24 - 2x)/5."""
    instance = replace(two_copies(0), budgets=(Budget("power", 0, Fraction(0), Fraction(5)),))
    run = run_of(instance)
    assert run.latency_s == pytest.approx(24 / 13, rel=1e-9)
    assert run.exact_latency() * 5 >= run.split.counted[0]  # type: ignore[union-attr]


def test_energy_alone_within_a_cap_on_time() -> None:
    """Energy alone: all fast, 8 J in 2 s; in 1.75 s seven bytes at most come from the fast tier, 10 J."""
    energy = Objective(Fraction(0), ((0, Fraction(1)),))
    assert run_of(two_copies(None, energy)).cost_s == 8.0
    capped = replace(two_copies(None, energy), budgets=(Budget("time", None, Fraction(7, 4), Fraction(-1)),))
    run = run_of(capped)
    assert (run.cost_s, run.latency_s) == (10.0, 1.75)


def test_what_is_reported_of_a_run() -> None:
    """Meters whether bounded or not, the wait and the objective where there are any, and the budgets that are kept."""
    worn = run_of(CASES["wear"].instance, MOVES["wear"])
    document = simulation_document(worn, proof_of(worn.instance, roofline.bound(worn.instance)))
    (tier,) = document["tiers"]
    assert (tier["written_bytes"], tier["written_tb_per_day"], tier["lifetime_s"]) == (10.0, 4.32e-8, None)
    assert document["budgets"] == [{"budget": "0.wear", "used_share": 1.0}]
    assert (document["objective"], document["objective_s"], document["joules"]) == ("time", 20.0, None)
    text = simulation_text(worn, proof_of(worn.instance, roofline.bound(worn.instance)))
    assert "waits" in text
    assert "budgets kept 0.wear (100 % used)" in " ".join(text.split())
    plain = run_of(CASES["no budget"].instance)
    document = simulation_document(plain, proof_of(plain.instance, roofline.bound(plain.instance)))
    assert (document["joules"], document["mean_watts"]) == (pytest.approx(11.2), pytest.approx(7.0))
    assert (document["joules_per_unit"], document["joules_per_token"]) == (pytest.approx(11.2), None)
    assert document["budgets"] == []
    weighed = run_of(CASES["time and energy"].instance)
    text = simulation_text(weighed, proof_of(weighed.instance, roofline.bound(weighed.instance)))
    assert "objective 10 s: time + 1 s/J energy" in " ".join(text.split())
