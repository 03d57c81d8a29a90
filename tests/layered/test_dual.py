"""The dual on runs is the dual on rows."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS
from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.dual.evaluate import evaluate
from placement_opt.bounds.result import Prices
from placement_opt.instance.instance import Instance
from placement_opt.instance.layered import Layered, layered_of
from placement_opt.layered.dual import (
    Actions,
    _column_sums,
    _product,
    below,
    combine,
    layer_paths,
    layer_value,
    least_value,
    price_large,
    roofline,
)
from placement_opt.workload.layers import Given
from placement_opt.workload.runs import LayerRuns
from placement_opt.workload.synth import drift
from tests.layered.cases import draw, layer_of, random_prices
from tests.runs import collect
from tests.small import two_tier


@pytest.mark.parametrize("seed", range(15))
def test_paths_and_value_equal_those_of_the_rows(seed: int) -> None:
    """At any prices, rents of the home tier and floors included, to rounding."""
    instance = draw(seed, floor=0.01 * (seed % 2))
    problem = layered_of(instance)
    classes = classify(instance)
    for n in range(3):
        prices = random_prices(np.random.default_rng(100 * seed + n), instance)
        rows = evaluate(instance, prices, classes)
        whole, actions = price_large(problem, prices)
        values = []
        for layer in range(problem.layers.count):
            runs = layer_of(problem, layer)
            mine = np.flatnonzero(instance.trace.block_layer == layer)
            expected = rows.paths_s[classes.of[mine]]
            paths = np.concatenate(list(layer_paths(problem, actions, layer, runs)))
            assert (paths == np.rint(paths)).all()
            assert paths / whole.quantum == pytest.approx(expected, rel=1e-9, abs=1e-12)
            values.append(layer_value(problem, actions, layer, runs))
            assert values[-1] == problem.block_bytes * sum(map(int, paths.tolist()))
        scale = sum(values) / whole.quantum
        assert float(combine(problem, whole, values)) == pytest.approx(rows.value_s, rel=1e-9, abs=1e-11 * scale)


def _slow_paths(problem: Layered, actions: Actions, layer: int, runs: LayerRuns) -> list[int]:
    """Step by step, block by block: what the cheapest paths cost that end in home alone and in both."""
    reads, found = list(runs.rows()), []
    for block, born in enumerate(runs.birth.tolist()):
        slow, fast = map(int, actions.rent[0]) if born < 0 else (0, 0)
        for step in range(0 if born < 0 else born * problem.layers.count + layer, problem.num_steps):
            turn, other = divmod(step - layer, problem.layers.count)
            copied, stored = int(actions.copy[step]), int(actions.write[step])
            if not other and turn == born:
                slow, fast = int(actions.home[step]), int(actions.home[step]) + stored
            elif not other and block in reads[turn]:
                here, there = map(int, actions.serve[step])
                slow, fast = min(slow + here, fast + there), min(slow + here + min(copied, stored), fast + there)
            else:
                slow, fast = min(slow, fast), min(slow + copied, fast)
            slow, fast = slow + int(actions.rent[step + 1, 0]), fast + int(actions.rent[step + 1, 1])
        found.append(min(slow, fast))
    return found


@pytest.mark.parametrize("seed", range(8))
def test_paths_equal_those_step_by_step(seed: int) -> None:
    """To the last digit, for runs of every length up to all turns; the least value is above none of them."""
    rng, turns, layers = np.random.default_rng(seed), 45, 1 + seed % 3
    given = []
    for _ in range(layers):
        birth = rng.choice(np.array([-1, -1, 3, 20, turns - 1], dtype=np.int32), 12)
        stays = rng.choice([0.1, 0.5, 0.8, 0.97, 1.0], 12)
        reading, rows = rng.random(12) < 0.5, []
        for turn in range(turns):
            rows.append(np.flatnonzero(reading & (birth < turn)))
            reading = np.where(rng.random(12) < stays, reading, ~reading)
        given.append(collect(rows, birth))
    nothing = np.zeros(4, dtype=np.int64)
    problem = Layered("drawn", two_tier(hbm=8), Given(tuple(given)), np.array([8, 10**6]), 1, nothing)
    for n in range(4):
        prices = random_prices(np.random.default_rng(10 * seed + n), problem)
        if n % 2:  # rents in proportion to what reads save
            prices.rent[:] *= 0.3 * np.nanmedian(prices.rho[prices.rho > 0])
        _, actions = price_large(problem, prices)
        for layer, runs in enumerate(given):
            expected = _slow_paths(problem, actions, layer, runs)
            assert np.concatenate(list(layer_paths(problem, actions, layer, runs))).tolist() == expected
            assert least_value(problem, actions, layer) <= sum(expected)


def test_sums_of_products_are_exact() -> None:
    rng = np.random.default_rng(5)
    for most, bits in ((1 << 28, 62), (5, 3), (1, 62)):
        counts, costs = rng.integers(0, most, 1000), rng.integers(0, 1 << bits, 1000)
        expected = sum(count * cost for count, cost in zip(counts.tolist(), costs.tolist(), strict=True))
        assert _product(counts.astype(np.int32), costs) == expected


def test_without_room_for_anything_the_least_value_is_the_value() -> None:
    """Rents of a whole read: no copy is worth it, and that is known without looking at a block."""
    instance = draw(2)
    problem = layered_of(instance)
    memory = problem.memory
    slow = int(np.argmax(memory.read[problem.home] / memory.rates))
    prices = Prices(np.zeros((problem.num_steps, problem.num_resources)), np.zeros((problem.num_steps + 1, 2)))
    prices.rho[:, slow] = 1.0 / memory.rates[slow]
    prices.rent[: -1 : problem.layers.count, problem.fast] = memory.read[problem.home, slow] / memory.rates[slow]
    _, actions = price_large(problem, prices)
    for layer in range(problem.layers.count):
        assert least_value(problem, actions, layer) == layer_value(problem, actions, layer, layer_of(problem, layer))


@pytest.mark.parametrize("seed", range(12))
def test_any_prices_stay_below_the_exact_lp(seed: int) -> None:
    """Also where some layers were not priced; and so does the roofline, which is that of the rows."""
    instance = draw(seed)
    problem = layered_of(instance)
    exact = METHODS["lp"](instance).value_s
    assert exact is not None
    legal, actions = price_large(problem, random_prices(np.random.default_rng(seed), instance))
    parts = [layer_value(problem, actions, n, layer_of(problem, n)) for n in range(problem.layers.count)]
    assert combine(problem, legal, parts) <= exact * (1 + 1e-9)
    for layer in range(problem.layers.count):
        least = least_value(problem, actions, layer)
        assert least <= parts[layer]
        parts[layer] = least
        assert combine(problem, legal, parts) <= exact * (1 + 1e-9)
    assert roofline(problem) == pytest.approx(METHODS["roofline"](instance).lower_bound_s, rel=1e-11)
    assert roofline(problem) <= exact * (1 + 1e-9)


def test_a_single_turn() -> None:
    """One turn, one layer: the smallest tables there are."""
    params = drift.Params(layers=1, prefill=5, tokens=1, read_share=0.4, drift=0.1)
    trace = drift.generate(params, np.random.default_rng(0))
    base = draw(0)
    instance = Instance(
        name="one",
        memory=base.memory,
        trace=trace,
        residency="inclusive",
        capacity=base.capacity,
        size=np.ones(trace.num_blocks, dtype=np.int64),
        fixed=base.fixed[:1],
        floor=base.floor[:1],
    )
    problem = layered_of(instance)
    prices = random_prices(np.random.default_rng(4), instance)
    legal, actions = price_large(problem, prices)
    value = combine(problem, legal, [layer_value(problem, actions, 0, layer_of(problem, 0))])
    assert float(value) == pytest.approx(evaluate(instance, prices).value_s, rel=1e-9)


def test_sums_of_prices_are_exact_however_large() -> None:
    """As Python adds them up, beyond 64 bits too, and below 0."""
    rng = np.random.default_rng(3)
    table = np.concatenate([rng.integers(-(2**62), 2**62, (50, 3)), np.full((9, 3), 2**62)])
    assert _column_sums(table) == [sum(column) for column in table.T.tolist()]


def test_a_bound_is_rounded_down() -> None:
    """The float below a rational number is not above it, and the next one is."""
    for value in (Fraction(1, 3), Fraction(2, 3), Fraction(1, 10), Fraction(1, 2), Fraction(0)):
        assert Fraction(below(value)) <= value < Fraction(math.nextafter(below(value), 1.0))


def test_a_layer_is_not_valued_where_a_limit_is_reached() -> None:
    problem = layered_of(draw(1))
    _, actions = price_large(problem, random_prices(np.random.default_rng(1), draw(1)))
    stopped = Limits()
    stopped.interrupt()
    assert layer_value(problem, actions, 0, layer_of(problem, 0), stopped) is None
