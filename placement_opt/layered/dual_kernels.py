"""Cheapest paths of whole runs: two tier sets (home alone, home and fast), one 2 x 2 min-plus matrix a turn.

A matrix is four numbers (from i to j at 2 * i + j); a segment tree over turns multiplies any stretch of them in a logarithmic
number of steps, so that a run costs the same however many reads it holds.
"""

from __future__ import annotations

import numpy as np

from placement_opt.base.arrays import Array
from placement_opt.base.compiled import njit


@njit(cache=True)  # type: ignore[untyped-decorator]
def _multiply(a: Array, b: Array, out: Array) -> None:
    """out := a (min, +) b; ``out`` may be ``a``."""
    a0, a1, a2, a3 = a[0], a[1], a[2], a[3]
    out[0] = min(a0 + b[0], a1 + b[2])
    out[1] = min(a0 + b[1], a1 + b[3])
    out[2] = min(a2 + b[0], a3 + b[2])
    out[3] = min(a2 + b[1], a3 + b[3])


@njit(cache=True)  # type: ignore[untyped-decorator]
def _idle_step(t: int, copy: Array, rent: Array, out: Array) -> None:
    out[0] = rent[t + 1, 0]
    out[1] = copy[t] + rent[t + 1, 1]
    out[2] = rent[t + 1, 0]
    out[3] = rent[t + 1, 1]


@njit(cache=True)  # type: ignore[untyped-decorator]
def layer_trees(
    layer: int, layers: int, turns: int, serve: Array, copy: Array, write: Array, rent: Array
) -> tuple[Array, Array, Array, Array]:
    """(reading, idle, rest, prefix) of one layer.

    ``serve`` float64[T, 2], ``copy`` and ``write`` float64[T] (into the fast tier), ``rent`` float64[T + 1, 2] per set.
    ``reading`` and ``idle`` float64[2 P, 4] are trees over turns that read the block and that do not: the layer's own step,
    then the steps of the other layers until its next. ``rest`` float64[N, 4] holds those other steps alone (what follows a
    birth), ``prefix`` float64[4] the steps before turn 0.
    """
    leaves = 1
    while leaves < turns:
        leaves *= 2
    reading, idle = np.full((2 * leaves, 4), np.inf), np.full((2 * leaves, 4), np.inf)
    rest, step, prefix = np.full((turns, 4), np.inf), np.empty(4), np.full(4, np.inf)
    prefix[0] = prefix[3] = 0.0
    for t in range(layer):
        _idle_step(t, copy, rent, step)
        _multiply(prefix, step, prefix)
    for n in range(leaves):
        for tree in (reading, idle):
            tree[leaves + n, 0] = tree[leaves + n, 3] = 0.0
    for n in range(turns):
        own = n * layers + layer
        rest[n, 0] = rest[n, 3] = 0.0
        for t in range(own + 1, min(own + layers, layers * turns)):
            _idle_step(t, copy, rent, step)
            _multiply(rest[n], step, rest[n])
        _idle_step(own, copy, rent, step)
        _multiply(step, rest[n], idle[leaves + n])
        step[0] = serve[own, 0] + rent[own + 1, 0]
        step[1] = serve[own, 0] + min(copy[own], write[own]) + rent[own + 1, 1]
        step[2] = serve[own, 1] + rent[own + 1, 0]
        step[3] = serve[own, 1] + rent[own + 1, 1]
        _multiply(step, rest[n], reading[leaves + n])
    for node in range(leaves - 1, 0, -1):
        _multiply(reading[2 * node], reading[2 * node + 1], reading[node])
        _multiply(idle[2 * node], idle[2 * node + 1], idle[node])
    return reading, idle, rest, prefix


@njit(cache=True)  # type: ignore[untyped-decorator]
def _through(tree: Array, node: int, slow: float, fast: float) -> tuple[float, float]:
    return min(slow + tree[node, 0], fast + tree[node, 2]), min(slow + tree[node, 1], fast + tree[node, 3])


@njit(cache=True)  # type: ignore[untyped-decorator]
def _span(tree: Array, low: int, high: int, slow: float, fast: float, pending: Array) -> tuple[float, float]:
    """Carry the costs of the two sets over the turns low .. high - 1."""
    left, right = low + len(tree) // 2, high + len(tree) // 2
    waiting = 0
    while left < right:
        if left & 1:
            slow, fast = _through(tree, left, slow, fast)
            left += 1
        if right & 1:
            right -= 1
            pending[waiting] = right
            waiting += 1
        left //= 2
        right //= 2
    for n in range(waiting - 1, -1, -1):
        slow, fast = _through(tree, pending[n], slow, fast)
    return slow, fast


@njit(cache=True)  # type: ignore[untyped-decorator]
def run_paths(
    layer: int,
    layers: int,
    trees: tuple[Array, Array, Array, Array],
    home: Array,
    write: Array,
    rent: Array,
    birth: Array,
    start: Array,
    first: Array,
    last: Array,
) -> Array:
    """float64[B]: the least cost of one byte of each block. ``home`` float64[T]: the write of a new block to its home."""
    reading, idle, rest, prefix = trees
    turns = len(rest)
    cost, pending = np.zeros(len(birth)), np.zeros(64, dtype=np.int64)
    for b in range(len(birth)):
        now = birth[b] + 1
        if now == 0:
            slow = min(rent[0, 0] + prefix[0], rent[0, 1] + prefix[2])
            fast = min(rent[0, 0] + prefix[1], rent[0, 1] + prefix[3])
        else:
            t = (now - 1) * layers + layer
            before, stored = home[t] + rent[t + 1, 0], home[t] + write[t] + rent[t + 1, 1]
            slow = min(before + rest[now - 1, 0], stored + rest[now - 1, 2])
            fast = min(before + rest[now - 1, 1], stored + rest[now - 1, 3])
        for n in range(start[b], start[b + 1]):
            slow, fast = _span(idle, now, first[n], slow, fast, pending)
            slow, fast = _span(reading, first[n], last[n] + 1, slow, fast, pending)
            now = last[n] + 1
        slow, fast = _span(idle, now, turns, slow, fast, pending)
        cost[b] = min(slow, fast)
    return cost
