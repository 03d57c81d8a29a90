"""Schedules on runs are schedules: played move by move they are legal and take as long as was said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS
from placement_opt.instance.instance import Instance
from placement_opt.instance.layered import Layered, layered_of
from placement_opt.layered.by_block_kernels import BLOCK, TURN, put_in_order
from placement_opt.layered.choose_kernels import affordable, step_time
from placement_opt.layered.keep import RULES, Rule, idle_time, layer_time, schedule_layer
from placement_opt.layered.keep_kernels import chains
from placement_opt.layered.prices import Family
from placement_opt.layered.prices_kernels import WIDE
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.play.simulate import simulate
from placement_opt.workload.layers import Given
from placement_opt.workload.runs import drift_layer
from placement_opt.workload.synth import drift
from tests.layered.cases import draw, layer_of
from tests.small import two_tier


class Written:
    """Moves written down by layers: (turn, block, stored or dropped), turn -1 at the start."""

    name, online, source = "written", True, "a test"

    def __init__(self, instance: Instance, moves: list[np.ndarray]) -> None:
        self.start_at = np.zeros((2, instance.num_blocks), dtype=bool)
        self.at: dict[int, tuple[list[int], list[int]]] = {}
        for layer, table in enumerate(moves):
            ids = np.flatnonzero(instance.trace.block_layer == layer)
            for turn, block, stored in table.T.tolist():
                if turn < 0:
                    self.start_at[0, ids[block]] = stored
                    continue
                step = turn * len(moves) + layer
                self.at.setdefault(step, ([], []))[0 if stored else 1].append(int(ids[block]))

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident:
        del setting, first_reads
        return self.start_at

    def step(self, view: View) -> Moves:
        stored, dropped = (np.array(sorted(ids), dtype=np.int64) for ids in self.at.get(view.step, ([], [])))
        return Moves(store=[(0, stored)] if len(stored) else [], drop=[(0, dropped)] if len(dropped) else [])


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", range(6))
def test_the_simulator_plays_a_schedule_and_takes_the_same_time(seed: int, rule: Rule) -> None:
    """Every move is legal, capacity holds at every state, and the seconds agree; none beats the exact LP."""
    instance = draw(seed, hbm=(6, 9, 14)[seed % 3] * (1 + seed % 3))
    problem = layered_of(instance)
    worths = Family(problem, [problem.layers.layer(0)])
    prices = worths.worths(worths.knots(3))
    moves, seconds = [], 0.0
    for layer in range(problem.layers.count):
        runs = problem.layers.layer(layer)
        parts: list[np.ndarray] = []
        found = schedule_layer(problem, layer, runs, prices, rule, moved=lambda *made: parts.append(made[2].copy()))  # noqa: B023
        moves.append(np.concatenate(parts, axis=1))
        assert found.turns == runs.turns
        assert found.stores.sum() == ((moves[-1][0] >= 0) & (moves[-1][2] == 1)).sum()
        seconds += layer_time(problem, runs.reads_per_turn, runs.births_per_turn, found.hits, found.stores)
    run = simulate(instance, Written(instance, moves))
    assert run.latency_s == pytest.approx(seconds, rel=1e-12)
    exact = METHODS["lp"](instance).lower_bound_s
    assert exact is not None
    assert seconds >= exact * (1 - 1e-9)


def test_without_room_nothing_is_kept() -> None:
    """A fast tier that holds no block gives the schedule that keeps nothing."""
    instance = draw(3, hbm=0)
    problem = layered_of(instance)
    owner = Family(problem, [problem.layers.layer(0)])
    runs = problem.layers.layer(0)
    for rule in RULES:
        found = schedule_layer(problem, 0, runs, owner.worths(owner.knots(2)), rule)
        assert found.hits.sum() == found.stores.sum() == 0
        assert layer_time(problem, runs.reads_per_turn, runs.births_per_turn, found.hits, found.stores) == idle_time(problem, 0)


def test_a_step_takes_what_the_best_split_takes() -> None:
    """Against a fine grid of splits; stores are affordable as long as the time stays."""
    rng = np.random.default_rng(2)
    for _ in range(40):
        base, stored = rng.random(3) * 20, np.array([rng.random(), 0.0, 0.0])
        hit, most = np.array([rng.random(), -rng.random(), -rng.random()]), int(rng.integers(0, 15))
        stores = int(rng.integers(0, 6))
        splits = np.linspace(0, most, 4001)[:, None]
        grid = (base + splits * hit + stores * stored).max(axis=1)
        found, at = step_time(base, hit, most, stored, stores)
        assert found <= grid.min() + 1e-12
        assert found == pytest.approx(grid.min(), abs=most / 2000)
        assert (base + at * hit + stores * stored).max() == pytest.approx(found, rel=1e-12)
        count = affordable(base, hit, most, stored, 0.0, 0.01, 9)
        limit = step_time(base, hit, most, stored, 0)[0] * 1.01
        times = [step_time(base, hit, most, stored, n)[0] <= limit * (1 + 1e-12) for n in range(10)]
        assert count == times.index(False) - 1 if False in times else count == 9


def test_chains_count_reads_until_a_long_pause() -> None:
    """Runs of 3, 2 and 9 reads with pauses of 1 and 5 turns between them."""
    start, first, last = np.array([0, 3]), np.array([0, 4, 11]), np.array([2, 5, 19])
    assert chains(start, first, last, 0).tolist() == [1, 1, 3]
    assert chains(start, first, last, 1).tolist() == [2, 1, 3]
    assert chains(start, first, last, 5).tolist() == [3, 3, 3]


@pytest.mark.parametrize(("drift_share", "room", "left"), [(0.1, 1700, 0.9), (0.3, 1900, 0.9)])
def test_looking_ahead_brings_the_schedule_closer(drift_share: float, room: int, left: float) -> None:
    """At the same prices: what is left of the distance to their bound once the next turns are seen to."""
    params = drift.Params(layers=1, prefill=3000, tokens=100, read_share=0.4, drift=drift_share)
    runs = drift_layer(params, 1, 0)
    assert runs is not None
    capacity, nothing = np.array([room, 10**6]), np.zeros(4, dtype=np.int64)
    problem = Layered("one", two_tier(hbm=room), Given((runs,)), capacity, 1, nothing)
    family = Family(problem, [runs])
    knots, point, _ = family.raised(family.knots(4), rounds=60, tolerance=1e-5, limits=Limits())
    knots, point, _ = family.raised(family.denser(knots, 8), rounds=60, tolerance=1e-5, limits=Limits())
    gaps = []
    for ahead in (0, 4):
        rule = Rule(priced=True, ahead=ahead, stretch=1.0)
        found = schedule_layer(problem, 0, runs, family.worths(knots), rule)
        seconds = layer_time(problem, runs.reads_per_turn, runs.births_per_turn, found.hits, found.stores)
        gaps.append(seconds / point.value - 1.0)
    assert 0.0 < gaps[1] < left * gaps[0]


@pytest.mark.parametrize(("drift_share", "room"), [(0.05, 800), (0.1, 1700), (0.3, 1900)])
def test_blocks_one_after_another_come_near_the_bound(drift_share: float, room: int) -> None:
    """Within 4 % of the bound of the same prices with so few blocks, and nearer than at prices that answer to nothing."""
    params = drift.Params(layers=1, prefill=6000, tokens=100, read_share=0.4, drift=drift_share)
    runs = drift_layer(params, 1, 0)
    assert runs is not None
    problem = Layered(
        "one", two_tier(hbm=2 * room), Given((runs,)), np.array([2 * room, 10**6]), 1, np.zeros(4, dtype=np.int64)
    )
    family = Family(problem, [runs])
    knots, point, _ = family.raised(family.knots(4), rounds=60, tolerance=1e-5, limits=Limits())
    worths = family.worths(knots)
    gaps = []
    for each in (worths, replace(worths, rent=np.full(runs.turns, 1e3))):
        found = schedule_layer(problem, 0, runs, each, Rule(by_block=True))
        seconds = layer_time(problem, runs.reads_per_turn, runs.births_per_turn, found.hits, found.stores)
        gaps.append(seconds / point.value - 1.0)
    assert 0.0 <= gaps[0] < 0.04
    assert gaps[1] > gaps[0]


def test_moves_of_blocks_one_after_another_hold_the_room_to_the_last_block() -> None:
    """Played turn by turn: nobody is stored that is held, nor dropped that is not; room is short, and all of it is used."""
    problem = layered_of(draw(4, hbm=9))
    family, runs = Family(problem, [layer_of(problem, 0)]), layer_of(problem, 0)
    parts: list[np.ndarray] = []
    rule = Rule(by_block=True)
    found = schedule_layer(problem, 0, runs, family.worths(family.knots(3)), rule, moved=lambda *made: parts.append(made[2]))
    held, most, reads = set[int](), 0, list(runs.rows())
    moves = np.concatenate(parts, axis=1).T.tolist()
    for turn in range(-1, runs.turns):
        if turn >= 0:
            assert found.hits[turn] == len(held & set(reads[turn].tolist()))
        for _, block, stored in [move for move in moves if move[0] == turn]:
            assert (block in held) != stored
            held ^= {block}
        most = max(most, len(held))
    assert not held
    assert most == problem.room_of(0)


@pytest.mark.parametrize("seed", range(6))
def test_moves_are_put_in_the_order_of_a_sort(seed: int) -> None:
    rng = np.random.default_rng(seed)
    blocks, turns = int(rng.integers(1, 700)), int(rng.integers(1, 40))
    together, moves = -(-blocks // WIDE), list[int]()
    for n in range(together):
        mine = np.arange(n, blocks, together)
        for turn in range(turns + 1):
            some = mine[rng.random(len(mine)) < 0.3].tolist()
            moves += [turn << TURN | block << BLOCK | int(rng.integers(2)) for block in some]
    found = np.array(moves, dtype=np.int64)
    put_in_order(found, together, turns)
    assert found.tolist() == sorted(moves)


def test_a_schedule_stops_within_a_layer() -> None:
    """At a limit the turns so far are kept, nothing is served from the fast tier after them, and all of it is legal."""
    instance = draw(4, hbm=9)
    problem = layered_of(instance)
    family = Family(problem, [layer_of(problem, 0)])
    worths, runs = family.worths(family.knots(3)), layer_of(problem, 0)
    stopped = Limits()
    stopped.interrupt()
    for rule in RULES[:2]:  # block by block, turn by turn
        found = schedule_layer(problem, 0, runs, worths, rule, limits=stopped)
        assert found.turns == 0
        assert found.hits.sum() == found.stores.sum() == 0
        whole = schedule_layer(problem, 0, runs, worths, rule)
        assert whole.turns == runs.turns
        assert whole.hits.sum() > 0
