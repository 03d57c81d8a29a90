"""``bound`` answers from both sides where a trace would not fit in memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from placement_opt.cli import main
from placement_opt.workload.synth import params
from tests.scale.test_solve import write


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An instance file whose trace counts as too large for rows, on a machine of one processor."""
    monkeypatch.setattr(params, "LARGEST_READS", 100)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    return str(write(tmp_path))


def test_bound_of_a_large_file_gives_both_sides(large: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bound", large, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["instance"] == "drawn"
    assert answer["method"] == "scale"
    assert 0 < answer["roofline_s"] <= answer["lower_bound_s"] <= answer["schedule_s"]
    assert answer["gap"] == pytest.approx(answer["schedule_s"] / answer["lower_bound_s"] - 1)
    assert main(["bound", large]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "No schedule takes less than" in text
    assert "the optimum is known to" in text


def test_a_method_that_needs_rows_still_refuses_a_large_file(large: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And says how many reads there are."""
    for options in (["--method", "lp"], ["--prices"]):
        assert main(["bound", large, *options]) != 0
        assert "reads, expected at most" in capsys.readouterr().err


def test_a_large_file_is_refused_where_memory_is_short(
    large: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sysconf", lambda _: 1000)
    assert main(["bound", large]) != 0
    assert "runs a layer" in capsys.readouterr().err
