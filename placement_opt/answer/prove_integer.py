"""Certificates from what was found in floating point: prices rounded to integers, schedules written down with their exact time.

What is claimed is computed by the verifier's own functions (:mod:`placement_opt.certify.verify`): it holds whatever the
rounding did.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.errors import CertificateError, InputError
from placement_opt.bounds.dual.budgets import meter_prices
from placement_opt.bounds.dual.classes import Classes, classify
from placement_opt.bounds.dual.evaluate import DualValue, evaluate
from placement_opt.bounds.result import Prices
from placement_opt.certify.files import LARGEST_QUANTUM, PriceCertificate, ScheduleCertificate
from placement_opt.certify.verify import lower_bound, schedule_time, second_worth
from placement_opt.instance.instance import Instance
from placement_opt.play.replay import Replay
from placement_opt.play.run import Run
from placement_opt.play.schedule import Schedule
from placement_opt.play.simulate import simulate

#: Rounding may lose this share of the bound; ten times less is aimed at where 64-bit integers leave room for it.
LOSS = 1e-9
#: Taken off the resource prices, so that their sum stays below 1 whatever floats did to it.
_SLACK = 1.0 - 2.0**-44
_LARGEST = 2.0**62
#: So many steps' costs should fit 64 bits together, in the verifier's units: it is slower where they do not.
_STEPS = 256
_ROOM = 2.0**59


def certify_prices(
    instance: Instance, prices: Prices, quantum: int | None = None, *, no_schedule: bool = False
) -> PriceCertificate:
    """Prices as integers, with the lower bound that they prove exactly.

    Parameters
    ----------
    prices
        Any; made legal first (:func:`placement_opt.bounds.dual.evaluate.legal`).
    quantum
        Prices become multiples of 1/quantum s/byte: resource prices rounded down, rents to the nearest. Without it, a power of
        ten so large that rounding loses less than 1e-9 of the bound; where the largest price then would not fit, the finest
        one that holds it.
    no_schedule
        The prices are a ray, and are to prove that no schedule keeps the budgets.

    Raises
    ------
    InputError
        A quantum below 1 or above 2**128 - 1.
    CertificateError
        Prices that do not prove that there is no schedule, where they are to.
    """
    classes = classify(instance)
    value = evaluate(instance, prices, classes, ray=no_schedule)
    legal = _payable(value, classes)
    if quantum is None:
        quantum = choose_quantum(instance, legal, value.value_s)
    if not 1 <= quantum <= LARGEST_QUANTUM:
        raise InputError(f"found {quantum}", "expected a whole number from 1 to 2**128 - 1", field="quantum")
    rho, rent, mu = _whole(instance, legal, quantum, no_schedule=no_schedule)
    claim = lower_bound(instance, quantum, rho, rent, mu, no_schedule=no_schedule)
    if no_schedule and claim <= 0:
        raise CertificateError("these prices do not prove that no schedule keeps the budgets")
    return PriceCertificate(instance.hash, quantum, rho, rent, claim, mu, no_schedule)


def whole_prices(
    instance: Instance, prices: Prices, value_s: float, digest: str = "", *, no_schedule: bool = False
) -> PriceCertificate:
    """Legal prices that prove about so many seconds, as integers that claim nothing yet; ``digest``: whose they are."""
    quantum = choose_quantum(instance, prices, value_s)
    rho, rent, mu = _whole(instance, prices, quantum, no_schedule=no_schedule)
    return PriceCertificate(digest, quantum, rho, rent, Fraction(0), mu, no_schedule)


def _whole(instance: Instance, prices: Prices, quantum: int, *, no_schedule: bool) -> tuple[Int64, Int64, Int64 | None]:
    """Resource prices rounded down, rents and those of budgets to the nearest; None where time alone counts."""
    rho, rent = _integers(np.floor(prices.rho * (_SLACK * quantum))), _integers(np.rint(prices.rent * float(quantum)))
    if instance.timed:
        return rho, rent, None
    mu = _prices_of_budgets(instance, prices, quantum, no_schedule=no_schedule)
    return _within(instance, rho, second_worth(instance, quantum, mu, no_schedule=no_schedule)), rent, mu


def choose_quantum(instance: Instance, prices: Prices, value_s: float) -> int:
    """A power of ten so large that a bound of some seconds loses less than ``LOSS`` when its prices become multiples of 1/it.

    A resource price lowered by a quantum costs at most rate times quantum in every second that the loads take, and these take
    more seconds than the bound says where prices use only a share of every second. A rent half a quantum off costs at most half
    the capacity times the quantum at every state that has a rent. A budget's price costs some of what the budget allows; a
    weight of the objective, rounded down, a share of itself.
    """
    most, rates = int(math.log10(LARGEST_QUANTUM)), instance.memory.rates.astype(float)
    used = float((prices.rho @ rates).max(initial=0.0))
    lost = float(rates.sum()) / (min(1.0, used) or 1.0)
    if value_s > 0.0:
        lost += float(np.count_nonzero(prices.rent, axis=0) @ instance.capacity.astype(float)) / value_s
        lost += _lost_on_budgets(instance) / value_s
    lost += sum(1.0 / float(weight) for _, weight in instance.objective.weights)
    loads, largest_unit = instance.loads.row.max(axis=(0, 1)), int(instance.loads.size.max())
    held = largest_unit * float(prices.rent.sum(axis=1).max())
    counted = float(meter_prices(instance, prices.mu) @ instance.loads.metered.max(axis=(0, 1)))
    dearest = (1 + instance.num_tiers) * (float((prices.rho @ loads).max()) + counted) + held
    room = _ROOM / max(dearest * instance.share_base * _STEPS, _ROOM / 10.0**most)
    least = math.ceil(math.log10(min(lost / LOSS, 10.0**most)))
    # ten times finer than necessary where that costs the verifier no time
    wanted = int(10 ** min(most, max(least, min(least + 1, math.floor(math.log10(room))))))
    largest = max(float(prices.rho.max(initial=0.0)), float(prices.rent.max(initial=0.0)), float(prices.mu.max(initial=0.0)))
    return wanted if largest * wanted <= _LARGEST else max(1, math.floor(_LARGEST / largest))


def _lost_on_budgets(instance: Instance) -> float:
    """About what a whole quantum costs, in quanta, where every budget's price is off by one: twice what they allow."""
    return 2.0 * sum(abs(float(budget.fixed)) + abs(float(budget.per_second)) for budget in instance.budgets)


