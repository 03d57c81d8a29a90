"""The local search: best paths against all paths, smoothing and fines against their definitions, and never a step back."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from placement_opt.base.errors import ScheduleError
from placement_opt.base.limits import Limits
from placement_opt.instance.instance import Instance
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from placement_opt.schedulers.search import game as search_game
from placement_opt.schedulers.search.best_path_kernels import best_path
from placement_opt.schedulers.search.game import searchable
from placement_opt.schedulers.search.game_kernels import place
from placement_opt.schedulers.search.paths import Paths, paths_of
from placement_opt.schedulers.search.search import Search
from placement_opt.schedulers.search.smooth_kernels import fined, smoothed, smoothed_once
from tests.schedulers.cases import any_instance, drift, timed

_ALL = {"rounds": 3, "patience": 3, "budget": 10**7, "enough": 0.0}


def drifting() -> Instance:
    """Two layers of blocks of which a third fit into the fast tier, and that matter more than the weights."""
    return drift(weights=10, layers=2, prefill=20, tokens=8, read_share=0.4, drift=0.2)


def begun(instance: Instance, name: str = "lru", seed: int = 1) -> tuple[Search, Paths, float]:
    """A search that starts from what a scheduler does, its paths, and its latency."""
    run = simulate(instance, make_scheduler(name), record=True)
    assert run.schedule is not None
    paths = paths_of(instance, run.schedule)
    search = Search(instance, None, seed)
    search.begin(paths)
    return search, paths, run.latency_s


def slow_best(instance: Instance, paths: Paths, block: int) -> float:
    """The least latency over all paths of one block, the others' given: every one played by the simulator."""
    low, high = paths.start[block : block + 2]
    best = np.inf
    for numbers in itertools.product(range(len(paths.sets)), repeat=int(high - low)):
        if instance.initial is not None and instance.first_state[block] == 0 and numbers[0] != paths.number[low]:
            continue
        tried = paths.number.copy()
        tried[low:high] = numbers
        try:
            best = min(best, timed(instance, Paths(paths.sets, paths.start, tried)))
        except ScheduleError:
            continue
    return best


@pytest.mark.parametrize("seed", range(30))
def test_best_path_is_the_best_of_all(seed: int) -> None:
    """All rules and tiers, shares, deaths, births, given starts: the shortest path is what trying every path finds."""
    instance = any_instance(seed)
    search, paths, _ = begun(instance)
    lengths, sets = np.diff(paths.start), len(paths.sets)
    few = [b for b in range(instance.num_blocks) if sets ** lengths[b] <= 300]
    for block in few[seed % 2 :][:1] or few[:1]:
        game = search._game
        place(game, block, -1, 0.0)
        best_path(game, block, 0.0, -1.0)
        place(game, block, 1, 0.0)
        found = Paths(paths.sets, paths.start, game.path.copy())
        assert timed(instance, found) == pytest.approx(slow_best(instance, paths, block), rel=1e-12)
        search.begin(paths)


@pytest.mark.parametrize("seed", range(20))
def test_never_worse_and_timed_as_the_simulator_does(seed: int) -> None:
    """A search ends with legal paths, no slower than its start, whose latency is the simulator's."""
    instance = any_instance(seed)
    search, _, before = begun(instance, ("lru", "static")[seed % 2])
    assert search.best == pytest.approx(before, rel=1e-12)
    after = search.run(**_ALL, limits=Limits())
    assert after <= before * (1 + 1e-12)
    assert timed(instance, search.paths()) == pytest.approx(after, rel=1e-12)


def test_rents_only_guide() -> None:
    """With rents for room the search ends no slower than its start either, though it may go another way."""
    instance = drifting()
    run = simulate(instance, make_scheduler("lru"), record=True)
    assert run.schedule is not None
    rent = np.zeros((instance.num_steps + 1, 2))
    rent[:, 0] = np.linspace(0.0, 1e-3, instance.num_steps + 1)
    search = Search(instance, rent, 1)
    search.begin(paths_of(instance, run.schedule))
    after = search.run(**_ALL, limits=Limits())
    assert after < run.latency_s
    assert timed(instance, search.paths()) == pytest.approx(after, rel=1e-12)


