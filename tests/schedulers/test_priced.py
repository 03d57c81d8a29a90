"""The search at prices: paths through idle stretches at once, against walks over every state; legal schedules at the end."""

from __future__ import annotations

import numpy as np
import pytest

from placement_opt.base.limits import Limits
from placement_opt.instance.instance import Instance
from placement_opt.instance.law import tier_sets
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from placement_opt.schedulers.search import priced
from placement_opt.schedulers.search import priced_kernels as kernels
from placement_opt.schedulers.search.best_path_kernels import best_path
from placement_opt.schedulers.search.game import limited_tiers, make_game
from placement_opt.schedulers.search.game_kernels import Game, place, place_all, smooth
from placement_opt.schedulers.search.paths import Paths, paths_of
from placement_opt.schedulers.search.paths_kernels import SET
from placement_opt.schedulers.search.priced import make_table, most_rows, priceable, priced_paths
from tests.schedulers.cases import any_instance, as_cache, timed
from tests.small import chain, make_instance, make_trace

NONE_LEFT_OUT = np.zeros(8, dtype=bool)


def cases(seed: int) -> Instance:
    """Of all rules, every other one a cache."""
    instance = any_instance(seed)
    return as_cache(instance, seed) if seed % 2 else instance


def begun(instance: Instance, rent: np.ndarray) -> tuple[Game, Paths]:
    """A game with the paths of lru, room for everybody, and rents; no block is better copied than stored in passing."""
    run = simulate(instance, make_scheduler("lru"), record=True)
    assert run.schedule is not None
    paths = paths_of(instance, run.schedule)
    game = make_game(instance, None, 1)
    game = game._replace(either=np.zeros_like(game.either), rent=rent)
    game.path[:] = paths.number & SET
    game.room[:] = 10**12
    smooth(game)
    place_all(game)
    return game, paths


SEEDS = [seed for seed in range(40) if priceable(cases(seed)) and len(set(cases(seed).size.tolist())) == 1]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_path_is_the_best_that_a_walk_over_every_state_finds(seed: int) -> None:
    """With blocks of one size, whose copies are timed exactly: the same cost, and what the path that is left behind costs."""
    instance, rng = cases(seed), np.random.default_rng(seed)
    limited = limited_tiers(instance)
    rent = rng.random((instance.num_steps + 1, len(limited))) * rng.choice([0.0, 0.02, 0.3], (instance.num_steps + 1, 1))
    game, _ = begun(instance, rent)
    width = 0.3 if seed % 3 == 0 else 0.0
    game.width[:] = width
    smooth(game)
    table = make_table(instance, np.arange(len(tier_sets(instance))))
    table.hold[:] = rent @ game.member.T.astype(float)
    kernels.grow(game, table)
    for block in range(instance.num_blocks):
        kernels._adapt(game, table, kernels.put(game, table, block, -1))
        kernels.count_room(game, table)
        expected = best_path(game, block, 1.0, -1.0)
        found = kernels.choose(game, table, block)
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)
        path = game.path.copy()
        cost = place(game, block, 1, 1.0)
        assert cost == pytest.approx(found, rel=1e-9, abs=1e-9)
        place(game, block, -1, 1.0)
        np.testing.assert_array_equal(path, game.path)
        kernels._adapt(game, table, kernels.put(game, table, block, 1))
        kernels.count_room(game, table)


@pytest.mark.parametrize("seed", [seed for seed in range(40) if priceable(cases(seed))][:20])
def test_blocks_load_and_hold_what_their_paths_say(seed: int) -> None:
    """Removing and adding in stretches is what doing so state by state is."""
    instance = cases(seed)
    game, _ = begun(instance, np.zeros((instance.num_steps + 1, len(limited_tiers(instance)))))
    table = make_table(instance, np.arange(len(tier_sets(instance))))
    value, room = game.value.copy(), game.room.copy()
    for block in range(instance.num_blocks):
        place(game, block, -1, 0.0)
        kernels.put(game, table, block, 1)
    kernels.count_room(game, table)
    np.testing.assert_allclose(game.value, value, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(game.room, room)


@pytest.mark.parametrize("seed", [seed for seed in range(40) if priceable(cases(seed))][:12])
def test_what_comes_back_is_legal(seed: int) -> None:
    """Where room is found for the paths, the simulator plays them; the same seed gives the same."""
    instance = cases(seed)
    run = simulate(instance, make_scheduler("lru"), record=True)
    assert run.schedule is not None
    rent = np.full((instance.num_steps + 1, instance.num_tiers), 1e-3)
    paths = paths_of(instance, run.schedule)
    left_out = NONE_LEFT_OUT[: instance.num_tiers]
    found = [priced_paths(instance, paths, rent, left_out, seed=1, limits=Limits(), sweeps=3) for _ in range(2)]
    if found[0] is not None and found[1] is not None:
        assert timed(instance, found[0]) > 0.0
        np.testing.assert_array_equal(found[0].number, found[1].number)
    else:
        assert found == [None, None]


def found_with(instance: Instance, seed: int) -> float:
    """What the search takes from nothing but lru's paths, at small rents; infinite where it finds no room."""
    run = simulate(instance, make_scheduler("lru"), record=True)
    assert run.schedule is not None
    rent = np.full((instance.num_steps + 1, instance.num_tiers), 1e-3)
    paths, none = paths_of(instance, run.schedule), NONE_LEFT_OUT[: instance.num_tiers]
    found = priced_paths(instance, paths, rent, none, seed=seed, limits=Limits(), sweeps=3)
    return np.inf if found is None else timed(instance, found)


def test_room_that_prices_left_empty_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweeps over every state never make it slower, and often faster; without any work for them nothing changes."""
    instances = [(seed, cases(seed)) for seed in range(40) if priceable(cases(seed))][:20]
    filled = np.array([found_with(instance, seed) for seed, instance in instances])
    monkeypatch.setattr(priced, "_FILLED", 0)
    without = np.array([found_with(instance, seed) for seed, instance in instances])
    monkeypatch.setattr(priced, "_FILLING", ())
    np.testing.assert_array_equal(without, [found_with(instance, seed) for seed, instance in instances])
    some = np.isfinite(without)
    assert (filled[some] <= without[some] * (1.0 + 1e-12)).all()
    assert (filled[some] < without[some] * (1.0 - 1e-9)).sum() >= 5


@pytest.mark.parametrize("seed", range(20))
def test_rows_are_enough_for_any_path(seed: int) -> None:
    """As many as a block's reads and the nodes between them, counted one by one; a block that all steps read has few a read."""
    rng = np.random.default_rng(seed)
    steps = int(rng.integers(1, 70))
    reads = [np.flatnonzero(rng.random(6) < rng.random()).tolist() for _ in range(steps)]
    instance = make_instance(chain([2, 9], [9, 5], [4]), make_trace(reads, [-1] * 6))
    leaves, nodes = 1 << max(1, (steps - 1).bit_length()), np.zeros(128, dtype=np.int64)
    most = 0
    for block in range(6):
        ends = [*[step for step, row in enumerate(reads) if block in row], steps]
        begins = [0, *[step + 1 for step in ends[:-1]]]
        stretches = sum(kernels.cover(low, high, leaves, nodes) for low, high in zip(begins, ends, strict=True))
        most = max(most, len(ends) - 1 + stretches)
    assert most <= most_rows(instance) <= 6 * max(2, steps)
