"""Schedules replayed in exact integers: equal to the simulator's exact time; every broken rule refused where it is broken."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import pytest

from placement_opt.answer.prove_integer import certify_schedule
from placement_opt.base.errors import CertificateError, InputError, ScheduleError
from placement_opt.certify import split as certify_split
from placement_opt.certify import verify as certify
from placement_opt.certify.files import ScheduleCertificate
from placement_opt.certify.split import SplitProgram
from placement_opt.instance.instance import Instance
from placement_opt.memory.operations import table
from placement_opt.memory.split.timing import StepTimer
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import RECORDED, make_scheduler
from tests.certify.certificates import draw, slow_replay
from tests.small import chain, make_instance, make_trace, two_tier

ANY = Fraction(10**9)


@pytest.mark.parametrize("name", RECORDED)
def test_equals_the_simulator_for_every_scheduler(name: str) -> None:
    """Random instances of all rules: checker, simulator and slow twin agree on the time to the last digit."""
    done = 0
    for seed in range(24):
        _, instance = draw(seed)
        try:
            run = simulate(instance, make_scheduler(name), record=True)
        except (InputError, ScheduleError):  # a scheduler that does not apply to this instance
            continue
        assert run.schedule is not None
        certificate = certify_schedule(instance, run.schedule)
        assert certificate.claim == run.exact_latency()
        assert certify.verify_schedule(instance, certificate) == slow_replay(instance, certificate) == certificate.claim
        done += 1
    assert done >= 8


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_batches_change_nothing(monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    """Timing steps a few at a time gives the same sum."""
    for seed in range(12):
        _, instance = draw(seed, 3)
        schedule = simulate(instance, make_scheduler("lru"), record=True).schedule
        assert schedule is not None
        certificate = certify_schedule(instance, schedule)
        with monkeypatch.context() as patch:
            patch.setattr(certify_split, "_BATCH", batch)
            assert certify.schedule_time(instance, certificate) == certificate.claim


@pytest.mark.parametrize("tiers", [1, 2, 3, 4])
def test_split_is_optimal(tiers: int) -> None:
    """Random loads on random systems: the integer program equals the timer of the simulator, which knows nothing of it."""
    rng = np.random.default_rng(tiers)
    for case in range(8):
        high = 10 ** (2 + case)
        memory = chain([1] * tiers, rng.integers(1, high, tiers).tolist(), rng.integers(1, high, tiers - 1).tolist())
        if case % 2:
            read = rng.integers(0, 4, memory.read.shape) + memory.read
            memory = dataclasses.replace(memory, operations=table(memory.tier_names, read, memory.write, memory.copy))
        masks = [mask for mask in range(1, 1 << tiers) if mask & (mask - 1)]
        served = rng.integers(0, high, (30, len(masks))) * (rng.random((30, len(masks))) < 0.7)
        base = rng.integers(0, high, (30, len(memory.resources))) * (rng.random((30, len(memory.resources))) < 0.7)
        reads = [[memory.read[k].tolist() for k in range(tiers) if mask >> k & 1] for mask in masks]
        program = SplitProgram(memory.rates.tolist(), reads)
        over, under = program.times(np.concatenate([base, served], axis=1).astype(object))
        timer = StepTimer(memory, masks)
        for i in range(30):
            assert Fraction(int(over[i]), under[i]) == timer.exact(served[i], base[i])


def test_split_of_section_7() -> None:
    """n readable bytes split 4900 : 450 over hbm and the link: n / 5350 seconds; from lpddr alone n / 450."""
    program = SplitProgram(two_tier().rates.tolist(), [two_tier().read.tolist()])
    over, under = program.times(np.array([[0, 0, 0, 0, 107], [0, 107, 107, 0, 0]], dtype=object))
    assert [Fraction(int(o), u) for o, u in zip(over, under, strict=True)] == [Fraction(107, 5350), Fraction(107, 450)]


def tiny(residency: str = "inclusive", **rules: object) -> Instance:
    """Room for two of four one-byte blocks in hbm; block 2 is produced at step 1, block 3 freed after step 1."""
    memory = two_tier(hbm=2, lpddr=9)
    trace = make_trace([[0, 1], [0, 3], [2], [0, 1]], [-1, -1, 1, -1], [4, 4, 4, 1])
    return make_instance(memory, trace, residency, **rules)  # type: ignore[arg-type]


def schedule(
    instance: Instance, start: list[list[int]], moves: list[list[tuple[int, int]]], claim: Fraction = ANY
) -> ScheduleCertificate:
    """Blocks of each tier at the start; (operation, block) of each step: 0, 1 store, 3 hbm->lpddr, 4 back, 6, 7 drop."""
    initial = np.zeros((2, instance.num_blocks), dtype=bool)
    for tier, ids in enumerate(start):
        initial[tier, ids] = True
    flat = [move for step in moves for move in step]
    return ScheduleCertificate(
        instance.hash,
        "by hand",
        initial,
        np.cumsum([0, *(len(step) for step in moves)]).astype(np.int64),
        np.array([op for op, _ in flat], dtype=np.uint16),
        np.array([block for _, block in flat], dtype=np.int32),
        claim,
    )


def test_by_hand() -> None:
    """Four steps worked out on paper, stores in passing, a fetch, a birth and an end of life among them."""
    instance = tiny()
    plan = schedule(instance, [[0], [0, 1, 3]], [[(0, 1)], [(6, 0)], [(4, 0), (6, 1)], []])
    # step 0: block 0 from hbm, block 1 over the link and into hbm: the link has 1 of 450, hbm 2 of 4900
    # step 1: blocks 0 (both) and 3 (lpddr), and the write of block 2 to lpddr and the way down: lpddr has 1 + 1, over 500
    # step 2: block 2 from lpddr, the fetch of block 0 as well: the link has 2 of 450
    # step 3: block 0 from both, block 1 from lpddr: the link has 1 of 450, hbm the other
    expected = Fraction(1, 450) + Fraction(2, 500) + Fraction(2, 450) + Fraction(1, 450)
    assert certify.schedule_time(instance, plan) == expected == slow_replay(instance, plan)
    exact = dataclasses.replace(plan, claim=expected)
    assert certify.verify_schedule(instance, exact) == expected
    with pytest.raises(CertificateError, match=r"claims at most 0\.0128888888889 s, but its schedule takes 1e-30 s more"):
        certify.verify_schedule(instance, dataclasses.replace(plan, claim=expected - Fraction(1, 10**30)))


def test_floors_count_step_by_step() -> None:
    """A floor above a step's transfers is what the step takes, exactly as the double says."""
    instance = tiny(floor=0.003)
    plan = schedule(instance, [[0], [0, 1, 3]], [[(0, 1)], [(6, 0)], [(4, 0), (6, 1)], []])
    expected = 2 * Fraction(0.003) + Fraction(2, 500) + Fraction(2, 450)
    assert certify.schedule_time(instance, plan) == expected == slow_replay(instance, plan)