def test_same_seed_same_paths() -> None:
    """The seed decides, not the clock."""
    instance = drifting()
    found = []
    for seed in (1, 1, 2):
        search, _, _ = begun(instance, seed=seed)
        search.run(**_ALL, limits=Limits())
        found.append(search.paths().number)
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_ends_at_once_where_it_should() -> None:
    """No budget, no time, or enough: the start comes back as it was."""
    instance = drifting()
    for changed, limits in (({"budget": 0}, Limits()), ({}, Limits(0.0)), ({"enough": 1e9}, Limits())):
        search, paths, before = begun(instance)
        assert search.run(**(_ALL | changed), limits=limits) == pytest.approx(before, rel=1e-12)
        assert np.array_equal(search.paths().number, paths.number)


def test_work_ends_with_the_budget() -> None:
    """The search stops soon after its budget of visited (block, state) pairs is spent."""
    instance = drifting()
    search, _, _ = begun(instance)
    search.run(**(_ALL | {"budget": 20_000}), limits=Limits())
    assert 20_000 <= search.work <= 25_000


def test_says_when_it_is_better() -> None:
    """``improved`` is called once for each improvement, with the better paths in place."""
    instance = drifting()
    search, _, before = begun(instance)
    seen: list[float] = []
    search.run(**_ALL, limits=Limits(), improved=lambda: seen.append(timed(instance, search.paths())))
    assert seen
    assert seen == sorted(seen, reverse=True)
    assert seen[0] < before
    assert seen[-1] == pytest.approx(search.best, rel=1e-12)


def slow_smoothed(floor: float, width: float, values: np.ndarray) -> float:
    """max over p in the simplex of p @ x - width / 2 (p @ p - 1), the level found by bisection."""
    x = np.append(values, floor)
    low, high = x.max() - width - 1.0, x.max()
    for _ in range(200):
        level = (low + high) / 2
        low, high = (level, high) if np.maximum(x - level, 0.0).sum() > width else (low, level)
    p = np.maximum(x - low, 0.0) / width
    return float(p @ x - width / 2 * (p @ p - 1.0))


@pytest.mark.parametrize("seed", range(20))
def test_smoothed_maximum(seed: int) -> None:
    """The smoothed time is its definition's, never below the largest value, never half a width above it; sharp at width 0."""
    rng = np.random.default_rng(seed)
    values, floor = rng.random((1, int(rng.integers(1, 7)))), float(rng.random())
    top = max(floor, float(values.max()))
    assert smoothed(floor, 0.0, values, 0) == smoothed_once(floor, 0.0, values.copy(), 0) == top
    for width in (0.01, 0.3, 3.0):
        found = smoothed(floor, width, values, 0)
        assert found == pytest.approx(slow_smoothed(floor, width, values[0]), rel=1e-9)
        assert top <= found <= top + width / 2
        assert found == smoothed_once(floor, width, values.copy(), 0)


def test_fines_are_smooth_and_rise() -> None:
    """No fine above the blur, the full fine a byte below it, and no jump or kink in between."""
    at = np.linspace(-8.0, 8.0, 1601)
    fines = np.array([fined(2.0, 5.0, room) for room in at])
    assert fined(2.0, 5.0, 5.0) == 0.0
    assert fined(2.0, 5.0, -6.0) == pytest.approx(12.0)
    slopes = np.diff(fines) / np.diff(at)
    assert (slopes <= 1e-12).all()
    assert np.abs(np.diff(slopes)).max() < 0.01


def test_what_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few enough states and price vectors."""
    instance = drifting()
    assert searchable(instance)
    for name in ("MOST_STATES", "MOST_VECTORS", "MOST_SETS"):
        with monkeypatch.context() as patched:
            patched.setattr(search_game, name, 1)
            assert not searchable(instance)
