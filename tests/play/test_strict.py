"""Strict prefixes: what lies behind a missing block is made anew; simulator, verifier, enumeration and bounds agree on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from placement_opt.answer.prove_integer import certify_schedule
from placement_opt.base.errors import CertificateError, InputError
from placement_opt.bounds import METHODS
from placement_opt.certify.verify import verify_schedule
from placement_opt.instance.instance import Instance
from placement_opt.instance.law import behind
from placement_opt.memory.operations import Operation
from placement_opt.play.protocol import Moves, View
from placement_opt.play.replay import Replay
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import RECORDED, make_scheduler
from placement_opt.schedulers.search.bundles import bundle
from placement_opt.workload.trace import Trace
from tests.brute import optimum
from tests.certify.certificates import slow_replay
from tests.certify.played import random_schedule
from tests.operations import system
from tests.play.per_step import played
from tests.play.wanderer import Wanderer
from tests.schedulers.cases import Scripted, ids
from tests.small import make_instance
from tests.worlds import strict

#: Of instances that enumeration finishes in milliseconds.
FEW = (1, 4, 8, 9)
#: Schedulers that choose by the time they find a schedule to take: what they do is another thing under another rule.
CHOOSING = ("optimised", "sa", "milp")


def prefixes(reads: Sequence[Sequence[int]], held: Sequence[int], *, rule: str = "strict", room: int = 4) -> Instance:
    """Blocks of 1 B, some of them in a tier of 2 B/s with room for all; recomputing makes 1 B/s."""
    memory = system(
        [room], {"tier": 2, "compute": 1}, [[1, 0]], [[0, 0]], more=[Operation("recompute", None, (0, 1), brings=True)]
    )
    trace = Trace.from_reads(reads, positions=True)
    initial = np.isin(np.arange(trace.num_blocks), held)[None]
    return replace(make_instance(memory, trace, "cache", initial=initial), prefix=rule)


def alone(instance: Instance) -> float:
    """Seconds if nothing is ever moved."""
    return simulate(instance, Scripted()).latency_s


def test_a_prefix_of_three_blocks_whose_middle_one_is_missing() -> None:
    """Free: 1 B is made while 2 B are read, 1 s. Strict: the third is made, too, 2 s; missing first, all are; last, only it."""
    assert alone(prefixes([[0, 1, 2]], held=[0, 2], rule="free")) == 1.0
    assert alone(prefixes([[0, 1, 2]], held=[0, 2])) == 2.0
    assert alone(prefixes([[1, 0, 2]], held=[0, 2])) == 3.0
    assert alone(prefixes([[0, 2, 1]], held=[0, 2])) == 1.0
    assert alone(prefixes([[2, 1, 0]], held=[0, 1, 2])) == alone(prefixes([[2, 1, 0]], held=[0, 1, 2], rule="free")) == 1.0


def test_what_was_made_behind_the_gap_may_be_stored_and_serves_the_next_step() -> None:
    """Blocks 1 and 2 are made, 2 s, and 1 is stored, which costs nothing here: the next step reads all three, 1 s."""
    instance = prefixes([[0, 1, 2], [0, 1, 2]], held=[0, 2])
    run = simulate(instance, Scripted({0: Moves(store=[(0, ids(1))])}), record=True)
    assert run.step_s.tolist() == [2.0, 1.0]
    assert run.operation_bytes == {"store 0": 1.0, "read 0": 3.0, "recompute": 3.0}
    assert run.hit_rate == 4 / 6  # block 0, then all
    assert run.schedule is not None
    assert verify_schedule(instance, certify_schedule(instance, run.schedule)) == 3
    assert optimum(instance).seconds == pytest.approx(3.0)


def test_what_a_step_produces_breaks_the_prefix_off() -> None:
    """A place that no read has is of a new block: what comes behind it is made, wherever it lies."""
    instance = prefixes([[0, 1]], held=[0, 1])
    gap = replace(instance.trace, position=np.array([0, 2], dtype=np.int32))
    assert (alone(instance), alone(replace(instance, trace=gap))) == (2 / 3, 1.0)
    assert certified(replace(instance, trace=gap)) == 1


def certified(instance: Instance) -> Fraction:
    """The verifier's seconds of a run in which nothing is moved."""
    schedule = simulate(instance, Scripted(), record=True).schedule
    assert schedule is not None
    return certify_schedule(instance, schedule).claim


