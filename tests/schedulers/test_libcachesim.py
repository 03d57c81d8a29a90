"""Rules that leave nothing to choose miss what libcachesim's miss, read by read; it is no dependency, and mostly not there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from tests.schedulers.caches import one_a_step, skewed

libcachesim: Any = pytest.importorskip("libcachesim", reason="libcachesim (GPL-3.0) is not installed")


def next_reads(reads: list[int]) -> list[int]:
    """For each read, the number of the next one of the same block; a very large number where there is none."""
    seen: dict[int, int] = {}
    after = [0] * len(reads)
    for n in range(len(reads) - 1, -1, -1):
        after[n] = seen.get(reads[n], 2**62)
        seen[reads[n]] = n
    return after


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("LRU", "lru:scope=global"),
        ("FIFO", "fifo:scope=global"),
        ("Clock", "clock"),
        ("Sieve", "sieve"),
        ("LFU", "lfu"),
        ("ARC", "arc"),
        ("Belady", "belady-demand"),
    ],
)
def test_misses_are_theirs_read_by_read(theirs: str, ours: str) -> None:
    """Blocks of a byte, one read a step, an empty cache.

    Not compared, because they are not the same rules there: S3-FIFO (its main queue takes what comes in before the first
    eviction), SLRU (four segments), LIRS, GDSF and W-TinyLFU (other estimates and ties), 2Q (shares rounded to whole blocks).
    """
    rng = np.random.default_rng(9)
    for room, blocks in ((1, 24), (4, 24), (9, 24), (50, 300)):
        reads = skewed(rng, blocks, 12 * blocks)
        run = simulate(one_a_step(reads, [1] * blocks, room), make_scheduler(ours), per_step=True)
        after = next_reads(reads)
        assert run.per_step is not None
        cache, request, hits = getattr(libcachesim, theirs)(cache_size=room), libcachesim.Request(), []
        request.obj_size = 1
        for block, then in zip(reads, after, strict=True):
            request.obj_id, request.next_access_vtime = block + 1, then
            hits.append(bool(cache.get(request)))
        assert (run.per_step["hit"] > 0).tolist() == hits, (theirs, room)
