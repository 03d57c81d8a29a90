"""Laws of every registered policy: legal and never below the bound, the same whatever comes later, other names, other units.

And exactly what each moves at eight capacities of one committed trace (``goldens.json``; ``python -m tests.schedulers.golden``
writes it anew after a change that is meant).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.bounds import METHODS
from placement_opt.instance.instance import Instance
from placement_opt.instance.rule import Residency
from placement_opt.memory.operations import Operation
from placement_opt.play.schedule import Schedule
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import REGISTRY, make_scheduler
from tests.schedulers.cases import BY_POSITION, PROGRAMS, SPECS, any_instance, as_cache
from tests.schedulers.classics import TWINS
from tests.schedulers.golden import at_rooms, recorded
from tests.schedulers.reference import replay
from tests.small import chain, make_instance, make_trace, two_tier
from tests.worlds import with_operations

#: Those whose moves are not a matter of rounding in a solver.
EXACT = tuple(spec for spec in SPECS if spec.partition(":")[0] not in PROGRAMS)
#: Bytes of a block in stories, so many that no share of a tier is rounded.
_SIZE = 10_000
RULES: tuple[Residency, ...] = ("inclusive", "exclusive", "free", "cache")


def about(spec: str) -> type:
    return REGISTRY[spec.partition(":")[0]]


ONLINE = tuple(spec for spec in EXACT if make_scheduler(spec).online)
NAMELESS = tuple(spec for spec in EXACT if not about(spec).by_position and spec not in BY_POSITION)


@cache
def small() -> tuple[tuple[Instance, float], ...]:
    """Three instances of each rule, with what no schedule beats."""
    found = [any_instance(seed) for seed in range(9)] + [as_cache(any_instance(seed), seed) for seed in (6, 7, 10)]
    return tuple((one, METHODS["lp"](one).lower_bound_s or 0.0) for one in found)


@pytest.mark.parametrize("spec", SPECS)
def test_legal_and_never_below_the_bound(spec: str) -> None:
    """All rules, one to four tiers, unequal sizes, shares, births, deaths, given starts; it plays on some of them at least."""
    played = 0
    for instance, bound in small():
        try:
            run = simulate(instance, make_scheduler(spec))
        except InputError:  # it says that it is not made for this
            continue
        assert run.latency_s >= bound * (1 - 1e-9)
        played += 1
    assert played >= 2


@cache
def story(rule: Residency, steps: int, *, given: bool) -> Instance:
    """The first steps of one and the same story: two layers, three tiers, blocks born on the way, some freed, some shunned."""
    rng = np.random.default_rng([RULES.index(rule), given])
    whole, old, blocks = 30, 16, 40
    births = np.concatenate([np.full(old, -1), np.sort(rng.integers(0, whole - 1, blocks - old))])
    deaths = np.where(rng.random(blocks) < 0.15, births + rng.integers(4, 12, blocks), whole)
    weight = 1.0 / (1.0 + rng.permutation(blocks))
    reads = []
    for t in range(whole):
        alive = np.flatnonzero((births < t) & (t <= deaths) & (np.arange(blocks) % 2 == t % 2))
        count = min(len(alive), int(rng.integers(2, 7)))
        reads.append(sorted(rng.choice(alive, count, replace=False, p=weight[alive] / weight[alive].sum()).tolist()))
    there = births < steps
    rooms = [6 * _SIZE, 8 * _SIZE, 100 * _SIZE]
    trace = make_trace(reads[:steps], births[there].tolist(), np.minimum(deaths, steps)[there].tolist(), [_SIZE], layers=2)
    trace = replace(trace, block_layer=(np.arange(there.sum()) % 2).astype(np.int32))
    memory = chain(rooms, [400, 60, 20], [90, 30])
    start = None
    if given:
        start = np.zeros((3, trace.num_blocks), dtype=bool)
        start[2, :old] = True
    if rule == "cache":
        memory = with_operations(memory, [Operation("from outside", None, (0, 0, 0, 2, 5), brings=True)])
        start = None if start is None else start & (np.arange(trace.num_blocks) < 10)
        room = np.array(rooms[:2] + [12 * _SIZE])
        return replace(make_instance(memory, trace, "free"), residency="cache", capacity=room, initial=start)
    return make_instance(memory, trace, rule, initial=start)


def moves(instance: Instance, spec: str, steps: int) -> object:
    """What a policy does in the first steps, in a set order; or why it does not play."""
    try:
        schedule = simulate(instance, make_scheduler(spec), record=True).schedule
    except InputError as error:
        return error.found
    assert schedule is not None
    end = int(schedule.indptr[steps])
    rows = [
        sorted(zip(schedule.op[a:b].tolist(), schedule.block[a:b].tolist(), strict=True)) for a, b in _spans(schedule, steps)
    ]
    return end, rows, schedule.initial[:, :16].tolist()


def _spans(schedule: Schedule, steps: int) -> list[tuple[int, int]]:
    return [(int(schedule.indptr[t]), int(schedule.indptr[t + 1])) for t in range(steps)]


@pytest.mark.parametrize("spec", ONLINE)
def test_moves_do_not_depend_on_what_comes(spec: str) -> None:
    """A trace and what goes on behind it: the moves of what they share are the same, under every rule and start."""
    moved = 0
    for rule in RULES:
        for given in (False, True):
            short, long = (moves(story(rule, steps, given=given), spec, 20) for steps in (20, 30))
            assert short == long, (rule, given)
            moved += isinstance(short, tuple) and short[0] > 0
    assert moved or about(spec).family == "fixed"


def one_a_step(seed: int, order: np.ndarray) -> Instance:
    """Sixteen blocks of 1 to 3 bytes under other ids, one read a step, all in the slower tier at first."""
    rng = np.random.default_rng(seed)
    blocks = len(order)
    weight = 1.0 / (1.0 + rng.permutation(blocks))
    reads = rng.choice(blocks, 80, p=weight / weight.sum())
    sizes = rng.integers(1, 4, blocks) if seed % 2 else np.ones(blocks, dtype=np.int64)
    size = np.empty(blocks, dtype=np.int64)
    size[order] = sizes
    start = np.array([[False] * blocks, [True] * blocks])
    trace = make_trace([[int(order[block])] for block in reads], [-1] * blocks, sizes=size.tolist())
    return make_instance(two_tier(hbm=8), trace, initial=start)


@pytest.mark.parametrize("spec", NAMELESS)
def test_names_of_blocks_do_not_matter(spec: str) -> None:
    """The same blocks under other ids take as long, and are read from and stored in the fast tier as often."""
    for seed in (1, 2):
        found = []
        for order in (np.arange(16), np.random.default_rng(9).permutation(16)):
            try:
                run = simulate(one_a_step(seed, order), make_scheduler(spec))
            except InputError as error:
                found.append((error.found,))
                continue
            found.append((run.latency_s, run.hit_rate, run.stored_bytes.tolist(), run.copied_bytes.tolist()))
        assert found[0] == found[1]


@pytest.mark.parametrize("spec", EXACT)
def test_units_do_not_matter(spec: str) -> None:
    """All bytes and all rates times 1,024: the same moves in the same time."""
    for rule in RULES:
        instance = story(rule, 20, given=True)
        memory = instance.memory
        large = replace(
            instance,
            memory=replace(memory, rates=memory.rates * 1024),
            capacity=instance.capacity * 1024,
            size=instance.size * 1024,
            trace=replace(instance.trace, size=instance.trace.size * 1024),
        )
        assert moves(large, spec, 20) == moves(instance, spec, 20), rule


@pytest.mark.parametrize("spec", dict.fromkeys([*EXACT, *TWINS]))
def test_golden(spec: str) -> None:
    """Exactly the recorded misses and bytes at eight capacities."""
    assert list(map(list, at_rooms(spec))) == recorded()[spec], f"{spec}: {at_rooms(spec)}"


@pytest.mark.parametrize("spec", ["lru", "belady"])
def test_more_room_holds_all_that_less_did(spec: str) -> None:
    """The stack property: blocks of one size, what a smaller tier holds a larger one holds at every step."""
    rng = np.random.default_rng(6)
    reads = [[int(block)] for block in rng.integers(0, 9, 60)]
    start = np.array([[False] * 9, [True] * 9])
    before: list[set[int]] = [set() for _ in range(61)]
    for room in range(1, 10):
        instance = make_instance(two_tier(hbm=room), make_trace(reads, [-1] * 9), initial=start)
        played = replay(instance, simulate(instance, make_scheduler(spec), record=True).schedule)
        held = [{block for block, tiers in state.items() if 0 in tiers} for state in played.states]
        assert all(less <= more for less, more in zip(before, held, strict=True)), room
        before = held
