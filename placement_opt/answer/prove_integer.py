"""Certificates from what was found in floating point: prices rounded to integers, schedules written down with their exact time.

What is claimed is computed by the verifier's own functions (:mod:`placement_opt.certify.verify`): it holds whatever the
rounding did.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64
from placement_opt.base.errors import InputError
from placement_opt.bounds.dual.classes import Classes, classify
from placement_opt.bounds.dual.evaluate import DualValue, evaluate
from placement_opt.bounds.result import Prices
from placement_opt.certify.files import LARGEST_QUANTUM, PriceCertificate, ScheduleCertificate
from placement_opt.certify.verify import lower_bound, schedule_time
from placement_opt.instance.instance import Instance
from placement_opt.play.schedule import Schedule

#: Rounding may lose this share of the bound; ten times less is aimed at where 64-bit integers leave room for it.
LOSS = 1e-9
#: Taken off the resource prices, so that their sum stays below 1 whatever floats did to it.
_SLACK = 1.0 - 2.0**-44
_LARGEST = 2.0**62
#: So many steps' costs should fit 64 bits together, in the verifier's units: it is slower where they do not.
_STEPS = 256
_ROOM = 2.0**59


def certify_prices(instance: Instance, prices: Prices, quantum: int | None = None) -> PriceCertificate:
    """Prices as integers, with the lower bound that they prove exactly.

    Parameters
    ----------
    prices
        Any; made legal first (:func:`placement_opt.bounds.dual.evaluate.legal`).
    quantum
        Prices become multiples of 1/quantum s/byte: resource prices rounded down, rents to the nearest. Without it, a power of
        ten so large that rounding loses less than 1e-9 of the bound; where the largest price then would not fit, the finest
        one that holds it.

    Raises
    ------
    InputError
        A quantum below 1 or above 2**128 - 1.
    """
    classes = classify(instance)
    value = evaluate(instance, prices, classes)
    legal = _payable(value, classes)
    if quantum is None:
        quantum = choose_quantum(instance, legal, value.value_s)
    if not 1 <= quantum <= LARGEST_QUANTUM:
        raise InputError(f"found {quantum}", "expected a whole number from 1 to 2**128 - 1", field="quantum")
    rho, rent = _integers(np.floor(legal.rho * (_SLACK * quantum))), _integers(np.rint(legal.rent * float(quantum)))
    return PriceCertificate(instance.hash, quantum, rho, rent, lower_bound(instance, quantum, rho, rent))


def choose_quantum(instance: Instance, prices: Prices, value_s: float) -> int:
    """A power of ten so large that a bound of some seconds loses less than ``LOSS`` when its prices become multiples of 1/it.

    A resource price lowered by a quantum costs at most rate times quantum in every second that the loads take, and these take
    more seconds than the bound says where prices use only a share of every second. A rent half a quantum off costs at most half
    the capacity times the quantum at every state that has a rent.
    """
    most, rates = int(math.log10(LARGEST_QUANTUM)), instance.memory.rates.astype(float)
    used = float((prices.rho @ rates).max(initial=0.0))
    lost = float(rates.sum()) / (min(1.0, used) or 1.0)
    if value_s > 0.0:
        lost += float(np.count_nonzero(prices.rent, axis=0) @ instance.capacity.astype(float)) / value_s
    loads, largest_unit = instance.loads.row.max(axis=(0, 1)), int(instance.loads.size.max())
    held = largest_unit * float(prices.rent.sum(axis=1).max())
    dearest = (1 + instance.num_tiers) * float((prices.rho @ loads).max()) + held
    room = _ROOM / max(dearest * instance.share_base * _STEPS, _ROOM / 10.0**most)
    least = math.ceil(math.log10(min(lost / LOSS, 10.0**most)))
    # ten times finer than necessary where that costs the verifier no time
    wanted = int(10 ** min(most, max(least, min(least + 1, math.floor(math.log10(room))))))
    largest = max(float(prices.rho.max(initial=0.0)), float(prices.rent.max(initial=0.0)))
    return wanted if largest * wanted <= _LARGEST else max(1, math.floor(_LARGEST / largest))


def certify_schedule(instance: Instance, schedule: Schedule) -> ScheduleCertificate:
    """A schedule with the time that it takes exactly; CertificateError where it breaks a rule."""
    step = np.repeat(np.arange(schedule.num_steps), np.diff(schedule.indptr))
    order = np.lexsort((schedule.block, schedule.op, step))
    op, block = schedule.op[order].astype(np.uint16), schedule.block[order].astype(np.int32)
    untimed = ScheduleCertificate(
        instance.hash, schedule.scheduler, schedule.initial, schedule.indptr, op, block, claim=Fraction(0)
    )
    return replace(untimed, claim=schedule_time(instance, untimed))


def _payable(value: DualValue, classes: Classes) -> Prices:
    """The same prices with no rent beyond what the dearest of all cheapest paths costs.

    Nobody pays such a rent and nobody would, so that this never proves less; but it would need a coarse quantum to be written.
    """
    dearest = float((value.paths_s / classes.size).max()) / float(classes.share.min(initial=1.0))
    return Prices(value.prices.rho, np.minimum(value.prices.rent, dearest * (1.0 + 1e-9)))


def _integers(values: Float64) -> npt.NDArray[np.int64]:
    """Whole numbers >= 0 as int64; what is beyond its range is cut."""
    return np.minimum(values, _LARGEST).astype(np.int64)
