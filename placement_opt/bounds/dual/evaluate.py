"""The dual value at given prices: the proof behind every published bound (problem statement, section 4).

For ANY resource prices rho >= 0 with ``sum_r B_r rho[r,t] <= 1`` and rents lambda >= 0,

    D = sum_t (1 - sum_r B_r rho[t,r]) l_t + sum rho F - sum lambda C + sum_b SP_b

is at most the time of every schedule, whoever found the prices: SP_b is the cheapest way for block b alone to be served at
those prices, fetch-back at any step included. Nothing here uses a solver.

With budgets ``load_h <= E_h + W_h sum tau`` and an objective ``w_T sum tau + sum w_m load_m`` there is a price mu_h >= 0 for
each budget, and

    D = sum_t (w_T - sum_r B_r rho[t,r] - sum_h W_h mu_h) l_t + sum rho F + sum nu_m F_m
        - sum mu_h E_h - sum lambda C + sum_b SP_b

is at most the objective of every schedule that keeps them, wherever ``sum_r B_r rho + sum_h W_h mu_h <= w_T``
(:mod:`placement_opt.bounds.dual.budgets`; nu_m is the price of one part of meter m, which SP_b pays like any other load). With
nothing to minimise (w_T and all w 0) the objective of every schedule is 0: where D > 0 there is none that keeps the budgets.

A block that is read may be served by any operation that it lies ready for, and is copied to where it is wanted next; or it is
served by one that brings it to the processor, and may be stored in passing. Blocks of a kind cost the same by the unit (a byte,
or the whole block where calls and grains count), so tables are made kind by kind.

With three and more tiers a block's path is a path over *sets* of tiers, which is stronger than the LP relaxation of the
statement: there, half a block copied on twice can pass for a whole one. D may therefore exceed the LP value (see
docs/problem.md for the counterexample); it never exceeds the optimum, nor any schedule that splits blocks.

Where there are more sets than the tables have room for, the slowest tiers are not tracked
(:mod:`placement_opt.bounds.dual.tracked`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.sums import exact_sum
from placement_opt.bounds.dual.actions import PricedActions, price_actions
from placement_opt.bounds.dual.budgets import LEAST, legal_mu, rounded_down, second_left, settled, without_objective
from placement_opt.bounds.dual.classes import Classes, by_kind, classify
from placement_opt.bounds.result import Prices
from placement_opt.instance.instance import Instance

#: Relative rounding error of one operation on floats, with room to spare.
EPS = 2.0**-52


@dataclass(frozen=True, eq=False)
class DualValue:
    """D at some prices.

    Attributes
    ----------
    value_s
        Seconds of the objective, rounded towards safety: the float sum less a bound on its rounding error.
    paths_s
        float64[G]: cost of one block's cheapest path, per class.
    prices
        The prices used, after making them legal.
    """

    value_s: float
    paths_s: Float64
    prices: Prices


def legal(instance: Instance, prices: Prices) -> Prices:
    """The nearest prices that prove something: no negatives, nothing unfinite, and ``sum_r B_r rho + sum_h W_h mu_h`` at most
    the price of a second at every step."""
    mu = legal_mu(instance, prices.mu)
    made = legal_at(instance.memory.rates, prices, second_left(instance, mu))
    return replace(made, mu=mu)


def legal_at(rates: Int64, prices: Prices, second: float = 1.0) -> Prices:
    """The same for resources of these rates (int64[R], bytes/s), which share so much; no prices of budgets."""
    rho = np.where(np.isfinite(prices.rho), np.maximum(prices.rho, 0.0), 0.0)
    rent = np.where(np.isfinite(prices.rent), np.maximum(prices.rent, 0.0), 0.0)
    with np.errstate(over="ignore"):
        total = rho @ rates.astype(np.float64)
    rho[~np.isfinite(total)] = 0.0
    total[~np.isfinite(total)] = 0.0
    slack = rate_slack(rates)
    over = total > second - slack * second
    if second > 0.0:
        with np.errstate(over="ignore"):  # what is left of a second may be next to nothing
            rho[over] /= (total[over] / second * (1.0 + 2 * slack))[:, None]
    else:
        rho[:] = 0.0
    return Prices(rho, np.minimum(rent, 1e200))


def rate_slack(rates: Int64) -> float:
    """More than rounding can change in ``sum_r B_r rho`` when the sum is near 1."""
    return (8 + len(rates)) * EPS


def evaluate(instance: Instance, prices: Prices, classes: Classes | None = None, *, ray: bool = False) -> DualValue:
    """D at any prices: a proven lower bound on the objective (the total time, if no other is given), in seconds.

    Parameters
    ----------
    prices
        Anything; made legal first, which can only change how good the bound is.
    classes
        The instance's merged blocks, if at hand.
    ray
        As if nothing were to be minimised: a value above 0 then proves that no schedule keeps the budgets.
    """
    if ray:
        instance = without_objective(instance)
    classes = classes or classify(instance)
    prices = legal(instance, prices)
    second = second_left(instance, prices.mu)
    paths = class_paths(instance, prices, classes) * classes.amount
    served = exact_sum(paths * classes.count)
    used = prices.rho @ instance.memory.rates.astype(np.float64)
    slack = rate_slack(instance.memory.rates) * second
    floor = exact_sum(np.maximum(0.0, second - used - slack) * instance.floor)
    fixed = exact_sum(prices.rho * instance.fixed)
    rent = exact_sum(prices.rent * instance.capacity)
    budgets = rounded_down(settled(instance, prices.mu))
    margin = EPS * int(path_terms(instance, classes).max()) * (served + floor + fixed + rent + abs(budgets))
    value = floor + fixed + served - rent - margin + budgets
    if ray and value < LEAST:
        value = 0.0
    return DualValue(max(0.0, value) if math.isfinite(value) else 0.0, paths, prices)


def class_paths(instance: Instance, prices: Prices, classes: Classes) -> Float64:
    """float64[G]: cheapest path of one unit of each class at legal prices."""
    paths = np.zeros(len(classes))
    for kind, chosen, part in by_kind(classes):
        paths[chosen] = path_costs(price_actions(instance, prices, kind), part)
    return paths


def path_costs(actions: PricedActions, classes: Classes) -> Float64:
    """float64[G]: cheapest path of one unit of each class, all of the kind that was priced."""
    from placement_opt.bounds.dual.evaluate_kernels import cheapest_paths, idle_tree

    costs: Float64 = cheapest_paths(idle_tree(actions.has, actions.source, actions.rent), *_arguments(actions, classes))
    return costs


def path_terms(instance: Instance, classes: Classes) -> Int64:
    """int64[G]: bounds on the rounding errors of paths, in units of `EPS` relative to their cost.

    Every term of a path is a sum of non-negative products, so its relative error grows with the number of terms only. Products
    of prices with large loads of whole blocks, of meters with any, and of rents with sizes, are rounded once more.
    """
    plain = 64 + 4 * instance.num_tiers + 3 * np.diff(classes.start) * (2 + instance.num_steps.bit_length())
    meters = len(instance.used_meters)
    if instance.memory.operations.plain and not meters:
        return plain
    return plain + 8 + instance.num_resources + meters


def fetch_events(instance: Instance, prices: Prices, classes: Classes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(classes, steps): where cheapest paths copy at a step that does not read the block; prices must be legal."""
    from placement_opt.bounds.dual.evaluate_kernels import copy_steps

    found = [np.zeros((2, 0), dtype=np.int64)]
    for kind, chosen, part in by_kind(classes):
        actions = price_actions(instance, prices, kind)
        which, steps = copy_steps(*_arguments(actions, part))
        found.append(np.stack([chosen[which], steps]))
    classes_of, steps_of = np.concatenate(found, axis=1)
    return classes_of, steps_of


def _arguments(actions: PricedActions, classes: Classes) -> tuple[npt.NDArray[Any] | None, ...]:
    """What both kernels are handed of prices and blocks."""
    return (
        actions.has,
        actions.serve,
        actions.bring if actions.apart.any() else None,
        np.ascontiguousarray(actions.source),
        actions.write,
        actions.rent,
        classes.start,
        classes.step,
        classes.share,
        classes.first,
        classes.last,
        actions.tracked.begin(classes.begin),
        actions.tracked.masks,
    )
