"""A layered trace as its changes: per layer, which turns each block is read in without a break.

A *turn* of a layer is one of its steps: of L layers, step ``n * L + l`` is turn n of layer l. A *run* is a block and the
turns ``first .. last`` that all read it; between two runs of a block lies at least one turn that does not. The read set of a
layer changes by its drift only, so a trace of 4.8e9 reads (arXiv 2508.13231 at its full size) is some 1.3e8 runs at a drift of
3 %, and one layer of it fits in 50 MB.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int32, Int64
from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.base.scratch import scratch
from placement_opt.workload.synth import drift
from placement_opt.workload.synth.params import shares_of
from placement_opt.workload.trace import SizeUnit, Trace

#: Closed runs wait in parts of at least this many before they are joined.
_PART = 1 << 20
#: Turns between two looks at the limits.
_AT_ONCE = 16


@dataclass(frozen=True, eq=False)
class LayerRuns:
    """The reads of one layer; B blocks of its own, N turns.

    Attributes
    ----------
    turns
        N.
    birth
        int32[B]: the turn that produces each block, -1 where it exists before turn 0. No block is ever freed.
    start
        int64[B + 1]: the runs of block b are ``start[b]:start[b + 1]``, ascending in time.
    first, last
        int32[M]: the turns of each run, both included.
    """

    turns: int
    birth: Int32
    start: Int64
    first: Int32
    last: Int32

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

    def sample(self, every: int, offset: int = 0) -> LayerRuns:
        """Each ``every``-th block alone, from the ``offset``-th on."""
        chosen = np.arange(offset, self.num_blocks, every)
        lengths = np.diff(self.start)[chosen]
        start = np.concatenate([[0], np.cumsum(lengths)])
        take = np.arange(start[-1]) + np.repeat(self.start[chosen] - start[:-1], lengths)
        return LayerRuns(self.turns, self.birth[chosen], start, self.first[take], self.last[take])

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


def collect(rows: Iterable[npt.NDArray[np.integer]], birth: Int32) -> LayerRuns:
    """Runs from the blocks that each turn of one layer reads (numbered within the layer, each at most once a turn)."""
    runs = collect_within(rows, birth, Limits())
    assert runs is not None
    return runs


def collect_within(rows: Iterable[npt.NDArray[np.integer]], birth: Int32, limits: Limits) -> LayerRuns | None:
    """The same; None where a limit was reached before the last turn."""
    from placement_opt.workload.runs_kernels import advance

    blocks = len(birth)
    opened, seen = np.full(blocks, -1, dtype=np.int32), np.full(blocks, -1, dtype=np.int32)
    parts: list[Int32] = []
    open_part, filled, turn = np.empty((3, _PART + blocks), dtype=np.int32), 0, 0
    before = np.zeros(0, dtype=np.int64)
    for reads in rows:
        if turn % _AT_ONCE == 0 and limits.reached:
            return None
        filled += advance(turn, reads, before, opened, seen, open_part[:, filled:])
        if filled >= _PART:
            parts.append(open_part[:, :filled].copy())
            filled = 0
        before, turn = reads.astype(np.int64), turn + 1
    filled += advance(turn, before[:0], before, opened, seen, open_part[:, filled:])
    parts.append(open_part[:, :filled])
    return _grouped(parts, birth, turn)


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


def layers_of(trace: Trace) -> list[LayerRuns]:
    """The layers of a trace in rows, as runs; the blocks of a layer keep their order.

    Raises
    ------
    InputError
        The trace is not layered (step t is of layer t modulo L, and reads and produces blocks of that layer alone), frees
        blocks, or reads them in part.
    """
    layers = _check_layered(trace)
    position = np.zeros(trace.num_blocks, dtype=np.int64)
    found = []
    owner = np.zeros(trace.num_blocks, dtype=np.int64) if trace.block_layer is None else trace.block_layer
    for layer in range(layers):
        blocks = np.flatnonzero(owner == layer)
        position[blocks] = np.arange(len(blocks))
        born = trace.birth[blocks]
        birth = np.where(born < 0, -1, born // layers).astype(np.int32)
        found.append(collect((position[trace.reads(step)] for step in range(layer, trace.num_steps, layers)), birth))
    return found


def rows_of(layers: list[LayerRuns], *, size_unit: SizeUnit, size: int) -> Trace:
    """A layered trace in rows: step ``n * L + l`` is turn n of layer l; each layer's blocks have ids one after the other."""
    count, turns = len(layers), layers[0].turns
    blocks = np.cumsum([0, *(layer.num_blocks for layer in layers)])
    indptr = np.zeros(count * turns + 1, dtype=np.int64)
    np.cumsum(np.stack([layer.reads_per_turn for layer in layers], axis=1).ravel(), out=indptr[1:])
    reads = np.empty(indptr[-1], dtype=np.int32)
    for n, layer in enumerate(layers):
        for turn, row in enumerate(layer.rows()):
            low = indptr[turn * count + n]
            reads[low : low + len(row)] = row + blocks[n]
    birth = [np.where(layer.birth < 0, -1, layer.birth.astype(np.int64) * count + n) for n, layer in enumerate(layers)]
    return Trace(
        indptr=indptr,
        blocks=reads,
        birth=np.concatenate(birth).astype(np.int32),
        death=np.full(blocks[-1], count * turns, dtype=np.int32),
        size=np.array([size], dtype=np.int64),
        size_unit=size_unit,
        step_layer=np.tile(np.arange(count, dtype=np.int32), turns),
        block_layer=np.repeat(np.arange(count, dtype=np.int32), np.diff(blocks)),
        meta={"format": "runs"},
    )


def _check_layered(trace: Trace) -> int:
    """The number of layers of a layered trace."""
    if trace.shares is not None:
        raise InputError("found blocks read in part", "expected whole blocks, which is what runs are for", field="shares")
    if (trace.death != trace.num_steps).any():
        raise InputError("found blocks that are freed", "expected none, which is what runs are for", field="death")
    if trace.block_kind is not None and trace.block_kind.any():
        raise InputError("found blocks that are weights", "expected KV alone, which is what runs are for", field="block_kind")
    if trace.pieces is not None and (trace.pieces > 1).any():
        raise InputError("found blocks in pieces", "expected each in one, which is what runs are for", field="pieces")
    if trace.step_floor is not None and (trace.step_floor > 0).any():
        found = "found steps that take a time of their own at least"
        raise InputError(found, "expected none, which runs do not say", field="step_floor")
    if trace.step_layer is None or trace.block_layer is None:
        return 1
    layers = int(trace.step_layer.max()) + 1
    steps = np.arange(trace.num_steps, dtype=np.int64)
    born = np.flatnonzero(trace.birth >= 0)
    regular = trace.num_steps % layers == 0 and (trace.step_layer == steps % layers).all()
    regular = regular and (trace.block_layer[trace.blocks] == trace.read_step % layers).all()
    regular = regular and (trace.block_layer[born] == trace.birth[born] % layers).all()
    if not regular or int(trace.block_layer.max()) >= layers:
        found = f"found steps of {layers} layers that do not take turns over blocks of their own"
        raise InputError(found, "expected step t to be of layer t modulo the layers", field="step_layer")
    return layers
