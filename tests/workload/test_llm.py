"""The table of models: parameter counts as published, and the bytes that follow from the architectures."""

from __future__ import annotations

import pytest

from placement_opt.base.errors import InputError
from placement_opt.base.units import parse_size
from placement_opt.workload.llm import PRECISIONS, SHAPES, Precision, preset, preset_names

#: What the models' weight files declare (safetensors metadata), or for LLaMA, DeepSeek, GLM (without the layers that predict
#: further tokens), Gemma 3 (without what sees) what is reported of their files, tensor by tensor.
PUBLISHED = {
    "llama-65b": 65_285_660_672,
    "llama-2-7b": 6_738_415_616,
    "llama-2-13b": 13_015_864_320,
    "llama-2-70b": 68_976_648_192,
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.1-405b": 405_853_388_800,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "llama-3.3-70b": 70_553_706_496,
    "mistral-7b": 7_241_732_096,
    "mixtral-8x7b": 46_702_792_704,
    "mixtral-8x22b": 140_630_071_296,
    "qwen2.5-7b": 7_615_616_512,
    "qwen2.5-32b": 32_763_876_352,
    "qwen2.5-72b": 72_706_203_648,
    "qwen3-8b": 8_190_735_360,
    "qwen3-14b": 14_768_307_200,
    "qwen3-32b": 32_762_123_264,
    "qwen3-30b-a3b": 30_532_122_624,
    "qwen3-235b-a22b": 235_093_634_560,
    "qwen3-next-80b-a3b": 79_674_391_296,
    "gpt-oss-20b": 20_914_757_184,
    "gpt-oss-120b": 116_829_156_672,
    "deepseek-v2": 235_741_434_880,
    "deepseek-v3": 671_026_419_200,
    "deepseek-r1": 671_026_419_200,
    "glm-4.5": 352_797_829_024,
    "glm-4.5-air": 106_852_251_264,
    "glm-4.6": 352_797_829_024,
    "gemma-2-2b": 2_614_341_888,
    "gemma-2-9b": 9_241_705_984,
    "gemma-2-27b": 27_227_128_320,
    "gemma-3-1b": 999_885_952,
    "gemma-3-4b": 3_880_099_328,
    "gemma-3-12b": 11_765_788_416,
    "gemma-3-27b": 27_009_002_240,
}
#: The OPT files declare none; the paper names them by billions, rounded: within 1.5 per cent.
ROUNDED = {"opt-6.7b": 6.7e9, "opt-13b": 13e9, "opt-30b": 30e9, "opt-66b": 66e9}
#: Parameters that a token passes, in billions as the papers say (embeddings included in some ways and not in others).
ACTIVE = {
    "mixtral-8x7b": 13,
    "qwen3-30b-a3b": 3.3,
    "qwen3-235b-a22b": 22,
    "gpt-oss-20b": 3.6,
    "gpt-oss-120b": 5.1,
    "deepseek-v2": 21,
    "deepseek-v3": 37,
    "glm-4.5": 32,
    "glm-4.5-air": 12,
}


def test_parameter_counts_are_the_published_ones() -> None:
    """Each architecture adds up to the last parameter, so none of its numbers is misread."""
    assert {name: shape.parameters for name, shape in SHAPES.items() if name not in ROUNDED} == PUBLISHED


@pytest.mark.parametrize(("name", "count"), list(ROUNDED.items()))
def test_parameter_counts_that_are_published_rounded(name: str, count: float) -> None:
    """OPT: two feed-forward matrices, biases, learned positions, tied embeddings."""
    assert SHAPES[name].parameters == pytest.approx(count, rel=0.015)


@pytest.mark.parametrize(("name", "billions"), list(ACTIVE.items()))
def test_active_parameters_are_about_the_published_ones(name: str, billions: float) -> None:
    """Of experts only those that a token passes, shared ones among them; up to the embeddings counted too."""
    shape = SHAPES[name]
    embeddings = 2 * shape.vocabulary * shape.hidden
    assert shape.active_parameters <= billions * 1.03e9
    assert shape.active_parameters + embeddings >= billions * 0.97e9


