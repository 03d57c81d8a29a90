"""The search with every field of the table of operations and under the rule cache, against every path, and on paper."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from placement_opt.base.errors import ScheduleError
from placement_opt.base.limits import Limits
from placement_opt.instance.instance import Instance
from placement_opt.instance.law import tier_sets
from placement_opt.memory.operations import Operation, table
from placement_opt.memory.system import MemorySystem, Tier
from placement_opt.play.replay import Replay
from placement_opt.play.schedule import Schedule
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from placement_opt.schedulers.kinds import chooses
from placement_opt.schedulers.packing import Packing
from placement_opt.schedulers.search.best_path_kernels import best_path
from placement_opt.schedulers.search.game import searchable
from placement_opt.schedulers.search.game_kernels import place
from placement_opt.schedulers.search.paths import Paths, paths_of, schedule_of, without_the_unread
from placement_opt.schedulers.search.paths_kernels import COPIED, SET
from placement_opt.schedulers.search.search import Search
from tests.schedulers.cases import any_instance, as_cache, timed
from tests.schedulers.reference import followed
from tests.small import make_instance, make_trace
from tests.worlds import any_operations, with_operations

SEARCHED = [seed for seed in range(36) if searchable(any_operations(seed))]


def begun(instance: Instance) -> tuple[Search, Schedule, float]:
    """A search that starts from what a scheduler does, and its schedule and latency."""
    for name in ("lru", "belady", "static"):
        try:
            run = simulate(instance, make_scheduler(name), record=True)
        except ScheduleError:
            continue
        search = Search(instance, None, 1)
        search.begin(paths_of(instance, run.schedule))
        return search, run.schedule, run.latency_s
    raise AssertionError("no start")


def ways(instance: Instance, paths: Paths) -> list[int]:
    """What a state of a path may be: sets, and where that matters, how the step moves."""
    marks = (0, COPIED) if chooses(instance.memory.operations) else (0,)
    return [number | mark for number in range(len(paths.sets)) for mark in marks]


def slow_best(instance: Instance, paths: Paths, block: int) -> float:
    """The least latency over all paths of one block, the others' given, every one played by the simulator."""
    low, high = paths.start[block : block + 2]
    best = np.inf
    for numbers in itertools.product(ways(instance, paths), repeat=int(high - low)):
        if instance.initial is not None and instance.first_state[block] == 0 and numbers[0] & SET != paths.number[low] & SET:
            continue
        tried = paths.number.copy()
        tried[low:high] = numbers
        try:
            best = min(best, timed(instance, Paths(paths.sets, paths.start, tried)))
        except ScheduleError:
            continue
    return best


def test_most_are_searched() -> None:
    """So that the tests below mean something."""
    assert len(SEARCHED) >= 30


@pytest.mark.parametrize("seed", SEARCHED)
def test_best_path_is_the_best_of_all(seed: int) -> None:
    """Every way to serve and to move, kinds of block, the empty set: the shortest path is what trying every path finds."""
    instance = any_operations(seed)
    search, _, _ = begun(instance)
    paths = search.paths()
    few = [b for b, n in enumerate(np.diff(paths.start)) if len(ways(instance, paths)) ** n <= 300]
    for block in few[seed % 2 :][:1] or few[:1]:
        game = search._game
        place(game, block, -1, 0.0)
        best_path(game, block, 0.0, -1.0)
        place(game, block, 1, 0.0)
        found = Paths(paths.sets, paths.start, game.path.copy())
        assert timed(instance, found) == pytest.approx(slow_best(instance, paths, block), rel=1e-11, abs=1e-14)
        search.begin(paths)


