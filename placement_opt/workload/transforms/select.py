"""The arrays of a trace, taken apart and put together: the one place that knows which of them has an entry for what.

A new optional array of :class:`~placement_opt.workload.trace.Trace` is a name in one of the tuples below, and every transform
carries it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from placement_opt.base.arrays import Flags, Int64
from placement_opt.base.errors import InputError
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.served import taken

#: Optional arrays with an entry for each step, each block, each read; and those with one for each block or one for all.
BY_STEP = ("step_token", "step_layer", "step_floor")
BY_BLOCK = ("block_token", "block_layer", "block_kind")
BY_READ = ("shares", "position")
BY_BLOCK_OR_ALL = ("size", "pieces")


def step_arrays(trace: Trace, steps: Int64) -> dict[str, Any]:
    """The arrays by step at these steps, by name; None where the trace has none."""
    return {name: None if (values := getattr(trace, name)) is None else values[steps] for name in BY_STEP}


def block_arrays(trace: Trace, blocks: Int64) -> dict[str, Any]:
    """The arrays by block of these blocks; those with one entry for all stay so."""
    labels = {name: None if (values := getattr(trace, name)) is None else values[blocks] for name in BY_BLOCK}
    for name in BY_BLOCK_OR_ALL:
        values = getattr(trace, name)
        labels[name] = values if values is None or len(values) == 1 else values[blocks]
    return labels


def read_arrays(trace: Trace, kept: Flags) -> dict[str, Any]:
    """The arrays by read of some reads; the places of each step close up where reads before them are gone."""
    shares = None if trace.shares is None else trace.shares[kept]
    place = None if trace.position is None else _closed_up(trace, kept)
    return {"shares": shares, "position": place}


def _closed_up(trace: Trace, kept: Flags) -> Any:
    """int32: places of the reads that stay, each less the number of reads of its step that are gone and stood before it."""
    assert trace.position is not None
    order = np.lexsort((trace.position, trace.read_step))
    gone = np.cumsum(~kept[order])
    before = np.concatenate([[0], gone])[trace.indptr[:-1]]  # gone in the steps before
    place = np.empty_like(trace.position)
    place[order] = trace.position[order] - (gone - before[trace.read_step[order]])
    return place[kept]


def take_blocks(trace: Trace, kept: Flags) -> Trace:
    """Some of the blocks, bool[B], and the reads of them; what a step asks for before a block that is gone stays in its place.

    No schedule takes longer without a block than with it: the same moves of the others are legal and load less.

    Raises
    ------
    InputError
        No block stays.
    """
    if kept.all():
        return trace
    if not kept.any():
        raise InputError(f"found none of {trace.num_blocks} blocks left", "expected at least one to stay", field="blocks")
    stays, reads = np.flatnonzero(kept), kept[trace.blocks]
    number = np.cumsum(kept) - 1
    return dataclasses.replace(
        trace,
        indptr=np.concatenate([[0], np.cumsum(reads)])[trace.indptr].astype(np.int64),
        blocks=number[trace.blocks[reads]].astype(np.int32),
        birth=trace.birth[stays],
        death=trace.death[stays],
        **block_arrays(trace, stays),
        **read_arrays(trace, reads),
    )


def take_steps(trace: Trace, steps: Int64) -> Trace:
    """Some of the steps, ascending, and the blocks that are alive at one of their states.

    What was produced before the first of them is there from the start; between two, by the earlier. A block that is alive
    when the last of them ends is never freed.
    """
    if len(steps) == trace.num_steps:
        return trace
    begun = np.zeros(trace.num_steps + 1, dtype=np.int64)  # of the steps taken, how many are before each
    begun[steps + 1] = 1
    begun = np.cumsum(begun)
    birth, death = (begun[np.minimum(ends.astype(np.int64) + 1, trace.num_steps)] - 1 for ends in (trace.birth, trace.death))
    last = int(steps[-1])
    death[trace.death > last] = len(steps)
    lives = (death > birth) & (trace.birth <= last)
    if not lives.any():
        raise InputError("found no block alive at these steps", "expected at least one", field="steps")
    stays, number = np.flatnonzero(lives), np.cumsum(lives) - 1
    chosen = np.zeros(trace.num_steps, dtype=np.bool_)
    chosen[steps] = True
    reads = chosen[trace.read_step]
    counts = np.diff(trace.indptr)[steps]
    return dataclasses.replace(
        trace,
        indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        blocks=number[trace.blocks[reads]].astype(np.int32),
        birth=birth[stays].astype(np.int32),
        death=death[stays].astype(np.int32),
        shares=None if trace.shares is None else trace.shares[reads],
        position=None if trace.position is None else trace.position[reads],
        requests=taken(trace.requests, steps),
        **step_arrays(trace, steps),
        **block_arrays(trace, stays),
    )


@dataclass(frozen=True)
class Lives:
    """The blocks of a trace to be: int64[M] each.

    Attributes
    ----------
    of
        A block of the old trace whose layer, token, kind and pieces it has.
    birth, death
        As of a trace.
    size
        In the new trace's unit.
    """

    of: Int64
    birth: Int64
    death: Int64
    size: Int64

    def ordered(self, trace: Trace) -> Int64:
        """Their numbers in the new trace's order: that of production where the old one has that, else that of the old ids."""
        produced = bool((trace.birth[1:] >= trace.birth[:-1]).all())
        return np.lexsort((self.of, self.birth) if produced else (self.birth, self.of))


