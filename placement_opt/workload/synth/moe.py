"""Mixture of experts: the weights of routed experts as blocks, read as tokens pass them, layer by layer.

A step is one token of every sequence in one layer that has experts; it reads the experts that some sequence passes. A sequence
keeps each of its experts from token to token with chance ``persistence``; the others are drawn one after another without
putting back, expert e of a layer with probability proportional to ``rank**-exponent`` among those left, ranks dealt at random
in each layer. Layers and sequences are independent. KV and all other weights are left out: ``decode`` has them, with experts
that are drawn evenly and anew for every token.

What is known: Mixtral picks the first choice of the token before again more often than chance has it, most in deep layers
(arXiv 2401.04088, section 5). Numbers differ by model, layer and text: the defaults of ``exponent`` and ``persistence`` are
chosen. Real routing also follows the words, so that
sequences of one batch and neighbouring layers are correlated; here they are not.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from placement_opt.base.errors import InputError
from placement_opt.base.units import parse_size
from placement_opt.memory.operations import BLOCK_KINDS
from placement_opt.workload.llm import PRECISIONS, SHAPES
from placement_opt.workload.synth import params as p
from placement_opt.workload.synth.distinct import Distinct
from placement_opt.workload.synth.draws import popularity
from placement_opt.workload.synth.outline import Outline
from placement_opt.workload.totals import Totals
from placement_opt.workload.trace import LARGEST_BLOCK, MOST_UNITS, Trace

#: Choices that are drawn at once.
_AT_ONCE = 1 << 17


@dataclass(frozen=True)
class Params:
    """Settings of the generator of routing; InputError for values out of range."""

    model: str = p.choice("mixtral-8x7b", tuple(SHAPES), "architecture; the keys below go before its numbers")
    layers: int | None = p.integer(None, 1, "layers with experts", 4096)
    experts: int | None = p.integer(None, 2, "routed experts of a layer", 2**16)
    active: int | None = p.integer(None, 1, "experts that a token passes", 2**16)
    expert_size: str | None = p.size(None, "size of an expert's weights with its unit")
    precision: str = p.choice("fp16", tuple(PRECISIONS), "bits of weights, where expert_size is not given")
    tokens: int = p.integer(100, 1, "tokens decoded of each sequence; each is one step per layer", 2**24)
    batch: int = p.integer(1, 1, "sequences in step", 2**16)
    exponent: float = p.number(0.5, 0, 10, "how steeply the popularity of experts falls with rank (0: all alike)")
    persistence: float = p.number(0.3, 0, 1, "chance that a sequence keeps an expert for its next token")

    def __post_init__(self) -> None:
        p.check(self)
        shape = SHAPES[self.model]
        if shape.experts < 2 and not all(key is not None for key in (self.experts, self.active, self.expert_size)):
            found = f"found {self.model!r}, which has no experts"
            raise InputError(found, "expected one that has some, or experts, active and expert_size", field="model")
        if self.passed > self.routed:
            found = f"found {self.passed} active of {self.routed} experts"
            raise InputError(found, "expected at most all of them", field="active" if self.active else "experts")
        count = self.traced_layers * self.routed
        if count >= 2**31:
            raise InputError(f"found {count} experts in all", "expected fewer than 2**31", field="experts")
        if self.bytes > LARGEST_BLOCK or self.bytes * count > MOST_UNITS:
            found = f"found {count} experts of {self.bytes} bytes"
            raise InputError(found, "expected at most 2**50 bytes each, 2**60 in all", field="expert_size")

    @property
    def routed(self) -> int:
        """Experts of a layer."""
        return self.experts or SHAPES[self.model].experts

    @property
    def passed(self) -> int:
        """Experts that a token passes."""
        return self.active or SHAPES[self.model].active

    @property
    def traced_layers(self) -> int:
        """Layers that have experts."""
        shape = SHAPES[self.model]
        return self.layers or shape.layers - shape.dense_layers

    @property
    def bytes(self) -> int:
        """Of one expert."""
        if self.expert_size is not None:
            return parse_size(self.expert_size)
        shape = SHAPES[self.model]
        return PRECISIONS[self.precision].weight_bytes(shape.parts(shape.layers - 1).expert)


def generate(params: Params, rng: np.random.Generator) -> Trace:
    """A trace of ``tokens * layers`` steps; block ``l * experts + e`` is expert e of layer l, there from the start.

    Raises
    ------
    LimitError
        More reads than rows can hold.
    """
    p.limit_reads(totals(params).reads)
    layers, experts, tokens = params.traced_layers, params.routed, params.tokens
    steps, blocks = tokens * layers, layers * experts
    expert = np.stack([rng.permutation(experts) for _ in range(layers)])
    width = layers * params.batch
    choices = Distinct(popularity(experts, params.exponent), params.passed, rng, back=width, keep=params.persistence)
    counts, parts, most = [], [], max(1, _AT_ONCE // (width * params.passed))
    for at in range(0, tokens, most):
        many = min(most, tokens - at)
        rank = choices.rows(many * width).reshape(many, layers, -1)
        read = np.zeros((many, layers, experts), dtype=np.bool_)
        read[np.arange(many)[:, None, None], np.arange(layers)[:, None], expert[np.arange(layers)[:, None], rank]] = True
        counts.append(read.sum(axis=2).ravel())
        parts.append((np.flatnonzero(read) % blocks).astype(np.int32))
    turn = np.arange(steps, dtype=np.int32)
    return Trace(
        indptr=np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64),
        blocks=np.concatenate(parts),
        birth=np.full(blocks, -1, dtype=np.int32),
        death=np.full(blocks, steps, dtype=np.int32),
        size=np.array([params.bytes], dtype=np.int64),
        size_unit="bytes",
        step_token=turn // layers,
        step_layer=turn % layers,
        block_layer=np.repeat(np.arange(layers, dtype=np.int32), experts),
        block_kind=np.full(blocks, BLOCK_KINDS.index("weights"), dtype=np.int8),
        meta={"generator": "moe", "parameters": dataclasses.asdict(params), "model": _about(params)},
    )


def _about(params: Params) -> dict[str, object]:
    shape = SHAPES[params.model]
    known: dict[str, object] = {"layers": params.traced_layers, "experts": params.routed, "active": params.passed}
    return known | {"expert_bytes": params.bytes, "source": shape.source, "date": shape.date}


def totals(params: Params) -> Totals:
    """Exact for one sequence; of several, as if none passed what another does."""
    layers, blocks, each = params.traced_layers, params.traced_layers * params.routed, params.bytes
    steps = params.tokens * layers
    reads = steps * min(params.routed, params.batch * params.passed)
    exact = params.batch == 1 or params.passed == params.routed
    return Totals(steps, blocks, reads, layers, blocks * (steps + 1), blocks * each, each, each, reads * each, exact=exact)


GENERATOR = Params, generate
OUTLINE = Outline("tokens", totals, small=lambda _: {"tokens": 1, "batch": 1, "experts": 2, "active": 1})
