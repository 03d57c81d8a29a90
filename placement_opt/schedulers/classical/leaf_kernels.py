"""Hooks of `prefix-lru` and `leaf-random`: blocks in trees, of which only leaves go, those that no block of the tier extends.

Of a block: how many of the tier's blocks extend it (MARK), and the block that it extends (OWN, -1: none or not known). In
`prefix-lru` leaves are in a heap by last use. In `leaf-random` all blocks are in a row, at its front those that may go: leaves
that were not used in this phase (USED is the last phase in which a block was). Registers of the latter: blocks in the row, the
draws' state, how many are at the front, and the phase.
"""

from __future__ import annotations

from typing import Any

from placement_opt.base.compiled import njit
from placement_opt.schedulers.classical import heap_kernels as heap
from placement_opt.schedulers.classical import random_kernels as row
from placement_opt.schedulers.classical.state_kernels import FIRST, HEAP, MARK, OWN, PLACE, USED, State

_COUNT, _FRONT, _PHASE = FIRST, FIRST + 2, FIRST + 3
#: The place of a block that is in the tier, but not in the heap.
_INNER = -2


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _swap(s: State, k: int, b: int, at: int) -> None:
    """Change the places of a block of the row and of the one that is at a place."""
    other, was = s.node[k, at, HEAP], s.node[k, b, PLACE]
    s.node[k, was, HEAP], s.node[k, other, PLACE] = other, was
    s.node[k, at, HEAP], s.node[k, b, PLACE] = b, at


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _may_go(s: State, drawn: bool, k: int, b: int) -> None:
    """A block of the tier is a leaf now."""
    if not drawn:
        heap.put(s, k, b)
    elif s.node[k, b, USED] != s.level[k, _PHASE]:
        _swap(s, k, b, s.level[k, _FRONT])
        s.level[k, _FRONT] += 1


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _stays(s: State, drawn: bool, k: int, b: int) -> None:
    """A block of the tier is no leaf, or was used."""
    if not drawn:
        heap.take(s, k, b)
        s.node[k, b, PLACE] = _INNER
    elif s.node[k, b, PLACE] < s.level[k, _FRONT]:
        s.level[k, _FRONT] -= 1
        _swap(s, k, b, s.level[k, _FRONT])


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _extend(s: State, drawn: bool, k: int, b: int) -> None:
    """A block comes into the tier, or is found to extend another."""
    before = s.node[k, b, OWN]
    if before >= 0:
        s.node[k, before, MARK] += 1
        if s.node[k, before, MARK] == 1 and s.node[k, before, PLACE] != -1:
            _stays(s, drawn, k, before)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def learn(s: State, drawn: bool, blocks: Any, before: Any) -> None:
    """Of blocks that were never seen before: the block that each extends, or -1."""
    for i in range(len(blocks)):
        for k in range(len(s.node)):
            s.node[k, blocks[i], OWN] = before[i]
            if s.node[k, blocks[i], PLACE] != -1:
                _extend(s, drawn, k, blocks[i])


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def hit(s: State, drawn: bool, k: int, b: int) -> None:
    if drawn:
        _stays(s, drawn, k, b)
        s.node[k, b, USED] = s.level[k, _PHASE]
    else:
        heap.use(s, k, b)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def miss(s: State, drawn: bool, k: int, b: int) -> None:
    if drawn:
        s.node[k, b, USED] = s.level[k, _PHASE]
        row.miss(s, k, b)
    else:
        heap.use(s, k, b)
        if s.node[k, b, MARK] == 0:
            heap.put(s, k, b)
        else:
            s.node[k, b, PLACE] = _INNER
    _extend(s, drawn, k, b)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def evict(s: State, drawn: bool, k: int) -> int:
    if not drawn:
        return int(heap.first(s, k))
    if s.level[k, _FRONT] == 0:
        s.level[k, _PHASE] += 1
        for at in range(s.level[k, _COUNT]):
            if s.node[k, s.node[k, at, HEAP], MARK] == 0:
                _may_go(s, drawn, k, s.node[k, at, HEAP])
    return int(s.node[k, row.draw(s, k, s.level[k, _FRONT]), HEAP])


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def free(s: State, drawn: bool, k: int, b: int) -> None:
    if drawn:
        _stays(s, drawn, k, b)
        row.free(s, k, b)
    elif s.node[k, b, PLACE] >= 0:
        heap.take(s, k, b)
    s.node[k, b, PLACE] = -1
    before = s.node[k, b, OWN]
    if before >= 0:
        s.node[k, before, MARK] -= 1
        if s.node[k, before, MARK] == 0 and s.node[k, before, PLACE] != -1:
            _may_go(s, drawn, k, before)
