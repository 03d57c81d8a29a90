"""Windows of an instance, and the scheduler that plans one after the other."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.bounds import lp
from placement_opt.instance.budgets import Budget
from placement_opt.instance.instance import Instance
from placement_opt.play.replay import Replay
from placement_opt.play.schedule import Schedule
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler, mpc
from placement_opt.schedulers.window import exists, window
from tests.schedulers.cases import any_instance, as_cache
from tests.schedulers.reference import replay
from tests.small import fetch_ahead, make_instance, make_trace, two_tier


def _fast(instance: Instance, spec: str) -> list[list[int]]:
    states = replay(instance, simulate(instance, make_scheduler(spec), record=True).schedule).states
    return [sorted(b for b, where in held.items() if 0 in where) for held in states]


def test_windows_make_the_whole() -> None:
    """A schedule cut into stretches takes what it takes, stretch by stretch, each beginning where the one before ended."""
    checked = 0
    for seed in range(40):
        instance = any_instance(seed)
        schedule = simulate(instance, make_scheduler("lru"), record=True).schedule
        states = replay(instance, schedule).states
        cuts = sorted({0, instance.num_steps // 3, 2 * instance.num_steps // 3, instance.num_steps})
        total = 0.0
        for first, last in pairwise(cuts):
            if not exists(instance, first, last).any():  # only what is loaded anyway
                each = np.maximum((instance.fixed / instance.memory.rates).max(axis=1), instance.floor)
                total += float(each[first:last].sum())
                continue
            resident = np.zeros((instance.num_tiers, instance.num_blocks), dtype=bool)
            for block, where in states[first].items():
                resident[list(where), block] = True
            part, ids = window(instance, first, last, resident)
            low, high = schedule.indptr[first], schedule.indptr[last]
            blocks = np.searchsorted(ids, schedule.block[low:high]).astype(np.int32)
            indptr = schedule.indptr[first : last + 1] - low
            total += simulate(part, Replay(Schedule("a part", part.initial, indptr, schedule.op[low:high], blocks))).latency_s
            checked += 1
        assert total == pytest.approx(simulate(instance, Replay(schedule)).latency_s, rel=1e-12), seed
    assert checked > 60


def test_fetching_ahead() -> None:
    """Problem statement, section 7: who sees 30 steps ahead fetches the second ten blocks while nothing is read."""
    instance = fetch_ahead()
    near, far, belady = (
        simulate(instance, make_scheduler(spec)).latency_s for spec in ("mpc:steps=1", "mpc:steps=30", "belady")
    )
    assert far < 0.8 * near
    assert far < 0.8 * belady


def test_what_a_move_costs_is_weighed() -> None:
    """Where weights keep the fast tier busy, reading block 1 over the link takes no time and storing it does: it stays out, and
    belady brings it in. Without weights it comes."""
    memory, trace = two_tier(hbm=1, rates=(30, 20, 20)), make_trace([[1]] * 4, [-1, -1])
    given = np.array([[1, 0], [1, 1]]) > 0
    busy = make_instance(memory, trace, fixed=[100, 0, 0, 0], initial=given)
    assert _fast(busy, "mpc:steps=3") == [[0]] * 5
    assert _fast(busy, "belady")[1] == [1]
    assert _fast(make_instance(memory, trace, initial=given), "mpc:steps=3")[1] == [1]


def test_legal_and_no_better_than_the_bound() -> None:
    """On small instances of all kinds; the same at every run, within its budget."""
    for seed in range(16):
        instance = as_cache(any_instance(seed), seed) if seed % 4 == 3 else any_instance(seed)
        scheduler = make_scheduler("mpc:steps=2")
        run = simulate(instance, scheduler)
        assert run.latency_s >= (lp.bound(instance).lower_bound_s or 0.0) * (1.0 - 1e-9), seed
        assert run.latency_s == simulate(instance, make_scheduler("mpc:steps=2")).latency_s
        assert scheduler.effort is not None
        assert 0 <= scheduler.effort.taken <= scheduler.effort.given


def test_plans_that_are_alike_do_not_take_turns() -> None:
    """Two layers read a block each, one has room: it stays with whichever it is, as changing it costs a read."""
    trace = make_trace([[0], [1]] * 6, [-1, -1], layers=2)
    states = _fast(make_instance(two_tier(hbm=1), trace), "mpc:steps=2")
    assert all(state == states[0] for state in states)


def test_what_is_declined(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of too many reads, and budgets, which are of a whole run."""
    instance = make_instance(two_tier(hbm=1), make_trace([[0]] * 4, [-1]))
    monkeypatch.setattr(mpc, "MOST_READS", 8)
    with pytest.raises(InputError) as caught:
        simulate(instance, make_scheduler("mpc:steps=2"))
    assert str(caught.value) == "mpc: found windows of 9 reads in all, expected at most 8 for this scheduler"
    assert simulate(instance, make_scheduler("mpc:steps=1")).latency_s > 0
    capped = replace(instance, budgets=(Budget("time", None, Fraction(10**9)),))
    with pytest.raises(InputError) as caught:
        simulate(capped, make_scheduler("mpc:steps=1"))
    assert str(caught.value) == "mpc: found budgets of a whole run, expected none for this scheduler"
