"""Idle stretches between two reads of a block: what the cheapest way through each costs, and the bytes that go that way.

A stretch is a min-plus product of one S x S matrix a step, put together from few that are kept. ``soft``: as in
:mod:`placement_opt.bounds.dual.minima_kernels`.
"""

from __future__ import annotations

import numpy as np

from placement_opt.base.arrays import Array
from placement_opt.base.compiled import njit
from placement_opt.bounds.dual.minima_kernels import FAR, decay, least_of, spread


@njit(cache=True)  # type: ignore[untyped-decorator]
def _join(table: Array, left: int, right: int, into: int, soft: float, c: Array) -> None:
    """table[into] := table[left] (min, +) table[right]."""
    sets = table.shape[1]
    for i in range(sets):
        for j in range(sets):
            for m in range(sets):
                c[m] = table[left, i, m] + table[right, m, j]
            table[into, i, j] = least_of(c, soft)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _part(table: Array, flow: Array, left: int, right: int, whole: int, soft: float, c: Array, out: Array) -> None:
    """Bytes on ``whole``, joined of two, become bytes on the two."""
    sets = table.shape[1]
    for i in range(sets):
        for j in range(sets):
            if flow[whole, i, j] > 0.0:
                for m in range(sets):
                    c[m] = table[left, i, m] + table[right, m, j]
                spread(c, table[whole, i, j], flow[whole, i, j], soft, out)
                for m in range(sets):
                    flow[left, i, m] += out[m]
                    flow[right, m, j] += out[m]


@njit(cache=True)  # type: ignore[untyped-decorator]
def idle_products(adding: Array, rent: Array, soft: float, wide: bool) -> Array:
    """float64[nodes, S, S]: idle stretches, of which any other is made; node t < T is idle step t (P: power of two >= T).

    Wide: at level h, node ``h P + t`` leads from t to the middle of its 2**(h + 1) steps, or from there through t (a disjoint
    sparse table): any stretch is two nodes, for P log2 P of them. Otherwise a segment tree: its inner node n is ``2 P - n``.
    """
    steps, sets = adding.shape[0], adding.shape[1]
    leaves, levels = 1, 1
    while leaves < steps:
        leaves *= 2
        levels += 1
    table = np.full((leaves * (levels if wide else 2), sets, sets), np.inf)
    for t in range(leaves):
        for i in range(sets):
            if t < steps:
                for j in range(sets):
                    table[t, i, j] = adding[t, i, j] + rent[t + 1, j]
            else:
                table[t, i, i] = 0.0
    c = np.empty(sets)
    if wide:
        for level in range(1, levels):
            base, half = level * leaves, 1 << level
            for middle in range(half, leaves, 2 * half):
                table[base + middle - 1] = table[middle - 1]
                for t in range(middle - 2, middle - half - 1, -1):
                    _join(table, t, base + t + 1, base + t, soft, c)
                table[base + middle] = table[middle]
                for t in range(middle + 1, middle + half):
                    _join(table, base + t - 1, t, base + t, soft, c)
    else:
        for node in range(leaves - 1, 0, -1):
            _join(table, _place(2 * node, leaves), _place(2 * node + 1, leaves), _place(node, leaves), soft, c)
    return table


@njit(cache=True)  # type: ignore[untyped-decorator]
def _place(node: int, leaves: int) -> int:
    """Where a node of the segment tree (leaves are P .. 2 P - 1) lies in the table."""
    return node - leaves if node >= leaves else 2 * leaves - node


@njit(cache=True)  # type: ignore[untyped-decorator]
def push_down(table: Array, flow: Array, leaves: int, wide: bool, soft: float) -> None:
    """Bytes on all nodes become bytes on single steps, in place."""
    sets = table.shape[1]
    c, out = np.empty(sets), np.empty(sets)
    if not wide:
        for node in range(1, leaves):
            _part(table, flow, _place(2 * node, leaves), _place(2 * node + 1, leaves), _place(node, leaves), soft, c, out)
        return
    level = 1
    while (1 << level) < leaves:
        base, half = level * leaves, 1 << level
        for middle in range(half, leaves, 2 * half):
            for t in range(middle - half, middle - 1):
                _part(table, flow, t, base + t + 1, base + t, soft, c, out)
            flow[middle - 1] += flow[base + middle - 1]
            for t in range(middle + half - 1, middle, -1):
                _part(table, flow, base + t - 1, t, base + t, soft, c, out)
            flow[middle] += flow[base + middle]
        level += 1


@njit(cache=True)  # type: ignore[untyped-decorator]
def cover(low: int, high: int, leaves: int, wide: bool, nodes: Array) -> int:
    """Nodes that together are the idle steps low..high - 1, in their order; returns how many."""
    if low >= high:
        return 0
    if wide:
        last = high - 1
        if low == last:
            nodes[0] = low
            return 1
        level = 0
        while (low ^ last) >> (level + 1):
            level += 1
        nodes[0], nodes[1] = level * leaves + low, level * leaves + last
        return 2
    left, right = low + leaves, high + leaves
    count, waiting = 0, 127
    while left < right:
        if left & 1:
            nodes[count] = _place(left, leaves)
            count += 1
            left += 1
        if right & 1:
            right -= 1
            nodes[waiting] = _place(right, leaves)
            waiting -= 1
        left //= 2
        right //= 2
    for n in range(waiting + 1, 128):
        nodes[count] = nodes[n]
        count += 1
    return count


@njit(cache=True)  # type: ignore[untyped-decorator]
def through(kept: Array, n: int, tree: Array, node: int, soft: float) -> None:
    """kept[n + 1] := kept[n] (min, +) tree[node]."""
    sets = kept.shape[1]
    for j in range(sets):
        low = np.inf
        for i in range(sets):
            low = min(low, kept[n, i] + tree[node, i, j])
        if soft > 0.0 and low < np.inf:
            total, reach = 0.0, low + FAR * soft
            for i in range(sets):
                cost = kept[n, i] + tree[node, i, j]
                if cost == low:
                    total += 1.0
                elif cost <= reach:
                    total += decay((cost - low) / soft)
            if total > 1.0:
                low -= soft * np.log(total)
        kept[n + 1, j] = low


@njit(cache=True)  # type: ignore[untyped-decorator]
def back(kept: Array, n: int, tree: Array, node: int, p: Array, soft: float, q: Array, flow: Array) -> None:
    """Bytes p that arrive at kept[n + 1] go back to kept[n], q := 0 + bytes there; those on the node are added to ``flow``."""
    sets = kept.shape[1]
    for i in range(sets):
        q[i] = 0.0
    for j in range(sets):
        if p[j] <= 0.0:
            continue
        if soft > 0.0:
            least = kept[n + 1, j]
            reach = least + FAR * soft
            for i in range(sets):
                cost = kept[n, i] + tree[node, i, j]
                if cost <= reach:
                    amount = p[j] * decay(max(0.0, cost - least) / soft)
                    q[i] += amount
                    flow[node, i, j] += amount
        else:
            at = 0
            for i in range(1, sets):
                if kept[n, i] + tree[node, i, j] < kept[n, at] + tree[node, at, j]:
                    at = i
            q[at] += p[j]
            flow[node, at, j] += p[j]
