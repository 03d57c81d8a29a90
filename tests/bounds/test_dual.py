"""D(rho, lambda) is a lower bound for ANY prices, and its kernels equal a slow, obvious shortest path."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.bounds import lp, milp
from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.dual.evaluate import evaluate, fetch_events, legal, price_actions
from placement_opt.bounds.result import Prices
from placement_opt.instance.instance import Instance
from placement_opt.instance.law import tier_sets
from placement_opt.instance.rule import KEEPING
from tests.bounds.cases import absurd_prices, half_copied_twice
from tests.brute import optimum
from tests.small import chain, fetch_ahead, make_instance, make_trace, random_instance, two_tier
from tests.twins import cheapest_path

PROFILE = settings(derandomize=True, deadline=None, max_examples=40)


def draw(seed: int, tiers: int | None = None, *, shares: bool | None = None) -> tuple[np.random.Generator, Instance]:
    rng = np.random.default_rng(seed)
    instance = random_instance(
        rng,
        int(rng.integers(1, 5)) if tiers is None else tiers,
        KEEPING[seed % 3],
        blocks=int(rng.integers(1, 5)),
        steps=int(rng.integers(2, 7)),
        max_size=1 + seed % 3,
        shares=seed % 2 == 0 if shares is None else shares,
        deaths=seed % 5 == 0,
        given=seed % 4 == 0,
    )
    return rng, instance


@pytest.mark.parametrize("seed", range(30))
def test_kernel_equals_slow_paths(seed: int) -> None:
    """Path by path, the segment tree gives what a walk over every step gives, and D is put together from them."""
    rng, instance = draw(seed)
    prices = legal(instance, absurd_prices(rng, instance, 0.5))
    classes = classify(instance)
    dual = evaluate(instance, prices, classes)
    rho, rent = dual.prices.rho.tolist(), dual.prices.rent.tolist()
    slow = [cheapest_path(instance, int(b), rho, rent).cost for b in classes.block]
    np.testing.assert_allclose(dual.paths_s, slow, rtol=1e-12, atol=1e-300)
    used = dual.prices.rho @ instance.memory.rates
    total = float((1 - used) @ instance.floor + (dual.prices.rho * instance.fixed).sum())
    total += float(np.array(slow) @ classes.count) - float((dual.prices.rent @ instance.capacity).sum())
    assert dual.value_s == pytest.approx(max(0.0, total), rel=1e-9, abs=1e-12)
    assert dual.value_s <= max(0.0, total)


@PROFILE
@given(st.integers(0, 10**6), st.sampled_from([0.01, 0.3, 1.0, 30.0, 1e6]))
def test_any_prices_stay_below_the_optimum(seed: int, scale: float) -> None:
    """Twenty price vectors an example, some negative, infinite or NaN: none proves more than the optimum."""
    rng, instance = draw(seed)
    optimum = milp.bound(instance)
    assert optimum.value_s is not None
    for _ in range(20):
        value = evaluate(instance, absurd_prices(rng, instance, scale)).value_s
        assert 0.0 <= value <= optimum.value_s * (1 + 1e-9) + 1e-300


@PROFILE
@given(st.integers(0, 10**6))
def test_extreme_prices_stay_below_the_optimum(seed: int) -> None:
    """Forty price vectors an example of nothing but extremes and a few good ones, against the optimum by enumeration."""
    rng = np.random.default_rng(seed)
    _, instance = draw(seed, 1 + seed % 3)
    seconds = optimum(instance).seconds
    good = absurd_prices(rng, instance, 0.5)
    extreme = np.array([0.0, -0.0, 1e-300, 5e-324, 1e300, 1.7e308, -1e300, np.inf, -np.inf, np.nan, 1.0, -1.0])
    for part in np.linspace(0.0, 1.0, 40):
        rho = np.where(rng.random(good.rho.shape) < part, rng.choice(extreme, good.rho.shape), good.rho)
        rent = np.where(rng.random(good.rent.shape) < part**3, rng.choice(extreme, good.rent.shape), good.rent)
        value = evaluate(instance, Prices(rho, rent)).value_s
        assert 0.0 <= value <= seconds * (1 + 1e-9) + 1e-300


@PROFILE
@given(st.integers(0, 10**6), st.sampled_from([0.1, 1.0, 10.0]))
def test_any_prices_stay_below_the_lp_on_two_tiers(seed: int, scale: float) -> None:
    """With two tiers and whole reads a block's paths are an integral polytope: D(any prices) <= LP."""
    rng, instance = draw(seed, 2, shares=False)
    relaxed = lp.bound(instance)
    assert relaxed.value_s is not None
    for _ in range(20):
        assert evaluate(instance, absurd_prices(rng, instance, scale)).value_s <= relaxed.value_s * (1 + 1e-9)


