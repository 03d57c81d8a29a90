"""The page of all policies is that of the registry and of the recorded results."""

from __future__ import annotations

import json

import pytest

from benchmarks import tune
from benchmarks.policies import PAGE, RESULTS, main, render
from placement_opt.cli import main as command
from placement_opt.schedulers import REGISTRY
from placement_opt.study.record import best_path, read_record
from tests.pages import commands, shown


def test_the_page_follows_from_the_results() -> None:
    """``python -m benchmarks.policies`` makes it anew."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert PAGE.read_text(encoding="utf-8") == render(results)
    assert main(["--check"]) == 0
    assert all(f"`{name}`" in render(results) for name in REGISTRY)


def test_the_results_are_of_the_instances_as_they_are() -> None:
    """``python -m benchmarks.policies --run`` plays all anew; every policy was played."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert len(results) > 15
    for path, entry in results.items():
        record = read_record(best_path(PAGE.parent.parent / path))
        assert record.hash == entry["hash"], path
        assert set(REGISTRY) - set(entry["schedules"]) <= {"milp", "lp-rounded", "optimised"}
        for name, found in entry["schedules"].items():
            assert found.get("latency_s", 1e9) >= entry["lower_bound_s"] * (1 - 1e-9), (path, name)


def test_the_table_of_defaults_follows_from_its_results() -> None:
    """``python -m benchmarks.tune`` makes it anew; every case was run with the values that it has now."""
    assert tune.main(["--check"]) == 0
    results = json.loads(tune.RESULTS.read_text(encoding="utf-8"))
    assert list(results) == [spec for spec, _ in tune.CASES]


def test_the_page_on_tuning_shows_what_comes_out(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its command prints what the page has."""
    monkeypatch.chdir(PAGE.parent.parent)
    for line, wanted in commands(tune.PAGE.read_text(encoding="utf-8")):
        assert command([*line.split(), "--quiet"]) == 0
        assert shown(wanted, capsys.readouterr().out.splitlines()) is None
