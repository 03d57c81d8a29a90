"""What runs add up to, and studies of instances with budgets and other objectives."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import placement_opt as po
from placement_opt.answer.prove import prove
from placement_opt.base.errors import InputError
from placement_opt.bounds import lp
from placement_opt.cli import main
from placement_opt.instance.budgets import Budget, Objective, objective_text
from placement_opt.memory.files import load_memory
from placement_opt.play.consumption import Consumption, consumption
from placement_opt.report.curve import _Scale
from placement_opt.report.meters import lifetime_text
from placement_opt.report.simulation import simulation_document, simulation_text
from placement_opt.study.worth import worth
from tests.budgets import CASES
from tests.memory.systems import WORN

FOLDER = Path(__file__).parents[2] / "instances" / "budgets"
BUDGET, OBJECTIVE = FOLDER / "two-budget.toml", FOLDER / "two-objective.toml"
IMPOSSIBLE = {"budgets.energy": "1 J/token"}


def used(tmp_path: Path, joules: float, flash: int, seconds: float) -> Consumption:
    """Of the memory system of two tiers that says all there is: 40 B; 4,000 B that stand 3,000 cycles, 1.5 for each write."""
    path = tmp_path / "m.toml"
    path.write_text(WORN)
    memory = load_memory(path)
    amounts = {"energy": joules * memory.meters.parts[0], "written hbm": 5.0, "into hbm": 3.0, "written flash": float(flash)}
    return consumption(memory, np.array([amounts.get(name, 0.0) for name in memory.meters.names]), seconds, 10)


def test_energy_and_wear_by_hand(tmp_path: Path) -> None:
    """2 mW idle for 4 s; 100 B in 4 s are 25 B/s, and 3,000 x 4,000 / 1.5 B last 320,000 s at that."""
    found = used(tmp_path, 1.0, 100, 4.0)
    assert (found.joules, found.background_joules) == (pytest.approx(1.008), pytest.approx(0.008))
    assert (found.watts, found.joules_each) == (pytest.approx(0.252), pytest.approx(0.1008))
    hbm, flash = found.tiers
    assert (hbm.written_bytes, hbm.moved_in_bytes, hbm.bytes_per_day, hbm.lifetime_s) == (5.0, 3.0, 108_000.0, None)
    assert (flash.written_bytes, flash.moved_in_bytes) == (100.0, 0.0)
    assert (flash.bytes_per_day, flash.lifetime_s) == (pytest.approx(2.16e6), pytest.approx(320_000.0))
    assert found.lifetime_s == flash.lifetime_s


def test_nothing_written_and_no_time_at_all(tmp_path: Path) -> None:
    """What is never written lasts for ever; a run without time wears its tier out at once and has no power."""
    assert used(tmp_path, 0.0, 0, 4.0).lifetime_s == math.inf
    at_once = used(tmp_path, 1.0, 100, 0.0)
    assert (at_once.watts, at_once.joules, at_once.lifetime_s) == (None, 1.0, 0.0)
    assert at_once.tiers[1].bytes_per_day == math.inf


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (math.inf, "unlimited"), (10.0, "10 s"), (320_000.0, "3.7 days"), (3.1536e8, "10 years")],
)
def test_lifetimes_in_words(seconds: float | None, text: str) -> None:
    assert lifetime_text(seconds) == text


def test_shares_of_budgets() -> None:
    """6 of 8; with 2 a second for 4 s 6 of 16; a loss of 0.5 a second makes it 8 of 8; a cap on time is used by time."""
    assert Budget("e", 0, Fraction(8)).used(6.0, 4.0) == 0.75
    assert Budget("e", 0, Fraction(8), Fraction(2)).used(6.0, 4.0) == 0.375
    assert Budget("e", 0, Fraction(8), Fraction(-1, 2)).used(6.0, 4.0) == 1.0
    assert Budget("time", None, Fraction(5), Fraction(-1)).used(0.0, 4.0) == pytest.approx(0.8)
    assert Budget("e", 0, Fraction(0)).used(0.0, 4.0) == 0.0


def test_objectives_in_words() -> None:
    """Weights as a file says them, whatever the meters' parts; background power is in the weight of time."""
    meters = po.load_instance(OBJECTIVE).memory.meters
    assert objective_text(meters, Objective()) == "time"
    assert objective_text(meters, po.load_instance(OBJECTIVE).objective) == "1.05 time + 0.5 s/J energy"
    written = meters.index("written flash")
    assert objective_text(meters, Objective(Fraction(0), ((written, Fraction(2, 10**12)),))) == "2 s/TB written flash"


