"""A decoder's architecture, and the bytes that follow from it: KV of one token in one layer, weights of a layer and of all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from placement_opt.base.errors import InputError
from placement_opt.workload.llm.parts import LayerParts
from placement_opt.workload.llm.precision import PUBLISHED, Precision


@dataclass(frozen=True)
class LLM:
    """One model, as far as memory is concerned.

    Attributes
    ----------
    layers
        Layers that keep KV.
    kv_bytes
        Bytes of KV of one token in one layer.
    weight_bytes
        Bytes of weights that one layer reads for one decoded token (the active experts only, no embeddings); the mean, rounded
        up, where layers differ, those without KV counted to the ones with it.
    weight_resident
        Bytes of weights that lie in memory all the time.
    layer_flop
        Operations that one token costs in one layer without attention over others: 2 a parameter that it passes (the active
        experts only; arXiv 2001.08361, section 2.1). 0 where it is not known.
    windows
        For each layer the latest tokens that it attends to, itself included, or None for all; empty where all attend to all.
    name, source, date
        Label; where the numbers come from, and of when that is.
    """

    layers: int
    kv_bytes: int
    weight_bytes: int = 0
    weight_resident: int = 0
    layer_flop: int = 0
    name: str = ""
    source: str = ""
    date: str = ""
    windows: tuple[int | None, ...] = ()


@dataclass(frozen=True)
class Latent:
    """Multi-head latent attention (arXiv 2405.04434): a token's keys and values are one vector, shared by all heads.

    It has ``rank`` numbers and ``rope`` positional ones; queries come from a vector of ``queries`` numbers. A head's keys have
    ``nope + rope`` numbers, its values ``value``.
    """

    rank: int
    rope: int
    nope: int
    value: int
    queries: int

    def parameters(self, hidden: int, heads: int) -> int:
        """Parameters of the attention of one layer with this many heads."""
        wide = heads * (self.nope + self.rope)
        queries = (hidden + 1 + wide) * self.queries
        latent = hidden * (self.rank + self.rope) + self.rank + self.rank * heads * (self.nope + self.value)
        return queries + latent + heads * self.value * hidden


@dataclass(frozen=True)
class Recurrent:
    """A gated delta network (arXiv 2412.06464) in place of attention, which keeps no KV.

    Heads of keys and of values, their sizes, and the width of the convolution before them.
    """

    key_heads: int
    value_heads: int
    key_size: int
    value_size: int
    convolution: int

    def parameters(self, hidden: int, devices: int) -> int:
        """Parameters of one layer on one of so many devices."""
        keys, heads = _share(self.key_heads, devices) * self.key_size, _share(self.value_heads, devices)
        values = heads * self.value_size
        projections = hidden * (2 * keys + 3 * values + 2 * heads)
        return projections + self.convolution * (2 * keys + values) + 2 * heads + self.value_size


@dataclass(frozen=True)
class Shape:
    """A decoder's architecture; where nothing else is said, a gated feed-forward, RMS norms and untied embeddings.

    Attributes
    ----------
    layers, hidden, heads, kv_heads, head_size, ffn, vocabulary
        As in the models' ``config.json``.
    experts, active, expert_ffn, shared, shared_gate, dense_layers
        Routed experts of a layer, those that a token passes, and their width (``ffn`` where it is 0); experts that every token
        passes besides, and whether a gate says how much of them; the first layers that have no experts but one feed-forward of
        width ``ffn``.
    ffn_matrices
        Of one expert: 3 where it is gated, else 2.
    bias
        Which matrices have one: of queries, keys and values (``"qkv"``), or all but the embeddings.
    norms, norm_vectors
        Norms of a layer, and vectors of each: 1 (scale) or 2 (and shift).
    head_norm, gated, sinks, corrected
        Whether queries and keys are normed, one scale each for all heads; whether heads are gated, by as many numbers as their
        queries have; whether each has a number that attends to nothing; whether each routed expert has one that balances its
        choice.
    positions
        Learned positions.
    tied
        Whether words come out by the matrix by which they go in.
    latent
        Latent attention, in place of KV heads.
    window, global_every
        The window of all layers but one in so many, which attends to everything; 0 for none.
    recurrent, kv_every
        What stands in place of attention in all layers but one in so many, the only ones with KV.
    """

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_size: int
    ffn: int
    vocabulary: int
    source: str
    date: str
    experts: int = 1
    active: int = 1
    expert_ffn: int = 0
    shared: int = 0
    shared_gate: bool = False
    dense_layers: int = 0
    ffn_matrices: int = 3
    bias: Literal["", "qkv", "all"] = ""
    norms: int = 2
    norm_vectors: int = 1
    head_norm: bool = False
    gated: bool = False
    sinks: bool = False
    corrected: bool = False
    positions: int = 0
    tied: bool = False
    latent: Latent | None = None
    window: int = 0
    global_every: int = 1
    recurrent: Recurrent | None = None
    kv_every: int = 1

    @property
    def kv_layers(self) -> int:
        """Layers that keep KV."""
        return self.layers // self.kv_every

    @property
    def parameters(self) -> int:
        """All parameters, embeddings and the final norm included."""
        return self._parameters(1)

    @property
    def active_parameters(self) -> int:
        """Those of the layers that one token passes."""
        return self._layers(self.active, 1)

    @property
    def windows(self) -> tuple[int | None, ...]:
        """For each layer the latest tokens that it attends to, None for all; empty where no layer has a window."""
        if not self.window:
            return ()
        return tuple(None if (layer + 1) % self.global_every == 0 else self.window for layer in range(self.kv_layers))

    @property
    def kv_numbers(self) -> int:
        """Numbers of KV of one token in one layer."""
        return self._kv_numbers(1)

    def llm(self, name: str, precision: Precision = PUBLISHED, tensor_parallel: int = 1) -> LLM:
        """The bytes of one of ``tensor_parallel`` devices that share every layer.

        Each has its share of the heads, of the width of every expert and of the vocabulary; norms, routers and what comes
        before the heads of latent attention are whole on each. A KV head is never split: with more devices than KV heads, some
        devices keep the same one; the latent vectors are whole on each.

        Raises
        ------
        InputError
            The devices do not divide the heads, or neither divide the KV heads nor are a multiple of them.
        """
        devices = tensor_parallel
        if self.heads % devices or (not self.latent and self.kv_heads % devices and devices % self.kv_heads):
            heads = f"{self.heads} heads" if self.latent else f"{self.heads} heads and {self.kv_heads} KV heads"
            raise InputError(
                f"found {devices} devices", f"expected a number that shares {heads} evenly", field="tensor_parallel"
            )
        read = self._layers(self.active, devices)
        return LLM(
            layers=self.kv_layers,
            kv_bytes=precision.kv_bytes(self._kv_numbers(devices)),
            weight_bytes=-(-precision.weight_bytes(read) // self.kv_layers),
            weight_resident=precision.weight_bytes(self._parameters(devices)),
            layer_flop=-(-2 * read // self.kv_layers),
            name=name,
            source=self.source,
            date=self.date,
            windows=self.windows,
        )

    def parts(self, layer: int, devices: int = 1) -> LayerParts:
        """Of one layer, on one of so many devices; with the final norm and the embeddings these are all parameters."""
        width = self.expert_ffn or self.ffn
        routed = self.experts if layer >= self.dense_layers and self.experts > 1 else 0
        if layer < self.dense_layers:
            rest = self._expert(self.ffn, devices)
        else:
            always = self.shared * width + (0 if routed else width)
            rest = self._expert(always, devices) + self._router()
        rest += self.norms * self.norm_vectors * self.hidden
        expert = self._expert(width, devices) if routed else 0
        if self.recurrent and (layer + 1) % self.kv_every:
            return LayerParts(False, 0, rest + self.recurrent.parameters(self.hidden, devices), expert, routed)
        size = self.latent.value if self.latent else self.head_size
        output = _share(self.heads, devices) * size * self.hidden + (self.hidden if self.bias == "all" else 0)
        return LayerParts(True, self._attention(devices) - output, rest + output, expert, routed)

    def head_groups(self, devices: int = 1) -> int:
        """KV heads of one device, each with the query heads that share it; one where a latent vector serves all heads."""
        return 1 if self.latent else _share(self.kv_heads, devices)

    def head_parameters(self, devices: int = 1) -> int:
        """What makes a word of the last layer's output: the final norm and a row for each word."""
        return (_share(self.vocabulary, devices) + self.norm_vectors) * self.hidden

    def _kv_numbers(self, devices: int) -> int:
        if self.latent:
            return self.latent.rank + self.latent.rope
        return 2 * _share(self.kv_heads, devices) * self.head_size

    def _parameters(self, devices: int) -> int:
        vocabulary = (1 if self.tied else 2) * _share(self.vocabulary, devices) + self.positions + self.norm_vectors
        return self._layers(self.experts, devices) + vocabulary * self.hidden

    def _layers(self, experts: int, devices: int) -> int:
        """Parameters of all layers with this many of their routed experts."""
        width = self.expert_ffn or self.ffn
        sparse = experts * self._expert(width, devices) + self._expert(self.shared * width, devices) + self._router()
        dense_layers = min(self.dense_layers, self.layers)
        dense = dense_layers * self._expert(self.ffn, devices)
        mixing = self.layers * self.norms * self.norm_vectors * self.hidden + self.kv_layers * self._attention(devices)
        if self.recurrent:
            mixing += (self.layers - self.kv_layers) * self.recurrent.parameters(self.hidden, devices)
        return mixing + dense + (self.layers - dense_layers) * sparse

    def _attention(self, devices: int) -> int:
        """Parameters of the attention of one layer."""
        heads = _share(self.heads, devices)
        if self.latent:
            return self.latent.parameters(self.hidden, heads)
        width, kv_width = heads * self.head_size, _share(self.kv_heads, devices) * self.head_size
        biases = {"": 0, "qkv": width + 2 * kv_width, "all": width + 2 * kv_width + self.hidden}[self.bias]
        norms = 2 * self.head_size if self.head_norm else 0
        projections = self.hidden * ((3 if self.gated else 2) * width + 2 * kv_width)
        return projections + biases + norms + (heads if self.sinks else 0)

    def _router(self) -> int:
        if self.experts == 1:
            return 0
        gate = self.hidden if self.shared_gate else 0
        return self.experts * (self.hidden + (self.bias == "all") + self.corrected) + gate

    def _expert(self, width: int, devices: int) -> int:
        if width == 0:
            return 0
        share = _share(width, devices)
        biases = (self.ffn_matrices - 1) * share + self.hidden if self.bias == "all" else 0
        return self.ffn_matrices * self.hidden * share + biases


def _share(count: int, devices: int) -> int:
    return -(-count // devices)


def scaled(model: LLM, precision: Precision) -> LLM:
    """A model of which only bytes at two a number are known, in another precision."""
    return replace(
        model,
        kv_bytes=precision.kv_bytes(model.kv_bytes // 2),
        weight_bytes=precision.weight_bytes(model.weight_bytes // 2),
        weight_resident=precision.weight_bytes(model.weight_resident // 2),
    )
