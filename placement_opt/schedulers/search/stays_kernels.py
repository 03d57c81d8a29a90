"""Best paths at prices of room, block after block, in time by their reads: what a block does between two reads is one product.

Reads and stores are timed exactly, as all other blocks stand. A tree over all steps keeps the
cheapest way through any stretch in which a block is not read. A path is written down as its changes. Room has prices; in the
end no block takes room that is not there: where its path would, the tier is closed to it at the states without room, and it
chooses again. The next block finds them open: it may be the one that leaves room there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from placement_opt.schedulers.search.game_kernels import BORN
from placement_opt.schedulers.search.paths_kernels import COPIED, SET
from placement_opt.schedulers.search.priced_kernels import cover, more
from placement_opt.schedulers.search.smooth_kernels import compiled, smoothed

#: A row of a path that is a read.
_READ = -1
#: How often a block chooses again for want of room before it moves only when it is read.
_TRIES = 16
#: What came of a choice.
_FOUND, _NOWHERE, _TOO_MANY = 0, 1, 2


class Board(NamedTuple):
    """U tier sets that are offered, A arcs between them that add a copy, V price vectors, L tiers with limited room; T steps, B
    blocks, N reads, block after block; P leaves, a power of two and at least T. Sets are named by their places among the U.

    Loads are seconds at each price vector for a block that counts 1, C kinds.
    """

    serve: Any  #: float64[C, U, V]: a read
    bring: Any  #: float64[C, U, V]: a read that leaves the block at the processor
    brings: Any  #: bool[C, U]: whether there is one
    either: Any  #: bool[U]: whether a block that is read may be copied instead of stored in passing
    store: Any  #: float64[C, U, V]: storing a new block
    arc: Any  #: int64[U, U]: number of the arc from set to set, -1 where no copy is added
    passing: Any  #: float64[C, A, V]: an arc's moves of what is at the processor
    copied: Any  #: float64[C, A, V]: ... of what is not
    bare: Any  #: bool[A]: whether there is nothing to copy from
    member: Any  #: bool[U, L]
    size: Any  #: int64[B]
    amount: Any  #: int64[B]: what a block counts
    first: Any  #: int32[B]: its first state
    last: Any  #: int32[B]: its last one
    begin: Any  #: int16[B]: its set at state 0, FREE or BORN
    kind: Any  #: int16[B]
    reads: Any  #: int64[B + 1]: where its reads begin
    step: Any  #: int32[N]
    share: Any  #: float64[N], or of length 0 where all reads are whole
    place: Any  #: int64[B + 1]: where its changes begin
    count: Any  #: int32[B]: how many there are; the first is its first state
    state: Any  #: int32[.]: from which on it lies in a set
    number: Any  #: uint8[.]: that set, and COPIED where it came there by copies although it was read
    value: Any  #: float64[T, V]: seconds at each price vector
    room: Any  #: int64[L, chunks * width]: bytes left, less what the chunk says
    more: Any  #: int64[L, chunks]: what is left more at all states of a chunk
    least: Any  #: int64[L, chunks]: least room in it
    floor: Any  #: float64[T]
    width: Any  #: float64[T]: of the smoothing
    time: Any  #: float64[T]: the time of each step, smoothed
    open: Any  #: float64[T + 1, U], seconds per byte: lying in a set at a state where there is room
    hold: Any  #: float64[T + 1, U]: the same, infinite where a tier is closed
    closed: Any  #: int64[n, 2]: the first and the last of some states at which tiers are closed; entry 0: how many of these
    unit: Any  #: float64[2]: what the block counts whose copies are timed, and bytes of one that counts 1
    way: Any  #: float64[T, A]: seconds that the copies of an arc take at a step, for a block that counts 1; inf for bare ones
    tree: (
        Any  #: float64[2 P, U, U], seconds for a block that counts 1: idle steps with the states after them; leaf P + t step t
    )
    stay: Any  #: float64[2 P, U]: ... where the set stays what it is
    back: Any  #: uint8[rows, U], scratch: where a row comes from, with COPIED
    row: Any  #: int32[rows], scratch: nodes of the tree, or _READ
    pick: Any  #: uint8[rows + 1], scratch
    nodes: Any  #: int64[128], scratch
    stack: Any  #: int64[128, 5], scratch
    cost: Any  #: float64[2, U], scratch
    sums: Any  #: float64[2, V], scratch
    touched: Any  #: int32[.], scratch: steps whose loads a block changed


@compiled  # type: ignore[untyped-decorator]
def retime(g: Any) -> None:
    """Time all steps again, with the present width of the smoothing."""
    for t in range(len(g.time)):
        g.time[t] = smoothed(g.floor[t], g.width[t], g.value, t)


# ---- room --------------------------------------------------------------------------------------------------------------


@compiled  # type: ignore[untyped-decorator]
def _add(g: Any, k: int, low: int, high: int, size: int) -> None:
    """Add bytes of room to the states low..high."""
    wide = g.room.shape[1] // g.more.shape[1]
    for chunk in range(low // wide, high // wide + 1):
        begin, end = chunk * wide, chunk * wide + wide
        if low <= begin and end <= high + 1:
            g.more[k, chunk] += size
            g.least[k, chunk] += size
            continue
        room = g.room[k]
        for t in range(max(low, begin), min(high + 1, end)):
            room[t] += size
        least = room[begin]
        for t in range(begin + 1, end):
            least = min(least, room[t])
        g.least[k, chunk] = least + g.more[k, chunk]


@compiled  # type: ignore[untyped-decorator]
def _lacks(g: Any, k: int, low: int, high: int, size: int) -> bool:
    """Whether some state of low..high has less room than that."""
    wide = g.room.shape[1] // g.more.shape[1]
    for chunk in range(low // wide, high // wide + 1):
        if g.least[k, chunk] < size:
            for t in range(max(low, chunk * wide), min(high + 1, chunk * wide + wide)):
                if g.room[k, t] + g.more[k, chunk] < size:
                    return True
    return False


@compiled  # type: ignore[untyped-decorator]
def _mark(g: Any, k: int, low: int, high: int, size: int) -> None:
    """Close a tier at those of the states low..high that have less room than that."""
    wide, t = g.room.shape[1] // g.more.shape[1], low
    while t <= high:
        if g.least[k, t // wide] >= size:
            t = (t // wide + 1) * wide
            continue
        until = t
        while until <= high and g.room[k, until] + g.more[k, until // wide] < size:
            until += 1
        if until > t:
            _close(g, k, t, until - 1)
        t = until + 1


@compiled  # type: ignore[untyped-decorator]
def _close(g: Any, k: int, low: int, high: int) -> None:
    """Make lying in a tier at the states low..high cost infinitely much, until they are opened."""
    leaves, sets, closed = len(g.tree) // 2, len(g.member), g.closed
    for t in range(low, high + 1):
        for j in range(sets):
            if g.member[j, k]:
                g.hold[t, j] = np.inf
                if t > 0:
                    g.stay[leaves + t - 1, j] = np.inf
                    for i in range(sets):
                        g.tree[leaves + t - 1, i, j] = np.inf
    _join_above(g, low, high)
    if closed[0, 0] + 1 < len(closed):
        closed[0, 0] += 1
        closed[closed[0, 0], 0], closed[closed[0, 0], 1] = low, high
    else:  # one entry for all between
        closed[closed[0, 0], 0] = min(low, closed[closed[0, 0], 0])
        closed[closed[0, 0], 1] = max(high, closed[closed[0, 0], 1])


@compiled  # type: ignore[untyped-decorator]
def _reopen(g: Any) -> None:
    """Open all tiers again."""
    for n in range(1, g.closed[0, 0] + 1):
        low, high = g.closed[n, 0], g.closed[n, 1]
        for t in range(low, high + 1):
            for j in range(len(g.member)):
                g.hold[t, j] = g.open[t, j]
            if t > 0:
                _leaf(g, t - 1)
        _join_above(g, low, high)
    g.closed[0, 0] = 0


@compiled  # type: ignore[untyped-decorator]
def _join_above(g: Any, low: int, high: int) -> None:
    """Make the tree fit its leaves for the states low..high."""
    left, right = (len(g.tree) // 2 + max(low, 1) - 1) // 2, (len(g.tree) // 2 + high - 1) // 2
    while left > 0 and high > 0:
        for node in range(left, right + 1):
            _join(g, node)
        left, right = left // 2, right // 2


# ---- tables ------------------------------------------------------------------------------------------------------------


@compiled  # type: ignore[untyped-decorator]
def time_ways(g: Any, kind: int, t: int) -> None:
    """Time the copies of a kind of block at a step."""
    unit = g.unit[0]
    for arc in range(len(g.bare)):
        g.way[t, arc] = np.inf if g.bare[arc] else max(0.0, more(g, t, unit, g.copied[kind, arc])) / unit


@compiled  # type: ignore[untyped-decorator]
def _leaf(g: Any, t: int) -> None:
    """Make a leaf fit the copies at its step, and the price of room after it."""
    sets, leaf, ratio = len(g.member), len(g.tree) // 2 + t, g.unit[1]
    for i in range(sets):
        g.stay[leaf, i] = ratio * g.hold[t + 1, i]
        for j in range(sets):
            arc = g.arc[i, j]
            g.tree[leaf, i, j] = (g.way[t, arc] if arc >= 0 else 0.0) + ratio * g.hold[t + 1, j]


@compiled  # type: ignore[untyped-decorator]
def _join(g: Any, node: int) -> bool:
    """Make a node fit the two below it; whether it changed."""
    left, right, sets, tree, stay, changed = 2 * node, 2 * node + 1, len(g.member), g.tree, g.stay, False
    for i in range(sets):
        still = stay[left, i] + stay[right, i]
        changed |= still != stay[node, i]
        stay[node, i] = still
        for j in range(sets):
            low = still if i == j else np.inf
            for m in range(sets):
                low = min(low, tree[left, i, m] + tree[right, m, j])
            changed |= low != tree[node, i, j]
            tree[node, i, j] = low
    return bool(changed)


@compiled  # type: ignore[untyped-decorator]
def time_all_ways(g: Any, kind: int) -> None:
    """Time the copies of a kind of block at all steps."""
    for t in range(len(g.time)):
        time_ways(g, kind, t)


@compiled  # type: ignore[untyped-decorator]
def grow(g: Any) -> None:
    """Make the whole tree fit the times of copies and the prices of room."""
    leaves = len(g.tree) // 2
    for t in range(len(g.time)):
        _leaf(g, t)
    for leaf in range(leaves + len(g.time), 2 * leaves):  # beyond the last step
        for i in range(len(g.member)):
            g.stay[leaf, i] = 0.0
            for j in range(len(g.member)):
                g.tree[leaf, i, j] = 0.0 if i == j else np.inf
    for node in range(leaves - 1, 0, -1):
        _join(g, node)


@compiled  # type: ignore[untyped-decorator]
def _adapt(g: Any, kind: int, count: int) -> None:
    """Make the tree fit the first ``count`` steps touched."""
    for n in range(count):
        time_ways(g, kind, g.touched[n])
        _leaf(g, g.touched[n])
        node = (len(g.tree) // 2 + g.touched[n]) // 2
        while node > 0 and _join(g, node):
            node //= 2


# ---- a block -----------------------------------------------------------------------------------------------------------


@compiled  # type: ignore[untyped-decorator]
def _put(g: Any, t: int, amount: float, share: float, kind: int, i: int, arc: int, near: bool) -> None:
    """Add a read from a set, the moves of an arc, or both, to a step."""
    for v in range(g.value.shape[1]):
        x = share * g.serve[kind, i, v]
        if arc >= 0:
            x += g.copied[kind, arc, v]
            if near and share > 0.0:
                x = share * (g.bring[kind, i, v] + g.passing[kind, arc, v]) + (1.0 - share) * g.copied[kind, arc, v]
        g.value[t, v] += amount * x
    g.time[t] = smoothed(g.floor[t], g.width[t], g.value, t)


@compiled  # type: ignore[untyped-decorator]
def _load(g: Any, b: int, sign: int) -> None:
    """Add (sign 1) or remove (-1) what a block loads and takes of the room on its path, and make the tree fit."""
    kind, at, count, value, touched = g.kind[b], g.place[b], g.count[b], g.value, 0
    n, end, size, amount = g.reads[b], g.reads[b + 1], sign * g.size[b], float(sign * g.amount[b])
    i, since = g.number[at] & SET, g.state[at]
    if since > 0:
        t = since - 1
        for v in range(value.shape[1]):
            value[t, v] += amount * g.store[kind, i, v]
        g.time[t] = smoothed(g.floor[t], g.width[t], value, t)
        g.touched[0], touched = t, 1
    for e in range(1, count + 1):
        t = g.state[at + e] - 1 if e < count else g.last[b]
        while n < end and (g.step[n] < t or e == count):
            _put(g, g.step[n], amount, g.share[n] if len(g.share) else 1.0, kind, i, -1, True)
            g.touched[touched] = g.step[n]
            n, touched = n + 1, touched + 1
        for k in range(g.member.shape[1]):
            if g.member[i, k]:
                _add(g, k, since, t, -size)
        if e == count:
            break
        j, near, share = g.number[at + e] & SET, g.number[at + e] & COPIED == 0, 0.0
        if n < end and g.step[n] == t:
            share = g.share[n] if len(g.share) else 1.0
            n += 1
        if share > 0.0 or g.arc[i, j] >= 0:
            _put(g, t, amount, share, kind, i, g.arc[i, j], near)
            g.touched[touched] = t
            touched += 1
        i, since = j, t + 1
    _adapt(g, kind, touched)


@compiled  # type: ignore[untyped-decorator]
def _through(g: Any, rows: int, node: int, amount: float, still: bool, old: Any, new: Any) -> None:
    """One more row of a path: the idle steps of a node."""
    sets = len(g.member)
    g.row[rows] = node
    for j in range(sets):
        low, back = old[j] + amount * g.stay[node, j], j
        if not still:
            for i in range(sets):
                c = old[i] + amount * g.tree[node, i, j]
                if c < low:
                    low, back = c, i
        new[j], g.back[rows, j] = low, back


@compiled  # type: ignore[untyped-decorator]
def _read(g: Any, kind: int, rows: int, t: int, amount: float, size: float, share: float, old: Any, new: Any) -> None:
    """One more row: a read at step t, and the state after it."""
    sets, sums = len(g.member), g.sums
    g.row[rows] = _READ
    for j in range(sets):
        new[j], g.back[rows, j] = np.inf, j
    for i in range(sets):
        if old[i] == np.inf:
            continue
        alone = old[i] + more(g, t, amount * share, g.serve[kind, i])
        for j in range(sets):
            arc, hold = g.arc[i, j], size * g.hold[t + 1, j]
            if hold == np.inf:
                continue
            if arc < 0:
                if alone + hold < new[j] or (i == j and alone + hold == new[j]):
                    new[j], g.back[rows, j] = alone + hold, i
                continue
            if alone + hold >= new[j]:  # more loads take no less
                continue
            if g.brings[kind, i] and (share == 1.0 or not g.bare[arc]):
                for v in range(sums.shape[1]):
                    sums[0, v] = share * (g.bring[kind, i, v] + g.passing[kind, arc, v])
                    sums[0, v] += (1.0 - share) * g.copied[kind, arc, v]
                c = old[i] + more(g, t, amount, sums[0]) + hold
                if c < new[j]:
                    new[j], g.back[rows, j] = c, i
            if g.either[i] and not g.bare[arc]:
                for v in range(sums.shape[1]):
                    sums[0, v] = share * g.serve[kind, i, v] + g.copied[kind, arc, v]
                c = old[i] + more(g, t, amount, sums[0]) + hold
                if c < new[j]:
                    new[j], g.back[rows, j] = c, i | COPIED


@compiled  # type: ignore[untyped-decorator]
def _choose(g: Any, b: int, still: bool) -> int:
    """Write the best path of a block that is not placed, or the best that moves only when it is read."""
    first, last, n, end = g.first[b], g.last[b], g.reads[b], g.reads[b + 1]
    size, amount, begin = float(g.size[b]), float(g.amount[b]), g.begin[b]
    sets, leaves, rows, at, kind = len(g.member), len(g.tree) // 2, 0, first, g.kind[b]
    old, new = g.cost[0], g.cost[1]
    for j in range(sets):
        old[j] = size * g.hold[first, j] if begin < 0 or begin == j else np.inf
        if begin == BORN:
            old[j] += more(g, first - 1, amount, g.store[kind, j])
    while True:
        until = g.step[n] if n < end else last
        for m in range(cover(at, until, leaves, g.nodes)):
            _through(g, rows, g.nodes[m], amount, still, old, new)
            rows, old, new = rows + 1, new, old
        if n == end:
            break
        share = g.share[n] if len(g.share) else 1.0
        if until == last:
            for j in range(sets):
                old[j] += more(g, last, amount * share, g.serve[kind, j])
            break
        _read(g, kind, rows, until, amount, size, share, old, new)
        rows, old, new, at, n = rows + 1, new, old, until + 1, n + 1
    best = 0
    for j in range(sets):
        if old[j] < old[best]:
            best = j
    if old[best] == np.inf:
        return _NOWHERE
    g.pick[rows] = best
    for r in range(rows - 1, -1, -1):
        g.pick[r] = g.back[r, g.pick[r + 1] & SET]
    return int(_write(g, b, rows, still))


@compiled  # type: ignore[untyped-decorator]
def _change(g: Any, b: int, t: int, number: int) -> bool:
    """Write down one more change; False where there is no place for it."""
    at = g.place[b] + g.count[b]
    if at == g.place[b + 1]:
        return False
    g.state[at], g.number[at] = t, number
    g.count[b] += 1
    return True


@compiled  # type: ignore[untyped-decorator]
def _write(g: Any, b: int, rows: int, still: bool) -> int:
    """Write down the path of so many rows."""
    leaves, t = len(g.tree) // 2, g.first[b]
    g.count[b] = 0
    good = _change(g, b, t, g.pick[0] & SET)
    for r in range(rows):
        i, j, node = g.pick[r] & SET, g.pick[r + 1] & SET, g.row[r]
        if node == _READ:
            if i != j:  # the row says how it was left
                good = good and _change(g, b, t + 1, j | (g.pick[r] & COPIED))
            t += 1
            continue
        wide = 1
        while node * wide < leaves:
            wide *= 2
        if i != j or not (still or g.tree[node, i, i] >= g.stay[node, i]):
            good = good and _descend(g, b, node, i, j, t + wide, wide)
        t += wide
    return _FOUND if good else _TOO_MANY


@compiled  # type: ignore[untyped-decorator]
def _descend(g: Any, b: int, node: int, i: int, j: int, high: int, wide: int) -> bool:
    """Write down the changes on the way from set i to set j through a node of ``wide`` steps that ends at state ``high``."""
    stack, depth, tree = g.stack, 1, g.tree
    stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3], stack[0, 4] = node, i, j, high, wide
    while depth > 0:
        depth -= 1
        node, i, j, high, wide = stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3], stack[depth, 4]
        if i == j and (wide == 1 or tree[node, i, i] >= g.stay[node, i]):
            continue
        if wide == 1:
            if not _change(g, b, high, j):
                return False
            continue
        left, right, through = 2 * node, 2 * node + 1, 0
        for m in range(len(g.member)):
            if tree[left, i, m] + tree[right, m, j] < tree[left, i, through] + tree[right, through, j]:
                through = m
        stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3] = right, through, j, high
        stack[depth + 1, 0], stack[depth + 1, 1], stack[depth + 1, 2] = left, i, through
        stack[depth + 1, 3], stack[depth, 4], stack[depth + 1, 4] = high - wide // 2, wide // 2, wide // 2
        depth += 2
    return True


@compiled  # type: ignore[untyped-decorator]
def _fits(g: Any, b: int, size: int, close: bool) -> bool:
    """Whether so many bytes of room are left all along a block's path; tiers are closed where there are not, if so asked."""
    at, count, fits = g.place[b], g.count[b], True
    for e in range(count):
        until = g.state[at + e + 1] - 1 if e + 1 < count else g.last[b]
        for k in range(g.member.shape[1]):
            if g.member[g.number[at + e] & SET, k] and _lacks(g, k, g.state[at + e], until, size):
                fits = False
                if close:
                    _mark(g, k, g.state[at + e], until, size)
    return fits


@compiled  # type: ignore[untyped-decorator]
def choose_all(g: Any, some: Any, again: bool, hard: bool) -> int:
    """Let blocks take their best paths, one after the other; the first that has none, -1 where all have one.

    Parameters
    ----------
    some
        int64[n]: blocks, of the kind that the tree was made for.
    again
        Whether they have paths already, which they leave first.
    hard
        Whether no block takes room that is not there; who has a path, and room on it, then keeps it.
    """
    for b in some:
        if again and hard and _fits(g, b, 0, False):
            continue
        _reopen(g)
        leaves, tries = again, 0
        while True:
            if not leaves:
                still = tries >= _TRIES  # then it moves only when it is read, and a hop has few ways
                found, tries = _choose(g, b, still), tries + 1
                if found == _NOWHERE or tries > 8 * _TRIES:
                    return int(b)
                if found == _TOO_MANY:
                    tries = max(tries, _TRIES)
                    continue
                if hard and not _fits(g, b, g.size[b], True):
                    continue
            _load(g, b, -1 if leaves else 1)
            if not leaves:
                break
            leaves = False
    return -1
