"""Shortest paths of single blocks at given prices, over all steps (problem statement, section 4).

A block's state is the set of tiers that hold it. Costs are per unit of a block (a byte, or the whole of it). Between two reads
a block may be copied at any step; the best way through a stretch of idle steps is a min-plus product of one matrix a step, kept
in a segment tree.
"""

from __future__ import annotations

import numpy as np

from placement_opt.base.arrays import Array
from placement_opt.base.compiled import njit

#: Steps that a leaf of the tree stands for; those of a part of one are gone through one by one.
_LEAF = 4


@njit(cache=True)  # type: ignore[untyped-decorator]
def idle_tree(has: Array, source: Array, rent: Array) -> Array:
    """float64[2 * P, S, S], P the power of two at or above T / _LEAF: node P + n is the matrix of the idle steps of leaf n.

    ``has`` bool[S, K]; ``source`` float64[T, S, K]: cheapest copy into each tier; ``rent`` float64[T + 1, S]. Entry (i, j)
    includes the rents of all states on the way from set i but its own. Nobody goes through a leaf that the last step cuts off.
    """
    steps, sets, _ = source.shape
    leaves = 1
    while leaves * _LEAF < steps:
        leaves *= 2
    tree = np.full((2 * leaves, sets, sets), np.inf)
    idle = np.empty((sets, sets))
    w = np.empty(sets)
    for t in range(steps - steps % _LEAF):
        _idle_step(t, has, source, rent, idle)
        leaf = leaves + t // _LEAF
        if t % _LEAF == 0:
            tree[leaf] = idle
            continue
        for i in range(sets):
            _carry(idle, tree[leaf, i], w)
    for node in range(leaves - 1, 0, -1):
        for i in range(sets):
            for m in range(sets):
                left = tree[2 * node, i, m]
                if left < np.inf:
                    for j in range(sets):
                        value = left + tree[2 * node + 1, m, j]
                        tree[node, i, j] = min(tree[node, i, j], value)
    return tree


@njit(cache=True)  # type: ignore[untyped-decorator]
def _adding(t: int, i: int, j: int, has: Array, source: Array) -> float:
    """Cost of the copies at idle step t that turn set i into set j, infinite where that is impossible; dropping is free."""
    cost = 0.0
    for k in range(has.shape[1]):
        if has[j, k] and not has[i, k]:
            cost += source[t, i, k]
    return cost


@njit(cache=True)  # type: ignore[untyped-decorator]
def _idle_step(t: int, has: Array, source: Array, rent: Array, idle: Array) -> None:
    """The matrix of one idle step, into ``idle`` float64[S, S]."""
    for i in range(len(has)):
        for j in range(len(has)):
            idle[i, j] = _adding(t, i, j, has, source) + rent[t + 1, j]


@njit(cache=True)  # type: ignore[untyped-decorator]
def _carry(matrix: Array, v: Array, w: Array) -> None:
    """v := v (min, +) matrix, with scratch w."""
    sets = len(v)
    for j in range(sets):
        w[j] = np.inf
    for i in range(sets):
        if v[i] < np.inf:
            for j in range(sets):
                w[j] = min(w[j], v[i] + matrix[i, j])
    for j in range(sets):
        v[j] = w[j]


@njit(cache=True)  # type: ignore[untyped-decorator]
def _step_by_step(low: int, high: int, has: Array, source: Array, rent: Array, v: Array, w: Array) -> None:
    """Carry v over the idle steps low..high - 1, without the tree."""
    sets = len(v)
    for t in range(low, high):
        for j in range(sets):
            w[j] = np.inf
            for i in range(sets):
                if v[i] < w[j]:
                    w[j] = min(w[j], v[i] + _adding(t, i, j, has, source))
        for j in range(sets):
            v[j] = w[j] + rent[t + 1, j]


@njit(cache=True)  # type: ignore[untyped-decorator]
def _idle(tree: Array, low: int, high: int, has: Array, source: Array, rent: Array, v: Array, w: Array, pending: Array) -> None:
    """Carry v over the idle steps low..high - 1."""
    first, beyond = (low + _LEAF - 1) // _LEAF, high // _LEAF
    if first >= beyond:
        _step_by_step(low, high, has, source, rent, v, w)
        return
    _step_by_step(low, first * _LEAF, has, source, rent, v, w)
    left, right = first + tree.shape[0] // 2, beyond + tree.shape[0] // 2
    waiting = 0
    while left < right:
        if left & 1:
            _carry(tree[left], v, w)
            left += 1
        if right & 1:
            right -= 1
            pending[waiting] = right
            waiting += 1
        left //= 2
        right //= 2
    for n in range(waiting - 1, -1, -1):
        _carry(tree[pending[n]], v, w)
    _step_by_step(beyond * _LEAF, high, has, source, rent, v, w)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _read(
    t: int,
    share: float,
    last: bool,
    has: Array,
    serve: Array,
    bring: Array | None,
    source: Array,
    write: Array,
    rent: Array,
    v: Array,
    w: Array,
) -> None:
    """Serve a read at step t and, unless it is in the block's last state, move on to state t + 1.

    ``serve``, ``bring`` float64[T, S]: the read in the cheapest way, and in the cheapest that brings the block to the
    processor; None where all do, which is compiled apart. ``source`` float64[T, S, K]: cheapest copy into tier k from a member
    of set i. A store in passing covers the share read, if that was brought.
    """
    sets, tiers = has.shape
    if not last:
        for j in range(sets):
            w[j] = np.inf
        if bring is not None:
            for i in range(sets):
                for j in range(sets):
                    w[j] = min(w[j], _brought(t, i, j, share, v[i], has, bring, source, write) + rent[t + 1, j])
    for i in range(sets):
        v[i] += share * serve[t, i]
    if last:
        return
    for i in range(sets):
        for j in range(sets):
            cost = v[i]
            for k in range(tiers):
                if has[j, k] and not has[i, k]:
                    copied = source[t, i, k]
                    if bring is None:
                        stored = share * write[t, k] + ((1.0 - share) * copied if share < 1.0 else 0.0)
                        cost += min(copied, stored)
                    else:
                        cost += copied
            w[j] = min(w[j], cost + rent[t + 1, j])
    for j in range(sets):
        v[j] = w[j]


