"""Value and slope of the dual: equal to the proof's value, a slope of it everywhere, equal to a walk over every step."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.bounds.dual import slopes as dual_slopes
from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.dual.evaluate import evaluate
from placement_opt.bounds.dual.futures import merge_futures
from placement_opt.bounds.dual.slopes import slopes
from placement_opt.bounds.result import Float64, Prices
from placement_opt.instance.instance import Instance
from tests.bounds.cases import change, draw, positive_prices, random_prices

PROFILE = settings(derandomize=True, deadline=None, max_examples=40)


def slow_loads(instance: Instance, prices: Prices, block: int) -> tuple[Float64, Float64]:
    """(loads [T, R], held [T + 1, K]) of one byte of a block on its cheapest path: every step, every pair of tier sets."""
    memory, trace, tiers = instance.memory, instance.trace, range(instance.num_tiers)
    sets = [
        frozenset(s)
        for n in range(1, instance.num_tiers + 1)
        for s in itertools.combinations(tiers, n)
        if (instance.residency != "inclusive" or instance.home in s) and (instance.residency != "exclusive" or n == 1)
    ]
    first, last = int(instance.first_state[block]), int(instance.last_state[block])
    nothing = np.zeros((instance.num_steps, instance.num_resources))

    def cost(load: Float64) -> float:
        return float(np.vdot(prices.rho, load))

    def at(t: int, row: Float64, amount: float = 1.0) -> Float64:
        load = nothing.copy()
        load[t] = amount * row
        return load

    def total(path: tuple[Float64, list[frozenset[int]]]) -> float:
        load, stay = path
        return cost(load) + sum(float(prices.rent[first + n, k]) for n, s in enumerate(stay) for k in s)

    paths = {}
    for s in sets:
        if first == 0 and instance.initial is not None and s != frozenset(np.flatnonzero(instance.initial[:, block]).tolist()):
            continue
        paths[s] = (sum((at(first - 1, memory.write[k]) for k in s), nothing) if first else nothing, [s])
    for t in range(first, min(last, instance.num_steps - 1) + 1):
        position = np.flatnonzero(trace.reads(t) == block)
        share = instance.share(int(trace.indptr[t] + position[0])) if len(position) else 0.0
        for s, (load, stay) in paths.items():
            read = min((at(t, memory.read[k], share) for k in s), key=cost)
            paths[s] = (load + read, stay)
        if t == last:
            break
        moved: dict[frozenset[int], tuple[Float64, list[frozenset[int]]]] = {}
        for s, (load, stay) in paths.items():
            for into in sets:
                way = load
                for k in into - s:
                    copied = min((at(t, memory.copy[j, k]) for j in s), key=cost)
                    stored = at(t, memory.write[k], share) + (1.0 - share) * copied
                    way = way + (min(copied, stored, key=cost) if share else copied)
                path = (way, [*stay, into])
                if into not in moved or total(path) < total(moved[into]):
                    moved[into] = path
        paths = moved
    load, stay = min(paths.values(), key=total)
    held = np.zeros((instance.num_steps + 1, instance.num_tiers))
    for n, s in enumerate(stay):
        held[first + n, list(s)] = 1.0
    return load, held


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("seed", range(20))
def test_slopes_equal_slow_paths(seed: int, wide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loads and bytes held are those of walks over every step, block by block, with either table of idle stretches."""
    monkeypatch.setattr(dual_slopes, "wide_table", lambda *_: wide)
    rng = np.random.default_rng(seed)
    instance = draw(seed, blocks=8)
    prices = positive_prices(instance, rng)
    found = slopes(instance, prices)
    load = instance.fixed - instance.floor[:, None] * instance.memory.rates
    held = np.tile(-instance.capacity.astype(float), (instance.num_steps + 1, 1))
    for b in range(instance.num_blocks):
        more, stay = slow_loads(instance, prices, b)
        load, held = load + instance.size[b] * more, held + instance.size[b] * stay
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
