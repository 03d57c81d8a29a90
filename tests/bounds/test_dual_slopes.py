"""Value and slope of the dual: equal to the proof's value, a slope of it everywhere, equal to a walk over every step."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.bounds.dual import slopes as dual_slopes
from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.dual.evaluate import evaluate
from placement_opt.bounds.dual.futures import merge_futures
from placement_opt.bounds.dual.slopes import slopes
from placement_opt.bounds.dual.tracked import tracked_sets
from placement_opt.bounds.result import Prices
from tests.bounds.cases import change, draw, positive_prices, random_prices
from tests.twins import dual_value

PROFILE = settings(derandomize=True, deadline=None, max_examples=40)


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("seed", range(20))
def test_slopes_equal_slow_paths(seed: int, wide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loads and bytes held are those of walks over every step, block by block, with either table of idle stretches."""
    monkeypatch.setattr(dual_slopes, "wide_table", lambda *_: wide)
    rng = np.random.default_rng(seed)
    instance = draw(seed, blocks=8)
    prices = positive_prices(instance, rng)
    found = slopes(instance, prices)
    _, load, held = dual_value(instance, prices.rho, prices.rent)
    np.testing.assert_allclose(found.rho, load, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.rent, held, rtol=1e-9, atol=1e-9)


@PROFILE
@given(st.integers(0, 10**6))
def test_the_value_is_that_of_the_proof_and_of_the_slope(seed: int) -> None:
    """D by futures is D by classes; and D is linear along its slope, as it is a sum of products with prices."""
    rng = np.random.default_rng(seed)
    instance = draw(seed, blocks=12)
    found = slopes(instance, random_prices(instance, rng))
    proven = evaluate(instance, found.prices).value_s
    assert max(0.0, found.value_s) == pytest.approx(proven, rel=1e-9, abs=1e-9)
    linear = np.vdot(found.rho, found.prices.rho) + np.vdot(found.rent, found.prices.rent) + instance.floor.sum()
    assert found.value_s == pytest.approx(linear, rel=1e-9, abs=1e-9)


@PROFILE
@given(st.integers(0, 10**6))
def test_slopes_lie_above_the_dual_everywhere(seed: int) -> None:
    """D(p') <= D(p) + slope (p' - p) for all pairs of legal prices: ten pairs an example."""
    rng = np.random.default_rng(seed)
    instance = draw(seed, blocks=8)
    points = [slopes(instance, random_prices(instance, rng)) for _ in range(5)]
    for here, there in itertools.combinations(points, 2):
        size = 1e-9 * (1.0 + abs(here.value_s) + abs(there.value_s))
        assert there.value_s <= here.value_s + change(here, there.prices) + size
        assert here.value_s <= there.value_s + change(there, here.prices) + size


@PROFILE
@given(st.integers(0, 10**6), st.sampled_from([1e-4, 1e-3, 1e-2]))
def test_the_softened_dual_lies_below_and_has_its_slope(seed: int, soft: float) -> None:
    """Softening only takes away, less the smaller it is, and its gradient is what differences of its values say."""
    rng = np.random.default_rng(seed)
    instance = draw(seed, blocks=8)
    prices = positive_prices(instance, rng)
    prices = Prices(prices.rho * 0.5, prices.rent)
    sharp, softened = slopes(instance, prices), slopes(instance, prices, soft=soft)
    assert softened.value_s <= slopes(instance, prices, soft=soft / 10).value_s + 1e-9 * (1 + abs(sharp.value_s))
    assert softened.value_s <= sharp.value_s + 1e-9 * (1 + abs(sharp.value_s))
    way = 1e-5 * soft
    rho, rent = rng.random(prices.rho.shape) * way, rng.random(prices.rent.shape) * way
    up = slopes(instance, Prices(prices.rho + rho, prices.rent + rent), soft=soft)
    down = slopes(instance, Prices(prices.rho - rho, prices.rent - rent), soft=soft)
    expected = change(softened, up.prices) - change(softened, down.prices)
    scale = float(np.abs(softened.rho).sum() + np.abs(softened.rent).sum()) * way
    assert up.value_s - down.value_s == pytest.approx(expected, abs=1e-3 * scale + 1e-12 * abs(sharp.value_s))


def test_the_wide_table_is_for_many_stretches_and_little_memory() -> None:
    """1024 steps and 4 sets: 1.4 MB, worth it for ten thousand stretches, not for a thousand; 2**20 steps do not fit."""
    assert dual_slopes.wide_table(1024, 4, 10_000)
    assert not dual_slopes.wide_table(1024, 4, 1_000)
    assert not dual_slopes.wide_table(2**20, 4, 10**8)


@pytest.mark.parametrize("seed", range(20))
def test_futures_spell_out_the_reads_of_every_class(seed: int) -> None:
    """Followed from its cell, a future lists the reads of its class; equal futures have one number; all bytes are there."""
    instance = draw(seed, blocks=30)
    classes = classify(instance)
    (futures,) = merge_futures(classes)
    spelled = set()
    for entry, node, weight in zip(futures.cell_entry, futures.cell_node, futures.cell_bytes, strict=True):
        reads = []
        while node >= 0:
            hop = futures.node_hop[node]
            reads.append((int(futures.hop_step[hop]), float(futures.hop_share[hop]), int(futures.hop_until[hop])))
            node = futures.node_next[node]
        start = (int(futures.entry_first[entry]), int(futures.entry_begin[entry]), int(futures.entry_until[entry]))
        spelled.add((start, tuple(reads), float(weight)))
    expected: dict[tuple[object, ...], float] = {}
    for g in range(len(classes)):
        step = classes.step[classes.start[g] : classes.start[g + 1]].tolist()
        share = classes.share[classes.start[g] : classes.start[g + 1]].tolist()
        ends = [*step[1:], int(classes.last[g])] if step else []
        start = (int(classes.first[g]), int(classes.begin[g]), step[0] if step else int(classes.last[g]))
        key = (start, tuple(zip(step, share, ends, strict=True)))
        expected[key] = expected.get(key, 0.0) + float(classes.count[g] * classes.size[g])
    assert spelled == {(*key, weight) for key, weight in expected.items()}
    pairs = set(zip(futures.node_hop.tolist(), futures.node_next.tolist(), strict=True))
    assert len(pairs) == len(futures)
    assert (futures.node_next < np.arange(len(futures))).all()


@pytest.mark.parametrize("seed", range(12))
def test_fewer_sets_promise_no_less(seed: int) -> None:
    """Without a tier other than home blocks have fewer ways: the value is no lower, and the same if no path used that tier."""
    rng, instance = np.random.default_rng(seed), draw(seed, 3, blocks=8)
    instance = replace(instance, initial=None)
    prices = positive_prices(instance, rng)
    every = tracked_sets(instance)
    found = slopes(instance, prices)
    for tier in range(instance.num_tiers):
        if instance.inclusive and tier == instance.home:
            continue
        fewer = every.without(np.arange(instance.num_tiers) == tier)
        assert not (fewer.masks >> tier & 1).any()
        without = slopes(instance, prices, tracked=fewer)
        assert without.value_s >= found.value_s - 1e-9 * (1 + abs(found.value_s))
        held = (found.rent + instance.capacity)[:, tier]
        if held.max() == 0.0:
            assert without.value_s == pytest.approx(found.value_s, rel=1e-9, abs=1e-9)
        assert (without.rent + instance.capacity)[:, tier].max() == 0.0
