"""Hooks of :mod:`placement_opt.schedulers.classical.car`: the lists and the p of ``arc``, read as clocks."""

from __future__ import annotations

from placement_opt.base.compiled import njit
from placement_opt.schedulers.classical.arc_kernels import OFTEN, ONCE, adapt, come
from placement_opt.schedulers.classical.state_kernels import HELD, KEY, MARK, State, move, oldest


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def hit(s: State, k: int, b: int) -> None:
    s.node[k, b, MARK] = 1


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def miss(s: State, k: int, b: int) -> None:
    s.node[k, b, MARK] = 0
    adapt(s, k, b)
    come(s, k, b)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def evict(s: State, k: int) -> int:
    while True:
        once, often = oldest(s, k, ONCE), oldest(s, k, OFTEN)
        b = once if once >= 0 and (s.level[k, HELD + ONCE] >= s.number[k, s.number.shape[1] - 1, KEY] or often < 0) else often
        if b < 0 or s.node[k, b, MARK] == 0:
            return int(b)
        s.node[k, b, MARK] = 0
        move(s, k, OFTEN, b, s.size[b])
