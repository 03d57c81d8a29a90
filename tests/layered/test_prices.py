"""Prices of a few knots: the estimate is the dual value, its slope is a slope, and the ascent climbs."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from placement_opt.base.limits import Limits
from placement_opt.instance.layered import Layered, layered_of
from placement_opt.instance.load import load_layered
from placement_opt.layered.ascent import maximise
from placement_opt.layered.dual import combine, layer_value, price_large
from placement_opt.layered.prices import Family, Knots, interpolation, knot_places
from placement_opt.layered.prices_kernels import path_counts, worth_at_end, worth_in_run
from placement_opt.workload.runs import LayerRuns
from tests.layered.cases import draw, write


def family(seed: int) -> Family:
    problem = layered_of(draw(seed))
    return Family(problem, [problem.layers.layer(n) for n in range(problem.layers.count)])


def random_knots(rng: np.random.Generator, owner: Family, count: int = 3) -> Knots:
    blank = owner.knots(count)
    places = len(blank.at)
    return Knots(blank.at, blank.weight, np.concatenate([rng.random(places), rng.exponential(0.5, places)]))


def exact(problem: Layered, owner: Family, knots: Knots) -> float:
    prices, actions = price_large(problem, owner.prices(knots))
    layers = range(problem.layers.count)
    return combine(problem, prices, [layer_value(problem, actions, n, problem.layers.layer(n)) for n in layers])


def brute_cost(reading: list[bool], born: int, prices: tuple[np.ndarray, ...]) -> float:
    """The cheapest of all ways to hold one block or not when each turn begins."""
    slow, fast, write, rent = prices
    turns, best = len(slow), np.inf
    for held in itertools.product((False, True), repeat=turns - born - 1):
        cost, before = 0.0, None
        for turn in range(born + 1, turns):
            now = held[turn - born - 1]
            cost += rent[turn] * now
            came = now and before is False
            if came and not reading[turn - 1]:
                cost = np.inf
            if came or (now and before is None and born >= 0):
                cost += write[turn - 1]
            if reading[turn]:
                cost += fast[turn] if now else slow[turn]
            before = now
        best = min(best, cost)
    return best


@pytest.mark.parametrize("seed", range(8))
def test_threads_change_nothing(seed: int) -> None:
    alone, rng = family(seed), np.random.default_rng(seed)
    knots = random_knots(rng, alone)
    value, slope = alone.evaluate(knots)
    for jobs in (2, 3, 1000):
        among = Family(alone.problem, alone.sample, jobs)
        found = among.evaluate(knots)
        assert found[0] == value
        assert found[1].tolist() == slope.tolist()
        assert among.looks == 1


@pytest.mark.parametrize("seed", range(15))
def test_counts_cost_what_the_cheapest_path_costs(seed: int) -> None:
    """Against every way to hold one block, born or there from the start."""
    rng = np.random.default_rng(seed)
    turns, born = 7, int(rng.integers(-1, 3))
    reading = [bool(turn > born and rng.random() < 0.6) for turn in range(turns)]
    edges = np.flatnonzero(np.diff([False, *reading, False]))
    first, last = edges[::2].astype(np.int32), (edges[1::2] - 1).astype(np.int32)
    slow = rng.random(turns) + 0.5
    prices = (slow, slow * rng.random(turns), rng.random(turns), 0.3 * rng.random(turns))
    start = np.array([0, len(first)])
    miss, hit, store, held = path_counts(np.array([born], dtype=np.int32), start, first, last, *prices)
    found = float(miss @ prices[0] + hit @ prices[1] + store @ prices[2] + held @ prices[3])
    assert found == pytest.approx(brute_cost(reading, born, prices), rel=1e-12, abs=1e-12)
    assert (miss + hit).tolist() == [int(each) for each in reading]


@pytest.mark.parametrize("seed", range(9))
def test_the_estimate_is_the_dual_value_where_fetching_ahead_does_not_pay(seed: int) -> None:
    """Every block sampled: equal at constant prices, never below where prices change."""
    owner = family(seed)
    rng = np.random.default_rng(seed)
    knots = random_knots(rng, owner)
    assert exact(owner.problem, owner, knots) <= max(0.0, owner.evaluate(knots)[0]) * (1 + 1e-9)
    theta, rent = rng.random(), rng.exponential(0.5)
    level = Knots(knots.at, knots.weight, np.repeat([theta, rent], len(knots.at)))
    value = owner.evaluate(level)[0]
    assert exact(owner.problem, owner, level) == pytest.approx(max(0.0, value), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("seed", range(9))
def test_the_slope_is_that_of_a_concave_function(seed: int) -> None:
    """No other knots lie above the plane through these."""
    owner = family(seed)
    rng = np.random.default_rng(seed)
    here = random_knots(rng, owner)
    value, slope = owner.evaluate(here)
    for _ in range(5):
        there = random_knots(rng, owner)
        assert owner.evaluate(there)[0] <= value + slope @ (there.value - here.value) + 1e-9 * abs(value)


def test_raised_prices_prove_more_and_no_more_than_the_relaxation() -> None:
    owner = family(4)
    start = owner.knots(2)
    better, point, turn_s = owner.raised(start, rounds=40, tolerance=1e-6, limits=Limits())
    assert point.value >= owner.evaluate(start)[0]
    assert exact(owner.problem, owner, better) == pytest.approx(point.value, rel=0.05)
    assert turn_s.sum() == pytest.approx(point.value, rel=0.02)
    assert turn_s.min() >= 0.0


def test_refined_knots_describe_the_same_prices() -> None:
    """No more than asked for are added, where prices change, and none where nothing lies between."""
    at = np.array([0.0, 5.0, 6.0, 11.0])
    knots = Knots(at, interpolation(at, 12), np.array([0.9, 0.9, 0.1, 0.5, 0.0, 0.0, 1.0, 1.0]))
    finer = family(0).refined(knots, 5)
    assert finer.at.tolist() == [0, 5, 6, 8, 11]
    assert finer.theta == pytest.approx(knots.theta)
    assert finer.rent == pytest.approx(knots.rent)
    assert family(0).refined(finer, 0).at.tolist() == finer.at.tolist()


def test_the_first_knots_stand_about_the_turn_where_room_begins_to_bind(tmp_path: Path) -> None:
    """The read set outgrows the room on the way: all of the price goes to the slow reads from there on."""
    problem = load_layered(write(tmp_path, room=330, prefill=60, tokens=60, drift=0.05))
    knots = Family(problem, [problem.layers.layer(0)]).knots(4)
    switch = int(np.argmax(knots.theta < 0.1))
    assert 0 < switch < 59
    assert {switch - 2, switch - 1, switch, switch + 1} <= set(knots.at.tolist())
    assert (knots.rent[:switch] == 0).all()
    assert (knots.rent[switch:] > 0).all()


def test_worth_in_a_run_is_the_backward_recursion_at_constant_prices() -> None:
    """At the end of each run and at every turn inside it."""
    turns, gain, write, rent = 12, 0.7, 1.6, 0.25
    runs = LayerRuns(turns, np.array([-1], dtype=np.int32), np.array([0, 2]), np.array([1, 7]), np.array([4, 9]))
    reading = np.array([1 <= t <= 4 or 7 <= t <= 9 for t in range(turns)])
    value = np.zeros(turns + 1)
    for turn in range(turns - 1, -1, -1):
        later = value[turn + 1] - (rent if turn + 1 < turns else 0.0)
        value[turn] = gain + min(max(later, 0.0), write) if reading[turn] else max(later, -np.inf)
    gains, rents = np.arange(turns + 1) * gain, np.arange(turns + 1) * rent
    prices = (np.full(turns, gain), np.full(turns, write), gains, rents)
    ends = worth_at_end(runs.start, runs.first, runs.last, *prices)
    assert ends == pytest.approx(value[[4, 9]], rel=1e-6)
    for run, turn in ((0, 1), (0, 2), (0, 3), (0, 4), (1, 7), (1, 8)):
        assert worth_in_run(ends[run], turn, runs.last[run], *prices) == pytest.approx(value[turn], rel=1e-6)


def test_interpolation_weighs_between_the_nearest_knots() -> None:
    """Weights sum to one, linear functions come back exactly, and the ends have knots close by."""
    for turns, count in ((1, 2), (2, 2), (30, 4), (500, 6)):
        at = knot_places(turns, count)
        weight = interpolation(at, turns)
        assert weight.sum(axis=1) == pytest.approx(np.ones(turns))
        assert weight @ at == pytest.approx(np.arange(turns))
    assert {0, 1, 3, 498, 499} <= set(knot_places(500, 6).tolist())


def test_the_ascent_finds_the_top_of_a_kinked_function() -> None:
    """Also where the top lies on the boundary."""
    top = np.array([0.3, 1.2, 0.0])

    def tent(x: np.ndarray) -> tuple[float, np.ndarray]:
        return 5.0 - float(np.abs(x - top).sum()), -np.sign(x - top)

    point = maximise(tent, np.ones(3), np.zeros(3), np.full(3, 2.0), rounds=60, tolerance=1e-7, limits=Limits())
    assert point.value == pytest.approx(5.0, abs=1e-5)
    assert len(point.weight) == point.rounds
    assert point.weight.min() >= 0.0
    assert point.weight.sum() == pytest.approx(1.0)
    stopped = Limits()
    stopped.interrupt()
    assert maximise(tent, np.ones(3), np.zeros(3), np.full(3, 2.0), rounds=60, tolerance=0.0, limits=stopped).rounds == 1
