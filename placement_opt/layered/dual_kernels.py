"""Cheapest paths of whole runs: two tier sets, home alone, and home and fast.

A copy in the fast tier is dropped for nothing, so a path that ends with one has never paid less than the best one that ends
without: its *lead* over that is at least 0. A turn that does not read the block adds its rents to the lead, up to what a copy
from home would cost; a turn that reads it is a 2 x 2 min-plus matrix (from i to j at 2 * i + j). Leads are written less the
rents since turn 0, and costs less the rents of home: then turns that do not read leave everything as it is but for the cap, and
the cap of a stretch of turns is the least of two that overlap. Matrices of up to :data:`WIDE` turns in a row stand in a table,
and those of so many times a power of two, so that a run takes a constant time, or a logarithmic one where it is long.

All numbers are whole.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from placement_opt.base.arrays import Array
from placement_opt.base.compiled import njit

#: Runs of up to so many turns are looked up at once (a power of two), and its logarithm.
WIDE, _LOG_WIDE = 8, 3
#: Stretches of up to so many turns that do not read are first held against a cap that is no higher (a power of two).
_NEAR, _LOG_NEAR = 32, np.uint64(5)
_FAR = 1 << 60


class Tables(NamedTuple):
    """What turns do to paths, int64.

    ``reads`` [., N, 4]: matrices of the stretches that begin at each turn, of 1, 2, .., WIDE, 2 WIDE, 4 WIDE, .. turns that all
    read. ``caps`` [., N]: least caps of 1, 2, 4, .. turns that do not; ``near`` [.]: of twice :data:`_NEAR` turns from each
    _NEAR-th on, which few leads reach. ``lead`` [N + 1] and ``cost`` [N + 1]: of a block that turn n - 1 produced when turn n
    begins, rents of home up to the end included; of one that was there before at 0. ``least`` [N + 1]: the least lead that any
    block can have then. ``logs`` [N + 1]: whole logarithms.
    """

    reads: Array
    caps: Array
    near: Array
    lead: Array
    cost: Array
    least: Array
    logs: Array


@njit(cache=True)  # type: ignore[untyped-decorator]
def layer_tables(
    layer: int, layers: int, turns: int, serve: Array, copy: Array, write: Array, home: Array, rent: Array
) -> Tables:
    """The tables of one layer: its own step in a turn, then the steps of the other layers until its next.

    int64: ``serve`` [T, 2], ``copy``, ``write`` (into the fast tier) and ``home`` (of a new block) [T], ``rent`` [T + 1, 2] per
    tier set.
    """
    logs = np.zeros(turns + 1, dtype=np.int64)
    for n in range(2, turns + 1):
        logs[n] = logs[n // 2] + 1
    levels = logs[turns] + 1
    reads = np.empty((WIDE + max(0, levels - 1 - _LOG_WIDE), turns, 4), dtype=np.int64)
    caps = np.empty((levels, turns), dtype=np.int64)
    lead, cost, least = np.zeros((3, turns + 1), dtype=np.int64)
    lead[0] = rent[0, 1] - rent[0, 0]
    for t in range(layer):
        lead[0] = min(lead[0], copy[t]) + rent[t + 1, 1] - rent[t + 1, 0]
    least[0] = lead[0]
    total = 0  # rents of the fast tier since turn 0
    for n in range(turns):
        own = n * layers + layer
        others, most = 0, _FAR
        for t in range(own + 1, min(own + layers, layers * turns)):
            due = rent[t + 1, 1] - rent[t + 1, 0]
            others, most = others + due, min(most, copy[t]) + due
        due = rent[own + 1, 1] - rent[own + 1, 0] + others
        cheap = min(copy[own], write[own])
        reads[0, n, 0] = serve[own, 0]
        reads[0, n, 1] = serve[own, 0] + min(cheap + due, most) - total - due
        reads[0, n, 2] = serve[own, 1] + total
        reads[0, n, 3] = serve[own, 1] + min(due, most) - due
        caps[0, n] = min(copy[own] + due, most) - total - due
        lead[n + 1] = min(write[own] + due, most) - total - due
        least[n + 1] = min(due, most) - total - due
        total += due
    later = 0  # rents of home
    for n in range(turns - 1, -1, -1):
        own = n * layers + layer
        for t in range(own, min(own + layers, layers * turns)):
            later += rent[t + 1, 0]
        cost[n + 1] = home[own] + later
    for t in range(layer + 1):
        later += rent[t, 0]
    cost[0] = later
    for level in range(1, levels):
        half = 1 << (level - 1)
        for n in range(turns - 2 * half + 1):
            caps[level, n] = min(caps[level - 1, n], caps[level - 1, n + half])
    near = np.full(turns // _NEAR + 1, _FAR, dtype=np.int64)
    for n in range(turns):
        near[n // _NEAR] = min(near[n // _NEAR], caps[0, n])
        if n >= _NEAR:
            near[n // _NEAR - 1] = min(near[n // _NEAR - 1], caps[0, n])
    for width in range(2, WIDE + 1):
        for n in range(turns - width + 1):
            _multiply(reads[width - 2, n], reads[0, n + width - 1], reads[width - 1, n])
    for entry in range(WIDE, len(reads)):
        half = 1 << (entry - WIDE + _LOG_WIDE)
        for n in range(turns - 2 * half + 1):
            _multiply(reads[entry - 1, n], reads[entry - 1, n + half], reads[entry, n])
    return Tables(reads, caps, near, lead, cost, least, logs)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _multiply(a: Array, b: Array, out: Array) -> None:
    """out := a (min, +) b."""
    out[0] = min(a[0] + b[0], a[1] + b[2])
    out[1] = min(a[0] + b[1], a[1] + b[3])
    out[2] = min(a[2] + b[0], a[3] + b[2])
    out[3] = min(a[2] + b[1], a[3] + b[3])


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def run_paths(tables: Tables, birth: Array, start: Array, first: Array, last: Array, costs: Array) -> None:
    """``costs`` int64[B] becomes the least cost of one byte of each block.

    Places are unsigned here and below: numba then does not ask whether they count from the end.
    """
    for b in range(len(birth)):
        now = np.int64(birth[b]) + 1
        lead, cost = tables.lead[np.uint64(now)], tables.cost[np.uint64(now)]
        for n in range(np.uint64(start[b]), np.uint64(start[b + 1])):
            turn, until = np.int64(first[n]), np.int64(last[n]) + 1
            lead, cost = _run(tables, now, turn, until, lead, cost)
            now = until
        costs[b] = cost


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _run(tables: Tables, now: int, turn: int, until: int, lead: int, cost: int) -> Any:
    """Lead and cost at the end of a run, from those before the turns ``now .. turn - 1`` that do not read.

    Only what most runs take stands here, so that they are short: a pause that no cap bounds, and one turn.
    """
    if turn - now > _NEAR or lead > tables.near[np.uint64(now) >> _LOG_NEAR]:
        lead = _capped(tables, now, turn, lead)
    if turn + 1 < until:
        return _through(tables, turn, until - turn, lead, cost)
    return _read(tables.reads[0, np.uint64(turn)], lead, cost)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _capped(tables: Tables, now: int, turn: int, lead: int) -> Any:
    """The lead after the turns ``now .. turn - 1``, none of which reads."""
    if turn == now:
        return lead
    level = tables.logs[np.uint64(turn - now)]
    caps = tables.caps[np.uint64(level)]
    return min(lead, min(caps[np.uint64(now)], caps[np.uint64(turn - (1 << level))]))


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _through(tables: Tables, turn: int, count: int, lead: int, cost: int) -> Any:
    """Lead and cost after so many turns that all read."""
    while count > WIDE:
        log = tables.logs[np.uint64(count)]
        lead, cost = _read(tables.reads[np.uint64(log + WIDE - 1 - _LOG_WIDE), np.uint64(turn)], lead, cost)
        turn, count = turn + (1 << log), count - (1 << log)
    return _read(tables.reads[np.uint64(count - 1), np.uint64(turn)], lead, cost) if count > 0 else (lead, cost)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _read(matrix: Array, lead: int, cost: int) -> Any:
    """Lead and cost after a stretch of reads."""
    without = min(matrix[0], lead + matrix[2])
    return min(matrix[1], lead + matrix[3]) - without, cost + without
