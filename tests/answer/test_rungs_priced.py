"""The rungs that search at prices: from nothing where what is known is far off; from a schedule, block by block or bundle by
bundle where blocks have too many states."""

from __future__ import annotations

import pytest

from benchmarks.inputs import chain_instance
from placement_opt.answer.rungs import RUNGS
from placement_opt.answer.rungs_prices import offer_prices
from placement_opt.answer.standing import Standing
from placement_opt.answer.work import Work
from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS
from placement_opt.bounds.intervals import PriceIntervals
from placement_opt.bounds.sample import sampled_futures
from placement_opt.play.replay import Replay
from placement_opt.play.schedule import Schedule
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler, optimised
from placement_opt.schedulers.search import game, stays
from placement_opt.schedulers.search.priced import most_rows
from tests.small import chain, make_instance, make_trace

(PRICED,) = [rung for rung in RUNGS if rung.name == "priced"]
(ROUNDED,) = [rung for rung in RUNGS if rung.name == "rounded"]
(SEARCH,) = [rung for rung in RUNGS if rung.name == "optimised"]


def _work() -> Work:
    """Four classes of fifty blocks, of which a hundred and more are read again where room is for 128: what belady does of it,
    and prices."""
    groups = [list(range(50 * group, 50 * group + 50)) for group in range(4)]
    reads = [groups[0], [], groups[1], groups[2], [], groups[0] + groups[3], [], groups[1], groups[2], groups[3]]
    work = Work(make_instance(chain([128, 10**4], [90, 50], [4]), make_trace(reads, [-1] * 200), "free"), Standing(), 0.0)
    work.standing.raise_to(METHODS["intervals"](work.instance), "intervals")
    run = simulate(work.instance, make_scheduler("belady"), record=True)
    assert run.schedule is not None
    work.standing.lower_to(run.schedule, run.cost_s, "belady")
    return work


def test_blocks_of_too_many_states_are_priced_in_bundles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no path for every block fits, those of bundles do: what comes of it is better than belady's, a legal schedule of
    all blocks; and the search goes on from bundles that went their ways together."""
    work, searchable = _work(), game.searchable
    assert not PRICED.suits(work)  # so few are searched exactly
    monkeypatch.setattr(optimised, "PATHS", 0)
    monkeypatch.setattr(game, "searchable", lambda instance, most_states=0: most_states > 0 and searchable(instance))
    assert PRICED.suits(work)
    assert work.bundles is not None
    assert 4 < work.bundles.instance.num_blocks < 200
    assert PRICED.memory(work) == 8 * 32 * 9 + 4 * 11 * work.bundles.instance.num_blocks + 16 * 3 * most_rows(
        work.bundles.instance
    )
    before = work.standing.state.latency_s
    PRICED.climb(work, Limits())
    state = work.standing.state
    assert state.latency_s is not None
    assert before is not None
    assert state.latency_s < before
    assert state.schedule_from == "priced"
    assert isinstance(state.schedule, Schedule)
    assert work.bundles.gather(state.schedule) is not None
    assert simulate(work.instance, Replay(state.schedule)).latency_s == state.latency_s
    assert PRICED.climb(work, Limits()) in (True, False)
    assert work.standing.state.latency_s is not None
    assert work.standing.state.latency_s <= state.latency_s


def test_a_schedule_far_off_is_left_for_one_from_nothing() -> None:
    """Three tiers, each seven to ten times slower than the one before: belady takes five times what is proven, rounding at the
    rents of the bound a tenth more than that at most; without rents, and once the gap is small, it waits."""
    instance = chain_instance(tiers=3, layers=1, prefill=300, tokens=40)
    work = Work(instance, Standing(), 0.0)
    run = simulate(instance, make_scheduler("belady"), record=True)
    assert run.schedule is not None
    work.standing.lower_to(run.schedule, run.cost_s, "belady")
    assert ROUNDED.suits(work)
    assert not ROUNDED.ready(work)
    search = PriceIntervals(instance, sampled_futures(instance, work.classes))
    search.run(Limits(), levels=4)
    offer_prices(work, search.prices, "intervals", 0.0)
    assert ROUNDED.ready(work)
    assert run.cost_s > 5.0 * work.standing.state.lower_s
    assert ROUNDED.climb(work, Limits())
    state = work.standing.state
    assert state.schedule_from == "rounded"
    assert isinstance(state.schedule, Schedule)
    assert simulate(instance, Replay(state.schedule)).latency_s == state.latency_s
    assert state.within(0.1)
    assert not ROUNDED.ready(work)


def test_the_search_waits_for_the_first_prices_where_all_is_far_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounding begins nearer, which needs them; there is no waiting for a side that has nothing left, or where none rounds."""
    work = _work()
    far, near = work.standing.state, work.standing.state.lower_s * 1.05
    work.standing = Standing()
    work.standing.raise_to(METHODS["roofline"](work.instance), "roofline")
    assert SEARCH.ready(work)
    work.at_work = {"bound", "schedule"}
    assert not SEARCH.ready(work)
    with monkeypatch.context() as patch:
        patch.setattr(optimised, "PATHS", 0)
        assert not SEARCH.ready(work)
        patch.setattr(stays, "roundable", lambda _: False)
        assert SEARCH.ready(work)
    assert far.bound is not None
    work.standing.raise_to(far.bound, "intervals")
    assert SEARCH.ready(work)
    assert not ROUNDED.ready(work) or work.has_rents
    work.standing = Standing()
    work.standing.raise_to(far.bound, "step")
    work.standing.lower_to(None, near, "made up")
    assert SEARCH.ready(work)
