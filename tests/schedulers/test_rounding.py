"""Rounding at prices: legal, no better than the optimum, the same for the same seed, and a slow twin of the best path."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from benchmarks.cases.four_tiers import four_tiers
from benchmarks.inputs import chain_instance
from placement_opt.base.limits import Limits
from placement_opt.bounds.dual.evaluate import evaluate
from placement_opt.bounds.result import Prices
from placement_opt.bounds.roofline import bound as roofline
from placement_opt.instance.instance import Instance
from placement_opt.play.replay import Replay
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from placement_opt.schedulers.search import rounding
from placement_opt.schedulers.search.game import searchable
from placement_opt.schedulers.search.game_kernels import AMOUNT, BEGIN, FIRST, LAST, SIZE
from placement_opt.schedulers.search.paths import schedule_of
from placement_opt.schedulers.search.paths_kernels import SET
from placement_opt.schedulers.search.rounding import Rounding, rounded_paths
from tests.worlds import any_instance, any_operations, drifting


def _prices(instance: Instance, seed: int) -> Prices:
    rng = np.random.default_rng(seed)
    rho = rng.dirichlet(np.ones(instance.num_resources), instance.num_steps) / instance.memory.rates
    return Prices(rho, rng.exponential(1e-3, (instance.num_steps + 1, instance.num_tiers)))


def _world(seed: int) -> Instance:
    return any_operations(seed) if seed % 2 else any_instance(seed)


@pytest.mark.parametrize("seed", range(60))
def test_legal_and_no_better_than_a_bound(seed: int) -> None:
    instance = _world(seed)
    if not instance.timed or not searchable(instance):
        pytest.skip("rounding is for instances that the search is for")
    prices = _prices(instance, seed)
    paths = rounded_paths(instance, prices, seed=seed)
    if paths is None:  # it may find no room where there is some
        assert instance.residency != "cache"
        return
    run = simulate(instance, Replay(schedule_of(instance, paths, "rounded")))
    assert run.latency_s >= evaluate(instance, prices).value_s * (1.0 - 1e-9)
    again = rounded_paths(instance, prices, seed=seed)
    assert again is not None
    assert (again.number == paths.number).all()


def test_close_to_the_optimum_of_a_drifting_trace() -> None:
    """Nearer than belady, on few and coarse blocks."""
    from placement_opt.bounds.compact import bound

    instance = drifting(2, 60, prefill=150)
    found = bound(instance)
    assert found.prices is not None
    assert found.lower_bound_s is not None
    paths = rounded_paths(instance, found.prices, seed=1)
    assert paths is not None
    run = simulate(instance, Replay(schedule_of(instance, paths, "rounded")))
    belady = simulate(instance, make_scheduler("belady")).latency_s
    assert found.lower_bound_s <= run.latency_s <= 1.15 * found.lower_bound_s
    assert run.latency_s < 1.15 * belady


def test_room_has_a_price_where_the_bound_says_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that are read from the fastest tier hold the bound; KV still has to be divided among tiers, the coldest last."""
    question = four_tiers(tmp_path, 1, "exclusive", 16, "400 MB", (8192, 256))
    instance = question.layer(0)
    found = roofline(instance)
    assert found.prices is not None
    assert found.lower_bound_s is not None
    assert not found.prices.rent.any()
    paths = rounded_paths(instance, found.prices, seed=1)
    assert paths is not None
    told = simulate(instance, Replay(schedule_of(instance, paths, "rounded"))).latency_s
    assert told <= 1.03 * found.lower_bound_s
    monkeypatch.setattr(rounding, "_LEARN_AT_ONCE", 0.0)
    paths = rounded_paths(instance, found.prices, seed=1)
    assert paths is not None
    assert simulate(instance, Replay(schedule_of(instance, paths, "rounded"))).latency_s > 1.2 * found.lower_bound_s


def test_no_further_sweep_where_a_schedule_is_near_enough() -> None:
    instance = drifting(2, 10, prefill=20)
    prices = _prices(instance, 0)
    one, near, all_of_them = (
        rounded_paths(instance, prices, seed=0, **given) for given in ({"sweeps": 1}, {"enough": 1e9}, {"sweeps": 6})
    )
    assert one is not None
    assert near is not None
    assert all_of_them is not None
    assert (near.number != all_of_them.number).any()


