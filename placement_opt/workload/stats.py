"""What a trace is like, before any memory system: how much it reads, how soon again, how much two steps share."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.memory.operations import BLOCK_KINDS
from placement_opt.workload.profile.by_layer import LayerInfo, OverlapOverTime, by_layer, overlap_over_time
from placement_opt.workload.profile.distribution import Distribution, Octaves
from placement_opt.workload.profile.hits import HitCurve, hit_curve
from placement_opt.workload.profile.last_reads import NeverAgain, never_again
from placement_opt.workload.profile.popularity import Popularity, popularity
from placement_opt.workload.profile.prefix import PrefixDepth, prefix_depth
from placement_opt.workload.profile.working_set import WorkingSet, alive, working_set
from placement_opt.workload.trace import Trace
from placement_opt.workload.unread import Unread, unread


@dataclass(frozen=True)
class Overlap:
    """How much of its predecessor (of the same layer) each step reads again; None where no such pair reads anything.

    Jaccard: common reads over the union of both, over pairs of which one reads something. Kept: common reads over the
    predecessor's, over pairs whose predecessor reads something.
    """

    pairs: int
    jaccard_mean: float | None
    jaccard_least: float | None
    kept_mean: float | None
    kept_least: float | None


@dataclass(frozen=True)
class KindInfo:
    """Blocks of one kind: how many, their size, and how much of them all steps of a token read (None: no labels of tokens)."""

    blocks: int
    size: int
    read_size_per_token: float | None


@dataclass(frozen=True)
class TraceInfo:
    """What :func:`describe_trace` finds.

    Attributes
    ----------
    steps, reads, blocks, layers
        Their numbers; ``layers`` is None for a trace without layer labels.
    initial_blocks, born_blocks, freed_blocks
        Blocks that exist before step 0, are produced by a step, are freed before the last state.
    size_unit
        Unit of all sizes below.
    total_size
        All blocks together.
    read_size
        All reads together, shares of blocks counted as such.
    read_blocks, read_blocks_size
        The working set of the whole trace: distinct blocks that are ever read.
    never_read
        Share of the blocks that no step reads.
    kept_unread
        What is kept for nobody, in shares: blocks that are never read and never freed, and room after last reads.
    peak_alive_blocks, peak_alive_size
        The most alive at one state: what a home tier must hold.
    reads_per_step
        Distribution of the reads of a step; ``empty_steps`` of them have none.
    reuse_unit, reuse_distance
        Distribution, over all reads but the first of each block, of the turns since its previous read: "turns of the layer"
        (1: read at the layer's previous step, too) where no block is read by two layers, else "steps".
    stack_distance
        Distribution, over the reads of blocks that were read or produced before, of the distinct blocks read or produced from
        the step of that previous use (included, the block itself counted) up to the step before: an LRU cache of that many
        blocks, into which everything read or produced goes, still holds the block whatever it does among blocks of one step.
    overlap
        Of consecutive steps of one layer (of consecutive steps, without layers).
    kinds
        By the name of each kind of block that there is; None where the trace does not say what its blocks are.
    meta
        The provenance that the trace carries.
    histograms
        In octaves: ``reuse_distance`` and ``stack_distance``, as above, ``steps_apart``, the steps since the previous read of
        the block, and ``stack_size``, the size of the distinct blocks of ``stack_distance`` (None as ``hits``).
    working_set, popularity, hits, never_again, by_layer, overlap_over_time, prefix
        As their classes say; ``popularity`` is None where nothing is read, ``by_layer`` and ``prefix`` for traces without
        layers and without positions, ``hits`` where sums over the reads do not fit 64 bits.
    """

    steps: int
    reads: int
    blocks: int
    layers: int | None
    initial_blocks: int
    born_blocks: int
    freed_blocks: int
    size_unit: str
    total_size: int
    read_size: float
    read_blocks: int
    read_blocks_size: int
    never_read: float
    kept_unread: Unread
    peak_alive_blocks: int
    peak_alive_size: int
    reads_per_step: Distribution
    empty_steps: int
    reuse_unit: str
    reuse_distance: Distribution | None
    stack_distance: Distribution | None
    overlap: Overlap
    kinds: dict[str, KindInfo] | None
    meta: dict[str, Any]
    histograms: dict[str, Octaves | None]
    working_set: WorkingSet
    popularity: Popularity | None
    hits: HitCurve | None
    never_again: NeverAgain
    by_layer: list[LayerInfo] | None
    overlap_over_time: OverlapOverTime
    prefix: PrefixDepth | None

    def as_dict(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers, ready for JSON."""
        return asdict(self)


def describe_trace(trace: Trace) -> TraceInfo:
    """Statistics of a trace, all exact but for the fitted exponent: O(N log T), some 30 passes over the reads in all."""
    from placement_opt.workload.stats_kernels import reuse_distances, shared_reads, stack_distances

    reads = np.diff(trace.indptr)
    previous, turn = _turns(trace)
    rows = trace.indptr, trace.blocks, trace.num_blocks
    steps_apart, turns_apart, mixed = reuse_distances(*rows, turn, _layer_of(trace))
    by_turn = trace.step_layer is not None and not mixed
    times_read = np.bincount(trace.blocks, weights=trace.shares, minlength=trace.num_blocks)
    ever = times_read > 0
    shared = shared_reads(trace.indptr, trace.blocks, previous)
    stack = stack_distances(*rows, *trace.births_by_step)
    found = hit_curve(trace)
    apart = {"reuse_distance": turns_apart if by_turn else steps_apart, "stack_distance": stack, "steps_apart": steps_apart}
    histograms: dict[str, Octaves | None] = {name: Octaves.of_histogram(counts) for name, counts in apart.items()}
    return TraceInfo(
        steps=trace.num_steps,
        reads=trace.num_reads,
        blocks=trace.num_blocks,
        layers=None if trace.step_layer is None else len(np.unique(trace.step_layer)),
        initial_blocks=int(np.count_nonzero(trace.birth < 0)),
        born_blocks=int(np.count_nonzero(trace.birth >= 0)),
        freed_blocks=int(np.count_nonzero(trace.death < trace.num_steps)),
        size_unit=trace.size_unit,
        total_size=int(trace.sizes.sum()),
        read_size=float(times_read @ trace.sizes.astype(np.float64)) / trace.share_base,
        read_blocks=int(np.count_nonzero(ever)),
        read_blocks_size=int(trace.sizes[ever].sum()),
        never_read=1.0 - float(np.count_nonzero(ever)) / trace.num_blocks,
        kept_unread=unread(trace),
        peak_alive_blocks=int(alive(trace, np.ones(trace.num_blocks, dtype=np.int64)).max()),
        peak_alive_size=int(alive(trace, trace.sizes).max()),
        reads_per_step=_some(Distribution.of_histogram(np.bincount(reads))),
        empty_steps=int(np.count_nonzero(reads == 0)),
        reuse_unit="turns of the layer" if by_turn else "steps",
        reuse_distance=Distribution.of_histogram(apart["reuse_distance"]),
        stack_distance=Distribution.of_histogram(stack),
        overlap=_overlap(reads, previous, shared),
        kinds=_kinds(trace, times_read),
        meta=dict(trace.meta),
        histograms=histograms | {"stack_size": None if found is None else found[1]},
        working_set=working_set(trace, steps_apart),
        popularity=popularity(trace),
        hits=None if found is None else found[0],
        never_again=never_again(trace),
        by_layer=by_layer(trace, reads, previous, shared),
        overlap_over_time=overlap_over_time(reads, previous, shared),
        prefix=prefix_depth(trace),
    )


def _kinds(trace: Trace, times_read: npt.NDArray[Any]) -> dict[str, KindInfo] | None:
    """``times_read``: [B], in shares of ``share_base``."""
    if trace.block_kind is None:
        return None
    tokens = None if trace.step_token is None else len(np.unique(trace.step_token)) * trace.share_base
    found = {}
    for number, name in enumerate(BLOCK_KINDS):
        sizes, reads = (values[trace.block_kind == number] for values in (trace.sizes, times_read))
        each = None if tokens is None else float(reads @ sizes.astype(np.float64)) / tokens
        if len(sizes):
            found[name] = KindInfo(len(sizes), int(sizes.sum()), each)
    return found


def _layer_of(trace: Trace) -> npt.NDArray[np.int32]:
    return np.zeros(trace.num_steps, dtype=np.int32) if trace.step_layer is None else trace.step_layer


def _turns(trace: Trace) -> tuple[Int64, Int64]:
    """For each step the step before of the same layer (-1 for the first) and how many of its layer there were before."""
    layer = _layer_of(trace)
    order = np.argsort(layer, kind="stable")
    first = np.ones(len(order), dtype=bool)
    first[1:] = layer[order[1:]] != layer[order[:-1]]
    previous = np.empty(len(order), dtype=np.int64)
    previous[order] = np.where(first, -1, np.concatenate([[-1], order[:-1]]))
    place = np.arange(len(order))
    turn = np.empty(len(order), dtype=np.int64)
    turn[order] = place - np.maximum.accumulate(np.where(first, place, 0))
    return previous, turn


def _overlap(reads: Int64, previous: Int64, shared: Int64) -> Overlap:
    later = np.flatnonzero(previous >= 0)
    before, both = reads[previous[later]], shared[later]
    either = before + reads[later] - both
    jaccard = both[either > 0] / either[either > 0]
    kept = both[before > 0] / before[before > 0]
    ends = [(float(values.mean()), float(values.min())) if len(values) else (None, None) for values in (jaccard, kept)]
    return Overlap(len(later), *ends[0], *ends[1])


def _some(found: Distribution | None) -> Distribution:
    assert found is not None  # a trace has a step
    return found
