"""Both sides of instances with budgets: the ladder ends with certificates that meet, or with one that there is no schedule."""

from __future__ import annotations

from pathlib import Path

import pytest

from placement_opt.answer.answer import Outcome, answer
from placement_opt.answer.checkpoint import Checkpoints
from placement_opt.answer.prove import prove
from placement_opt.base.limits import Limits
from placement_opt.bounds.result import Status
from placement_opt.certify.verify import verify_files
from placement_opt.cli import main
from placement_opt.instance.load import load_instance
from placement_opt.report.answer import answer_document, answer_text
from placement_opt.report.verification import verified_document, verified_text
from placement_opt.workload.files.npz import save_trace
from tests.budgets import CASES
from tests.small import make_trace


def write_seven(folder: Path) -> Path:
    """The case "7 J" as files, in tenths of a joule and with a free start: eight bytes of 0.1 J, and 0.7 J."""
    save_trace(make_trace([list(range(8))], [-1] * 8), folder / "t.npz")
    (folder / "m.toml").write_text("""
schema = 1
name = "two"
processor = "gpu"
[tiers.fast]
capacity = "8 B"
rate = "4 B/s"
at = "gpu"
energy = "0.1 J/B"
[tiers.slow]
capacity = "8 B"
rate = "1 B/s"
at = "gpu"
energy = "0.3 J/B"
""")
    path = folder / "seven.toml"
    path.write_text("""
schema = 1
name = "seven"
memory = { file = "m.toml" }
trace = { file = "t.npz" }
rules = { residency = "free" }
budgets = { energy = "0.7 J" }
""")
    return path


@pytest.mark.parametrize("name", [name for name in CASES if name != "7 J"])
def test_both_sides_meet(name: str, tmp_path: Path) -> None:
    """Bound and schedule are equal to rounding, and their certificates are verified to prove that."""
    case = CASES[name]
    found = answer(case.instance, gap=1e-9, limits=Limits(60.0))
    assert found.outcome is Outcome.WITHIN
    assert found.latency_s == pytest.approx(case.optimum, rel=1e-9)
    files = {"prices": str(tmp_path / "p"), "schedule": str(tmp_path / "s")}
    Checkpoints(case.instance, files).finish(found.state)
    proven = verify_files(case.instance, list(files.values()))
    assert proven.gap is not None
    assert proven.gap <= 1e-8
    document = verified_document(proven, files)
    assert document.get("budgets_kept") is (True if case.instance.budgets else None)
    assert ("and keeps the budgets" in verified_text(proven, files)) == bool(case.instance.budgets)


def test_no_schedule(tmp_path: Path) -> None:
    """Seven joules are too few: no schedule is looked for any longer, and the certificate proves it; resumed, it still does."""
    instance = CASES["7 J"].instance
    found = answer(instance, gap=0.01, limits=Limits(60.0))
    assert found.outcome is Outcome.NO_SCHEDULE
    assert found.schedule is None
    assert answer_document(found)["status"] == "no schedule keeps the budgets"
    assert "No schedule whatsoever keeps these budgets." in answer_text(found)
    files = {"prices": str(tmp_path / "p"), "schedule": str(tmp_path / "s")}
    Checkpoints(instance, files).finish(found.state)
    assert not (tmp_path / "s").exists()
    proven = verify_files(instance, [files["prices"]])
    assert (proven.no_schedule, proven.lower_s) == (True, None)
    assert verified_document(proven, files)["budgets_kept"] is False
    assert "no schedule keeps these budgets, by the prices in" in verified_text(proven, files)
    assert answer(instance, limits=Limits(60.0), resume=proven, rungs=[]).outcome is Outcome.NO_SCHEDULE


@pytest.mark.parametrize("options", [[], ["--gap", "1%"], ["--method", "lp"]])
def test_bound_ends_with_1(options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command says so plainly, writes the certificate, and ends as where a scheduler's moves keep no budget."""
    name, path = write_seven(tmp_path), tmp_path / "p"
    assert main(["bound", str(name), *options, "--certificate", str(path)]) == 1
    assert "No schedule whatsoever keeps these budgets." in " ".join(capsys.readouterr().out.split())
    assert verify_files(load_instance(name), [path]).no_schedule
    assert main(["simulate", str(name), "--scheduler", "static"]) == 1
    assert "breaks the budget energy: however its reads are split, by 0.1 J at least" in capsys.readouterr().err


def test_proof_without_a_schedule() -> None:
    """The bound alone stands on no roofline where there is no schedule: that is what was proven."""
    proof = prove(CASES["7 J"].instance, "lp")
    assert (proof.bound.status, proof.bound.lower_bound_s) == (Status.INFEASIBLE, None)