@pytest.mark.parametrize(
    ("name", "kib"),
    [
        ("opt-30b", 28),
        ("llama-2-7b", 16),
        ("llama-3.1-8b", 4),
        ("llama-3.1-70b", 4),
        ("mixtral-8x7b", 4),
        ("qwen2.5-7b", 2),
        ("gpt-oss-120b", 2),
        ("deepseek-v3", 1.125),
        ("qwen3-next-80b-a3b", 2),
        ("glm-4.5", 4),
        ("gemma-3-27b", 8),
    ],
)
def test_kv_bytes_of_one_token_and_layer(name: str, kib: float) -> None:
    """Keys and values of the KV heads, or one latent vector of 512 + 64 numbers; two bytes a number."""
    assert preset(name).kv_bytes == kib * 1024


def test_resident_weights_are_all_parameters_of_two_bytes() -> None:
    """What lies in memory is everything; what a layer reads is its own part, active experts only."""
    llama, mixtral = preset("llama-3.1-8b"), preset("mixtral-8x7b")
    assert llama.weight_resident == 2 * PUBLISHED["llama-3.1-8b"]
    attention, expert = 2 * 4096 * (4096 + 1024), 3 * 4096 * 14336
    assert llama.weight_bytes == 2 * (attention + expert + 2 * 4096)
    assert mixtral.weight_bytes == 2 * (attention + 2 * expert + 8 * 4096 + 2 * 4096)
    embeddings = (2 * 128256 + 1) * 4096 * 2
    assert llama.layers * llama.weight_bytes + embeddings == llama.weight_resident


def test_the_model_of_the_paper() -> None:
    """arXiv 2508.13231: 16 KiB of KV, 162.9 MB of weights read a layer, 16 GB resident."""
    model = preset("dense-8b-mha")
    assert (model.layers, model.kv_bytes, model.weight_resident) == (32, parse_size("16 KiB"), parse_size("16 GB"))
    assert model.weight_bytes == pytest.approx(162.9e6, rel=1e-4)


def test_every_preset_has_a_name_a_source_and_a_date() -> None:
    """No number without where it comes from."""
    for name in preset_names():
        model = preset(name)
        assert model.name == name
        assert "arXiv" in model.source
        assert len(model.date) == 7


def test_unknown_model_names_the_nearest() -> None:
    """A misspelt preset is refused with the one meant."""
    with pytest.raises(InputError, match=r"found unknown model 'llama-3\.1-8', did you mean 'llama-3\.1-8b'\?"):
        preset("llama-3.1-8")


def test_windows_of_the_layers() -> None:
    """gpt-oss: 128 tokens in every second layer; Gemma 2: 4,096; Gemma 3: 1,024 in five of six; elsewhere none."""
    assert preset("gpt-oss-20b").windows == (128, None) * 12
    assert preset("gemma-2-9b").windows == (4096, None) * 21
    gemma = preset("gemma-3-27b").windows
    assert gemma == ((*(1024,) * 5, None) * 11)[:62]
    assert (gemma.count(None), gemma.count(1024)) == (10, 52)
    assert preset("llama-3.1-8b").windows == ()


def test_layers_without_kv_count_to_those_with_it() -> None:
    """Qwen3-Next: every fourth of 48 layers attends; what the others read, and the mean of all, is read with it."""
    shape, model = SHAPES["qwen3-next-80b-a3b"], preset("qwen3-next-80b-a3b")
    assert (shape.layers, model.layers, model.kv_bytes) == (48, 12, 2 * 2 * 256 * 2)
    assert 0 <= 12 * model.weight_bytes - 2 * shape.active_parameters < 12
    experts = 11 * 3 * 2048 * 512 + 512 * 2048 + 2048
    attention = 2048 * (2 * 4096 + 2 * 512) + 4096 * 2048 + 2 * 256
    delta = 2048 * (2 * 2048 + 2 * 4096 + 2 * 32) + 4 * (2 * 2048 + 4096) + 2 * 32 + 128 + 4096 * 2048
    assert shape.active_parameters == 12 * attention + 36 * delta + 48 * (experts + 2 * 2048)
    half = preset("qwen3-next-80b-a3b", tensor_parallel=2)
    assert half.kv_bytes * 2 == model.kv_bytes
    assert 2 * half.weight_bytes > model.weight_bytes


