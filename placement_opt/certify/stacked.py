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

from placement_opt.base.atomic import AnyPath
from placement_opt.base.backend import Backend
from placement_opt.base.errors import CertificateError, InputError, LimitError
from placement_opt.base.limits import Limits
from placement_opt.certify.files import Kind, PriceCertificate, load_prices, load_schedule
from placement_opt.certify.layered import VerifiedLarge
from placement_opt.certify.stacked_files import StackedSchedule, is_stacked_schedule, open_stacked_schedule
from placement_opt.certify.verify import check_claim, check_prices, check_time, signed_bound, used_up, verify_schedule
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
    _check_room(question)
    tasks = [_Task(question, layer, prices, schedule, files.get("prices")) for layer in range(question.layers)]
    shared = (question, prices, schedule)
    found = where.run(_prove, tasks if files else [], shared=shared, limits=limits)
    for proof in found:
        if proof is None:
            done = sum(one is not None for one in found)
            raise LimitError(f"only {done} of {question.layers} layers were verified in time")
        if proof.error is not None:
            raise proof.error
    lower = sum((proof.lower for proof in found if proof), Fraction(0))
    upper = sum((proof.upper for proof in found if proof), Fraction(0))
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
    proven = None if prices is None else max(lower, Fraction(0))
    return VerifiedLarge(question, prices, proven, schedule, None if schedule is None else upper)


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
            lower = signed_bound(alone, prices.quantum, prices.rho, prices.rent, turns=True)
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


def _check_layer(question: Stacked, layer: int, alone: Instance) -> None:
    """That a layer has all turns, its share of the room and of time alone, which the sums rest on."""
    share = question.share(layer).tolist()
    if alone.num_steps != question.turns or alone.capacity.tolist() != share or not alone.timed:
        found = f"found {alone.num_steps} turns and room for {alone.capacity.tolist()} bytes"
        raise InputError(found, f"expected {question.turns}, room for {share} and time alone", field="layer")


def _check_prices(question: Stacked, prices: PriceCertificate) -> None:
    check_prices("resource prices", prices.rho, (question.turns, question.num_resources))
    check_prices("rents", prices.rent, (question.turns + 1, question.num_tiers))
    used_up(question.memory.rates, prices.quantum, prices.rho)


def _check_room(question: Stacked) -> None:
    """That the shares of the layers are no more than the room, which both sides rest on."""
    shares = np.sum([question.share(layer) for layer in range(question.layers)], axis=0)
    if (shares != question.capacity).any():
        raise CertificateError("the layers' shares of the room do not add up to it")
