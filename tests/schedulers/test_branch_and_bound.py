"""``milp``: the optimum of small instances as a schedule, by counted work."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from placement_opt.answer.prove_integer import certify_schedule
from placement_opt.base import highs
from placement_opt.base.errors import InputError, LimitError
from placement_opt.base.limits import Limits
from placement_opt.bounds.milp import search
from placement_opt.bounds.programs.written_down import written_down
from placement_opt.certify.verify import verify_schedule
from placement_opt.instance.instance import Instance
from placement_opt.instance.rule import KEEPING
from placement_opt.memory.operations import Operation
from placement_opt.play.replay import Replay
from placement_opt.play.schedule import Schedule
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import branch_and_bound, make_scheduler
from placement_opt.schedulers.branch_and_bound import incumbent_schedule, milp_schedule
from tests.brute import num_transitions, optimum
from tests.operations import system
from tests.small import fetch_ahead, make_instance, make_trace, random_instance, two_tier
from tests.worlds import any_instance, any_operations


def tiny(seed: int) -> Instance:
    """One to five tiers, all rules, shares, deaths, given starts."""
    rng = np.random.default_rng(seed)
    return random_instance(
        rng,
        1 + seed % 5,
        KEEPING[(seed // 5) % 3],
        blocks=int(rng.integers(1, 4)),
        steps=int(rng.integers(1, 5)),
        max_size=1 + seed % 3,
        shares=seed % 7 == 0,
        deaths=seed % 4 == 0,
        given=seed % 6 == 0,
    )


def large(blocks: int) -> Instance:
    """Eleven states, two tiers."""
    return make_instance(two_tier(hbm=3), make_trace([list(range(blocks))] * 10, [-1] * blocks))


def same(one: Schedule, other: Schedule) -> bool:
    arrays = ("initial", "indptr", "op", "block")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays)


@pytest.mark.parametrize("part", range(2))
def test_its_time_is_the_optimum(part: int) -> None:
    """Sixty and more instances small enough to enumerate: the simulator times the schedule at the optimum."""
    for seed in range(40 * part, 40 * part + 40):
        instance = tiny(seed)
        if num_transitions(instance) <= 100_000:
            schedule = milp_schedule(instance)
            assert schedule is not None, seed
            taken = simulate(instance, Replay(schedule)).latency_s
            assert taken == pytest.approx(optimum(instance).seconds, rel=1e-6, abs=1e-300), seed


def test_far_below_what_the_others_find() -> None:
    """Five tiers under the free rule: what decides one block or one step at a time takes three times as long."""
    rng = np.random.default_rng(113)
    instance = random_instance(rng, 5, "free", blocks=5, steps=int(rng.integers(1, 5)), max_size=3)
    best = simulate(instance, make_scheduler("milp")).latency_s
    others = ("static", "lru", "belady", "sa", "lp-rounded")
    assert all(simulate(instance, make_scheduler(name)).latency_s > 2.9 * best for name in others)


@pytest.mark.parametrize("seed", range(12))
def test_it_is_certified_like_any_other(seed: int) -> None:
    """The verifier replays the moves and times them at just what the simulator says."""
    instance = any_instance(seed)
    run = simulate(instance, make_scheduler("milp"), record=True)
    assert run.schedule is not None
    made = certify_schedule(instance, run.schedule)
    assert verify_schedule(instance, made) == made.claim == run.exact_latency()


def test_moves_are_whole() -> None:
    """The program makes some copies in two ways at once. Where that costs a schedule anything, moves are decided once more."""
    instance = any_instance(219)
    searched = search(instance)
    value = searched.value_s
    assert value is not None
    first = simulate(instance, Replay(written_down(instance, searched.program, searched.x))).latency_s
    schedule = incumbent_schedule(instance, searched)
    assert schedule is not None
    assert first > 1.01 * value
    assert simulate(instance, Replay(schedule)).latency_s == pytest.approx(value, rel=1e-9)


def test_a_copy_in_two_ways_may_be_out_of_reach() -> None:
    """Here half a store and half a copy saves 0.5 s of 17, which no list of moves can say; what is found is legal and whole."""
    instance = any_instance(97)
    schedule = milp_schedule(instance)
    assert schedule is not None
    assert simulate(instance, Replay(schedule)).exact_latency() == Fraction(17)
    assert search(instance).value_s == pytest.approx(16.5)


def test_a_cache_lets_go_of_what_is_read_no_more() -> None:
    """No row counts a block of a cache after its last read: were it kept, the tier would be overfull."""
    more = [Operation("recompute", None, (0, 1), brings=True)]
    memory = system([1], {"tier": 2, "compute": 1}, [[1, 0]], [[1, 0]], more=more)
    trace = make_trace([[0], [1], [1]], [-1, -1])
    instance = make_instance(memory, trace, "cache", initial=np.array([[True, False]]))
    schedule = milp_schedule(instance)
    assert schedule is not None
    assert schedule.moves(0).drop[0][1].tolist() == [0]
    assert simulate(instance, Replay(schedule)).latency_s == pytest.approx(5 / 3) == optimum(instance).seconds
    assert simulate(any_operations(900), make_scheduler("milp")).latency_s == pytest.approx(
        optimum(any_operations(900)).seconds
    )


def test_the_same_at_every_run() -> None:
    """Work is counted: two runs end at the same schedule, also where the work ends them early."""
    instance = random_instance(np.random.default_rng(1), 2, "inclusive", blocks=10, steps=12, max_size=2)
    for work in (8e6, 5e7):
        one, two = (milp_schedule(instance, limits=Limits().counted(work)) for _ in range(2))
        assert (one is None) == (two is None)
        assert one is None or two is None or same(one, two)


def test_work_ends_a_search() -> None:
    """What the solver asks for is counted, more for a larger program; a limit of work is no stop request of anybody's."""
    instance = random_instance(np.random.default_rng(1), 2, "exclusive", blocks=10, steps=20, max_size=2)
    limits = Limits().counted(5 * highs.QUESTION)
    found = search(instance, limits=limits).solution
    assert limits.work_left == 0.0
    assert found.ended is highs.Ended.LIMIT
    assert found.dual_bound < found.objective


def test_nothing_found_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """No incumbent, no schedule: a limit of work or time came first."""
    monkeypatch.setattr(branch_and_bound, "milp_schedule", lambda *_, **__: None)
    with pytest.raises(LimitError, match="milp found no schedule within the limits"):
        simulate(fetch_ahead(), make_scheduler("milp"))
    monkeypatch.undo()
    assert milp_schedule(fetch_ahead(), limits=Limits(0.0)) is None


def test_large_instances_are_declined() -> None:
    """The message has the size and what is taken."""
    with pytest.raises(InputError) as caught:
        simulate(large(1000), make_scheduler("milp"))
    assert str(caught.value) == ("milp: found 22,000 (block, state, tier) triples, expected at most 20,000 for this scheduler")


def test_what_the_solver_refuses_gives_no_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that it does not take is no error of the caller's."""

    def refuses(*_: object, **__: object) -> None:
        raise highs.SolverError("the model has costs from 1e-12 to 1: wrongly scaled")

    monkeypatch.setattr(branch_and_bound, "search", refuses)
    assert milp_schedule(fetch_ahead()) is None
