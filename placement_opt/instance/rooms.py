"""The room of each tier that layers get which take turns: shares by the bytes of their blocks, which add up to the whole's.

Such a share may be of no use: a part of a block. Then layers have whole blocks of room there, or none. And blocks may fit into
all the room together but not into shares of it; then the blocks of all layers are packed first, the largest first and those of
the layers side by side, and what is left is shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from placement_opt.base.arrays import Int64


class Owned(NamedTuple):
    """What layers have: int64[n] different sizes, descending; int64[L, n] blocks of each size, and those of them that a given
    start places nowhere; int64[L, K] bytes that it places."""

    sizes: Int64
    blocks: Int64
    later: Int64
    held: Int64


def rooms_of(owned: Owned, capacity: Int64, *, packed: bool) -> Int64:
    """int64[L, K]: the bytes of each layer, which add up to the capacities.

    ``packed``: whether every block must lie in some tier, of which none holds them all.
    """
    rooms = _shared(owned, owned.held, capacity)
    if not packed or all(map(_fits, owned.later, [owned.sizes] * len(rooms), rooms - owned.held)):
        return rooms
    if all(map(_fits, owned.blocks, [owned.sizes] * len(rooms), rooms)):
        return rooms
    left = capacity - owned.held.sum(axis=0)
    taken = next((found for order in _orders(left) if (found := _packed(owned, left, order)) is not None), None)
    return rooms if taken is None else _shared(owned, owned.held + taken, capacity)


def _shared(owned: Owned, held: Int64, capacity: Int64) -> Int64:
    """int64[L, K]: what layers hold, and shares of what is left, by the bytes of their blocks; where these lie at the start, or
    all have room, after room for those that come later."""
    parts, later = (owned.blocks @ owned.sizes).tolist(), (owned.later @ owned.sizes).tolist()
    smallest = np.where(owned.blocks > 0, owned.sizes, owned.sizes[0]).min(axis=1)
    shares = []
    for tier, room in enumerate((capacity - held.sum(axis=0)).tolist()):
        lie = held[:, tier].any() or int(capacity[tier]) >= sum(parts)
        first = later if lie and sum(later) <= room else [0] * len(later)
        mine = [some + more for some, more in zip(first, _portions(room - sum(first), parts), strict=True)]
        there = held[:, tier] + mine
        if ((there > 0) & (there < smallest)).any():
            mine = _whole_portions(room, parts, int(smallest.max()))
        shares.append(mine)
    return held + np.array(shares, dtype=np.int64).T


def _portions(room: int, parts: Sequence[int]) -> list[int]:
    """Whole numbers in proportion to some parts that add up to ``room``."""
    ends = [0]
    for part in parts:
        ends.append(ends[-1] + part)
    return [room * high // ends[-1] - room * low // ends[-1] for low, high in pairwise(ends)]


def _whole_portions(room: int, parts: Sequence[int], unit: int) -> list[int]:
    """The same in whole units, but for what is left of one, so that no layer has room that is of no use to it."""
    shares = [unit * count for count in _portions(room // unit, parts)]
    shares[shares.index(max(shares))] += room % unit
    return shares


def _orders(room: Int64) -> list[list[int]]:
    """In which tiers are filled, one of which often serves where room is short."""
    tiers, smallest = list(range(len(room))), np.argsort(room, kind="stable").tolist()
    return [tiers, tiers[::-1], smallest, smallest[::-1]]


def _fits(blocks: Int64, sizes: Int64, room: Int64) -> bool:
    """Whether a layer's blocks fit into its room by first fit, the largest first."""
    return any(_filled(blocks.tolist(), sizes.tolist(), room[order].tolist()) for order in _orders(room))


def _filled(blocks: Sequence[int], sizes: Sequence[int], room: list[int]) -> bool:
    for count, size in zip(blocks, sizes, strict=True):
        rest = count
        for tier, left in enumerate(room):
            taken = min(rest, left // size)
            room[tier] -= taken * size
            rest -= taken
        if rest:
            return False
    return True


def _packed(owned: Owned, room: Int64, order: Sequence[int]) -> Int64 | None:
    """int64[L, K]: bytes that blocks which lie nowhere yet take, in equal measure of all layers; None: no place."""
    taken, left = np.zeros_like(owned.held), room.tolist()
    for size, counts in zip(owned.sizes.tolist(), owned.later.T.tolist(), strict=True):
        for tier in order:
            fill = min(sum(counts), left[tier] // size)
            if fill:
                mine = _portions(fill, counts)
                taken[:, tier] += size * np.array(mine, dtype=np.int64)
                counts = [count - some for count, some in zip(counts, mine, strict=True)]
                left[tier] -= fill * size
        if any(counts):
            return None
    return taken
