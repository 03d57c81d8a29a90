"""The page of all policies is that of the registry and of the recorded results."""

from __future__ import annotations

import json

from benchmarks.policies import PAGE, RESULTS, main, render
from placement_opt.schedulers import REGISTRY
from placement_opt.study.record import best_path, read_record


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
