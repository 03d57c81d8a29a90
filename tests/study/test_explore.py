"""Explorations: the best design and the front are those of exhaustive enumeration, whatever was put off by its bound alone."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from placement_opt.study.explore.explore import explore
from placement_opt.study.explore.found import Found
from placement_opt.study.explore.read import read_spec
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
    found = explore(spec).best[0]
    check(found, enumerated(spec, "time"))
    assert found.linear is None if spec.over == "geomean" else found.linear is not None and found.linear.confirmed


@pytest.mark.parametrize(("goal", "axis"), [("energy", "energy"), ("wear", "lifetime")])
def test_what_a_run_adds_up_to(tmp_path: Path, goal: str, axis: str) -> None:
    """The least energy, and the least of its life that a tier loses."""
    spec = read_spec(write_space(tmp_path, 3, axis))
    check(explore(spec).best[0], enumerated(spec, goal))


def test_the_cheapest_that_is_fast_enough(tmp_path: Path) -> None:
    """The cheapest design that keeps a time with every workload; that cheaper ones cannot is proven by their bounds."""
    plain = read_spec(write_space(tmp_path, 3, "cost"))
    times, dearest = enumerated(replace(plain, over="max"), "time"), max(money(plain, n) for n in range(plain.count))
    most = (sorted(times)[2] + sorted(times)[3]) / 2
    spec = read_spec(write_space(tmp_path, 3, "cost", f'constraints = ["time <= {most:.6f} s", "cost <= {dearest - 1}"]'))
    found = explore(spec).best[0]
    within = [value <= most for value in times]
    cheap = [money(spec, n) for n, fast in enumerate(within) if fast and money(spec, n) < dearest]
    assert cheap
    best = found.best
    assert best is not None
    assert best.value == (min(cheap),)
    assert found.proven
    for design, fast in zip(found.designs, within, strict=True):
        assert (design.status == "over budget") == (money(spec, design.number) == dearest)
        if design.status == "impossible":
            assert not fast
            assert design.proof.endswith("no schedule keeps the budgets")


def test_the_front(tmp_path: Path) -> None:
    """Who is on the front of time and cost is not dominated, who is off it is; nothing is left open."""
    spec = read_spec(write_space(tmp_path, 7, more='front = ["time", "cost"]'))
    times, (front,) = enumerated(spec, "time"), explore(spec).fronts
    prices = [money(spec, n) for n in range(spec.count)]
    assert front.proven
    assert 1 < len(front.of("on the front")) < spec.count
    for design in front.designs:
        n = design.number
        better = [
            other
            for other in range(spec.count)
            if times[other] <= times[n] * (1 + 1e-7)
            and prices[other] <= prices[n]
            and (times[other] < times[n] * (1 - 1e-7) or prices[other] < prices[n])
        ]
        equal = [
            m for m in range(spec.count) if m != n and prices[m] == prices[n] and math.isclose(times[m], times[n], rel_tol=1e-7)
        ]
        if design.status == "on the front":
            assert not better
            assert design.value is not None
            assert close(design.value[0], times[n])
        else:
            assert better or equal
            assert design.beaten_by is not None


def large(folder: Path, more: str = "") -> Path:
    """A space of 300 designs of a drifting trace."""
    text = """\
schema = 1
name = "large"
[base]
memory = { preset = "gh200" }
llm = { layers = 2, kv_bytes = "16 KiB" }
trace = { synth = "drift", layers = 2, prefill = 40, tokens = 6, drift = 0.1, seed = 1 }
[choices]
hbm = { key = "hbm.capacity", values = ["0.25MiB..1.5MiB:10"] }
link = { key = "c2c.up.rate", values = ["50GB/s..450GB/s:6"] }
dram = { key = "lpddr.rate", values = ["100GB/s..500GB/s:5"] }
[objective]
gap = "2%"
"""
    (folder / "large.toml").write_text(text + more)
    return folder / "large.toml"


def test_more_than_half_of_a_large_space_is_never_simulated(tmp_path: Path) -> None:
    """Counts: what is put off by a bound says which; no schedule was made of it, and its bound is above the best one's."""
    found = explore(large(tmp_path)).best[0]
    pruned = found.of("pruned")
    assert found.proven
    assert len(pruned) > 0.9 * 300
    assert found.simulated <= 300 - len(pruned)
    best = found.best
    assert best is not None
    assert best.value is not None
    for design in pruned:
        assert design.value is None
        assert design.proof
        assert design.lower[0] is not None
        assert design.lower[0] * 1.02 >= best.value[0]


def test_a_front_of_what_schedules_trade(tmp_path: Path) -> None:
    """Of time, energy and life: bounds are below the least of each, and who is put off cannot be better on any of them."""
    spec = read_spec(write_space(tmp_path, 3, "energy", 'front = ["time", "energy", "lifetime"]'))
    (front,) = explore(spec).fronts
    least = np.array([enumerated(spec, goal) for goal in ("time", "energy", "wear")]).T
    lower = np.array([design.lower for design in front.designs], dtype=float)
    assert (lower <= least * (1 + 1e-9)).all()
    assert front.of("on the front")
    for design in front.of("beaten", "pruned"):
        assert design.beaten_by is not None
        point = front.designs[design.beaten_by].value
        assert point is not None
        assert (np.array(point) <= least[design.number] * (1 + 1e-6)).all()
