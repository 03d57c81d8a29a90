"""Policies that evict leaves: by hand, and against their slow twins where steps read the whole paths that they extend."""

from __future__ import annotations

import numpy as np
import pytest

from placement_opt.schedulers import make_scheduler
from tests.schedulers.caches import held, paths, played
from tests.schedulers.classics import TWINS

LEAVES = ("prefix-lru", "leaf-random", "leaf-random:seed=7")


def test_leaves_go_before_what_they_extend() -> None:
    """Paths 0-3-1, then 0-2: room for three. 1, the end of the older path, goes, not 3, which was read as long ago."""
    assert held(paths([[0, 3, 1], [0, 2]], 3), "prefix-lru") == [[], [0, 1, 3], [0, 2, 3]]


def test_without_places_ids_are_the_path() -> None:
    """The same reads: now 3 is the end of 0-1-3."""
    assert held(paths([[0, 3, 1], [0, 2]], 3, strict=False), "prefix-lru") == [[], [0, 1, 3], [0, 1, 2]]


def test_what_is_extended_stays_although_it_was_not_read() -> None:
    """0-1, then 1 alone (as ids), then 2 and 3: by last use 0 would go; as 1 extends it, 1 goes, and then 0."""
    reads = [[0, 1], [1], [2], [3]]
    assert held(paths(reads, 2, strict=False), "prefix-lru") == [[], [0, 1], [0, 1], [0, 2], [2, 3]]
    assert held(paths(reads, 2, strict=False), "lru") == [[], [0, 1], [0, 1], [1, 2], [2, 3]]


def test_of_a_path_larger_than_the_tier_the_beginning_stays() -> None:
    """Five blocks, room for three."""
    for spec in LEAVES:
        assert held(paths([[4, 2, 0, 1, 3]], 3), spec)[-1] == [0, 2, 4]


def test_what_was_read_in_this_phase_is_not_drawn() -> None:
    """0, 1 and 2 fill the tier and are marked; 3 begins a phase; whatever went, 3 is marked and stays when 4 comes."""
    for seed in range(8):
        found = held(paths([[0], [1], [2], [3], [4]], 3), f"leaf-random:seed={seed}")
        assert {3, 4} < set(found[-1])
    assert len({str(held(paths([[0], [1], [2], [3]], 3), f"leaf-random:seed={seed}")) for seed in range(8)}) == 3


@pytest.mark.parametrize("spec", LEAVES)
def test_moves_are_those_of_the_slow_twin(spec: str) -> None:
    """Random trees of paths, several rooms."""
    rng = np.random.default_rng(6)
    for room in (2, 4, 7):
        tree: list[list[int]] = [[0]]
        for block in range(1, 16):
            tree.append([*tree[int(rng.integers(len(tree)))], block])
        reads = [tree[int(at)] for at in rng.integers(0, len(tree), 40)]
        for strict in (True, False):
            instance = paths(reads, room, strict=strict)
            assert played(instance, make_scheduler(spec)) == played(instance, TWINS[spec])
