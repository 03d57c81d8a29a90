"""The dual pass as a map over ranges of classes and a sum: in this process, in several, or on a Dask cluster.

Every class's cost becomes a whole number of quanta (2**-80 s), rounded down after its rounding margin is taken off; what
capacity costs is rounded up. Integers add up to the same total in any order, so the result is the same to the last bit however
the classes are cut and whoever works on them, and it is a lower bound like
:func:`placement_opt.bounds.dual.evaluate.evaluate`'s.

One object says where to work; :func:`placement_opt.bounds.ascent.ascend` takes it and makes its proofs there::

    backend = Backend("dask", jobs=8, address="tcp://10.0.0.1:8786")
    evaluate_on(backend, instance, prices).value_s
    ascend(instance, prices, backend=backend)

An accelerator makes the passes of an ascent, which prove nothing (:mod:`placement_opt.bounds.dual.device`); proofs are made on
processors all the same.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.backend import Backend, BackendName
from placement_opt.base.errors import LimitError
from placement_opt.base.limits import Limits
from placement_opt.bounds.dual.actions import PricedActions, price_actions
from placement_opt.bounds.dual.budgets import second_left, settled
from placement_opt.bounds.dual.classes import Classes, by_kind, classify, take_classes
from placement_opt.bounds.dual.device import on_device
from placement_opt.bounds.dual.evaluate import (
    EPS,
    DualValue,
    legal,
    path_costs,
    path_terms,
    rate_slack,
)
from placement_opt.bounds.dual.futures import Futures, merge_futures
from placement_opt.bounds.result import Prices
from placement_opt.instance.instance import Instance

#: A quantum is 2**-80 s: a billion blocks lose less than 1e-15 s to rounding.
QUANTUM_BITS = 80
#: Reads in a share at most (16 bytes each to send), and shares for each process, so that none waits long for the last one.
_MOST_READS, _SHARES_EACH = 200_000, 4


@dataclass(frozen=True, eq=False)
class SharedValue(DualValue):
    """D at some prices as an exact integer.

    Attributes
    ----------
    total
        D is ``total`` quanta of ``2**-QUANTUM_BITS`` seconds, rounded down term by term; negative if the prices prove nothing.
        ``value_s`` is its float, rounded down, or 0.
    shares
        Into how many pieces the work was cut, which changes nothing.
    """

    total: int = 0
    shares: int = 0


@dataclass(frozen=True, eq=False)
class Share:
    """A range of the classes of one kind, with all that their paths cost.

    Attributes
    ----------
    actions
        Priced actions, of all steps.
    classes
        The range, as classes of their own.
    terms
        int64[g]: rounding errors of each path, relative, in units of `EPS`.
    numbers
        int64[g]: the classes' numbers among all.
    """

    actions: PricedActions
    classes: Classes
    terms: Int64
    numbers: Int64


def work_share(share: Share, limits: Limits | None = None) -> tuple[int, Float64]:
    """(quanta of all blocks of the range, seconds of one block of each class); takes no limit, being short."""
    del limits
    paths = path_costs(share.actions, share.classes) * share.classes.amount
    sure = np.where(np.isfinite(paths), paths * (1.0 - 2.0 * EPS * share.terms), 0.0)
    quanta = map(int, np.ldexp(sure, QUANTUM_BITS).tolist())
    return sum(map(operator.mul, quanta, share.classes.count.tolist())), paths


def futures_on(
    backend: Backend, instance: Instance, classes: Classes, weight: npt.NDArray[np.float64] | None = None
) -> tuple[Futures, ...]:
    """What an ascent passes over (:func:`placement_opt.bounds.dual.futures.merge_futures`), where its passes are made."""
    futures = merge_futures(classes, weight)
    return on_device(futures, instance.num_steps) if backend.name == "accelerator" else futures


def evaluate_on(
    backend: Backend, instance: Instance, prices: Prices, classes: Classes | None = None, *, limits: Limits | None = None
) -> SharedValue:
    """D at any prices; see :func:`evaluate_shares`."""
    limits = limits or Limits()
    classes = classes or classify(instance)
    prices = legal(instance, prices)
    terms = path_terms(instance, classes)
    pieces = backend.jobs * _SHARES_EACH if backend.away or backend.jobs > 1 else 1
    shares, priced = list[Share](), list[PricedActions]()
    for kind, chosen, part in by_kind(classes):
        actions = price_actions(instance, prices, kind)
        priced.append(actions)
        for a, b in pairwise(cut_evenly(part, pieces)):
            numbers = chosen[a:b]
            shares.append(Share(actions, take_classes(part, np.arange(a, b)), terms[numbers], numbers))
    done = backend.run(work_share, shares, shared=priced, limits=limits)
    parts = [part for part in done if part is not None]
    if len(parts) < len(shares):
        raise LimitError(f"the limits ended the dual pass after {len(parts)} of {len(shares)} shares")
    total = sum(quanta for quanta, _ in parts) + _rest(instance, prices)
    value = max(0.0, _rounded_down(total))
    paths = np.empty(len(classes))
    for share, (_, seconds) in zip(shares, parts, strict=True):
        paths[share.numbers] = seconds
    return SharedValue(value, paths, prices, total, len(shares))


def evaluate_shares(
    instance: Instance,
    prices: Prices,
    *,
    classes: Classes | None = None,
    jobs: int = 1,
    backend: BackendName = "local",
    address: str | None = None,
    limits: Limits | None = None,
) -> SharedValue:
    """D at any prices, in shares; bit for bit the same wherever they are worked on.

    Raises
    ------
    InputError
        If the arguments do not fit together, no scheduler answers at the address, or the extra "dask" is not installed.
    LimitError
        If the limits end the work early.
    """
    return evaluate_on(Backend(backend, jobs, address), instance, prices, classes, limits=limits)


def cut_evenly(classes: Classes, shares: int) -> list[int]:
    """Where to cut the classes into at least so many ranges of about equal work, none of too many reads: 0, ..., G."""
    work = classes.start[1:] + np.arange(1, len(classes) + 1)
    pieces = max(shares, math.ceil(int(classes.start[-1]) / _MOST_READS))
    inner = np.searchsorted(work, int(work[-1]) * np.arange(1, pieces) / pieces)
    return sorted({0, *inner.tolist(), len(classes)})


def _rest(instance: Instance, prices: Prices) -> int:
    """Quanta of D that no block brings: floors, fixed loads and budgets, rounded down, less rent, rounded up."""
    rates, second = instance.memory.rates, second_left(instance, prices.mu)
    used = prices.rho @ rates.astype(np.float64)
    floor = np.maximum(0.0, second - used - rate_slack(rates) * second) * instance.floor
    gains = np.concatenate([floor, (prices.rho * instance.fixed).ravel()]) * (1.0 - 8.0 * EPS)
    costs = (prices.rent * instance.capacity).ravel() * (1.0 + 8.0 * EPS)
    up = sum(map(int, np.ceil(np.ldexp(costs, QUANTUM_BITS)).tolist()))
    budgets: int = math.floor(settled(instance, prices.mu) * 2**QUANTUM_BITS)
    return budgets - up + sum(map(int, np.ldexp(gains, QUANTUM_BITS).tolist()))


def _rounded_down(total: int) -> float:
    """The largest float that is at most so many quanta, in seconds."""
    try:
        value = total / 2**QUANTUM_BITS
    except OverflowError:
        return -math.inf if total < 0 else math.ldexp(1.0, 1000)
    return value if Fraction(value) <= Fraction(total, 2**QUANTUM_BITS) else math.nextafter(value, -math.inf)
