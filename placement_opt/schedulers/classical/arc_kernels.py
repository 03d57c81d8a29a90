"""Hooks of :mod:`placement_opt.schedulers.classical.arc`. The tier's number is p, in bytes.

Register 0: the block expected from B2, plus one.
"""

from __future__ import annotations

from placement_opt.base.compiled import njit
from placement_opt.schedulers.classical.state_kernels import (
    CAPACITY,
    FIRST,
    HELD,
    KEY,
    WHERE,
    State,
    forget_oldest,
    move,
    oldest,
    pull,
    push,
)

ONCE, OFTEN, ONCE_GONE, OFTEN_GONE = 0, 1, 2, 3


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def adapt(s: State, k: int, b: int) -> None:
    """Move p for a block that is remembered: towards those read once if it was one of them, else away."""
    row = s.number.shape[1] - 1
    once, often = s.level[k, HELD + ONCE_GONE], s.level[k, HELD + OFTEN_GONE]
    if s.node[k, b, WHERE] == ONCE_GONE:
        s.number[k, row, KEY] = min(s.level[k, CAPACITY], s.number[k, row, KEY] + s.size[b] * max(1.0, often / once))
    elif s.node[k, b, WHERE] == OFTEN_GONE:
        s.number[k, row, KEY] = max(0.0, s.number[k, row, KEY] - s.size[b] * max(1.0, once / often))


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def come(s: State, k: int, b: int) -> None:
    """A remembered block joins those read often, another one those read once; old ones are forgotten."""
    if s.node[k, b, WHERE] >= 0:
        move(s, k, OFTEN, b, s.size[b])
        return
    capacity, size = s.level[k, CAPACITY], s.size[b]
    forget_oldest(s, k, ONCE_GONE, max(0, capacity - size - s.level[k, HELD + ONCE]))
    held = s.level[k, HELD + ONCE] + s.level[k, HELD + OFTEN] + s.level[k, HELD + ONCE_GONE]
    forget_oldest(s, k, OFTEN_GONE, max(0, 2 * capacity - size - held))
    push(s, k, ONCE, b, size)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def hit(s: State, k: int, b: int) -> None:
    move(s, k, OFTEN, b, s.size[b])


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def ask(s: State, k: int, b: int) -> None:
    s.level[k, FIRST] = b + 1 if s.node[k, b, WHERE] == OFTEN_GONE else 0
    adapt(s, k, b)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def evict(s: State, k: int) -> int:
    once, often = oldest(s, k, ONCE), oldest(s, k, OFTEN)
    p, held = s.number[k, s.number.shape[1] - 1, KEY], s.level[k, HELD + ONCE]
    if once >= 0 and (held > p or (held == p and s.level[k, FIRST] > 0) or often < 0):
        return int(once)
    return int(often)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def free(s: State, k: int, b: int, evicted: bool) -> None:
    was = s.node[k, b, WHERE]
    pull(s, k, b, s.size[b])
    if evicted:
        push(s, k, ONCE_GONE if was == ONCE else OFTEN_GONE, b, s.size[b])
