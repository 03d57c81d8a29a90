"""One cache above a home: rows of ids make the very moves of the heaps, and of the lists of a clock."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from placement_opt.instance.instance import Instance
from placement_opt.schedulers import fifo, lru, make_scheduler, tail_lru
from placement_opt.schedulers.classical import clock
from tests.schedulers.caches import played
from tests.small import make_instance, make_trace, two_tier


def _full(seed: int) -> Instance:
    """20 steps over 24 blocks of one or several sizes and layers, produced and freed; a cache of a few blocks, given or not."""
    rng = np.random.default_rng([seed, 11])
    blocks, steps, layers = 24, 20, 1 + seed % 3
    births = np.where(np.arange(blocks) < 16, -1, rng.integers(0, steps // 2, blocks))
    deaths = np.where(rng.random(blocks) < 0.3, rng.integers(steps // 2 + 1, steps, blocks), steps)
    reads = []
    for t in range(steps):
        alive = np.flatnonzero((births < t) & (t <= deaths))
        reads.append(sorted(rng.choice(alive, min(len(alive), int(rng.integers(0, 12))), replace=False).tolist()))
    sizes = np.ones(blocks, np.int64) if seed % 4 == 0 else rng.integers(1, 2 + seed % 5, blocks)
    trace = make_trace(reads, births.tolist(), deaths.tolist(), sizes.tolist())
    if layers > 1:  # dealt out, so that steps read blocks of several
        labels = [(np.arange(count) % layers).astype(np.int32) for count in (steps, blocks)]
        trace = replace(trace, step_layer=labels[0], block_layer=labels[1])
    room, held = int(rng.integers(sizes.max(), 16)), rng.random((2, blocks)) < 0.3
    held &= births < 0
    held[1] = births < 0
    held[0] &= np.cumsum(held[0] * sizes) <= room
    return make_instance(two_tier(hbm=room), trace, initial=held if rng.random() < 0.4 else None)


@pytest.mark.parametrize(
    "spec", ["lru", "lru:scope=global", "fifo", "fifo:scope=global", "tail-lru:xi=3", "tail-lru:xi=5,prompt=2", "clock:bits=2"]
)
def test_moves_are_those_of_the_heaps_and_lists(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unequal sizes, shares of layers, births, deaths, given starts: the same moves in the same order."""
    instances = [_full(seed) for seed in range(150)]
    found = [played(instance, make_scheduler(spec)) for instance in instances]
    assert len({str(one) for one in found}) == len(found)
    for module in (lru, fifo, tail_lru, clock):
        monkeypatch.setattr(module, "queued", lambda *_, **__: None)
    for seed, (instance, one) in enumerate(zip(instances, found, strict=True)):
        assert played(instance, make_scheduler(spec)) == one, seed
