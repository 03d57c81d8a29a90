"""Settings of the decode generator, and what follows from them: the architecture, bytes, steps of a token."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from placement_opt.base.errors import InputError
from placement_opt.base.units import parse_size
from placement_opt.workload.llm import PRECISIONS, SHAPES, Precision, Shape
from placement_opt.workload.synth import params as p
from placement_opt.workload.transforms.mapping import LAYOUTS, Mapping

STEPS = ("layer", "sequential", "head-groups")
_OVERRIDES = (
    "layers", "hidden", "heads", "kv_heads", "head_size", "ffn", "ffn_matrices", "vocabulary", "experts", "active",
)  # fmt: skip


@dataclass(frozen=True)
class Params:
    """Settings of the decode generator; InputError for values out of range."""

    model: str = p.choice("llama-3.1-8b", tuple(SHAPES), "architecture; the keys below go before its numbers")
    layers: int | None = p.integer(None, 1, "layers", 4096)
    hidden: int | None = p.integer(None, 1, "width of the model", 2**20)
    heads: int | None = p.integer(None, 1, "query heads", 2**16)
    kv_heads: int | None = p.integer(None, 1, "KV heads", 2**16)
    head_size: int | None = p.integer(None, 1, "numbers of a head", 2**16)
    ffn: int | None = p.integer(None, 1, "width of the feed-forward", 2**24)
    ffn_matrices: int | None = p.integer(None, 2, "matrices of the feed-forward: 3 gated, 2 plain", 3)
    vocabulary: int | None = p.integer(None, 1, "words", 2**24)
    experts: int | None = p.integer(None, 1, "experts of a layer", 2**16)
    active: int | None = p.integer(None, 1, "experts that a token passes", 2**16)
    precision: str = p.choice("fp16", tuple(PRECISIONS), "bits of weights and KV")
    weight_bits: int | None = p.integer(None, 1, "bits of a weight, before precision's", 64)
    kv_bits: int | None = p.integer(None, 1, "bits of a number of KV, before precision's", 64)
    tensor_parallel: int = p.integer(1, 1, "devices that share every layer; the trace is one's", 2**16)
    context: int = p.integer(1024, 1, "tokens of each sequence in memory before the first step", 2**30)
    tokens: int = p.integer(1, 1, "tokens decoded of each sequence", 2**24)
    batch: int = p.integer(1, 1, "sequences, all alike and in step", 2**20)
    block_tokens: int | None = p.integer(None, 1, "tokens of a KV block (default: the context in one)", 2**30)
    page: str | None = p.size(None, "decoded tokens wait at the processor until they fill a page of each plane of a head group")
    planes: int = p.integer(1, 1, "planes of a die that pages lie in", 2**16)
    dies: int = p.integer(1, 1, "dies that pages lie in", 2**16)
    layout: str | None = p.choice(None, LAYOUTS, "which KV lies side by side (default: all of a block, in one piece)")
    buffer: str | None = p.size(None, "of each plane, shared by all layers, where KV waits until it is written (with page)")
    weights: str = p.choice("placed", ("placed", "none"), "whether weights are blocks of the trace")
    tiles: int = p.integer(1, 1, "blocks that the weights read together are cut into", 2**16)
    steps: str = p.choice("layer", STEPS, "how a layer is cut into steps")
    experts_read: str = p.choice("active", ("all", "active"), "experts that a step reads; active ones are drawn")

    def __post_init__(self) -> None:
        p.check(self)
        if self.weights == "none" and self.steps != "layer":
            found = f"found {self.steps!r} beside weights = 'none'"
            raise InputError(found, "expected 'layer': other steps differ by the weights that they read", field="steps")
        if self.buffer is not None and (self.page is None or self.layout is None):
            found = "found a buffer without page and layout"
            raise InputError(found, "expected both, because it says how full pages are", field="buffer")
        for key in ("planes", "dies"):
            if self.page is None and getattr(self, key) > 1:
                found = f"found {getattr(self, key)} {key} without a page"
                raise InputError(found, "expected page beside it: decoded tokens wait until they fill one of each", field=key)
        base, shape = SHAPES[self.model], self.shape
        for key in ("kv_heads", "head_size") if base.latent else ():
            if getattr(self, key) is not None:
                found = f"found {getattr(self, key)} beside {self.model}, whose heads share one latent vector"
                raise InputError(found, "expected a model with KV heads", field=key)
        if shape.active > shape.experts:
            found = f"found {shape.active} active of {shape.experts} experts"
            raise InputError(found, "expected at most all of them", field="active" if self.active else "experts")
        if shape.heads % shape.kv_heads and not shape.latent:
            found = f"found {shape.kv_heads} KV heads for {shape.heads} heads"
            raise InputError(found, "expected a number that divides them", field="kv_heads" if self.kv_heads else "heads")
        if shape.layers < shape.kv_every:
            found = f"found {shape.layers}, of which none keeps KV"
            raise InputError(found, f"expected at least {shape.kv_every}", field="layers")
        shape.llm(self.model, self.bits, self.tensor_parallel)  # refuses devices that do not share the heads
        self._check_size()

    def _check_size(self) -> None:
        most = max(self.run, self.context) * self.bits.kv_bytes(self.group_numbers) * self.batch
        if most > 2**50 or most * self.head_groups * self.shape.kv_layers * 2 > 2**60:
            found = f"found {self.context} tokens, KV blocks of up to {most} bytes"
            raise InputError(found, "expected blocks of at most 2**50 bytes, 2**60 in all", field="context")

    @cached_property
    def shape(self) -> Shape:
        """The architecture with the keys that go before the model's."""
        stated = {key: getattr(self, key) for key in _OVERRIDES if getattr(self, key) is not None}
        return dataclasses.replace(SHAPES[self.model], **stated)

    @property
    def bits(self) -> Precision:
        """Of weights and of KV."""
        named = PRECISIONS[self.precision]
        return Precision(self.weight_bits or named.weight_bits, self.kv_bits or named.kv_bits)

    @property
    def head_groups(self) -> int:
        """KV heads of the device, each with its query heads."""
        return self.shape.head_groups(self.tensor_parallel)

    @property
    def group_numbers(self) -> int:
        """Numbers of KV of one token in one layer and head group, keys and values together."""
        shape = self.shape
        return shape.kv_numbers if shape.latent else 2 * shape.head_size

    @property
    def run(self) -> int:
        """Tokens of a KV block of the context."""
        return self.block_tokens or self.context

    @property
    def waiting(self) -> int:
        """Decoded tokens that wait at the processor until they are written together.

        With a page: as many as fill it (or what a buffer holds of it) in every plane that a head group of a layer has, its
        share of all planes of all dies, half of them for keys and half for values, and a page of each at least. Without: those
        of a KV block, one where its tokens are not given.
        """
        mapping = self.mapping
        if mapping.written is None:
            return self.block_tokens or 1
        pages = max(Fraction(1), Fraction(self.planes * self.dies, self.head_groups * mapping.vectors))
        return max(1, int(pages * mapping.written / mapping.vector))

    @property
    def mapping(self) -> Mapping:
        """Where KV lies; head-grouped where nothing is said."""
        vectors = 1 if self.shape.latent else 2
        return Mapping(
            layout=self.layout or "head-grouped",
            page=None if self.page is None else parse_size(self.page),
            buffer=None if self.buffer is None else parse_size(self.buffer),
            layers=self.shape.kv_layers,
            head_groups=self.head_groups,
            vector=Fraction(self.group_numbers * self.bits.kv_bits, 8 * vectors),
            vectors=vectors,
            sequences=self.batch,
        )

    @property
    def traced_layers(self) -> int:
        """Layers of the trace: all, or those with KV where weights are no part of it."""
        return self.shape.layers if self.weights == "placed" else self.shape.kv_layers

    def kv_layer(self, layer: int) -> int | None:
        """Which of the layers that keep KV a layer of the trace is; None: none."""
        if self.weights == "none":
            return layer
        every = self.shape.kv_every
        return None if (layer + 1) % every else (layer + 1) // every - 1

    def window(self, kv_layer: int) -> int | None:
        """The latest tokens that a layer attends to, itself included; None: all."""
        return self.shape.windows[kv_layer] if self.shape.windows else None
