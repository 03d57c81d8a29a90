"""Re-proves certificates of questions whose layers are in rows, in exact integers, one layer after the other.

Prices are common to the layers: those of a turn hold at the steps of all layers in it, and the rent of a state at the
beginning of a turn alone. D is then a sum over layers of what the verifier of rows proves of each, where a block may also be
copied at the steps of the other layers (:func:`placement_opt.certify.priced.price_turns`); the layers' shares of the room add
up to the room. The schedule is one of each layer within its share; together they take the sum of their times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.atomic import AnyPath
from placement_opt.base.errors import CertificateError, InputError
from placement_opt.base.limits import Limits
from placement_opt.certify.files import Kind, PriceCertificate, load_prices, load_schedule
from placement_opt.certify.stacked_files import StackedSchedule, is_stacked_schedule, open_stacked_schedule
from placement_opt.certify.verify import Sides, check_claim, check_prices, check_time, signed_bound, used_up, verify_schedule
from placement_opt.instance.stacked import Stacked


@dataclass(frozen=True, eq=False)
class VerifiedStacked(Sides):
    """What has been re-proved of a question, with what it rests on; None where no such certificate was given."""

    instance: Stacked
    prices: PriceCertificate | None = None
    lower: Fraction | None = None
    schedule: StackedSchedule | None = None
    upper: Fraction | None = None
    no_schedule: bool = False  # there are no budgets


def layer_bound(question: Stacked, layer: int, quantum: int, rho: Int64, rent: Int64) -> Fraction:
    """A layer's part of D in seconds, exactly: at prices int64[N, R] and int64[N + 1, K] in quanta."""
    return signed_bound(question.layer(layer), quantum, rho, rent, turns=True)


def verify_stacked(question: Stacked, paths: Sequence[AnyPath], limits: Limits | None = None) -> VerifiedStacked:
    """Read and re-prove certificates of a question, one of prices and one of a schedule at most, in any order.

    Each layer is drawn or read once for both.

    Raises
    ------
    InputError
        A file that is no certificate; two of one kind.
    CertificateError
        One that is damaged, made for another question, or does not prove what it claims; names the file.
    LimitError
        It needs more memory than there is.
    """
    files = dict[Kind, AnyPath]()
    prices: PriceCertificate | None = None
    schedule: StackedSchedule | None = None
    for path in paths:
        kind: Kind = "schedule" if is_stacked_schedule(path) else "prices"
        if kind in files:
            raise InputError(f"found a second certificate of {kind}", "expected at most one of each", path=path)
        files[kind] = path
        try:
            if kind == "schedule":
                schedule = open_stacked_schedule(path, question)
            else:
                prices = load_prices(path, question.turned, limits)
                _check_prices(question, prices)
        except CertificateError as error:
            raise error.at(path) from None
    lower, upper = Fraction(0), Fraction(0)
    _check_room(question)
    for layer in range(question.layers) if files else ():
        alone = question.layer(layer, limits)
        if prices is not None:
            lower += signed_bound(alone, prices.quantum, prices.rho, prices.rent, turns=True)
        if schedule is not None:
            try:
                moves = load_schedule(schedule.section(layer), alone, limits)
                upper += verify_schedule(alone, moves)
            except (CertificateError, InputError) as error:
                raise CertificateError(f"layer {layer}: {error}", path=files["schedule"]) from None
    try:
        if prices is not None:
            check_claim(max(lower, Fraction(0)), prices.claim)
    except CertificateError as error:
        raise error.at(files["prices"]) from None
    try:
        if schedule is not None:
            check_time(upper, schedule.claim)
    except CertificateError as error:
        raise error.at(files["schedule"]) from None
    return VerifiedStacked(
        question,
        prices,
        None if prices is None else max(lower, Fraction(0)),
        schedule,
        None if schedule is None else upper,
    )


def _check_prices(question: Stacked, prices: PriceCertificate) -> None:
    check_prices("resource prices", prices.rho, (question.turns, question.num_resources))
    check_prices("rents", prices.rent, (question.turns + 1, question.num_tiers))
    used_up(question.memory.rates, prices.quantum, prices.rho)


def _check_room(question: Stacked) -> None:
    """That the shares of the layers are no more than the room, which both sides rest on."""
    shares = np.sum([question.share(layer) for layer in range(question.layers)], axis=0)
    if (shares != question.capacity).any():
        raise CertificateError("the layers' shares of the room do not add up to it")