def test_schedulers_are_told_the_rule_and_the_places() -> None:
    """A setting says how prefixes are, a view where in them its reads are; under free ones nobody asks."""
    seen = []

    class Nosy(Scripted):
        def start(self, setting, first_reads):
            seen.append(setting.prefix)
            return super().start(setting, first_reads)

        def step(self, view: View) -> Moves:
            seen.append(None if view.places is None else view.places.tolist())
            return Moves()

    for rule in ("strict", "free"):
        simulate(prefixes([[2, 0, 1], [1]], held=[], rule=rule), Nosy())
    assert seen == ["strict", [1, 2, 0], [0], "free", None, None]


def test_the_verifier_reads_the_rule_by_itself() -> None:
    """The time that free prefixes give is refused of the same schedule under strict ones; another rule is another hash."""
    instance, free = prefixes([[0, 1, 2]], held=[0, 2]), prefixes([[0, 1, 2]], held=[0, 2], rule="free")
    schedule = simulate(free, Scripted(), record=True).schedule
    assert schedule is not None
    claimed = certify_schedule(free, schedule)
    assert claimed.claim == verify_schedule(free, claimed) == 1
    with pytest.raises(CertificateError, match="another instance"):
        verify_schedule(instance, claimed)
    with pytest.raises(CertificateError, match="claims at most 1 s, but its schedule takes 1 s more"):
        verify_schedule(instance, replace(claimed, instance_hash=instance.hash))
    assert verify_schedule(instance, replace(claimed, instance_hash=instance.hash, claim=Fraction(2))) == 2


def test_what_lies_behind_equals_a_walk_along_the_prefix() -> None:
    """500 random steps, with gaps in their places and blocks missing."""
    rng = np.random.default_rng(1)
    for _ in range(500):
        count = int(rng.integers(0, 7))
        place = rng.permutation(count + int(rng.integers(0, 2)))[:count].astype(np.int32)
        held = rng.random(count) < 0.8
        end = 0
        while end in place[held]:
            end += 1
        assert behind(place, held).tolist() == [p >= end for p in place.tolist()]


def test_random_schedules_take_what_slow_twins_say() -> None:
    """Random moves: the simulator as an LP of each step, the verifier as a replay with sets; free prefixes are no slower."""
    slower = 0
    for seed in range(16):
        instance, rng = strict(seed), np.random.default_rng(seed)
        run = simulate(instance, Wanderer(instance, seed), record=True)
        assert run.schedule is not None
        assert run.step_s.tolist() == pytest.approx(played(instance, run.schedule), rel=1e-9, abs=1e-12), seed
        free = simulate(replace(instance, prefix="free"), Replay(run.schedule)).latency_s
        assert free <= run.latency_s * (1 + 1e-12)
        slower += free < run.latency_s * (1 - 1e-9)
        for plan in (certify_schedule(instance, run.schedule), random_schedule(rng, instance)):
            assert plan is None or verify_schedule(instance, plan) == slow_replay(instance, plan), seed
        assert float(certify_schedule(instance, run.schedule).claim) == pytest.approx(run.latency_s)
    assert slower >= 5


def test_enumeration_lies_between_every_bound_and_every_schedule() -> None:
    """Bounds are of caches as they are, with free prefixes; strict ones only constrain schedules further."""
    dearer = 0
    for seed in FEW:
        instance = strict(seed)
        best, free = optimum(instance).seconds, optimum(replace(instance, prefix="free")).seconds
        dearer += best > free * (1 + 1e-9)
        for name, method in METHODS.items():
            try:
                bound = method(instance).lower_bound_s
            except InputError:  # not for this memory system
                continue
            assert (bound or 0.0) <= free * (1 + 1e-9) <= best * (1 + 2e-9), (seed, name)
        for name in RECORDED:
            run = simulate(instance, make_scheduler(name), record=True)
            assert run.latency_s >= best * (1 - 1e-9), (seed, name)
            assert run.schedule is not None
            assert simulate(replace(instance, prefix="free"), Replay(run.schedule)).latency_s <= run.latency_s * (1 + 1e-12)
            if name not in CHOOSING:
                assert simulate(replace(instance, prefix="free"), make_scheduler(name)).latency_s <= run.latency_s * (1 + 1e-12)
    assert dearer >= 2


def test_bundles_have_free_prefixes() -> None:
    """Blocks that are read alike as one: a model of the instance without places, whose schedules are played by its own rule."""
    instance = prefixes([[0, 1, 2, 3], [1, 0, 3, 2]], held=[], room=4000)
    found = bundle(instance, 4)
    assert found is not None
    assert (found.instance.prefix, found.instance.trace.position) == ("free", None)
    assert found.instance.num_blocks < instance.num_blocks