def test_systems_that_say_nothing_have_no_rows_of_it() -> None:
    """No energy, no lifetimes and nothing twice; the JSON has what is written, and null."""
    instance = po.build_instance("gh200", po.Trace.from_reads([[0], [0]], sizes=1 << 20))
    run, proof = po.simulate(instance, po.make_scheduler("static")), prove(instance, "roofline")
    text = simulation_text(run, proof)
    assert "stored to" in text
    for word in ("energy", "written", "lifetime", "budgets", "objective"):
        assert word not in text
    found = simulation_document(run, proof)
    assert (found["joules"], found["joules_per_token"], found["mean_watts"]) == (None, None, None)
    assert {tier["lifetime_s"] for tier in found["tiers"]} == {None}
    assert "joules" not in run.to_records()[0]


def test_what_nothing_is_said_of_is_named() -> None:
    """Energy of one tier alone: the other places are listed; steps without tokens have joules a step."""
    keys = {"preset": "gh200", "hbm.energy": "4 pJ/bit", "lpddr.endurance": "1000 cycles"}
    instance = po.build_instance(keys, po.Trace.from_reads([[0], [0]], sizes=1 << 20))
    run, proof = po.simulate(instance, po.make_scheduler("static")), prove(instance, "roofline")
    text = " ".join(simulation_text(run, proof).split())
    assert "nothing is said of lpddr, c2c: counted as none" in text
    assert "J a step" in text
    assert "0 B 0 B 0 B unlimited" in text
    found = simulation_document(run, proof)
    assert (found["joules_per_unit"], found["joules_per_token"]) == (found["joules"] / 2, None)
    row = run.to_records()[0]
    assert (row["joules"], row["joules_per_step"], row["lifetime_s_lpddr"]) == (found["joules"], found["joules"] / 2, math.inf)


def test_compare_within_budgets(capsys: pytest.CaptureFixture[str]) -> None:
    """Who breaks a budget has no time and says by how much, and the command goes on; the others have energy and wear."""
    assert main(["compare", str(BUDGET), "--schedulers", "lru,belady", "--method", "lp", "--json"]) == 0
    captured = capsys.readouterr()
    assert not captured.err
    (one,) = json.loads(captured.out)["instances"]
    over, kept = one["schedules"]
    assert (over["outcome"], over["latency_s"], over["joules"]) == ("over budget", None, None)
    assert over["note"] == "breaks the budget energy: however its reads are split, by 1.0125 J at least"
    assert (kept["outcome"], kept["verdict"], kept["objective_s"]) == ("timed", "capacity", kept["latency_s"])
    assert kept["joules_per_token"] == pytest.approx(kept["joules"] / 5)
    assert kept["lifetime_s"] == pytest.approx(3.2 * 3600)
    assert main(["compare", str(BUDGET), "--schedulers", "lru,belady", "--method", "lp"]) == 0
    text = capsys.readouterr().out
    assert "energy a token" in text
    assert "3.2 hours" in text
    assert "objective" not in text


