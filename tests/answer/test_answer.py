"""Both sides of an instance: the order of the climb, what holds whenever it ends, and that both sides are true."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from placement_opt.answer.answer import Answer, Outcome, answer, raise_bound
from placement_opt.answer.prove import prove_until
from placement_opt.answer.prove_integer import certify_prices, certify_schedule
from placement_opt.answer.rungs import RUNGS
from placement_opt.answer.standing import ROUNDING, Standing, State
from placement_opt.answer.work import Rung, Side, Work
from placement_opt.base import room, watch
from placement_opt.base.backend import Backend
from placement_opt.base.errors import InputError, LimitError
from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS
from placement_opt.bounds.dual.evaluate import evaluate
from placement_opt.bounds.result import Bound, Status
from placement_opt.certify.verify import Verified, verify_prices, verify_schedule
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import load_instance
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from tests.small import fetch_ahead, random_instance

TINY = Path(__file__).parents[2] / "instances" / "tiny"

ROOFLINE_S, LP_S, OPTIMUM_S = 0.0482930, 0.0496471, 0.0499256
Climb = Callable[[Work, Limits], bool]


def rung(name: str, expected_s: float, climb: Climb, *, side: Side = "bound", suits: bool = True, memory: int = 0) -> Rung:
    return Rung(name, side, lambda _: suits, lambda _: expected_s, climb, lambda _: memory)


def proven(value: float, status: Status = Status.BOUND) -> Bound:
    return Bound("made up", status, value, 0.0, "nothing")


def called(names: list[str], name: str, *, more: int = 0, lift: float = 0.0) -> Climb:
    """A rung's turn that notes its name, raises the bound by a share, and would go on ``more`` times."""
    left = [more]

    def climb(work: Work, limits: Limits) -> bool:
        del limits
        names.append(name)
        if lift:
            work.standing.raise_to(proven(work.standing.state.lower_s * (1.0 + lift)), name)
        left[0] -= 1
        return left[0] >= 0

    return climb


# ---- the order ---------------------------------------------------------------------------------------------------------


def test_the_shortest_first_turn_is_next() -> None:
    """On each side; rungs that are not defined for the instance are not taken."""
    names: list[str] = []
    table = [
        rung("slow", 3.0, called(names, "slow")),
        rung("other", 0.1, called(names, "other"), suits=False),
        rung("quick", 1.0, called(names, "quick")),
    ]
    found = answer(fetch_ahead(), limits=Limits(60.0), rungs=table)
    assert names == ["quick", "slow"]
    assert found.outcome is Outcome.OPTIMAL  # the roofline is its own optimum, and nothing is left


def test_what_moves_its_side_goes_on_and_what_does_not_waits() -> None:
    """A rung that closes much of the gap has its turns in a row; one that closes nothing waits four times as long each time."""
    names: list[str] = []
    table = [rung("gains", 1.0, called(names, "gains", more=2, lift=0.05)), rung("idles", 1.5, called(names, "idles", more=2))]
    answer(fetch_ahead(), limits=Limits(60.0), rungs=table)
    assert names == ["gains", "gains", "gains", "idles", "idles", "idles"]


def test_both_sides_go_on_beside_each_other() -> None:
    """A rung of one side that waits for the other has its answer: neither side waits for a turn of the other's."""
    bound, schedule = threading.Event(), threading.Event()

    def wait(mine: threading.Event, other: threading.Event) -> Climb:
        def climb(work: Work, limits: Limits) -> bool:
            del work, limits
            mine.set()
            assert other.wait(60.0)
            return False

        return climb

    table = [rung("one", 1.0, wait(bound, schedule)), rung("other", 1.0, wait(schedule, bound), side="schedule")]
    assert answer(fetch_ahead(), limits=Limits(120.0), rungs=table).notes == ()


def test_a_rung_that_is_not_ready_waits_for_the_other_side() -> None:
    """It has its turn once the other side made it ready, and none if nothing is left that could."""
    names: list[str] = []

    def relax(work: Work, limits: Limits) -> bool:
        del limits
        names.append("relaxed")
        work.rounded = True
        return False

    waits = replace(rung("rounds", 0.0, called(names, "rounded"), side="schedule"), ready=lambda work: work.rounded)
    answer(fetch_ahead(), limits=Limits(60.0), rungs=[rung("relaxes", 1.0, relax), waits])
    assert names == ["relaxed", "rounded"]
    names.clear()
    answer(fetch_ahead(), limits=Limits(60.0), rungs=[waits])
    assert names == []


