"""Comparisons that go on from what they know."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from placement_opt import compare
from placement_opt.answer.prove import Proof, prove
from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.bounds.result import Status
from placement_opt.cli import main
from placement_opt.report.comparison import comparison_document
from placement_opt.study.kept import of_plain, plain
from placement_opt.study.scheduled import Scheduled
from tests.cli.cases import write_drift
from tests.turns import Stay, turns

#: So that belady is better than static by more than policies can be judged by.
LITTLE = "hbm.capacity=1MiB"
GRID = importlib.import_module("placement_opt.study.grid")


def test_what_is_kept_comes_back() -> None:
    """A schedule with all that is said of it, and a proof, through JSON."""
    (one,) = compare([turns()], "lru,static", method="step", why=True).instances
    for row in one.schedules:
        bare = replace(row, judgement=None)
        assert of_plain(Scheduled, json.loads(json.dumps(plain(bare)))) == bare
    back = of_plain(Proof, json.loads(json.dumps(plain(one.proof))))
    assert plain(back) == plain(one.proof)
    assert back.binds == one.proof.binds


def test_finished_cells_are_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same answer without any work; another scheduler is the only one that is run; one of the user's own always is."""
    state = tmp_path / "state"
    first = compare([turns()], "lru,static", method="step", state=state)
    with state.open("a") as file:
        file.write('{"cell": ["cut')  # whatever ended it
    begun: list[str] = []
    work = GRID.work

    def counted(cell: object, limits: Limits) -> object:
        begun.append(type(cell).__name__)
        return work(cell, limits)

    monkeypatch.setattr(GRID, "work", counted)
    again = compare([turns()], "lru,static", method="step", state=state)
    assert begun == []
    assert comparison_document(again) == comparison_document(first)
    compare([turns()], ["lru", "static", "fifo"], method="step", state=state)
    assert begun.count("Timing") == 1
    for _ in range(2):
        begun.clear()
        compare([turns()], ["lru", Stay()], method="step", state=state)
        assert "Timing" in begun
    begun.clear()
    compare([turns()], "lru,static", method="roofline", state=state)
    assert begun == ["Bounding"]


@pytest.mark.parametrize("gap", [None, 0.0])
def test_a_bound_that_was_ended_early_is_not_kept(gap: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor one that a stop or a deadline left weak though its method had done its work: with more time it would be another."""
    module, state = importlib.import_module("placement_opt.study.compare"), tmp_path / "state"
    true = module.prove_beside

    def stopped(*args: Any) -> Proof:
        limits.interrupt()
        return prove(args[0], "step")

    monkeypatch.setattr(module, "prove_beside", stopped)
    limits = Limits()
    part = compare(
        write_drift(tmp_path),
        "static",
        keys=LITTLE,
        method="auto" if gap is not None else "step",
        gap=gap,
        state=state,
        limits=limits,
    )
    assert part.instances[0].proof.bound.status is Status.OPTIMAL
    assert [json.loads(line).get("kind") for line in state.read_text().splitlines()[1:]] == ["schedule"]
    monkeypatch.setattr(module, "prove_beside", lambda *args: prove(args[0], "roofline"))
    compare(write_drift(tmp_path), "static", keys=LITTLE, gap=gap, bound_seconds=1e6, state=state)
    assert "proof" not in state.read_text()
    monkeypatch.setattr(module, "prove_beside", true)
    again = compare(write_drift(tmp_path), "static", keys=LITTLE, method="step", state=state)
    assert again.instances[0].proof.best_from == "belady"
    assert json.loads(state.read_text().splitlines()[-1])["kind"] == "proof"


def test_another_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is no state is left as it is."""
    state = tmp_path / "state"
    state.write_text("something else\n")
    with pytest.raises(InputError, match="found no comparison's cells, expected a file that compare --resume wrote"):
        compare([turns()], "lru", method="step", state=state)
    assert state.read_text() == "something else\n"
    file = str(write_drift(tmp_path))
    assert main(["compare", file, "--schedulers", "lru", "--method", "step", "--resume", str(tmp_path / "new")]) == 0
    first = capsys.readouterr().out
    assert main(["compare", file, "--schedulers", "lru", "--method", "step", "--resume", str(tmp_path / "new")]) == 0
    assert capsys.readouterr().out == first
