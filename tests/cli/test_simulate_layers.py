"""`simulate` writes what a scheduler does where reads do not fit as rows: moves that verify, and pictures of what they do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from placement_opt.certify.files import load_schedule
from placement_opt.certify.stacked_files import open_stacked_schedule
from placement_opt.cli import main
from placement_opt.instance.load import load_layered
from placement_opt.instance.outline import read_outline
from placement_opt.instance.turns import in_layers
from placement_opt.workload.synth import params
from tests.layered.cases import write
from tests.stacking import stored, written


@pytest.fixture(params=["runs", "layers"])
def large(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An instance file whose trace counts as too large for rows, one layer of it not."""
    make: Callable[[Path], Path] = {"runs": write, "layers": written}[request.param]
    monkeypatch.setattr(params, "LARGEST_READS", {"runs": 1000, "layers": 300}[request.param])
    return str(make(tmp_path))


def told(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> dict[str, Any]:
    assert main([*argv, "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_moves_are_written_and_verify(large: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Alone and beside prices, in one process and in two; the run takes what they are certified for."""
    moves, prices, best = f"{large}.moves", f"{large}.prices", f"{large}.best"
    run = told(capsys, "simulate", large, "--scheduler", "belady", "--schedule", moves, "--jobs", "2")
    assert run["certified"]["upper_bound_s"] == pytest.approx(run["latency_s"], rel=1e-12)
    first = Path(moves).read_bytes()
    alone = told(capsys, "verify", large, moves)
    assert (alone["upper_bound_s"], alone["lower_bound_s"]) == (run["certified"]["upper_bound_s"], None)
    assert alone["schedule"]["moves"] == run["certified"]["schedule"]["moves"] > 0
    bound = told(capsys, "bound", large, "--gap", "300%", "--certificate", prices, "--schedule", best)
    both = told(capsys, "verify", large, prices, moves, "--jobs", "2")
    assert both["upper_bound_s"] == alone["upper_bound_s"]
    assert both["lower_bound_s"] == bound["certified"]["lower_bound_s"]
    assert both["hash"] == bound["hash"] == run["hash"]
    assert main(["verify", large, moves, best]) == 2
    assert "found a second certificate of schedule" in capsys.readouterr().err
    told(capsys, "simulate", large, "--scheduler", "belady", "--schedule", moves)
    assert Path(moves).read_bytes() == first


def test_an_answer_goes_on_from_moves(large: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--resume` begins with what they take, and writes them again where nothing better is found in no time."""
    moves, again = f"{large}.moves", f"{large}.again"
    run = told(capsys, "simulate", large, "--scheduler", "belady", "--schedule", moves)
    best = told(capsys, "bound", large, "--gap", "40%", "--resume", moves, "--schedule", again)
    assert best["schedule_s"] <= run["certified"]["upper_bound_s"]
    assert told(capsys, "verify", large, again)["upper_bound_s"] == best["certified"]["upper_bound_s"]


def test_each_layer_keeps_the_name_of_the_scheduler(large: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In the certificate of its moves, as it calls itself."""
    moves = f"{large}.moves"
    told(capsys, "simulate", large, "--scheduler", "lru:scope=global", "--schedule", moves)
    outline = read_outline(large)
    question = in_layers(outline)
    schedule = open_stacked_schedule(moves, question)
    for layer in range(question.layers):
        alone = question.layer(layer)
        assert load_schedule(schedule.section(layer), alone).scheduler == "lru:scope=global"
    if len(outline.memory.tiers) == 2:
        assert load_layered(large).stacked is not None


def test_a_picture_is_drawn(large: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same as of the rows."""
    pytest.importorskip("matplotlib", reason="matplotlib, the plot extra, is not installed")
    one, two = f"{large}.one.svg", f"{large}.two.svg"
    assert main(["simulate", large, "--scheduler", "lru", "--plot", one]) == 0
    monkeypatch.setattr(params, "LARGEST_READS", 2**30)
    assert main(["simulate", large, "--scheduler", "lru", "--plot", two]) == 0
    assert Path(one).read_bytes() == Path(two).read_bytes()


def test_shares_of_budgets_that_a_layer_does_not_keep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half of what is read is of one layer of three: together they keep the budget, it does not keep a third of it."""
    path, moves = stored(tmp_path, [4, 8, 4]), tmp_path / "moves"
    monkeypatch.setattr(params, "LARGEST_READS", 30)
    energy = 'fast.energy = "1 pJ/bit"\nmiddle.energy = "20 pJ/bit"\nslow.energy = "50 pJ/bit"\n[llm]'
    text = path.read_text().replace("[llm]", energy)
    # 48 reads of 8,000 bits at 50 pJ, and weights for 0.216 uJ
    path.write_text(text + '[budgets]\nenergy = "19.5 uJ"\n[rules]\nresidency = "free"\n')
    command = ["simulate", str(path), "--scheduler", "all-slow"]
    assert main(command) == 0
    assert capsys.readouterr().err == ""
    assert main([*command, "--schedule", str(moves)]) == 1
    told = capsys.readouterr()
    assert f"error: {moves}: not written, layer 1, in its even share of the budgets, breaks the budget energy" in told.err
    assert "latency" in told.out
    assert not moves.exists()
