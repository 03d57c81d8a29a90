"""What more room or rate is worth: a bound's multipliers read as an architect reads them, and held against solving again.

At prices (rho, lambda) the bound falls by ``sum_t lambda[t, k]`` seconds for each byte of room added to tier k and by
``sum_t rho[t, r] tau_t`` seconds for each byte/s added to resource r, at the margin (problem statement, section 4; tau_t is how
long step t lasts, the multiplier of ``sum_r B_r rho[t, r] <= 1``). Beyond the margin the two differ:

* Room. The dual value is linear in the capacities at fixed prices, so ``bound - sum_t lambda[t, k] d`` is proven for d more
  bytes: the prediction is the most that the bound can fall, however large d is, and no schedule beats what is left.
* Budgets and other objectives. The same holds of the objective, in seconds of it: the bound falls by mu_h for each unit added
  to budget h, and what a second of the run costs, ``w_T - sum_h W_h mu_h``, is what resources and the floor share, not 1.
* Rates. The bound is no convex function of a rate, so the prediction is a derivative and no more. The time goes with 1 / rate,
  which lets it promise too much; a resource that takes over from another one lets it promise too little.

Therefore every prediction is held against the same bound solved again. Where a price is zero at every step that is not
necessary: the prices are as legal with more of the thing as without, and prove that nothing changes. A price at which as much
again of the thing would save no more than a share ``DUST`` of the bound is nothing to anybody: it counts as zero and is not
tried (:mod:`placement_opt.study.trials`).

Prices explain the bound that they prove and nothing else. Where that is far below the best schedule known, or none is known,
they say where the proof stands and not what a machine needs (:attr:`Worth.weak`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from placement_opt.answer.verdict import Interval
from placement_opt.base.arrays import Float64
from placement_opt.base.errors import InputError
from placement_opt.base.given import check_kind, check_number
from placement_opt.base.limits import Limits, check_limits
from placement_opt.bounds import METHODS
from placement_opt.bounds.dual.evaluate import evaluate
from placement_opt.bounds.result import Bound, Prices, Status
from placement_opt.instance.budgets import Budget, objective_text
from placement_opt.instance.instance import Instance
from placement_opt.instance.layered import Layered
from placement_opt.instance.stacked import AnyQuestion, Stacked
from placement_opt.layered.again import roofline_explained
from placement_opt.study.trials import Trials
from placement_opt.study.worths import BudgetWorth, RateWorth, Worth

#: How much more is tried, as shares of what there is.
SHARES = (0.01, 0.1)
#: Methods whose prices do not explain their value -> the relaxation whose prices do.
_RELAXED = {"milp": "lp", "step-integer": "step", "flow": "compact"}
#: A resource binds in a step that gives it at least this share of its price; below is rounding.
_BINDS = 1e-6
#: Shares of the time are right to this.
ROUNDING = 1e-9


def worth(
    instance: AnyQuestion,
    bound: Bound,
    *,
    best_s: float | None = None,
    shares: Sequence[float] = SHARES,
    limits: Limits | None = None,
    report: Callable[[str], None] | None = None,
) -> Worth:
    """What one more byte and one more byte/s would save, and how far that holds.

    Parameters
    ----------
    instance
        What the bound was proven for, in rows or in runs.
    bound
        Its ``prices`` and ``step_s`` are read. Those of milp, step-integer and flow do not explain their values (the first two
        have their relaxation's, the third takes its resource prices from elsewhere): lp, step and compact are solved instead.
        In runs the roofline, or what the engine found there; of layers in rows what was found of all.
    best_s
        What the best schedule known takes; without one the bound is suspected to be weak.
    shares
        How much more to try of each tier's room and each resource's rate, above 0; of layers in rows nothing is tried.
    limits
        Trials that they leave no time for have no bound. Nor have those that take much longer than the bound did, and all of a
        bound that was itself ended by a limit.
    report
        Called with a line of text before each trial.

    Returns
    -------
    Worth
        Seconds saved, predicted and tried.

    Raises
    ------
    InputError
        A bound without prices or without times of its steps, or of another instance.

    Examples
    --------
    Twice a block of 4.5 MB over a link of 450 GB/s: a byte more of HBM saves both of its reads.

    >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
    >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
    >>> found = po.worth(instance, po.bound(instance, "lp"), shares=[0.1])
    >>> found
    Worth(lp 2e-05 s: 2 tiers, 4 resources)
    >>> hbm = found.room[0]
    >>> hbm.tier, f"{hbm.price_s:.4g}", f"{hbm.trials[0].predicted_s:.4g}", f"{hbm.trials[0].actual_s:.4g}"
    ('hbm', '4.444e-12', '2e-06', '2e-06')
    >>> [(row["what"], row["share_of_time"]) for row in found.to_records() if row["share_of_time"]]
    [('rate of c2c.up', 1.0)]
    """
    check_limits(limits)
    check_kind(instance, (Instance, Layered, Stacked), "an instance (load_instance, build_instance)", field="instance")
    check_kind(bound, Bound, 'a bound of this instance, such as bound(instance, "lp")', field="bound")
    for share in shares:
        check_number(share, field="shares", included=False)
    steps = instance.turns if isinstance(instance, Stacked) else instance.num_steps
    if bound.prices is not None and bound.prices.rent.shape != (steps + 1, instance.num_tiers):
        raise InputError("found a bound of another instance", "expected one of this instance", field="bound")
    limits = limits or Limits()
    base, note = _explained(instance, bound, limits)
    base = _without_noise(instance, base)
    if base.status is Status.INFEASIBLE:
        found_there = "found a bound that says that no schedule keeps the budgets"
        raise InputError(found_there, "expected one of seconds", field="bound")
    if base.prices is None or base.step_s is None or base.lower_bound_s is None:
        in_rows = isinstance(instance, Instance)
        wanted = "roofline, step, compact or lp" if in_rows else "roofline, scale or one of all layers"
        raise InputError(f"found a {base.method} bound without prices", f"expected one of {wanted}")
    shares = () if isinstance(instance, Stacked) else tuple(shares)
    tried = Trials(instance, base, base.lower_bound_s, shares, limits, report or _silent)
    rents = base.prices.rent.sum(axis=0)
    room = tuple(tried.of_room(k, float(rents[k])) for k in range(instance.num_tiers))
    used = base.prices.rho * instance.memory.rates.astype(np.float64)
    second = _second(instance, base.prices)
    total = float(base.step_s.sum()) * second
    rates = tuple(_rate(tried, r, used, base.prices.rho, base.step_s, total) for r in range(instance.num_resources))
    free = 1.0 - sum(each.share_of_time for each in rates) if total > 0 else 0.0
    idle = np.where(instance.floor > 0, np.maximum(0.0, second - used.sum(axis=1)), 0.0)
    floor_share = _rounded(min(free, float(idle @ base.step_s) / total if total > 0 else 0.0))
    interval = Interval(base.lower_bound_s, math.inf if best_s is None else best_s)
    found = Worth(base.method, base.lower_bound_s, room, rates, floor_share, _rounded(free - floor_share), interval, note)
    found = replace(found, objective=objective_text(instance.memory.meters, instance.objective))
    found = replace(found, budgets=_budgets(instance, base.prices))
    return replace(found, unfinished=any(trial.lower_bound_s is None for each in found.things for trial in each.trials))


def _second(instance: AnyQuestion, prices: Prices) -> float:
    """What a second of the run costs at these prices: 1 where time alone is minimised without budgets, at least 0."""
    if instance.timed:
        return 1.0
    paid = [float(budget.per_second) * mu for budget, mu in zip(instance.budgets, prices.mu.tolist(), strict=False)]
    left = float(instance.objective.time) - math.fsum(paid)
    return left if left > ROUNDING * math.fsum([float(instance.objective.time), *map(abs, paid)]) else 0.0


def _budgets(instance: AnyQuestion, prices: Prices) -> tuple[BudgetWorth, ...]:
    meters, found = instance.memory.meters, []
    for budget, mu in itertools.zip_longest(instance.budgets, prices.mu.tolist(), fillvalue=0.0):
        assert isinstance(budget, Budget)
        unit, parts = ("s", 1) if budget.meter is None else (meters.units[budget.meter], meters.parts[budget.meter])
        found.append(BudgetWorth(budget.name, unit, mu * parts))
    return tuple(found)


def _rounded(share: float) -> float:
    return share if share > ROUNDING else 0.0


def _explained(instance: AnyQuestion, bound: Bound, limits: Limits) -> tuple[Bound, str]:
    """A bound whose prices are its own, and why it is not the one given."""
    if isinstance(instance, Stacked):  # its steps have the prices of their turns
        turn_s = None if bound.step_s is None else bound.step_s.reshape(instance.turns, instance.layers).sum(axis=1)
        return replace(bound, step_s=turn_s), "the layers are not bounded again with more"
    if isinstance(instance, Layered):
        if bound.method == "roofline" and bound.step_s is None:
            return replace(roofline_explained(instance), status=bound.status), ""
        return bound, ""
    if bound.method not in _RELAXED:
        return bound, ""
    method = _RELAXED[bound.method]
    return METHODS[method](instance, limits=limits), f"{bound.method} has no prices of its own: these are those of {method}"


def _without_noise(instance: AnyQuestion, bound: Bound) -> Bound:
    """The same without prices that are a solver's rounding, where what is left proves as much up to rounding."""
    if not isinstance(instance, Instance) or bound.prices is None or bound.lower_bound_s is None:
        return bound
    rho = bound.prices.rho.copy()
    rho[:, (rho * instance.memory.rates).max(axis=0, initial=0.0) <= ROUNDING] = 0.0
    if (rho == bound.prices.rho).all():
        return bound
    cleaned = evaluate(instance, replace(bound.prices, rho=rho))
    if cleaned.value_s < bound.lower_bound_s * (1.0 - ROUNDING):
        return bound
    return replace(bound, prices=cleaned.prices, lower_bound_s=min(cleaned.value_s, bound.lower_bound_s))


def _rate(trials: Trials, resource: int, used: Float64, rho: Float64, step_s: Float64, total: float) -> RateWorth:
    memory = trials.instance.memory
    rate = int(memory.rates[resource])
    price = float(rho[:, resource] @ step_s)
    dust = trials.is_dust(price, rate)
    return RateWorth(
        resource=memory.resources[resource],
        rate=rate,
        price_s=0.0 if dust else price,
        share_of_time=price * rate / total if total > 0 and not dust else 0.0,
        share_of_steps=float(np.mean(used[:, resource] > _BINDS)),
        trials=() if dust else trials.of_rate(resource, price),
        unit=memory.units.get(memory.resources[resource], "bytes"),
        scale=memory.scale.get(memory.resources[resource], 1),
    )


def _silent(_: str) -> None:
    return
