"""What budgets and the objective make of the dual: prices of meters, what they leave of a second, what no block pays.

With mu_h >= 0 for each budget and weights w of the objective, one part of meter m costs ``nu_m = w_m + sum of mu_h over the
budgets on m`` at every step: a meter is one more resource, whose price is the same all the time. A second costs the objective's
``time``, of which budgets that grow by the second take ``sum_h W_h mu_h``; those that shrink by it leave more.

Budgets are few and their numbers are fractions, so that all of this is exact until it is rounded, and then towards safety.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from placement_opt.base.arrays import Float64
from placement_opt.base.errors import InputError
from placement_opt.instance.budgets import Objective
from placement_opt.instance.instance import Instance

#: Prices are at most this: beyond, products overflow. What is left of a second, or proven with nothing to minimise, counts from
#: this on: next to nothing, floats do not round by shares of their size any more.
MOST, LEAST = 1e200, 1e-200


def legal_mu(instance: Instance, mu: Float64) -> Float64:
    """float64[H]: the nearest prices of budgets that prove something.

    No negatives, nothing unfinite, and those that grow by the second shrunk until they take no more than there is of a second.
    None at all count as zeros.

    Raises
    ------
    InputError
        If there are some, but not one for each budget.
    """
    budgets = instance.budgets
    if len(mu) == 0:
        return np.zeros(len(budgets))
    if np.shape(mu) != (len(budgets),):
        raise InputError(f"found prices of {len(mu)} budgets", f"expected {len(budgets)}, or none at all", field="mu")
    legal = np.where(np.isfinite(mu), np.clip(mu, 0.0, MOST), 0.0)
    asked = [budget.per_second * Fraction(price) for budget, price in zip(budgets, legal.tolist(), strict=True)]
    given = instance.objective.time - sum(min(one, Fraction(0)) for one in asked)
    taken = sum(max(one, Fraction(0)) for one in asked)
    if taken > given:
        for h, budget in enumerate(budgets):
            if budget.per_second > 0:
                legal[h] = rounded_down(Fraction(legal[h]) * given / taken)
    return legal


def second_left(instance: Instance, mu: Float64) -> float:
    """What budgets at legal prices leave of the price of a second to the resources: rounded down, 0 or at least `LEAST`."""
    taken = sum(budget.per_second * Fraction(price) for budget, price in zip(instance.budgets, mu.tolist(), strict=True))
    left = rounded_down(instance.objective.time - taken)
    return left if left >= LEAST else 0.0


def meter_prices(instance: Instance, mu: Float64) -> Float64:
    """float64[M]: what one part of each used meter costs at legal prices, rounded down."""
    return np.array([rounded_down(price) for price in _exact(instance, mu)])


def settled(instance: Instance, mu: Float64) -> Fraction:
    """What meters cost for what the run adds to them anyway, less what the budgets' fixed parts are worth; exactly."""
    cost = sum(price * int(load) for price, load in zip(_exact(instance, mu), instance.metered.tolist(), strict=True))
    pairs = zip(instance.budgets, mu.tolist(), strict=True)
    return Fraction(cost - sum(budget.fixed * Fraction(price) for budget, price in pairs))


def granted(instance: Instance, metered: Float64) -> Float64:
    """float64[H]: by how much loads of meters (float64[M]) exceed each budget in the time of the floors alone."""
    place, floor = {meter: m for m, meter in enumerate(instance.used_meters)}, float(instance.floor.sum())
    found = []
    for budget in instance.budgets:
        load = 0.0 if budget.meter is None else float(metered[place[budget.meter]])
        found.append(load - float(budget.fixed) - float(budget.per_second) * floor)
    return np.array(found)


def weight(instance: Instance, metered: Float64) -> float:
    """Seconds that loads of meters (float64[M]) count in the objective."""
    place = {meter: m for m, meter in enumerate(instance.used_meters)}
    return sum(float(each) * float(metered[place[meter]]) for meter, each in instance.objective.weights)


def without_objective(instance: Instance) -> Instance:
    """The same instance with nothing to minimise: where prices prove more than 0 of it, no schedule keeps the budgets."""
    return replace(instance, objective=Objective(Fraction(0)))


def rounded_down(exact: Fraction) -> float:
    """The largest float that is at most this, of numbers within +-1e308; at least that of those below."""
    try:
        value = float(exact)
    except OverflowError:
        return -np.inf if exact < 0 else 1e308
    return value if Fraction(value) <= exact else float(np.nextafter(value, -np.inf))


def _exact(instance: Instance, mu: Float64) -> list[Fraction]:
    """The price of one part of each used meter."""
    weights = dict(instance.objective.weights)
    price = {meter: weights.get(meter, Fraction(0)) for meter in instance.used_meters}
    for budget, worth in zip(instance.budgets, mu.tolist(), strict=True):
        if budget.meter is not None:
            price[budget.meter] += Fraction(worth)
    return [price[meter] for meter in instance.used_meters]
