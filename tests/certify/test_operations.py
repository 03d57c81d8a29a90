"""Certificates where operations compute, count calls, round bytes up or make blocks anew, and where a cache may forget."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from models import horizon
from placement_opt.base.errors import CertificateError
from placement_opt.certify import parts as certify_parts
from placement_opt.certify import paths as certify_paths
from placement_opt.certify import verify as certify
from placement_opt.certify.files import (
    PriceCertificate,
    ScheduleCertificate,
    load_prices,
    load_schedule,
    save_prices,
    save_schedule,
)
from placement_opt.certify.priced import price
from placement_opt.instance.instance import Instance
from placement_opt.memory.operations import Operation
from tests.brute import num_transitions, optimum
from tests.certify.certificates import draw_prices, lp_prices, same_prices, same_schedule, slow_replay, slow_value
from tests.certify.played import other_moves, random_schedule
from tests.operations import CASES, attended, cached, system
from tests.small import make_instance, make_trace
from tests.twins import cheapest_path
from tests.worlds import any_operations

#: Pairs of joint residencies beyond which a random instance is passed over.
FEW = 100_000
#: Optima in floating point are right to this.
CLOSE = 1 + Fraction(1, 10**8)


def proven(instance: Instance, quantum: int, rho: np.ndarray, rent: np.ndarray) -> Fraction:
    """What the verifier proves, which is what its slow twin says."""
    value = certify.lower_bound(instance, quantum, rho, rent)
    assert value == max(0, slow_value(instance, quantum, rho, rent)), instance.hash
    return value


@pytest.mark.parametrize("part", range(2))
def test_prices_equal_the_slow_twin_and_stay_below_the_optimum(part: int) -> None:
    """At random prices and at the multipliers of the LP: never above brute force, and at these not below the LP."""
    seen = 0
    for seed in range(40 * part, 40 * (part + 1)):
        instance, rng = any_operations(seed), np.random.default_rng(seed)
        few = num_transitions(instance) <= FEW
        best = Fraction(optimum(instance).seconds) * CLOSE if few else None
        for quantum in (10**9, 10**17):
            rho, rent = draw_prices(rng, instance, quantum)
            for value in (proven(instance, quantum, rho, rent), proven(instance, quantum, rho, rent // 10)):
                assert best is None or value <= best
        rho, rent = lp_prices(instance, 10**12)
        good = proven(instance, 10**12, rho, rent)
        assert float(good) >= horizon.value(instance, relax=True) * (1 - 1e-7)
        assert best is None or good <= best
        seen += few
    assert seen >= 20


@pytest.mark.parametrize("window", [1, 3])
def test_windows_change_nothing(monkeypatch: pytest.MonkeyPatch, window: int) -> None:
    """However time is cut into windows, and however many reads one takes, the value stays, in 64 bits or not."""
    for seed in range(20):
        instance, rng = any_operations(seed), np.random.default_rng(seed)
        rho, rent = draw_prices(rng, instance, 10**12)
        whole = certify_paths.paths_total(instance, rho, rent)
        with monkeypatch.context() as patch:
            for name in ("_WINDOW", "_READS", "_AT_ONCE"):
                patch.setattr(certify_paths, name, window)
            assert certify_paths.paths_total(instance, rho, rent) == whole
            patch.setattr(certify_paths, "_ROOM", 0)
            assert certify_paths.paths_total(instance, rho, rent) == whole


@pytest.mark.parametrize("bits", [40, 55, 58, 62])
def test_prices_as_large_as_64_bits_hold(bits: int) -> None:
    """Where sums would wrap around in 64 bits, shorter windows or Python integers give the exact value all the same."""
    for seed in range(15):
        instance, rng = any_operations(seed), np.random.default_rng(seed)
        quantum = int(instance.memory.rates.sum()) * 2**bits
        rho = rng.integers(0, 2**bits, (instance.num_steps, instance.num_resources))
        proven(instance, quantum, rho, rng.integers(0, 2**bits, (instance.num_steps + 1, instance.num_tiers)) >> seed % 20)


def test_step_costs_are_upper_bounds() -> None:
    """What the gate of the 64 bits assumes of a step is at least what any action in it costs."""
    for seed in range(40):
        instance, rng = any_operations(seed), np.random.default_rng(seed)
        rho, rent = draw_prices(rng, instance, 10**9)
        sets = certify_paths.tier_sets(instance)
        for part in certify_parts.parts(instance):
            most, priced = certify_parts.step_costs(part, sets, rho, rent), price(part.rows, sets, rho, rent)
            for costs in (priced.idle, priced.busy, priced.born):
                assert (costs.reshape(-1, instance.num_steps).max(axis=0) * part.share_base <= np.array(most[:-1])).all()


def forgotten(reads: list[list[int]], *, brings: bool, given: bool | None = None) -> Instance:
    """A block that lies in the only tier or nowhere."""
    more = [Operation("recompute", None, (0, 1), brings=brings)]
    memory = system([1], {"slow": 1, "compute": 2}, [[1, 0]], [[1, 0]], more=more)
    start = None if given is None else np.array([[given]])
    return make_instance(memory, make_trace(reads, [-1]), "cache", initial=start)


@pytest.mark.parametrize("brings", [True, False])
@pytest.mark.parametrize("given", [None, False, True])
@pytest.mark.parametrize("bits", [0, 48, 53])
def test_what_cannot_be_stays_so(monkeypatch: pytest.MonkeyPatch, given: bool | None, brings: bool, bits: int) -> None:
    """Dozens of windows in which a block lies nowhere, at costs near the room of 64 bits: it does not turn up in the tier."""
    instance = forgotten([[0] if t % 7 == 0 else [] for t in range(400)], brings=brings, given=given)
    rng = np.random.default_rng(1)
    rho, rent = rng.integers(2**54, 2**55, (400, 2)), rng.integers(0, 2**bits, (401, 1))
    rho[200:, 0] //= 2**20  # what lies in the tier is cheap to read from here on
    monkeypatch.setattr(certify_paths, "_WINDOW", 5)
    (part,) = certify_parts.parts(instance)
    assert max(certify_parts.step_costs(part, certify_paths.tier_sets(instance), rho, rent)) <= certify_paths._ROOM
    assert certify_paths.paths_total(instance, rho, rent) == cheapest_path(instance, 0, rho.tolist(), rent.tolist()).cost


def test_no_more_is_proven_where_a_tier_is_far_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that pays nine windows of rents for a tier that is worth it in the end: it pays no more, and sums do not wrap."""
    instance = forgotten([[] if t < 240 else [0] for t in range(480)], brings=False, given=True)
    rho, rent = np.zeros((480, 2), dtype=np.int64), np.full((481, 1), 2**55)
    rho[:, 1] = 3 * 2**55
    exact = cheapest_path(instance, 0, rho.tolist(), rent.tolist()).cost
    assert exact == 480 * 2**55 > 2**63  # in the end it is dropped
    assert 2**60 < certify_paths.paths_total(instance, rho, rent) <= exact
    monkeypatch.setattr(certify_paths, "_ROOM", 0)
    assert certify_paths.paths_total(instance, rho, rent) == exact


