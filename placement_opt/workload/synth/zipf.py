"""Independent reads of blocks whose popularity falls as a power of their rank.

The workload of embedding tables and of hot shared prefixes: no births, every step alike. A step reads ``reads`` different
blocks, drawn one after another without putting back, each with probability proportional to ``rank**-exponent`` among those
left. Ranks are dealt to the blocks at random, so that block ids say nothing about popularity.

With ``layers``, steps take turns: each layer has blocks, ranks and draws of its own. With ``drift``, popularity wanders: after
every step of a layer so many of its blocks, drawn at random, change ranks in pairs; a share d of them keeps a rank for 1 / d
steps on the average. (The independent reference model of caching has no drift; that ranks are exchanged at random, whatever
they are, is chosen: real popularity rises faster than it falls.)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.base.units import format_size, parse_size
from placement_opt.workload.synth import params as p
from placement_opt.workload.synth.distinct import Distinct
from placement_opt.workload.synth.outline import Outline
from placement_opt.workload.totals import Totals
from placement_opt.workload.trace import LARGEST_BLOCK, MOST_LAYERS, MOST_UNITS, Trace

#: Exponential times that are drawn at once.
_AT_ONCE = 1 << 17


@dataclass(frozen=True)
class Params:
    """Settings of the Zipf generator; InputError for values out of range."""

    blocks: int = p.integer(1000, 1, "blocks (of each layer), all of them there from the start", 10**8)
    steps: int = p.integer(100, 1, "steps (of each layer)", 10**8)
    reads: int = p.integer(100, 1, "different blocks that a step reads", 10**8)
    exponent: float = p.number(1.0, 0, 10, "how steeply popularity falls with rank (0: all alike)")
    block_size: str = p.size("64 KiB", "size of a block with its unit")
    layers: int | None = p.integer(None, 1, "layers whose steps take turns (default: none, steps without labels)", MOST_LAYERS)
    drift: float = p.number(0.0, 0, 1, "share of the blocks that change ranks after each step")
    draws: str = p.choice("race", ("race", "successive"), "how to draw, by one law: in time of all blocks or of the reads")

    def __post_init__(self) -> None:
        p.check(self)
        if self.reads > self.blocks:
            raise InputError(f"found {self.reads}", f"expected at most the number of blocks, {self.blocks}", field="reads")
        size, count = parse_size(self.block_size), self.blocks * (self.layers or 1)
        if size > LARGEST_BLOCK or size * count > MOST_UNITS:
            found = f"found {count} blocks of {format_size(size)}"
            raise InputError(found, "expected blocks of at most 2**50 bytes, 2**60 in all", field="block_size")
        if count >= 2**31:
            raise InputError(f"found {self.layers}", "expected fewer than 2**31 blocks in all", field="layers")


def generate(params: Params, rng: np.random.Generator) -> Trace:
    """A trace over equal blocks, sizes in bytes; block ``l * blocks + b`` is of layer l, step ``i * layers + l`` likewise.

    ``draws = "race"``: with independent exponential times divided by the weights, the order of arrival is that of successive
    draws (Efraimidis and Spirakis 2006), so a step's reads are the ``reads`` earliest. ``"successive"``: the draws themselves
    (:class:`placement_opt.workload.synth.distinct.Distinct`). Layer l draws from the l-th stream spawned from ``rng``.

    Raises
    ------
    LimitError
        More reads than rows can hold.
    """
    layers, steps = params.layers or 1, params.steps
    p.limit_reads(steps * layers * params.reads)
    rows = np.empty((steps, layers, params.reads), dtype=np.int32)
    for layer, stream in enumerate([rng] if params.layers is None else rng.spawn(layers)):
        at = 0
        for part in layer_rows(params, stream):
            rows[at : at + len(part), layer] = part
            at += len(part)
        rows[:, layer] += layer * params.blocks
    rows.sort(axis=2)
    count, turn = layers * params.blocks, np.arange(steps * layers, dtype=np.int32)
    labelled = params.layers is not None
    return Trace(
        indptr=np.arange(steps * layers + 1, dtype=np.int64) * params.reads,
        blocks=rows.ravel(),
        birth=np.full(count, -1, dtype=np.int32),
        death=np.full(count, steps * layers, dtype=np.int32),
        size=np.array([parse_size(params.block_size)], dtype=np.int64),
        size_unit="bytes",
        step_token=turn // layers if labelled else None,
        step_layer=turn % layers if labelled else None,
        block_layer=np.repeat(np.arange(layers, dtype=np.int32), params.blocks) if labelled else None,
        meta={"generator": "zipf", "parameters": dataclasses.asdict(params)},
    )


def layer_rows(params: Params, rng: np.random.Generator) -> Iterator[npt.NDArray[Any]]:
    """Parts of the steps of one layer, in turn: the blocks that each reads, in any order."""
    rank = rng.permutation(params.blocks)
    rows = _raced(params, rank, rng) if params.draws == "race" else _successive(params, rank, rng)
    return _wandering(params, rows, rng) if params.drift else rows


def _raced(params: Params, rank: Int64, rng: np.random.Generator) -> Iterator[npt.NDArray[Any]]:
    slowness = (rank + 1.0) ** params.exponent
    most = max(1, _AT_ONCE // params.blocks)
    for at in range(0, params.steps, most):
        arrival = rng.exponential(size=(min(most, params.steps - at), params.blocks))
        arrival *= slowness
        yield np.argpartition(arrival, params.reads - 1, axis=1)[:, : params.reads]


def _successive(params: Params, rank: Int64, rng: np.random.Generator) -> Iterator[npt.NDArray[Any]]:
    block = np.argsort(rank)
    chance = np.arange(1, params.blocks + 1, dtype=np.float64) ** -params.exponent
    distinct, most = Distinct(chance, params.reads, rng), max(1, _AT_ONCE // params.reads)
    return (block[distinct.rows(min(most, params.steps - at))] for at in range(0, params.steps, most))


def _wandering(params: Params, rows: Iterator[npt.NDArray[Any]], rng: np.random.Generator) -> Iterator[npt.NDArray[Any]]:
    """The rows with the blocks that have come to the ranks of those they name."""
    holder = np.arange(params.blocks)
    pairs, done, step = Fraction(repr(params.drift)) * params.blocks / 2, 0, 0
    for part in rows:
        for row in part:
            row[:] = holder[row]
            step += 1
            moved = rng.choice(params.blocks, (2, int(pairs * step) - done), replace=False)
            holder[moved] = holder[moved[::-1]]
            done = int(pairs * step)
        yield part


def totals(params: Params) -> Totals:
    """All of it is known."""
    size, layers = parse_size(params.block_size), params.layers or 1
    steps, blocks = layers * params.steps, layers * params.blocks
    reads = steps * params.reads
    return Totals(steps, blocks, reads, layers, blocks * (steps + 1), blocks * size, size, size, reads * size)


GENERATOR = Params, generate
OUTLINE = Outline("steps", totals, small=lambda _: {"blocks": 1, "steps": 1, "reads": 1})
