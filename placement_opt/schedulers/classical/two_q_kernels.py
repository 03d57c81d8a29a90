"""Hooks of :mod:`placement_opt.schedulers.classical.two_q`.

Registers: most bytes of A1in and of A1out, and the block expected from there, plus one.
"""

from __future__ import annotations

from placement_opt.base.compiled import njit
from placement_opt.schedulers.classical.state_kernels import FIRST, HELD, WHERE, State, forget_oldest, move, oldest, pull, push

_IN, _MAIN, _OUT = 0, 1, 2
_MOST_IN, _MOST_OUT, _EXPECTED = FIRST, FIRST + 1, FIRST + 2


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def hit(s: State, k: int, b: int) -> None:
    if s.node[k, b, WHERE] == _MAIN:
        move(s, k, _MAIN, b, s.size[b])


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def ask(s: State, k: int, b: int) -> None:
    """Whether it was read lately is decided before room is made, which may push it out of A1out."""
    s.level[k, _EXPECTED] = b + 1 if s.node[k, b, WHERE] == _OUT else 0


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def miss(s: State, k: int, b: int) -> None:
    remembered = s.node[k, b, WHERE] == _OUT
    if remembered:
        pull(s, k, b, s.size[b])
    push(s, k, _MAIN if remembered or s.level[k, _EXPECTED] == b + 1 else _IN, b, s.size[b])
    s.level[k, _EXPECTED] = 0


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def evict(s: State, k: int) -> int:
    main = oldest(s, k, _MAIN)
    return int(oldest(s, k, _IN) if s.level[k, HELD + _IN] > s.level[k, _MOST_IN] or main < 0 else main)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def free(s: State, k: int, b: int, evicted: bool) -> None:
    came_in = s.node[k, b, WHERE] == _IN
    pull(s, k, b, s.size[b])
    if evicted and came_in:
        push(s, k, _OUT, b, s.size[b])
        forget_oldest(s, k, _OUT, s.level[k, _MOST_OUT])
