"""Cluster remap: blocks of a layer that are read together become one block, which is read whole (STARC, DynaKV).

STARC (arXiv 2505.05772, code EPIC-RPI/STARC) clusters every 64 consecutive tokens by k-means of their keys (cosine, at most 16
iterations, 64 / 16 clusters) once all of them exist, lays a cluster's tokens side by side, and selects whole clusters. DynaKV
(arXiv 2511.07427) keeps clusters contiguous in flash and splits them as they grow, for which there is no rule here.

A trace has no keys. ``by = reads`` takes the steps that read a block for its vector, later steps included: it is as good as
a clustering that knows the future, better than one of keys can be sure to be. ``by = order`` takes consecutive blocks (the
pages of Quest). Until its window is full a block stays what it is; the step that fills the window reads the others and
produces the clusters. A window that is never full stays as it is. Weights are left alone. What selects the clusters (centroids
and the scores) is not counted, and a budget that cuts the last cluster is not kept: whoever reads a member reads all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.workload.synth import params as p
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.groups import form, streams, summed_size, turned
from placement_opt.workload.transforms.made import Made, Transform, times
from placement_opt.workload.transforms.select import size_read

_ITERATIONS = 16
#: Numbers that the steps that read a block are summed up in; windows that are clustered at once.
_FEATURES, _WINDOWS = 64, 1024
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Params:
    """Settings; InputError for values out of range."""

    size: int = p.integer(16, 1, "blocks of a cluster (by reads: on the average)", 2**16)
    window: int = p.integer(64, 1, "consecutive blocks of a layer that are clustered together, once all are there", 2**16)
    by: str = p.choice("reads", ("reads", "order"), "what belongs together: blocks that the same steps read, or neighbours")
    seed: int = p.integer(0, 0, "seed of the first clusters, by reads", 2**63 - 1)

    def __post_init__(self) -> None:
        p.check(self)
        if self.size > self.window:
            raise InputError(f"found {self.size}", f"expected at most window, {self.window}", field="size")


def make(trace: Trace, params: Params) -> Made:
    """The trace of clusters; ``found`` has how many there are and by how much more is read."""
    if params.size == 1:
        return Made(trace)
    group = _groups(trace, params)
    group, at = form(trace, group)
    if not len(at):
        found = f"found no {params.window} consecutive blocks of a layer that are alive together"
        raise InputError(found, "expected a smaller window", field="window")
    made = turned(trace, group, at, summed_size(trace, group, len(at)), whole=True)
    late = int(np.count_nonzero(trace.birth[group >= 0] < at[group[group >= 0]]))
    more = size_read(made) / size_read(trace) if trace.num_reads else 1.0
    told = [f"{len(at):,} clusters of {np.count_nonzero(group >= 0):,} blocks; {times(more)} times as much is read"]
    if late:
        told.append(f"{late:,} blocks are read once more, by the step that clusters them")
    if trace.position is not None:
        told.append("lost: position, which is of blocks and not of clusters")
    return Made(made, {"clusters": len(at), "read_amplification": more, "rewritten": late}, told)


def _groups(trace: Trace, params: Params) -> Int64:
    """int64[B]: the cluster of each block in a full window, -1 for the others."""
    found, group = streams(trace), np.full(trace.num_blocks, -1, dtype=np.int64)
    count = np.bincount(found.stream)
    full = found.rank < (count // params.window * params.window)[found.stream]
    members = found.order[full].reshape(-1, params.window)
    each = -(-params.window // params.size)
    if params.by == "order":
        cluster = np.broadcast_to(np.arange(params.window) // params.size, members.shape)
    else:
        cluster = _k_means(trace, members, each, np.random.default_rng(params.seed))
    labels = cluster + each * np.arange(len(members))[:, None]
    group[members.ravel()] = np.unique(labels.ravel(), return_inverse=True)[1]
    return group


def _k_means(trace: Trace, members: Int64, each: int, rng: np.random.Generator) -> Int64:
    """int64[windows, window]: cluster 0 .. each - 1 of every member, by the cosine of its vector with the clusters' means."""
    signs = rng.choice(np.array([-1.0, 1.0], dtype=np.float32), (trace.num_steps, _FEATURES))
    cluster = np.zeros(members.shape, dtype=np.int64)
    for begin in range(0, len(members), _WINDOWS):
        part = members[begin : begin + _WINDOWS]
        vectors = _vectors(trace, part, signs)
        first = np.argsort(rng.random(part.shape), axis=1)[:, :each]
        means = np.take_along_axis(vectors, first[:, :, None], axis=1)
        for _ in range(_ITERATIONS):
            near = np.argmax(vectors @ means.transpose(0, 2, 1), axis=2)
            chosen = (near[:, None, :] == np.arange(each)[None, :, None]).astype(np.float32)
            moved = _unit(chosen @ vectors)
            moved = np.where(chosen.any(axis=2)[:, :, None], moved, means)  # one that nobody chose stays where it is
            if np.array_equal(moved, means):
                break
            means = moved
        cluster[begin : begin + _WINDOWS] = near
    return cluster


def _vectors(trace: Trace, members: Int64, signs: Float32) -> Float32:
    """float32[windows, window, features], of length one: the sums of the signs of the steps that read each (nobody: zero)."""
    pointers, order = trace.by_block
    vectors = np.zeros((members.size, signs.shape[1]), dtype=np.float32)
    for at, block in enumerate(members.ravel().tolist()):
        steps = trace.read_step[order[pointers[block] : pointers[block + 1]]]
        vectors[at] = signs[steps].sum(axis=0)
    return _unit(vectors.reshape(*members.shape, -1))


def _unit(vectors: Float32) -> Float32:
    """Of length one, along the last axis; zero stays zero."""
    length = np.sqrt((vectors * vectors).sum(axis=-1, keepdims=True))
    scaled: Float32 = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return scaled


TRANSFORM = Transform(Params, make)
