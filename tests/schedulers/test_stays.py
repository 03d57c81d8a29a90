"""Rounding in time by reads: legal, timed as the simulator does, a block's path the cheapest of all, room never overdrawn."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import pytest

from placement_opt.base.limits import Limits
from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.dual.evaluate import evaluate
from placement_opt.bounds.result import Prices
from placement_opt.instance.instance import Instance
from placement_opt.instance.law import tier_sets
from placement_opt.play.replay import Replay
from placement_opt.play.simulate import simulate
from placement_opt.schedulers.search.bundles import bundle_alike
from placement_opt.schedulers.search.game_kernels import BORN
from placement_opt.schedulers.search.paths import Paths, Stays, first_places, schedule_of
from placement_opt.schedulers.search.paths_kernels import COPIED, SET
from placement_opt.schedulers.search.smooth_kernels import smoothed
from placement_opt.schedulers.search.stays import CHUNK, Rounding, offered, roundable, rounded_stays
from tests.small import make_instance, make_trace, two_tier
from tests.worlds import any_instance, any_operations, wild_memory


def _prices(instance: Instance, seed: int) -> Prices:
    rng = np.random.default_rng(seed)
    rho = rng.dirichlet(np.ones(instance.num_resources), instance.num_steps) / instance.memory.rates
    return Prices(rho, rng.exponential(1e-3, (instance.num_steps + 1, instance.num_tiers)))


def _world(seed: int) -> Instance:
    instance = any_operations(seed) if seed % 2 else any_instance(seed)
    if not instance.timed or not roundable(instance):
        pytest.skip("rounding is for time alone, and for few sets of tiers")
    return instance


@pytest.mark.parametrize("seed", range(60))
def test_legal_and_timed_as_the_simulator_does(seed: int) -> None:
    """The same for the same seed, none below what any prices prove."""
    instance = _world(seed)
    rounding = Rounding(instance, _prices(instance, seed).rent, seed)
    for number in range(3):
        rounding.sweep(number, 3, Limits())
    if not rounding.settle(Limits()):  # it may find no room where there is some
        assert instance.residency != "cache"
        return
    stays = rounding.stays()
    run = simulate(instance, Replay(schedule_of(instance, stays, "rounded")))
    assert run.latency_s <= rounding.total_s * (1.0 + 1e-9)  # a copy may come from a nearer tier than that of its set
    assert run.latency_s >= evaluate(instance, _prices(instance, seed)).value_s * (1.0 - 1e-9)
    found, again = (rounded_stays(instance, _prices(instance, seed), seed=seed, sweeps=3) for _ in range(2))
    assert found is not None
    assert again is not None
    assert (again.number == found.number).all()
    assert (again.state == found.state).all()
    best = simulate(instance, Replay(schedule_of(instance, found, "rounded"))).latency_s
    assert best >= evaluate(instance, _prices(instance, seed)).value_s * (1.0 - 1e-9)


@pytest.mark.parametrize("seed", range(0, 60, 3))
def test_the_best_of_all_sweeps_is_kept(seed: int) -> None:
    """Each is settled; the first that is near enough ends it; a stop after the first leaves what that one found."""
    instance = _world(seed)
    rounding, settled = Rounding(instance, _prices(instance, seed).rent, seed), list[float]()
    for number in range(3):
        if not rounding.sweep(number, 3, Limits()) or not rounding.settle(Limits()):
            pytest.skip("no room for every block")
        settled.append(rounding.total_s)

    def found(enough: float, sweeps: int) -> float:
        stays = rounded_stays(instance, _prices(instance, seed), seed=seed, sweeps=sweeps, enough=enough)
        assert stays is not None
        return simulate(instance, Replay(schedule_of(instance, stays, "rounded"))).latency_s

    assert found(0.0, 3) <= min(settled) * (1.0 + 1e-9)
    assert found(settled[0], 3) <= settled[0] * (1.0 + 1e-9)


@pytest.mark.parametrize("seed", range(0, 60, 3))
def test_a_later_sweep_that_was_cut_short_is_settled_too(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the second sweep, and then no third: no worse than the first, legal, and what a hand-made half leads to."""
    instance, sweeps, choose = _world(seed), list[int](), Rounding._choose

    def most(rounding: Rounding) -> int:
        return min(rounding.parts, len(rounding.chooses)) // 2

    def halved(self: Rounding, some: np.ndarray, limits: Limits, share: float, *, again: bool, hard: bool) -> bool:
        if again and not hard:
            sweeps[-1] += 1
            if sweeps[-1] > most(self):
                return False
        return choose(self, some, limits, share, again=again, hard=hard)

    monkeypatch.setattr(Rounding, "_choose", halved)
    rounding, settled, swept = Rounding(instance, _prices(instance, seed).rent, seed), list[float](), list[bool]()
    for number in range(2):
        sweeps.append(0)
        swept.append(rounding.sweep(number, 3, Limits()))
        if not rounding.settle(Limits()):
            pytest.skip("no room for every block")
        settled.append(rounding.total_s)
    assert swept == [True, False]
    sweeps.append(0)
    stays = rounded_stays(instance, _prices(instance, seed), seed=seed, sweeps=3)
    assert stays is not None
    assert sweeps[-1] == most(rounding) + 1
    run = simulate(instance, Replay(schedule_of(instance, stays, "rounded")))
    assert run.latency_s <= min(settled) * (1.0 + 1e-9)


