"""What a placement problem needs to know of a language model: bytes of KV per token and layer, and bytes of weights.

The presets are computed from the published architectures; the parameter counts that follow from them equal, to the last
parameter, those that the models' files declare (the tests hold the list).
"""

from __future__ import annotations

from dataclasses import dataclass

from placement_opt.base.errors import InputError, shown
from placement_opt.base.toml import nearest


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
        Bytes of weights that one layer reads for one decoded token (the active experts only, no embeddings).
    weight_resident
        Bytes of weights that lie in memory all the time.
    layer_flop
        Operations that one token costs in one layer without attention over others: 2 a parameter that it passes (the active
        experts only; arXiv 2001.08361, section 2.1). 0 where it is not known.
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


@dataclass(frozen=True)
class Shape:
    """A decoder's architecture: gated feed-forward (three matrices an expert), RMS norms, untied embeddings.

    ``bias``: queries, keys and values have one. Two bytes a number, for weights and for KV.
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
    bias: bool = False
    number_bytes: int = 2

    def layer_parameters(self, experts: int) -> int:
        """Parameters of one layer with this many of its experts."""
        width, kv_width = self.heads * self.head_size, self.kv_heads * self.head_size
        attention = 2 * self.hidden * (width + kv_width) + (width + 2 * kv_width if self.bias else 0)
        router = self.hidden * self.experts if self.experts > 1 else 0
        return attention + router + experts * 3 * self.hidden * self.ffn + 2 * self.hidden

    @property
    def parameters(self) -> int:
        """All parameters, embeddings and the final norm included."""
        return self.layers * self.layer_parameters(self.experts) + (2 * self.vocabulary + 1) * self.hidden

    def llm(self, name: str) -> LLM:
        return LLM(
            layers=self.layers,
            kv_bytes=2 * self.kv_heads * self.head_size * self.number_bytes,
            weight_bytes=self.layer_parameters(self.active) * self.number_bytes,
            weight_resident=self.parameters * self.number_bytes,
            layer_flop=2 * self.layer_parameters(self.active),
            name=name,
            source=self.source,
            date=self.date,
        )


_LLAMA2 = ("arXiv 2307.09288 and the models' config.json", "2023-07")
_LLAMA3 = ("arXiv 2407.21783, table 3, and the models' config.json", "2024-07")
_QWEN25 = ("arXiv 2412.15115, table 1, and the models' config.json", "2024-12")
_MISTRAL = ("arXiv 2310.06825, table 1, and the model's config.json", "2023-10")
_MIXTRAL = ("arXiv 2401.04088, table 1, and the model's config.json", "2024-01")

SHAPES: dict[str, Shape] = {
    "llama-2-7b": Shape(32, 4096, 32, 32, 128, 11008, 32000, *_LLAMA2),
    "llama-2-13b": Shape(40, 5120, 40, 40, 128, 13824, 32000, *_LLAMA2),
    "llama-3.1-8b": Shape(32, 4096, 32, 8, 128, 14336, 128256, *_LLAMA3),
    "llama-3.1-70b": Shape(80, 8192, 64, 8, 128, 28672, 128256, *_LLAMA3),
    "llama-3.1-405b": Shape(126, 16384, 128, 8, 128, 53248, 128256, *_LLAMA3),
    "mistral-7b": Shape(32, 4096, 32, 8, 128, 14336, 32000, *_MISTRAL),
    "mixtral-8x7b": Shape(32, 4096, 32, 8, 128, 14336, 32000, *_MIXTRAL, experts=8, active=2),
    "qwen2.5-7b": Shape(28, 3584, 28, 4, 128, 18944, 152064, *_QWEN25, bias=True),
    "qwen2.5-32b": Shape(64, 5120, 40, 8, 128, 27648, 152064, *_QWEN25, bias=True),
    "qwen2.5-72b": Shape(80, 8192, 64, 8, 128, 29568, 152064, *_QWEN25, bias=True),
}

#: The paper's own stand-in for an 8B model: full attention (KV of all 32 heads), 8e9 parameters of two bytes, and per layer
#: 4 d^2 + 2 d d_ff / 8 parameters read (d = 4096, d_ff = 14000).
_PAPER = LLM(
    layers=32,
    kv_bytes=2 * 4096 * 2,
    weight_bytes=4 * 4096**2 * 2 + 2 * 4096 * 14000 * 2 // 8,
    weight_resident=16 * 10**9,
    layer_flop=2 * (4 * 4096**2 + 2 * 4096 * 14000 // 8),
    name="dense-8b-mha",
    source="arXiv 2508.13231, constants of its public simulator",
    date="2025-08",
)


def preset_names() -> tuple[str, ...]:
    return (*SHAPES, _PAPER.name)


def preset(name: str) -> LLM:
    """A model by name; InputError naming the nearest known one otherwise."""
    if name == _PAPER.name:
        return _PAPER
    if name not in SHAPES:
        raise InputError(f"found unknown model {shown(name)}", nearest(name, preset_names()))
    return SHAPES[name].llm(name)
