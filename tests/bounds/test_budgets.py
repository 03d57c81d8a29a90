"""Budgets and objectives in what computes bounds: numbers known by hand, and what prices of budgets may never prove."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.bounds.dual.evaluate import evaluate, legal
from placement_opt.bounds.dual.shares import Backend
from placement_opt.bounds.result import Prices
from placement_opt.instance.instance import Instance
from tests.budgets import CASES

#: Prices by hand at which weak duality proves the optimum: rho, mu.
BY_HAND = {
    "no budget": ([0.2, 0.2], []),
    "10 J": ([0.25, 0.0], [0.125]),
    "time and energy": ([0.25, 0.0], []),
    "wear": ([0.0], [2.0]),
}


def prices_of(instance: Instance, rho: list[float], mu: list[float]) -> Prices:
    """The same prices at every step, and no rents."""
    return Prices(np.tile(rho, (instance.num_steps, 1)), np.zeros((instance.num_steps + 1, instance.num_tiers)), np.array(mu))


@pytest.mark.parametrize("name", BY_HAND)
def test_prices_by_hand_prove_the_optimum(name: str) -> None:
    """Section 4 of the statement of operations: value and proof; cut into shares they prove the same."""
    instance, optimum = CASES[name].instance, CASES[name].optimum
    assert optimum is not None
    prices = prices_of(instance, *BY_HAND[name])
    value = evaluate(instance, prices).value_s
    assert optimum * (1 - 1e-12) <= value <= optimum
    shared = Backend().evaluate(instance, prices).value_s
    assert optimum * (1 - 1e-12) <= shared <= optimum


def test_a_ray_proves_that_no_schedule_keeps_a_budget() -> None:
    """Eight bytes take 8 J at least: with 7 J the prices mu = 1 prove it; with 10 J nothing is proven of that kind."""
    no_schedule = CASES["7 J"].instance
    ray = prices_of(no_schedule, [0.0, 0.0], [1.0])
    assert evaluate(no_schedule, ray, ray=True).value_s == pytest.approx(1.0, rel=1e-12)
    assert evaluate(CASES["10 J"].instance, ray, ray=True).value_s == 0.0
    # with nothing to be minimised resources cost nothing: what there is of a second is what budgets leave
    assert not legal(replace(no_schedule, objective=replace(no_schedule.objective, time=0)), ray).rho.any()


def test_prices_of_another_number_of_budgets_are_refused() -> None:
    """None at all stand for zeros; two for one budget are somebody's mistake."""
    instance = CASES["10 J"].instance
    assert evaluate(instance, prices_of(instance, [0.2, 0.2], [])).value_s == pytest.approx(1.6)
    with pytest.raises(InputError, match="found prices of 2 budgets, expected 1, or none at all"):
        evaluate(instance, prices_of(instance, [0.2, 0.2], [1.0, 1.0]))


def test_prices_that_take_more_than_a_second_are_shrunk() -> None:
    """Wear of 0.5 B/s at 7 s/B would take 3.5 s of each second: made legal, it takes one, and proves the optimum."""
    instance = CASES["wear"].instance
    proven = evaluate(instance, prices_of(instance, [1.0], [7.0]))
    assert proven.prices.mu[0] == pytest.approx(2.0, rel=1e-15)
    assert proven.value_s == pytest.approx(20.0, rel=1e-12)
    assert proven.value_s <= 20.0
