"""Work in runs goes on where it was: certificates are written on the way, and what they prove is begun with."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from placement_opt.answer import checkpoint
from placement_opt.answer.answer import Outcome, answer
from placement_opt.base.limits import Limits
from placement_opt.bounds.result import Prices
from placement_opt.certify.layered import verify_large
from placement_opt.cli import main
from placement_opt.instance.load import load_layered
from placement_opt.layered import solve as engine
from placement_opt.layered.prices import Family
from placement_opt.workload.synth import params
from tests.layered.cases import write
from tests.layered.solved import solved


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An instance file whose trace counts as too large for rows."""
    monkeypatch.setattr(params, "LARGEST_READS", 100)
    return str(write(tmp_path, drift=0.3))


def bound(capsys: pytest.CaptureFixture[str], path: str, *options: object, code: int = 0) -> Any:
    assert main(["bound", path, "--gap", "0%", *map(str, options), "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_an_interrupted_run_goes_on_from_its_files(
    large: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C after the first of two layers: both files verify, are begun with, and what is found in the end is as good as
    in one go; the first line already has what the files prove."""
    prices, plan = tmp_path / "prices", tmp_path / "plan"
    files = ("--certificate", prices, "--schedule", plan)
    whole = solved(load_layered(large))
    work = engine._layer

    def one_layer(task: engine._Task, limits: engine.Limits) -> engine._Done:
        if task.layer == 1:
            os.kill(os.getpid(), signal.SIGINT)
            assert limits._stop.wait(60.0)
        return work(task, limits)

    monkeypatch.setattr(engine, "_layer", one_layer)
    early = bound(capsys, large, *files, code=130)
    assert early["status"] == "interrupted"
    assert early["schedule_s"] > whole.schedule_s
    found = verify_large(load_layered(large), [prices, plan])
    assert found.upper_s == pytest.approx(early["schedule_s"], rel=1e-12)
    monkeypatch.setattr(engine, "_layer", work)
    assert (
        main(["bound", large, "--gap", "0%", *map(str, files), "--resume", str(prices), "--resume", str(plan), "--json"]) == 0
    )
    out, err = capsys.readouterr()
    later, first = json.loads(out), err.splitlines()[1]
    assert first.split()[-1] == "scale"
    assert f"{found.upper_s * 1e3:.5f}" in first
    assert later["details"]["layers_done"] == 2
    assert later["schedule_s"] <= whole.schedule_s * 1.02 < early["schedule_s"]
    assert later["lower_bound_s"] >= max(found.lower_s or 0.0, early["lower_bound_s"])
    assert later["lower_bound_s"] >= whole.lower_s * (1 - 1e-3)
    again = verify_large(load_layered(large), [prices, plan])
    assert (again.upper_s, again.lower_s) == (
        pytest.approx(later["schedule_s"], rel=1e-12),
        pytest.approx(later["lower_bound_s"], rel=1e-9),
    )


def test_what_is_close_enough_is_not_worked_on_again(large: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The files of a run are written anew as they are, under other names."""
    first, second = ([tmp_path / f"{name}{n}" for name in ("prices", "plan")] for n in (1, 2))
    made = bound(capsys, large, "--certificate", first[0], "--schedule", first[1])
    options = ["--certificate", second[0], "--schedule", second[1], "--resume", first[0], "--resume", first[1]]
    assert main(["bound", large, "--gap", "60%", *map(str, options), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["status"] == "within gap"
    assert found["scheduler"] == "resumed scale"
    assert found["schedule_s"] == pytest.approx(made["schedule_s"], rel=1e-12)
    assert second[1].read_bytes() == first[1].read_bytes()
    assert verify_large(load_layered(large), second).gap == pytest.approx(found["gap"], abs=1e-9)


def test_files_are_written_on_the_way(
    large: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the last layer is worked on, the file of moves holds the first ones'."""
    monkeypatch.setattr(checkpoint, "PAUSE_S", 0.0)
    monkeypatch.setattr(checkpoint, "PAUSES", 0.0)
    plan, question, seen = tmp_path / "plan", load_layered(large), []
    save = engine.Plan.save

    def watched(self: engine.Plan, path: str) -> Any:
        written = save(self, path)
        seen.append((len(self.sections), verify_large(question, [path]).upper_s))
        return written

    monkeypatch.setattr(engine.Plan, "save", watched)
    found = bound(capsys, large, "--schedule", plan)
    assert seen[0][0] < 2
    assert seen[-1][0] == 2
    assert seen[-1][1] == pytest.approx(found["schedule_s"], rel=1e-12)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["instance.toml", "plan"]


def test_damaged_and_foreign_files_are_refused(large: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As anywhere: exit code 1, and the file is named."""
    plan = tmp_path / "plan"
    bound(capsys, large, "--schedule", plan)
    (tmp_path / "other").mkdir()
    other = str(write(tmp_path / "other", drift=0.1))
    assert main(["bound", other, "--gap", "1%", "--resume", str(plan)]) == 1
    assert f"{plan}: made for another instance" in capsys.readouterr().err
    data = bytearray(plan.read_bytes())
    data[60] ^= 1
    plan.write_bytes(data)
    assert main(["bound", large, "--gap", "1%", "--resume", str(plan)]) == 1
    assert f"{plan}: the checksum does not match" in capsys.readouterr().err


def test_prices_of_another_question_are_begun_with(large: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A longer run's prices, stretched: the search is not worse for them; those of another kind of system are refused."""
    (tmp_path / "other").mkdir()
    other, made = str(write(tmp_path / "other", tokens=50, drift=0.3)), tmp_path / "prices"
    bound(capsys, other, "--certificate", made)
    alone = bound(capsys, large)["lower_bound_s"]
    assert bound(capsys, large, "--warm-start", made)["lower_bound_s"] >= alone * (1 - 1e-3)
    three = tmp_path / "three"
    assert main(["bound", "instances/tiny/three-first-fit.toml", "--method", "step", "--certificate", str(three)]) == 0
    assert main(["bound", large, "--gap", "1%", "--warm-start", str(three)]) == 2
    assert "expected 4 resources and 2 tiers" in capsys.readouterr().err


def test_knots_are_found_again_in_their_prices(tmp_path: Path) -> None:
    """Prices that a few knots describe are described by them; in other numbers of turns the same profile comes out."""
    question = load_layered(write(tmp_path, tokens=60))
    family = Family(question, [layer for n in range(2) if (layer := question.layers.layer(n)) is not None])
    knots = family.knots(6)
    rng = np.random.default_rng(3)
    knots = type(knots)(knots.at, knots.weight, rng.uniform(0.1, 0.9, len(knots.value)))
    prices = family.prices(knots)
    fitted = family.fitted(prices)
    assert np.abs(fitted.theta - knots.theta).max() < 0.01
    assert np.abs(fitted.rent - knots.rent).max() < 0.01
    assert family.evaluate(fitted)[0] == pytest.approx(family.evaluate(knots)[0], rel=0.01)
    twice = Prices(
        np.repeat(prices.rho, 2, axis=0), np.append(np.repeat(prices.rent[:-1] / 2, 2, axis=0), prices.rent[-1:], axis=0)
    )
    assert np.abs(family.fitted(twice).theta - knots.theta).max() < 0.02


def test_layers_without_time_are_no_end_of_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the share of the time that the sample gets is too short for a layer, a limit was reached; nothing is optimal."""
    monkeypatch.setattr(engine, "prepare", lambda *_: None)
    found = answer(load_layered(write(tmp_path)), limits=Limits(1000.0))
    assert (found.outcome, found.bound.method) == (Outcome.LIMIT, "roofline")
    assert found.latency_s is not None
