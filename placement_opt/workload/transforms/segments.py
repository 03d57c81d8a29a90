"""Segments with updates: the prefill of each layer in segments that are used whole and, now and then, replaced (KEEP).

KEEP (arXiv 2602.23592) keeps the memory of an embodied planner (states of objects, examples) as segments of KV in CPU memory;
an update invalidates the segment that it is about and no other, and the new text is computed anew. Here consecutive blocks of
the prefill, ``blocks`` of each layer, are a segment; a step that reads one of them reads the segment. An update is drawn: a
step and a segment, one of the share that ``changing`` is of them, uniformly, from a seed. In each layer the first step from
there on that is of the layer produces the segment anew (which reads nothing of the old one) and is the last that may read
the old one. How often KEEP's segments change is not known, nor which of them it has in one group because they do not; the set
that it recomputes and shrinks from layer to layer is in what the trace's steps read, or is not. Blocks that steps produce,
and weights, are left alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.workload.synth import params as p
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.groups import layers, streams, summed_size
from placement_opt.workload.transforms.made import Made, Transform, times
from placement_opt.workload.transforms.select import Lives, Rows, rebuilt, shares_of, size_read


@dataclass(frozen=True)
class Params:
    """Settings; InputError for values out of range."""

    blocks: int = p.integer(16, 1, "consecutive blocks of the prefill of a layer that make a segment", 2**20)
    updates: int = p.integer(0, 0, "segments that are replaced, over the whole trace", 2**24)
    changing: float = p.number(1.0, 0, 1, "share of the segments that updates are about", open_low=True)
    seed: int = p.integer(0, 0, "seed of the updates", 2**63 - 1)

    def __post_init__(self) -> None:
        p.check(self)


def make(trace: Trace, params: Params) -> Made:
    """The trace of segments; ``found`` has their number, the replacements of all layers, and by how much more is read."""
    if params.blocks == 1 and params.updates == 0:
        return Made(trace)
    found = streams(trace, trace.birth < 0)
    if not len(found.order):
        raise InputError("found no block that is there from the start", "expected a prefill", field="blocks")
    each = found.rank // params.blocks
    label = np.unique(found.stream << 32 | each, return_inverse=True)[1]
    group = np.full(trace.num_blocks, -1, dtype=np.int64)
    group[found.order] = label
    count = int(label.max()) + 1
    which, first = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    which[label], first[label] = each, found.order
    death = np.full(count, -1, dtype=np.int64)
    np.maximum.at(death, label, trace.death[found.order].astype(np.int64))
    segment, step = _updates(trace, params, which, first)
    alive = step < death[segment]
    made = _renewed(trace, group, death, segment[alive], step[alive])
    more = size_read(made) / max(size_read(trace), 1)
    told = [f"{count:,} segments, replaced {np.count_nonzero(alive):,} times in all; {times(more)} times as much is read"]
    if trace.position is not None:
        told.append("lost: position, which is of blocks and not of segments")
    numbers = {"segments": count, "replaced": int(np.count_nonzero(alive)), "read_amplification": more}
    return Made(made, numbers, told)


def _updates(trace: Trace, params: Params, which: Int64, first: Int64) -> tuple[Int64, Int64]:
    """(segments of layers, steps) of all replacements, each once, by segment and step.

    ``which``: the place of each segment in its layer; ``first``: a block of it.
    """
    rng = np.random.default_rng(params.seed)
    chosen = rng.permutation(int(which.max()) + 1)
    chosen = chosen[: max(1, p.share_of(params.changing, len(chosen)))]
    about, when = chosen[rng.integers(0, len(chosen), params.updates)], rng.integers(0, trace.num_steps, params.updates)
    of_step, of_block = layers(trace)
    layer = of_block[first]
    by_place = np.argsort(which, kind="stable")
    begin, end = (np.searchsorted(which[by_place], about, side=side) for side in ("left", "right"))
    several = end - begin
    segment = by_place[np.repeat(begin - np.concatenate([[0], np.cumsum(several)])[:-1], several) + np.arange(several.sum())]
    drawn = np.repeat(when, several)
    keys = np.sort(of_step << 32 | np.arange(trace.num_steps))
    at = np.searchsorted(keys, layer[segment] << 32 | drawn)
    key = np.append(keys, -1)[at]
    there = key >> 32 == layer[segment]  # a layer whose last step has passed is not replaced any more
    pairs = np.unique(segment[there] << 32 | (key[there] & (2**32 - 1)))
    return pairs >> 32, pairs & (2**32 - 1)


def _renewed(trace: Trace, group: Int64, death: Int64, segment: Int64, step: Int64) -> Trace:
    """A life of each segment from the start, and one from each replacement, up to the next."""
    single = np.flatnonzero(group < 0)
    number = np.cumsum(group < 0) - 1
    first = np.full(len(death), trace.num_blocks, dtype=np.int64)
    member = np.flatnonzero(group >= 0)
    np.minimum.at(first, group[member], member)
    owner = np.concatenate([np.arange(len(death)), segment])
    begins = np.concatenate([np.full(len(death), -1), step])
    order = np.lexsort((begins, owner))
    owner, begins = owner[order], begins[order]
    ends = death[owner]
    followed = owner[1:] == owner[:-1]
    ends[:-1][followed] = begins[1:][followed]
    size = summed_size(trace, group, len(death))
    lives = Lives(
        np.concatenate([single, first[owner]]),
        np.concatenate([trace.birth[single].astype(np.int64), begins]),
        np.concatenate([trace.death[single].astype(np.int64), ends]),
        np.concatenate([trace.sizes[single], size[owner]]),
    )
    keys = owner * (trace.num_steps + 2) + begins + 1
    read, at = group[trace.blocks], trace.read_step.astype(np.int64)
    now = len(single) + np.searchsorted(keys, read * (trace.num_steps + 2) + at + 1) - 1
    rows = Rows(
        at,
        np.where(read >= 0, now, number[trace.blocks]),
        np.where(read >= 0, trace.share_base, shares_of(trace)),
        trace.share_base,
    )
    return rebuilt(trace, lives, rows)


TRANSFORM = Transform(Params, make)
