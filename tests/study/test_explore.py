"""Explorations: the best design and the front are those of exhaustive enumeration, whatever was put off by its bound alone."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from placement_opt.study.explore import Found, explore
from placement_opt.study.explore_read import read_spec
from tests.study.spaces import enumerated, money, write_space


def close(value: float | None, other: float) -> bool:
    return value is not None and value == pytest.approx(other, rel=1e-7)


def check(found: Found, values: list[float]) -> None:
    """The best design is proven, its value that of enumeration; every bound is below, every schedule above its design's."""
    assert found.proven
    best = found.best
    assert best is not None
    assert best.status == "best"
    assert close(best.value[0] if best.value else None, min(values))
    for design, value in zip(found.designs, values, strict=True):
        if math.isinf(value):
            assert design.status == "impossible"
            continue
        assert design.lower[0] is not None
        assert design.lower[0] <= value * (1 + 1e-9)
        assert design.value is None or design.value[0] >= value * (1 - 1e-9)
        assert (design.status == "pruned") <= (design.value is None)


@pytest.mark.parametrize("seed", range(20))
def test_time(tmp_path: Path, seed: int) -> None:
    """The least time of 20 random spaces."""
    spec = read_spec(write_space(tmp_path, seed))
    check(explore(spec).best[0], enumerated(spec, "time"))


@pytest.mark.parametrize(("goal", "axis"), [("energy", "energy"), ("wear", "lifetime")])
def test_what_a_run_adds_up_to(tmp_path: Path, goal: str, axis: str) -> None:
    """The least energy, and the least of its life that a tier loses."""
    spec = read_spec(write_space(tmp_path, 3, axis))
    check(explore(spec).best[0], enumerated(spec, goal))


def test_the_cheapest_that_is_fast_enough(tmp_path: Path) -> None:
    """The cheapest design that keeps a time with every workload; that cheaper ones cannot is proven by their bounds."""
    spec = read_spec(write_space(tmp_path, 5, "cost", 'constraints = ["time <= 700 ms", "cost <= 40"]'))
    found = explore(spec).best[0]
    within = [math.isfinite(value) and value <= 0.7 for value in _most(tmp_path)]
    cheap = [money(spec, n) for n, fast in enumerate(within) if fast and money(spec, n) <= 40]
    assert any(within)
    assert not all(within)
    best = found.best
    assert best is not None
    assert best.value == (min(cheap),)
    assert found.proven
    for design, fast in zip(found.designs, within, strict=True):
        assert (design.status == "over budget") == (money(spec, design.number) > 40)
        if design.status == "impossible":
            assert not fast
            assert design.proof.endswith("no schedule keeps the budgets")


def _most(folder: Path) -> list[float]:
    """What the slowest workload of each design takes, where nothing is asked for."""
    spec = read_spec(write_space(folder, 5, "energy"))
    return _over_max(spec)


def _over_max(spec):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    return enumerated(replace(spec, over="max"), "time")
