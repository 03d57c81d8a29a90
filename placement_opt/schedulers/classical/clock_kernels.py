"""Hooks of :mod:`placement_opt.schedulers.classical.clock`: a list whose oldest end is the hand. Register 0: highest count."""

from __future__ import annotations

from placement_opt.base.compiled import njit
from placement_opt.schedulers.classical.state_kernels import FIRST, MARK, State, move, oldest, push


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def hit(s: State, k: int, b: int) -> None:
    if s.node[k, b, MARK] < s.level[k, FIRST]:
        s.node[k, b, MARK] += 1


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def miss(s: State, k: int, b: int) -> None:
    s.node[k, b, MARK] = 0
    push(s, k, 0, b, s.size[b])


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def evict(s: State, k: int) -> int:
    b = oldest(s, k, 0)
    while s.node[k, b, MARK] > 0:
        s.node[k, b, MARK] -= 1
        move(s, k, 0, b, s.size[b])
        b = oldest(s, k, 0)
    return int(b)
