"""Equal blocks are merged, and only equal ones."""

from __future__ import annotations

import numpy as np
import pytest

from placement_opt.bounds.dual import classes as merging
from placement_opt.bounds.dual.classes import classify
from placement_opt.instance.rule import KEEPING
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


@pytest.mark.parametrize("seed", range(30))
def test_classes_are_those_of_a_table_block_by_block(seed: int) -> None:
    """In order of first appearance, whether blocks alike follow each other or not, many or few reads compared at once."""
    rng = np.random.default_rng(seed)
    rows = [sorted(set(rng.integers(0, 4, 2).tolist())) for _ in range(3)]
    alike = np.repeat(rng.integers(0, 4, 12), rng.integers(1, 5, 12))
    reads = [np.flatnonzero(np.isin(alike, row)).tolist() for row in rows]
    trace = make_trace(reads, [-1] * len(alike), sizes=(1 + (alike + seed) % 2).tolist())
    known: dict[tuple[int, ...], int] = {}
    expected = []
    for block, kind in enumerate(alike.tolist()):
        key = (int(trace.size[block]), *(t for t, row in enumerate(rows) if kind in row))
        expected.append(known.setdefault(key, len(known)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merging, "_AT_ONCE", 1 + seed)
        classes = classify(make_instance(two_tier(), trace))
    assert classes.of.tolist() == expected
    assert classes.block.tolist() == [expected.index(number) for number in range(len(known))]


def test_equal_hashes_merge_nothing_that_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all hashes agree but blocks do not, every block stays by itself: a bound needs no luck."""
    monkeypatch.setattr(merging, "_odd", lambda _: np.uint64(0))
    other_reads = make_instance(two_tier(), make_trace([[0], [1]], [-1, -1]))
    other_sizes = make_instance(two_tier(), make_trace([[0, 1]], [-1, -1], sizes=[1, 2]))
    for instance in (other_reads, other_sizes):
        assert classify(instance).of.tolist() == [0, 1]
