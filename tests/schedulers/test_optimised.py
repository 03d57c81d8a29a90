"""``optimised``: legal everywhere, never worse than its candidates, never below the optimum and most often equal to it."""

from __future__ import annotations

import numpy as np
import pytest

from placement_opt.base.errors import LimitError, ScheduleError
from placement_opt.base.limits import Limits
from placement_opt.bounds.result import Prices
from placement_opt.bounds.targets import find_targets
from placement_opt.instance.instance import Instance
from placement_opt.instance.rule import KEEPING, Residency
from placement_opt.play.replay import Replay
from placement_opt.play.schedule import Schedule
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler, optimised
from placement_opt.schedulers.candidates import Rounded
from placement_opt.schedulers.lp_rounded import LpRounded
from placement_opt.schedulers.optimised import Optimised, optimise
from tests.brute import LARGEST, num_transitions, optimum
from tests.schedulers.cases import any_instance, drift
from tests.small import chain, fetch_ahead, make_instance, make_trace, random_instance

PEERS = ("sa", "lp-rounded", "lru", "belady")


def moderate(seed: int, residency: Residency) -> Instance:
    """Three tiers, unequal sizes, births: large enough that no schedule is optimal by luck."""
    rng = np.random.default_rng(seed)
    return random_instance(rng, 3, residency, blocks=30, steps=25, max_size=3, deaths=seed % 2 == 0, given=seed == 1)


def peer(instance: Instance, name: str) -> float:
    """A peer's latency, infinite where it finds no room."""
    try:
        return simulate(instance, make_scheduler(name)).latency_s
    except ScheduleError:
        return float("inf")


@pytest.mark.parametrize("seed", range(18))
def test_no_peer_is_faster(seed: int) -> None:
    """All rules, one to four tiers, unequal sizes, shares, deaths, layers, given starts."""
    instance = any_instance(seed)
    latency = simulate(instance, Optimised()).latency_s
    assert latency <= min(peer(instance, name) for name in PEERS) * (1 + 1e-12)


@pytest.mark.parametrize(("seed", "residency"), list(enumerate(KEEPING)))
def test_no_peer_is_faster_on_more_blocks(seed: int, residency: Residency) -> None:
    """The same on thirty blocks, where every peer is beaten."""
    instance = moderate(seed, residency)
    latency = simulate(instance, Optimised(budget=2)).latency_s
    assert latency < min(peer(instance, name) for name in PEERS)


def test_often_the_optimum_and_never_below() -> None:
    """Against enumeration on tiny instances of all rules: never below, and equal in 29 of 30 cases."""
    equal = cases = 0
    for seed in range(60):
        instance = any_instance(seed)
        if num_transitions(instance) > min(LARGEST, 20_000):
            continue
        least = optimum(instance).seconds
        latency = simulate(instance, Optimised()).latency_s
        assert latency >= least * (1 - 1e-9)
        cases += 1
        equal += latency <= least * (1 + 1e-9)
    assert cases > 25
    assert equal >= 29 / 30 * cases


def test_fetches_ahead() -> None:
    """It brings blocks 10-19 in during the idle steps: the optimum of problem.md section 7."""
    assert simulate(fetch_ahead(), Optimised()).latency_s == pytest.approx(0.0499256, rel=1e-5)


def test_improvements_are_told() -> None:
    """``improved`` is called with ever faster legal schedules; the last of them is the answer."""
    instance = drift(weights=10, layers=2, prefill=20, tokens=8, read_share=0.4, drift=0.2)
    told: list[tuple[Schedule, float, str]] = []
    schedule, latency = optimise(instance, limits=Limits(), budget=1, improved=lambda *news: told.append(news))
    assert [one[1] for one in told] == sorted((one[1] for one in told), reverse=True)
    assert told[-1][:2] == (schedule, latency)
    assert {where for _, _, where in told} >= {"belady", "search"}
    for found, seconds, _ in told:
        assert simulate(instance, Replay(found)).latency_s == seconds


