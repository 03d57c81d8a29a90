"""What a trace of decoding is like, in the few numbers that the traces of this folder are compared by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement_opt.workload.stats import describe_trace
from placement_opt.workload.trace import Trace

#: Tokens that count as the newest.
NEWEST = 64


@dataclass(frozen=True)
class Character:
    """Of a trace, or of one of its layers.

    Attributes
    ----------
    kept, kept_least
        The share of what a layer reads at a token that it reads at the next again, mean and least.
    reuse
        Turns of the layer since a token was read before, for reads of tokens that were: percentiles 50, 90, 99.
    stack
        Distinct blocks read or produced since: the same percentiles. So many blocks an LRU cache needs for the read to hit.
    newest
        The share of reads that are of the newest ``NEWEST`` tokens.
    first
        The share of steps that read the sequence's first token.
    read
        The share of the sequence's tokens, in all layers, that are ever read.
    """

    kept: float
    kept_least: float
    reuse: tuple[int, int, int]
    stack: tuple[int, int, int]
    newest: float
    first: float
    read: float


def character(trace: Trace) -> Character:
    """Of a trace whose blocks are labelled with their tokens."""
    assert trace.step_token is not None
    assert trace.block_token is not None
    info = describe_trace(trace)
    assert info.overlap.kept_mean is not None
    assert info.overlap.kept_least is not None
    assert info.reuse_distance is not None
    assert info.stack_distance is not None
    token = trace.block_token[trace.blocks]
    age = trace.step_token[trace.read_step] - token
    reuse, stack = (
        (found.percentiles["p50"], found.percentiles["p90"], found.percentiles["p99"])
        for found in (info.reuse_distance, info.stack_distance)
    )
    first = np.unique(trace.read_step[token == 0])
    return Character(
        info.overlap.kept_mean,
        info.overlap.kept_least,
        reuse,
        stack,
        float((age <= NEWEST).mean()),
        len(first) / trace.num_steps,
        info.read_blocks / ((info.layers or 1) * (int(trace.step_token[-1]) + 1)),
    )


def layer_of(trace: Trace, layer: int) -> Trace:
    """The steps and blocks of one layer alone, for a trace whose steps are of its layers in turn."""
    assert trace.step_layer is not None
    assert trace.block_layer is not None
    assert trace.step_token is not None
    assert trace.block_token is not None
    steps, blocks = np.flatnonzero(trace.step_layer == layer), np.flatnonzero(trace.block_layer == layer)
    number = np.full(trace.num_blocks, -1, dtype=np.int32)
    number[blocks] = np.arange(len(blocks))
    turn = np.full(trace.num_steps + 1, -1, dtype=np.int32)
    turn[steps] = np.arange(len(steps))
    reads = [np.sort(number[trace.reads(step)]) for step in steps.tolist()]
    return Trace(
        indptr=np.concatenate([[0], np.cumsum([len(one) for one in reads])]).astype(np.int64),
        blocks=np.concatenate(reads).astype(np.int32),
        birth=turn[trace.birth[blocks]],  # -1, there from the start, is the place of no step
        death=np.full(len(blocks), len(steps), dtype=np.int32),
        size=trace.size,
        size_unit=trace.size_unit,
        step_token=trace.step_token[steps],
        block_token=trace.block_token[blocks],
    )
