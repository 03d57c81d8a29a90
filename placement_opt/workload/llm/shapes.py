"""The models that come with the package, each as its ``config.json`` and the paper about it say.

Text models only: of those that also see, the part that reads text. Layers that only predict further tokens (DeepSeek-V3,
GLM-4.5, Qwen3-Next) are left out, as decoding without speculation leaves them out.
"""

from __future__ import annotations

from placement_opt.workload.llm.shape import Latent, Recurrent, Shape

_CONFIG = "and the model's config.json"
_CONFIGS = "and the models' config.json"
_OPT = (f"arXiv 2205.01068, table 1, {_CONFIGS}", "2022-05")
_LLAMA = (f"arXiv 2302.13971, table 2, {_CONFIG}", "2023-02")
_LLAMA2 = (f"arXiv 2307.09288 {_CONFIGS}", "2023-07")
_LLAMA3 = (f"arXiv 2407.21783, table 3, {_CONFIGS}", "2024-07")
_LLAMA32 = (f"arXiv 2407.21783 (the family) {_CONFIGS}", "2024-09")
_LLAMA33 = (f"arXiv 2407.21783, table 3 (the family), {_CONFIG}", "2024-12")
_QWEN25 = (f"arXiv 2412.15115, table 1, {_CONFIGS}", "2024-12")
_QWEN3 = (f"arXiv 2505.09388, tables 1 and 2, {_CONFIGS}", "2025-05")
_QWEN3_NEXT = (f"arXiv 2412.06464 (gated delta networks) {_CONFIG}", "2025-09")
_MISTRAL = (f"arXiv 2310.06825, table 1, {_CONFIG}", "2023-10")
_MIXTRAL = (f"arXiv 2401.04088, table 1, {_CONFIG}", "2024-01")
_MIXTRAL22 = (f"arXiv 2401.04088 (the architecture) {_CONFIG}", "2024-04")
_GPT_OSS = (f"arXiv 2508.10925, table 1, {_CONFIGS}", "2025-08")
_DEEPSEEK2 = (f"arXiv 2405.04434, section 3.1.2, {_CONFIG}", "2024-05")
_DEEPSEEK3 = (f"arXiv 2412.19437, section 4.2, {_CONFIG}", "2024-12")
_DEEPSEEK_R1 = (f"arXiv 2501.12948 (built on DeepSeek-V3) {_CONFIG}", "2025-01")
_GLM45 = (f"arXiv 2508.06471, table 1, {_CONFIGS}", "2025-08")
_GLM46 = (f"arXiv 2508.06471 (GLM-4.5, the same architecture) {_CONFIG}", "2025-09")
_GEMMA2 = (f"arXiv 2408.00118, table 1, {_CONFIGS}", "2024-08")
_GEMMA3 = (f"arXiv 2503.19786 {_CONFIGS}, text model", "2025-03")


def _opt(layers: int, hidden: int, heads: int) -> Shape:
    """Two matrices in the feed-forward, biases everywhere, norms with shifts, learned positions (2,048 and two unused)."""
    return Shape(
        layers, hidden, heads, heads, hidden // heads, 4 * hidden, 50272, *_OPT,
        ffn_matrices=2, bias="all", norm_vectors=2, positions=2050, tied=True,
    )  # fmt: skip


def _qwen3(layers: int, hidden: int, heads: int, kv_heads: int, ffn: int, experts: int = 1, active: int = 1) -> Shape:
    return Shape(layers, hidden, heads, kv_heads, 128, ffn, 151936, *_QWEN3, experts=experts, active=active, head_norm=True)


def _gpt_oss(layers: int, experts: int) -> Shape:
    """Every second layer, from the first, attends to the latest 128 tokens only."""
    return Shape(
        layers, 2880, 64, 8, 64, 2880, 201088, *_GPT_OSS,
        experts=experts, active=4, bias="all", sinks=True, window=128, global_every=2,
    )  # fmt: skip


def _deepseek3(source: str, date: str) -> Shape:
    return Shape(
        61, 7168, 128, 128, 128, 18432, 129280, source, date,
        experts=256, active=8, expert_ffn=2048, shared=1, dense_layers=3, corrected=True,
        latent=Latent(rank=512, rope=64, nope=128, value=128, queries=1536),
    )  # fmt: skip


def _glm(
    layers: int, hidden: int, ffn: int, experts: int, expert_ffn: int, dense: int, source: tuple[str, str], *, norm: bool
) -> Shape:
    return Shape(
        layers, hidden, 96, 8, 128, ffn, 151552, *source,
        experts=experts, active=8, expert_ffn=expert_ffn, shared=1, dense_layers=dense,
        bias="qkv", head_norm=norm, corrected=True,
    )  # fmt: skip


def _gemma2(layers: int, hidden: int, heads: int, kv_heads: int, head_size: int, ffn: int) -> Shape:
    """Every second layer, from the first, attends to the latest 4,096 tokens only; a norm before and after each half."""
    return Shape(
        layers, hidden, heads, kv_heads, head_size, ffn, 256000, *_GEMMA2, norms=4, tied=True, window=4096, global_every=2
    )


