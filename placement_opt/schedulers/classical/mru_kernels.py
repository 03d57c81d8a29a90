"""Hooks of :mod:`placement_opt.schedulers.classical.mru`: one list in the order of last use."""

from __future__ import annotations

from placement_opt.base.compiled import njit
from placement_opt.schedulers.classical.state_kernels import State, move, newest, push


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def hit(s: State, k: int, b: int) -> None:
    move(s, k, 0, b, s.size[b])


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def miss(s: State, k: int, b: int) -> None:
    push(s, k, 0, b, s.size[b])


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def evict(s: State, k: int) -> int:
    return int(newest(s, k, 0))
