"""Independent reads of blocks whose popularity falls as a power of their rank.

The workload of embedding tables and of hot shared prefixes: no drift, no births, every step alike. A step reads ``reads``
different blocks, drawn one after another without putting back, each with probability proportional to ``rank**-exponent``
among those left. Ranks are dealt to the blocks at random, so that block ids say nothing about popularity.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from placement_opt.base.errors import InputError
from placement_opt.base.units import format_size, parse_size
from placement_opt.workload.synth import params as p
from placement_opt.workload.synth.outline import Outline
from placement_opt.workload.totals import Totals
from placement_opt.workload.trace import LARGEST_BLOCK, MOST_UNITS, Trace


@dataclass(frozen=True)
class Params:
    """Settings of the Zipf generator; InputError for values out of range."""

    blocks: int = p.integer(1000, 1, "blocks, all of them there from the start", 10**8)
    steps: int = p.integer(100, 1, "steps", 10**8)
    reads: int = p.integer(100, 1, "different blocks that a step reads", 10**8)
    exponent: float = p.number(1.0, 0, 10, "how steeply popularity falls with rank (0: all alike)")
    block_size: str = p.size("64 KiB", "size of a block with its unit")

    def __post_init__(self) -> None:
        p.check(self)
        if self.reads > self.blocks:
            raise InputError(f"found {self.reads}", f"expected at most the number of blocks, {self.blocks}", field="reads")
        size = parse_size(self.block_size)
        if size > LARGEST_BLOCK or size * self.blocks > MOST_UNITS:
            found = f"found {self.blocks} blocks of {format_size(size)}"
            raise InputError(found, "expected blocks of at most 2**50 bytes, 2**60 in all", field="block_size")


def generate(params: Params, rng: np.random.Generator) -> Trace:
    """A trace of ``steps`` steps over ``blocks`` equal blocks, sizes in bytes, without layers.

    Drawing without putting back is done as a race: with independent exponential times divided by the weights, the order of
    arrival is that of successive draws (Efraimidis and Spirakis 2006), so a step's reads are the ``reads`` earliest.

    Raises
    ------
    LimitError
        More reads than rows can hold.
    """
    p.limit_reads(params.steps * params.reads)
    rank = rng.permutation(params.blocks) + 1.0
    slowness = rank**params.exponent
    rows = np.empty((params.steps, params.reads), dtype=np.int32)
    for row in rows:
        arrival = rng.exponential(size=params.blocks) * slowness
        row[:] = np.argpartition(arrival, params.reads - 1)[: params.reads]
    rows.sort(axis=1)
    return Trace(
        indptr=np.arange(params.steps + 1, dtype=np.int64) * params.reads,
        blocks=rows.ravel(),
        birth=np.full(params.blocks, -1, dtype=np.int32),
        death=np.full(params.blocks, params.steps, dtype=np.int32),
        size=np.array([parse_size(params.block_size)], dtype=np.int64),
        size_unit="bytes",
        meta={"generator": "zipf", "parameters": dataclasses.asdict(params)},
    )


def totals(params: Params) -> Totals:
    """All of it is known."""
    size = parse_size(params.block_size)
    reads, pairs = params.steps * params.reads, params.blocks * (params.steps + 1)
    return Totals(params.steps, params.blocks, reads, 1, pairs, params.blocks * size, size, size, reads * size)


GENERATOR = Params, generate
OUTLINE = Outline("steps", totals, small={"blocks": 1, "steps": 1, "reads": 1})
