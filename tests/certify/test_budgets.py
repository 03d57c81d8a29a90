"""Certificates of instances with budgets: prices of budgets, splits of reads, and that there is no schedule; exactly."""

from __future__ import annotations

import dataclasses
import hashlib
from fractions import Fraction

import numpy as np
import pytest

from placement_opt.answer.prove_integer import certify_prices, certify_schedule
from placement_opt.base.errors import CertificateError, InputError
from placement_opt.bounds.result import Prices
from placement_opt.certify import verify as certify
from placement_opt.certify.files import (
    PriceCertificate,
    ScheduleCertificate,
    load_prices,
    load_schedule,
    pack_prices,
    pack_schedule,
)
from placement_opt.instance.instance import Instance
from placement_opt.play.protocol import Moves
from placement_opt.play.schedule import Recorder, Schedule
from tests.budgets import CASES

#: Prices by hand at which weak duality proves the optimum: rho, mu, whether it is that there is no schedule.
BY_HAND = {
    "10 J": ([0.25, 0.0], [0.125], False),
    "time and energy": ([0.25, 0.0], [], False),
    "wear": ([0.0], [2.0], False),
    "7 J": ([0.0, 0.0], [1.0], True),
}
KEPT = [name for name in BY_HAND if name != "7 J"]


def proven(name: str, quantum: int, rho: list[int], mu: list[int], *, no_schedule: bool = False) -> Fraction:
    instance = CASES[name].instance
    return certify.lower_bound(instance, quantum, *prices(instance, rho), np.array(mu, dtype=np.int64), no_schedule=no_schedule)


