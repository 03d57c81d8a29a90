"""Equal blocks are merged, and only equal ones."""

from __future__ import annotations

import numpy as np
import pytest

from placement_opt.bounds.dual.classes import classify
from placement_opt.instance.instance import KEEPING
from tests.small import make_instance, make_trace, random_instance, two_tier


def test_blocks_with_the_same_reads_are_one_class() -> None:
    """Blocks 0 and 2 are read at the same steps; 1 and 3 never; 4 like 0 but produced later."""
    trace = make_trace([[0, 2], [], [0, 2, 4]], [-1, -1, -1, -1, 0])
    classes = classify(make_instance(two_tier(), trace))
    assert classes.of.tolist() == [0, 1, 0, 1, 2]
    assert classes.count.tolist() == [2, 2, 1]
    assert classes.block.tolist() == [0, 1, 4]
    assert [classes.step[a:b].tolist() for a, b in zip(classes.start, classes.start[1:], strict=False)] == [[0, 2], [], [2]]


def test_sizes_shares_deaths_and_starts_tell_blocks_apart() -> None:
    """Each of the four differences alone makes a class of its own."""
    reads = [[0, 1, 2, 3, 4]]
    trace = make_trace(reads, [-1] * 5, [1, 1, 1, 1, 0], [1, 2, 1, 1, 1], [[4, 4, 2, 4, 4]], 4)
    initial = np.array([[False, False, False, True, False], [True] * 5])
    classes = classify(make_instance(two_tier(), trace, initial=initial))
    assert classes.of.tolist() == [0, 1, 2, 3, 4]
    assert classes.share.tolist() == [1.0, 1.0, 0.5, 1.0, 1.0]
    assert classes.begin.tolist() == [2, 2, 2, 3, 2]


@pytest.mark.parametrize("seed", range(40))
def test_members_have_exactly_the_data_of_their_class(seed: int) -> None:
    """Every block's size, life and reads are those of its class, and classes are pairwise different."""
    rng = np.random.default_rng(seed)
    instance = random_instance(rng, 2, KEEPING[seed % 3], blocks=12, steps=3, max_size=2, shares=seed % 2 == 0)
    classes = classify(instance)
    trace = instance.trace
    rows = []
    for b in range(instance.num_blocks):
        row = []
        for t in range(instance.num_steps):
            position = np.flatnonzero(trace.reads(t) == b)
            if len(position):
                row.append((t, instance.share(int(trace.indptr[t] + position[0]))))
        rows.append((int(instance.size[b]), int(instance.first_state[b]), int(instance.last_state[b]), tuple(row)))
    for b, g in enumerate(classes.of):
        reads = slice(classes.start[g], classes.start[g + 1])
        row = tuple(zip(classes.step[reads].tolist(), classes.share[reads].tolist(), strict=True))
        assert rows[b] == (classes.size[g], classes.first[g], classes.last[g], row)
    assert len({rows[b] for b in classes.block}) == len(classes)
    assert classes.count.sum() == instance.num_blocks
