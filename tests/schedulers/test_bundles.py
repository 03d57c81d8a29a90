"""Bundles of blocks that are read alike: fewer blocks, the same loads, and schedules that mean the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from placement_opt.base.limits import Limits
from placement_opt.instance.instance import Instance
from placement_opt.instance.rule import KEEPING, Residency
from placement_opt.play.replay import Replay
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler, optimised
from placement_opt.schedulers.optimised import optimise
from placement_opt.schedulers.search.bundles import bundle
from placement_opt.schedulers.search.paths import num_states
from tests.schedulers.cases import any_instance
from tests.small import make_instance, random_instance


def copied(instance: Instance, times: int) -> Instance:
    """Every block as so many equal ones beside each other, capacities to match."""
    trace = instance.trace
    blocks = trace.blocks.repeat(times) * times + np.tile(np.arange(times, dtype=np.int32), trace.num_reads)
    many = replace(
        trace,
        indptr=trace.indptr * times,
        blocks=blocks.astype(np.int32),
        birth=trace.birth.repeat(times),
        death=trace.death.repeat(times),
        size=trace.sizes.repeat(times),
        shares=None if trace.shares is None else trace.shares.repeat(times),
        block_layer=None if trace.block_layer is None else trace.block_layer.repeat(times),
    )
    tiers = tuple(replace(tier, capacity=tier.capacity * times) for tier in instance.memory.tiers)
    initial = None if instance.initial is None else instance.initial.repeat(times, axis=1)
    memory = replace(instance.memory, tiers=tiers)
    return make_instance(memory, many, instance.residency, fixed=instance.fixed * times, initial=initial)


@pytest.mark.parametrize("seed", range(40))
def test_a_schedule_of_bundles_is_one_of_blocks(seed: int) -> None:
    """All rules, shares, deaths, given starts: spread over the blocks it is legal and takes exactly as long."""
    instance = copied(any_instance(seed), 300)
    bundles = bundle(instance, num_states(instance) // 2)
    assert bundles is not None
    assert num_states(bundles.instance) <= num_states(instance) // 2
    assert int(bundles.instance.size.sum()) == int(instance.size.sum())
    assert sorted(bundles.members.tolist()) == list(range(instance.num_blocks))
    run = simulate(bundles.instance, make_scheduler("lru"), record=True)
    assert run.schedule is not None
    spread = simulate(instance, Replay(bundles.spread(run.schedule)))
    assert spread.latency_s == run.latency_s
    assert np.array_equal(spread.moved, run.moved)
    again = bundles.gather(bundles.spread(run.schedule))
    assert again is not None
    assert np.array_equal(again.block, run.schedule.block)
    assert np.array_equal(again.indptr, run.schedule.indptr)


def test_blocks_that_part_are_no_bundle() -> None:
    """A schedule that moves one block of a bundle without the others is not one of bundles."""
    instance = copied(any_instance(1), 300)
    bundles = bundle(instance, num_states(instance) // 2)
    assert bundles is not None
    run = simulate(bundles.instance, make_scheduler("lru"), record=True)
    assert run.schedule is not None
    whole = bundles.spread(run.schedule)
    assert len(whole.block) > len(run.schedule.block)
    last = int(np.flatnonzero(whole.indptr < len(whole.block))[-1]) + 1
    indptr = whole.indptr.copy()
    indptr[last:] -= 1
    assert bundles.gather(replace(whole, indptr=indptr, op=whole.op[:-1], block=whole.block[:-1])) is None


def test_nothing_to_bundle() -> None:
    """Blocks that no other is like, or as many pairs as there are already: no bundles."""
    rng = np.random.default_rng(0)
    different = random_instance(rng, blocks=12, steps=12, max_size=9)
    assert bundle(different, num_states(different) // 2) is None
    alike = copied(different, 4)
    assert bundle(alike, num_states(alike)) is None


@pytest.mark.parametrize("residency", KEEPING)
def test_optimised_on_bundles(residency: Residency, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where paths would be too many bundles are searched, and the schedule of all blocks that comes of it beats its peers."""
    rng = np.random.default_rng(5)
    instance = copied(random_instance(rng, 3, residency, blocks=12, steps=10), 100)
    monkeypatch.setattr(optimised, "PATHS", num_states(instance) - 1)
    monkeypatch.setattr(optimised, "_BUNDLED", (num_states(instance) // 10,))
    told: list[float] = []
    schedule, latency = optimise(instance, limits=Limits(), budget=1, improved=lambda *news: told.append(news[1]))
    assert simulate(instance, Replay(schedule)).latency_s == latency == told[-1]
    assert latency < min(simulate(instance, make_scheduler(name)).latency_s for name in ("lru", "belady"))
    again, same = optimise(instance, limits=Limits(0.0), start=schedule)
    assert (again, same) == (schedule, latency)
    assert optimise(instance, limits=Limits(), start=schedule, seed=2, budget=1)[1] <= latency
