"""Any number of tiers: which of them the dual keeps track of, and that what it proves stays below the optimum all the same."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from placement_opt.answer.prove_integer import certify_prices
from placement_opt.bounds import METHODS, milp, step
from placement_opt.bounds.ascent import ascend
from placement_opt.bounds.dual import slopes as dual_slopes
from placement_opt.bounds.dual.evaluate import evaluate
from placement_opt.bounds.dual.tracked import slowest_first, tracked_sets
from placement_opt.bounds.result import Prices, Status
from placement_opt.certify import paths as certify_paths
from placement_opt.certify.verify import lower_bound
from placement_opt.instance.instance import Instance
from placement_opt.instance.rule import KEEPING
from tests.bounds.cases import change, positive_prices, random_prices, track_few
from tests.brute import num_transitions, optimum
from tests.small import chain, make_instance, make_trace, random_instance


def tiny(seed: int, tiers: int, blocks: int = 2) -> Instance:
    """One or two blocks (or a few more) and few steps: any rule, shares, deaths, given starts."""
    rng = np.random.default_rng(seed)
    return random_instance(
        rng,
        tiers,
        KEEPING[seed % 3],
        blocks=int(rng.integers(1, blocks + 1)),
        steps=int(rng.integers(1, 4)),
        max_size=1 + seed % 2,
        shares=seed % 4 == 0,
        deaths=seed % 5 == 0,
        given=seed % 7 == 0,
    )


def many(tiers: int, residency: str, blocks: int = 6, steps: int = 8) -> Instance:
    return random_instance(np.random.default_rng(7), tiers, residency, blocks=blocks, steps=steps)  # type: ignore[arg-type]


@pytest.mark.parametrize("sets", [1, 2, 4, 8])
@pytest.mark.parametrize("seed", range(20))
def test_the_relaxation_is_one(monkeypatch: pytest.MonkeyPatch, seed: int, sets: int) -> None:
    """Three to seven tiers of which few are tracked: no prices prove more than enumeration finds, and the verifier agrees."""
    instance, rng = tiny(seed, 3 + seed % 5), np.random.default_rng(seed)
    if num_transitions(instance) > 200_000:
        instance = tiny(seed, 3, blocks=1)
    best = optimum(instance).seconds
    track_few(monkeypatch, sets)
    for _ in range(3):
        dual = evaluate(instance, random_prices(instance, rng))
        assert dual.value_s <= best * (1 + 1e-9) + 1e-300
        rho, rent = (np.floor(1e15 * price).astype(np.int64) for price in (dual.prices.rho, dual.prices.rent))
        exact = float(lower_bound(instance, 10**15, rho, rent))
        assert exact == pytest.approx(dual.value_s, rel=1e-9, abs=1e-9 * best)


@pytest.mark.parametrize("seed", range(20))
def test_fewer_sets_prove_less(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Every tier that is not tracked is one more thing for nothing."""
    instance = tiny(seed, 4, blocks=4)
    prices = random_prices(instance, np.random.default_rng(seed))
    values = []
    for sets in (1, 2, 4, 8, 16):
        track_few(monkeypatch, sets)
        values.append(evaluate(instance, prices).value_s)
    assert all(less <= more * (1 + 1e-12) for less, more in itertools.pairwise(values))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("soft", [0.0, 1e-3])
def test_slopes_of_the_relaxation(monkeypatch: pytest.MonkeyPatch, seed: int, soft: float) -> None:
    """The ascent climbs the same dual: equal values, and a slope that lies above it everywhere."""
    track_few(monkeypatch, 4)
    instance, rng = tiny(seed, 5, blocks=4), np.random.default_rng(seed)
    prices = [positive_prices(instance, rng) for _ in range(3)]
    at = dual_slopes.slopes(instance, prices[0], soft=soft)
    if soft == 0.0 and evaluate(instance, prices[0]).value_s > 0.0:
        assert at.value_s == pytest.approx(evaluate(instance, prices[0]).value_s, rel=1e-9)
    for other in prices[1:]:
        there = dual_slopes.slopes(instance, other, soft=soft)
        assert there.value_s <= at.value_s + change(at, there.prices) + 1e-9 * abs(at.value_s)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("tiers", [6, 7])
def test_six_and_seven_tiers_against_the_optimum(tiers: int, seed: int) -> None:
    """All sets fit here: step <= dual after an ascent <= optimum, and the MILP has just that."""
    instance = tiny(seed, tiers, blocks=3 if seed % 3 == 1 else 1)
    assert tracked_sets(instance).always == 0
    best = milp.bound(instance)
    assert best.status is Status.OPTIMAL
    assert best.value_s is not None
    if num_transitions(instance) <= 200_000:
        assert best.value_s == pytest.approx(optimum(instance).seconds, rel=1e-8)
    each = step.bound(instance)
    assert each.prices is not None
    assert each.lower_bound_s is not None
    dual = evaluate(instance, each.prices)
    assert each.lower_bound_s * (1 - 1e-9) <= dual.value_s <= best.value_s * (1 + 1e-9)


