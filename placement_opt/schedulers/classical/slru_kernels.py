"""Hooks of :mod:`placement_opt.schedulers.classical.slru`: two lists. Register 0: bytes of the protected."""

from __future__ import annotations

from placement_opt.base.compiled import njit
from placement_opt.schedulers.classical.state_kernels import FIRST, HELD, State, move, oldest, push

_PROBATION, _PROTECTED = 0, 1


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def hit(s: State, k: int, b: int) -> None:
    move(s, k, _PROTECTED, b, s.size[b])
    while s.level[k, HELD + _PROTECTED] > s.level[k, FIRST]:
        b = oldest(s, k, _PROTECTED)
        move(s, k, _PROBATION, b, s.size[b])


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def miss(s: State, k: int, b: int) -> None:
    push(s, k, _PROBATION, b, s.size[b])


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def evict(s: State, k: int) -> int:
    b = oldest(s, k, _PROBATION)
    return int(b if b >= 0 else oldest(s, k, _PROTECTED))