#: rule, blocks of each tier at the start, moves, message
BROKEN = {
    "store of what is not there": ("inclusive", [[], [0, 1, 3]], [[(0, 3)]], "step 0, block 3: is stored to hbm, but neither"),
    "fetch of what is not there": ("inclusive", [[], [0, 1, 3]], [[(3, 0)]], "step 0, block 0: is fetched from hbm, where it"),
    "drop of what is not there": ("inclusive", [[], [0, 1, 3]], [[(6, 0)]], "step 0, block 0: is dropped from hbm, where it"),
    "chained copies": ("free", [[], [0, 1, 3]], [[], [(1, 2), (4, 2)]], "step 1, block 2: is fetched from lpddr, where it"),
    "arrives twice": ("inclusive", [[], [0, 1, 3]], [[(0, 0), (4, 0)]], "step 0, block 0: is moved to hbm, where it is or"),
    "is there already": ("inclusive", [[0], [0, 1, 3]], [[(0, 0)]], "step 0, block 0: is moved to hbm, where it is or"),
    "fetch to itself": ("inclusive", [[0], [0, 1, 3]], [[(2, 0)]], "step 0, block 0: is moved to hbm, where it is or"),
    "home copy of a birth": ("inclusive", [[], [0, 1, 3]], [[], [(1, 2)]], "step 1, block 2: is moved to lpddr, where it"),
    "home copy dropped": ("inclusive", [[0], [0, 1, 3]], [[(7, 0)]], "step 0, block 0: is missing from lpddr, where the"),
    "last copy dropped": ("free", [[], [0, 1, 3]], [[(7, 0)]], "step 0, block 0: is left without a copy"),
    "birth stored nowhere": ("free", [[], [0, 1, 3]], [], "step 1, block 2: is left without a copy"),
    "two copies": ("exclusive", [[], [0, 1, 3]], [[(0, 0)]], "step 0, block 0: lies in two tiers, but the rule is exclusive"),
    "freed block moved": ("inclusive", [[], [0, 1, 3]], [[], [(0, 3)]], "step 1, block 3: is moved, but not alive"),
    "dead block moved": ("inclusive", [[], [0, 1, 3]], [[], [], [(4, 3)]], "step 2, block 3: is moved, but not alive"),
    "unborn block moved": ("inclusive", [[], [0, 1, 3]], [[(4, 2)]], "step 0, block 2: is fetched from lpddr, where it is not"),
    "tier overfilled": ("inclusive", [[0], [0, 1, 3]], [[(0, 1), (4, 3)]], "step 0: hbm holds 3 bytes at state 1, 1 more"),
    "start overfilled": ("inclusive", [[0, 1, 3], [0, 1, 3]], [], "hbm holds 3 bytes at state 0, 1 more than its capacity 2"),
    "last state overfilled": ("inclusive", [[0, 1], [0, 1, 3]], [[], [], [], [(4, 2)]], "step 3: hbm holds 3 bytes at state 4"),
    "start without a block": ("inclusive", [[], [0, 3]], [], "block 1: is left without a copy"),
    "start without a home copy": ("inclusive", [[1], [0, 3]], [], "block 1: is missing from lpddr"),
    "start with the unborn": ("inclusive", [[], [0, 1, 2, 3]], [], "block 2: is placed before it is produced"),
    "start in two tiers": ("exclusive", [[1], [0, 1, 3]], [], "block 1: lies in two tiers, but the rule"),
    "unknown block": ("inclusive", [[], [0, 1, 3]], [[(0, 4)]], "step 0, block 4: there is no such block, ids are 0 to 3"),
    "unknown operation": ("inclusive", [[], [0, 1, 3]], [[(8, 0)]], "step 0, block 0: an operation is not numbered"),
    "the same move twice": ("inclusive", [[], [0, 1, 3]], [[(0, 0), (0, 0)]], "step 0, block 0: named twice by an operation"),
    "moves out of order": ("inclusive", [[], [0, 1, 3]], [[(0, 1), (0, 0)]], "step 0, block 0: named twice .* out of order"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_broken_rules_are_refused_with_their_place(case: str) -> None:
    """Each rule, broken once: refused with step, block and numbers, and the slow twin agrees that it is broken."""
    residency, start, moves, message = BROKEN[case]
    instance = tiny(residency)
    plan = schedule(instance, start, moves + [[]] * (4 - len(moves)))
    with pytest.raises(CertificateError, match=f"^{message}"):
        certify.verify_schedule(instance, plan)
    if case not in ("unknown operation", "the same move twice", "moves out of order"):
        assert slow_replay(instance, plan) is None


def test_given_start_must_be_kept() -> None:
    """Where the instance says where blocks lie, a schedule cannot start elsewhere."""
    given = np.array([[False, True, False, False], [True, True, False, True]])
    instance = tiny(initial=given)
    assert certify.schedule_time(instance, schedule(instance, [[1], [0, 1, 3]], [[]] * 4)) > 0
    with pytest.raises(CertificateError, match=r"^block 0: does not start where the instance says"):
        certify.verify_schedule(instance, schedule(instance, [[0, 1], [0, 1, 3]], [[]] * 4))


def test_arrays_of_another_size_are_refused() -> None:
    """A start or a division into steps that does not fit the instance is refused."""
    instance = tiny()
    plan = schedule(instance, [[], [0, 1, 3]], [[(0, 0)], [], [], []])
    with pytest.raises(CertificateError, match=r"the start is bool\(2, 3\), not of this instance's size"):
        certify.verify_schedule(instance, dataclasses.replace(plan, initial=plan.initial[:, :3]))
    for indptr in ([0, 1, 1, 1], [0, 0, 0, 0, 0], [0, 2, 1, 1, 1], [1, 1, 1, 1, 1]):
        with pytest.raises(CertificateError, match="the moves are not divided over the instance's steps"):
            certify.verify_schedule(instance, dataclasses.replace(plan, indptr=np.array(indptr)))


def test_schedule_of_another_instance_is_refused() -> None:
    """The hash of the instance is part of the certificate."""
    instance = tiny()
    plan = schedule(instance, [[], [0, 1, 3]], [[]] * 4)
    with pytest.raises(CertificateError, match="made for another instance"):
        certify.verify_schedule(tiny(floor=1.0), plan)


def test_huge_blocks_are_added_up_exactly() -> None:
    """Blocks of 2**50 bytes read in shares of 1/65535: sums pass 64 bits, the time is exact all the same."""
    memory = chain([2**52, 2**60], [2**50, 2**49], [2**48])
    trace = make_trace(
        [[0, 1]] * 2, [-1, -1], sizes=[2**50 - 1, 2**50 - 3], shares=[[65535, 65534], [1, 65533]], share_base=65535
    )
    instance = make_instance(memory, trace)
    initial = np.array([[True, False], [True, True]])
    moves = np.array([0, 0, 1]), np.array([0], dtype=np.uint16), np.array([1], dtype=np.int32)
    plan = ScheduleCertificate(instance.hash, "by hand", initial, *moves, ANY)
    assert certify.schedule_time(instance, plan) == slow_replay(instance, plan)
