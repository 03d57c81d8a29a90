"""The page of work by layer on a cluster: its tables are those of the recorded passes, the plan follows from them."""

from __future__ import annotations

import pytest

from benchmarks.cluster import KINDS, LAYERS, PAGE, READS, load, main, plan, render


def test_the_page_follows_from_the_results() -> None:
    """``python -m benchmarks.cluster`` makes it anew; the cluster gave what one process gives."""
    results = load()
    assert PAGE.read_text(encoding="utf-8") == render(results)
    assert main(["--check"]) == 0
    assert [results[kind]["same integers and files"] for kind in KINDS] == ["yes", "yes"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_sent_is_small(kind: str) -> None:
    """A task and what comes of it take no more than two kilobytes, whatever a layer has; what is shared less than its moves
    and rows would."""
    figures = load()[kind]
    assert figures["bytes a task"] + figures["bytes a result"] < 2_000
    assert figures["bytes shared"] < figures["reads a layer"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_plan_by_hand(kind: str) -> None:
    """As measured it is the measurement; workers share layers out evenly, and more of them than layers bring nothing."""
    figures = load()[kind]
    layers, reads = figures["layers"], figures["layers"] * figures["reads a layer"]
    measured = plan(figures, reads, layers, 1)
    assert measured.pass_s == pytest.approx(layers * figures["core seconds a layer"], rel=1e-3)
    assert measured.turns == pytest.approx(figures["turns"])
    each = figures["bytes a task"] + figures["bytes a result"]
    assert measured.sent == pytest.approx(figures["bytes shared"] + layers * each)
    for count in LAYERS:
        one, all_of_them, more = (plan(figures, READS, count, workers) for workers in (1, count, 4 * count))
        assert one.pass_s == pytest.approx(count * one.layer_s)
        assert all_of_them.pass_s == more.pass_s == one.layer_s
        assert all_of_them.sent == more.sent
        assert plan(figures, READS, count, count // 2 + 1).pass_s == 2 * one.layer_s
