"""Sparse attention whose read set drifts: every layer reads a share of the tokens, and a share of those changes per token.

The rule is that of the public trace generator behind arXiv 2508.13231 (its drift is 10 %, an earlier version's 3 %). When
token n is decoded, each layer on its own

1. grows its read set to ``floor(read_share * n)`` of the n tokens before it, drawing from those outside the set;
2. swaps ``floor(drift * |set before growing|)`` of them: so many are drawn from outside the set, and so many leave it, the
   oldest first (``leave = "oldest"``) or at random.

Tokens enter from among the newest ``ceil(window * n)`` tokens (1: from anywhere); where fewer than wanted are outside the set,
the swap is shortened. Where the oldest leave first, the set settles on the newest tokens, while those that enter from further
back leave again after a step or two.

``variation`` names the two settings of the paper's sensitivity study. It does not publish their numbers; ``low`` (4 %) and
``high`` (40 %) are those at which this generator reproduces, at the paper's full size, the published latencies of static
placement (165.3 s and 122.3 s) to half a percent, and the published best case (24.6 s).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int32
from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.base.scratch import scratch
from placement_opt.workload.synth import params as p
from placement_opt.workload.synth.outline import Outline
from placement_opt.workload.totals import Totals
from placement_opt.workload.trace import SizeUnit, Trace

#: ``variation`` -> drift.
VARIATIONS = {"low": 0.04, "high": 0.40}
_DRIFT = 0.10
#: What a block is sized in.
UNIT: SizeUnit = "token-layers"
#: Turns between two looks at the limits.
_AT_ONCE = 64


@dataclass(frozen=True)
class Params:
    """Settings of the drift generator; InputError for values out of range."""

    layers: int = p.integer(4, 1, "layers, each with a read set of its own", 4096)
    prefill: int = p.integer(500, 1, "tokens that exist before the first step")
    tokens: int = p.integer(100, 1, "tokens decoded; each is one step per layer")
    read_share: float = p.number(0.4, 0, 1, "share of the existing tokens that a layer reads", open_low=True)
    drift: float | None = p.number(None, 0, 1, f"share of the read set swapped per token (default {_DRIFT:g})")
    variation: str | None = p.choice(None, tuple(VARIATIONS), "drift by name, the paper's two settings")
    window: float = p.number(1.0, 0, 1, "tokens enter from among the newest of this share of all tokens", open_low=True)
    leave: str = p.choice("oldest", ("oldest", "random"), "which tokens leave the read set first")

    def __post_init__(self) -> None:
        p.check(self)
        if self.drift is not None and self.variation is not None:
            found = f"found {self.variation!r} beside a drift of {self.drift:g}"
            raise InputError(found, "expected one of the two", field="variation")
        if self.window < self.read_share:
            raise InputError(f"found {self.window:g}", f"expected at least read_share, {self.read_share:g}", field="window")
        if (self.prefill + self.tokens) * self.layers >= 2**31:
            raise InputError(f"found {self.tokens}", "expected fewer than 2**31 blocks in all", field="tokens")

    @property
    def swapped(self) -> float:
        """The drift in force."""
        if self.variation is not None:
            return VARIATIONS[self.variation]
        return _DRIFT if self.drift is None else self.drift


def layer_reads(params: Params, rng: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
    """The tokens that one layer reads, ascending, for each decoded token in turn; ``rng`` is the layer's own stream."""
    reading = np.zeros(params.prefill + params.tokens, dtype=np.bool_)
    held = np.zeros(0, dtype=np.int64)
    window = Fraction(repr(params.window))
    for n in range(params.prefill, params.prefill + params.tokens):
        first = n - math.ceil(window * n)
        swap = p.share_of(params.swapped, len(held))
        reading[_outside(reading, first, n, p.share_of(params.read_share, n) - len(held), rng)] = True
        held = np.flatnonzero(reading[:n])
        entering = _outside(reading, first, n, swap, rng)
        leaving = held[: len(entering)]
        if params.leave == "random":
            leaving = rng.choice(held, len(entering), replace=False, shuffle=False)
        reading[entering], reading[leaving] = True, False
        held = np.flatnonzero(reading[:n])
        yield held