@njit(cache=True)  # type: ignore[untyped-decorator]
def _brought(t: int, i: int, j: int, share: float, paid: float, has: Array, bring: Array, source: Array, write: Array) -> float:
    """What has been paid once a read is brought to the processor in set i and the block lies in set j, ``paid`` before it."""
    cost: float = paid + share * bring[t, i]
    for k in range(has.shape[1]):
        if has[j, k] and not has[i, k]:
            copied = source[t, i, k]
            stored = share * write[t, k] + ((1.0 - share) * copied if share < 1.0 else 0.0)
            cost += min(copied, stored)
    return cost


@njit(cache=True)  # type: ignore[untyped-decorator]
def _begun(first: int, begin: int, i: int, has: Array, masks: Array, write: Array, rent: Array) -> float:
    """What lying in set i in a block's first state costs: infinite where another start is given, stores where it is born."""
    cost: float = rent[first, i]
    if first > 0:
        for k in range(has.shape[1]):
            if has[i, k]:
                cost += write[first - 1, k]
    elif begin >= 0 and masks[i] != begin:
        cost = np.inf
    return cost


@njit(cache=True)  # type: ignore[untyped-decorator]
def cheapest_paths(
    tree: Array,
    has: Array,
    serve: Array,
    bring: Array | None,
    source: Array,
    write: Array,
    rent: Array,
    start: Array,
    step: Array,
    share: Array,
    first: Array,
    last: Array,
    begin: Array,
    masks: Array,
) -> Array:
    """float64[G]: the least cost of one unit of each class at the given prices, over every legal behaviour.

    ``has`` bool[S, K] and ``masks`` int64[S]: the sets; ``serve`` and ``bring`` float64[T, S] as for a read; ``write``
    float64[T, K]; the rest as in :class:`placement_opt.bounds.dual.classes.Classes`.
    """
    sets = len(has)
    cost = np.zeros(len(first))
    v, w, pending = np.zeros(sets), np.zeros(sets), np.zeros(64, dtype=np.int64)
    for g in range(len(first)):
        now = first[g]
        for i in range(sets):
            v[i] = _begun(now, begin[g], i, has, masks, write, rent)
        for n in range(start[g], start[g + 1]):
            _idle(tree, now, step[n], has, source, rent, v, w, pending)
            now = step[n]
            _read(now, share[n], now == last[g], has, serve, bring, source, write, rent, v, w)
            now = min(now + 1, last[g])
        _idle(tree, now, last[g], has, source, rent, v, w, pending)
        cost[g] = v.min()
    return cost


@njit(cache=True)  # type: ignore[untyped-decorator]
def copy_steps(
    has: Array,
    serve: Array,
    bring: Array | None,
    source: Array,
    write: Array,
    rent: Array,
    start: Array,
    step: Array,
    share: Array,
    first: Array,
    last: Array,
    begin: Array,
    masks: Array,
) -> tuple[Array, Array]:
    """(classes, steps): where a cheapest path of each class copies at a step that does not read it.

    Walks every state one by one, remembering predecessors; ties prefer to stay.
    """
    sets, tiers = has.shape
    out_class, out_step = [0], [0]
    longest = 1
    for g in range(len(first)):
        longest = max(longest, last[g] - first[g] + 1)
    back = np.zeros((longest, sets), dtype=np.int16)
    v, w, enter = np.zeros(sets), np.zeros(sets), np.zeros(sets)
    for g in range(len(first)):
        now = first[g]
        for i in range(sets):
            v[i] = _begun(now, begin[g], i, has, masks, write, rent)
        n = start[g]
        for t in range(first[g], last[g]):
            reading = n < start[g + 1] and step[n] == t
            for j in range(sets):
                best, came = np.inf, j
                for turn in range(sets):
                    i = j if turn == 0 else (turn - 1 if turn - 1 < j else turn)
                    cost = v[i]
                    if reading:
                        brought = _brought(t, i, j, share[n], cost, has, serve if bring is None else bring, source, write)
                        if bring is not None:
                            cost += share[n] * serve[t, i]
                            for k in range(tiers):
                                if has[j, k] and not has[i, k]:
                                    cost += source[t, i, k]
                            brought = min(brought, cost)
                        cost = brought
                    else:
                        cost += _adding(t, i, j, has, source)
                    if cost < best:
                        best, came = cost, i
                enter[j] = best + rent[t + 1, j]
                back[t + 1 - first[g], j] = came
            for j in range(sets):
                v[j] = enter[j]
            if reading:
                n += 1
        at = 0
        for i in range(sets):
            w[i] = v[i]
            if n < start[g + 1]:
                w[i] += share[n] * serve[last[g], i]
            if w[i] < w[at]:
                at = i
        n -= 1
        for t in range(last[g] - 1, first[g] - 1, -1):
            came = back[t + 1 - first[g], at]
            while n >= start[g] and step[n] > t:
                n -= 1
            reading = n >= start[g] and step[n] == t
            copied_to = False
            for k in range(tiers):
                copied_to = copied_to or (has[at, k] and not has[came, k])
            if copied_to and not reading:
                out_class.append(g)
                out_step.append(t)
            at = came
    return np.array(out_class[1:], dtype=np.int64), np.array(out_step[1:], dtype=np.int64)
