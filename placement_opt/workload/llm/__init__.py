"""What a placement problem needs to know of a language model: bytes of KV per token and layer, and bytes of weights.

The presets are computed from the published architectures; the parameter counts that follow from them equal, to the last
parameter, those that the models' files declare, where these declare any (the tests hold the list).
"""

from __future__ import annotations

from placement_opt.base.errors import InputError, shown
from placement_opt.base.toml import nearest
from placement_opt.workload.llm.precision import PRECISIONS, PUBLISHED, Precision
from placement_opt.workload.llm.shape import LLM, Latent, Shape, scaled
from placement_opt.workload.llm.shapes import SHAPES

__all__ = ["LLM", "PRECISIONS", "SHAPES", "Latent", "Precision", "Shape", "preset", "preset_names"]

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


def preset(name: str, precision: Precision = PUBLISHED, tensor_parallel: int = 1) -> LLM:
    """A model by name, in a precision; what one of ``tensor_parallel`` devices has of it.

    Raises
    ------
    InputError
        There is none of that name (names the nearest); it cannot be shared by so many devices.
    """
    if name == _PAPER.name:
        if tensor_parallel > 1:
            found = f"found {tensor_parallel} devices for {name}, of whose heads nothing is known"
            raise InputError(found, "expected a model with an architecture", field="tensor_parallel")
        return scaled(_PAPER, precision)
    if name not in SHAPES:
        raise InputError(f"found unknown model {shown(name)}", nearest(name, preset_names()), field="preset")
    return SHAPES[name].llm(name, precision, tensor_parallel)