@pytest.mark.parametrize("seed", range(60))
def test_a_block_takes_its_cheapest_path(seed: int) -> None:
    """All paths of one block by brute force, as the others stand, in the room that is left."""
    from placement_opt.schedulers.search import stays_kernels as kernels

    instance = _world(seed)
    rounding = Rounding(instance, _prices(instance, seed).rent, seed)
    board, lengths = rounding.board, instance.kept_until - instance.first_state
    if not len(rounding.chooses):
        pytest.skip("nothing is read, and all may be forgotten")
    block = int(rounding.chooses[np.argmin(lengths[rounding.chooses])])
    if instance.kept_until[block] - instance.first_state[block] > 5:
        pytest.skip("too many paths to try them all")
    taken = np.random.default_rng(seed).integers(0, 3, (len(board.room), instance.num_steps + 1))
    board.room[:, : instance.num_steps + 1] -= taken
    board.least[:] = board.room.reshape(*board.least.shape, CHUNK).min(axis=2)
    board.value[:] += np.random.default_rng(seed).exponential(0.1, board.value.shape)
    board.width[:] = 0.05
    kernels.retime(board)
    kind, some, room = int(board.kind[block]), np.array([block]), rounding.room()
    rounding.price(kind, some, 1.0)
    hold = board.open.copy()
    value, lives = board.value.copy(), range(int(board.first[block]), int(board.last[block]) + 1)
    cost = partial(_cost, rounding, block, room, hold, value)
    found = kernels.choose_all(board, some, False, True)
    least = min(cost(path) for path in itertools.product(range(len(board.member)), repeat=len(lives)))
    assert (found >= 0) == np.isinf(least)
    if found < 0:
        states = _states(board, block)
        assert cost(tuple(states)) == pytest.approx(least, rel=1e-9, abs=1e-12)
        assert (room[lives] - rounding.room()[lives] == instance.size[block] * board.member[states]).all()


def _states(board: object, block: int) -> list[int]:
    """The set of a block at each of its states."""
    at, count = int(board.place[block]), int(board.count[block])  # type: ignore[attr-defined]
    ends = [*board.state[at + 1 : at + count].tolist(), int(board.last[block]) + 1]  # type: ignore[attr-defined]
    found: list[int] = []
    for e in range(count):
        found += [int(board.number[at + e]) & SET] * (ends[e] - int(board.state[at + e]))  # type: ignore[attr-defined]
    return found


