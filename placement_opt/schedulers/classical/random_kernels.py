"""Hooks of :mod:`placement_opt.schedulers.classical.random`: blocks in a row. Registers: how many, and the draws' state."""

from __future__ import annotations

import numpy as np

from placement_opt.base.compiled import njit
from placement_opt.schedulers.classical.state_kernels import FIRST, HEAP, PLACE, State

_COUNT, _SEED = 0, 1


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def miss(s: State, k: int, b: int) -> None:
    n = s.level[k, FIRST + _COUNT]
    s.node[k, n, HEAP], s.node[k, b, PLACE] = b, n
    s.level[k, FIRST + _COUNT] = n + 1


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def draw(s: State, k: int, most: int) -> int:
    """A number below ``most`` by SplitMix64, whose upper 32 bits are scaled to it."""
    z = np.uint64(s.level[k, FIRST + _SEED]) + np.uint64(0x9E3779B97F4A7C15)
    s.level[k, FIRST + _SEED] = np.int64(z)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return int((z >> np.uint64(32)) * np.uint64(most) >> np.uint64(32))


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def evict(s: State, k: int) -> int:
    return int(s.node[k, draw(s, k, s.level[k, FIRST + _COUNT]), HEAP])


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def free(s: State, k: int, b: int) -> None:
    n, at = s.level[k, FIRST + _COUNT] - 1, s.node[k, b, PLACE]
    last = s.node[k, n, HEAP]
    s.node[k, at, HEAP], s.node[k, last, PLACE] = last, at
    s.node[k, b, PLACE] = -1
    s.level[k, FIRST + _COUNT] = n