@pytest.mark.parametrize("seed", SEARCHED)
def test_never_worse_and_timed_as_the_simulator_does(seed: int) -> None:
    """Single blocks, chains and pairs end with legal paths, no slower than the start, whose latency is the simulator's."""
    instance = any_operations(seed)
    search, schedule, before = begun(instance)
    assert search.best <= before * (1 + 1e-12)
    assert np.array_equal(paths_of(instance, schedule).number, paths_of(instance, back(instance, schedule)).number)
    search.run(rounds=3, patience=3, budget=10**7, enough=0.0, limits=Limits())
    assert search.best <= before * (1 + 1e-12)
    assert timed(instance, search.paths()) == pytest.approx(search.best, rel=1e-11)
    search.shake(times=3, budget=10**6, enough=0.0, limits=Limits(), improved=lambda: None)
    assert timed(instance, search.paths()) == pytest.approx(search.best, rel=1e-11)


def back(instance: Instance, schedule: Schedule) -> Schedule:
    return schedule_of(instance, paths_of(instance, schedule), "back")


@pytest.mark.parametrize("seed", range(30))
def test_the_last_read_of_a_block_lets_it_go(seed: int) -> None:
    """Under the rule cache nothing that a search finds is kept after its last read, but for a given start; and from any paths
    the unread can be left out, legally and for no more time."""
    instance = as_cache(any_instance(seed), seed)
    run = simulate(instance, make_scheduler("lru"), record=True)
    paths = paths_of(instance, run.schedule)
    shorter = without_the_unread(instance, paths)
    assert timed(instance, shorter) <= timed(instance, paths) * (1 + 1e-12)
    found = [shorter]
    if searchable(instance):
        search = Search(instance, None, 1)
        search.begin(paths)
        search.run(rounds=2, patience=2, budget=10**6, enough=0.0, limits=Limits())
        found.append(search.paths())
    for one in found:
        for state, held in enumerate(followed(instance, schedule_of(instance, one, "a test"))):
            later = set(instance.trace.blocks[instance.trace.indptr[state] :].tolist())
            if state or instance.initial is None:
                assert all(b in later for b, where in held.items() if where)


def few_paths(seed: int) -> Instance | None:
    """Two blocks with every field of the table, so few that all pairs of paths can be tried."""
    instance = any_operations(seed)
    if instance.num_blocks < 2:
        return None
    rng = np.random.default_rng(seed)
    reads = [[b for b in range(2) if rng.random() < 0.7] for _ in range(2)]
    sizes = instance.size[:2].tolist()
    small = make_instance(instance.memory, make_trace(reads, [-1, -1], sizes=sizes), instance.residency)
    count = (len(tier_sets(instance)) * (2 if chooses(instance.memory.operations) else 1)) ** 4 * len(tier_sets(instance)) ** 2
    return small if searchable(small) and count <= 1100 else None


def test_two_blocks_find_their_optimum() -> None:
    """Calls, grains, recomputation, every rule: pairs of paths end at the best of all pairs of paths."""
    tried = 0
    for seed in range(150):
        instance = few_paths(seed)
        if instance is None or tried == 6:
            continue
        tried += 1
        run = simulate(instance, Packing(), record=True)
        search = Search(instance, None, 1)
        search.begin(paths_of(instance, run.schedule))
        search.shake(times=0, budget=10**9, enough=0.0, limits=Limits(), improved=lambda: None)
        paths, best = search.paths(), np.inf
        some = ways(instance, paths)
        for numbers in itertools.product(*(2 * [some, some, range(len(paths.sets))])):
            try:
                best = min(best, timed(instance, Paths(paths.sets, paths.start, np.array(numbers, dtype=np.uint8))))
            except ScheduleError:
                continue
        assert search.best == pytest.approx(best, rel=1e-9, abs=1e-14)
    assert tried >= 6


def searched(instance: Instance) -> float:
    """What the search makes of keeping as little as possible."""
    run = simulate(instance, Packing(), record=True)
    search = Search(instance, None, 1)
    search.begin(paths_of(instance, run.schedule))
    search.run(rounds=10, patience=5, budget=10**7, enough=0.0, limits=Limits())
    search.shake(times=5, budget=10**6, enough=0.0, limits=Limits(), improved=lambda: None)
    assert simulate(instance, Replay(schedule_of(instance, search.paths(), "a test"))).latency_s == pytest.approx(search.best)
    return search.best


