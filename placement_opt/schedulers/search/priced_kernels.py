"""Best paths at prices of room, idle stretches at once: what a block does between two reads, from a tree over all steps.

Transfers are timed exactly, as all other blocks stand; room has a price at every state, which is anew only between sweeps. So
what a copy costs at a step is the same for all blocks that do not read there, and the cheapest way through any idle stretch is
a (min, +) product of matrices that a segment tree keeps: a block takes time by its reads, whatever the length of its life.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from placement_opt.schedulers.search.game_kernels import AMOUNT, BEGIN, BORN, FIRST, LAST, PLACE, READS, SIZE
from placement_opt.schedulers.search.smooth_kernels import compiled, smoothed, smoothed_once

#: Kinds of rows of a path: a node of the tree is its number, others are a read with a state after it, and without.
_READ, _LAST_READ = -1, -2


class Idle(NamedTuple):
    """The tree over P leaves (a power of two, at least T), of U of the S tier sets, and room for one block's path."""

    use: Any  #: int64[U]: numbers of the sets
    unit: Any  #: float64[1]: bytes of the block whose copies are timed
    tree: Any  #: float64[2 P, U, U], seconds per byte: from set to set; node 1 is the root, leaf P + t step t with state t + 1
    stay: Any  #: float64[2 P, U]: the same where the set stays what it is
    hold: Any  #: float64[T + 1, U], seconds per byte: the price of room
    cost: Any  #: float64[rows + 1, U], scratch
    back: Any  #: int64[rows + 1, U], scratch
    row: Any  #: int64[rows], scratch
    nodes: Any  #: int64[128], scratch
    stack: Any  #: int64[128, 5], scratch
    touched: Any  #: int64[T + 1], scratch: steps whose loads a block changed
    taken: Any  #: int64[T + 3, L]: bytes of room that blocks took since it was counted last, as differences


@compiled  # type: ignore[untyped-decorator]
def more(g: Any, t: int, amount: float, x: Any) -> float:
    """By how much a step takes longer with this load, at every price vector."""
    for v in range(len(x)):
        g.sums[1, v] = g.value[t, v] + amount * x[v]
    return float(smoothed_once(g.floor[t], g.width[t], g.sums, 1) - g.time[t])


@compiled  # type: ignore[untyped-decorator]
def _leaf(g: Any, d: Any, t: int) -> None:
    """Make a leaf fit the time of its step."""
    leaf, kind = len(d.tree) // 2 + t, 0
    for i in range(len(d.use)):
        for j in range(len(d.use)):
            arc, cost = g.arc[d.use[i], d.use[j]], 0.0
            if arc >= 0:
                cost = np.inf
                if not g.bare[arc]:
                    cost = max(0.0, more(g, t, d.unit[0], g.copied[kind, arc])) / d.unit[0]
            d.tree[leaf, i, j] = cost + d.hold[t + 1, j]
        d.stay[leaf, i] = d.hold[t + 1, i]


@compiled  # type: ignore[untyped-decorator]
def _join(d: Any, node: int) -> bool:
    """Make a node fit the two below it; whether it changed."""
    left, right, changed = 2 * node, 2 * node + 1, False
    for i in range(len(d.use)):
        stay = d.stay[left, i] + d.stay[right, i]
        changed |= stay != d.stay[node, i]
        d.stay[node, i] = stay
        for j in range(len(d.use)):
            low = stay if i == j else np.inf
            for m in range(len(d.use)):
                low = min(low, d.tree[left, i, m] + d.tree[right, m, j])
            changed |= low != d.tree[node, i, j]
            d.tree[node, i, j] = low
    return bool(changed)


@compiled  # type: ignore[untyped-decorator]
def grow(g: Any, d: Any) -> None:
    """Make the whole tree fit loads and prices."""
    leaves = len(d.tree) // 2
    for t in range(leaves):
        if t < len(g.time):
            _leaf(g, d, t)
        else:
            d.tree[leaves + t] = np.inf
            d.stay[leaves + t] = 0.0
            for i in range(len(d.use)):
                d.tree[leaves + t, i, i] = 0.0
    for node in range(leaves - 1, 0, -1):
        _join(d, node)


