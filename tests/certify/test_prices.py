"""D in exact integers: equal to a slow twin in fractions, to the floats of the dual, and never above the optimum."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.answer.prove_integer import certify_prices
from placement_opt.base.errors import CertificateError
from placement_opt.bounds import lp, milp
from placement_opt.bounds.dual.evaluate import evaluate
from placement_opt.bounds.result import Prices
from placement_opt.certify import paths as certify_paths
from placement_opt.certify import verify as certify
from placement_opt.certify.files import PriceCertificate
from placement_opt.certify.parts import parts, step_costs
from placement_opt.certify.priced import price
from placement_opt.instance.rule import KEEPING
from tests.certify.certificates import draw, draw_prices, slow_value
from tests.small import chain, fetch_ahead, make_instance, make_trace, random_instance

PROFILE = settings(derandomize=True, deadline=None, max_examples=75)
QUANTA = st.sampled_from([10**6, 10**12, 2**40 - 87, 10**17])


@PROFILE
@given(st.integers(0, 10**6), QUANTA)
def test_equals_the_slow_twin_exactly(seed: int, quantum: int) -> None:
    """All rules, 1 to 4 tiers, shares, births, deaths, given and free starts, floors: the same rational, to the last digit."""
    rng, instance = draw(seed)
    rho, rent = draw_prices(rng, instance, quantum)
    assert certify.lower_bound(instance, quantum, rho, rent) == max(0, slow_value(instance, quantum, rho, rent))


@pytest.mark.parametrize("seed", range(6))
def test_five_tiers(seed: int) -> None:
    """Under the free rule five tiers are 31 sets, the most that the dual takes."""
    rng, instance = draw(seed, 5)
    rho, rent = draw_prices(rng, instance, 10**12)
    assert certify.lower_bound(instance, 10**12, rho, rent) == max(0, slow_value(instance, 10**12, rho, rent))


@PROFILE
@given(st.integers(0, 10**6))
def test_equals_the_dual_in_floats(seed: int) -> None:
    """Two programs that share nothing agree to 1e-12 of what they add up."""
    rng, instance = draw(seed)
    quantum = 10**12
    rho, rent = draw_prices(rng, instance, quantum)
    exact = certify.lower_bound(instance, quantum, rho, rent)
    dual = evaluate(instance, Prices(rho / quantum, rent / quantum))
    terms = float((rho * instance.fixed).sum() + (rent @ instance.capacity).sum()) / quantum
    terms += float(dual.paths_s.sum()) * instance.num_blocks + float(instance.floor.sum())
    assert dual.value_s <= float(exact) * (1 + 1e-15)
    assert float(exact) == pytest.approx(dual.value_s, rel=1e-12, abs=1e-12 * terms)


@settings(PROFILE, max_examples=30)
@given(st.integers(0, 10**6))
def test_any_integer_prices_stay_below_the_optimum(seed: int) -> None:
    """Ten integer price vectors an example: none proves more than the optimum."""
    rng, instance = draw(seed)
    optimum = milp.bound(instance).value_s
    assert optimum is not None
    for _ in range(10):
        proven = certify.lower_bound(instance, 10**9, *draw_prices(rng, instance, 10**9))
        assert 0 <= proven <= Fraction(optimum) * (1 + Fraction(1, 10**9))


@pytest.mark.parametrize("window", [1, 2, 3, 7])
def test_windows_change_nothing(monkeypatch: pytest.MonkeyPatch, window: int) -> None:
    """However time is cut into windows, and however many reads one takes, the value stays."""
    for seed in range(20):
        rng, instance = draw(seed)
        rho, rent = draw_prices(rng, instance, 10**12)
        whole = certify_paths.paths_total(instance, rho, rent)
        with monkeypatch.context() as patch:
            patch.setattr(certify_paths, "_WINDOW", window)
            patch.setattr(certify_paths, "_READS", window)
            patch.setattr(certify_paths, "_AT_ONCE", window)
            assert certify_paths.paths_total(instance, rho, rent) == whole


def long_instance(rng: np.random.Generator, residency: str):  # type: ignore[no-untyped-def]
    return random_instance(rng, 3, residency, blocks=6, steps=300, max_size=3, shares=True, deaths=True)  # type: ignore[arg-type]


@pytest.mark.parametrize("residency", KEEPING)
def test_long_idle_stretches(residency: str) -> None:
    """Three hundred steps, reads far apart: the table of idle stretches gives what walking step by step gives."""
    rng = np.random.default_rng(5)
    instance = long_instance(rng, residency)
    keep = rng.random(instance.trace.num_reads) < 0.02
    counts = np.add.reduceat(np.r_[keep, False], instance.trace.indptr[:-1]) * (np.diff(instance.trace.indptr) > 0)
    trace = dataclasses.replace(
        instance.trace,
        indptr=np.r_[0, np.cumsum(counts)].astype(np.int64),
        blocks=instance.trace.blocks[keep],
        shares=instance.trace.shares[keep],
    )
    instance = dataclasses.replace(instance, trace=trace)
    rho, rent = draw_prices(rng, instance, 10**12)
    assert certify.lower_bound(instance, 10**12, rho, rent) == max(0, slow_value(instance, 10**12, rho, rent))
    assert slow_value(instance, 10**12, rho, rent // 1000) == certify.lower_bound(instance, 10**12, rho, rent // 1000) > 0


@PROFILE
@given(st.integers(0, 10**6), st.integers(40, 62))
def test_prices_as_large_as_64_bits_hold(seed: int, bits: int) -> None:
    """Where sums would wrap around in 64 bits, shorter windows or Python integers give the exact value all the same."""
    rng, instance = draw(seed)
    quantum = int(instance.memory.rates.sum()) * 2**bits
    rho = rng.integers(0, 2**bits, (instance.num_steps, instance.num_resources))
    rent = rng.integers(0, 2**bits, (instance.num_steps + 1, instance.num_tiers)) >> int(rng.integers(0, 20))
    assert certify.lower_bound(instance, quantum, rho, rent) == max(0, slow_value(instance, quantum, rho, rent))


def test_gate_of_the_numbers_is_where_it_is_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    """Costs just within the room of 64 bits run in int64, just beyond it in Python integers, with the same value."""
    kinds = []
    walk = certify_paths._Walk

    class Seen(walk):
        def __init__(self, part, sets, dtype, never):  # type: ignore[no-untyped-def]
            kinds.append(dtype.kind)
            super().__init__(part, sets, dtype, never)

    monkeypatch.setattr(certify_paths, "_Walk", Seen)
    instance = make_instance(chain([5], [7], []), make_trace([[0], [0], []], [-1]))
    within, beyond = np.full((3, 1), 2**57), np.full((3, 1), 2**59)
    rent = np.full((4, 1), 2**55)
    for rho in (within, beyond):
        assert certify_paths.paths_total(instance, rho, rent) == 2 * int(rho[0, 0]) + 4 * 2**55
    assert kinds == ["i", "O"]
    (part,), sets = parts(instance), certify_paths.tier_sets(instance)
    assert max(step_costs(part, sets, within, rent)) <= certify_paths._ROOM
    assert max(step_costs(part, sets, beyond, rent)) > certify_paths._ROOM


def test_step_costs_are_upper_bounds() -> None:
    """What the gate assumes of a step is at least what any action in it costs."""
    for seed in range(60):
        rng, instance = draw(seed)
        rho, rent = draw_prices(rng, instance, 10**9)
        sets, scale = certify_paths.tier_sets(instance), instance.share_base
        for part in parts(instance):
            most, priced = step_costs(part, sets, rho, rent), price(part.rows, sets, rho, rent)
            for costs in (priced.idle, priced.busy, priced.born):
                dearest = costs.reshape(-1, instance.num_steps).max(axis=0) * scale
                assert (dearest <= np.array(most[:-1])).all()
            assert rent[0].sum() * part.rows.size * scale == most[-1]


def test_section_7_worked_by_hand() -> None:
    """Fetching ahead, all weight on hbm at every step: D is the bytes that hbm must serve at least, over its rate."""
    instance = fetch_ahead()
    rho = np.zeros((22, 4), dtype=np.int64)
    rho[:, 0] = 1
    # 22 steps of 10 bytes of weights; reads can all come from lpddr, which costs nothing at these prices
    assert certify.lower_bound(instance, 4900, rho, np.zeros((23, 2), dtype=np.int64)) == Fraction(220, 4900)


def test_prices_above_one_are_refused_with_the_step() -> None:
    """One quantum too much at step 3: refused, with the sum and by how much."""
    instance = fetch_ahead()
    rho = np.zeros((22, 4), dtype=np.int64)
    rho[3] = [1, 1, 1, 0]
    rent = np.zeros((23, 2), dtype=np.int64)
    assert certify.lower_bound(instance, 4900 + 500 + 450, rho, rent) > 0
    with pytest.raises(CertificateError) as caught:
        certify.lower_bound(instance, 4900 + 500 + 449, rho, rent)
    assert str(caught.value) == "step 3: the resource prices times rates add up to 5850/5849, 0.000171 above 1"
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("column", [0, 1])
def test_negative_prices_are_refused(column: int) -> None:
    """Neither resource prices nor rents may be negative; the message has step and column."""
    instance = fetch_ahead()
    rho, rent = np.zeros((22, 4), dtype=np.int64), np.zeros((23, 2), dtype=np.int64)
    what = "resource prices" if column == 0 else "rents"
    (rho if column == 0 else rent)[5, column] = -7
    with pytest.raises(CertificateError, match=f"step 5: the {what} hold -7 in column {column}, below 0"):
        certify.lower_bound(instance, 10**6, rho, rent)


def test_prices_of_another_size_are_refused() -> None:
    """Arrays that do not fit the instance, or are no integers, are refused with both shapes."""
    instance = fetch_ahead()
    rho, rent = np.zeros((22, 4), dtype=np.int64), np.zeros((23, 2), dtype=np.int64)
    with pytest.raises(CertificateError, match=r"the rents are int64\(22, 2\), this instance's are int64\(23, 2\)"):
        certify.lower_bound(instance, 1, rho, rent[1:])
    with pytest.raises(CertificateError, match=r"the resource prices are float64\(22, 4\)"):
        certify.lower_bound(instance, 1, rho.astype(float), rent)  # type: ignore[arg-type]


def test_claims_must_be_met() -> None:
    """A claim at the value is accepted, one a hair above is refused with both numbers, one below is a weaker truth."""
    instance = fetch_ahead()
    rho, rent = np.zeros((22, 4), dtype=np.int64), np.zeros((23, 2), dtype=np.int64)
    rho[:, 0] = 1
    value = Fraction(220, 4900)
    for claim in (value, value / 2, Fraction(0)):
        assert certify.verify_prices(instance, PriceCertificate(instance.hash, 4900, rho, rent, claim)) == value
    above = PriceCertificate(instance.hash, 4900, rho, rent, value + Fraction(1, 10**30))
    with pytest.raises(CertificateError, match=r"claims at least 0\.0448979591837 s, but its prices prove 1e-30 s less"):
        certify.verify_prices(instance, above)


def test_prices_of_another_instance_are_refused() -> None:
    """The hash of the instance is part of the certificate."""
    instance = fetch_ahead()
    rho, rent = np.zeros((22, 4), dtype=np.int64), np.zeros((23, 2), dtype=np.int64)
    other = dataclasses.replace(instance, fixed=instance.fixed + 1)
    with pytest.raises(
        CertificateError, match=f"another instance: found hash {instance.hash[:12]}, this .* is {other.hash[:12]}"
    ):
        certify.verify_prices(other, PriceCertificate(instance.hash, 1, rho, rent, Fraction(0)))


def test_worthless_prices_prove_zero() -> None:
    """Rents that eat everything up prove that no schedule takes less than no time: 0, not a negative number."""
    instance = fetch_ahead()
    rent = np.full((23, 2), 10**9, dtype=np.int64)
    assert certify.lower_bound(instance, 1, np.zeros((22, 4), dtype=np.int64), rent) == 0


def test_prices_in_another_unit_are_refused() -> None:
    """The integers of a certificate under a quantum a thousand times as large add up to too much, as small, to too little."""
    instance = fetch_ahead()
    prices = lp.bound(instance).prices
    assert prices is not None
    made = certify_prices(instance, prices)
    with pytest.raises(CertificateError, match=r"step 0: the resource prices times rates add up to .*, 999 above 1"):
        certify.verify_prices(instance, dataclasses.replace(made, quantum=made.quantum // 1000))
    with pytest.raises(CertificateError, match=r"claims at least 0\.0496471485781 s, but its prices prove 0\.0495.* s less"):
        certify.verify_prices(instance, dataclasses.replace(made, quantum=made.quantum * 1000))
