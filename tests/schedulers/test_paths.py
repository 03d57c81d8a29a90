"""A schedule as paths of blocks and back: the same residency at every state, with moves that cost no more."""

from __future__ import annotations

import numpy as np
import pytest

from placement_opt.instance.instance import Instance
from placement_opt.play.protocol import Moves, View
from placement_opt.play.replay import Replay
from placement_opt.play.schedule import Schedule
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from placement_opt.schedulers.search.paths import Paths, first_places, num_states, paths_of, schedule_of
from tests.schedulers.cases import any_instance


class _Watched(Replay):
    """Plays a schedule and notes the residency that it is shown at every state."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__(schedule)
        object.__setattr__(self, "seen", [])

    def step(self, view: View) -> Moves:
        self.seen.append(view.resident.copy())  # type: ignore[attr-defined]
        return super().step(view)


def slow_paths(instance: Instance, schedule: Schedule) -> list[list[int]]:
    """The tier set (a mask) of every block at each of its states but T, as the simulator shows them."""
    watched = _Watched(schedule)
    simulate(instance, watched)
    weights = 1 << np.arange(instance.num_tiers)
    held = [weights @ row for row in watched.seen]  # type: ignore[attr-defined]
    first, last = instance.first_state, np.minimum(instance.last_state, instance.num_steps - 1)
    return [[int(held[t][b]) for t in range(first[b], last[b] + 1)] for b in range(instance.num_blocks)]


def masks(instance: Instance, paths: Paths) -> list[list[int]]:
    """The same, from paths."""
    until = np.minimum(instance.last_state, instance.num_steps - 1) + 1 - instance.first_state
    parts = [paths.number[low : low + n] for low, n in zip(paths.start[:-1], until, strict=True)]
    return [paths.sets[part].tolist() for part in parts]


@pytest.mark.parametrize("name", ["lru", "belady"])
@pytest.mark.parametrize("seed", range(30))
def test_paths_are_what_the_simulator_shows(seed: int, name: str) -> None:
    """All rules and numbers of tiers: paths hold each block where the played schedule does, and lead back to the same paths."""
    instance = any_instance(seed)
    run = simulate(instance, make_scheduler(name), record=True)
    assert run.schedule is not None
    paths = paths_of(instance, run.schedule)
    assert masks(instance, paths) == slow_paths(instance, run.schedule)
    back = schedule_of(instance, paths, "back")
    assert simulate(instance, Replay(back)).latency_s <= run.latency_s * (1 + 1e-12)
    assert np.array_equal(paths_of(instance, back).number, paths.number)


def test_places_of_states() -> None:
    """Every block has a state for each from its first to its last."""
    instance = any_instance(3)
    start = first_places(instance)
    assert start[0] == 0
    assert start[-1] == num_states(instance)
    assert np.array_equal(np.diff(start), instance.last_state - instance.first_state + 1)