def layer_runs(params: Params, rng: np.random.Generator, many: int, limits: Limits) -> list[Int32] | None:
    """The runs of one layer in the order in which they end, as int32[3, .] of (token, first, last), some ``many`` in each.

    That is, the turns of :func:`layer_reads` in which each token is read without a break. None where a limit was reached before
    the last. ``rng`` is one of ``numpy.random.default_rng``.
    """
    from placement_opt.workload.synth.drift_kernels import draw

    ends = range(params.prefill, params.prefill + params.tokens)
    wants = p.shares_of(params.read_share, ends)
    share, whole = Fraction(repr(params.window)).as_integer_ratio()
    oldest = np.array([n + -n * share // whole for n in ends], dtype=np.int64)
    swaps = p.shares_of(params.swapped, range(int(wants[-1]) + 1))
    state: Any = rng.bit_generator.state
    words = [state["state"][key] >> by & 2**64 - 1 for key in ("state", "inc") for by in (64, 0)]
    stream = np.array([*words, state["has_uint32"], state["uinteger"]], dtype=np.uint64)
    reading, opened, marks = np.zeros(ends.stop, np.bool_), np.zeros(ends.stop, np.int32), np.zeros(ends.stop + 1, np.bool_)
    fixed = (params.prefill, wants, oldest, swaps, params.leave == "oldest", stream, reading, opened, marks)
    out = scratch(3 * (many + ends.stop)).reshape(3, -1)
    parts, turn, held, filled = list[Int32](), 0, 0, 0
    while turn < params.tokens:
        if limits.reached:
            return None
        turn, held, filled = draw(turn, min(turn + _AT_ONCE, params.tokens), *fixed, held, out, filled)
        if filled >= many:
            parts.append(out[:, :filled])
            out, filled = scratch(out.size).reshape(3, -1), 0
    still = np.flatnonzero(reading).astype(np.int32)
    return [*parts, out[:, :filled], np.stack([still, opened[still], np.full_like(still, params.tokens - 1)])]


def _outside(
    reading: npt.NDArray[np.bool_], first: int, end: int, count: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """``count`` (or all, where there are fewer) of the tokens ``first .. end - 1`` that are not being read, at random."""
    free = np.flatnonzero(~reading[first:end]) + first
    return rng.choice(free, min(count, len(free)), replace=False, shuffle=False)


def generate(params: Params, rng: np.random.Generator) -> Trace:
    """A trace of ``tokens * layers`` steps; step ``i * layers + l`` is token ``prefill + i`` in layer l and produces its block.

    Block ``token * layers + layer`` is one token of one layer (size 1 token-layer); the prefill's exist from the start.
    Layer l draws from the l-th stream spawned from ``rng``.

    Raises
    ------
    LimitError
        More reads than rows can hold; :func:`layer_reads` still makes them one token at a time.
    """
    layers, tokens = params.layers, params.tokens
    ends = range(params.prefill, params.prefill + tokens)
    lengths = p.shares_of(params.read_share, ends)
    p.limit_reads(int(lengths.sum()) * layers)
    indptr = np.zeros(tokens * layers + 1, dtype=np.int64)
    np.cumsum(np.repeat(lengths, layers), out=indptr[1:])
    blocks = np.empty(indptr[-1], dtype=np.int32)
    for layer, stream in enumerate(rng.spawn(layers)):
        for i, held in enumerate(layer_reads(params, stream)):
            start = indptr[i * layers + layer]
            blocks[start : start + len(held)] = held * layers + layer
    steps, count = tokens * layers, (params.prefill + tokens) * layers
    ids, layer_of_step = np.arange(count, dtype=np.int32), np.arange(steps, dtype=np.int32) % layers
    return Trace(
        indptr=indptr,
        blocks=blocks,
        birth=np.maximum(ids - params.prefill * layers, -1),
        death=np.full(count, steps, dtype=np.int32),
        size=np.ones(1, dtype=np.int64),
        size_unit=UNIT,
        step_token=np.repeat(np.array(ends, dtype=np.int32), layers),
        step_layer=layer_of_step.astype(np.int32),
        block_token=ids // layers,
        block_layer=ids % layers,
        meta={"generator": "drift", "parameters": dataclasses.asdict(params)},
    )


def totals(params: Params) -> Totals:
    """A token of each layer is produced by each step of that layer, and nothing is freed."""
    layers, steps = params.layers, params.layers * params.tokens
    ends = range(params.prefill, params.prefill + params.tokens)
    blocks, reads = layers * ends.stop, layers * int(p.shares_of(params.read_share, ends).sum())
    pairs = layers * params.prefill * (steps + 1) + steps * (steps + 1) // 2
    return Totals(steps, blocks, reads, layers, pairs, blocks, 1, 1, reads)


GENERATOR = Params, generate
OUTLINE = Outline("tokens", totals, small=lambda _: {"prefill": 10, "tokens": 1})
