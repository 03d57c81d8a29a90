"""Re-proves certificates of questions whose layers are in rows, in exact integers, one layer after the other.

Prices are common to the layers: those of a turn hold at the steps of all layers in it, and the rent of a state at the
beginning of a turn alone. D is then a sum over layers of what the verifier of rows proves of each, where a block may also be
copied at the steps of the other layers (:func:`placement_opt.certify.priced.price_turns`); the layers' shares of the room add
up to the room, and their shares of every budget to it. The schedule is one of each layer within its shares; together they take
(cost, by the objective) the sum of what each does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from placement_opt.base.atomic import AnyPath
from placement_opt.base.backend import Backend
from placement_opt.base.errors import CertificateError, InputError, LimitError
from placement_opt.base.limits import Limits
from placement_opt.certify.files import Kind, PriceCertificate, load_prices, load_schedule
from placement_opt.certify.layered import VerifiedLarge
from placement_opt.certify.stacked_files import StackedSchedule, is_stacked_schedule, open_stacked_schedule
from placement_opt.certify.verify import (
    check_claim,
    check_none,
    check_prices,
    check_time,
    second_worth,
    signed_bound,
    used_up,
    verify_schedule,
)
from placement_opt.instance.instance import Instance
from placement_opt.instance.stacked import Stacked


def verify_stacked(
    question: Stacked, paths: Sequence[AnyPath], limits: Limits | None = None, *, backend: Backend | None = None
) -> VerifiedLarge:
    """Read and re-prove certificates of a question, one of prices and one of a schedule at most, in any order.

    Each layer is drawn or read once for both, wherever layers are worked on; there the schedule is read where it lies.

    Raises
    ------
    InputError
        A file that is no certificate; two of one kind.
    CertificateError
        One that is damaged, made for another question, or does not prove what it claims; names the file, and where it is
        one, the layer, its turn and the block.
    LimitError
        It needs more memory, or more time, than there is.
    """
    files, where = dict[Kind, AnyPath](), backend or Backend()
    prices: PriceCertificate | None = None
    schedule: StackedSchedule | None = None
    for path in map(where.place, paths):
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
    _check_shares(question)
    tasks = [_Task(question, layer, prices, schedule, files.get("prices")) for layer in range(question.layers)]
    shared = (question, prices, schedule)
    found = where.run(_prove, tasks if files else [], shared=shared, limits=limits)
    for proof in found:
        if proof is None:
            done = sum(one is not None for one in found)
            raise LimitError(f"only {done} of {question.layers} layers were verified in time")
        if proof.error is not None:
            raise proof.error
    lower = max(sum((proof.lower for proof in found if proof), Fraction(0)), Fraction(0))
    upper = sum((proof.upper for proof in found if proof), Fraction(0))
    none = prices is not None and prices.no_schedule
    try:
        if none:
            check_none(lower)
        if prices is not None:
            check_claim(lower, prices.claim)
    except CertificateError as error:
        raise error.at(files["prices"]) from None
    try:
        if schedule is not None:
            check_time(upper, schedule.claim)
    except CertificateError as error:
        raise error.at(files["schedule"]) from None
    proven = None if prices is None or none else lower
    return VerifiedLarge(question, prices, proven, schedule, None if schedule is None else upper, no_schedule=none)


@dataclass(frozen=True, eq=False)
class _Task:
    """A layer, what is to be proved of it, and the file of the prices."""

    question: Stacked
    layer: int
    prices: PriceCertificate | None
    schedule: StackedSchedule | None
    path: AnyPath | None


@dataclass(frozen=True, eq=False)
class _Proof:
    """What a layer adds to both sides, in seconds; or why it proves nothing."""

    lower: Fraction = Fraction(0)
    upper: Fraction = Fraction(0)
    error: CertificateError | InputError | LimitError | None = None


def _prove(task: _Task, limits: Limits) -> _Proof:
    """A layer, drawn once for both sides."""
    prices, schedule, path = task.prices, task.schedule, task.path
    lower = upper = Fraction(0)
    try:
        alone = task.question.layer(task.layer, limits)
        _check_layer(task.question, task.layer, alone)
        if prices is not None:
            lower = layer_bound(alone, prices)
        if schedule is not None:
            path = schedule.path
            upper = verify_schedule(alone, load_schedule(schedule.section(task.layer), alone, limits))
    except (CertificateError, InputError) as error:
        return _Proof(error=_named(error, task.layer, path))
    except LimitError as error:
        return _Proof(error=error)
    return _Proof(lower, upper)


def _named(error: CertificateError | InputError, layer: int, path: AnyPath | None) -> CertificateError:
    """The same complaint, laid at a file and a layer, its turn and block."""
    if isinstance(error, InputError):
        return CertificateError(f"layer {layer}: {error}", path=path)
    places = (("layer", layer), ("turn", error.step), ("block", error.block))
    where = ", ".join(f"{what} {number}" for what, number in places if number is not None)
    return CertificateError(f"{where}: {error.message}", path=path)


def layer_bound(alone: Instance, prices: PriceCertificate) -> Fraction:
    """What prices of turns prove of one layer, its part of D in seconds; it may be negative."""
    rho, rent, none = prices.rho, prices.rent, prices.no_schedule
    return signed_bound(alone, prices.quantum, rho, rent, prices.mu, no_schedule=none, turns=True)


def _check_layer(question: Stacked, layer: int, alone: Instance) -> None:
    """That a layer has all turns, its share of the room and of the budgets, and the whole's objective: the sums rest on it."""
    share = question.rooms[layer].tolist()
    if alone.num_steps != question.turns or alone.capacity.tolist() != share:
        found = f"found {alone.num_steps} turns and room for {alone.capacity.tolist()} bytes"
        raise InputError(found, f"expected {question.turns}, and room for {share}", field="layer")
    if alone.objective != question.objective or alone.budgets != question.share_of_budgets:
        found = f"found {len(alone.budgets)} budgets that are not its share, or another objective"
        raise InputError(found, "expected the question's", field="layer")


def _check_prices(question: Stacked, prices: PriceCertificate) -> None:
    mu = np.zeros(0, dtype=np.int64) if prices.mu is None else prices.mu
    check_prices("resource prices", prices.rho, (question.turns, question.num_resources))
    check_prices("rents", prices.rent, (question.turns + 1, question.num_tiers))
    check_prices("prices of budgets", mu, (len(question.budgets),))
    most = second_worth(question, prices.quantum, mu, no_schedule=prices.no_schedule)
    used_up(question.memory.rates, prices.quantum, prices.rho, most)


def _check_shares(question: Stacked) -> None:
    """That the shares of the layers are the room and the budgets, which both sides rest on."""
    if (question.rooms < 0).any() or (question.rooms.sum(axis=0) != question.capacity).any():
        raise CertificateError("the layers' shares of the room do not add up to it")
    for whole, each in zip(question.budgets, question.share_of_budgets, strict=True):
        if each.fixed * question.layers != whole.fixed or each.per_second != whole.per_second or each.meter != whole.meter:
            raise CertificateError(f"the layers' shares of the budget {whole.name} do not add up to it")
