"""Re-proves certificates in exact integers: a lower bound from prices, an upper bound from a schedule.

Nothing here, nor in what it imports, is shared with the code that finds bounds or schedules; no solver, no compiler, no
floating point. What is claimed and checked:

* prices: *no schedule takes less than* ``claim`` *seconds*. For any prices with ``sum_r B_r rho[t,r] <= 1``,

      D = sum_t (1 - sum_r B_r rho[t,r]) l_t + sum rho F - sum lambda C + sum_b s_b SP_b

  is a lower bound (problem statement, section 4); it is recomputed from the instance and must reach the claim.
* schedule: *this schedule takes at most* ``claim`` *seconds*. Its moves are replayed by the rules (section 2), each step's
  reads are split optimally over the copies, and the sum of the steps must not pass the claim.

Where an instance has budgets or weighs meters, "takes" is "costs" by its objective, ``w_T tau + sum_m w_m load_m``. Prices
``mu_h >= 0`` of its budgets ``load_h <= E_h + W_h tau`` make a part of meter m cost ``nu_m = w_m + sum mu_h``, and

      D = sum_t (w_T - sum_r B_r rho - sum_h W_h mu_h) l_t + sum rho F + sum_m nu_m F_m - sum_h mu_h E_h - sum lambda C
          + sum_b s_b SP_b            wherever   sum_r B_r rho[t,r] + sum_h W_h mu_h <= w_T   at every step,

because ``mu_h (load_h - E_h - W_h tau)`` is never above 0 in a schedule that keeps its budgets. The same with w_T = w_m = 0
proves, wherever D > 0, that *no schedule keeps these budgets*. A schedule says how its reads are split
(:mod:`placement_opt.certify.replay`).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from placement_opt.base.atomic import AnyPath
from placement_opt.base.errors import CertificateError, InputError
from placement_opt.base.given import check_kind, check_path, several
from placement_opt.base.limits import Limits, check_limits
from placement_opt.certify.files import (
    PriceCertificate,
    ScheduleCertificate,
    check_instance_hash,
    kind_of,
    load_prices,
    load_schedule,
)
from placement_opt.certify.paths import paths_total
from placement_opt.certify.replay import schedule_time
from placement_opt.instance.budgets import Budget, Objective
from placement_opt.instance.instance import Instance

__all__ = ["Verified", "lower_bound", "schedule_time", "verify_files", "verify_prices", "verify_schedule"]


#: Certified prices that prove less than a bound found in floating point by more than this share do not stand for it.
SHORT = 1e-6


class Sides:
    """Two sides of one optimum, exactly.

    Attributes
    ----------
    lower, upper
        No schedule takes less, and one takes at most that, in seconds; None where it was not proven.
    no_schedule
        Whether prices prove that no schedule keeps the budgets.
    """

    lower: Fraction | None
    upper: Fraction | None
    no_schedule: bool

    def __post_init__(self) -> None:
        if self.no_schedule and self.upper is not None:
            raise CertificateError("keeps the budgets, and by its prices no schedule does: one is wrong")
        if self.lower is not None and self.upper is not None and self.upper < self.lower:
            raise CertificateError(
                f"takes {seconds_text(self.upper)}, below the lower bound {seconds_text(self.lower)}: one is wrong"
            )

    @property
    def gap(self) -> float | None:
        """upper / lower - 1."""
        return None if self.lower is None or self.upper is None or self.lower == 0 else _float(self.upper / self.lower - 1)

    def short_of(self, bound_s: float | None) -> float | None:
        """The share by which the lower bound is less than one of some seconds; None where that is no more than ``SHORT``."""
        if bound_s is None or bound_s <= 0.0 or self.lower is None:
            return None
        short = _float(1 - self.lower / Fraction(bound_s))
        return short if short > SHORT else None

    @property
    def lower_s(self) -> float | None:
        """The lower bound as a float, rounded down."""
        if self.lower is None:
            return None
        value = min(_float(self.lower), np.finfo(float).max)
        return math.nextafter(value, 0.0) if Fraction(value) > self.lower else value

    @property
    def upper_s(self) -> float | None:
        """The upper bound as a float, rounded up."""
        if self.upper is None:
            return None
        value = _float(self.upper)
        return math.nextafter(value, math.inf) if math.isfinite(value) and Fraction(value) < self.upper else value


@dataclass(frozen=True, eq=False)
class Verified(Sides):
    """What has been re-proved of an instance, with what it rests on; None where no such certificate was given.

    ``lower``: no schedule takes less, in seconds. ``upper``: the schedule takes at most that. Both exact. ``no_schedule``: the
    prices prove that no schedule keeps the budgets.
    """

    instance: Instance
    prices: PriceCertificate | None = None
    lower: Fraction | None = None
    schedule: ScheduleCertificate | None = None
    upper: Fraction | None = None
    no_schedule: bool = False

    def __repr__(self) -> str:
        sides = [("at least", self.lower), ("at most", self.upper)]
        said = ", ".join(f"{word} {_float(value):.6g} s" for word, value in sides if value is not None)
        return f"Verified({self.instance.name}: {said or 'nothing'})"


def verify_files(instance: Instance, paths: AnyPath | Sequence[AnyPath], limits: Limits | None = None) -> Verified:
    """Read and re-prove certificates of an instance, one of prices and one of a schedule at most, in any order.

    Parameters
    ----------
    instance
        What they are of; its hash must be theirs.
    paths
        One or several.
    limits
        Memory for reading them; without it, what is free.

    Returns
    -------
    Verified
        Both sides in seconds, exactly.

    Raises
    ------
    InputError
        A file that is no certificate; two of one kind.
    CertificateError
        One that is damaged, made for another instance, or does not prove what it claims; names the file.

    Examples
    --------
    The prices of a bound, in whole numbers, as ``placement-opt bound --certificate`` writes them:

    >>> from placement_opt.answer.prove_integer import certify_prices
    >>> from placement_opt.certify.files import save_prices
    >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
    >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
    >>> save_prices(certify_prices(instance, po.bound(instance, "lp").prices), "prices")
    >>> po.verify(instance, "prices")
    Verified(instance: at least 2e-05 s)
    """
    check_kind(instance, Instance, "an instance (load_instance, build_instance)", field="instance")
    check_limits(limits)
    found = Verified(instance)
    for path in several(paths):
        check_path(path, field="paths")
        kind = kind_of(path)
        if (found.prices if kind == "prices" else found.schedule) is not None:
            raise InputError(f"found a second certificate of {kind}", "expected at most one of each", path=path)
        try:
            if kind == "prices":
                prices = load_prices(path, instance, limits)
                proven = verify_prices(instance, prices)
                none = prices.no_schedule
                found = replace(found, prices=prices, lower=None if none else proven, no_schedule=none)
            else:
                schedule = load_schedule(path, instance, limits)
                found = replace(found, schedule=schedule, upper=verify_schedule(instance, schedule))
        except CertificateError as error:
            raise error.at(path) from None
    return found


def verify_prices(instance: Instance, certificate: PriceCertificate) -> Fraction:
    """D at a certificate's prices, in seconds, at least what it claims; above 0 where the claim is that there is no schedule.

    Raises
    ------
    CertificateError
        Another instance; prices that prove nothing; a claim above what they prove.
    """
    check_instance_hash(certificate.instance_hash, instance)
    rho, rent, mu, none = certificate.rho, certificate.rent, certificate.mu, certificate.no_schedule
    proven = lower_bound(instance, certificate.quantum, rho, rent, mu, no_schedule=none)
    if none:
        check_none(proven)
    check_claim(proven, certificate.claim)
    return proven


def verify_schedule(instance: Instance, certificate: ScheduleCertificate) -> Fraction:
    """The time of a certificate's schedule, in seconds, at most what it claims.

    Raises
    ------
    CertificateError
        Another instance; moves that break a rule; a claim below the time that the schedule takes.
    """
    check_instance_hash(certificate.instance_hash, instance)
    taken = schedule_time(instance, certificate)
    check_time(taken, certificate.claim)
    return taken


def lower_bound(
    instance: Instance,
    quantum: int,
    rho: npt.NDArray[np.int64],
    rent: npt.NDArray[np.int64],
    mu: npt.NDArray[np.int64] | None = None,
    *,
    no_schedule: bool = False,
) -> Fraction:
    """D in seconds, exactly; 0 where the prices prove less than that.

    Parameters and errors as :func:`signed_bound`.
    """
    return max(signed_bound(instance, quantum, rho, rent, mu, no_schedule=no_schedule), Fraction(0))


def signed_bound(
    instance: Instance,
    quantum: int,
    rho: npt.NDArray[np.int64],
    rent: npt.NDArray[np.int64],
    mu: npt.NDArray[np.int64] | None = None,
    *,
    no_schedule: bool = False,
    turns: bool = False,
) -> Fraction:
    """The same, below 0 too: the part that an instance has in a sum.

    Parameters
    ----------
    quantum
        Prices are multiples of 1/quantum seconds per byte.
    rho, rent
        int64[T, R] and int64[T + 1, K].
    mu
        int64[H]: price of a part of each budget's meter (of a second, where it has none); None: 0.
    no_schedule
        Whether nothing is minimised: above 0, D then proves that no schedule keeps the budgets.
    turns
        Whether the instance is a layer among others, each step a turn of it.

    Raises
    ------
    CertificateError
        Prices of another size, a negative one, or prices of a step that add up to more than a second of the objective.
    """
    steps, tiers = instance.num_steps, instance.num_tiers
    check_prices("resource prices", rho, (steps, instance.num_resources))
    check_prices("rents", rent, (steps + 1, tiers))
    mu = np.zeros(len(instance.budgets), dtype=np.int64) if mu is None else mu
    check_prices("prices of budgets", mu, (len(instance.budgets),))
    most = second_worth(instance, quantum, mu, no_schedule=no_schedule)
    counted = counted_prices(instance, quantum, mu, no_schedule=no_schedule)
    used = used_up(instance.memory.rates, quantum, rho, most)
    fixed = sum(map(operator.mul, rho.ravel().tolist(), instance.fixed.ravel().tolist()))
    fixed += sum(map(operator.mul, counted, instance.metered.tolist()))
    room = sum(sum(held) * int(most) for held, most in zip(rent.T.tolist(), instance.capacity, strict=True))
    scale = quantum * instance.share_base
    value = Fraction((fixed - room) * instance.share_base + paths_total(instance, rho, rent, counted, turns=turns), scale)
    for price, budget in zip(mu.tolist(), instance.budgets, strict=True):
        value -= price * budget.fixed / quantum
    floors: dict[float, int | Fraction] = {}
    for floor, total in zip(instance.floor.tolist(), used, strict=True):
        floors[floor] = floors.get(floor, 0) + most - total
    value += sum((Fraction(floor) * idle for floor, idle in floors.items()), Fraction(0)) / quantum
    return value


class Minimised(Protocol):
    """What is minimised within which budgets: an instance, or a question of layers."""

    @property
    def budgets(self) -> tuple[Budget, ...]: ...

    @property
    def objective(self) -> Objective: ...


def second_worth(instance: Minimised, quantum: int, mu: npt.NDArray[np.int64], *, no_schedule: bool) -> int | Fraction:
    """What prices of resources may add up to at every step, in quanta: ``w_T - sum_h W_h mu_h``."""
    most = Fraction(0) if no_schedule else instance.objective.time * quantum
    for price, budget in zip(mu.tolist(), instance.budgets, strict=True):
        most -= price * budget.per_second
    return int(most) if most.denominator == 1 else most


def counted_prices(instance: Instance, quantum: int, mu: npt.NDArray[np.int64], *, no_schedule: bool) -> list[int]:
    """``nu_m`` of the meters that the instance uses, in quanta.

    Weights are rounded down to quanta, and what 64 bits do not hold is cut: no load of a meter is below 0, so D only gets less.
    """
    weights = {} if no_schedule else dict(instance.objective.weights)
    prices = {meter: math.floor(weights.get(meter, Fraction(0)) * quantum) for meter in instance.used_meters}
    for price, budget in zip(mu.tolist(), instance.budgets, strict=True):
        if budget.meter is not None:
            prices[budget.meter] += price
    return [min(price, 2**62) for price in prices.values()]


def used_up(
    rates: npt.NDArray[np.int64], quantum: int, rho: npt.NDArray[np.int64], most: int | Fraction | None = None
) -> list[int]:
    """``sum_r B_r rho`` of every step, in quanta; CertificateError where it is more than ``most``, a second without it."""
    most = quantum if most is None else most
    used: list[int] = (rho.astype(object) @ rates.astype(object)).tolist()
    for step, total in enumerate(used):
        if total > most:
            whole = most / quantum if most != quantum else 1
            above = f"{float((total - most) / quantum):.3g} above {float(whole):.3g}"
            raise CertificateError(f"the resource prices times rates add up to {total}/{quantum}, {above}", step=step)
    return used


def check_none(proven: Fraction) -> None:
    """CertificateError where prices do not prove that there is no schedule."""
    if proven <= 0:
        raise CertificateError("claims that no schedule keeps the budgets, but its prices do not prove that")


def check_claim(proven: Fraction, claim: Fraction) -> None:
    """CertificateError where prices claim more than they prove."""
    if claim > proven:
        short = seconds_text(claim - proven)
        raise CertificateError(f"claims at least {seconds_text(claim)}, but its prices prove {short} less")


def check_time(taken: Fraction, claim: Fraction) -> None:
    """CertificateError where a schedule takes longer than it claims."""
    if claim < taken:
        over = seconds_text(taken - claim)
        raise CertificateError(f"claims at most {seconds_text(claim)}, but its schedule takes {over} more")


def check_prices(what: str, prices: npt.NDArray[Any], shape: tuple[int, ...]) -> None:
    if prices.shape != shape or prices.dtype != np.int64:
        raise CertificateError(f"the {what} are {prices.dtype}{prices.shape}, this instance's are int64{shape}")
    if (prices < 0).any():
        *step, column = np.argwhere(prices < 0)[0].tolist()
        found = f"the {what} hold {prices[*step, column]} in column {column}, below 0"
        raise CertificateError(found, step=step[0] if step else None)


def seconds_text(value: Fraction) -> str:
    return f"{_float(value):.12g} s"


def _float(value: Fraction) -> float:
    """The nearest float; infinite beyond their range."""
    try:
        return float(value)
    except OverflowError:
        return math.inf
