"""Hooks of `lfu` and `gdsf`: a heap by key and last use.

Registers: blocks in it, uses so far, whether it ages, whether reads are counted by the byte.
"""

from __future__ import annotations

from placement_opt.base.compiled import njit
from placement_opt.schedulers.classical.state_kernels import FIRST, HEAP, KEY, MARK, PLACE, STAMP, State

_COUNT, _USES, _AGES, _BY_BYTE = FIRST, FIRST + 1, FIRST + 2, FIRST + 3


@njit(cache=True)  # type: ignore[untyped-decorator]
def _before(s: State, k: int, a: int, b: int) -> bool:
    if s.number[k, a, KEY] != s.number[k, b, KEY]:
        return bool(s.number[k, a, KEY] < s.number[k, b, KEY])
    return bool(s.number[k, a, STAMP] < s.number[k, b, STAMP])


@njit(cache=True)  # type: ignore[untyped-decorator]
def _rise(s: State, k: int, b: int, at: int) -> None:
    """Put a block into the heap at this place or above."""
    while at > 0:
        above = s.node[k, (at - 1) // 2, HEAP]
        if not _before(s, k, b, above):
            break
        s.node[k, at, HEAP], s.node[k, above, PLACE] = above, at
        at = (at - 1) // 2
    s.node[k, at, HEAP], s.node[k, b, PLACE] = b, at


@njit(cache=True)  # type: ignore[untyped-decorator]
def _sink(s: State, k: int, b: int, at: int) -> None:
    """Put a block into the heap at this place or below."""
    count = s.level[k, _COUNT]
    while 2 * at + 1 < count:
        child = 2 * at + 1
        below = s.node[k, child, HEAP]
        if child + 1 < count and _before(s, k, s.node[k, child + 1, HEAP], below):
            child += 1
            below = s.node[k, child, HEAP]
        if not _before(s, k, below, b):
            break
        s.node[k, at, HEAP], s.node[k, below, PLACE] = below, at
        at = child
    s.node[k, at, HEAP], s.node[k, b, PLACE] = b, at


@njit(cache=True)  # type: ignore[untyped-decorator]
def _use(s: State, k: int, b: int) -> None:
    """A new key; the tier's own number is the age."""
    s.node[k, b, MARK] += 1
    worth = s.node[k, b, MARK] / s.size[b] if s.level[k, _BY_BYTE] else float(s.node[k, b, MARK])
    s.number[k, b, KEY] = s.number[k, s.number.shape[1] - 1, KEY] + worth
    s.number[k, b, STAMP] = s.level[k, _USES]
    s.level[k, _USES] += 1


@njit(cache=True)  # type: ignore[untyped-decorator]
def hit(s: State, k: int, b: int) -> None:
    _use(s, k, b)
    _sink(s, k, b, s.node[k, b, PLACE])


@njit(cache=True)  # type: ignore[untyped-decorator]
def miss(s: State, k: int, b: int) -> None:
    s.node[k, b, MARK] = 0
    _use(s, k, b)
    s.level[k, _COUNT] += 1
    _rise(s, k, b, s.level[k, _COUNT] - 1)


@njit(cache=True)  # type: ignore[untyped-decorator]
def evict(s: State, k: int) -> int:
    b = s.node[k, 0, HEAP]
    if s.level[k, _AGES]:
        s.number[k, s.number.shape[1] - 1, KEY] = s.number[k, b, KEY]
    return int(b)


@njit(cache=True)  # type: ignore[untyped-decorator]
def free(s: State, k: int, b: int) -> None:
    at, last = s.node[k, b, PLACE], s.node[k, s.level[k, _COUNT] - 1, HEAP]
    s.level[k, _COUNT] -= 1
    if last != b:
        _sink(s, k, last, at)
        _rise(s, k, last, s.node[k, last, PLACE])
