"""Optimal times and splits: hand-made numbers, a linear program as twin, and the laws that must hold."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from placement_opt.memory import MemorySystem, preset, preset_names
from placement_opt.memory.split import timing as timing_module
from placement_opt.memory.split.timing import StepTimer
from tests.memory.systems import preset_given, random_patterns, random_tree
from tests.small import chain, two_tier

Array = npt.NDArray[np.float64]
BOTH = [1, 2, 3]


def twin(memory: MemorySystem, patterns: list[int], served: Array, base: Array) -> float:
    """The split as a linear program, written out: one variable for each pattern and member tier, and the time."""
    pairs = [(p, k) for p, pattern in enumerate(patterns) for k in range(len(memory.tiers)) if pattern >> k & 1]
    scale = max(float(served.max(initial=0)), float(base.max(initial=0)), 1.0)
    fastest = float(memory.rates.max())
    rates = memory.rates / fastest
    upper = np.column_stack([*(memory.read[k] / rates for _, k in pairs), -np.ones(len(rates))])
    equal = np.array([[float(q == p) for q, _ in pairs] + [0.0] for p in range(len(patterns))])
    cost = np.zeros(len(pairs) + 1)
    cost[-1] = 1.0
    result = linprog(cost, upper, -base / scale / rates, equal, served / scale, method="highs")
    assert result.status == 0
    return float(result.fun) * scale / fastest


def time_of(memory: MemorySystem, split: Array, base: Array) -> float:
    """What a split takes: the largest load over rate."""
    return float(((base + split.sum(axis=0) @ memory.read) / memory.rates).max())


def test_section_7_split_over_two_tiers() -> None:
    """n resident blocks with a home copy: alpha = 4900/5350 of the bytes from hbm, tau = n/5350, exactly."""
    timer = StepTimer(two_tier(), BOTH)
    for n in (1, 10, 5350, 10**9 + 7):
        served, base = np.array([0, 0, n]), np.zeros(4, dtype=np.int64)
        assert timer.exact(served, base) == Fraction(n, 5350)
        assert timer.times(served, base)[0] == pytest.approx(n / 5350, rel=1e-15)
        split = timer.split(served, base)
        assert split[2, 0] / n == pytest.approx(4900 / 5350, rel=1e-14)
        assert split[2].sum() == n
        assert not split[:2].any()


def test_section_7_no_room_in_hbm() -> None:
    """The same with no room in hbm: tau = n/450, the link binds before lpddr does."""
    timer = StepTimer(two_tier(), BOTH)
    for n in (1, 450, 12_345):
        served, base = np.array([0, n, 0]), np.zeros(4, dtype=np.int64)
        assert timer.exact(served, base) == Fraction(n, 450)
        np.testing.assert_array_equal(timer.split(served, base), [[0, 0], [0, n], [0, 0]])


@pytest.mark.parametrize(("name", "alpha"), [("gh200-nvlink3", 0.942), ("gh200", 0.916), ("gh200-pcie6", 0.987)])
def test_alpha_of_the_paper(name: str, alpha: float) -> None:
    """alpha* = B_hbm / (B_hbm + min(B_link, B_ext)): 0.942, 0.916 and 0.987 for links of 300, 450 and 64 GB/s."""
    memory = preset(name)
    split = StepTimer(memory, BOTH).split([0, 0, 10**9], [0, 0, 0, 0])
    hbm, lpddr, up, _ = memory.rates.tolist()
    assert split[2, 0] / 10**9 == pytest.approx(hbm / (hbm + min(up, lpddr)), rel=1e-13)
    assert round(split[2, 0] / 10**9, 3) == alpha


def test_two_tiers_have_six_price_vectors() -> None:
    """Each resource alone, and hbm together with whichever of lpddr and the link carries the price of the other tier."""
    timer = StepTimer(two_tier(), BOTH)
    expected = {
        (1 / 4900, 0, 0, 0),
        (0, 1 / 500, 0, 0),
        (0, 0, 1 / 450, 0),
        (0, 0, 0, 1 / 450),
        (1 / 5400, 1 / 5400, 0, 0),
        (1 / 5350, 0, 1 / 5350, 0),
    }
    assert {tuple(row) for row in timer.rho.tolist()} == expected
    assert timer.complete


def test_weights_take_part_of_the_fast_tier() -> None:
    """Fixed load on hbm moves reads to lpddr; enough of it moves all of them."""
    timer = StepTimer(two_tier(), BOTH)
    served = np.array([0, 0, 5350])
    assert timer.exact(served, [535, 0, 0, 0]) == Fraction(5350 + 535, 5350)
    assert timer.exact(served, [10**6, 0, 0, 0]) == Fraction(10**6, 4900)
    split = timer.split(served, [490_000 * 12, 0, 0, 0])
    np.testing.assert_allclose(split[2], [0, 5350], atol=1e-6)


def test_split_of_two_tiers_prefers_the_faster_one() -> None:
    """Where another load binds and the split is free, as much as fits is read from the faster tier."""
    timer = StepTimer(two_tier(), BOTH)
    split = timer.split([0, 0, 100], [0, 0, 0, 4500])
    np.testing.assert_array_equal(split[2], [100, 0])
    slow_first = StepTimer(two_tier(rates=(300, 450, 500)), BOTH)
    split = slow_first.split([0, 0, 100], [0, 0, 0, 4500])
    np.testing.assert_array_equal(split[2], [0, 100])


def test_nothing_to_do_takes_no_time() -> None:
    """No load, no time, no bytes; no patterns at all leaves the other loads."""
    timer = StepTimer(two_tier(), BOTH)
    assert timer.times(np.zeros((2, 3)), np.zeros((2, 4))).tolist() == [0.0, 0.0]
    assert timer.times(np.zeros((0, 3)), np.zeros((0, 4))).shape == (0,)
    assert timer.exact([0, 0, 0], [0, 0, 0, 0]) == 0
    assert not timer.split([0, 0, 0], [0, 0, 0, 0]).any()
    bare = StepTimer(two_tier(), [])
    assert bare.exact([], [49, 0, 0, 9]) == Fraction(9, 450)
    assert bare.cheapest.shape == (4, 0)
    assert bare.split([], [1, 1, 1, 1]).shape == (0, 2)


def test_scale_counts_in_parts_of_a_byte() -> None:
    """With shares in quarters, loads are given in quarters of a byte."""
    timer = StepTimer(two_tier(), BOTH)
    assert timer.exact([4, 8, 12], [40, 0, 4, 0], scale=4) == timer.exact([1, 2, 3], [10, 0, 1, 0])


@pytest.mark.parametrize("pattern", [0, 4, -1])
def test_patterns_must_be_sets_of_tiers(pattern: int) -> None:
    """The empty set and tiers that do not exist are refused."""
    with pytest.raises(ValueError, match=f"pattern {pattern} is no non-empty set of 2 ways to serve"):
        StepTimer(two_tier(), [pattern])


@pytest.mark.parametrize(("tiers", "vectors"), [(1, 1), (2, 5), (3, 17), (4, 53), (5, 161)])
def test_number_of_price_vectors_of_a_chain(tiers: int, vectors: int) -> None:
    """A tier on a link of its own is priced by its device or by its link or not at all: 2 * 3^(K-1) - 1 vectors, all needed."""
    timer = StepTimer(chain([1] * tiers, range(9, 9 - tiers, -1), range(5, 4 + tiers)), range(1, 1 << tiers))
    assert len(timer.rho) == vectors
    for v, rho in enumerate(timer.rho):
        assert (timer.rho[np.arange(vectors) != v] != rho).any(axis=1).all()


@settings(derandomize=True, deadline=None, max_examples=150)
@given(seed=st.integers(0, 2**32 - 1), tiers=st.integers(1, 5))
def test_times_equal_the_linear_program(seed: int, tiers: int) -> None:
    """On random trees with any patterns and loads, times, exact, split and prices are the program's optimum."""
    rng = np.random.default_rng(seed)
    memory = random_tree(rng, tiers)
    patterns = random_patterns(rng, tiers)
    timer = StepTimer(memory, patterns)
    served = rng.integers(0, 50, (3, len(patterns))) * (rng.random((3, len(patterns))) < 0.8)
    base = rng.integers(0, 100, (3, len(memory.resources))) * (rng.random((3, len(memory.resources))) < 0.4)
    times, prices = timer.times(served, base), timer.prices(served, base)
    members = np.array([[p >> k & 1 for k in range(tiers)] for p in patterns], dtype=bool)
    for n in range(3):
        assert times[n] == pytest.approx(twin(memory, patterns, served[n], base[n]), rel=1e-9, abs=1e-12)
        assert float(timer.exact(served[n], base[n])) == pytest.approx(times[n], rel=1e-14)
        split = timer.split(served[n], base[n])
        assert (split >= 0).all()
        assert not split[~members].any()
        np.testing.assert_allclose(split.sum(axis=1), served[n], rtol=1e-14)
        assert time_of(memory, split, base[n]) == pytest.approx(times[n], rel=1e-11)
        unit = np.where(members, memory.read @ prices[n], np.inf).min(axis=1)
        assert base[n] @ prices[n] + served[n] @ unit == pytest.approx(times[n], rel=1e-12)
    np.testing.assert_allclose(timer.rho @ memory.rates, 1.0, rtol=1e-14)
    assert (timer.rho >= 0).all()
    np.testing.assert_allclose(prices @ memory.rates, 1.0, rtol=1e-14)


