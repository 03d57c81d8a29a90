"""What a trace is like, before any memory system: how much it reads, how soon again, how much two steps share."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.units import format_size
from placement_opt.memory.operations import BLOCK_KINDS
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.record import record_rows
from placement_opt.workload.unread import Unread, unread

QUANTILES = (10, 25, 50, 75, 90, 99)


@dataclass(frozen=True)
class Distribution:
    """Some whole numbers by their count, mean, extremes and percentiles (the smallest value that so many percent reach)."""

    count: int
    mean: float
    least: int
    greatest: int
    percentiles: dict[str, int]

    @classmethod
    def of_histogram(cls, histogram: Int64) -> Distribution | None:
        """From how often each of 0, 1, 2, ... occurs; None where nothing does."""
        below = np.cumsum(histogram)
        count = int(below[-1])
        if count == 0:
            return None
        values = np.flatnonzero(histogram)
        mean = float(histogram[values] @ values.astype(np.float64)) / count
        ranks = [-(-count * q // 100) for q in QUANTILES]
        at = np.searchsorted(below, ranks)
        percentiles = {f"p{q}": int(value) for q, value in zip(QUANTILES, at, strict=True)}
        return cls(count, mean, int(values[0]), int(values[-1]), percentiles)


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

    def as_dict(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers, ready for JSON."""
        return asdict(self)

    def as_text(self) -> str:
        """A table for people."""
        rows = [*self._size_rows(), *self._read_rows(), *self._kind_rows(), *_meta_rows(self.meta)]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)

    def _amount(self, size: float) -> str:
        if self.size_unit == "bytes":
            return f"{format_size(size)} ({format_size(size, binary=False)})"
        return f"{size:,.0f} {self.size_unit}"

    def _size_rows(self) -> list[tuple[str, str]]:
        kept = self.kept_unread
        layers = "" if self.layers is None else f", {self.layers:,} layers"
        return [
            ("steps", f"{self.steps:,}{layers}, {self.empty_steps:,} without reads"),
            ("blocks", f"{self.blocks:,}, {self._amount(self.total_size)}"),
            ("", f"{self.initial_blocks:,} initial, {self.born_blocks:,} produced, {self.freed_blocks:,} freed"),
            ("alive at once", f"at most {self.peak_alive_blocks:,}, {self._amount(self.peak_alive_size)}"),
            ("working set", f"{self.read_blocks:,} blocks ever read, {self._amount(self.read_blocks_size)}"),
            ("never read", f"{self.never_read:.1%} of the blocks"),
            ("", f"{kept.blocks:.1%} of the blocks, {kept.bytes:.1%} of their size, are not freed either"),
            ("held in vain", f"{kept.room:.1%} of size x steps: by blocks that are never freed, after their last read"),
        ]

    def _read_rows(self) -> list[tuple[str, str]]:
        overlap = self.overlap
        pairs = "consecutive steps" if self.layers is None else "consecutive steps of a layer"
        return [
            ("reads", f"{self.reads:,}, {self._amount(self.read_size)}"),
            ("reads per step", _spread(self.reads_per_step)),
            ("reuse distance", f"{_spread(self.reuse_distance)} ({self.reuse_unit})"),
            ("stack distance", f"{_spread(self.stack_distance)} (distinct blocks)"),
            ("overlap", f"Jaccard {_mean_least(overlap.jaccard_mean, overlap.jaccard_least)} ({pairs})"),
            ("", f"kept {_mean_least(overlap.kept_mean, overlap.kept_least)}"),
        ]

    def _kind_rows(self) -> list[tuple[str, str]]:
        rows = []
        for name, kind in (self.kinds or {}).items():
            each = kind.read_size_per_token
            read = "" if each is None else f", {self._amount(each)} read a token"
            rows.append((f"of {name}", f"{kind.blocks:,} blocks, {self._amount(kind.size)}{read}"))
        return rows


def describe_trace(trace: Trace) -> TraceInfo:
    """Statistics of a trace, all exact: one pass over the reads, O(N log T) for the stack distances."""
    from placement_opt.workload.stats_kernels import reuse_distances, shared_reads, stack_distances

    reads = np.diff(trace.indptr)
    previous, turn = _turns(trace)
    rows = trace.indptr, trace.blocks, trace.num_blocks
    steps_apart, turns_apart, mixed = reuse_distances(*rows, turn, _layer_of(trace))
    by_turn = trace.step_layer is not None and not mixed
    times_read = np.bincount(trace.blocks, weights=trace.shares, minlength=trace.num_blocks)
    ever = times_read > 0
    alive_blocks, alive_size = _peaks(trace)
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
        peak_alive_blocks=alive_blocks,
        peak_alive_size=alive_size,
        reads_per_step=_some(Distribution.of_histogram(np.bincount(reads))),
        empty_steps=int(np.count_nonzero(reads == 0)),
        reuse_unit="turns of the layer" if by_turn else "steps",
        reuse_distance=Distribution.of_histogram(turns_apart if by_turn else steps_apart),
        stack_distance=Distribution.of_histogram(stack_distances(*rows, *trace.births_by_step)),
        overlap=_overlap(reads, previous, shared_reads(trace.indptr, trace.blocks, previous)),
        kinds=_kinds(trace, times_read),
        meta=dict(trace.meta),
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


def _peaks(trace: Trace) -> tuple[int, int]:
    """The most blocks, and the most units, alive at one state."""
    change = np.zeros((2, trace.num_steps + 2), dtype=np.int64)
    for row, amount in enumerate((np.broadcast_to(np.int64(1), trace.num_blocks), trace.sizes)):
        np.add.at(change[row], trace.birth + 1, amount)
        np.subtract.at(change[row], trace.death.astype(np.int64) + 1, amount)
    blocks, units = np.cumsum(change, axis=1).max(axis=1)
    return int(blocks), int(units)


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


def _spread(found: Distribution | None) -> str:
    if found is None:
        return "none"
    marks = ", ".join(f"{name} {found.percentiles[name]:,}" for name in ("p50", "p90", "p99"))
    return f"mean {found.mean:,.1f}, {marks}, max {found.greatest:,}"


def _mean_least(mean: float | None, least: float | None) -> str:
    return "none" if mean is None or least is None else f"mean {mean:.3f}, least {least:.3f}"


def _meta_rows(meta: dict[str, Any]) -> list[tuple[str, str]]:
    apart = ("assumptions", "model", "transforms")
    words = ", ".join(f"{key} {value}" for key, value in meta.items() if key not in apart)
    assumed = meta.get("assumptions")
    stated = assumed if isinstance(assumed, list) else [] if assumed is None else [assumed]
    rows = [("source", words)] if words else []
    if "model" in meta:
        model = meta["model"]
        told = ", ".join(f"{key} {value}" for key, value in model.items()) if isinstance(model, dict) else str(model)
        rows.append(("model", told))
    rows += record_rows(meta.get("transforms"))
    return rows + [("assumed", str(text)) for text in stated]
