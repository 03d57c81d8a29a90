"""Inclusive schedules of free instances: legal there, and as fast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from placement_opt.base.limits import Limits
from placement_opt.instance.instance import Instance
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from placement_opt.schedulers.candidates import quick
from placement_opt.schedulers.home_kept import home_kept, inclusive_reading
from placement_opt.schedulers.optimised import optimise
from tests.small import chain, make_instance, make_trace, random_instance


@pytest.mark.parametrize("name", ["belady", "lru", "static", "sa:iterations=2", "lp-rounded"])
@pytest.mark.parametrize("seed", range(12))
def test_legal_and_as_fast_as_under_the_inclusive_rule(seed: int, name: str) -> None:
    """One to four tiers, unequal sizes, shares, births, deaths, given starts: the simulator takes every move, the time is the
    same."""
    rng = np.random.default_rng(seed)
    options = {"max_size": 1 + seed % 3, "shares": seed % 2 == 0, "deaths": seed % 3 == 0}
    instance = random_instance(rng, 1 + seed % 4, "free", blocks=6, steps=8, **options)
    if seed % 4 == 3:
        initial = np.zeros((instance.num_tiers, instance.num_blocks), dtype=bool)
        initial[instance.home, instance.first_state == 0] = True
        instance = replace(instance, initial=initial)
    reading = inclusive_reading(instance)
    kept = home_kept(instance, make_scheduler(name))
    assert reading is not None
    assert kept is not None
    assert kept.name == f"{name}, home kept"
    free = simulate(instance, kept, record=True)
    assert free.latency_s == pytest.approx(simulate(reading, make_scheduler(name)).latency_s, rel=1e-12)


def test_no_reading_where_home_cannot_hold_everything() -> None:
    """Other rules, too little room at home, and a given start that lies elsewhere have none, and no such candidates."""
    trace = make_trace([[0, 1], [0, 2]], [-1, -1, 0])
    roomy, tight = chain([2, 3], [9, 5], [4]), chain([2, 2], [9, 5], [4])
    assert inclusive_reading(make_instance(roomy, trace, "free")) is not None
    assert len(quick(make_instance(roomy, trace, "free"))) == 2 * len(quick(make_instance(tight, trace, "free")))
    for instance in (
        make_instance(tight, trace, "free"),
        make_instance(roomy, trace, "inclusive"),
        make_instance(roomy, trace, "exclusive"),
        make_instance(roomy, trace, "free", initial=np.array([[True, True, False], [False, True, False]])),
    ):
        assert inclusive_reading(instance) is None
        assert home_kept(instance, make_scheduler("belady")) is None


def test_long_lives_of_many_blocks_are_no_obstacle() -> None:
    """A schedule is read as one of the free instance by its moves: 3e8 pairs of a block and a state are none too many."""
    instance = make_instance(chain([2, 10**4], [9, 5], [4]), make_trace([[0]] * 75_000, [-1] * 4000), "free")
    assert inclusive_reading(instance) is not None


def test_the_search_of_a_free_instance_begins_with_them_too() -> None:
    """Where a schedule that keeps everything at home is the best of the quick ones, it is the first that is handed over."""

    def fastest(instance: Instance) -> str:
        times = {name: simulate(instance, scheduler).latency_s for name, scheduler in quick(instance)}
        return min(times, key=lambda name: times[name])

    instances = (random_instance(np.random.default_rng(seed), 3, "free", blocks=8, steps=12) for seed in range(40))
    instance = next(one for one in instances if fastest(one).endswith("home kept"))
    told: list[str] = []
    optimise(instance, limits=Limits(), budget=0, improved=lambda *news: told.append(news[2]))
    assert fastest(instance) in told