def test_the_example_of_the_readme(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What the README shows is what its command prints."""
    monkeypatch.chdir(FOLDER.parents[1])
    text = Path("README.md").read_text(encoding="utf-8")
    command, shown = re.findall(r"<!-- budgets: begin -->\n```\n\$ placement-opt (.*?)\n(.*?)```", text, re.DOTALL)[0]
    assert main(command.split()) == 0
    assert capsys.readouterr().out == shown


def test_compare_by_another_objective(capsys: pytest.CaptureFixture[str]) -> None:
    """Costs are compared, not times: 1.05 s a second and 0.5 s a joule, background power being in the first."""
    assert main(["compare", str(OBJECTIVE), "--schedulers", "reactive,lru", "--method", "lp", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["instances"]
    assert one["objective"] == "1.05 time + 0.5 s/J energy"
    assert one["most_per_s"] is None
    for row in one["schedules"]:
        cost = row["latency_s"] + 0.5 * row["joules"]
        assert row["objective_s"] == pytest.approx(cost)
        assert row["gap"] == pytest.approx(cost / one["lower_bound_s"] - 1)
    assert one["best_s"] == pytest.approx(5.9375)  # of belady, run to know how close the bound is
    assert main(["compare", str(OBJECTIVE), "--schedulers", "reactive,lru", "--method", "lp"]) == 0
    text = capsys.readouterr().out
    assert "objective [s]  latency [s]" in text
    assert "objective    1.05 time + 0.5 s/J energy; bounds and gaps are of it, in seconds" in text
    assert main(["bound", str(OBJECTIVE), "--method", "lp"]) == 0
    assert "No schedule costs less than 5.937 s" in capsys.readouterr().out


def test_check_says_what_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Budgets as rates and amounts of the whole run, the objective, and that the first guess at the time knows neither."""
    assert main(["check", str(BUDGET)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "budgets energy at most 8.5 J less 100 mW, flash.lifetime at most 2.778 B/s" in text
    assert "of the time alone: budgets and objective are left aside" in text
    assert main(["check", str(OBJECTIVE), "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["instances"]
    assert (one["budgets"], one["objective"]) == ([], "1.05 time + 0.5 s/J energy")


def test_where_no_schedule_keeps_the_budgets(capsys: pytest.CaptureFixture[str]) -> None:
    """A sweep goes on beside such a point, and says so; nothing is called weak there. Its exit code is that of a bound."""
    keys = ["--set", "budgets.energy=1J/token,2J/token", "--schedulers", "belady", "--method", "lp"]
    assert main(["sweep", str(BUDGET), *keys]) == 1
    text = capsys.readouterr().out
    assert "At 1J/token: no schedule whatsoever keeps these budgets." in text
    assert "Weak" not in text
    instance = po.load_instance(BUDGET, IMPOSSIBLE)
    found = po.compare(instance, "belady", method="lp")
    assert found.exit_code(everything=False) == 1
    with pytest.raises(InputError, match="found a bound that says that no schedule keeps the budgets, expected one of seconds"):
        worth(instance, po.bound(instance, "lp"))


def test_curves_show_the_objective() -> None:
    """The axis says so, and the points of schedulers are costs."""
    found = po.sweep(OBJECTIVE, "hbm.capacity=2B,3B", "lru", method="lp")
    scale = _Scale(found)
    assert scale.label == "objective"
    assert [scale.times(point)[2] for point in found.points] == [
        point.compared.schedules[0].objective_s for point in found.points
    ]
    assert _Scale(po.sweep(BUDGET, "hbm.capacity=2B", method="roofline")).label == "total time"


def test_what_a_budget_is_worth() -> None:
    """10 J of eight reads: a joule more saves 1/8 s, by the prices and by solving again."""
    instance, more = CASES["10 J"].instance, replace(CASES["10 J"].instance, budgets=(Budget("energy", 0, Fraction(52, 5)),))
    (each,) = worth(instance, lp.bound(instance), shares=[0.1]).budgets
    assert (each.budget, each.unit, each.per_unit_s) == ("energy", "J", pytest.approx(0.125))
    assert lp.bound(more).lower_bound_s == pytest.approx(1.75 - 0.4 * 0.125)


def test_shares_of_the_time_are_shares_of_what_a_second_costs() -> None:
    """Where a second weighs 1.05 the link that binds accounts for all of it, no more."""
    instance = po.load_instance(OBJECTIVE)
    found = worth(instance, lp.bound(instance), shares=[])
    assert [one.share_of_time for one in found.rates] == [0.0, 0.0, pytest.approx(1.0)]
    assert found.unexplained == 0.0
