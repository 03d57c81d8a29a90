"""Values of the states of a life table."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from placement_opt.base.compiled import njit

#: Columns: quantiles of position in a read set. Rows: runs of consecutive reads, by their logarithm. Classes: reads so far.
COLUMNS, ROWS, CLASSES = 16, 5, 5
#: States of blocks just read, and the state of those just produced.
BORN = COLUMNS * ROWS
STATES = BORN + 1
#: Columns of ``block``: when it was last read or produced, by its layer's clock; its state at that time; steps in a row that
#: read it; reads; whether it may be read; the interval of its age, -1 where it is not yet one step old; its neighbours among
#: those of its layer and interval.
LAST, STATE, RUN, READS, ALIVE, AGE, ABOVE, BELOW = range(8)
FIELDS = 8


class Seen(NamedTuple):
    """B blocks, L layers, A intervals of age. Blocks enter an interval at its end and leave it at its head, in turn."""

    block: Any  #: int32[B, FIELDS]
    head: Any  #: int64[L, A]: the block longest in each interval, -1 where there is none
    tail: Any  #: int64[L, A]
    edge: Any  #: int64[A]: ages at which intervals begin
    after: Any  #: float64[STATES, STATES + CLASSES]: what followed each state
    tried: Any  #: float64[CLASSES, A]: how many left an interval
    hit: Any  #: float64[CLASSES, A, COLUMNS]: those that did by being read


@njit(cache=True)  # type: ignore[untyped-decorator]
def class_of(block: Any, b: int) -> int:
    """By how often a block was read."""
    many = block[b, READS]
    return many if many < 3 else (3 if many < 6 else 4)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _leave(s: Seen, layer: int, b: int) -> None:
    above, below, age = s.block[b, ABOVE], s.block[b, BELOW], s.block[b, AGE]
    if above < 0:
        s.head[layer, age] = below
    else:
        s.block[above, BELOW] = below
    if below < 0:
        s.tail[layer, age] = above
    else:
        s.block[below, ABOVE] = above
    s.block[b, AGE] = -1


@njit(cache=True)  # type: ignore[untyped-decorator]
def _enter(s: Seen, layer: int, b: int, age: int) -> None:
    last = s.tail[layer, age]
    s.block[b, AGE], s.block[b, ABOVE], s.block[b, BELOW] = age, last, -1
    if last < 0:
        s.head[layer, age] = b
    else:
        s.block[last, BELOW] = b
    s.tail[layer, age] = b


@njit(cache=True)  # type: ignore[untyped-decorator]
def _read(s: Seen, layer: int, now: int, b: int, column: int) -> None:
    """A block is read: what came after its state, or after its age."""
    last, state = s.block[b, LAST], s.block[b, STATE]
    again = last == now - 1
    s.block[b, RUN] = s.block[b, RUN] + 1 if again and state != BORN else 1
    row, run = 0, s.block[b, RUN]
    while run > 1 and row < ROWS - 1:
        run //= 2
        row += 1
    fresh = row * COLUMNS + column
    if again:
        s.after[state, fresh] += 1.0
    elif s.block[b, AGE] >= 0:
        kind, age = class_of(s.block, b), s.block[b, AGE]
        s.hit[kind, age, column] += 1.0
        s.tried[kind, age] += 1.0
        _leave(s, layer, b)
    s.block[b, LAST], s.block[b, STATE], s.block[b, ALIVE] = now, fresh, 1
    s.block[b, READS] += 1


@njit(cache=True)  # type: ignore[untyped-decorator]
def step(s: Seen, layer: int, now: int, reads: Any, births: Any, before: Any) -> Any:
    """See a step of a layer, its ``now``-th; those not read that have come to another age: the ones of the step ``before``
    it, and others."""
    turned, n = np.empty(len(s.block), dtype=np.int64), 0
    for i in range(len(reads)):
        _read(s, layer, now, reads[i], i * COLUMNS // len(reads))
    for age in range(len(s.edge) - 2, -1, -1):
        b = s.head[layer, age]
        while b >= 0 and now - s.block[b, LAST] >= s.edge[age + 1]:
            _leave(s, layer, b)
            if s.block[b, ALIVE]:
                s.tried[class_of(s.block, b), age] += 1.0
                _enter(s, layer, b, age + 1)
                turned[n] = b
                n += 1
            b = s.head[layer, age]
    for b in before:
        if s.block[b, LAST] == now - 1 and s.block[b, ALIVE]:
            s.after[s.block[b, STATE], STATES + class_of(s.block, b)] += 1.0
            _enter(s, layer, b, 0)
            turned[n] = b
            n += 1
    for b in births:
        s.block[b, LAST], s.block[b, STATE], s.block[b, ALIVE] = now, BORN, 1
        s.block[b, RUN] = s.block[b, READS] = 0
    return turned[:n].copy()


@njit(cache=True)  # type: ignore[untyped-decorator]
def values(block: Any, ids: Any, fresh: Any, idle: Any) -> Any:
    """float64: of blocks, in the states they are in now; nothing for those never seen."""
    found = np.empty(len(ids))
    for i in range(len(ids)):
        b = ids[i]
        if block[b, LAST] < 0:
            found[i] = -1e3
        elif block[b, AGE] < 0:
            found[i] = fresh[block[b, STATE]]
        else:
            found[i] = idle[class_of(block, b), block[b, AGE]]
    return found


@njit(cache=True)  # type: ignore[untyped-decorator]
def loads(resident: Any, order: Any, reads: Any, weight: Any) -> Any:
    """float64[K + 1]: what is read of each tier, every block from the first in this order, and what lies nowhere."""
    found = np.zeros(len(resident) + 1)
    for i in range(len(reads)):
        at = len(resident)
        for tier in order:
            if resident[tier, reads[i]]:
                at = tier
                break
        found[at] += weight[i]
    return found


@njit(cache=True)  # type: ignore[untyped-decorator]
def solve(after: Any, tried: Any, hit: Any, width: Any, rent: float, write: float, fresh: Any, idle: Any, sweeps: int) -> None:
    """What it is worth that a block is in the tier rather than not: improved from the last values on.

    In reads: those it will save until it is best given up, less rent. A block that is out can come in at its next read for
    the price ``write``, so that being in is worth no more than that beyond it.

    ``after[s, j]`` counts what a block just read in state s was at its layer's next step: read in state j, or unread, of class
    j - S. ``tried[f, i]`` counts blocks of class f that left age interval i, of ``width[i]`` steps, and ``hit[f, i, c]``
    those of them that left it by being read, in state c. ``fresh[s]`` and ``idle[f, i]`` are the values.
    """
    states, (classes, ages, columns) = len(fresh), hit.shape
    for _ in range(sweeps):
        for f in range(classes):
            later = 0.0
            for i in range(ages - 1, -1, -1):
                back, read = 0.0, 0.0
                for c in range(columns):
                    read += hit[f, i, c]
                    back += hit[f, i, c] * (1.0 + min(write, max(0.0, fresh[c])))
                chance = read / tried[f, i]
                held = width[i] * (1.0 - 0.5 * chance) * rent
                idle[f, i] = back / tried[f, i] - held + (1.0 - chance) * max(0.0, later)
                later = idle[f, i]
        for s in range(states - 1, -1, -1):
            total, value = 0.0, 0.0
            for j in range(states + classes):
                if after[s, j] > 0.0:
                    total += after[s, j]
                    if j < states:
                        value += after[s, j] * (1.0 + min(write, max(0.0, fresh[j])))
                    else:
                        value += after[s, j] * max(0.0, idle[j - states, 0])
            fresh[s] = value / total - rent
