"""What a classical policy remembers of each tier: lists of blocks, marks, a heap and a few numbers, all in a few arrays.

A list is circular: its head is a node behind those of the blocks, whose newer neighbour is the oldest block. A node is in one
list at a time; policies that keep a block in two lists have two nodes for it (block b is node b and node B + b).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from placement_opt.base.compiled import njit

#: Columns of ``node``: neighbours, the list that it is in (-1 for none), a reference bit, count or state.
OLDER, NEWER, WHERE, MARK = 0, 1, 2, 3
#: The same where there is a heap (or a row) instead of lists: the block at this place of it, the place of this block (-1: it
#: is not in the tier), when it was last used; when it was as the heap knows it, and what is its own.
HEAP, PLACE, USED, FILED, OWN = 0, 1, 2, 4, 5
#: Columns of ``level``: bytes free, capacity, the tier's position in the memory system, nodes without heads; registers of the
#: policy from FIRST on, bytes of the blocks in each list from HELD on. Of its last row: round, and blocks touched in it.
ROOM, CAPACITY, TIER, NODES, FIRST, HELD = 0, 1, 2, 3, 4, 8
ROUND, TOUCHED = 0, 1
#: Columns of ``number``: a key, and the key as the heap knows it.
KEY, KNOWN = 0, 1
#: Columns of ``block``: mask of tiers and, above it, mask before this round; rounds in which it was moved and at the processor,
#: and a list of the blocks touched in this round.
MASK, MOVED, NEAR, LIST = 0, 1, 2, 3
BEFORE, TIERS = 16, 0xFFFF


class State(NamedTuple):
    """L levels (tiers that are caches, fastest first), B blocks, N nodes, Q lists."""

    node: Any  #: int32[L, N + Q, 4 or 6]
    number: Any  #: float64[L, B + 1 or 1, 2]: of blocks, where there are keys; the last row is the tier's own
    level: Any  #: int64[L + 1, HELD + Q]
    size: Any  #: int64[B], the setting's
    block: Any  #: int32[B, 4]


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def push(s: State, k: int, q: int, node: int, size: int) -> None:
    """Put a node that is in no list at the newest end of one."""
    head = s.level[k, NODES] + q
    last = s.node[k, head, OLDER]
    s.node[k, last, NEWER] = node
    s.node[k, node, OLDER] = last
    s.node[k, node, NEWER] = head
    s.node[k, head, OLDER] = node
    s.node[k, node, WHERE] = q
    s.level[k, HELD + q] += size


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def pull(s: State, k: int, node: int, size: int) -> None:
    """Take a node out of the list that it is in."""
    older, newer = s.node[k, node, OLDER], s.node[k, node, NEWER]
    s.node[k, older, NEWER] = newer
    s.node[k, newer, OLDER] = older
    s.level[k, HELD + s.node[k, node, WHERE]] -= size
    s.node[k, node, WHERE] = -1


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def move(s: State, k: int, q: int, node: int, size: int) -> None:
    """Take a node out of its list to the newest end of one."""
    pull(s, k, node, size)
    push(s, k, q, node, size)


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def oldest(s: State, k: int, q: int) -> int:
    """The oldest node of a list, -1 if it is empty."""
    node = s.node[k, s.level[k, NODES] + q, NEWER]
    return int(node) if node < s.level[k, NODES] else -1


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def newest(s: State, k: int, q: int) -> int:
    """The newest node of a list, -1 if it is empty."""
    node = s.node[k, s.level[k, NODES] + q, OLDER]
    return int(node) if node < s.level[k, NODES] else -1


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def forget_oldest(s: State, k: int, q: int, most: int) -> None:
    """Take the oldest blocks out of a list of blocks that are not in the tier until it holds at most so many bytes."""
    while s.level[k, HELD + q] > most:
        b = oldest(s, k, q)
        if b < 0:
            return
        pull(s, k, b, s.size[b])
