"""What caches of every size could hit: LRU, and the most that any cache can that fetches on demand.

A hit is a read of a block that the cache has kept since the step that last read or produced it. What is read for the first time
is never one, whatever the size: the ceiling. A cache that fetches ahead has no such limits; it moves bytes earlier and not
fewer, which is for bounds on time to weigh.

LRU has every size in one pass over the reads (Mattson et al. 1970), by steps: what a step uses is used at once, and a hit
counts only if it is one in whatever order the cache saw the blocks of a step. The best is Belady's (1966), one pass a size.

Where blocks are of one size it is attained. Where they are not, it is a ceiling for the size that is hit, attained by caches
that may keep parts of blocks: a block in units of equal size and equal value is many blocks that are read together, of which
Belady's rule hits most, and a cache of whole blocks is one that may keep parts (compare the relaxations of Berger, Beckmann
and Harchol-Balter 2018).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.workload.profile.distribution import Octaves, octave_edges
from placement_opt.workload.trace import Trace

#: Sizes of caches: half an octave apart, from everything that is used down to this share of it.
_POINTS, _SMALLEST = 2, 2.0**-12


@dataclass(frozen=True)
class HitCurve:
    """Hits over the size of a cache; shares are of ``wanted``.

    Attributes
    ----------
    unit
        What is counted: "blocks" where all have one size, else "size".
    counted_over
        "reads", or "reads and productions" where steps say a prefix (:attr:`Trace.position`): what they produce there
        was wanted and found nowhere.
    wanted
        Units of what is counted over.
    ceiling
        Share that a cache of any size can hit: reads of blocks that were read or produced before.
    exact
        Whether ``optimal`` is attained by caches of whole blocks.
    room
        Sizes of caches, ascending, in the trace's unit; the last holds all that is used.
    lru, optimal
        Shares hit at each size.
    """

    unit: str
    counted_over: str
    wanted: int
    ceiling: float
    exact: bool
    room: list[int]
    lru: list[float]
    optimal: list[float]


def hit_curve(trace: Trace) -> tuple[HitCurve, Octaves] | None:
    """The curve, and the stack distances of reads in units of size; O(N log T) for each of some 25 sizes.

    None where sizes are so odd and so large that 64 bits do not hold the sum over all reads.
    """
    from placement_opt.workload.profile.hits_kernels import optimal_hits, read_after, sized_stack_distances

    unit = int(np.gcd.reduce(trace.size))
    equal = bool((trace.size == trace.size[0]).all())
    size = np.ascontiguousarray(trace.sizes // unit)
    if float(size[trace.blocks].sum(dtype=np.float64)) + float(size.sum(dtype=np.float64)) >= 2.0**62:
        return None
    births = trace.births_by_step
    rooms = _rooms(trace, size)
    edges = np.union1d(rooms, (2 * octave_edges(int(size.sum()) * unit) - 1) // unit)
    reads, sizes = sized_stack_distances(trace.indptr, trace.blocks, size, *births, edges)
    kept = np.cumsum(sizes)
    after = read_after(trace.indptr, trace.blocks, trace.num_blocks, *births)
    best = [optimal_hits(trace.indptr, trace.blocks, size, *births, *after, int(room)) for room in rooms]
    wanted = int(size[trace.blocks].sum())
    if trace.position is not None:
        wanted += int(size[births[1]].sum())
    curve = HitCurve(
        unit="blocks" if equal else "size",
        counted_over="reads" if trace.position is None else "reads and productions",
        wanted=wanted if equal else wanted * unit,
        ceiling=int(kept[-1]) / max(1, wanted),
        exact=equal,
        room=[int(room) * unit for room in rooms],
        lru=[int(hits) / max(1, wanted) for hits in kept[np.searchsorted(edges, rooms)]],
        optimal=[int(hits) / max(1, wanted) for hits in best],
    )
    octave = np.array([max(0, (int(edge) * unit).bit_length() - 1) for edge in edges])
    return curve, Octaves.of_counts(np.bincount(octave, weights=reads[:-1]).astype(np.int64))


def _rooms(trace: Trace, size: Int64) -> Int64:
    """Sizes of caches in units of ``size``, up to all that is read or produced."""
    used = trace.birth >= 0
    used[trace.blocks] = True
    total = max(1, int(size[used].sum()))
    count = int(-_POINTS * np.log2(_SMALLEST)) + 1
    return np.unique(np.ceil(total * 2.0 ** (-np.arange(count) / _POINTS)).astype(np.int64))