def test_a_turn_has_a_limit_of_its_own() -> None:
    """A few times what it should take, half of what is left at most, more where it needs more that is left.

    All of that only where no other rung waits.
    """
    seen: list[float] = []

    def look(_: Work, limits: Limits) -> bool:
        seen.append(limits.remaining)
        return False

    table = [rung("a", 2.0, look), rung("b", 600.0, look), rung("c", 1e6, look), rung("d", 2e6, look)]
    answer(fetch_ahead(), limits=Limits(1000.0), rungs=table)
    assert 8.0 < seen[0] <= 20.0
    assert 600.0 < seen[1] <= 800.0
    assert 450.0 < seen[2] <= 500.0
    assert 900.0 < seen[3] <= 1000.0


def test_the_climb_ends_within_the_gap() -> None:
    """Nothing more is tried once bound and schedule are close enough."""
    names: list[str] = []

    def schedule(work: Work, _: Limits) -> bool:
        run = simulate(work.instance, make_scheduler("belady"), record=True)
        assert run.schedule is not None
        return not work.standing.lower_to(run.schedule, run.latency_s, "belady")

    table = [
        rung("belady", 1.0, schedule, side="schedule"),
        rung("more", 2.0, called(names, "more"), side="schedule"),
    ]
    found = answer(fetch_ahead(), gap=0.5, limits=Limits(60.0), rungs=table)
    assert (found.outcome, names, found.state.schedule_from) == (Outcome.WITHIN, [], "belady")
    assert found.gap is not None
    assert found.gap <= 0.5


@pytest.mark.parametrize("error", [None, LimitError("it was told to stop")])
def test_who_closes_the_gap_ends_the_turn_of_the_other_side(error: Exception | None) -> None:
    """A turn that would go on for as long as it is let hears of it, and nobody is told that it was cut short."""
    begun, heard = threading.Event(), list[bool]()

    def schedule(work: Work, limits: Limits) -> bool:
        run = simulate(work.instance, make_scheduler("belady"), record=True)
        assert run.schedule is not None
        work.standing.lower_to(run.schedule, run.latency_s, "belady")
        begun.set()
        while not limits.reached:
            pass
        heard.append(limits.interrupted)
        if error is not None:
            raise error
        return True

    def prove(work: Work, _: Limits) -> bool:
        assert begun.wait(60.0)
        assert work.standing.state.latency_s is not None
        return work.standing.raise_to(proven(work.standing.state.latency_s, Status.INTERRUPTED), "proof")

    limits = Limits(600.0)
    table = [rung("goes on", 100.0, schedule, side="schedule"), rung("proves", 1.0, prove)]
    found = answer(fetch_ahead(), gap=1e-6, limits=limits, rungs=table)
    assert (found.outcome, heard, found.notes, limits.interrupted) == (Outcome.WITHIN, [True], (), False)
    assert found.bound.status is Status.BOUND


def test_what_needs_too_much_memory_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """With both numbers in the notes; the others go on."""
    monkeypatch.setattr(room, "taken", lambda: 1 << 30)
    monkeypatch.setattr(room, "available", lambda: 1 << 40)
    names: list[str] = []
    table = [rung("huge", 1.0, called(names, "huge"), memory=3 << 30), rung("small", 2.0, called(names, "small"))]
    found = answer(fetch_ahead(), limits=Limits(60.0, 2 << 30), rungs=table)
    assert names == ["small"]
    assert found.notes == ("passed over: huge needs about 3 GiB of memory, 1 GiB are left of the limit of 2 GiB",)


