"""Hooks of `lfu` and `gdsf`: a heap by key and last use.

Registers behind those of the heap: whether it ages, whether reads are counted by the byte.
"""

from __future__ import annotations

from placement_opt.base.compiled import njit
from placement_opt.schedulers.classical.heap_kernels import first, put, use
from placement_opt.schedulers.classical.state_kernels import FIRST, KEY, MARK, State

_AGES, _BY_BYTE = FIRST + 2, FIRST + 3


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def hit(s: State, k: int, b: int) -> None:
    """A new key; the tier's own number is the age."""
    use(s, k, b)
    s.node[k, b, MARK] += 1
    worth = s.node[k, b, MARK] / s.size[b] if s.level[k, _BY_BYTE] else float(s.node[k, b, MARK])
    s.number[k, b, KEY] = s.number[k, s.number.shape[1] - 1, KEY] + worth


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def miss(s: State, k: int, b: int) -> None:
    s.node[k, b, MARK] = 0
    hit(s, k, b)
    put(s, k, b)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def evict(s: State, k: int) -> int:
    b = first(s, k)
    if s.level[k, _AGES]:
        s.number[k, s.number.shape[1] - 1, KEY] = s.number[k, b, KEY]
    return int(b)
