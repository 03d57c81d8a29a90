"""What the compact program's counts mean for single classes, and what carrying them out would cost.

The program says how many blocks of a kind each tier holds. Which ones is its own affair: here those that are there already, and
of the others those that will be read longest. What that promotes beyond what the program paid for is added to its steps' times.
With two tiers that is a placement (of split blocks) that exists, so its time tells how far at most the exact LP lies above the
bound; with more, where a few kinds may still take more ways than they have blocks, it is an estimate. No bound rests on it.
"""

from __future__ import annotations

import numpy as np

from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.highs import LinearProgram
from placement_opt.bounds.columns.kinds import label_reads
from placement_opt.bounds.columns.program import CompactProgram
from placement_opt.bounds.dual.classes import Classes
from placement_opt.instance.instance import Instance

#: Moves of a smaller share of a kind are left out: the solver's point is rough, and each is an event for all its blocks.
_LEAST = 1e-2
_TINY = 1e-9


def held_counts(program: CompactProgram, counts: Float64) -> tuple[Float64, Float64]:
    """float64[K, J] twice: blocks of each kind in each tier as its interval opens, and as it closes."""
    iv, ways, has = program.intervals, program.ways, program.frame.has
    kinds = len(iv)
    counts = counts / np.maximum(1.0, program.taken(counts) / iv.count)[ways.kind]
    resting = np.maximum(0.0, iv.count - np.bincount(ways.kind, counts, kinds))
    found = []
    for leg in (ways.start[:-1], ways.start[1:] - 1):
        held = resting * has[program.rest].T
        for k in range(len(held)):
            held[k] += np.bincount(ways.kind, counts * has[ways.held[leg], k], kinds)
        found.append(np.ascontiguousarray(np.minimum(held, iv.count)))
    return found[0], found[1]


def spread(instance: Instance, classes: Classes, program: CompactProgram, counts: Float64) -> tuple[Float64, Float64]:
    """float64[K, I] twice: the share of each interval of each class in each tier as it opens, and as it closes."""
    from placement_opt.bounds.columns.kinds_kernels import spread_counts

    iv = program.intervals
    opening, closing = held_counts(program, counts)
    lengths = np.diff(iv.start)
    owner = np.repeat(np.arange(len(classes)), lengths)
    stays = np.full(len(owner), -1, dtype=np.int64)  # reads of the run that follow the one it leads to
    reads = np.arange(len(classes.step)) + np.repeat(np.arange(len(classes)), np.diff(classes.start))
    stays[reads] = label_reads(instance, classes, "end of the run")
    member = np.lexsort((-stays, iv.of))
    pointer = np.concatenate([[0], np.cumsum(np.bincount(iv.of, minlength=len(iv)))])
    leads = np.arange(len(owner)) - 1
    leads[iv.start[:-1]] = -1
    before = np.zeros((instance.num_tiers, len(owner)))
    before[:, iv.start[:-1]] = (np.maximum(classes.begin, 0)[None, :] >> np.arange(instance.num_tiers)[:, None]) & 1
    opens, closes = spread_counts(
        member,
        pointer,
        leads,
        classes.count[owner].astype(np.float64),
        before,
        opening,
        closing,
        iv.count.astype(np.float64),
        np.array(instance.memory.by_speed),
        instance.residency == "exclusive",
    )
    if instance.inclusive:
        opens[instance.home] = closes[instance.home] = 1.0
    return opens, closes


def moved_between(program: CompactProgram, counts: Float64, opens: Float64) -> tuple[Int64, Int64, Float64]:
    """(intervals of classes, states, shares float64[K, E]) where copies between two reads change what tiers hold.

    ``opens`` float64[K, I]: the shares as intervals open; all blocks of a kind take part in its moves alike.
    """
    iv, ways, has = program.intervals, program.ways, program.frame.has
    owner = ways.owner
    used = np.flatnonzero(counts > _LEAST * iv.count[ways.kind])
    later = np.flatnonzero(np.append(False, owner[1:] == owner[:-1])[: len(owner)] & np.isin(owner, used))
    width = program.instance.num_steps + 2
    key, which = np.unique(ways.kind[owner[later]] * width + ways.opens[later], return_inverse=True)
    kind, state = key // width, key % width
    held = held_counts(program, counts)[0] / iv.count
    start = np.searchsorted(kind, kind)
    members = np.argsort(iv.of, kind="stable")
    first = np.searchsorted(iv.of[members], np.arange(len(iv) + 1))
    offspring = np.diff(first)[kind]
    event = np.repeat(np.arange(len(kind)), offspring)
    interval = members[first[kind[event]] + np.arange(len(event)) - np.repeat(np.cumsum(offspring) - offspring, offspring)]
    shares = np.zeros((len(held), len(event)))
    for k in range(len(held)):
        amount = counts[owner[later]] * (has[ways.held[later], k].astype(np.float64) - has[ways.held[later - 1], k])
        change = np.cumsum(np.bincount(which.reshape(-1), amount, len(kind)) / iv.count[kind])
        before = held[k, kind]
        now = np.clip(before + change - np.append(0.0, change)[start], 0.0, 1.0)
        risen, fallen = (now - before) / np.maximum(1.0 - before, _TINY), now / np.maximum(before, _TINY)
        own = opens[k, interval]
        shares[k] = np.where(
            (now >= before)[event], own + (1.0 - own) * np.clip(risen, 0, 1)[event], own * np.clip(fallen, 0, 1)[event]
        )
    return interval, state[event], shares


def attained(instance: Instance, classes: Classes, program: CompactProgram, arrays: LinearProgram, x: Float64) -> float:
    """Seconds of the program's placement with every promotion paid for; of budgets it knows nothing."""
    iv = program.intervals
    opens, closes = spread(instance, classes, program, program.counts(x))
    follows = np.flatnonzero(np.arange(len(iv.of)) != np.repeat(iv.start[:-1], np.diff(iv.start)))
    follows = follows[iv.opens[iv.of[follows]] <= iv.closes[iv.of[follows]]]
    kind = iv.of[follows]
    owner = np.repeat(np.arange(len(classes)), np.diff(iv.start))[follows]
    weight = classes.size[owner] * classes.count[owner] / program.frame.unit
    more = np.zeros((instance.num_steps, len(program.frame.scale)))
    paid = program.stored(x)
    for c in range(len(paid)):
        here = iv.kind[kind] == c
        for k in program.frame.stores:
            brought = np.maximum(0.0, opens[k, follows] - closes[k, follows - 1]) * weight
            needed = np.bincount(iv.opens[kind[here]] - 1, brought[here], instance.num_steps)
            more += (needed - paid[c, k])[:, None] * program.bringing(c, k) * program.frame.scale
    rates = instance.num_steps * len(program.frame.binding)
    column = np.repeat(np.arange(arrays.num_columns), np.diff(arrays.start))
    used = (arrays.index < rates) & (column >= instance.num_steps)
    busy = np.bincount(arrays.index[used], (arrays.value * x[column])[used], rates) - arrays.row_upper[:rates]
    busy = busy.reshape(instance.num_steps, -1) + more[:, program.frame.binding]
    return float(np.maximum(arrays.lower[: instance.num_steps], busy.max(axis=1)).sum() * program.frame.time_unit)