def system(rates: list[int], names: tuple[str, ...], loads: list[list[list[int]]], copy: list[int]) -> MemorySystem:
    """Tiers that read and write with the same loads; all copies load the same."""
    count = len(names)
    copies = np.tile(np.array(copy), (count, count, 1))
    copies[np.arange(count), np.arange(count)] = 0
    return MemorySystem(
        name="on paper",
        processor="gpu",
        tiers=tuple(Tier(name, 1000, "gpu", 1, 1, True) for name in names),
        links=(),
        resources=tuple(f"resource{r}" for r in range(len(rates))),
        rates=np.array(rates),
        operations=table(names, np.array(loads[0]), np.array(loads[1]), copies),
        routes={},
    )


def test_a_cache_on_paper() -> None:
    """A slow tier of 1 B/s, recomputation of 2 B/s: blocks read once are all made anew; with a free start one lies there and
    its read is split; one that is read again later is not worth a second of storing, because made anew it takes half."""
    slow = system([1, 2], ("slow",), [[[1, 0]], [[1, 0]]], [0, 0])
    slow = with_operations(slow, [Operation("recompute", None, (0, 1), brings=True)])
    empty = np.zeros((1, 3), dtype=bool)

    def latency(reads: list[list[int]], initial: np.ndarray | None) -> float:
        instance = make_instance(slow, make_trace(reads, [-1] * 3), "cache", initial=initial)
        object.__setattr__(instance, "capacity", np.array([1]))
        return searched(instance)

    assert latency([[0], [1], [2]], empty) == pytest.approx(1.5)
    assert latency([[0], [1], [2]], None) == pytest.approx(4 / 3)
    assert latency([[0], [1], [2], [0]], empty) == pytest.approx(2.0)


def test_attending_on_paper() -> None:
    """160 B in flash: array 10 B/s, channel 1 B/s of which attending takes a sixteenth: 16 s. With a copy of all in DRAM of
    4 B/s, which a free start has: 160/14 s."""
    flash = system([4, 10, 16], ("dram", "flash"), [[[1, 0, 0], [0, 1, 16]], [[1, 0, 0], [0, 1, 16]]], [1, 1, 16])
    flash = with_operations(flash, [Operation("attend flash", 1, (0, 1, 1))])
    trace = make_trace([list(range(10))], [-1] * 10, sizes=[16] * 10)
    only = np.zeros((2, 10), dtype=bool)
    only[1] = True
    assert searched(make_instance(flash, trace, "free", initial=only)) == pytest.approx(16.0)
    assert searched(make_instance(flash, trace, "free")) == pytest.approx(160 / 14)


def test_what_is_attended_is_copied_where_that_is_cheaper() -> None:
    """A block attended in flash and wanted in DRAM, to which a bus leads besides the channel, is copied, not read and stored;
    the written schedule says so."""
    rates, loads = [4, 10, 16, 1], [[1, 0, 0, 0], [0, 1, 16, 0]]
    flash = with_operations(
        system(rates, ("dram", "flash"), [loads, loads], [1, 1, 0, 1]), [Operation("attend flash", 1, (0, 1, 1, 0))]
    )
    start = np.array([[False], [True]])
    fixed = np.zeros((6, 4), dtype=np.int64)
    fixed[:, 1:3] = 10, 16  # array and channel are busy for a second a step
    instance = make_instance(flash, make_trace([[0]] * 6, [-1]), "free", initial=start, fixed=fixed)
    search, _, _ = begun(instance)
    search.run(rounds=10, patience=5, budget=10**7, enough=0.0, limits=Limits())
    moves = schedule_of(instance, search.paths(), "a test").moves(0)
    assert [(j, k, ids.tolist()) for j, k, ids in moves.fetch] == [(1, 0, [0])]
    assert not moves.store
    assert search.best == pytest.approx(1.2 + 5 * 1.0)