def test_few_coarse_blocks_choose_three_at_a_time_in_later_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a thousand blocks a step one more from the slowest tier is a tenth of its time: nearer than in 256 parts."""
    from placement_opt.bounds.compact import bound

    instance = chain_instance(tiers=4, layers=1, prefill=2495, tokens=10)
    found = bound(instance)
    assert found.prices is not None
    assert found.lower_bound_s is not None
    gaps = []
    for most in (rounding._FINE, rounding._PARTS):
        monkeypatch.setattr(rounding, "_FINE", most)
        paths = rounded_paths(instance, found.prices, seed=0)
        assert paths is not None
        gaps.append(simulate(instance, Replay(schedule_of(instance, paths, "rounded"))).latency_s / found.lower_bound_s - 1.0)
    assert gaps[0] < 0.02
    assert gaps[0] < gaps[1]
    monkeypatch.undo()
    assert Rounding(instance, found.prices.rent, 0).fine == 833  # three of those alive at a time
    assert Rounding(drifting(2, 10, prefill=20), np.zeros((21, 2)), 0).fine == rounding._PARTS


def test_without_patience_one_sweep_is_done() -> None:
    instance = drifting(2, 10, prefill=20)
    prices = _prices(instance, 0)
    alone = Rounding(instance, prices.rent, 0)
    assert alone.sweep(0, rounding.SWEEPS, Limits())
    first = rounded_paths(instance, prices, seed=0, patience=Limits(0.0))
    whole = rounded_paths(instance, prices, seed=0, patience=Limits())
    assert first is not None
    assert whole is not None
    assert (first.number & SET == alone.best).all()
    assert (first.number != whole.number).any()


def test_a_stop_before_the_first_sweep_gives_nothing() -> None:
    limits = Limits()
    limits.interrupt()
    instance = drifting(2, 10, prefill=20)
    assert rounded_paths(instance, _prices(instance, 0), seed=0, limits=limits) is None


@pytest.mark.parametrize("seed", range(0, 40, 2))
def test_a_block_takes_its_cheapest_path(seed: int) -> None:
    """All paths of one block by brute force, at the tables' own prices."""
    from placement_opt.schedulers.search import rounding_kernels as kernels

    instance = any_instance(seed)
    if not searchable(instance):
        pytest.skip("rounding is for instances that the search is for")
    rounding = Rounding(instance, _prices(instance, seed).rent, seed)
    game, use = rounding.game, rounding.use
    block = min(range(instance.num_blocks), key=lambda b: int(game.block[b, LAST] - game.block[b, FIRST]))
    first, last = int(game.block[block, FIRST]), int(game.block[block, LAST])
    if last - first > 5:
        pytest.skip("too many paths to try them all")
    hold, slope = rounding.prices(1.0, 0.5, blind=False)
    kernels.tabulate(game, game.block[block, 7], slope, *rounding.tables, use)
    store, serve, idle, busy, _ = rounding.tables
    scratch = np.zeros((2, len(use)))
    some = np.array([block])
    found = kernels.choose_all(game, some, False, use, rounding.number, *rounding.tables, hold, *scratch)
    reads = {int(game.step[n]): float(game.share[n]) for n in range(game.block[block, 4], game.block[block + 1, 4])}
    size, amount, begin = (int(game.block[block, column]) for column in (SIZE, AMOUNT, BEGIN))
    room = rounding.game.room + size * (0 if found >= 0 else 1) * _held(rounding, block)

    def cost(path: tuple[int, ...]) -> float:
        if begin >= 0 and use[path[0]] != begin:
            return np.inf
        total = amount * store[first - 1, path[0]] if first > 0 else 0.0
        for n, here in enumerate(path):
            t = first + n
            if any(game.member[use[here], k] and room[t, k] < size for k in range(room.shape[1])):
                return np.inf
            total += size * hold[t, here]
            share = reads.get(t, 0.0)
            if t == last:
                return total + (amount * share * serve[t, here] if share else 0.0)
            there = path[n + 1]
            total += amount * (share * busy[t, here, there] if share else 0.0)
            total += amount * ((1.0 - share) * idle[t, here, there] if share < 1.0 else 0.0)
        raise AssertionError

    least = min(cost(path) for path in itertools.product(range(len(use)), repeat=last - first + 1))
    assert (found >= 0) == np.isinf(least)
    if found < 0:
        start = int(game.block[block, 5])
        chosen = tuple(int(rounding.number[n & SET]) for n in game.path[start : start + last - first + 1])
        assert cost(chosen) == pytest.approx(least, rel=1e-9, abs=1e-15)


def _held(rounding: Rounding, block: int) -> np.ndarray:
    """bool[T + 1, L]: where the block lies."""
    game = rounding.game
    held = np.zeros(game.room.shape, dtype=np.int64)
    first, start = int(game.block[block, FIRST]), int(game.block[block, 5])
    for t in range(first, int(game.block[block, LAST]) + 1):
        held[t] = game.member[game.path[start + t - first] & SET]
    return held
