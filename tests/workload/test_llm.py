"""The table of models: parameter counts as published, and the bytes that follow from the architectures."""

from __future__ import annotations

import pytest

from placement_opt.base.errors import InputError
from placement_opt.base.units import parse_size
from placement_opt.workload.llm import SHAPES, preset, preset_names

#: What the models' weight files declare (safetensors metadata).
PUBLISHED = {
    "llama-2-7b": 6_738_415_616,
    "llama-2-13b": 13_015_864_320,
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.1-405b": 405_853_388_800,
    "mistral-7b": 7_241_732_096,
    "mixtral-8x7b": 46_702_792_704,
    "qwen2.5-7b": 7_615_616_512,
    "qwen2.5-32b": 32_763_876_352,
    "qwen2.5-72b": 72_706_203_648,
}


def test_parameter_counts_are_the_published_ones() -> None:
    """Each architecture adds up to the last parameter, so none of its numbers is misread."""
    assert {name: shape.parameters for name, shape in SHAPES.items()} == PUBLISHED


@pytest.mark.parametrize(
    ("name", "kib"),
    [("llama-2-7b", 16), ("llama-3.1-8b", 4), ("llama-3.1-70b", 4), ("mixtral-8x7b", 4), ("qwen2.5-7b", 2)],
)
def test_kv_bytes_of_one_token_and_layer(name: str, kib: int) -> None:
    """Keys and values of the KV heads, 128 numbers of two bytes each."""
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