@pytest.mark.parametrize("name", [name for name in preset_names() if preset_given(name).operations.plain])
def test_presets_with_loads_over_twelve_decades(name: str) -> None:
    """Rates of terabytes, loads from bytes to terabytes: floats, rationals, splits and the program agree."""
    rng = np.random.default_rng(7)
    memory = preset_given(name)
    patterns = list(range(1, 1 << len(memory.tiers)))
    timer = StepTimer(memory, patterns)
    for _ in range(20):
        served = (10 ** rng.uniform(0, 12, len(patterns))).astype(np.int64)
        base = (10 ** rng.uniform(0, 12, len(memory.resources))).astype(np.int64)
        time = float(timer.exact(served, base))
        assert timer.times(served, base)[0] == pytest.approx(time, rel=1e-14)
        assert time_of(memory, timer.split(served, base), base) == pytest.approx(time, rel=1e-11)
        assert twin(memory, patterns, served, base) == pytest.approx(time, rel=1e-6)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), tiers=st.integers(1, 4), factor=st.integers(2, 10**6))
def test_scaling_bytes_and_rates_leaves_times_alone(seed: int, tiers: int, factor: int) -> None:
    """Times are the same, exactly, when all bytes and rates are multiplied by one factor; more bytes alone scale the time."""
    rng = np.random.default_rng(seed)
    memory = random_tree(rng, tiers)
    patterns = random_patterns(rng, tiers)
    served, base = rng.integers(0, 50, len(patterns)), rng.integers(0, 50, len(memory.resources))
    time = StepTimer(memory, patterns).exact(served, base)
    larger = StepTimer(dataclasses.replace(memory, rates=memory.rates * factor), patterns)
    assert larger.exact(served * factor, base * factor) == time
    assert larger.exact(served, base) == time / factor


