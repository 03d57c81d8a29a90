"""What blocks do, counted by their states, and what it is worth that one in a state is held."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from placement_opt.base.compiled import njit
from placement_opt.schedulers.contender.shelves_kernels import (
    BORN,
    COLUMNS,
    MOST_READS,
    ROWS,
    STATES,
    Shelves,
    class_of,
    restate,
)

#: Of a block in no list of ages.
_NOWHERE = -2


class Seen(NamedTuple):
    """L layers, F classes, A intervals of age. Blocks enter an interval at its end and leave it at its head, in turn."""

    clock: Any  #: int64[L]: steps of each layer
    head: Any  #: int32[L, 1 + A]: the block longest in each interval, the first is those just read; -1 where there is none
    tail: Any  #: int32[L, 1 + A]
    edge: Any  #: int64[A]: ages at which intervals begin
    after: Any  #: float64[STATES, STATES + F]: what followed each state
    tried: Any  #: float64[F, A]: how many left an interval
    hit: Any  #: float64[F, A, COLUMNS]: those that did by being read


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def leave(s: Seen, block: Any, layer: int, b: int) -> None:
    """Take a block out of its list of ages, if it is in one."""
    above, below, age = np.int64(block[b].above), np.int64(block[b].below), np.int64(block[b].age)
    if age == _NOWHERE:
        return
    if above < 0:
        s.head[layer, age + 1] = below
    else:
        block[above].below = below
    if below < 0:
        s.tail[layer, age + 1] = above
    else:
        block[below].above = above
    block[b].age = _NOWHERE


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _enter(s: Seen, block: Any, layer: int, b: int, age: int) -> None:
    last = np.int64(s.tail[layer, age + 1])
    block[b].age, block[b].above, block[b].below = age, last, -1
    if last < 0:
        s.head[layer, age + 1] = b
    else:
        block[last].below = b
    s.tail[layer, age + 1] = b


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _read(s: Seen, t: Shelves, layer: int, b: int, column: int) -> None:
    """A block is read: what came after its state, or after its age."""
    block = t.block
    state, age, run = np.int64(block[b].state), np.int64(block[b].age), np.int64(block[b].run)
    again = age == -1
    run = min(run + 1, np.int64(1 << ROWS - 1)) if again and state != BORN else np.int64(1)
    row, length = 0, run
    while length > 1:
        length //= 2
        row += 1
    fresh = row * COLUMNS + column
    if again:
        s.after[state, fresh] += 1.0
    elif age >= 0:
        kind = class_of(t, b)
        s.hit[kind, age, column] += 1.0
        s.tried[kind, age] += 1.0
    leave(s, block, layer, b)
    _enter(s, block, layer, b, -1)
    block[b].last, block[b].state, block[b].run = s.clock[layer], fresh, run
    block[b].reads = min(np.int64(block[b].reads) + 1, MOST_READS)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _age(s: Seen, t: Shelves, layer: int) -> None:
    """Those not read that have come to another age, the oldest first, last those that were read at the step before."""
    now = s.clock[layer]
    for age in range(len(s.edge) - 2, -2, -1):
        until = now - s.edge[age + 1]
        b = np.int64(s.head[layer, age + 1])
        while b >= 0 and t.block[b].last <= until:
            leave(s, t.block, layer, b)
            if age >= 0:
                s.tried[class_of(t, b), age] += 1.0
            else:
                s.after[np.int64(t.block[b].state), STATES + class_of(t, b)] += 1.0
            _enter(s, t.block, layer, b, age + 1)
            restate(t, b)
            b = np.int64(s.head[layer, age + 1])


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def see(s: Seen, t: Shelves, layer: int, reads: Any, births: Any) -> None:
    """See a step of a layer: blocks read, and others that come to another age by it, are in other states then."""
    s.clock[layer] += 1
    for i in range(len(reads)):
        b = np.int64(reads[i])
        _read(s, t, layer, b, i * COLUMNS // len(reads))
        restate(t, b)
    _age(s, t, layer)
    for i in range(len(births)):
        b = np.int64(births[i])
        leave(s, t.block, layer, b)
        _enter(s, t.block, layer, b, -1)
        t.block[b].last, t.block[b].state = s.clock[layer], BORN
        t.block[b].run = t.block[b].reads = 0


@njit(cache=True)  # type: ignore[untyped-decorator]
def see_layers(s: Seen, t: Shelves, reads: Any, births: Any) -> None:
    """The same for each layer of a step that has blocks of several, in order of the layers."""
    layer = t.layer
    read_order, birth_order = np.argsort(layer[reads], kind="mergesort"), np.argsort(layer[births], kind="mergesort")
    own, new = reads[read_order], births[birth_order]
    i, j = 0, 0
    while i < len(own) or j < len(new):
        one = min(np.int64(layer[own[i]]) if i < len(own) else 2**30, np.int64(layer[new[j]]) if j < len(new) else 2**30)
        until, end = i, j
        while until < len(own) and layer[own[until]] == one:
            until += 1
        while end < len(new) and layer[new[end]] == one:
            end += 1
        see(s, t, one, own[i:until], new[j:end])
        i, j = until, end


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
    gain, read = np.empty(states + classes), np.zeros((classes, ages))
    for s in range(states):
        gain[s] = 1.0 + min(write, max(0.0, fresh[s]))
    for f in range(classes):
        for i in range(ages):
            for c in range(columns):
                read[f, i] += hit[f, i, c]
    for _ in range(sweeps):
        for f in range(classes):
            later = 0.0
            for i in range(ages - 1, -1, -1):
                even, odd = 0.0, 0.0  # two sums, which do not wait for each other
                for c in range(0, columns, 2):
                    even += hit[f, i, c] * gain[c]
                    odd += hit[f, i, c + 1] * gain[c + 1]
                chance = read[f, i] / tried[f, i]
                held = width[i] * (1.0 - 0.5 * chance) * rent
                later = (even + odd) / tried[f, i] - held + (1.0 - chance) * max(0.0, later)
                idle[f, i] = later
            gain[states + f] = max(0.0, later)
        for s in range(states - 1, -1, -1):
            total, value = 0.0, 0.0
            for j in range(states + classes):
                total += after[s, j]
                value += after[s, j] * gain[j]
            fresh[s] = value / total - rent
            gain[s] = 1.0 + min(write, max(0.0, fresh[s]))


@njit(cache=True)  # type: ignore[untyped-decorator]
def forget(table: Any, prior: Any, kept: float) -> None:
    """Keep a part of what was seen, and all that was believed beforehand; tables as one row each."""
    for i in range(len(table)):
        table[i] = (table[i] - prior[i]) * kept + prior[i]


@njit(cache=True)  # type: ignore[untyped-decorator]
def share(tables: Any, priors: Any, kinds: int, several: int, shared: float, layers: float) -> tuple[Any, Any]:
    """(tried, hit) of each class, with what is seen of its reads in all groups of layers at the weight of ``layers`` reads, and
    of an age in all classes of ``several`` reads or more at that of ``shared``."""
    (tried, hit), (tried0, hit0) = tables, priors
    (classes, ages), columns, groups = tried.shape, hit.shape[2], len(tried) // kinds
    own_tried, own_hit = np.empty((classes, ages)), np.empty((classes, ages, columns))
    all_tried, all_hit, total, more = np.empty(kinds), np.empty((kinds, columns)), 0.0, np.empty(columns)
    for i in range(ages):
        total, more[:] = 0.0, 0.0
        for k in range(kinds):
            all_tried[k] = (1 - groups) * tried0[k, i]
            for c in range(columns):
                all_hit[k, c] = (1 - groups) * hit0[k, i, c]
            for f in range(k, classes, kinds):
                all_tried[k] += tried[f, i]
                for c in range(columns):
                    all_hit[k, c] += hit[f, i, c]
            if k >= several:
                total += all_tried[k]
                more += all_hit[k]
        for f in range(classes):
            k = f % kinds
            weight = shared if k >= several else 0.0
            count = all_tried[k] + weight
            for c in range(columns):
                read = all_hit[k, c] + weight * more[c] / total
                own_hit[f, i, c] = read if groups == 1 else hit[f, i, c] + layers * read / count
            own_tried[f, i] = count if groups == 1 else tried[f, i] + layers
    return own_tried, own_hit
