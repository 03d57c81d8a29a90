"""docs/future.md shows what benchmarks/results/future.json holds."""

from __future__ import annotations

import json

from benchmarks.future import INSTANCES, PAGE, RESULTS, main, on_page, render


def test_the_page_is_that_of_the_results() -> None:
    """Its tables are generated, never typed, one for each instance; the check of the command agrees."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    text = PAGE.read_text(encoding="utf-8")
    assert [result["instance"] for result in results] == list(INSTANCES)
    assert on_page(text, results) == text
    assert main(["--check"]) == 0
    changed = [results[0] | {"best_online": "belady", "online": {"belady": 1.0}}, *results[1:]]
    assert on_page(text, changed) != text


def test_a_table_by_hand() -> None:
    """Two windows of a question whose bound is half of what the best online policy takes."""
    keys = ("steps", "whole", "lookahead_s", "mpc_s", "optimised_s", "known_s", "saved_s", "share")
    rows = ((1, False, 1.5, 1.25, None, 1.25, 0.75, 0.75), (9, True, 1.5, None, 1.0, 1.0, 1.0, 1.0))
    windows = [dict(zip(keys, row, strict=True)) for row in rows]
    one = {
        "instance": "a/b",
        "method": "lp",
        "lower_bound_s": 1.0,
        "best_online": "lru",
        "online": {"lru": 2.0},
        "windows": windows,
    }
    lines = render([one]).splitlines()
    assert lines[0] == "`instances/a/b.toml`: `lru` takes 2 s, the bound (lp) is 1 s, 50 % less."
    assert lines[-2:] == [
        "| 1 | 1.500 | 1.250 | - | 1.250 | 0.750 | 75 % |",
        "| all | 1.500 | - | 1.000 | 1.000 | 1.000 | 100 % |",
    ]


def test_the_results_are_what_the_recorded_values_allow() -> None:
    """No policy of the file is below its bound, and what is known and saved follows from the other columns."""
    for result in json.loads(RESULTS.read_text(encoding="utf-8")):
        best, bound = result["online"][result["best_online"]], result["lower_bound_s"]
        assert best == min(value for value in result["online"].values() if value is not None)
        start = best
        for row in result["windows"]:
            costs = [row[key] for key in ("lookahead_s", "mpc_s", "optimised_s") if row[key] is not None]
            assert min(costs) >= bound * (1.0 - 1e-9)
            best = min(best, *costs)
            assert row["known_s"] == best
            assert row["saved_s"] == start - best