def certify_schedule(instance: Instance, schedule: Schedule) -> ScheduleCertificate:
    """A schedule with the time that it takes exactly (what it costs, by the instance's objective).

    CertificateError where it breaks a rule; ScheduleError where it keeps no budgets.
    """
    step = np.repeat(np.arange(schedule.num_steps), np.diff(schedule.indptr))
    order = np.lexsort((schedule.block, schedule.op, step))
    op, block = schedule.op[order].astype(np.uint16), schedule.block[order].astype(np.int32)
    untimed = ScheduleCertificate(
        instance.hash, schedule.scheduler, schedule.initial, schedule.indptr, op, block, claim=Fraction(0)
    )
    if not instance.timed:
        untimed = replace(untimed, **_split(simulate(instance, Replay(schedule))))
    return replace(untimed, claim=schedule_time(instance, untimed))


def _split(run: Run) -> dict[str, Any]:
    """How a run's reads are split, in the order of certificates: step by step, by kind of block and operations that serve."""
    assert run.split is not None
    operations = len(run.instance.loads.serves_from)
    named = [(ways[0] // operations, [way % operations for way in ways]) for ways in run.timer.members]
    order = [p for p in sorted(range(len(named)), key=named.__getitem__) if len(named[p][1]) > 1]
    nothing = np.zeros((run.instance.num_steps, 0), dtype=np.int64)
    numbers = np.concatenate([nothing, *(run.split.pieces[p][:, :-1] for p in order)], axis=1)
    read = [np.repeat(run.served[:, [p]] > 0, len(named[p][1]) - 1, axis=1) for p in order]
    return {"parts": run.split.parts, "split": numbers[np.concatenate([nothing > 0, *read], axis=1)]}


def _prices_of_budgets(instance: Instance, legal: Prices, quantum: int, *, no_schedule: bool) -> npt.NDArray[np.int64]:
    """int64[H]: to the nearest quantum, and so that those that grow by the second take no more than there is of one."""
    mu = _integers(np.rint(legal.mu * float(quantum)))
    for h, budget in enumerate(instance.budgets):
        short = second_worth(instance, quantum, mu, no_schedule=no_schedule)
        if short < 0 and budget.per_second > 0:
            mu[h] -= min(int(mu[h]), math.ceil(-short / budget.per_second))
    return mu


def _within(instance: Instance, rho: npt.NDArray[np.int64], most: int | Fraction) -> npt.NDArray[np.int64]:
    """Prices of resources, lowered where they add up to more than that after all."""
    rates: list[int] = instance.memory.rates.tolist()
    for step in np.flatnonzero((rho.astype(object) @ instance.memory.rates.astype(object)) > most).tolist():
        for r in np.argsort(-rho[step], kind="stable").tolist():
            over = sum(int(price) * rate for price, rate in zip(rho[step], rates, strict=True)) - most
            if over > 0:
                rho[step, r] -= min(int(rho[step, r]), math.ceil(Fraction(over) / rates[r]))
    return rho


def _payable(value: DualValue, classes: Classes) -> Prices:
    """The same prices with no rent beyond what the dearest of all cheapest paths costs.

    Nobody pays such a rent and nobody would, so that this never proves less; but it would need a coarse quantum to be written.
    """
    dearest = float((value.paths_s / classes.size).max()) / float(classes.share.min(initial=1.0))
    return replace(value.prices, rent=np.minimum(value.prices.rent, dearest * (1.0 + 1e-9)))


def _integers(values: Float64) -> npt.NDArray[np.int64]:
    """Whole numbers >= 0 as int64; what is beyond its range is cut."""
    return np.minimum(values, _LARGEST).astype(np.int64)