@pytest.mark.parametrize("most", [2, 4, 8])
def test_a_cache_of_many_tiers_is_relaxed(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Where sets of tiers are too many, slow tiers hold every block: that proves no more than all sets do."""
    less = 0
    for seed in range(45):
        instance, rng = any_operations(seed), np.random.default_rng(seed)
        rho, rent = lp_prices(instance, 10**9) if seed % 2 else draw_prices(rng, instance, 10**9)
        full = certify.lower_bound(instance, 10**9, rho, rent)
        with monkeypatch.context() as patch:
            patch.setattr(certify_paths, "MOST_SETS", most)
            relaxed = certify_paths.tier_sets(instance)
            assert len(relaxed.held) <= max(most, instance.num_tiers if instance.residency == "exclusive" else 1)
            assert certify.lower_bound(instance, 10**9, rho, rent) <= full
        less += instance.forgets and bool(relaxed.always)
    assert less >= 3


def test_schedules_equal_the_slow_twin_and_stay_above_the_optimum() -> None:
    """Random moves that keep the rules: the verifier and its slow twin agree to the last digit, and brute force is below."""
    seen, compared = 0, 0
    for seed in range(80):
        instance, rng = any_operations(seed), np.random.default_rng(seed)
        best = Fraction(optimum(instance).seconds) if num_transitions(instance) <= FEW else None
        for _ in range(3):
            plan = random_schedule(rng, instance)
            if plan is None:
                continue
            taken = certify.verify_schedule(instance, plan)
            assert taken == slow_replay(instance, plan), instance.hash
            assert best is None or best <= taken * CLOSE
            seen += 1
            compared += best is not None
    assert seen >= 200
    assert compared >= 140


def test_changed_schedules_are_judged_as_by_the_slow_twin() -> None:
    """One move, block or claim changed: what is accepted keeps the rules and its time, what keeps them is accepted."""
    verdicts = []
    for seed in range(60):
        instance, rng = any_operations(seed), np.random.default_rng(seed)
        plan = random_schedule(rng, instance)
        if plan is None:
            continue
        plan = dataclasses.replace(plan, claim=certify.verify_schedule(instance, plan))
        for _ in range(10):
            changed = other_moves(rng, plan)
            taken = slow_replay(instance, changed)
            key = changed.op.astype(int) * 10**6 + changed.block
            strict = all(
                (np.diff(key[low:high]) > 0).all() for low, high in zip(changed.indptr[:-1], changed.indptr[1:], strict=True)
            )
            legal = taken is not None and taken <= changed.claim and strict
            try:
                assert certify.verify_schedule(instance, changed) == taken
                assert legal
            except CertificateError:
                assert not legal
            verdicts.append(legal)
    assert len(verdicts) >= 450
    assert 50 <= sum(verdicts) <= len(verdicts) - 200


def test_files_of_a_cache(tmp_path: Path) -> None:
    """Written, read back and verified: prices and moves of an instance whose blocks may lie nowhere."""
    instance = cached([[0], [1], [2], [0]])
    rho, rent = lp_prices(instance, 10**9)
    prices = PriceCertificate(instance.hash, 10**9, rho, rent, certify.lower_bound(instance, 10**9, rho, rent))
    plan = by_hand(instance, [[(0, 0)], [], [], [(2, 0)]])
    save_prices(prices, tmp_path / "p")
    save_schedule(plan, tmp_path / "s")
    assert same_prices(load_prices(tmp_path / "p", instance), prices)
    assert same_schedule(load_schedule(tmp_path / "s", instance), plan)
    both = certify.verify_files(instance, [tmp_path / "p", tmp_path / "s"])
    assert both.lower is not None
    assert both.upper == 1 + Fraction(1, 2) + Fraction(1, 2) + Fraction(1, 3)
    assert 11 / 6 * (1 - 1e-8) <= both.lower <= 2


def by_hand(instance: Instance, moves: list[list[tuple[int, int]]]) -> ScheduleCertificate:
    """(operation, block) of each step, from the given start."""
    assert instance.initial is not None
    flat = [move for step in moves for move in step]
    indptr = np.cumsum([0, *map(len, moves)]).astype(np.int64)
    op, block = (np.array([move[i] for move in flat], dtype=kind) for i, kind in enumerate((np.uint16, np.int32)))
    return ScheduleCertificate(instance.hash, "by hand", instance.initial, indptr, op, block, Fraction(10**9))


@pytest.mark.parametrize("name", CASES)
def test_numbers_by_hand(name: str) -> None:
    """At the multipliers of the LP the prices prove its value, and nothing above the optimum."""
    case = CASES[name]
    value = proven(case.instance, 10**12, *lp_prices(case.instance, 10**12))
    assert case.relaxed * (1 - 1e-8) <= value <= case.optimum * CLOSE


#: What happens in each step, and how long all of them take.
PLANS = {
    "all attended in flash": ([[]], 16),
    "all read from flash": ([[]], 160),
    "shared with a copy in dram": ([[]], Fraction(160, 14)),
    "pages of 16 B": ([[]], Fraction(256, 10)),
    "the same without pages": ([[]], 16),
    "requests": ([[]], Fraction(8, 100)),
    "attended, then wanted in dram": ([[(3, 0)], [], []], Fraction(32, 10) + Fraction(2 * 16, 170)),
    "the same if it were at the processor": ([[(1, 0)], [], []], Fraction(16, 10) + Fraction(2 * 16, 170)),
    "cache, empty": ([[], [], []], Fraction(3, 2)),
    "cache, one read again": ([[], [], [], []], 2),
}


@pytest.mark.parametrize("name", PLANS)
def test_schedules_by_hand(name: str) -> None:
    """The schedules that take what can be taken at least: exactly that."""
    instance, (moves, seconds) = CASES[name].instance, PLANS[name]
    plan = by_hand(instance, moves)
    assert certify.verify_schedule(instance, plan) == slow_replay(instance, plan) == seconds
    assert float(seconds) == pytest.approx(CASES[name].optimum, rel=1e-12)


def test_what_is_stored_in_passing_is_read() -> None:
    """A block that is stored cannot be attended at the same step: it is read at a third of the rate, not copied."""
    plan = by_hand(attended(), [[(1, 0)], [], []])
    expected = Fraction(48, 10) + Fraction(2 * 16, 170)
    assert certify.schedule_time(attended(), plan) == slow_replay(attended(), plan) == expected


def refetched(brings: bool, shares: list[list[int]] | None = None) -> Instance:
    """A block that lies nowhere and comes from outside, at 2 B/s."""
    more = [Operation("refetch", None, (0, 1), brings=brings)]
    memory = system([9], {"slow": 1, "outside": 2}, [[1, 0]], [[1, 0]], more=more)
    trace = make_trace([[0], [0]], [-1], shares=shares, share_base=2 if shares else 1)
    return make_instance(memory, trace, "cache", initial=np.array([[False]]))


#: Whether the operation brings, the shares read in halves, moves, message.
BROKEN = {
    "nothing brings it": (False, None, [[(0, 0)], []], "step 0, block 0: is stored to 0, but no operation can bring it"),
    "half of it is there": (True, [[1], [2]], [[(0, 0)], []], "step 0, block 0: is stored to 0 in part, and the rest of"),
    "copied from nowhere": (True, None, [[(1, 0)], []], "step 0, block 0: is fetched from 0, where it is not"),
    "stored twice": (True, None, [[(0, 0)], [(0, 0), (2, 0)]], "step 1, block 0: is moved to 0, where it is or arrives"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_rules_are_refused_with_their_place(case: str) -> None:
    """What lies nowhere cannot be copied, nor stored unless it is brought as a whole; the slow twin says so too."""
    brings, shares, moves, message = BROKEN[case]
    instance = refetched(brings, shares)
    plan = by_hand(instance, moves)
    with pytest.raises(CertificateError, match=f"^{message}"):
        certify.verify_schedule(instance, plan)
    assert slow_replay(instance, plan) is None


def test_a_cache_forgets_its_last_copy() -> None:
    """Stored, dropped, and made anew: legal under the rule cache, refused under the rule that keeps a copy."""
    instance = dataclasses.replace(refetched(True), initial=np.array([[True]]))
    plan = by_hand(instance, [[(2, 0)], []])
    assert certify.schedule_time(instance, plan) == slow_replay(instance, plan) == Fraction(1, 3) + Fraction(1, 2)
    keeping = dataclasses.replace(instance, residency="free")
    with pytest.raises(CertificateError, match="step 0, block 0: is left without a copy"):
        certify.schedule_time(keeping, dataclasses.replace(plan, instance_hash=keeping.hash))
