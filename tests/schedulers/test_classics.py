"""The classical policies: each compiled rule against its slow twin, none below belady, what sets them apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from placement_opt.instance.instance import Instance
from placement_opt.schedulers import make_scheduler
from tests.schedulers.caches import missed, played, skewed
from tests.schedulers.cases import any_instance, as_cache
from tests.schedulers.classics import TWINS
from tests.small import chain, make_instance, make_trace


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


def test_none_misses_less_than_belady() -> None:
    """Blocks of a byte, one cache, brought in when they are missed."""
    rng = np.random.default_rng(3)
    for room in (1, 4, 9):
        reads = skewed(rng, 16, 60)
        least = missed(reads, [1] * 16, room, "belady")[0]
        found = {spec: missed(reads, [1] * 16, room, spec)[0] for spec in TWINS}
        assert min(found.values()) >= least, (room, least, found)
        assert max(found.values()) > least


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
