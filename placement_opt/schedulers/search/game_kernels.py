"""What a search plays with: the path of every block, and what all of them together make of each step.

The time of a step is the largest of V values, one for each extreme price vector of the memory system
(:mod:`placement_opt.memory.split.timing`), and every block adds to them what its reads and moves cost at those prices. The
objective is the sum of the step times plus a small rent for what is held, which breaks ties in favour of holding less.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from placement_opt.schedulers.search.paths_kernels import COPIED, SET
from placement_opt.schedulers.search.smooth_kernels import compiled, fined, smoothed

#: Columns of ``block``: bytes, first and last state, tier set at state 0 (``FREE`` where it is chosen, ``BORN`` where the block
#: is produced later), where its reads and its states begin, what it counts (bytes, where prices are by the byte), and its kind;
#: one row more than there are blocks.
SIZE, FIRST, LAST, BEGIN, READS, PLACE, AMOUNT, KIND = 0, 1, 2, 3, 4, 5, 6, 7
FREE, BORN = -1, -2
#: Entries of ``count``: (block, state) pairs visited, each times its weight; links in the open chain; that weight.
WORK, LINKS, WEIGHT = 0, 1, 2
#: What ``fresh`` is where slopes are known and nothing of arcs.
WEIGHED = -1


class Game(NamedTuple):
    """C kinds of block, S tier sets, A arcs between sets that add a copy, V price vectors, L tiers with limited room; T steps,
    B blocks.

    Prices are seconds at each price vector, for a block of a kind that counts 1.
    """

    serve: Any  #: float64[C, S, V]: a read
    bring: Any  #: float64[C, S, V]: a read that leaves the block at the processor
    brings: Any  #: bool[kinds, S]: whether there is one
    either: Any  #: bool[S]: whether a block that is read may be copied instead of stored in passing
    store: Any  #: float64[C, S, V]: storing a new block in every tier of a set
    arc: Any  #: int64[S, S]: number of the arc from set to set, -1 where no copy is added
    passing: Any  #: float64[C, A, V]: an arc's moves of what is at the processor
    copied: Any  #: float64[C, A, V]: an arc's moves of what is not
    bare: Any  #: bool[A]: whether there is nothing to copy from
    member: Any  #: bool[S, L]
    block: Any  #: int64[B + 1, 8]
    step: Any  #: int64[N]: reads, block after block
    share: Any  #: float64[N]
    path: Any  #: uint8[.]: number of the set of every block at every state, with ``COPIED``
    value: Any  #: float64[T, V]: seconds at each price vector
    time: Any  #: float64[T]: the time of each step, smoothed
    floor: Any  #: float64[T]
    width: Any  #: float64[T]: of the smoothing; 0 for none
    room: Any  #: int64[T + 1, L]: bytes left
    rent: Any  #: float64[T + 1, L]: what a byte of room may be worth
    fine: Any  #: float64[L]: seconds per byte and state beyond the room, where that is allowed at a fine; 0 where it is not
    blur: Any  #: float64[L]: bytes on either side of the room over which the fine sets in
    slope: Any  #: float64[T, V]: by how much a step's time grows with each value
    low: Any  #: float64[T, A]: by how much, at least, with each unit that takes an arc while it is not read
    idle: Any  #: float64[T, A]: by how much exactly for a block; both are not a number where that is not known
    fresh: Any  #: int64[T]: that block's bytes times kinds, plus its kind; ``WEIGHED``; 0: the three above are out of date
    cost: Any  #: float64[2, S], scratch
    back: Any  #: uint8[T + 2, S], scratch
    sums: Any  #: float64[2, V], scratch
    stay: Any  #: float64[S], scratch
    steep: Any  #: int64[V], scratch
    saved: Any  #: uint8[(links + 2) * (T + 2)]: paths of the open chain before it
    chain: Any  #: int64[links + 1]: its blocks
    count: Any  #: int64[3]
    dice: Any  #: uint64[1]


@compiled  # type: ignore[untyped-decorator]
def smooth(g: Any) -> None:
    """Time all steps again, with the present width of the smoothing."""
    for t in range(len(g.time)):
        g.time[t] = smoothed(g.floor[t], g.width[t], g.value, t)
        g.fresh[t] = 0


@compiled  # type: ignore[untyped-decorator]
def place(g: Any, b: int, sign: int, tie: float) -> float:
    """Add (sign 1) or remove (-1) a block with the path it has; the change of the objective."""
    kind, arcs, member = g.block[b, KIND], g.arc, g.member
    serve, bring, store, passing, copied = g.serve[kind], g.bring[kind], g.store[kind], g.passing[kind], g.copied[kind]
    step, shares, path, value, time, floor, width = g.step, g.share, g.path, g.value, g.time, g.floor, g.width
    room, rent, fine, blur, fresh = g.room, g.rent, g.fine, g.blur, g.fresh
    size, first, last, at = sign * g.block[b, SIZE], g.block[b, FIRST], g.block[b, LAST], g.block[b, PLACE]
    n, end, amount = g.block[b, READS], g.block[b + 1, READS], sign * g.block[b, AMOUNT]
    change, held = 0.0, 0.0
    for t in range(first - 1, last + 1):
        share, i, arc, near = 0.0, path[at] & SET, -1, path[at] & COPIED == 0
        if t < first:
            if t < 0:
                continue
        else:
            for k in range(room.shape[1]):
                if member[i, k]:
                    if fine[k] > 0.0:
                        change += fined(fine[k], blur[k], room[t, k] - size) - fined(fine[k], blur[k], room[t, k])
                    room[t, k] -= size
                    held += rent[t, k]
            if t < last:
                arc = arcs[i, path[at + 1] & SET]
            if n < end and step[n] == t:
                share = shares[n]
                n += 1
            at += 1
            if share == 0.0 and arc < 0:
                continue
        for v in range(value.shape[1]):
            if t < first:
                x = store[i, v]
            elif arc < 0:
                x = share * serve[i, v]
            elif near:
                x = share * bring[i, v]
                x += share * passing[arc, v] + (1.0 - share) * copied[arc, v]
            else:
                x = share * serve[i, v] + copied[arc, v]
            value[t, v] += amount * x
        change -= time[t]
        time[t] = smoothed(floor[t], width[t], value, t)
        change += time[t]
        fresh[t] = 0
    return float(change + tie * size * held)


@compiled  # type: ignore[untyped-decorator]
def place_all(g: Any) -> None:
    """Add all blocks with the paths they have."""
    for b in range(len(g.block) - 1):
        place(g, b, 1, 0.0)
