"""Extreme price vectors of the optimal read split, enumerated once for a table of reads and never again.

A step's reads are split over the tiers that hold their blocks. At resource prices sigma, a byte readable from the tiers of
pattern p costs the least of ``c_k(sigma) = read[k] @ sigma`` over k in p, a concave, piecewise linear function whose pieces
are cones. The dual of the split maximises a sum of such functions plus a linear one over ``sigma >= 0, B @ sigma = 1``, so its
maximum lies on an extreme ray of some cone, whatever the loads. Those rays depend on the reads and the patterns alone: not on
rates, not on loads. They are the rays of the arrangement of the hyperplanes ``c_j = c_k`` in the positive orthant, less those
that lie inside a face because none of the hyperplanes through them separates cheapest tiers.

The arrangement is refined one hyperplane at a time, as in the double description method (Motzkin et al. 1953; Fukuda and Prodon
1996): two rays on either side that span a face of dimension two give one new ray. All in small integers.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from placement_opt.base.arrays import Array, Flags, Int64

#: Rays beyond these are not enumerated: see ``StepTimer``.
MOST_RAYS = 2048
_LARGEST_ENTRY = 2**20


class TooManyRays(Exception):
    """The enumeration would exceed its documented size; caught by ``StepTimer``."""


def extreme_rays(costs: tuple[tuple[int, ...], ...], patterns: tuple[int, ...]) -> Int64:
    """Extreme price rays of reads that are split at the best prices.

    Parameters
    ----------
    costs
        K rows of G integers >= 0: what one unit (a byte, a block) read from tier k loads on resource (group) g; no column is
        zero. A "tier" here is any way to serve a read.
    patterns
        Sets of tiers as bitmasks.

    Returns
    -------
    int64[V, G]
        One ray a row, in lowest terms, sorted.

    Raises
    ------
    TooManyRays
        More than ``MOST_RAYS`` on the way, or entries too large (loads of whole large blocks, not of bytes, for one).
    """
    rays = _enumerated(costs, patterns, MOST_RAYS)
    if rays is None:
        raise TooManyRays
    return rays


@lru_cache(maxsize=64)
def _enumerated(costs: tuple[tuple[int, ...], ...], patterns: tuple[int, ...], most: int) -> Int64 | None:
    """What :func:`extreme_rays` returns, None where they are too many: that takes longest to find out, so it is kept too."""
    table = np.array(costs, dtype=np.int64)
    rays = np.eye(table.shape[1], dtype=np.int64)
    signs = np.zeros((len(rays), 0), dtype=np.int64)
    largest = table.shape[1] * int(table.max(initial=0))
    for normal in _walls(table, patterns):
        # sums of products of a ray, a wall or a row of loads, and another ray must fit
        if 2 * int(rays.max()) ** 2 * largest >= 2**63:
            return None
        rays, signs = _refine(rays, signs, normal)
        if len(rays) > most or int(rays.max()) > _LARGEST_ENTRY:
            return None
    if int(rays.max()) * largest >= 2**63:
        return None
    rays = rays[_extreme(rays, table, patterns)]
    rays = rays[np.lexsort(rays.T[::-1])]
    rays.setflags(write=False)
    return rays


def _walls(table: Int64, patterns: tuple[int, ...]) -> list[Int64]:
    """Normals of the hyperplanes c_j = c_k over the pairs of tiers that share a pattern, each once."""
    found: dict[tuple[int, ...], Int64] = {}
    count = len(table)
    for j in range(count):
        for k in range(j + 1, count):
            if any(pattern >> j & 1 and pattern >> k & 1 for pattern in patterns):
                normal = table[j] - table[k]
                if (normal > 0).any() and (normal < 0).any():  # otherwise the wall only touches the orthant's border
                    normal = normal // np.gcd.reduce(normal)
                    key = tuple(normal.tolist())
                    if tuple(-x for x in key) not in found:
                        found[key] = normal
    return list(found.values())


def _refine(rays: Int64, signs: Int64, normal: Int64) -> tuple[Int64, Int64]:
    """The rays of the arrangement with one more hyperplane, and on which side of each hyperplane they lie."""
    value = rays @ normal
    features = _features(rays, signs)
    on = np.concatenate([signs == 0, rays == 0], axis=1).astype(np.float32)
    above, below = np.flatnonzero(value > 0), np.flatnonzero(value < 0)
    fresh, sides = [rays], [signs]
    for a in above.tolist():
        partners = below[_same_cell(signs[a], signs[below])]
        # a face of dimension two lies on that many walls and sides of the orthant at least: most pairs share fewer
        partners = partners[_together(on[partners], on[a]) >= rays.shape[1] - 2]
        partners = partners[_spans_face(features, features[a] | features[partners])]
        if len(partners):
            mixed = value[a] * rays[partners] - value[partners, None] * rays[a]
            fresh.append(mixed // np.gcd.reduce(mixed, axis=1)[:, None])
            sides.append(np.sign(signs[a] + signs[partners]))
    everything, side = np.concatenate(fresh), np.concatenate(sides)
    return everything, np.column_stack([side, np.sign(everything @ normal)])


def _features(rays: Int64, signs: Int64) -> Flags:
    """What a ray has and the faces without it lack: above, below each hyperplane, off each coordinate plane."""
    return np.concatenate([signs > 0, signs < 0, rays > 0], axis=1)


def _same_cell(one: Int64, others: Int64) -> Flags:
    """Which of the others no hyperplane separates from the one."""
    return np.asarray((one * others >= 0).all(axis=1))


def _spans_face(features: Flags, faces: Flags) -> Flags:
    """Which faces (smallest ones that hold two given rays, as features) hold no third ray, hence are of dimension two."""
    outside = _together(~faces, features.T)
    return np.asarray((outside == 0).sum(axis=1) == 2)


def _extreme(rays: Int64, table: Int64, patterns: tuple[int, ...]) -> Flags:
    """Which rays are extreme for the prices of patterns: no other ray is free where they are and ties where they tie."""
    price = rays @ table.T
    tight = [rays == 0]
    for pattern in patterns:
        members = [k for k in range(len(table)) if pattern >> k & 1]
        if len(members) > 1:
            inside = price[:, members]
            tight.append(inside == inside.min(axis=1, keepdims=True))
    ties = np.concatenate(tight, axis=1)
    missing = _together(ties, (~ties).T)  # [c, d]: tight for c, not for d
    return np.asarray((missing == 0).sum(axis=1) == 1)


def _together(some: Array, others: Array) -> Array:
    """In how many places both are 1, exactly.

    Of such products of zeros and ones some builds of BLAS say now and then, wrongly, that they met an invalid value.
    """
    with np.errstate(invalid="ignore"):
        return np.asarray(some.astype(np.float32, copy=False) @ others.astype(np.float32, copy=False))
