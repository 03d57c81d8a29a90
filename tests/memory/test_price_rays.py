"""The extreme price rays against their definition."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.memory.split.price_rays import TooManyRays, extreme_rays


def null_ray(rows: list[list[int]]) -> tuple[int, ...] | None:
    """The one ray of the rows' null space, by Gauss-Jordan in rationals, in lowest terms; None if its dimension is not 1."""
    width = len(rows[0]) if rows else 1
    table = [[Fraction(x) for x in row] for row in rows]
    pivots: list[int] = []
    for column in range(width):
        row = next((i for i in range(len(pivots), len(table)) if table[i][column]), None)
        if row is None:
            continue
        table[len(pivots)], table[row] = table[row], table[len(pivots)]
        head = table[len(pivots)]
        head[:] = [x / head[column] for x in head]
        for i, other in enumerate(table):
            if i != len(pivots) and other[column]:
                other[:] = [x - other[column] * y for x, y in zip(other, head, strict=True)]
        pivots.append(column)
    if len(pivots) != width - 1:
        return None
    free = next(column for column in range(width) if column not in pivots)
    ray = [Fraction(0)] * width
    ray[free] = Fraction(1)
    for i, column in enumerate(pivots):
        ray[column] = -table[i][free]
    scale = np.lcm.reduce([x.denominator for x in ray])
    whole = [int(x * int(scale)) for x in ray]
    return tuple(x // int(np.gcd.reduce(whole)) for x in whole)


def slow_rays(costs: np.ndarray, patterns: list[int]) -> set[tuple[int, ...]]:
    """Every ray >= 0 on which enough of these hold to fix it: a price is zero, two tiers of one pattern are cheapest alike."""
    tiers, width = costs.shape
    walls = [list(row) for row in np.eye(width, dtype=int)]
    for j, k in itertools.combinations(range(tiers), 2):
        if any(p >> j & 1 and p >> k & 1 for p in patterns):
            walls.append([int(x) for x in costs[j] - costs[k]])
    candidates = {null_ray(list(rows)) for rows in itertools.combinations(walls, width - 1)}
    found = set()
    for ray in candidates:
        if ray is None or (min(ray) < 0):
            continue
        price = costs @ np.array(ray)
        rows = [list(np.eye(width, dtype=int)[g]) for g in range(width) if ray[g] == 0]
        for p in patterns:
            members = [k for k in range(tiers) if p >> k & 1]
            least = min(price[k] for k in members)
            ties = [k for k in members if price[k] == least]
            rows += [[int(x) for x in costs[k] - costs[ties[0]]] for k in ties[1:]]
        if (rows or width == 1) and null_ray(rows or [[0]]) == ray:
            found.add(ray)
    return found


@settings(derandomize=True, deadline=None, max_examples=120)
@given(seed=st.integers(0, 2**32 - 1), tiers=st.integers(1, 4), width=st.integers(1, 4), largest=st.integers(1, 3))
def test_rays_are_those_of_the_definition(seed: int, tiers: int, width: int, largest: int) -> None:
    """The enumeration finds exactly the rays that solving every subset of the constraints finds, whatever the costs."""
    rng = np.random.default_rng(seed)
    costs = rng.integers(0, largest + 1, (tiers, width))
    costs[rng.integers(0, tiers), :] += costs.max(axis=0) == 0  # no column is zero
    patterns = [int(p) for p in rng.permutation(np.arange(1, 1 << tiers))[: int(rng.integers(1, 1 << tiers))]]
    fast = extreme_rays(tuple(map(tuple, costs.tolist())), tuple(patterns))
    assert {tuple(row) for row in fast.tolist()} == slow_rays(costs, patterns)
    assert len({tuple(row) for row in fast.tolist()}) == len(fast)


@pytest.mark.parametrize("tiers", [1, 2, 3, 4, 5, 6])
def test_independent_tiers_have_a_ray_for_every_set(tiers: int) -> None:
    """Where every tier has a resource of its own and every set is a pattern, the rays are the sets of equally priced tiers."""
    identity = tuple(map(tuple, np.eye(tiers, dtype=int).tolist()))
    rays = extreme_rays(identity, tuple(range(1, 1 << tiers)))
    assert {tuple(row) for row in rays.tolist()} == set(itertools.product((0, 1), repeat=tiers)) - {(0,) * tiers}


def test_reads_without_choice_have_the_unit_rays_only() -> None:
    """Where every pattern is one tier nothing is split and every resource is priced alone."""
    rays = extreme_rays(((1, 0, 1), (0, 1, 1)), (1, 2))
    assert sorted(rays.tolist()) == sorted(np.eye(3, dtype=int).tolist())


def test_too_many_rays_are_refused() -> None:
    """Twelve independent tiers have 4095 rays, more than are enumerated."""
    identity = tuple(map(tuple, np.eye(12, dtype=int).tolist()))
    with pytest.raises(TooManyRays):
        extreme_rays(identity, ((1 << 12) - 1,))


def test_the_result_cannot_be_spoilt() -> None:
    """The cached array is read-only."""
    with pytest.raises(ValueError, match="read-only"):
        extreme_rays(((1,),), (1,))[0, 0] = 2


@pytest.mark.parametrize("largest", [2**31, 2**45])
def test_loads_whose_products_do_not_fit_are_not_enumerated(largest: int) -> None:
    """Loads of whole large blocks: refused, rather than multiplied wrongly; the same loads in other units are enumerated."""
    with pytest.raises(TooManyRays):
        extreme_rays(((largest, 0, 1), (0, largest + 1, 1), (1, 1, largest)), (7,))
    assert len(extreme_rays(((4, 0, 1), (0, 5, 1), (1, 1, 4)), (7,))) > 3
