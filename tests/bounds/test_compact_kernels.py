"""Loops over ways and members against slow twins that try everything."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from placement_opt.bounds.columns.kinds_kernels import find_ways, spread_counts


@pytest.mark.parametrize("seed", range(30))
def test_the_cheapest_way_is_found(seed: int) -> None:
    """Over all sequences of three sets through up to five states: the least cost is found, nothing dearer than known."""
    rng = np.random.default_rng(seed)
    steps, sets, kinds = 6, 3, 4
    opens = rng.integers(0, 4, kinds)
    closes = np.minimum(opens + rng.integers(0, 5, kinds), steps)
    start, end = rng.integers(0, 9, (kinds, sets)).astype(float), rng.integers(-9, 1, (kinds, sets)).astype(float)
    start[rng.random((kinds, sets)) < 0.2] = np.inf
    held = rng.integers(0, 4, (steps + 1, sets)).astype(float)
    rent = np.concatenate([np.zeros((1, sets)), np.cumsum(held, axis=0)])
    adding = rng.integers(0, 6, (steps, sets, sets)).astype(float)
    adding[:, np.arange(sets), np.arange(sets)] = 0.0
    known = rng.integers(-4, 12, kinds).astype(float)

    def cost(kind: int, way: tuple[int, ...]) -> float:
        total = start[kind, way[0]] + end[kind, way[-1]]
        total += sum(held[opens[kind] + n, s] for n, s in enumerate(way))
        return float(total + sum(adding[opens[kind] + n, a, b] for n, (a, b) in enumerate(pairwise(way))))

    copies = np.ones((sets, sets), dtype=bool)
    kind, legs, leg_set, first, last = find_ways(opens, closes, start, end, rent, adding, copies, known, 3, 0.0)
    bounds = np.concatenate([[0], np.cumsum(legs)])
    found: dict[int, list[float]] = {g: [] for g in range(kinds)}
    for n, g in enumerate(kind.tolist()):
        way: list[int] = []
        for leg in range(bounds[n], bounds[n + 1]):
            assert first[leg] == opens[g] + len(way)
            way += [int(leg_set[leg])] * int(last[leg] - first[leg] + 1)
        assert len(way) == closes[g] - opens[g] + 1
        found[g].append(cost(g, tuple(way)))
        assert found[g][-1] < known[g]
    for g in range(kinds):
        best = min(cost(g, way) for way in product(range(sets), repeat=int(closes[g] - opens[g] + 1)))
        assert (min(found[g]) == best) if best < known[g] else not found[g]


def test_counts_go_first_to_those_already_there() -> None:
    """Ten blocks each, the second class is held: 15 are all of it and half of the first; for 12, it gives up three."""
    none = np.full((1, 6), 0.0)
    none[0, 1] = 1.0
    leads = np.array([-1, -1, -1, 0, 1, 2])
    opens, closes = spread_counts(
        np.arange(6),
        np.array([0, 3, 6]),
        leads,
        np.full(6, 10.0),
        none,
        np.array([[15.0, 12.0]]),
        np.array([[15.0, 21.0]]),
        np.array([30.0, 30.0]),
        np.array([0]),
        False,
    )
    assert opens[0].tolist() == [0.5, 1.0, 0.0, 0.5, 0.7, 0.0]
    assert closes[0, 3:].tolist() == pytest.approx([0.75, 0.85, 0.5])


def test_a_second_tier_holds_what_the_first_does_not() -> None:
    """Ten blocks, four in the first tier: the second holds the six others, and more only where copies may be two."""
    arguments = (np.array([0]), np.array([0, 1]), np.array([-1]), np.array([10.0]), np.zeros((2, 1)))
    wanted = np.array([[4.0], [8.0]])
    for exclusive, second in ((True, 0.6), (False, 0.8)):
        opens, _ = spread_counts(*arguments, wanted, wanted, np.array([10.0]), np.array([0, 1]), exclusive)
        assert opens[:, 0].tolist() == pytest.approx([0.4, second])
