"""Rules that leave nothing to choose miss what libcachesim's miss, read by read; it is no dependency, and mostly not there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from tests.schedulers.caches import one_a_step, skewed

libcachesim: Any = pytest.importorskip("libcachesim", reason="libcachesim (GPL-3.0) is not installed")


@pytest.mark.parametrize(
    ("theirs", "ours"), [("LRU", "lru:scope=global"), ("FIFO", "fifo:scope=global"), ("Clock", "clock"), ("Sieve", "sieve")]
)
def test_misses_are_theirs_read_by_read(theirs: str, ours: str) -> None:
    """Blocks of a byte, one read a step, an empty cache."""
    rng = np.random.default_rng(9)
    for room in (1, 4, 9):
        reads = skewed(rng, 24, 300)
        run = simulate(one_a_step(reads, [1] * 24, room), make_scheduler(ours), per_step=True)
        assert run.per_step is not None
        cache, request, hits = getattr(libcachesim, theirs)(cache_size=room), libcachesim.Request(), []
        request.obj_size = 1
        for block in reads:
            request.obj_id = block + 1
            hits.append(bool(cache.get(request)))
        assert (run.per_step["hit"] > 0).tolist() == hits, (theirs, room)