@pytest.mark.parametrize(
    ("error", "note"),
    [
        (InputError("found 3 tiers", "expected two"), "bad gave no answer (found 3 tiers, expected two)"),
        (MemoryError(), "bad ran out of memory"),
        (KeyError("x"), "bad failed, a fault of placement-opt itself (KeyError: 'x')"),
    ],
)
def test_a_rung_that_fails_takes_nothing_with_it(error: Exception, note: str) -> None:
    """The rest is climbed, and the note says who failed and how."""
    names: list[str] = []

    def fail(_: Work, limits: Limits) -> bool:
        del limits
        raise error

    table = [rung("bad", 1.0, fail), rung("good", 2.0, called(names, "good", lift=0.01))]
    found = answer(fetch_ahead(), limits=Limits(60.0), rungs=table)
    assert (names, found.notes) == (["good"], (note,))
    assert found.bound.lower_bound_s == pytest.approx(ROOFLINE_S * 1.01, rel=1e-5)


# ---- limits ------------------------------------------------------------------------------------------------------------


def test_a_rung_that_ignores_its_limits_does_not_hold_up_the_answer(stubborn: threading.Event) -> None:
    """What was proven by then is the answer, and what the rung offers later is not taken."""
    limits, work_of = Limits(), []

    def ignores(work: Work, _: Limits) -> bool:
        work_of.append(work)
        work.standing.raise_to(proven(0.0485), "before")
        limits.interrupt()
        stubborn.wait()
        return work.standing.raise_to(proven(1.0), "after")

    found = answer(fetch_ahead(), limits=limits, rungs=[rung("stubborn", 1.0, ignores)])
    assert (found.outcome, found.bound.lower_bound_s) == (Outcome.INTERRUPTED, 0.0485)
    assert found.notes == ("the last rung was left behind, it did not stop when it was asked to",)
    stubborn.set()
    for thread in list(watch._left):
        thread.join()
    assert work_of[0].standing.state.lower_s == 0.0485


class Clock(Limits):
    """A deadline by a clock that is set by hand."""

    left = 1000.0

    @property
    def remaining(self) -> float:
        return self.left


@pytest.mark.parametrize(("closing", "left"), [(100.0, 99.0), (900.0, 499.0)])
def test_time_is_kept_for_what_comes_after(closing: float, left: float) -> None:
    """The climb ends that much before the deadline, but has half of the time; that is a limit, no interruption."""
    clock, seen = Clock(), list[tuple[float, bool]]()

    def wait(_: Work, limits: Limits) -> bool:
        for clock.left in (left + 10.0, left):
            looks = len(states)
            while len(states) < looks + 3 and not limits.reached:
                threading.Event().wait(0.01)
            seen.append((clock.left, limits.reached))
        return False

    states: list[State] = []
    found = answer(fetch_ahead(), limits=clock, rungs=[rung("wait", 1e6, wait)], look=states.append, closing_s=lambda: closing)
    assert seen == [(left + 10.0, False), (left, True)]
    assert found.outcome is Outcome.LIMIT
    assert not clock.interrupted


def test_without_time_both_outcomes_still_have_the_roofline() -> None:
    """An expired limit and a stop request that came before the start."""
    late = answer(fetch_ahead(), limits=Limits(0.0))
    assert (late.outcome, late.bound.method, late.latency_s, late.gap) == (Outcome.LIMIT, "roofline", None, None)
    limits = Limits()
    limits.interrupt()
    assert answer(fetch_ahead(), limits=limits).outcome is Outcome.INTERRUPTED


# ---- the state ---------------------------------------------------------------------------------------------------------


def test_the_state_only_improves() -> None:
    """Worse offers are not taken; of equal bounds the later method says more of itself."""
    standing, instance = Standing(), fetch_ahead()
    run = simulate(instance, make_scheduler("lru"), record=True)
    assert run.schedule is not None
    assert standing.raise_to(proven(1.0), "one")
    assert not standing.raise_to(proven(0.5), "worse")
    assert not standing.raise_to(proven(1.0, Status.OPTIMAL), "same")
    assert (standing.state.lower_s, standing.state.bound_from, standing.state.source) == (1.0, "same", "one")
    assert standing.state.gap is None
    assert standing.lower_to(run.schedule, 3.0, "first")
    assert not standing.lower_to(run.schedule, 3.0, "again")
    assert standing.lower_to(run.schedule, 1.5, "better")
    assert (standing.state.gap, standing.state.source) == (0.5, "better")
    standing.close()
    assert not standing.raise_to(proven(1.2), "late")
    assert not standing.lower_to(run.schedule, 1.2, "late")
    assert standing.state.gap == 0.5


