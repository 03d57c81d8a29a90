"""Hooks of :mod:`placement_opt.schedulers.classical.s3_fifo`: three queues.

Registers: most bytes of the main queue and of the ghosts.
"""

from __future__ import annotations

from placement_opt.base.compiled import njit
from placement_opt.schedulers.classical.state_kernels import (
    FIRST,
    HELD,
    MARK,
    WHERE,
    State,
    forget_oldest,
    move,
    oldest,
    pull,
    push,
)

_SMALL, _MAIN, _GHOST = 0, 1, 2
_MOST_MAIN, _MOST_GHOST = FIRST, FIRST + 1


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def hit(s: State, k: int, b: int) -> None:
    if s.node[k, b, MARK] < 3:
        s.node[k, b, MARK] += 1


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def miss(s: State, k: int, b: int) -> None:
    s.node[k, b, MARK] = 0
    if s.node[k, b, WHERE] == _GHOST:
        move(s, k, _MAIN, b, s.size[b])
    else:
        push(s, k, _SMALL, b, s.size[b])


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def evict(s: State, k: int) -> int:
    if s.level[k, HELD + _MAIN] <= s.level[k, _MOST_MAIN]:
        b = oldest(s, k, _SMALL)
        while b >= 0:
            if s.node[k, b, MARK] < 2:
                return int(b)
            s.node[k, b, MARK] = 0
            move(s, k, _MAIN, b, s.size[b])
            b = oldest(s, k, _SMALL)
    b = oldest(s, k, _MAIN)
    if b < 0:
        return int(oldest(s, k, _SMALL))
    while s.node[k, b, MARK] > 0:
        s.node[k, b, MARK] -= 1
        move(s, k, _MAIN, b, s.size[b])
        b = oldest(s, k, _MAIN)
    return int(b)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def free(s: State, k: int, b: int, evicted: bool) -> None:
    small = s.node[k, b, WHERE] == _SMALL
    pull(s, k, b, s.size[b])
    if evicted and small:
        push(s, k, _GHOST, b, s.size[b])
        forget_oldest(s, k, _GHOST, s.level[k, _MOST_GHOST])