def _gemma3(layers: int, hidden: int, heads: int, kv_heads: int, head_size: int, ffn: int, window: int = 1024) -> Shape:
    """Five layers with a window, then one without. Of 262,208 rows of some models' embeddings 64 stand for pictures."""
    return Shape(
        layers, hidden, heads, kv_heads, head_size, ffn, 262144, *_GEMMA3,
        norms=4, head_norm=True, tied=True, window=window, global_every=6,
    )  # fmt: skip


SHAPES: dict[str, Shape] = {
    "opt-6.7b": _opt(32, 4096, 32),
    "opt-13b": _opt(40, 5120, 40),
    "opt-30b": _opt(48, 7168, 56),
    "opt-66b": _opt(64, 9216, 72),
    "llama-65b": Shape(80, 8192, 64, 64, 128, 22016, 32000, *_LLAMA),
    "llama-2-7b": Shape(32, 4096, 32, 32, 128, 11008, 32000, *_LLAMA2),
    "llama-2-13b": Shape(40, 5120, 40, 40, 128, 13824, 32000, *_LLAMA2),
    "llama-2-70b": Shape(80, 8192, 64, 8, 128, 28672, 32000, *_LLAMA2),
    "llama-3.1-8b": Shape(32, 4096, 32, 8, 128, 14336, 128256, *_LLAMA3),
    "llama-3.1-70b": Shape(80, 8192, 64, 8, 128, 28672, 128256, *_LLAMA3),
    "llama-3.1-405b": Shape(126, 16384, 128, 8, 128, 53248, 128256, *_LLAMA3),
    "llama-3.2-1b": Shape(16, 2048, 32, 8, 64, 8192, 128256, *_LLAMA32, tied=True),
    "llama-3.2-3b": Shape(28, 3072, 24, 8, 128, 8192, 128256, *_LLAMA32, tied=True),
    "llama-3.3-70b": Shape(80, 8192, 64, 8, 128, 28672, 128256, *_LLAMA33),
    "mistral-7b": Shape(32, 4096, 32, 8, 128, 14336, 32000, *_MISTRAL),
    "mixtral-8x7b": Shape(32, 4096, 32, 8, 128, 14336, 32000, *_MIXTRAL, experts=8, active=2),
    "mixtral-8x22b": Shape(56, 6144, 48, 8, 128, 16384, 32768, *_MIXTRAL22, experts=8, active=2),
    "qwen2.5-7b": Shape(28, 3584, 28, 4, 128, 18944, 152064, *_QWEN25, bias="qkv"),
    "qwen2.5-32b": Shape(64, 5120, 40, 8, 128, 27648, 152064, *_QWEN25, bias="qkv"),
    "qwen2.5-72b": Shape(80, 8192, 64, 8, 128, 29568, 152064, *_QWEN25, bias="qkv"),
    "qwen3-8b": _qwen3(36, 4096, 32, 8, 12288),
    "qwen3-14b": _qwen3(40, 5120, 40, 8, 17408),
    "qwen3-32b": _qwen3(64, 5120, 64, 8, 25600),
    "qwen3-30b-a3b": _qwen3(48, 2048, 32, 4, 768, experts=128, active=8),
    "qwen3-235b-a22b": _qwen3(94, 4096, 64, 4, 1536, experts=128, active=8),
    "qwen3-next-80b-a3b": Shape(
        48, 2048, 16, 2, 256, 5120, 151936, *_QWEN3_NEXT,
        experts=512, active=10, expert_ffn=512, shared=1, shared_gate=True, head_norm=True, gated=True,
        recurrent=Recurrent(key_heads=16, value_heads=32, key_size=128, value_size=128, convolution=4), kv_every=4,
    ),
    "gpt-oss-20b": _gpt_oss(24, 32),
    "gpt-oss-120b": _gpt_oss(36, 128),
    "deepseek-v2": Shape(
        60, 5120, 128, 128, 128, 12288, 102400, *_DEEPSEEK2,
        experts=160, active=6, expert_ffn=1536, shared=2, dense_layers=1,
        latent=Latent(rank=512, rope=64, nope=128, value=128, queries=1536),
    ),
    "deepseek-v3": _deepseek3(*_DEEPSEEK3),
    "deepseek-r1": _deepseek3(*_DEEPSEEK_R1),
    "glm-4.5": _glm(92, 5120, 12288, 160, 1536, 3, _GLM45, norm=True),
    "glm-4.5-air": _glm(46, 4096, 10944, 128, 1408, 1, _GLM45, norm=False),
    "glm-4.6": _glm(92, 5120, 12288, 160, 1536, 3, _GLM46, norm=True),
    "gemma-2-2b": _gemma2(26, 2304, 8, 4, 256, 9216),
    "gemma-2-9b": _gemma2(42, 3584, 16, 8, 256, 14336),
    "gemma-2-27b": _gemma2(46, 4608, 32, 16, 128, 36864),
    "gemma-3-1b": _gemma3(26, 1152, 4, 1, 256, 6912, window=512),
    "gemma-3-4b": _gemma3(34, 2560, 8, 4, 256, 10240),
    "gemma-3-12b": _gemma3(48, 3840, 16, 8, 256, 15360),
    "gemma-3-27b": _gemma3(62, 5376, 32, 16, 128, 21504),
}  # fmt: skip
