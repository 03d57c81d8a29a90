"""Packing: legal wherever blocks can be packed into two tiers at all, and moves as little as it must."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from placement_opt.base.errors import ScheduleError
from placement_opt.instance.packing import exactly_filled
from placement_opt.play.simulate import simulate
from placement_opt.schedulers.packing import Packing, _first_fit
from placement_opt.schedulers.static import first_fit
from tests.schedulers.cases import any_instance
from tests.small import chain, make_instance, make_trace


@pytest.mark.parametrize("seed", range(60))
def test_two_tiers_are_filled_whenever_they_can_be(seed: int) -> None:
    """Exact filling of two tiers finds a packing if and only if trying every subset does."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 12, int(rng.integers(1, 9))) * int(rng.integers(1, 4))
    first = int(rng.integers(0, sizes.sum() + 1))
    room = np.array([first, int(sizes.sum()) - first + int(rng.integers(0, 3))])
    chosen = itertools.product((False, True), repeat=len(sizes))
    possible = any(sizes[np.array(c)].sum() <= room[0] and sizes[~np.array(c)].sum() <= room[1] for c in chosen)
    tier = exactly_filled(sizes, room, (1, 0))
    assert (tier is not None) is possible
    if tier is not None:
        assert (np.bincount(tier, sizes, 2) <= room).all()


def test_each_is_taken_if_it_fits_when_its_turn_comes() -> None:
    """Stretch by stretch as one by one; equal sizes, unequal ones, none, and room for nothing."""
    rng = np.random.default_rng(3)
    for case in range(200):
        sizes = rng.integers(1, 2 + rng.integers(1, 40), rng.integers(0, 30))
        room = left = int(rng.integers(0, 1 + sizes.sum())) if case else 0
        plain = []
        for size in sizes.tolist():
            plain.append(size <= left)
            left -= size * plain[-1]
        assert first_fit(sizes, room).tolist() == plain


def test_first_fit_goes_by_order_or_by_room() -> None:
    """Each goes to the first tier with room in the order given, or else to the one with least room."""
    room = np.array([10, 6])
    assert _first_fit(np.array([5, 5, 6]), room, (0, 1)) is not None
    best = _first_fit(np.array([6, 10]), room, None)
    assert best is not None
    assert best.tolist() == [1, 0]
    assert _first_fit(np.array([7, 7]), room, (0, 1)) is None


@pytest.mark.parametrize("seed", range(40))
def test_legal_everywhere(seed: int) -> None:
    """All rules and tiers: the simulator accepts it, and no time is better than none."""
    assert simulate(any_instance(seed), Packing()).latency_s >= 0.0


def test_packs_anew_only_where_what_is_new_does_not_fit() -> None:
    """A block of 4 beside 4 + 2 and 2 finds room as they lie; one of 5 beside 2 + 2 and 2 only once a block of 2 has moved."""
    reads, births = [[], [0, 1, 2, 3]], [-1, -1, -1, 0]
    given = np.array([[True, True, False, False], [False, False, True, False]])
    roomy = make_instance(chain([6, 6], [9, 5], [4]), make_trace(reads, births, sizes=[4, 2, 2, 4]), "exclusive", initial=given)
    assert simulate(roomy, Packing()).copied_bytes.sum() == 0.0
    tight = make_instance(chain([6, 5], [9, 5], [4]), make_trace(reads, births, sizes=[2, 2, 2, 5]), "exclusive", initial=given)
    assert simulate(tight, Packing()).copied_bytes.sum() == 2.0


def test_says_what_does_not_fit() -> None:
    """Three blocks of two bytes and rooms of three twice: refused at the start."""
    instance = make_instance(chain([3, 3], [9, 5], [4]), make_trace([[0]], [-1, -1, -1], sizes=[2, 2, 2]), "free")
    with pytest.raises(ScheduleError, match="no packing found for the start"):
        simulate(instance, Packing())
