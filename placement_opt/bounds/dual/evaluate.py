"""The dual value at given prices: the proof behind every published bound (problem statement, section 4).

For ANY resource prices rho >= 0 with ``sum_r B_r rho[r,t] <= 1`` and rents lambda >= 0,

    D = sum_t (1 - sum_r B_r rho[t,r]) l_t + sum rho F - sum lambda C + sum_b SP_b

is at most the time of every schedule, whoever found the prices: SP_b is the cheapest way for block b alone to be served at
those prices, fetch-back at any step included. Nothing here uses a solver.

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
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64, Int64
from placement_opt.bounds.dual.actions import PricedActions, price_actions
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
        Seconds, rounded towards safety: the float sum less a bound on its rounding error.
    paths_s
        float64[G]: cost of one block's cheapest path, per class.
    prices
        The prices used, after making them legal.
    """

    value_s: float
    paths_s: Float64
    prices: Prices


def legal(instance: Instance, prices: Prices) -> Prices:
    """The nearest prices that prove something: no negatives, nothing unfinite, ``sum_r B_r rho <= 1`` at every step."""
    return legal_at(instance.memory.rates, prices)


def legal_at(rates: Int64, prices: Prices) -> Prices:
    """The same for resources of these rates (int64[R], bytes/s)."""
    rho = np.where(np.isfinite(prices.rho), np.maximum(prices.rho, 0.0), 0.0)
    rent = np.where(np.isfinite(prices.rent), np.maximum(prices.rent, 0.0), 0.0)
    with np.errstate(over="ignore"):
        total = rho @ rates.astype(np.float64)
    rho[~np.isfinite(total)] = 0.0
    total[~np.isfinite(total)] = 0.0
    slack = rate_slack(rates)
    over = total > 1.0 - slack
    rho[over] /= (total[over] * (1.0 + 2 * slack))[:, None]
    return Prices(rho, np.minimum(rent, 1e200))


def rate_slack(rates: Int64) -> float:
    """More than rounding can change in ``sum_r B_r rho`` when the sum is near 1."""
    return (8 + len(rates)) * EPS


def evaluate(instance: Instance, prices: Prices, classes: Classes | None = None) -> DualValue:
    """D at any prices: a proven lower bound on the total time, in seconds.

    Parameters
    ----------
    prices
        Anything; made legal first, which can only change how good the bound is.
    classes
        The instance's merged blocks, if at hand.
    """
    classes = classes or classify(instance)
    prices = legal(instance, prices)
    paths = class_paths(instance, prices, classes) * classes.amount
    served = math.fsum((paths * classes.count).tolist())
    used = prices.rho @ instance.memory.rates.astype(np.float64)
    floor = math.fsum((np.maximum(0.0, 1.0 - used - rate_slack(instance.memory.rates)) * instance.floor).tolist())
    fixed = math.fsum((prices.rho * instance.fixed).ravel().tolist())
    rent = math.fsum((prices.rent * instance.capacity).ravel().tolist())
    margin = EPS * int(path_terms(instance, classes).max()) * (served + floor + fixed + rent)
    value = floor + fixed + served - rent - margin
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

    costs: Float64 = cheapest_paths(idle_tree(actions.adding, actions.rent), *_arguments(actions, classes))
    return costs


def path_terms(instance: Instance, classes: Classes) -> Int64:
    """int64[G]: bounds on the rounding errors of paths, in units of `EPS` relative to their cost.

    Every term of a path is a sum of non-negative products, so its relative error grows with the number of terms only. Products
    of prices with large loads of whole blocks, and of rents with sizes, are rounded once more.
    """
    plain = 64 + 4 * instance.num_tiers + 3 * np.diff(classes.start) * (2 + instance.num_steps.bit_length())
    return plain if instance.memory.operations.plain else plain + 8 + instance.num_resources


def fetch_events(instance: Instance, prices: Prices, classes: Classes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(classes, steps): where cheapest paths copy at a step that does not read the block; prices must be legal."""
    from placement_opt.bounds.dual.evaluate_kernels import copy_steps

    found = [np.zeros((2, 0), dtype=np.int64)]
    for kind, chosen, part in by_kind(classes):
        actions = price_actions(instance, prices, kind)
        which, steps = copy_steps(actions.adding, *_arguments(actions, part))
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