@dataclass(frozen=True)
class Rows:
    """Reads of lives, in any order, several of one step and life as one: int64[n] each.

    Attributes
    ----------
    step, life
        Which step reads which.
    share
        Numerators over ``base``; of several their sum, at most all of it.
    base
        At most 65535.
    place
        As ``Trace.position``, where no two are of one step and life; None: dropped.
    """

    step: Int64
    life: Int64
    share: Int64
    base: int
    place: Int64 | None = None


def rebuilt(trace: Trace, lives: Lives, rows: Rows, **changes: Any) -> Trace:
    """The steps of a trace over other blocks; ``changes``: fields that are given outright, such as ``size_unit``."""
    order = lives.ordered(trace)
    count = len(order)
    number = np.empty(count, dtype=np.int64)
    number[order] = np.arange(count)
    keys, first, which = np.unique(rows.step * count + number[rows.life], return_index=True, return_inverse=True)
    share = np.zeros(len(keys), dtype=np.int64)
    np.add.at(share, which, rows.share)
    share = np.minimum(share, rows.base)
    partly = bool((share < rows.base).any()) or (trace.shares is not None and rows.base == trace.share_base)
    labels = block_arrays(trace, lives.of[order])
    size = lives.size[order]
    labels["size"] = size[:1] if len(trace.size) == 1 and (size == size[0]).all() else size
    fields = {
        "indptr": np.searchsorted(keys, np.arange(trace.num_steps + 1, dtype=np.int64) * count).astype(np.int64),
        "blocks": (keys % count).astype(np.int32),
        "birth": lives.birth[order].astype(np.int32),
        "death": lives.death[order].astype(np.int32),
        "shares": share.astype(np.uint16) if partly else None,
        "share_base": rows.base if partly else 1,
        "position": None if rows.place is None else rows.place[first].astype(np.int32),
    }
    return dataclasses.replace(trace, **{**fields, **labels, **changes})


def shares_of(trace: Trace) -> Int64:
    """int64[N]: numerators of all reads over the trace's base."""
    return np.ones(trace.num_reads, dtype=np.int64) if trace.shares is None else trace.shares.astype(np.int64)


def size_read(trace: Trace) -> float:
    """What all reads transfer together, in the trace's unit."""
    return float(shares_of(trace) @ trace.sizes[trace.blocks].astype(np.float64)) / trace.share_base