def prices(instance: Instance, rho: list[int]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([rho], dtype=np.int64), np.zeros((instance.num_steps + 1, instance.num_tiers), dtype=np.int64)


def test_prices_by_hand() -> None:
    """What the statement says of each case is proven by the prices that it gives."""
    assert proven("no budget", 5, [1, 1], []) == Fraction(8, 5)
    assert proven("10 J", 8, [2, 0], [1]) == Fraction(7, 4)
    assert proven("wear", 1, [0], [2]) == 20
    assert proven("time and energy", 4, [1, 0], []) == 10
    assert proven("7 J", 1, [0, 0], [1], no_schedule=True) == 1
    assert proven("10 J", 1, [0, 0], [1], no_schedule=True) == 0


def test_prices_too_dear_are_refused() -> None:
    """What resources and budgets with a rate cost together is no more than a second of the objective, at every step."""
    with pytest.raises(CertificateError, match=r"step 0: the resource prices times rates add up to 9/8, 0.125 above 1"):
        proven("10 J", 8, [2, 1], [1])
    with pytest.raises(CertificateError, match=r"add up to 0/1, 0.5 above -0.5"):
        proven("wear", 1, [0], [3])
    with pytest.raises(CertificateError, match=r"add up to 4/1, 4 above 0"):
        proven("7 J", 1, [1, 0], [1], no_schedule=True)
    with pytest.raises(CertificateError, match=r"the prices of budgets hold -1 in column 0, below 0"):
        proven("10 J", 8, [2, 0], [-1])
    with pytest.raises(CertificateError, match=r"the prices of budgets are int64\(0,\), this instance's are int64\(1,\)"):
        proven("10 J", 8, [2, 0], [])


def certified_prices(name: str) -> PriceCertificate:
    instance, (rho, mu, none) = CASES[name].instance, BY_HAND[name]
    rents = np.zeros((instance.num_steps + 1, instance.num_tiers))
    return certify_prices(instance, Prices(np.array([rho]), rents, np.array(mu)), no_schedule=none)


def schedule_of(name: str) -> Schedule:
    """Everything lies everywhere; what is produced is stored."""
    instance = CASES[name].instance
    recorder = Recorder(np.tile(instance.first_state == 0, (instance.num_tiers, 1)))
    recorder.add(Moves(store=[(0, np.arange(10))]) if name == "wear" else Moves())
    return recorder.schedule("by hand")


@pytest.mark.parametrize("name", BY_HAND)
def test_prices_from_floats(name: str) -> None:
    """Prices found in floats become a certificate that proves the optimum, or that there is none, and survives its file."""
    case, made = CASES[name], certified_prices(name)
    read = load_prices(pack_prices(made), case.instance)
    proven = certify.verify_prices(case.instance, read)
    assert read.no_schedule == (case.optimum is None)
    assert float(proven) == pytest.approx(case.optimum or 1.0, rel=2e-9)
    assert proven == made.claim <= (case.optimum or 1)


@pytest.mark.parametrize("name", KEPT)
def test_schedules_with_their_split(name: str) -> None:
    """A schedule's certificate says how its reads are split, and costs exactly the optimum; bound and schedule meet."""
    case = CASES[name]
    made = certify_schedule(case.instance, schedule_of(name))
    read = load_schedule(pack_schedule(made), case.instance)
    assert certify.verify_schedule(case.instance, read) == made.claim == Fraction(case.optimum or 0)
    assert (len(read.split), read.parts > 1) == (0 if name == "wear" else 1, True)  # type: ignore[arg-type]


def test_a_ray_must_prove_it() -> None:
    """With 10 J there are schedules: no prices are taken for a proof that there is none."""
    instance = CASES["10 J"].instance
    ray = Prices(np.zeros((1, 2)), np.zeros((2, 2)), np.ones(1))
    with pytest.raises(CertificateError, match="these prices do not prove that no schedule keeps the budgets"):
        certify_prices(instance, ray, no_schedule=True)
    made = dataclasses.replace(
        certified_prices("10 J"), no_schedule=True, claim=Fraction(0), rho=np.zeros((1, 2), dtype=np.int64)
    )
    with pytest.raises(CertificateError, match="claims that no schedule keeps the budgets, but its prices do not prove that"):
        certify.verify_prices(instance, made)


def test_no_schedule_and_a_schedule_contradict_each_other() -> None:
    """What proves that there is none and what proves that there is one cannot both be right."""
    made = certify_schedule(CASES["10 J"].instance, schedule_of("10 J"))
    with pytest.raises(CertificateError, match="keeps the budgets, and by its prices no schedule does: one is wrong"):
        certify.Verified(CASES["10 J"].instance, schedule=made, upper=made.claim, no_schedule=True)


def changed(made: ScheduleCertificate, **parts: object) -> ScheduleCertificate:
    return dataclasses.replace(made, **parts)  # type: ignore[arg-type]


def test_splits_that_do_not_fit_are_refused() -> None:
    """Too little, too much, below nothing, left over, none at all; and one that breaks the budget, by how much."""
    instance = CASES["10 J"].instance
    made = certify_schedule(instance, schedule_of("10 J"))
    served = made.split
    assert served is not None
    eight = 8 * made.parts
    for split, message in (
        (served[:0], "step 0: the split ends before all reads are served"),
        (served + eight, "step 0: the split serves more than the 8 units that are read"),
        (served - eight, r"step 0: the split holds -\d+, below 0"),
        (np.r_[served, served], "the split has more numbers than there are reads to split"),
        (served - made.parts, "breaks the budget energy by 2 J in 2 s"),
        (None, "says nothing of how reads are split"),
        (served.astype(np.int32), r"the split is int32\(1,\) in 1/\d+, expected whole numbers in a row"),
    ):
        with pytest.raises(CertificateError, match=message):
            certify.verify_schedule(instance, changed(made, split=split))
    with pytest.raises(CertificateError, match=r"claims at most 1.75 s, but its schedule takes 0.25 s more"):
        certify.verify_schedule(instance, changed(made, split=served + made.parts))


#: field, byte offset, new bytes, message; the checksum is made to fit
FORGED_PRICES = {
    "version": (8, b"\x01", "found version 1, expected 2 for this instance"),
    "budgets": (84, b"\x02", "budgets: found 2 budgets, expected the instance's 1"),
    "kind of claim": (88, b"\x02", "no schedule: found 2, expected 0 or 1"),
}
FORGED_SCHEDULE = {
    "version": (8, b"\x03", "found version 3, expected 2 for this instance"),
    "no parts": (85, bytes(8), "parts: found 0 parts of a unit, expected 1 to"),
    "too many parts": (92, b"\xff", r"parts: found \d+ parts of a unit, expected 1 to"),
    "numbers": (93, b"\xff" * 8, r"split: found \d+ numbers of the split, expected at most 8 on this instance"),
    "fewer numbers": (93, b"\x00", r"found data of another length, expected \d+ bytes unpacked"),
}


@pytest.mark.parametrize("what", FORGED_PRICES)
def test_forged_sizes_of_prices(what: str) -> None:
    """Sizes of the new section that do not fit are refused with what was expected."""
    place, new, message = FORGED_PRICES[what]
    data = pack_prices(certified_prices("10 J"))
    with pytest.raises(InputError, match=message):
        load_prices(resealed(data[:place] + new + data[place + len(new) :]), CASES["10 J"].instance)


@pytest.mark.parametrize("what", FORGED_SCHEDULE)
def test_forged_sizes_of_schedules(what: str) -> None:
    """The same of a schedule, and of a split that is cut short."""
    place, new, message = FORGED_SCHEDULE[what]
    instance = CASES["10 J"].instance
    data = pack_schedule(certify_schedule(instance, schedule_of("10 J")))
    with pytest.raises(InputError, match=message):
        load_schedule(resealed(data[:place] + new + data[place + len(new) :]), instance)


def resealed(data: bytes) -> bytes:
    return data[:-32] + hashlib.sha256(data[:-32]).digest()


def test_mutated_sections_prove_nothing_false() -> None:
    """Whatever number is changed: no claim above the optimum passes, none of no schedule where there is one, none below it."""
    rng = np.random.default_rng(7)
    for name in BY_HAND:
        case, made = CASES[name], certified_prices(name)
        for _ in range(100):
            field = str(rng.choice(["rho", "rent", "mu", "quantum", "claim", "no_schedule"]))
            certificate = dataclasses.replace(made, **{field: other(rng, getattr(made, field))})
            try:
                certify.verify_prices(case.instance, certificate)
            except (CertificateError, InputError):
                continue
            if certificate.no_schedule:
                assert case.optimum is None
            else:
                assert case.optimum is None or certificate.claim <= case.optimum
    for name in KEPT:
        case, plan = CASES[name], certify_schedule(CASES[name].instance, schedule_of(name))
        for _ in range(100):
            field = str(rng.choice(["split", "parts", "claim"]))
            mutant = dataclasses.replace(plan, **{field: other(rng, getattr(plan, field))})
            try:
                certify.verify_schedule(case.instance, mutant)
            except CertificateError:
                continue
            assert case.optimum is not None
            assert mutant.claim >= case.optimum


def other(rng: np.random.Generator, value: object) -> object:
    """Something a little or very different."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return max(1, value * int(rng.integers(1, 4)) // int(rng.integers(1, 4)) + int(rng.integers(-1, 2)))
    if isinstance(value, Fraction):
        return value * int(rng.integers(0, 4)) / 2 + Fraction(int(rng.integers(-1, 2)), 10**9)
    array = np.array(value)
    if not array.size:
        return np.r_[array, rng.integers(0, 9, 1)]
    place = tuple(int(rng.integers(n)) for n in array.shape)
    array[place] = rng.choice([0, -1, 2**62, int(array[place]) + 1, int(array[place]) // 2, 2 * int(array[place] % 2**60)])
    return array


def test_damaged_files_are_refused() -> None:
    """Cut anywhere or a bit flipped, under a checksum that fits: refused, or what it claims is still true."""
    rng, case = np.random.default_rng(3), CASES["10 J"]
    prices, plan = pack_prices(certified_prices("10 J")), pack_schedule(certify_schedule(case.instance, schedule_of("10 J")))
    for data, load, check in (
        (prices, load_prices, certify.verify_prices),
        (plan, load_schedule, certify.verify_schedule),
    ):
        accepted = 0
        cut = [resealed(data[:end] + data[-32:]) for end in range(0, len(data) - 32, 5)]
        flips = [(int(rng.integers(len(data) - 32)), 1 << int(rng.integers(8))) for _ in range(200)]
        for mutant in cut + [resealed(data[:i] + bytes([data[i] ^ bit]) + data[i + 1 :]) for i, bit in flips]:
            try:
                made = load(mutant, case.instance)  # type: ignore[operator]
                check(case.instance, made)  # type: ignore[operator]
            except (CertificateError, InputError):
                continue
            accepted += 1
            assert not getattr(made, "no_schedule", False)
            assert made.claim <= Fraction(7, 4) if data is prices else made.claim >= Fraction(7, 4)
        assert accepted < 100
