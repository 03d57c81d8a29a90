"""Bytes in each tier over the states of a schedule, beside the ledger's own residency."""

from __future__ import annotations

import numpy as np
import pytest

import placement_opt as po
from placement_opt.instance.instance import Instance
from placement_opt.instance.rule import Residency
from placement_opt.play.ledger import Ledger
from placement_opt.play.occupancy import occupancy
from placement_opt.play.schedule import Schedule
from placement_opt.play.simulate import Steps
from tests.small import make_instance, make_trace, random_instance, two_tier


def slowly(instance: Instance, schedule: Schedule) -> list[list[int]]:
    """By applying the moves one step after the other."""
    ledger, steps = Ledger(instance), Steps(instance)
    ledger.place(schedule.initial)
    found = [(ledger.resident @ instance.size).tolist()]
    for step in range(instance.num_steps):
        ledger.begin(step, *steps.at(step))
        ledger.apply(schedule.moves(step))
        found.append((ledger.resident @ instance.size).tolist())
    return found


@pytest.mark.parametrize("residency", ["inclusive", "exclusive", "free"])
def test_occupancy_is_that_of_the_ledger(residency: Residency) -> None:
    """On random instances with births, deaths, unequal sizes and given starts, for policies that move a lot or little."""
    seen = 0
    for seed in range(8):
        options = {"blocks": 6, "steps": 7, "max_size": 3, "deaths": seed % 4 > 0, "given": seed % 3 == 0}
        instance = random_instance(np.random.default_rng(seed), 2 + seed % 2, residency, **options)
        for name in ("lru", "static", "belady"):
            run = po.simulate(instance, po.make_scheduler(name), record=True)
            assert run.schedule is not None
            assert occupancy(instance, run.schedule).tolist() == slowly(instance, run.schedule)
            seen += run.schedule.num_moves
    assert seen > 50


def test_a_block_that_is_freed_leaves_all_tiers() -> None:
    """Block 0 lies in both tiers and is gone when step 1 begins; block 1 is born at step 0 and stored to both."""
    trace = make_trace([[0], [1]], [-1, 0], deaths=[0, 2], sizes=[5, 7])
    start = np.array([[True, False], [True, False]])
    instance = make_instance(two_tier(hbm=9), trace, initial=start)
    run = po.simulate(instance, po.make_scheduler("static"), record=True)
    assert run.schedule is not None
    assert occupancy(instance, run.schedule).tolist() == [[5, 5], [7, 7], [7, 7]]
