"""Chains of blocks in a cache that grow while requests use them: what is there is read, what is missing is produced.

A chain is what a prompt has in one piece: a system prefix, what a session adds to it, a document. A *use* is of one chain by
one step, which wants so many of its blocks, from the first on. A chain that nobody used for longer than ``ttl`` is gone; its
next use begins it anew, with new blocks: these are *lives* of a chain, each used without such a pause.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.workload.synth import params as p
from placement_opt.workload.synth.spans import AT_ONCE, spans
from placement_opt.workload.trace import Trace

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Uses:
    """U uses in order of steps, those of a step in the order of its prompt.

    Attributes
    ----------
    step, chain, wanted
        int64[U]: who uses which chain, and how many of its blocks it wants.
    time
        float64[T]: seconds of each step, ascending.
    ttl
        Seconds that a chain stays unused.
    """

    step: Int64
    chain: Int64
    wanted: Int64
    time: Floats
    ttl: float = np.inf


@dataclass(frozen=True, eq=False)
class Grown:
    """What comes of uses: the arrays of a trace, and the lives of chains.

    Attributes
    ----------
    indptr, blocks, birth
        As in :class:`placement_opt.workload.trace.Trace`; reads of a step in the order of its uses.
    life_chain, life_last, life_blocks
        int64, one a life: its chain, the step that uses it last, how many blocks it grew to.
    life_of
        int64[B]: the life of each block.
    """

    indptr: Int64
    blocks: npt.NDArray[np.int32]
    birth: npt.NDArray[np.int32]
    life_chain: Int64
    life_last: Int64
    life_blocks: Int64
    life_of: Int64

    def deaths(self, of_life: Int64) -> npt.NDArray[np.int32]:
        """int32[B] from the last state of each life; a block lives in at least one, after the step that produced it."""
        steps = len(self.indptr) - 1
        death = np.maximum(of_life[self.life_of], self.birth + np.int64(1))
        return np.asarray(np.minimum(death, steps), dtype=np.int32)


Deaths = Callable[[Grown], Int64]


def expiry(uses: Uses, used: Int64) -> Int64:
    """The last step not later than ``ttl`` after each step of ``used``; T where none is later."""
    steps = len(uses.time)
    later = np.searchsorted(uses.time, uses.time[used] + uses.ttl, side="right")
    return np.where(later == steps, steps, later - 1).astype(np.int64)


def grow(uses: Uses) -> Grown:
    """Serve the uses one after another; blocks are numbered as they are produced.

    Raises
    ------
    LimitError
        More reads than rows can hold.
    """
    order = np.argsort(uses.chain, kind="stable")
    chain, step, wanted = uses.chain[order], uses.step[order], uses.wanted[order]
    begins = _begins(chain, uses.time[step], uses.ttl)
    life = np.cumsum(begins) - 1
    after = _running_most(wanted, life)
    before = np.where(begins, 0, np.concatenate([after[:1], after[:-1]]))
    starts = np.flatnonzero(begins)
    ends = np.concatenate([starts[1:], [len(chain)]]) - 1
    fresh, read = _unsorted(after - before, order), _unsorted(np.minimum(wanted, before), order)
    p.limit_reads(int(read.sum()))
    # Blocks life by life: those that each use adds are numbered in a row.
    first = np.cumsum(fresh) - fresh
    table = spans(first[order], after - before)
    offset = np.cumsum(after[ends]) - after[ends]
    life_of = np.empty(len(table), dtype=np.int64)
    life_of[table] = np.repeat(np.arange(len(starts)), after[ends])
    return Grown(
        indptr=_pointers(uses.step, read, len(uses.time)),
        blocks=spans(_unsorted(offset[life], order), read, table),
        birth=np.repeat(uses.step, fresh).astype(np.int32),
        life_chain=chain[starts],
        life_last=step[ends],
        life_blocks=after[ends],
        life_of=life_of,
    )


def trace_of(uses: Uses, params: Any, name: str, deaths: Deaths | None = None, *, prefixes: bool = True) -> Trace:
    """The trace of blocks of ``params.block_tokens`` tokens of all layers.

    Parameters
    ----------
    uses
        What is used.
    params
        Of the generator of this name; ``meta`` holds them.
    deaths
        The last state of each life; None: of ``ttl``.
    prefixes
        Whether each use of a step extends those before it. Blocks are then numbered along the prompt, and have their places in
        it (``position``).

    Raises
    ------
    InputError
        No prompt fills a block.
    LimitError
        More reads than rows can hold.
    """
    grown = grow(uses)
    if not len(grown.birth):
        found = f"found {params.block_tokens}, more than any prompt's tokens"
        raise InputError(found, "expected blocks that at least one prompt fills", field="block_tokens")
    of_life = expiry(uses, grown.life_last) if deaths is None else deaths(grown)
    count = np.diff(grown.indptr)
    blocks = grown.blocks if prefixes else _ascending(grown.blocks, count)
    return Trace(
        indptr=grown.indptr,
        blocks=blocks,
        birth=grown.birth,
        death=grown.deaths(of_life),
        size=np.array([params.block_tokens], dtype=np.int64),
        size_unit="tokens",
        # What is cached of a prompt is its beginning.
        position=spans(np.zeros_like(count), count) if prefixes else None,
        meta={"generator": name, "parameters": dataclasses.asdict(params), "seconds": float(uses.time[-1])},
    )


def _ascending(blocks: npt.NDArray[np.int32], count: Int64) -> npt.NDArray[np.int32]:
    """The rows of so many blocks each, every one sorted; some thousands of rows at once."""
    ends = np.cumsum(count)
    found = np.empty_like(blocks)
    at = 0
    while at < len(count):
        start = int(ends[at] - count[at])
        upto = max(at + 1, int(np.searchsorted(ends, start + AT_ONCE, side="right")))
        end = int(ends[upto - 1])
        keys = np.repeat(np.arange(upto - at, dtype=np.int64) << 32, count[at:upto]) | blocks[start:end]
        keys.sort()
        found[start:end] = keys & (2**32 - 1)
        at = upto
    return found


def _begins(chain: Int64, time: Floats, ttl: float) -> npt.NDArray[np.bool_]:
    """Whether a use, sorted by chain and time, is the first of a life."""
    begins = np.ones(len(chain), dtype=np.bool_)
    begins[1:] = (chain[1:] != chain[:-1]) | (time[1:] > time[:-1] + ttl)
    return begins


def _running_most(values: Int64, group: Int64) -> Int64:
    """The greatest of the values so far within each group, numbered ascending."""
    beyond = group * (int(values.max(initial=0)) + 1)
    return np.asarray(np.maximum.accumulate(values + beyond) - beyond)


def _unsorted(values: npt.NDArray[Any], order: Int64) -> npt.NDArray[Any]:
    found = np.empty_like(values)
    found[order] = values
    return found


def _pointers(step: Int64, count: Int64, steps: int) -> Int64:
    """int64[T + 1] of counts that steps, ascending, have in parts."""
    ends = np.concatenate([[0], np.cumsum(count)])
    return np.asarray(ends[np.searchsorted(step, np.arange(steps + 1))], dtype=np.int64)