def test_branch_and_bound_finds_schedules_and_no_bounds() -> None:
    """Its bound is a solver's word, which no certificate repeats: with it a gap could be closed that verify finds open."""
    assert {one.side for one in RUNGS if one.name == "milp"} == {"schedule"}
    found = answer(load_instance(TINY / "three-first-fit.toml"), gap=0.001, limits=Limits(60.0))
    assert found.state.prices_s == pytest.approx(found.state.lower_s, rel=1e-12)
    assert found.outcome is not Outcome.WITHIN
    assert found.latency_s == pytest.approx(METHODS["milp"](found.instance).value_s, rel=1e-6)


# ---- the answer --------------------------------------------------------------------------------------------------------


def answers() -> Iterator[tuple[Instance, Answer]]:
    rng = np.random.default_rng(4)
    for number in range(9):
        residency = ("inclusive", "exclusive", "free")[number % 3]
        tiers = 2 + (number // 3) % 2
        instance = random_instance(rng, tiers, residency, blocks=5, steps=7, max_size=1 + number % 2, shares=number > 5)
        yield instance, answer(instance, limits=Limits(120.0))


def test_both_sides_are_certified() -> None:
    """On random instances of all rules: bound <= optimum <= schedule, and both sides hold in exact integers."""
    for instance, found in answers():
        state = found.state
        assert state.prices is not None
        assert state.schedule is not None
        assert state.latency_s is not None
        optimum = METHODS["milp"](instance).value_s
        assert optimum is not None
        assert found.roofline_s * (1 - 1e-9) <= state.lower_s <= optimum * (1 + 1e-9)
        assert state.latency_s >= optimum * (1 - 1e-6)
        lower = verify_prices(instance, certify_prices(instance, state.prices))
        upper = verify_schedule(instance, certify_schedule(instance, state.schedule))
        assert float(lower) == pytest.approx(state.prices_s, rel=1e-7)
        assert float(upper) == pytest.approx(state.latency_s, rel=1e-12)
        assert found.outcome in (Outcome.WITHIN, Outcome.OPTIMAL, Outcome.BOUND)


def test_the_instance_of_the_statement_is_closed() -> None:
    """Problem statement, section 7: the bound ends at the LP, the schedule at the optimum, and that is all there is."""
    states: list[State] = []
    found = answer(fetch_ahead(), gap=1e-9, limits=Limits(60.0), look=states.append)
    assert found.outcome in (Outcome.OPTIMAL, Outcome.BOUND)
    assert found.bound.lower_bound_s == pytest.approx(LP_S, abs=5e-8)
    assert found.latency_s == pytest.approx(OPTIMUM_S, abs=5e-8)
    assert states[-1] is found.state
    for before, after in pairwise(states):
        assert after.lower_s >= before.lower_s * (1 - ROUNDING)  # of equal bounds the later one is kept
        assert before.latency_s is None or (after.latency_s is not None and after.latency_s <= before.latency_s)


def test_a_resumed_run_begins_where_the_other_ended() -> None:
    """At least the certified values, without any rung; and the same state is certified again."""
    instance = fetch_ahead()
    first = answer(instance, limits=Limits(60.0), gap=0.01).state
    assert first.prices is not None
    assert first.schedule is not None
    prices, schedule = certify_prices(instance, first.prices), certify_schedule(instance, first.schedule)
    resumed = Verified(instance, prices, prices.claim, schedule, schedule.claim)
    again = answer(instance, resume=resumed, rungs=[])
    assert again.bound.lower_bound_s == resumed.lower_s
    assert again.latency_s == resumed.upper_s
    assert (again.bound.method, again.state.schedule_from) == ("resumed", f"resumed {first.schedule.scheduler}")
    assert again.state.schedule is not None
    assert certify_schedule(instance, again.state.schedule).claim == schedule.claim
    assert again.state.prices is not None
    assert certify_prices(instance, again.state.prices).claim >= prices.claim * (1 - 10**-8)


def test_a_bound_alone_is_raised_until_it_is_enough() -> None:
    """No scheduler runs; enough ends the climb, limits end it with what is proven."""
    enough = raise_bound(fetch_ahead(), ROOFLINE_S * 1.0001, limits=Limits(60.0))
    assert enough.lower_bound_s is not None
    assert enough.lower_bound_s >= ROOFLINE_S * 1.0001
    assert enough.lower_bound_s < OPTIMUM_S * (1 - 1e-4)
    assert raise_bound(fetch_ahead(), 1.0, limits=Limits(60.0)).lower_bound_s == pytest.approx(LP_S, abs=5e-8)
    late = raise_bound(fetch_ahead(), 1.0, limits=Limits(0.0))
    assert (late.method, late.status) == ("roofline", Status.LIMIT)
    proof = prove_until(fetch_ahead(), 1.0, limits=Limits(60.0))
    assert proof.roofline_s == pytest.approx(ROOFLINE_S, abs=5e-8)


def test_a_cluster_proves_what_this_process_proves() -> None:
    """The ascent's proofs are made by the workers of a cluster; both sides come out the same, but for rounding."""
    import dask
    import distributed

    instance, table = fetch_ahead(), [one for one in RUNGS if one.name in ("step", "ascent", "static")]
    quiet = dask.config.set({"distributed.admin.log-length": 0})
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "protocol": "tcp"}
    options |= {"dashboard_address": ":0", "silence_logs": 50}
    with quiet, distributed.LocalCluster(**options) as cluster:
        found = answer(instance, limits=Limits(120.0), rungs=table, backend=Backend("dask", 1, cluster.scheduler_address))
    assert (found.notes, found.bound.method) == ((), "ascent")
    assert found.state.prices is not None
    assert evaluate(instance, found.state.prices).value_s == pytest.approx(found.state.lower_s, rel=1e-9)
    assert ROOFLINE_S * 1.001 < found.state.lower_s <= OPTIMUM_S


