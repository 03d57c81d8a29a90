"""A heap of blocks by key, then by last use, that is put in order late: what is used again only sinks when it comes to the top.

Keys and uses of a block that is in the heap only grow, so that where the heap knows an older one of some block, that block is
further up than it should be and the others are not further down. Who looks at the top puts it right first (:func:`first`).
Where a policy has no keys, last use alone decides. Registers: blocks in the heap, uses so far.
"""

from __future__ import annotations

from placement_opt.base.compiled import njit
from placement_opt.schedulers.classical.state_kernels import FILED, FIRST, HEAP, KEY, KNOWN, PLACE, USED, State

COUNT, _USES = FIRST, FIRST + 1
_LAST = 2**31 - 1


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _before(s: State, k: int, a: int, b: int) -> bool:
    if s.number.shape[1] > 1 and s.number[k, a, KNOWN] != s.number[k, b, KNOWN]:
        return bool(s.number[k, a, KNOWN] < s.number[k, b, KNOWN])
    return bool(s.node[k, a, FILED] < s.node[k, b, FILED])


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _rise(s: State, k: int, b: int, at: int) -> None:
    """Put a block into the heap at this place or above."""
    while at > 0:
        above = s.node[k, (at - 1) // 2, HEAP]
        if not _before(s, k, b, above):
            break
        s.node[k, at, HEAP], s.node[k, above, PLACE] = above, at
        at = (at - 1) // 2
    s.node[k, at, HEAP], s.node[k, b, PLACE] = b, at


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _sink(s: State, k: int, b: int, at: int) -> None:
    """Put a block into the heap at this place or below."""
    count = s.level[k, COUNT]
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


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _file(s: State, k: int, b: int) -> None:
    s.node[k, b, FILED] = s.node[k, b, USED]
    if s.number.shape[1] > 1:
        s.number[k, b, KNOWN] = s.number[k, b, KEY]


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def use(s: State, k: int, b: int) -> None:
    """A block is used now."""
    if s.level[k, _USES] == _LAST:  # no overflow is checked in compiled code
        raise OverflowError("more uses of blocks in one tier than are counted")
    s.level[k, _USES] += 1
    s.node[k, b, USED] = s.level[k, _USES]


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def put(s: State, k: int, b: int) -> None:
    """Put a block that is not in the heap into it."""
    _file(s, k, b)
    s.level[k, COUNT] += 1
    _rise(s, k, b, s.level[k, COUNT] - 1)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def take(s: State, k: int, b: int) -> None:
    """Take a block out of the heap."""
    at, last = s.node[k, b, PLACE], s.node[k, s.level[k, COUNT] - 1, HEAP]
    s.level[k, COUNT] -= 1
    s.node[k, b, PLACE] = -1
    if last != b:
        _sink(s, k, last, at)
        _rise(s, k, last, s.node[k, last, PLACE])


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def first(s: State, k: int) -> int:
    """The block of the lowest key, of these the one whose last use is longest ago."""
    while True:
        b = s.node[k, 0, HEAP]
        if s.node[k, b, FILED] == s.node[k, b, USED]:
            return int(b)
        _file(s, k, b)
        _sink(s, k, b, 0)