@compiled  # type: ignore[untyped-decorator]
def _adapt(g: Any, d: Any, count: int) -> None:
    """Make the tree fit the first ``count`` steps touched."""
    for n in range(count):
        _leaf(g, d, d.touched[n])
        node = (len(d.tree) // 2 + d.touched[n]) // 2
        while node > 0 and _join(d, node):
            node //= 2


@compiled  # type: ignore[untyped-decorator]
def charge(g: Any, d: Any, rent: Any, steep: Any, blur: Any, spare: Any) -> None:
    """Prices of room: ``rent`` float64[T + 1, L] where ``spare`` bytes of a tier are left, none where ``blur`` bytes more are,
    and more by ``steep`` for each ``blur`` bytes less."""
    d.hold[:] = 0.0
    for t in range(len(d.hold)):
        for k in range(g.room.shape[1]):
            left = (g.room[t, k] - spare[k]) / blur[k]
            price = rent[t, k] * min(max(1.0 - left, 0.0), 2.0) + steep[k] * max(-left, 0.0)
            for j in range(len(d.use)):
                if g.member[d.use[j], k]:
                    d.hold[t, j] += price


@compiled  # type: ignore[untyped-decorator]
def _hold(g: Any, d: Any, i: int, first: int, last: int, size: int) -> None:
    """Take room for a block that lies in a set from one state to another."""
    for k in range(g.room.shape[1]):
        if g.member[i, k]:
            d.taken[first, k] += size
            d.taken[last + 1, k] -= size


@compiled  # type: ignore[untyped-decorator]
def _load(g: Any, t: int, amount: float, share: float, i: int, arc: int) -> None:
    """Add a read from a set, the copies of an arc, or both, to a step."""
    kind = 0
    for v in range(g.value.shape[1]):
        x = share * g.serve[kind, i, v]
        if arc >= 0:
            x = share * (g.bring[kind, i, v] + g.passing[kind, arc, v]) + (1.0 - share) * g.copied[kind, arc, v]
        g.value[t, v] += amount * x
    g.time[t] = smoothed(g.floor[t], g.width[t], g.value, t)


@compiled  # type: ignore[untyped-decorator]
def put(g: Any, d: Any, b: int, sign: int) -> int:
    """Add (sign 1) or remove (-1) a block with the path it has; how many steps that touches. Room is only noted."""
    kind, path, at = 0, g.path, g.block[b, PLACE] - g.block[b, FIRST]
    size, amount = sign * g.block[b, SIZE], float(sign * g.block[b, AMOUNT])
    first, last, n, end = g.block[b, FIRST], g.block[b, LAST], g.block[b, READS], g.block[b + 1, READS]
    count, since, i = 0, first, path[at + first]
    if first > 0:
        for v in range(g.value.shape[1]):
            g.value[first - 1, v] += amount * g.store[kind, i, v]
        g.time[first - 1] = smoothed(g.floor[first - 1], g.width[first - 1], g.value, first - 1)
        d.touched[0], count = first - 1, 1
    t = first
    while t <= last:
        until = g.step[n] if n < end else last
        while t < until and path[at + t + 1] == i:
            t += 1
        j = path[at + t + 1] if t < last else i
        share, arc = 0.0, g.arc[i, j]
        if n < end and t == until:
            share = g.share[n]
            n += 1
        if share > 0.0 or arc >= 0:
            _load(g, t, amount, share, i, arc)
            d.touched[count] = t
            count += 1
        if j != i or t == last:
            _hold(g, d, i, since, t, size)
            since, i = t + 1, j
        t += 1
    return count


@compiled  # type: ignore[untyped-decorator]
def count_room(g: Any, d: Any) -> None:
    """Room as it is after what was noted."""
    for k in range(g.room.shape[1]):
        taken = 0
        for t in range(g.room.shape[0]):
            taken += d.taken[t, k]
            g.room[t, k] -= taken
    d.taken[:] = 0


@compiled  # type: ignore[untyped-decorator]
def cover(low: int, high: int, leaves: int, nodes: Any) -> int:
    """Nodes that together are the steps low..high - 1, in their order; returns how many."""
    left, right, count, waiting = low + leaves, high + leaves, 0, 127
    while left < right:
        if left & 1:
            nodes[count] = left
            count += 1
            left += 1
        if right & 1:
            right -= 1
            nodes[waiting] = right
            waiting -= 1
        left //= 2
        right //= 2
    for n in range(waiting + 1, 128):
        nodes[count] = nodes[n]
        count += 1
    return count


@compiled  # type: ignore[untyped-decorator]
def choose(g: Any, d: Any, b: int) -> float:
    """Give a block that was removed its best path at the prices of room; what it costs, room included."""
    kind, leaves, uses, use = 0, len(d.tree) // 2, len(d.use), d.use
    first, last, n, end = g.block[b, FIRST], g.block[b, LAST], g.block[b, READS], g.block[b + 1, READS]
    size, amount, begin = float(g.block[b, SIZE]), float(g.block[b, AMOUNT]), g.block[b, BEGIN]
    for j in range(uses):
        d.cost[0, j] = size * d.hold[first, j] if begin < 0 or begin == use[j] else np.inf
        if begin == BORN:
            d.cost[0, j] += more(g, first - 1, amount, g.store[kind, use[j]])
    rows, at = 0, first
    while n <= end:
        until = g.step[n] if n < end else last
        count = cover(at, until, leaves, d.nodes)
        for m in range(count):
            node = d.nodes[m]
            for j in range(uses):
                low, back = np.inf, j
                for i in range(uses):
                    c = d.cost[rows, i] + size * d.tree[node, i, j]
                    if c < low:
                        low, back = c, i
                d.cost[rows + 1, j], d.back[rows + 1, j] = low, back
            d.row[rows] = node
            rows += 1
        at = until
        if n == end:
            break
        _read(g, d, rows, until, amount, size, g.share[n], until == last)
        rows += 1
        if until == last:
            break
        at, n = until + 1, n + 1
    best = 0
    for j in range(uses):
        if d.cost[rows, j] < d.cost[rows, best]:
            best = j
    _write(g, d, b, rows, at, best)
    return float(d.cost[rows, best])


@compiled  # type: ignore[untyped-decorator]
def _read(g: Any, d: Any, rows: int, t: int, amount: float, size: float, share: float, ends: bool) -> None:
    """One more row of a path: a read at step t, and the state after it unless the path ends."""
    kind, uses, use = 0, len(d.use), d.use
    d.row[rows] = _LAST_READ if ends else _READ
    for j in range(uses):
        d.cost[rows + 1, j], d.back[rows + 1, j] = np.inf, j
    for i in range(uses):
        alone = d.cost[rows, i] + more(g, t, amount * share, g.serve[kind, use[i]])
        for j in range(uses):
            if ends and i != j:
                continue
            arc, c = -1 if ends else g.arc[use[i], use[j]], alone
            if arc >= 0:
                if share < 1.0 and g.bare[arc]:
                    continue
                for v in range(g.value.shape[1]):
                    x = share * (g.bring[kind, use[i], v] + g.passing[kind, arc, v])
                    g.sums[0, v] = x + (1.0 - share) * g.copied[kind, arc, v]
                c = d.cost[rows, i] + more(g, t, amount, g.sums[0])
            if not ends:
                c += size * d.hold[t + 1, j]
            if c < d.cost[rows + 1, j] or (i == j and c == d.cost[rows + 1, j]):
                d.cost[rows + 1, j], d.back[rows + 1, j] = c, i


@compiled  # type: ignore[untyped-decorator]
def _write(g: Any, d: Any, b: int, rows: int, t: int, j: int) -> None:
    """Write down the path whose rows end in set j at state t."""
    leaves, at = len(d.tree) // 2, g.block[b, PLACE] - g.block[b, FIRST]
    while rows > 0:
        i, node = d.back[rows, j], d.row[rows - 1]
        if node == _READ:
            g.path[at + t] = d.use[j]
            t -= 1
        elif node >= 0:
            wide = 1
            while node * wide < leaves:
                wide *= 2
            _descend(g, d, at, node, i, j, t - wide, t)
            t -= wide
        j, rows = i, rows - 1
    g.path[at + t] = d.use[j]


@compiled  # type: ignore[untyped-decorator]
def _descend(g: Any, d: Any, at: int, node: int, i: int, j: int, low: int, high: int) -> None:
    """Write down the states low + 1..high of a node that leads from set i to set j."""
    stack, depth = d.stack, 1
    stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3], stack[0, 4] = node, i, j, low, high
    while depth > 0:
        depth -= 1
        node, i, j, low, high = stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3], stack[depth, 4]
        if high - low == 1 or (i == j and d.tree[node, i, i] >= d.stay[node, i]):
            for t in range(low + 1, high + 1):
                g.path[at + t] = d.use[j]
            continue
        through = 0
        for m in range(len(d.use)):
            c = d.tree[2 * node, i, m] + d.tree[2 * node + 1, m, j]
            if c < d.tree[2 * node, i, through] + d.tree[2 * node + 1, through, j]:
                through = m
        middle = (low + high) // 2
        stack[depth, 0], stack[depth, 1], stack[depth, 2] = 2 * node + 1, through, j
        stack[depth, 3], stack[depth, 4] = middle, high
        stack[depth + 1, 0], stack[depth + 1, 1], stack[depth + 1, 2] = 2 * node, i, through
        stack[depth + 1, 3], stack[depth + 1, 4] = low, middle
        depth += 2


@compiled  # type: ignore[untyped-decorator]
def sweep(g: Any, d: Any, order: Any) -> None:
    """Let blocks choose their best paths, one after the other."""
    for b in order:
        _adapt(g, d, put(g, d, b, -1))
        choose(g, d, b)
        _adapt(g, d, put(g, d, b, 1))
