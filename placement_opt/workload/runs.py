"""A layered trace as its changes: per layer, which turns each block is read in without a break.

A *turn* of a layer is one of its steps: of L layers, step ``n * L + l`` is turn n of layer l. A *run* is a block and the
turns ``first .. last`` that all read it; between two runs of a block lies at least one turn that does not. The read set of a
layer changes by its drift only, so a trace of 4.8e9 reads (arXiv 2508.13231 at its full size) is some 1.3e8 runs at a drift of
3 %, and one layer of it fits in 50 MB.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int32, Int64
from placement_opt.base.limits import Limits
from placement_opt.base.scratch import scratch
from placement_opt.workload.synth import drift
from placement_opt.workload.synth.params import shares_of

#: Closed runs wait in parts of at least this many before they are joined.
_PART = 1 << 20


@dataclass(frozen=True, eq=False)
class LayerRuns:
    """The reads of one layer; B blocks of its own, N turns.

    Attributes
    ----------
    turns
        N.
    birth
        int32[B]: the turn that produces each block, -1 where it exists before turn 0.
    start
        int64[B + 1]: the runs of block b are ``start[b]:start[b + 1]``, ascending in time.
    first, last
        int32[M]: the turns of each run, both included.
    death
        int32[B]: the turn after which each block is freed, N where it never is; None: none is.
    shares
        uint16[M]: the share of its block that each run reads, over the base of the trace; None: blocks are read whole. Two
        runs of a block may follow each other without a pause where their shares differ.
    """

    turns: int
    birth: Int32
    start: Int64
    first: Int32
    last: Int32
    death: Int32 | None = None
    shares: npt.NDArray[np.uint16] | None = None

    @property
    def plain(self) -> bool:
        """Whether blocks are read whole, and never freed."""
        return self.death is None and self.shares is None

    @property
    def num_blocks(self) -> int:
        return len(self.birth)

    @property
    def num_runs(self) -> int:
        return len(self.first)

    @property
    def num_reads(self) -> int:
        return int(self.reads_per_turn.sum())

    @cached_property
    def reads_per_turn(self) -> Int64:
        """int64[N], read-only: how many blocks each turn reads."""
        from placement_opt.workload.runs_kernels import begun_less_ended

        reads = np.cumsum(begun_less_ended(self.first, self.last, self.turns))
        reads.setflags(write=False)
        return reads

    @property
    def births_per_turn(self) -> Int64:
        """int64[N]: how many blocks each turn produces."""
        return np.bincount(self.birth[self.birth >= 0], minlength=self.turns).astype(np.int64)

    @property
    def deaths_per_turn(self) -> Int64:
        """int64[N]: how many blocks are freed after each turn."""
        freed = np.zeros(0, dtype=np.int32) if self.death is None else self.death[self.death < self.turns]
        return np.bincount(freed, minlength=self.turns).astype(np.int64)

    @property
    def shares_per_turn(self) -> Int64:
        """int64[N]: the shares that each turn reads, added up; how many blocks it reads where they are read whole."""
        if self.shares is None:
            return self.reads_per_turn
        change = np.bincount(self.first, weights=self.shares, minlength=self.turns + 1)
        change -= np.bincount(self.last + 1, weights=self.shares, minlength=self.turns + 1)
        return np.cumsum(change[: self.turns].astype(np.int64))

    def put_reads(self, place: Int64, blocks: Int32, first: int = 0) -> None:
        """Write the blocks that each turn reads, ascending and numbered from ``first`` on, from ``place`` (int64[N]) on."""
        from placement_opt.workload.runs_kernels import put

        owner = np.repeat(np.arange(first, first + self.num_blocks, dtype=np.int32), np.diff(self.start))
        put(self.first, self.last, owner, place.copy(), blocks)

    def put_shares(self, place: Int64, shares: npt.NDArray[np.uint16], whole: int) -> None:
        """The same of the shares of these reads, which are ``whole`` where the layer says nothing else."""
        from placement_opt.workload.runs_kernels import put

        mine = np.full(self.num_runs, whole, dtype=np.uint16) if self.shares is None else self.shares
        put(self.first, self.last, mine, place.copy(), shares)

    def sample(self, every: int, offset: int = 0) -> LayerRuns:
        """Each ``every``-th block alone, from the ``offset``-th on."""
        chosen = np.arange(offset, self.num_blocks, every)
        lengths = np.diff(self.start)[chosen]
        start = np.concatenate([[0], np.cumsum(lengths)])
        take = np.arange(start[-1]) + np.repeat(self.start[chosen] - start[:-1], lengths)
        death = None if self.death is None else self.death[chosen]
        shares = None if self.shares is None else self.shares[take]
        return LayerRuns(self.turns, self.birth[chosen], start, self.first[take], self.last[take], death, shares)

    def rows(self) -> Iterator[Int64]:
        """The blocks that each turn reads, ascending."""
        owner = np.repeat(np.arange(self.num_blocks), np.diff(self.start))
        opens, closes = np.argsort(self.first, kind="stable"), np.argsort(self.last, kind="stable")
        opening = np.searchsorted(self.first[opens], np.arange(self.turns + 1))
        closing = np.searchsorted(self.last[closes], np.arange(self.turns + 1))
        reading = np.zeros(self.num_blocks, dtype=np.bool_)
        for turn in range(self.turns):
            reading[owner[opens[opening[turn] : opening[turn + 1]]]] = True
            yield np.flatnonzero(reading)
            reading[owner[closes[closing[turn] : closing[turn + 1]]]] = False


def _grouped(parts: list[Int32], birth: Int32, turns: int) -> LayerRuns:
    """Runs in the order in which they ended, regrouped by block."""
    from placement_opt.workload.runs_kernels import scatter

    counts = sum((np.bincount(part[0], minlength=len(birth)) for part in parts), np.zeros(len(birth), dtype=np.int64))
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    first, last = scratch(start[-1]), scratch(start[-1])
    place = start[:-1].copy()
    while parts:  # each is let go of once it is copied
        part = parts.pop(0)
        scatter(part[0], part[1], part[2], place, first, last)
    return LayerRuns(turns, birth, start, first, last)


def drift_layer(params: drift.Params, seed: int, layer: int, limits: Limits | None = None) -> LayerRuns | None:
    """One layer of the drift generator's trace, without the others; block b of the layer is token b.

    None where a limit was reached before it was drawn.
    """
    stream = np.random.default_rng(seed).spawn(params.layers)[layer]
    parts = drift.layer_runs(params, stream, _PART, limits or Limits())
    return None if parts is None else _grouped(parts, drift_birth(params), params.tokens)


def drift_rows(params: drift.Params, seed: int, layer: int) -> Iterator[Int64]:
    """The blocks that each turn of one layer reads, ascending."""
    return drift.layer_reads(params, np.random.default_rng(seed).spawn(params.layers)[layer])


def drift_birth(params: drift.Params) -> Int32:
    """int32[B]: the turn that produces each block of a layer, -1 where it exists before turn 0."""
    tokens = np.arange(params.prefill + params.tokens, dtype=np.int32)
    birth: Int32 = np.maximum(tokens - np.int32(params.prefill), np.int32(-1))
    return birth


@lru_cache(maxsize=4)
def drift_reads(params: drift.Params) -> Int64:
    """int64[N], read-only: how many blocks each turn of a layer reads, known without drawing anything."""
    ends = range(params.prefill, params.prefill + params.tokens)
    reads = shares_of(params.read_share, ends)
    reads.setflags(write=False)
    return reads