def test_dual_may_exceed_the_lp_relaxation_with_three_tiers() -> None:
    """The counterexample of docs/problem.md: D > LP, because in the LP half a block copied on twice passes for a whole one.

    The block lies behind a link of 1 B/s. Fetching it whole takes 1 s; the LP fetches half of it into the middle tier and
    copies that half to the fast tier in two different steps. The optimum is 1 s, and D proves it.
    """
    instance = half_copied_twice()
    relaxed, optimum = lp.bound(instance), milp.bound(instance)
    assert relaxed.value_s is not None
    assert optimum.value_s is not None
    dual = evaluate(instance, relaxed.prices) if relaxed.prices else None
    assert dual is not None
    assert relaxed.value_s < 0.7 * optimum.value_s
    rho = np.zeros((4, instance.num_resources))
    rho[:, instance.memory.resources.index("link2")] = 1.0
    proven = evaluate(instance, Prices(rho, np.zeros((5, 3)))).value_s
    assert relaxed.value_s < proven <= optimum.value_s * (1 + 1e-9)


def test_dual_may_exceed_the_lp_relaxation_with_partial_reads() -> None:
    """The other counterexample: two halves of a block behind a link of 1 B/s take 1 s, the LP says 0.75 s."""
    trace = make_trace([[0], [0]], [-1], shares=[[1], [1]], share_base=2)
    start = np.array([[False], [True]])
    instance = make_instance(two_tier(hbm=1, rates=(1000, 1, 1000)), trace, initial=start)
    relaxed, optimum = lp.bound(instance), milp.bound(instance)
    assert relaxed.value_s == pytest.approx(0.75, rel=1e-3)
    assert optimum.value_s == pytest.approx(1.0, rel=1e-3)
    rho = np.zeros((2, 4))
    rho[:, 2] = 1.0
    assert evaluate(instance, Prices(rho, np.zeros((3, 2)))).value_s == pytest.approx(1.0, rel=1e-3)


def test_section_7_fetch_ahead() -> None:
    """At the LP's prices D equals the LP on the trace where fetching ahead pays: 0.0496471 s."""
    instance = fetch_ahead()
    prices = lp.bound(instance).prices
    assert prices is not None
    assert evaluate(instance, prices).value_s == pytest.approx(0.0496471, abs=5e-8)


def test_illegal_prices_are_made_legal() -> None:
    """Negative, infinite and NaN prices are dropped; resource prices that sum beyond one are scaled down."""
    instance = fetch_ahead()
    rho = np.full((22, 4), 1.0)
    rho[0] = [-1.0, np.nan, np.inf, 1e300]
    rent = np.full((23, 2), np.inf)
    prices = legal(instance, Prices(rho, rent))
    assert (prices.rho @ instance.memory.rates <= 1.0).all()
    assert np.isfinite(prices.rho).all()
    assert (prices.rho >= 0).all()
    assert (prices.rent == 0).all()


@pytest.mark.parametrize("seed", range(30))
def test_fetch_events_are_on_cheapest_paths(seed: int) -> None:
    """Copies at steps that do not read the block are found exactly where leaving them out would cost more."""
    rng, instance = draw(seed, shares=False)
    prices = legal(instance, absurd_prices(rng, instance, 0.5))
    classes = classify(instance)
    groups, steps = fetch_events(instance, prices, classes)
    for g, t in zip(groups.tolist(), steps.tolist(), strict=True):
        reads = classes.step[classes.start[g] : classes.start[g + 1]]
        assert t not in reads
        assert classes.first[g] <= t < classes.last[g]


def test_tier_sets_of_each_rule() -> None:
    """Inclusive sets contain the home tier, exclusive ones are single, free ones are all but the empty one."""
    trace = make_trace([[0]], [-1])
    for rule, expected in (("inclusive", [4, 5, 6, 7]), ("exclusive", [1, 2, 4]), ("free", [1, 2, 3, 4, 5, 6, 7])):
        memory = chain([1, 1, 5], [9, 8, 7], [3, 2])
        assert tier_sets(make_instance(memory, trace, rule)).tolist() == expected  # type: ignore[arg-type]


def test_prices_of_actions_follow_the_tables() -> None:
    """Serving from a set costs its cheapest member's read; adding costs the cheapest copy."""
    instance = fetch_ahead()
    rho = np.tile([1e-4, 2e-4, 3e-4, 4e-4], (22, 1))
    actions = price_actions(instance, Prices(rho, np.zeros((23, 2))))
    assert actions.serve[0].tolist() == pytest.approx([5e-4, 1e-4])
    assert actions.adding[0, 0, 1] == pytest.approx(1e-4 + 2e-4 + 3e-4)
    assert actions.adding[0, 1, 0] == 0.0