def _cost(
    rounding: Rounding, block: int, room: np.ndarray, hold: np.ndarray, value: np.ndarray, path: tuple[int, ...]
) -> float:
    """What a path costs a block, infinitely much where there is no room for it; state by state."""
    board = rounding.board
    first, last, size, amount = (int(each[block]) for each in (board.first, board.last, board.size, board.amount))
    kind, begin = int(board.kind[block]), int(board.begin[block])
    reads = range(int(board.reads[block]), int(board.reads[block + 1]))
    shares = {int(board.step[n]): float(board.share[n]) if len(board.share) else 1.0 for n in reads}

    def more(t: int, load: np.ndarray) -> float:
        after = smoothed(board.floor[t], board.width[t], value[t : t + 1] + amount * load, 0)
        return float(after - smoothed(board.floor[t], board.width[t], value, t))

    if begin >= 0 and path[0] != begin:
        return np.inf
    total = more(first - 1, board.store[kind, path[0]]) if begin == BORN else 0.0
    for n, i in enumerate(path):
        t = first + n
        if (board.member[i] & (room[t] < size)).any():
            return np.inf
        total += size * float(hold[t, i])
        share = shares.get(t, 0.0)
        if t == last:
            return total + (more(t, share * board.serve[kind, i]) if share else 0.0)
        arc = int(board.arc[i, path[n + 1]])
        ways = [share * board.serve[kind, i]] if arc < 0 else []
        if arc >= 0 and not board.bare[arc] and (share == 0.0 or board.either[i]):
            ways.append(share * board.serve[kind, i] + board.copied[kind, arc])
        if arc >= 0 and share > 0.0 and board.brings[kind, i] and (share == 1.0 or not board.bare[arc]):
            brought = board.bring[kind, i] + board.passing[kind, arc]
            ways.append(share * brought + (1.0 - share) * board.copied[kind, arc])
        total += min((more(t, way) for way in ways), default=np.inf)
    raise AssertionError


@pytest.mark.parametrize("seed", range(40))
def test_stays_are_the_paths_that_they_shorten(seed: int) -> None:
    """Moves of stays are those of the same paths written down state by state."""
    instance = _world(seed)
    stays = rounded_stays(instance, _prices(instance, seed), seed=seed)
    if stays is None or (np.diff(stays.start) == 0).any():
        pytest.skip("no path, or none of some block")
    dense = schedule_of(instance, _dense(instance, stays), "rounded")
    sparse = schedule_of(instance, stays, "rounded")
    assert (dense.initial == sparse.initial).all()
    assert (dense.indptr == sparse.indptr).all()
    for step in range(instance.num_steps):
        part = slice(dense.indptr[step], dense.indptr[step + 1])
        assert sorted(zip(dense.op[part], dense.block[part], strict=True)) == sorted(
            zip(sparse.op[part], sparse.block[part], strict=True)
        )


def _dense(instance: Instance, stays: Stays) -> Paths:
    every = tier_sets(instance)
    use = offered(instance)
    start = first_places(instance)
    number = np.zeros(start[-1], dtype=np.uint8)
    for b in range(instance.num_blocks):
        for e in range(stays.start[b], stays.start[b + 1]):
            at = start[b] + stays.state[e] - instance.first_state[b]
            if stays.number[e] & COPIED:
                number[at - 1] |= COPIED
            number[at : start[b + 1]] = use[stays.number[e] & SET]
    return Paths(every.astype(np.uint16), start, number)


def test_who_leaves_room_may_come_back_to_it() -> None:
    """What was closed to a block that chose before is open to the next: else the first half of it would lie idle."""
    from placement_opt.schedulers.search import stays_kernels as kernels

    reads = [[0, 1]] * 5 + [[0, 2]] * 5
    instance = make_instance(two_tier(hbm=1), make_trace(reads, [-1, -1, 4]))
    rounding = Rounding(instance, np.full((11, 2), 1e-9), 1)
    board, everyone = rounding.board, np.arange(3)
    rounding.price(0, everyone, 1.0)
    assert kernels.choose_all(board, everyone, False, False) < 0
    assert (rounding.room()[1:10] == -1).all()  # 0 is in the way of both others
    rounding.price(0, everyone, 1.0)
    assert kernels.choose_all(board, np.array([1, 0, 2]), True, True) < 0
    room = rounding.room()
    assert room.min() == 0
    assert (room[1:5] == 0).all()
    assert (room[6:10] == 0).all()


