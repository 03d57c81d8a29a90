"""What binds: by hand from prices, from a schedule where a bound has none, and in what commands print."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from placement_opt.answer.binding import Binding, binding
from placement_opt.answer.prove import prove, prove_known
from placement_opt.answer.quick import QUICK, quick_run
from placement_opt.answer.verdict import Interval
from placement_opt.base.errors import ScheduleError
from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS
from placement_opt.cli import main
from placement_opt.instance.instance import Instance
from placement_opt.report.judgement import NONE_EXISTS, binds_document, binds_text
from tests.cli.cases import write_ahead
from tests.small import fetch_ahead, make_instance, make_trace, two_tier

HBM, UP = 0, 2


def two_steps(room: int, **arguments: object) -> Instance:
    """Ten blocks read twice; hbm has room for some."""
    return make_instance(two_tier(hbm=room), make_trace([list(range(10))] * 2, [-1] * 10), **arguments)  # type: ignore[arg-type]


def of(instance: Instance, method: str) -> tuple[Binding, ...]:
    prices = METHODS[method](instance).prices
    assert prices is not None
    return binding(instance, prices.rho)


def test_by_hand() -> None:
    """Without room the link binds at both steps; with room for all hbm carries 4900/5350 of the price."""
    assert of(two_steps(0), "lp") == (Binding("c2c.up", 1.0),)
    assert of(two_steps(10), "roofline") == (Binding("hbm", 1.0),)


def test_the_floor_binds_and_dust_does_not() -> None:
    """What prices leave of a step is the floor's, where there is one; a price of rounding binds nothing."""
    instance = two_steps(0, floor=1.0)
    rho = np.zeros((2, 4))
    assert binding(instance, rho) == (Binding(None, 1.0),)
    rho[1, UP] = 0.9 / 450
    assert binding(instance, rho) == (Binding("c2c.up", 0.5), Binding(None, 0.5))
    rho[0, HBM] = 1e-9 / 4900
    bare = replace(instance, floor=np.zeros(2))
    assert binding(bare, rho) == (Binding("c2c.up", 0.5),)


def test_words_and_keys() -> None:
    """The most frequent first, the floor by its name in text and null in JSON."""
    binds = (Binding("c2c.up", 0.74), Binding(None, 0.26))
    close, wide = Interval(1.0, 1.05), Interval(1.0, 2.0)
    assert binds_text(binds, close) == "c2c.up at 74 % of the steps, the floor at 26 %"
    assert binds_text(binds, wide).endswith("the floor at 26 % (by a bound that is weak, as far as is known)")
    assert binds_text((), wide) == ""
    assert binds_document(binds)[1] == {"resource": None, "share_of_steps": 0.26}


def test_a_schedule_says_what_binds_where_the_bound_has_no_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loads of the best of the cheap schedules take the place of prices."""
    module = __import__("placement_opt.answer.prove", fromlist=["lower_bound"])
    instance = two_steps(0)
    bare = replace(METHODS["lp"](instance), prices=None)
    monkeypatch.setattr(module, "lower_bound", lambda *_, **__: bare)
    assert prove_known(instance, "lp", limits=Limits()).binds == (Binding("c2c.up", 1.0),)


def test_quick_schedules_end_as_soon_as_one_is_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """static is at the bound: nothing else is run; one that breaks a rule is passed over; with no time there is none."""
    module = __import__("placement_opt.answer.quick", fromlist=["simulate"])
    true, asked = module.simulate, []

    def run(instance: Instance, scheduler: object, **rest: object) -> object:
        asked.append(scheduler.name)  # type: ignore[attr-defined]
        if scheduler.name == "static" and len(asked) > 1:  # type: ignore[attr-defined]
            raise ScheduleError("no room", scheduler="static", step=0)
        return true(instance, scheduler, **rest)

    monkeypatch.setattr(module, "simulate", run)
    instance = two_steps(0)
    best = quick_run(instance, 20 / 450)
    assert best is not None
    assert (best.scheduler, asked) == ("static", ["static"])
    far = quick_run(instance, 1e-6)
    assert far is not None
    assert (far.scheduler, asked[1:]) == ("belady", list(QUICK))
    assert quick_run(instance, 1e-6, limits=Limits(0.0)) is None


def test_bound_says_what_binds_and_how_close_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --prices, in text and in JSON."""
    path = str(write_ahead(tmp_path))
    assert main(["bound", path, "--method", "lp", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["best_from"] in QUICK
    assert document["known_to"] == pytest.approx(document["best_s"] / document["lower_bound_s"] - 1)
    assert document["binds"][0]["resource"] == "hbm"
    assert document["sentences"][0] == document["sentence"]
    assert main(["bound", path, "--method", "lp"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("binds        hbm at ") for line in lines)
    assert any(line.startswith(f"best known   {1e3 * document['best_s']:.5f}"[:20]) for line in lines)
    assert main(["bound", path, "--gap", "50%", "--json", "--quiet"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["binds"]
    assert document["weak"] is (document["gap"] > 0.1)


def no_room() -> Instance:
    """Four blocks of 6 bytes, all alive, in tiers of 16 and 9 bytes: nothing holds them."""
    memory = two_tier(hbm=16, lpddr=9)
    return make_instance(memory, make_trace([[0, 1]] * 3, [-1, -1, -1, 0], sizes=[6] * 4), "exclusive")


def test_no_schedule_is_claimed_where_none_was_found() -> None:
    """No policy is blamed: where none exists that is said, and where some do, that none was found."""
    from placement_opt.report.bound import bound_text

    proof = prove_known(no_room(), "roofline", limits=Limits())
    assert (proof.best_s, proof.interval.width, proof.interval.weak) == (None, None, True)
    text = " ".join(bound_text(proof).split())
    assert text.endswith(NONE_EXISTS)
    assert "by any policy" not in text
    text = " ".join(bound_text(prove_known(no_room(), "lp", limits=Limits())).split())
    assert text.endswith(NONE_EXISTS)
    assert "by any policy" not in text
    text = " ".join(bound_text(prove(fetch_ahead(), "lp")).split())
    assert text.endswith("No schedule has been found, though some exist: how close the bound is, is not known.")
    assert "by any policy" not in text


def test_simulate_judges_by_the_roofline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One schedule beside the roofline: a verdict as far as that goes, in text and in JSON."""
    path = str(write_ahead(tmp_path))
    assert main(["simulate", path, "--scheduler", "belady", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["lower_bound_s"] == document["roofline_s"] == pytest.approx(0.0482929620446, rel=1e-9)
    assert document["above_optimum_most"] == pytest.approx(document["latency_s"] / document["roofline_s"] - 1)
    assert document["above_optimum_least"] == 0.0
    assert document["verdict"] == ("capacity" if document["above_optimum_most"] <= 0.1 else "unknown")
    assert document["sentences"][0].startswith("The optimum lies between 48.29 ms and ")
    assert main(["simulate", path, "--scheduler", "static"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "verdict unknown" in text
    assert "policies cannot be judged by this bound yet, 38 % wide where 10 % is needed; compare raises it." in text