def test_never_worse_than_the_start() -> None:
    """A start is taken as it is where nothing else is allowed, and improved where time is left."""
    instance = drift(weights=10, layers=2, prefill=20, tokens=8, read_share=0.4, drift=0.2)
    best, least = optimise(instance, limits=Limits(), budget=1)
    again, latency = optimise(instance, limits=Limits(0.0), start=best)
    assert latency == least
    assert np.array_equal(again.block, best.block)
    slow = simulate(instance, make_scheduler("static"), record=True)
    assert optimise(instance, limits=Limits(), budget=1, start=slow.schedule)[1] < slow.latency_s


def test_enough_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is searched once a candidate takes no longer than asked for."""
    instance = drift(weights=10, layers=2, prefill=20, tokens=8, read_share=0.4, drift=0.2)
    wanted = peer(instance, "belady")
    monkeypatch.setattr(optimised, "paths_of", None)
    assert optimise(instance, limits=Limits(), enough=wanted)[1] == wanted


@pytest.mark.parametrize("residency", KEEPING)
def test_a_legal_schedule_without_any_time(residency: Residency) -> None:
    """Where the limits came first some legal schedule comes back all the same."""
    instance = moderate(0, residency)
    schedule, latency = optimise(instance, limits=Limits(0.0))
    assert simulate(instance, Replay(schedule)).latency_s == latency


def test_prices_and_targets_at_hand() -> None:
    """What a bound leaves behind may be handed over: the answer is no worse than what the targets round to."""
    instance = drift(weights=10, layers=2, prefill=20, tokens=8, read_share=0.4, drift=0.2)
    targets = find_targets(instance)
    rounded = simulate(instance, Rounded(targets)).latency_s
    assert rounded == simulate(instance, LpRounded()).latency_s
    prices = targets.bound.prices
    assert isinstance(prices, Prices)
    _, latency = optimise(instance, limits=Limits(), budget=1, targets=targets, prices=prices)
    assert latency <= rounded


def test_same_seed_same_schedule() -> None:
    """Twice the same moves; a deadline plays no part unless it is reached."""
    instance = moderate(2, "exclusive")
    one, two = (optimise(instance, limits=Limits(seconds), seed=5, budget=1)[0] for seconds in (None, 1000.0))
    assert np.array_equal(one.op, two.op)
    assert np.array_equal(one.block, two.block)


def test_too_large_to_be_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where paths would not fit, the best of the candidates is the answer."""
    instance = drift(weights=10, layers=2, prefill=20, tokens=8, read_share=0.4, drift=0.2)
    monkeypatch.setattr(optimised, "searchable", lambda _: False)
    assert optimise(instance, limits=Limits())[1] == min(peer(instance, name) for name in (*PEERS, "static"))


def test_an_illegal_start_is_said() -> None:
    """A start that breaks a rule is an error."""
    instance = drift(weights=10, layers=2, prefill=20, tokens=8, read_share=0.4, drift=0.2)
    run = simulate(instance, make_scheduler("lru"), record=True)
    assert run.schedule is not None
    broken = Schedule("broken", run.schedule.initial, run.schedule.indptr, run.schedule.op, run.schedule.block[::-1])
    with pytest.raises(ScheduleError):
        optimise(instance, limits=Limits(), start=broken)


def test_packs_where_all_others_fail() -> None:
    """Rooms of 7 and 5 hold sizes 4, 3, 3 and 2 in one way only, which no candidate finds."""
    trace = make_trace([[0], [1, 2], [0, 3]], [-1, -1, -1, 0], sizes=[4, 3, 3, 2])
    instance = make_instance(chain([7, 5], [9, 5], [4]), trace, "exclusive")
    assert simulate(instance, Optimised()).latency_s == pytest.approx(optimum(instance).seconds, rel=1e-9)


def test_no_packing_at_all() -> None:
    """Rooms of one and a half blocks twice hold two blocks, not three: said with step and block."""
    trace = make_trace([[0], [0]], [-1, -1, 0], sizes=[2, 2, 2])
    with pytest.raises(ScheduleError, match="step 0, block 2: no packing found for what is produced"):
        simulate(make_instance(chain([3, 3], [9, 5], [4]), trace, "exclusive"), Optimised())


def test_stopped_in_the_middle() -> None:
    """The simulator's own limit still holds after the plan is made."""
    with pytest.raises(LimitError):
        simulate(moderate(0, "free"), Optimised(), limits=Limits(0.0))