@settings(derandomize=True, deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), tiers=st.integers(1, 4))
def test_more_rate_more_copies_or_less_load_never_takes_longer(seed: int, tiers: int) -> None:
    """The time falls, or stays, with every rate, with every tier added to a pattern and with every byte taken away."""
    rng = np.random.default_rng(seed)
    memory = random_tree(rng, tiers)
    patterns = random_patterns(rng, tiers)
    served, base = rng.integers(1, 50, len(patterns)), rng.integers(1, 50, len(memory.resources))
    time = StepTimer(memory, patterns).exact(served, base)
    faster = dataclasses.replace(memory, rates=memory.rates + rng.integers(0, 9, len(memory.rates)))
    assert StepTimer(faster, patterns).exact(served, base) <= time
    wider = [pattern | 1 << int(rng.integers(0, tiers)) for pattern in patterns]
    assert StepTimer(memory, wider).exact(served, base) <= time
    less = served - (rng.random(len(served)) < 0.5), base - (rng.random(len(base)) < 0.5)
    assert StepTimer(memory, patterns).exact(*less) <= time


def test_one_step_and_many_give_the_same_bits() -> None:
    """A step's time does not depend on the steps it is timed with."""
    rng = np.random.default_rng(3)
    timer = StepTimer(preset("nvme4"), range(1, 8))
    served, base = rng.integers(0, 10**9, (3000, 7)), rng.integers(0, 10**9, (3000, 8))
    times, prices = timer.times(served, base), timer.prices(served, base)
    for n in (0, 1023, 1024, 2999):
        assert timer.times(served[n], base[n])[0] == times[n]
        np.testing.assert_array_equal(timer.prices(served[n], base[n])[0], prices[n])


