"""Allocation granularity: memory is taken in chunks that consecutive tokens share, from the first of them on (vAttention).

vAttention (arXiv 2405.04437): the KV of a request in a layer, keys and values apart, is contiguous in virtual memory; groups of
physical pages (64 KiB, 128 KiB, 256 KiB or 2 MiB) are mapped to it as it grows. Here the blocks of a layer lie one behind the
other in the order of their tokens, cut into ``streams`` equal parts (keys and values) that lie apart; a chunk of each stream is
one block. It is there, whole, from the step that produces its first token until its last is freed, and is read by
the share of what is read in it. A token does not straddle two chunks; one that is larger has as many as it needs for itself.

Room is what this is about. What is written is not: a trace's step produces a whole block, so that a chunk is written at its
first token and the tokens after it add nothing; when it is full that was as much. Requests are not told apart, mapping takes no
time, nothing is kept back when it is freed. Weights are left alone.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.base.units import format_size, parse_size
from placement_opt.workload.synth import params as p
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.groups import Streams, streams
from placement_opt.workload.transforms.made import Made, Transform, times
from placement_opt.workload.transforms.select import Lives, Rows, rebuilt, shares_of

#: Shares are numerators below 2**16; more different ones than this are not brought over one base exactly.
_MOST_BASE, _MOST_SHARES = 2**16 - 1, 4096


@dataclass(frozen=True)
class Params:
    """Settings; InputError for values out of range."""

    chunk: str = p.size("2 MiB", "what is allocated at once, such as 64 KiB")
    streams: int = p.integer(2, 1, "parts of a token that lie apart: keys and values", 64)

    def __post_init__(self) -> None:
        p.check(self)


def make(trace: Trace, params: Params) -> Made:
    """The trace of chunks; ``found`` has what is allocated over what was there."""
    if trace.size_unit != "bytes":
        raise InputError(
            f"found blocks sized in {trace.size_unit}", "expected bytes, which the transform bytes makes", field="chunk"
        )
    if trace.pieces is not None and (trace.pieces > 1).any():
        raise InputError("found blocks in pieces", "expected whole ones, which chunks are cut from", field="chunk")
    chunk, found = parse_size(params.chunk), streams(trace)
    part = -(-trace.sizes[found.order] // params.streams)
    label, several = _filled(found, part.tolist(), chunk)
    group = np.full(trace.num_blocks, -1, dtype=np.int64)
    group[found.order] = label
    size = np.zeros(int(label.max(initial=-1)) + 1, dtype=np.int64)
    size[label] = several * chunk * params.streams
    if int(size.max(initial=0)) > 2**50:
        raise InputError(f"found chunks of {format_size(chunk)}", "expected blocks of at most 2**50 bytes", field="chunk")
    lives, life = _lives(trace, group, size)
    share, base, exact = _shares(trace, lives.size[life])
    place = trace.position if len(lives.of) == trace.num_blocks else None
    where = None if place is None else place.astype(np.int64)
    made = rebuilt(trace, lives, Rows(trace.read_step.astype(np.int64), life, share, base, where))
    if made.pieces is not None:
        made = dataclasses.replace(made, pieces=None)
    grown = float(lives.size.sum()) / float(trace.sizes.sum())
    told = [f"{len(size):,} chunks for {len(label):,} blocks; {times(grown)} times their bytes are allocated"]
    if not exact:
        told.append(f"shares that are read are rounded up to 1/{base}")
    if trace.position is not None and where is None:
        told.append("lost: position, which is of blocks and not of chunks")
    return Made(made, {"chunks": len(size), "allocated": grown}, told)


def _filled(found: Streams, parts: Iterable[int], chunk: int) -> tuple[Int64, Int64]:
    """(int64[n] the chunk of each block, int64[n] how many chunks that is), blocks put one behind the other in each stream."""
    label, several = np.zeros(len(found.order), dtype=np.int64), np.ones(len(found.order), dtype=np.int64)
    number, room, before = -1, 0, -1
    for at, (stream, part) in enumerate(zip(found.stream.tolist(), parts, strict=True)):
        if stream != before or part > room:
            number, several[at] = number + 1, -(-part // chunk)
            room = chunk if part <= chunk else part  # a larger one leaves no room for others
        room, before, label[at] = room - part, stream, number
    return label, several


def _lives(trace: Trace, group: Int64, size: Int64) -> tuple[Lives, Int64]:
    """The chunks and what is none, and the life that each read is of."""
    single, member = np.flatnonzero(group < 0), np.flatnonzero(group >= 0)
    number = np.cumsum(group < 0) - 1
    of = np.full(len(size), trace.num_blocks, dtype=np.int64)
    np.minimum.at(of, group[member], member)
    birth, death = np.full(len(size), trace.num_steps, dtype=np.int64), np.full(len(size), -1, dtype=np.int64)
    np.minimum.at(birth, group[member], trace.birth[member].astype(np.int64))
    np.maximum.at(death, group[member], trace.death[member].astype(np.int64))
    lives = Lives(
        np.concatenate([single, of]),
        np.concatenate([trace.birth[single].astype(np.int64), birth]),
        np.concatenate([trace.death[single].astype(np.int64), death]),
        np.concatenate([trace.sizes[single], size]),
    )
    read = group[trace.blocks]
    return lives, np.where(read >= 0, len(single) + read, number[trace.blocks])


def _shares(trace: Trace, size: Int64) -> tuple[Int64, int, bool]:
    """(int64[N] numerators, their base, whether they are exact) of what each read takes of a block of so many bytes."""
    keys, which = _different(trace.sizes[trace.blocks], size, shares_of(trace))
    if keys.shape[1] <= _MOST_SHARES:
        parts = [Fraction(own * share, whole * trace.share_base) for own, whole, share in keys.T.tolist()]
        base = 1
        for part in parts:
            base = math.lcm(base, part.denominator)
            if base > _MOST_BASE:
                break
        else:
            numerators = np.array([int(part * base) for part in parts], dtype=np.int64)
            return numerators[which], base, True
    exact = keys[0].astype(np.float64) * keys[2] / (keys[1].astype(np.float64) * trace.share_base)
    numerators = np.ceil(exact * _MOST_BASE).astype(np.int64).clip(1, _MOST_BASE)
    return numerators[which], _MOST_BASE, False


def _different(*columns: Int64) -> tuple[Int64, Int64]:
    """(int64[columns, n] the different rows, int64[N] which each is)."""
    which = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        values, place = np.unique(column, return_inverse=True)
        which = np.unique(which * len(values) + place, return_inverse=True)[1]
    first = np.unique(which, return_index=True)[1]
    return np.stack([column[first] for column in columns]), which


TRANSFORM = Transform(Params, make)
