"""Numbering futures: equal (hop, next future) pairs get one number."""

from __future__ import annotations

import numpy as np

from placement_opt.base.arrays import Array
from placement_opt.base.compiled import njit


@njit(cache=True)  # type: ignore[untyped-decorator]
def chain_futures(start: Array, hop: Array) -> tuple[Array, Array, Array]:
    """(head, node_hop, node_next): the future of every class, -1 without reads, and the tree of futures.

    ``start`` int64[G + 1] cuts ``hop`` int64[reads] into classes. Pairs are looked up in a hash table with linear probing.
    """
    reads = len(hop)
    slots = 16
    while slots < 2 * reads:
        slots *= 2
    table = np.full(slots, -1, dtype=np.int64)
    node_hop, node_next = np.empty(reads, dtype=np.int64), np.empty(reads, dtype=np.int64)
    head = np.full(len(start) - 1, -1, dtype=np.int64)
    nodes = 0
    for g in range(len(start) - 1):
        follow = np.int64(-1)
        for n in range(start[g + 1] - 1, start[g] - 1, -1):
            mixed = np.uint64(hop[n]) * np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(follow + 1) * np.uint64(0xC2B2AE3D27D4EB4F)
            mixed ^= mixed >> np.uint64(29)
            slot = np.int64(mixed & np.uint64(slots - 1))
            while table[slot] >= 0 and (node_hop[table[slot]] != hop[n] or node_next[table[slot]] != follow):
                slot = (slot + 1) & (slots - 1)
            if table[slot] < 0:
                table[slot] = nodes
                node_hop[nodes], node_next[nodes] = hop[n], follow
                nodes += 1
            follow = table[slot]
        head[g] = follow
    return head, node_hop[:nodes].copy(), node_next[:nodes].copy()
