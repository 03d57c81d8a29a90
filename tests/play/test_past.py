"""The clock of a run that goes on: what its steps took so far, as the run says of them in the end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from placement_opt.instance.instance import Instance
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from tests.schedulers.cases import any_instance, as_cache
from tests.worlds import any_operations


class Looking:
    """A scheduler that looks at the clock at some steps, and does what another one does."""

    name, online, source = "looking", True, "tests"

    def __init__(self, steps: set[int]) -> None:
        self.steps, self.seen, self.views, self.other = steps, {}, [], make_scheduler("lru:scope=global")
        self.seen: dict[int, float]

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        return self.other.start(setting, first_reads)

    def step(self, view: View) -> Moves:
        if view.step in self.steps:
            assert view.elapsed_s is not None
            self.seen[view.step] = view.elapsed_s
        self.views.append(view)
        return self.other.step(view)


def instances() -> list[Instance]:
    """Small ones of all rules, some with shares, other operations, or nothing to read."""
    found = [any_instance(seed) for seed in range(24)]
    return [*found, *(as_cache(one, seed) for seed, one in enumerate(found[:6])), *map(any_operations, range(6))]


def test_the_clock_is_that_of_the_run() -> None:
    """At every step, and at every third: sums of what the run says in the end; a view that was kept says what it said."""
    for instance in instances():
        for every in (1, 3):
            looking = Looking(set(range(0, instance.num_steps, every)))
            run = simulate(instance, looking)
            for step, seconds in looking.seen.items():
                assert seconds == pytest.approx(float(np.sum(run.step_s[:step])), rel=1e-12, abs=0.0)
                assert looking.views[step].elapsed_s == seconds
            assert looking.seen[0] == 0.0
