"""Hooks of :mod:`placement_opt.schedulers.classical.w_tinylfu`.

Registers: bytes of window, protected part and sample, and bytes counted so far.
"""

from __future__ import annotations

from placement_opt.base.compiled import njit
from placement_opt.schedulers.classical.state_kernels import (
    FIRST,
    HELD,
    MARK,
    NODES,
    WHERE,
    State,
    move,
    newest,
    oldest,
    push,
)

_WINDOW, _PROBATION, _PROTECTED = 0, 1, 2
_MOST_WINDOW, _MOST_PROTECTED, _SAMPLE, _SEEN = FIRST, FIRST + 1, FIRST + 2, FIRST + 3
_HIGHEST = 15


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _count(s: State, k: int, b: int) -> None:
    """One more use; all counts are halved after a sample."""
    if s.node[k, b, MARK] < _HIGHEST:
        s.node[k, b, MARK] += 1
    s.level[k, _SEEN] += s.size[b]
    if s.level[k, _SEEN] >= s.level[k, _SAMPLE]:
        s.level[k, _SEEN] = 0
        for other in range(s.level[k, NODES]):
            s.node[k, other, MARK] //= 2


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def hit(s: State, k: int, b: int) -> None:
    _count(s, k, b)
    if s.node[k, b, WHERE] == _WINDOW:
        move(s, k, _WINDOW, b, s.size[b])
        return
    move(s, k, _PROTECTED, b, s.size[b])
    while s.level[k, HELD + _PROTECTED] > s.level[k, _MOST_PROTECTED]:
        b = oldest(s, k, _PROTECTED)
        move(s, k, _PROBATION, b, s.size[b])


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def miss(s: State, k: int, b: int) -> None:
    _count(s, k, b)
    push(s, k, _WINDOW, b, s.size[b])
    while s.level[k, HELD + _WINDOW] > s.level[k, _MOST_WINDOW] and oldest(s, k, _WINDOW) != newest(s, k, _WINDOW):
        b = oldest(s, k, _WINDOW)
        move(s, k, _PROBATION, b, s.size[b])


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def evict(s: State, k: int) -> int:
    candidate, victim = oldest(s, k, _WINDOW), oldest(s, k, _PROBATION)
    if victim < 0:
        victim = oldest(s, k, _PROTECTED)
    if candidate < 0 or (victim >= 0 and s.level[k, HELD + _WINDOW] < s.level[k, _MOST_WINDOW]):
        return int(victim)
    if victim < 0 or s.node[k, candidate, MARK] <= s.node[k, victim, MARK]:
        return int(candidate)
    move(s, k, _PROBATION, candidate, s.size[candidate])
    return int(victim)