@settings(derandomize=True, deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), tiers=st.integers(1, 5))
def test_beyond_the_largest_enumeration_the_answers_are_the_same(seed: int, tiers: int) -> None:
    """With no vectors allowed, all answers come from column generation and agree with the enumeration."""
    rng = np.random.default_rng(seed)
    memory = random_tree(rng, tiers)
    patterns = random_patterns(rng, tiers)
    full = StepTimer(memory, patterns)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing_module, "MOST_VECTORS", 0)
        other = StepTimer(memory, patterns)
    assert full.complete
    assert not other.complete
    np.testing.assert_allclose(other.rho, np.diag(1 / memory.rates), rtol=1e-15)
    served = rng.integers(0, 50, (2, len(patterns))) * (rng.random((2, len(patterns))) < 0.8)
    base = rng.integers(0, 100, (2, len(memory.resources))) * (rng.random((2, len(memory.resources))) < 0.4)
    times = full.times(served, base)
    np.testing.assert_allclose(other.times(served, base), times, rtol=1e-11, atol=0)
    for n, prices in enumerate(other.prices(served, base)):
        assert other.exact(served[n], base[n]) == full.exact(served[n], base[n])
        assert other.exact(served[n], base[n], scale=3) == full.exact(served[n], base[n], scale=3)
        assert prices @ memory.rates == pytest.approx(1.0, rel=1e-14)
        assert time_of(memory, other.split(served[n], base[n]), base[n]) == pytest.approx(times[n], rel=1e-11)
        unit = [min((memory.read @ prices)[k] for k in range(tiers) if p >> k & 1) for p in patterns]
        assert base[n] @ prices + served[n] @ unit == pytest.approx(times[n], rel=1e-11, abs=1e-15)


def test_twelve_tiers_are_timed_without_enumeration() -> None:
    """Where many sets of twelve tiers may hold a block there are too many vectors; answers still equal the linear program's."""
    rng = np.random.default_rng(11)
    memory = random_tree(rng, 12)
    patterns = [(1 << 12) - 1, *(int(p) for p in rng.integers(1, 1 << 12, 20))]
    timer = StepTimer(memory, patterns)
    assert not timer.complete
    served, base = rng.integers(0, 50, len(patterns)), rng.integers(0, 100, len(memory.resources))
    expected = twin(memory, patterns, served, base)
    assert timer.times(served, base)[0] == pytest.approx(expected, rel=1e-9)
    assert float(timer.exact(served, base)) == pytest.approx(expected, rel=1e-9)
