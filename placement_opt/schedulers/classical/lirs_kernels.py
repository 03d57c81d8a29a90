"""Hooks of :mod:`placement_opt.schedulers.classical.lirs`: a stack, and a queue of the nodes behind those of blocks.

Registers: bytes that LIR blocks may take, and those that they take.
"""

from __future__ import annotations

from placement_opt.base.compiled import njit
from placement_opt.schedulers.classical.state_kernels import FIRST, MARK, WHERE, State, move, oldest, pull, push

_STACK, _QUEUE = 0, 1
_LIR, _HIR, _GONE = 1, 2, 3
_MOST, _TAKEN = FIRST, FIRST + 1


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _to_top(s: State, k: int, b: int) -> None:
    if s.node[k, b, WHERE] >= 0:
        pull(s, k, b, s.size[b])
    push(s, k, _STACK, b, s.size[b])


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _prune(s: State, k: int) -> None:
    """Down to the oldest LIR block; those that are gone are forgotten with it."""
    b = oldest(s, k, _STACK)
    while b >= 0 and s.node[k, b, MARK] != _LIR:
        pull(s, k, b, s.size[b])
        b = oldest(s, k, _STACK)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _raise(s: State, k: int, b: int) -> None:
    """A block at the top of the stack becomes LIR; the oldest of them become HIR until they fit."""
    s.node[k, b, MARK] = _LIR
    s.level[k, _TAKEN] += s.size[b]
    _prune(s, k)
    while s.level[k, _TAKEN] > s.level[k, _MOST]:
        b = oldest(s, k, _STACK)
        s.node[k, b, MARK] = _HIR
        s.level[k, _TAKEN] -= s.size[b]
        pull(s, k, b, s.size[b])
        push(s, k, _QUEUE, len(s.size) + b, s.size[b])
        _prune(s, k)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def hit(s: State, k: int, b: int) -> None:
    stacked = s.node[k, b, WHERE] >= 0
    _to_top(s, k, b)
    if s.node[k, b, MARK] != _LIR and stacked:
        pull(s, k, len(s.size) + b, s.size[b])
        _raise(s, k, b)
    elif s.node[k, b, MARK] != _LIR:
        move(s, k, _QUEUE, len(s.size) + b, s.size[b])
    _prune(s, k)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def miss(s: State, k: int, b: int) -> None:
    remembered = s.node[k, b, WHERE] >= 0
    _to_top(s, k, b)
    if remembered or s.level[k, _TAKEN] + s.size[b] <= s.level[k, _MOST]:
        _raise(s, k, b)
    else:
        s.node[k, b, MARK] = _HIR
        push(s, k, _QUEUE, len(s.size) + b, s.size[b])
        _prune(s, k)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def evict(s: State, k: int) -> int:
    node = oldest(s, k, _QUEUE)
    return int(node - len(s.size)) if node >= 0 else int(oldest(s, k, _STACK))


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def free(s: State, k: int, b: int, evicted: bool) -> None:
    if s.node[k, b, MARK] == _HIR:
        pull(s, k, len(s.size) + b, s.size[b])
        s.node[k, b, MARK] = _GONE
        if not evicted and s.node[k, b, WHERE] >= 0:
            pull(s, k, b, s.size[b])
    else:
        s.node[k, b, MARK] = _GONE
        s.level[k, _TAKEN] -= s.size[b]
        pull(s, k, b, s.size[b])
    _prune(s, k)
