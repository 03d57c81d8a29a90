"""Cheapest paths of all blocks and the bytes on them, over futures instead of reads; hard or softened minima.

S tier sets; costs per unit of a block, and what is here called bytes is counted in such units. ``soft``: as in
:mod:`placement_opt.bounds.dual.minima_kernels`.
"""

from __future__ import annotations

import numpy as np

from placement_opt.base.arrays import Array
from placement_opt.base.compiled import njit
from placement_opt.bounds.dual.idle_kernels import back, cover, through
from placement_opt.bounds.dual.minima_kernels import least_of, spread


@njit(cache=True)  # type: ignore[untyped-decorator]
def _reading(
    t: int,
    share: float,
    has: Array,
    apart: Array,
    serve: Array,
    bring: Array,
    source: Array,
    write: Array,
    rent: Array,
    m: Array,
    copies: Array,
) -> None:
    """m[i, j] := cost of a read at step t from set i, and of being set j at t + 1.

    copies[i, j]: whether that is served in the cheapest way of all and copied, because what brings it costs more.
    """
    sets, tiers = has.shape
    for i in range(sets):
        for j in range(sets):
            m[i, j] = share * bring[t, i] + rent[t + 1, j]
            for k in range(tiers):
                if has[j, k] and not has[i, k]:
                    m[i, j] += _added(share, source[t, i, k], write[t, k])
            copies[i, j] = False
            if apart[i]:
                cost = share * serve[t, i] + rent[t + 1, j]
                for k in range(tiers):
                    if has[j, k] and not has[i, k]:
                        cost += source[t, i, k]
                if cost <= m[i, j]:
                    m[i, j], copies[i, j] = cost, True


@njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def _added(share: float, copied: float, written: float) -> float:
    """A copy, or a store in passing of the share that was brought and a copy of the rest."""
    return min(copied, share * written + ((1.0 - share) * copied if share < 1.0 else 0.0))


@njit(cache=True)  # type: ignore[untyped-decorator]
def hop_costs(
    step: Array,
    until: Array,
    share: Array,
    tree: Array,
    leaves: int,
    wide: bool,
    has: Array,
    apart: Array,
    serve: Array,
    bring: Array,
    source: Array,
    write: Array,
    rent: Array,
    soft: float,
) -> Array:
    """float64[H, S, S]: a read in set i, then idle steps until the state given, there in set j.

    Where the last state is the read's own, entry (i, i) is the read alone and no other is allowed.
    """
    sets = has.shape[0]
    cost = np.full((len(step), sets, sets), np.inf)
    m, copies = np.empty((sets, sets)), np.empty((sets, sets), dtype=np.bool_)
    nodes, kept = np.empty(128, dtype=np.int64), np.empty((129, sets))
    for h in range(len(step)):
        if until[h] <= step[h]:
            for i in range(sets):
                cost[h, i, i] = share[h] * serve[step[h], i]
            continue
        _reading(step[h], share[h], has, apart, serve, bring, source, write, rent, m, copies)
        count = cover(step[h] + 1, until[h], leaves, wide, nodes)
        for i in range(sets):
            for j in range(sets):
                kept[0, j] = m[i, j]
            for n in range(count):
                through(kept, n, tree, nodes[n], soft)
            for j in range(sets):
                cost[h, i, j] = kept[count, j]
    return cost


@njit(cache=True)  # type: ignore[untyped-decorator]
def hop_flows(
    step: Array,
    until: Array,
    share: Array,
    tree: Array,
    leaves: int,
    wide: bool,
    has: Array,
    apart: Array,
    serve: Array,
    bring: Array,
    source: Array,
    write: Array,
    rent: Array,
    soft: float,
    on_hop: Array,
    on_tree: Array,
    served: Array,
    brought: Array,
    copied: Array,
    stored: Array,
    held: Array,
) -> None:
    """Units on hops become units on idle nodes (added to ``on_tree``) and on reads.

    Added to: ``served`` float64[T, S] what is read in a set in the cheapest way, ``brought`` [T, S] in the cheapest that brings
    it to the processor (where all do, it is ``served``), ``copied`` [T, S, K], ``stored`` [T, K], ``held`` [T + 1, S].
    """
    sets, tiers = has.shape
    m, copies = np.empty((sets, sets)), np.empty((sets, sets), dtype=np.bool_)
    p, q = np.empty(sets), np.empty(sets)
    nodes, kept = np.empty(128, dtype=np.int64), np.empty((129, sets))
    for h in range(len(step)):
        t = step[h]
        if until[h] <= t:
            for i in range(sets):
                served[t, i] += share[h] * on_hop[h, i, i]
            continue
        _reading(t, share[h], has, apart, serve, bring, source, write, rent, m, copies)
        count = cover(t + 1, until[h], leaves, wide, nodes)
        for i in range(sets):
            total = 0.0
            for j in range(sets):
                p[j] = on_hop[h, i, j]
                total += p[j]
            if total <= 0.0:
                continue
            if not apart[i]:
                served[t, i] += share[h] * total
            for j in range(sets):
                kept[0, j] = m[i, j]
            for n in range(count):
                through(kept, n, tree, nodes[n], soft)
            for n in range(count - 1, -1, -1):
                back(kept, n, tree, nodes[n], p, soft, q, on_tree)
                p, q = q, p
            for j in range(sets):
                held[t + 1, j] += p[j]
                if apart[i]:
                    if copies[i, j]:
                        served[t, i] += share[h] * p[j]
                    else:
                        brought[t, i] += share[h] * p[j]
                for k in range(tiers):
                    if p[j] > 0.0 and has[j, k] and not has[i, k]:
                        if copies[i, j] or source[t, i, k] <= _added(share[h], source[t, i, k], write[t, k]):
                            copied[t, i, k] += p[j]
                        else:
                            stored[t, k] += share[h] * p[j]
                            copied[t, i, k] += (1.0 - share[h]) * p[j]


