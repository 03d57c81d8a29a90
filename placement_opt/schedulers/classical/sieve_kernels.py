"""Hooks of :mod:`placement_opt.schedulers.classical.sieve`: a queue. Register 0: the hand, one more than a block; 0 none."""

from __future__ import annotations

from placement_opt.base.compiled import njit
from placement_opt.schedulers.classical.state_kernels import FIRST, MARK, NEWER, NODES, State, oldest, pull, push


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def hit(s: State, k: int, b: int) -> None:
    s.node[k, b, MARK] = 1


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def miss(s: State, k: int, b: int) -> None:
    s.node[k, b, MARK] = 0
    push(s, k, 0, b, s.size[b])


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def evict(s: State, k: int) -> int:
    b, blocks = s.level[k, FIRST] - 1, s.level[k, NODES]
    if b < 0:
        b = oldest(s, k, 0)
    while s.node[k, b, MARK]:
        s.node[k, b, MARK] = 0
        b = s.node[k, b, NEWER]
        if b >= blocks:
            b = oldest(s, k, 0)
    s.level[k, FIRST] = b + 1
    return int(b)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def free(s: State, k: int, b: int) -> None:
    if s.level[k, FIRST] == b + 1:
        newer = s.node[k, b, NEWER]
        s.level[k, FIRST] = newer + 1 if newer < s.level[k, NODES] else 0
    pull(s, k, b, s.size[b])