@pytest.mark.parametrize("most", [2, 64])
def test_all_that_was_closed_is_open_again(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where more stretches were closed than are remembered: the tables are those made anew."""
    from placement_opt.schedulers.search import stays
    from placement_opt.schedulers.search import stays_kernels as kernels

    monkeypatch.setattr(stays, "_CLOSED", most)
    rng = np.random.default_rng(5)
    reads = [np.unique(rng.integers(0, 60, 6)).tolist() for _ in range(200)]
    instance = make_instance(two_tier(hbm=6), make_trace(reads, [-1] * 60))
    rounding = Rounding(instance, np.full((201, 2), 1e-6), 1)
    rounding.sweep(0, 2, Limits())
    assert rounding.settle(Limits())
    board = rounding.board
    assert board.closed[0, 0] > 0
    assert np.isinf(board.hold).any()
    kernels._reopen(board)
    assert (board.hold == board.open).all()
    tree, stay = board.tree.copy(), board.stay.copy()
    kernels.grow(board)
    assert (board.tree == tree)[1:].all()
    assert (board.stay == stay)[1:].all()


def test_long_lives_with_room_for_few() -> None:
    """Hundreds of blocks over more steps than a chunk has, each read now and then: never more in a tier than it holds."""
    rng = np.random.default_rng(3)
    steps, blocks = 1500, 300
    reads = [np.unique(rng.integers(0, blocks, 2)).tolist() for _ in range(steps)]
    instance = make_instance(two_tier(hbm=20), make_trace(reads, [-1] * blocks))
    rounding = Rounding(instance, np.full((steps + 1, 2), 1e-6), 1)
    for number in range(3):
        rounding.sweep(number, 3, Limits())
    assert rounding.settle(Limits())
    assert rounding.room().min() >= 0
    run = simulate(instance, Replay(schedule_of(instance, rounding.stays(), "rounded")))
    assert run.latency_s == pytest.approx(rounding.total_s, rel=1e-9)
    assert run.latency_s < 0.95 * len(np.concatenate(reads)) / 450  # it does keep some


def test_a_stop_before_the_first_sweep_gives_nothing() -> None:
    limits = Limits()
    limits.interrupt()
    assert rounded_stays(_world(0), _prices(_world(0), 0), seed=0, limits=limits) is None


@pytest.mark.parametrize("more", [0, 1])
def test_as_many_sets_of_tiers_as_a_path_can_name(more: int) -> None:
    """A given start of many sets of nine tiers: what it says is kept, or the question is none for rounding."""
    tiers, alone = 9, 9
    several = [mask for mask in range(1 << tiers) if bin(mask).count("1") > 1][: 128 - alone + more]
    masks = np.array(several + [1 << k for k in range(tiers)])
    memory = wild_memory(np.random.default_rng(1), [len(masks)] * tiers, 2)
    initial = (masks >> np.arange(tiers)[:, None] & 1) == 1
    reads = [list(range(0, len(masks), 2)), list(range(len(masks)))]
    instance = make_instance(memory, make_trace(reads, [-1] * len(masks)), "free", initial=initial)
    assert len(offered(instance)) == 128 + more
    assert roundable(instance) == (more == 0)
    if more == 0:
        stays = rounded_stays(instance, _prices(instance, 0), seed=0, sweeps=1)
        assert stays is not None
        schedule = schedule_of(instance, stays, "rounded")
        assert (schedule.initial == initial).all()
        assert simulate(instance, Replay(schedule)).latency_s > 0.0


def test_bundles_alike_are_parts_of_classes() -> None:
    """At most so many of each class, of the blocks that it has, and their schedules those of the blocks."""
    reads = [[*range(0, 6), 7], list(range(0, 6)), [7]]
    instance = make_instance(two_tier(hbm=200), make_trace(reads, [-1] * 8))
    bundles = bundle_alike(instance, classify(instance), 4)
    assert bundles is not None
    counts = np.diff(bundles.start)
    assert sorted(counts.tolist()) == [1, 1, 1, 1, 2, 2]
    assert bundle_alike(instance, classify(instance), 4, largest=1.0) is None
    stays = rounded_stays(bundles.instance, _prices(bundles.instance, 0), seed=0)
    assert stays is not None
    schedule = schedule_of(bundles.instance, stays, "rounded")
    whole = simulate(instance, Replay(bundles.spread(schedule)))
    assert whole.latency_s == pytest.approx(simulate(bundles.instance, Replay(schedule)).latency_s, rel=1e-12)