def test_no_cluster_is_asked_and_no_thread_begun_for_a_climb_that_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """The roofline is the answer at once; what prices prove is found out here when no time is left to ask others."""
    monkeypatch.setattr(
        importlib.import_module("placement_opt.answer.answer"), "run_watched", lambda *_, **__: pytest.fail("begun")
    )
    nobody, over = Backend("dask", 1, "127.0.0.1:1"), Limits()
    over.interrupt()
    for limits, outcome in ((Limits(0.0), Outcome.LIMIT), (over, Outcome.INTERRUPTED)):
        found = answer(fetch_ahead(), limits=limits, backend=nobody)
        assert (found.outcome, found.bound.method) == (outcome, "roofline")
    assert raise_bound(fetch_ahead(), 1.0, limits=over).status is Status.INTERRUPTED
    work, prices = Work(fetch_ahead(), Standing(), 0.0, nobody, limits=over), found.bound.prices
    assert prices is not None
    assert work.prove(prices).value_s == pytest.approx(evaluate(work.instance, prices).value_s, rel=1e-9)


@pytest.mark.parametrize("ended", [True, False])
def test_a_pass_hears_of_the_limits_of_the_climb(monkeypatch: pytest.MonkeyPatch, ended: bool) -> None:
    """On a cluster too: where they end the first pass the climb ends, where its workers cannot work it is said."""
    limits = Limits(100.0)

    def refuse(*_: object, limits: Limits) -> None:
        if ended:
            limits.interrupt()
        raise LimitError("the workers cannot load placement-opt")

    monkeypatch.setattr(importlib.import_module("placement_opt.answer.work"), "evaluate_on", refuse)
    nobody = Backend("dask", 1, "127.0.0.1:1")
    if ended:
        assert answer(fetch_ahead(), limits=limits, backend=nobody).outcome is Outcome.INTERRUPTED
        return
    with pytest.raises(LimitError, match="the workers cannot load"):
        answer(fetch_ahead(), limits=limits, backend=nobody)


def test_every_rung_says_what_it_is() -> None:
    """Names are unique, there are rungs on both sides, and each expects a finite time where it suits."""
    assert len({one.name for one in RUNGS}) == len(RUNGS)
    assert {one.side for one in RUNGS} == {"bound", "schedule"}
    work = Work(fetch_ahead(), Standing(), 0.0)
    for one in RUNGS:
        if one.suits(work):
            assert 0.0 <= one.expected_s(work) < float("inf")
            assert one.memory(work) >= 0
