"""The classical policies: each compiled rule against its slow twin, what it moves on a committed trace, laws of them all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import placement_opt as po
from placement_opt.instance.instance import Instance
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from tests.schedulers.caches import missed, one_a_step, played, skewed
from tests.schedulers.cases import any_instance, as_cache
from tests.schedulers.classics import TWINS
from tests.schedulers.golden import at_rooms
from tests.small import chain, make_instance, make_trace

#: Spec -> misses of blocks of a byte, and bytes stored of blocks of 1 to 3 bytes, at each of ``golden.ROOMS``.
GOLDEN: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "mru": ((210, 197, 182, 161, 137, 116, 97, 60), (50, 81, 73, 78, 91, 117, 136, 133)),
    "clock": ((217, 215, 212, 207, 115, 46, 32, 15), (51, 89, 145, 222, 327, 433, 290, 145)),
    "clock:bits=2": ((217, 215, 212, 207, 115, 46, 32, 14), (51, 89, 145, 222, 327, 433, 290, 142)),
    "sieve": ((217, 215, 212, 206, 147, 97, 44, 13), (51, 89, 145, 222, 327, 339, 243, 169)),
    "lfu": ((213, 203, 176, 158, 129, 97, 44, 13), (51, 64, 51, 63, 51, 60, 59, 169)),
    "lfu:ageing=dynamic": ((217, 215, 212, 208, 112, 55, 33, 13), (51, 89, 145, 222, 327, 437, 311, 177)),
    "slru": ((213, 203, 178, 163, 136, 97, 35, 13), (51, 64, 51, 63, 62, 141, 147, 169)),
    "slru:protected=0.4": ((215, 207, 188, 188, 160, 47, 32, 14), (51, 64, 124, 144, 197, 319, 331, 145)),
    "2q": ((217, 215, 212, 195, 107, 59, 42, 17), (51, 89, 145, 222, 280, 193, 231, 170)),
    "2q:kin=0.5,kout=1.0": ((217, 215, 211, 183, 117, 70, 41, 17), (51, 89, 145, 205, 267, 359, 271, 194)),
    "arc": ((213, 203, 176, 154, 80, 45, 33, 16), (51, 78, 64, 65, 63, 213, 162, 136)),
    "car": ((213, 203, 176, 143, 82, 48, 32, 15), (51, 70, 71, 69, 70, 205, 150, 145)),
    "lirs": ((206, 186, 156, 129, 79, 55, 34, 11), (50, 86, 143, 217, 261, 217, 100, 112)),
    "lirs:hir=0.4": ((206, 195, 174, 151, 116, 47, 35, 12), (50, 81, 67, 92, 146, 200, 239, 136)),
    "s3-fifo": ((217, 215, 212, 156, 87, 57, 34, 15), (51, 89, 145, 205, 267, 93, 135, 133)),
    "s3-fifo:small=0.3": ((217, 215, 212, 167, 108, 58, 32, 16), (51, 89, 145, 205, 280, 176, 214, 172)),
    "w-tinylfu": ((205, 188, 163, 138, 105, 69, 35, 14), (50, 79, 92, 88, 118, 103, 114, 102)),
    "w-tinylfu:window=0.3,sample=2": ((215, 205, 176, 144, 104, 61, 33, 13), (50, 79, 115, 105, 141, 217, 279, 140)),
    "gdsf": ((217, 215, 212, 208, 112, 55, 33, 13), (50, 88, 141, 215, 268, 295, 326, 173)),
    "random": ((217, 211, 193, 166, 129, 90, 54, 27), (52, 86, 145, 193, 232, 243, 230, 193)),
    "random:seed=7": ((217, 212, 189, 162, 104, 87, 54, 21), (50, 86, 139, 195, 236, 249, 228, 208)),
    "prefix-lru": ((217, 215, 212, 209, 141, 57, 34, 15), (45, 88, 137, 212, 330, 441, 343, 165)),
    "leaf-random": ((217, 215, 212, 193, 134, 92, 47, 13), (45, 85, 143, 214, 319, 347, 278, 217)),
    "leaf-random:seed=7": ((217, 215, 212, 197, 131, 86, 46, 14), (44, 85, 141, 217, 322, 348, 274, 197)),
}


def stirred(seed: int) -> Instance:
    """28 steps over 24 blocks, some read much more than others, some produced, some freed: caches that are full for long."""
    rng = np.random.default_rng([seed, 5])
    tiers, rule = 1 + seed % 4, ("inclusive", "exclusive", "free", "cache")[seed // 4 % 4]
    blocks, steps = 24, 28
    births = np.where(np.arange(blocks) < 16, -1, rng.integers(0, steps // 2, blocks))
    deaths = np.where(rng.random(blocks) < 0.2, rng.integers(steps // 2 + 1, steps, blocks), steps)
    weight = 1.0 / (1.0 + np.argsort(rng.random(blocks)))
    reads = []
    for t in range(steps):
        alive = np.flatnonzero((births < t) & (t <= deaths))
        count = int(rng.integers(0, 7))
        chosen = rng.choice(alive, count, replace=False, p=weight[alive] / weight[alive].sum())
        reads.append(sorted(chosen.tolist()))
    sizes = rng.integers(1, 4, blocks) if seed % 3 == 0 and rule in ("inclusive", "cache") else np.ones(blocks, dtype=np.int64)
    total = int(sizes.sum())
    rooms = np.array([*(int(rng.integers(3, 10)) for _ in range(tiers - 1)), total + 1])
    memory = chain(rooms.tolist(), [40, 20, 10, 5][:tiers], [15, 8, 4][: tiers - 1])
    trace = make_trace(reads, births.tolist(), deaths.tolist(), sizes.tolist())
    if rule != "cache":
        return make_instance(memory, trace, rule)  # type: ignore[arg-type]
    rooms[-1] = total // 3
    return replace(as_cache(make_instance(memory, trace, "free"), seed), capacity=rooms)


#: Each rule with each number of tiers once, and some with everything else that an instance may have.
STIRRED = [stirred(seed) for seed in range(16)]
ANY = [any_instance(seed) for seed in range(6)] + [as_cache(any_instance(seed), seed) for seed in range(6, 9)]


@pytest.mark.parametrize("spec", TWINS)
def test_moves_are_those_of_the_slow_twin(spec: str) -> None:
    """All rules, one to four tiers, several capacities, unequal sizes, births, deaths, given starts: the same, in order."""
    for instance in STIRRED + ANY:
        assert played(instance, make_scheduler(spec)) == played(instance, TWINS[spec])


@pytest.mark.parametrize("spec", GOLDEN)
def test_golden(spec: str) -> None:
    """Exactly the recorded misses and bytes; paste the shown line if a change is meant."""
    found = at_rooms(spec)
    assert found == GOLDEN[spec], f'    "{spec}": {found},'


def test_none_misses_less_than_belady() -> None:
    """Blocks of a byte, one cache, brought in when they are missed."""
    rng = np.random.default_rng(3)
    for room in (1, 4, 9):
        reads = skewed(rng, 16, 60)
        least = missed(reads, [1] * 16, room, "belady")[0]
        found = {spec: missed(reads, [1] * 16, room, spec)[0] for spec in TWINS}
        assert min(found.values()) >= least, (room, least, found)
        assert max(found.values()) > least


@pytest.mark.parametrize("spec", TWINS)
def test_names_of_blocks_do_not_matter(spec: str) -> None:
    """Blocks of 1 to 3 bytes under other ids are missed and stored as often."""
    rng = np.random.default_rng(4)
    reads, sizes = skewed(rng, 16, 100), rng.integers(1, 4, 16)
    other = rng.permutation(16)
    renamed = np.empty(16, dtype=np.int64)
    renamed[other] = sizes
    expected = missed(reads, sizes.tolist(), 10, spec)
    assert missed(other[reads].tolist(), renamed.tolist(), 10, spec) == expected


@pytest.mark.parametrize("spec", TWINS)
def test_moves_do_not_depend_on_what_comes(spec: str) -> None:
    """Two traces that begin alike: the moves of what they share are the same."""
    rng = np.random.default_rng(5)
    common, sizes = skewed(rng, 16, 60), rng.integers(1, 4, 16).tolist()
    found = []
    for _ in range(2):
        schedule = simulate(one_a_step(common + skewed(rng, 16, 30), sizes, 8), make_scheduler(spec), record=True).schedule
        assert schedule is not None
        end = int(schedule.indptr[len(common)])
        found.append((schedule.op[:end].tolist(), schedule.block[:end].tolist(), len(schedule.op)))
    assert found[0][:2] == found[1][:2]
    assert found[0][2] > len(found[0][0]) > 0


def test_no_schedule_is_below_the_bound() -> None:
    """Two tiers, every rule."""
    for instance in STIRRED[1::4]:
        bound = po.bound(instance, "compact").lower_bound_s
        assert bound is not None
        for spec in TWINS:
            assert simulate(instance, make_scheduler(spec)).latency_s >= bound * (1 - 1e-9), spec


def test_a_loop_larger_than_the_tier() -> None:
    """Five blocks in turn, room for four: by last use all are missed, by mru one of four once it is full."""
    reads = list(range(5)) * 12
    assert missed(reads, [1] * 5, 4, "lru")[0] == 60
    assert missed(reads, [1] * 5, 4, "mru")[0] == 5 + (60 - 5) // 4


@pytest.mark.parametrize("spec", ["slru", "2q", "arc", "car", "lfu", "lfu:ageing=dynamic", "lirs", "s3-fifo", "sieve", "gdsf"])
def test_what_is_read_again_and_again_survives_a_scan(spec: str) -> None:
    """Four blocks read in turn, then ten others once: none of the four is missed after that; by last use all are."""
    often = [0, 1, 2, 3]
    before = [*often * 2, 4, 5, 6, 7, 8, 9, *often * 4]
    first, again = (missed([*before, *range(10, 20), *more], [1] * 20, 8, spec)[0] for more in ([], often))
    assert first == again
    first, again = (missed([*before, *range(10, 20), *more], [1] * 20, 8, "lru")[0] for more in ([], often))
    assert again == first + 4