@njit(cache=True)  # type: ignore[untyped-decorator]
def begin_costs(
    first: Array,
    begin: Array,
    until: Array,
    tree: Array,
    leaves: int,
    wide: bool,
    has: Array,
    masks: Array,
    write: Array,
    rent: Array,
    soft: float,
) -> tuple[Array, Array]:
    """(start, arrive) float64[E, S]: cost of being each set at the first state, and at the state of the first read."""
    sets, tiers = has.shape
    start, arrive = np.full((len(first), sets), np.inf), np.empty((len(first), sets))
    nodes, kept = np.empty(128, dtype=np.int64), np.empty((129, sets))
    for e in range(len(first)):
        for i in range(sets):
            if first[e] > 0 or begin[e] < 0 or masks[i] == begin[e]:
                start[e, i] = rent[first[e], i]
            if first[e] > 0:
                for k in range(tiers):
                    if has[i, k]:
                        start[e, i] += write[first[e] - 1, k]
        kept[0] = start[e]
        count = cover(first[e], until[e], leaves, wide, nodes)
        for n in range(count):
            through(kept, n, tree, nodes[n], soft)
        arrive[e] = kept[count]
    return start, arrive


@njit(cache=True)  # type: ignore[untyped-decorator]
def begin_flows(
    first: Array,
    until: Array,
    tree: Array,
    leaves: int,
    wide: bool,
    has: Array,
    start: Array,
    soft: float,
    on_entry: Array,
    on_tree: Array,
    stored: Array,
    held: Array,
) -> None:
    """Bytes that arrive at first reads (float64[E, S]) go back to the first state; added to as in :func:`hop_flows`."""
    sets, tiers = has.shape
    p, q = np.empty(sets), np.empty(sets)
    nodes, kept = np.empty(128, dtype=np.int64), np.empty((129, sets))
    for e in range(len(first)):
        count = cover(first[e], until[e], leaves, wide, nodes)
        kept[0] = start[e]
        p[:] = on_entry[e]
        for n in range(count):
            through(kept, n, tree, nodes[n], soft)
        for n in range(count - 1, -1, -1):
            back(kept, n, tree, nodes[n], p, soft, q, on_tree)
            p, q = q, p
        for j in range(sets):
            held[first[e], j] += p[j]
            if first[e] > 0:
                for k in range(tiers):
                    if has[j, k]:
                        stored[first[e] - 1, k] += p[j]


@njit(cache=True)  # type: ignore[untyped-decorator]
def future_costs(node_hop: Array, node_next: Array, cost: Array, soft: float) -> Array:
    """float64[N, S]: least cost from the beginning of each future's first read on, in each set."""
    sets = cost.shape[1]
    value, c = np.empty((len(node_hop), sets)), np.empty(sets)
    for n in range(len(node_hop)):
        hop, follow = node_hop[n], node_next[n]
        for i in range(sets):
            for j in range(sets):
                c[j] = cost[hop, i, j] + (value[follow, j] if follow >= 0 else 0.0)
            value[n, i] = least_of(c, soft)
    return value


@njit(cache=True)  # type: ignore[untyped-decorator]
def future_flows(
    node_hop: Array,
    node_next: Array,
    cost: Array,
    value: Array,
    arrive: Array,
    cell_entry: Array,
    cell_node: Array,
    cell_bytes: Array,
    soft: float,
    on_hop: Array,
    on_entry: Array,
) -> float:
    """Seconds of all cheapest paths; bytes on hops (float64[H, S, S]) and arriving at first reads ([E, S]) are added."""
    sets = cost.shape[1]
    c, out, on_node = np.empty(sets), np.empty(sets), np.zeros((len(node_hop), sets))
    paths, lost = 0.0, 0.0
    for x in range(len(cell_entry)):
        node = cell_node[x]
        for i in range(sets):
            c[i] = arrive[cell_entry[x], i] + (value[node, i] if node >= 0 else 0.0)
        least = least_of(c, soft)
        term = least * cell_bytes[x] - lost  # Kahan's sum
        total = paths + term
        lost, paths = (total - paths) - term, total
        spread(c, least, cell_bytes[x], soft, out)
        for i in range(sets):
            on_entry[cell_entry[x], i] += out[i]
            if node >= 0:
                on_node[node, i] += out[i]
    for n in range(len(node_hop) - 1, -1, -1):
        hop, follow = node_hop[n], node_next[n]
        for i in range(sets):
            if on_node[n, i] > 0.0:
                for j in range(sets):
                    c[j] = cost[hop, i, j] + (value[follow, j] if follow >= 0 else 0.0)
                spread(c, value[n, i], on_node[n, i], soft, out)
                for j in range(sets):
                    on_hop[hop, i, j] += out[j]
                    if follow >= 0:
                        on_node[follow, j] += out[j]
    return paths
