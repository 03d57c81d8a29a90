"""Cheapest paths of all blocks and the bytes on them, over futures instead of reads; hard or softened minima.

With ``soft`` > 0 every minimum of costs c is ``-soft log(sum exp(-c / soft))``, which lies below it, and bytes are spread over
the alternatives in proportion to ``exp(-c / soft)``; with 0 the first of the cheapest takes all. S tier sets; costs per unit of
a block, and what is here called bytes is counted in such units.
"""

from __future__ import annotations

import numpy as np

from placement_opt.base.arrays import Array
from placement_opt.base.compiled import njit

#: exp(-40) is lost in the rounding of a sum.
_FAR = 40.0
_CELLS = 64
_POWERS = np.exp(-np.arange(int(_FAR) * _CELLS + 2) / _CELLS)


@njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def _decay(x: float) -> float:
    """exp(-x) for 0 <= x <= 40 to nine digits, from a table: slopes need no more, and most of a pass is spent here."""
    cell = int(x * _CELLS)
    rest = x - cell / _CELLS
    value: float = _POWERS[cell] * (1.0 - rest * (1.0 - rest * (0.5 - rest / 6.0)))
    return value


@njit(cache=True)  # type: ignore[untyped-decorator]
def _least(c: Array, soft: float) -> float:
    """The (softened) minimum of a vector."""
    low = np.inf
    for i in range(len(c)):
        low = min(low, c[i])
    if soft <= 0.0 or low == np.inf:
        return low
    total, reach = 0.0, low + _FAR * soft
    for i in range(len(c)):
        if c[i] == low:
            total += 1.0
        elif c[i] <= reach:
            total += _decay((c[i] - low) / soft)
    return low - soft * np.log(total) if total > 1.0 else low


@njit(cache=True)  # type: ignore[untyped-decorator]
def _spread(c: Array, least: float, amount: float, soft: float, out: Array) -> None:
    """out := amount, divided over the alternatives whose (softened) minimum is ``least``."""
    if soft > 0.0:
        reach, total = least + _FAR * soft, 0.0
        for i in range(len(c)):
            out[i] = _decay(max(0.0, c[i] - least) / soft) if c[i] <= reach else 0.0
            total += out[i]
        for i in range(len(c)):
            out[i] *= amount / total
    else:
        at = 0
        for i in range(len(c)):
            out[i] = 0.0
            if c[i] < c[at]:
                at = i
        out[at] = amount


@njit(cache=True)  # type: ignore[untyped-decorator]
def _join(table: Array, left: int, right: int, into: int, soft: float, c: Array) -> None:
    """table[into] := table[left] (min, +) table[right]."""
    sets = table.shape[1]
    for i in range(sets):
        for j in range(sets):
            for m in range(sets):
                c[m] = table[left, i, m] + table[right, m, j]
            table[into, i, j] = _least(c, soft)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _part(table: Array, flow: Array, left: int, right: int, whole: int, soft: float, c: Array, out: Array) -> None:
    """Bytes on ``whole``, joined of two, become bytes on the two."""
    sets = table.shape[1]
    for i in range(sets):
        for j in range(sets):
            if flow[whole, i, j] > 0.0:
                for m in range(sets):
                    c[m] = table[left, i, m] + table[right, m, j]
                _spread(c, table[whole, i, j], flow[whole, i, j], soft, out)
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
def _cover(low: int, high: int, leaves: int, wide: bool, nodes: Array) -> int:
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
def _through(kept: Array, n: int, tree: Array, node: int, soft: float) -> None:
    """kept[n + 1] := kept[n] (min, +) tree[node]."""
    sets = kept.shape[1]
    for j in range(sets):
        low = np.inf
        for i in range(sets):
            low = min(low, kept[n, i] + tree[node, i, j])
        if soft > 0.0 and low < np.inf:
            total, reach = 0.0, low + _FAR * soft
            for i in range(sets):
                cost = kept[n, i] + tree[node, i, j]
                if cost == low:
                    total += 1.0
                elif cost <= reach:
                    total += _decay((cost - low) / soft)
            if total > 1.0:
                low -= soft * np.log(total)
        kept[n + 1, j] = low


@njit(cache=True)  # type: ignore[untyped-decorator]
def _back(kept: Array, n: int, tree: Array, node: int, p: Array, soft: float, q: Array, flow: Array) -> None:
    """Bytes p that arrive at kept[n + 1] go back to kept[n], q := 0 + bytes there; those on the node are added to ``flow``."""
    sets = kept.shape[1]
    for i in range(sets):
        q[i] = 0.0
    for j in range(sets):
        if p[j] <= 0.0:
            continue
        if soft > 0.0:
            least = kept[n + 1, j]
            reach = least + _FAR * soft
            for i in range(sets):
                cost = kept[n, i] + tree[node, i, j]
                if cost <= reach:
                    amount = p[j] * _decay(max(0.0, cost - least) / soft)
                    q[i] += amount
                    flow[node, i, j] += amount
        else:
            at = 0
            for i in range(1, sets):
                if kept[n, i] + tree[node, i, j] < kept[n, at] + tree[node, at, j]:
                    at = i
            q[at] += p[j]
            flow[node, at, j] += p[j]


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
        count = _cover(step[h] + 1, until[h], leaves, wide, nodes)
        for i in range(sets):
            for j in range(sets):
                kept[0, j] = m[i, j]
            for n in range(count):
                _through(kept, n, tree, nodes[n], soft)
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
        count = _cover(t + 1, until[h], leaves, wide, nodes)
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
                _through(kept, n, tree, nodes[n], soft)
            for n in range(count - 1, -1, -1):
                _back(kept, n, tree, nodes[n], p, soft, q, on_tree)
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
        count = _cover(first[e], until[e], leaves, wide, nodes)
        for n in range(count):
            _through(kept, n, tree, nodes[n], soft)
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
        count = _cover(first[e], until[e], leaves, wide, nodes)
        kept[0] = start[e]
        p[:] = on_entry[e]
        for n in range(count):
            _through(kept, n, tree, nodes[n], soft)
        for n in range(count - 1, -1, -1):
            _back(kept, n, tree, nodes[n], p, soft, q, on_tree)
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
            value[n, i] = _least(c, soft)
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
        least = _least(c, soft)
        term = least * cell_bytes[x] - lost  # Kahan's sum
        total = paths + term
        lost, paths = (total - paths) - term, total
        _spread(c, least, cell_bytes[x], soft, out)
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
                _spread(c, value[n, i], on_node[n, i], soft, out)
                for j in range(sets):
                    on_hop[hop, i, j] += out[j]
                    if follow >= 0:
                        on_node[follow, j] += out[j]
    return paths