def test_layers_that_differ_read_their_mean() -> None:
    """DeepSeek-V3: three dense layers, 58 with one shared expert and 8 of 256; the mean, rounded up to bytes."""
    shape, model = SHAPES["deepseek-v3"], preset("deepseek-v3")
    expert, wide = 3 * 7168 * 2048, 3 * 7168 * 18432
    queries = 7168 * 1536 + 1536 + 1536 * 128 * 192
    attention = queries + 7168 * 576 + 512 + 512 * 128 * 256 + 128 * 128 * 7168 + 2 * 7168
    layers = 61 * attention + 3 * wide + 58 * (9 * expert + 256 * (7168 + 1))
    assert shape.active_parameters == layers
    assert 0 <= 61 * model.weight_bytes - 2 * layers < 61


@pytest.mark.parametrize(
    ("name", "weights", "kv"),
    [("fp16", 16, 16), ("fp8", 8, 8), ("int8", 8, 8), ("w8a8", 8, 8), ("w8a16", 8, 16), ("w4a16", 4, 16)],
)
def test_precisions_say_bits_of_weights_and_of_kv(name: str, weights: int, kv: int) -> None:
    """KV is stored as activations are; bytes are the bits of two-byte numbers scaled, of models without a shape too."""
    assert PRECISIONS[name] == Precision(weights, kv)
    assert len(PRECISIONS) == 6
    for model in ("llama-3.1-8b", "dense-8b-mha"):
        full, one = preset(model), preset(model, PRECISIONS[name])
        assert one.weight_resident * 16 == full.weight_resident * weights
        assert one.weight_bytes * 16 == full.weight_bytes * weights
        assert one.kv_bytes * 16 == full.kv_bytes * kv
        assert one.layer_flop == full.layer_flop


def test_odd_bits_are_rounded_up() -> None:
    """Half a byte is a byte."""
    assert (Precision(4, 4).weight_bytes(3), Precision(4, 4).kv_bytes(1)) == (2, 1)


def test_one_of_several_devices() -> None:
    """Heads, widths and vocabulary are shared, norms are not; a KV head or a latent vector is never split."""
    whole, half = preset("llama-3.1-8b"), preset("llama-3.1-8b", tensor_parallel=2)
    norms = 2 * 2 * 4096
    assert 2 * (half.weight_bytes - norms) == whole.weight_bytes - norms
    assert 2 * (half.weight_resident - 32 * norms - 2 * 4096) == whole.weight_resident - 32 * norms - 2 * 4096
    assert [preset("llama-3.1-8b", tensor_parallel=n).kv_bytes for n in (1, 2, 4, 8, 16, 32)] == [
        4096,
        2048,
        1024,
        512,
        512,
        512,
    ]
    assert [preset("deepseek-v3", tensor_parallel=n).kv_bytes for n in (1, 8)] == [1152, 1152]
    kept = preset("llama-3.1-8b", tensor_parallel=16).weight_bytes
    attention, expert = 2 * 4096 * (2 * 128 + 1 * 128), 3 * 4096 * 896
    assert kept == 2 * (attention + expert) + norms


@pytest.mark.parametrize(
    ("name", "devices", "message"),
    [
        ("llama-3.1-8b", 3, "found 3 devices, expected a number that shares 32 heads and 8 KV heads evenly"),
        ("llama-2-13b", 16, "found 16 devices, expected a number that shares 40 heads and 40 KV heads evenly"),
        ("glm-4.5", 12, "found 12 devices, expected a number that shares 96 heads and 8 KV heads evenly"),
        ("deepseek-v3", 5, "found 5 devices, expected a number that shares 128 heads evenly"),
        (
            "dense-8b-mha",
            2,
            "found 2 devices for dense-8b-mha, of whose heads nothing is known, expected a model with an architecture",
        ),
    ],
)
def test_devices_that_do_not_share_the_heads_are_refused(name: str, devices: int, message: str) -> None:
    """Each device has as many heads as any other."""
    with pytest.raises(InputError) as caught:
        preset(name, tensor_parallel=devices)
    assert str(caught.value) == f"tensor_parallel: {message}"