@pytest.mark.parametrize("residency", KEEPING)
@pytest.mark.parametrize("tiers", [6, 9, 12, 16])
def test_every_method_answers_at_any_number_of_tiers(tiers: int, residency: str) -> None:
    """Nothing is refused, and nobody proves less than the roofline; what is not tracked, or not tried, is said."""
    instance = many(tiers, residency, blocks=3, steps=3)
    least = METHODS["roofline"](instance).lower_bound_s
    assert least is not None
    for method in ("step", "step-integer", "compact"):
        found = METHODS[method](instance)
        assert found.lower_bound_s is not None, method
        assert found.lower_bound_s >= least * (1 - 1e-12)
        if method == "compact":
            told = "too many for its columns" in found.note
            assert told == (tracked_sets(instance).always != 0) == (found.status is Status.LIMIT)
        if method == "step-integer" and 2**tiers > 2**9 and residency != "exclusive":
            assert "sets of tiers are too many for whole blocks" in found.note


@pytest.mark.parametrize("residency", ["inclusive", "free"])
def test_the_relaxed_dual_sees_what_each_step_does(residency: str) -> None:
    """Twelve tiers, whole reads: the prices of the per-step bound prove that bound, so that a certificate is worth as much."""
    instance = many(12, residency)
    each = step.bound(instance)
    assert tracked_sets(instance).always
    assert each.prices is not None
    assert each.lower_bound_s is not None
    assert evaluate(instance, each.prices).value_s >= each.lower_bound_s * (1 - 1e-9)
    made = certify_prices(instance, each.prices)
    assert float(made.claim) >= each.lower_bound_s * (1 - 1e-8)


def test_an_ascent_goes_on_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five tiers under the free rule, the slowest two untracked: prices are raised, and proven."""
    track_few(monkeypatch, 8)
    instance = many(5, "free", blocks=8, steps=12)
    start = step.bound(instance).prices
    assert start is not None
    worse = Prices(start.rho, 0.5 * start.rent)
    low, high = evaluate(instance, worse).value_s, evaluate(instance, start).value_s
    assert low < high
    assert ascend(instance, worse, enough=(low + high) / 2).value_s >= (low + high) / 2


def test_which_tiers_are_tracked() -> None:
    """The fastest; home is always in the sets of the inclusive rule; exclusive blocks need no sets at all."""
    memory = chain([1, 1, 1, 1, 9], [9, 8, 7, 6, 5], [3, 5, 4, 6])
    trace = make_trace([[0]], [-1])
    inclusive, free, exclusive = (make_instance(memory, trace, rule) for rule in ("inclusive", "free", "exclusive"))
    assert slowest_first(inclusive) == [1, 3, 2, 0]  # by link: 3, 4, 5, and tier 0 beside the processor
    assert slowest_first(free) == [1, 3, 2, 4, 0]
    assert (len(tracked_sets(inclusive).masks), len(tracked_sets(free).masks)) == (16, 31)
    assert tracked_sets(exclusive).masks.tolist() == [1, 2, 4, 8, 16]


@pytest.mark.parametrize(("sets", "always", "count"), [(16, 0b10, 16), (15, 0b1010, 8), (4, 0b1110, 4), (1, 0b11111, 1)])
def test_what_is_given_up_first(monkeypatch: pytest.MonkeyPatch, sets: int, always: int, count: int) -> None:
    """Read slowest first, as many as need be; the verifier reads the same from its own lines."""
    track_few(monkeypatch, sets)
    memory = chain([1, 1, 1, 1, 9], [9, 8, 7, 6, 5], [3, 5, 4, 6])
    instance = make_instance(memory, make_trace([[0]], [-1]), "free")
    found, read = tracked_sets(instance), certify_paths.tier_sets(instance)
    assert (found.always, len(found.masks)) == (always, count)
    assert sum(1 << k for k in read.always) == always
    assert {sum(1 << k for k in held) for held in read.held} == set(found.masks.tolist())


def test_tables_that_would_not_fit_track_less() -> None:
    """Seven tiers take 127 sets of a short trace, 32 at most of a long one: by its size alone, whatever memory is free."""
    memory = chain([1] * 6 + [9], [9, 8, 7, 6, 5, 4, 3], [3, 2, 2, 2, 2, 2])
    short = make_instance(memory, make_trace([[0]] * 4, [-1]), "free")
    long = make_instance(memory, make_trace([[0]] * 40_000, [-1]), "free")
    assert (len(tracked_sets(short).masks), len(tracked_sets(long).masks)) == (127, 32)
