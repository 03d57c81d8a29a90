"""Recorded moves played in one loop: what the ledger makes of them step by step, and its words where they break a rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from placement_opt.base.errors import Interrupted, ScheduleError
from placement_opt.base.limits import Limits
from placement_opt.instance.instance import Instance
from placement_opt.play import at_once, replay_kernels
from placement_opt.play import simulate as simulating
from placement_opt.play.replay import Replay
from placement_opt.play.schedule import Schedule
from placement_opt.play.simulate import Run, simulate
from placement_opt.schedulers import make_scheduler
from tests.play.wanderer import Wanderer
from tests.schedulers.cases import any_instance, as_cache
from tests.worlds import any_operations

_SEEDS = range(80)


@pytest.fixture(autouse=True)
def _loops(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few reads there are."""
    monkeypatch.setattr(at_once, "loops_for", lambda _: replay_kernels)


def _asked(seed: int) -> Instance:
    """Every rule in turn; kinds of blocks that load by the block, too."""
    return (
        as_cache(any_instance(seed), seed) if seed % 4 == 0 else any_operations(seed) if seed % 4 == 1 else any_instance(seed)
    )


def _recorded(instance: Instance, seed: int) -> Schedule:
    schedule = simulate(instance, Wanderer(instance, seed), record=True).schedule
    assert schedule is not None
    return schedule


def _shown(run: Run) -> list[list[int]]:
    return [run.moved.tolist(), run.held.tolist(), run.served.tolist(), run.base.tolist(), run.step_s.tolist()]


def _slowly(monkeypatch: pytest.MonkeyPatch, instance: Instance, schedule: Schedule) -> Run:
    with monkeypatch.context() as context:
        context.setattr(simulating, "played_at_once", lambda *_: False)
        return simulate(instance, Replay(schedule))


def _quickly(instance: Instance, schedule: Schedule) -> Run:
    return simulate(instance, Replay(schedule))


def _ended(play: Callable[[], Run]) -> list[list[int]] | str:
    """What a run shows, or why it was refused."""
    try:
        return _shown(play())
    except ScheduleError as error:
        return str(error)


def test_the_same_as_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under all rules, with births and ends, shares, kinds and given starts: moves, masks, loads and times to the last bit."""
    rules = set[str]()
    for seed in _SEEDS:
        instance = _asked(seed)
        schedule = _recorded(instance, seed)
        fast = []
        with monkeypatch.context() as context:
            kept = simulating.played_at_once
            context.setattr(simulating, "played_at_once", lambda *given: fast.append(kept(*given)) or fast[-1])  # noqa: B023
            quick = simulate(instance, Replay(schedule))
        assert fast == [not instance.strict]
        assert _shown(quick) == _shown(_slowly(monkeypatch, instance, schedule))
        rules.add(instance.residency)
    assert rules >= {"inclusive", "exclusive", "free", "cache"}


def _broken(instance: Instance, schedule: Schedule, rng: np.random.Generator) -> Schedule:
    """The same with one of its moves changed, doubled or left out, or one more."""
    tiers, count = instance.num_tiers, schedule.num_moves
    at, how = int(rng.integers(max(1, count))), int(rng.integers(4)) if count else 3
    op, block, indptr = schedule.op.copy(), schedule.block.copy(), schedule.indptr.copy()
    if how == 0:
        op[at] = rng.integers(2 * tiers + tiers * tiers)
    elif how == 1:
        block[at] = rng.integers(-1, instance.num_blocks + 1)
    elif how == 2:
        op, block = np.delete(op, at), np.delete(block, at)
        indptr[indptr > at] -= 1
    else:
        step = int(rng.integers(instance.num_steps))
        at = int(indptr[step])
        op = np.insert(op, at, rng.integers(2 * tiers + tiers * tiers))
        block = np.insert(block, at, rng.integers(instance.num_blocks))
        indptr[step + 1 :] += 1
    return replace(schedule, op=op, block=block, indptr=indptr)


def test_what_breaks_a_rule_is_refused_in_the_words_of_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of schedules that were tampered with: the same run if all is still legal, and the same error if not."""
    refused, legal, slowly = 0, 0, partial(_slowly, monkeypatch)
    for seed in _SEEDS:
        instance, rng = _asked(seed), np.random.default_rng(seed)
        schedule = _recorded(instance, seed)
        for _ in range(4):
            changed = _broken(instance, schedule, rng)
            slow, quick = (_ended(lambda: play(instance, changed)) for play in (slowly, _quickly))  # noqa: B023
            assert slow == quick
            refused, legal = refused + isinstance(slow, str), legal + isinstance(slow, list)
    assert refused > 150
    assert legal > 50


def test_a_start_that_breaks_a_rule_and_too_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = any_instance(1)
    schedule = _recorded(instance, 1)
    short = replace(schedule, indptr=schedule.indptr[:-1])
    with pytest.raises(ScheduleError, match="the schedule has moves for"):
        simulate(instance, Replay(short))
    assert _shown(simulate(instance, Replay(schedule))) == _shown(_slowly(monkeypatch, instance, schedule))


def test_somebody_stops_it() -> None:
    instance = any_instance(2)
    schedule = simulate(instance, make_scheduler("belady"), record=True).schedule
    assert schedule is not None
    limits = Limits()
    limits.interrupt()
    with pytest.raises(Interrupted, match="was stopped after 0 of"):
        simulate(instance, Replay(schedule), limits=limits)
