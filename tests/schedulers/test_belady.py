"""The kinds of Belady's rule, by hand: bypassing, on demand, by size."""

from __future__ import annotations

import numpy as np

from tests.schedulers.caches import missed, skewed


def test_on_demand_everything_read_is_brought_in() -> None:
    """Room for one of two blocks of a byte, read 0 1 0: passing 1 by, the second read of 0 is a hit and 0 is stored once."""
    assert missed([0, 1, 0], [1, 1], 1, "belady") == (2, 1)
    assert missed([0, 1, 0], [1, 1], 1, "belady-demand") == (3, 3)


def test_the_largest_product_of_size_and_time_goes() -> None:
    """Room for four bytes: 3 bytes that are read next go (3 x 1) before one byte that is read the step after (1 x 2)."""
    reads, sizes = [0, 1, 2, 0, 1], [3, 1, 1]
    assert missed(reads, sizes, 4, "belady-size")[0] == 3 + 1 + 1 + 3
    assert missed(reads, sizes, 4, "belady-demand")[0] == 3 + 1 + 1 + 1


def test_equal_blocks_are_missed_as_on_demand() -> None:
    """Size makes no difference where all are alike, and no rule that brings everything in misses less."""
    rng = np.random.default_rng(8)
    for room in (3, 5, 7):
        reads = skewed(rng, 14, 60)
        found = {spec: missed(reads, [2] * 14, 2 * room, spec) for spec in ("belady", "belady-demand", "belady-size")}
        assert found["belady-size"][0] == found["belady-demand"][0] >= found["belady"][0]
        assert missed(reads, [2] * 14, 2 * room, "lru")[0] > found["belady-demand"][0]
