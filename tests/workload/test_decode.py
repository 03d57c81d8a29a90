"""The decode generator: bytes of weights and KV as the architectures have them, steps cut as they are said to be."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from placement_opt.base.errors import InputError, LimitError
from placement_opt.instance import trace_source
from placement_opt.instance.totals import totals_of
from placement_opt.instance.trace_source import Generated
from placement_opt.memory.operations import BLOCK_KINDS
from placement_opt.report.trace_info import info_text
from placement_opt.workload.llm import SHAPES
from placement_opt.workload.stats import describe_trace
from placement_opt.workload.synth import synthesize
from placement_opt.workload.synth.decode_amounts import amounts
from placement_opt.workload.synth.decode_params import Params
from placement_opt.workload.trace import Trace

#: Two layers of two KV heads, four query heads of 4 numbers: a head group's KV is 16 bytes a token.
SMALL = {
    "model": "llama-2-7b", "layers": 2, "hidden": 16, "heads": 4, "kv_heads": 2, "head_size": 4, "ffn": 32, "vocabulary": 10,
    "context": 6, "block_tokens": 4, "tiles": 1,
}  # fmt: skip
WEIGHTS = BLOCK_KINDS.index("weights")


def make(seed: int = 0, **parameters: Any) -> Trace:
    return synthesize("decode", {**SMALL, **parameters}, seed)


def sizes(trace: Trace) -> list[list[int]]:
    return [trace.sizes[trace.reads(step)].tolist() for step in range(trace.num_steps)]


# Queries of 16 x 16, keys and values of 16 x 8 each: 512 parameters; the output 256, the feed-forward 3 x 16 x 32, two norms.
QKV, REST, HEAD = 2 * 512, 2 * (256 + 1536 + 32), 2 * (10 * 16 + 16)
# Four and two tokens of 16 bytes, for each of two head groups.
KV = [64, 64, 32, 32]


def test_a_step_of_a_layer_reads_all_that_the_layer_has() -> None:
    """Weights in one block, KV of both runs of both head groups, and then the words."""
    trace = make(steps="layer")
    assert sizes(trace) == [[QKV + REST, *KV], [QKV + REST, *KV], [HEAD]]
    assert trace.step_layer is not None
    assert trace.step_token is not None
    assert (trace.step_layer.tolist(), trace.step_token.tolist()) == ([0, 1, 1], [6, 6, 6])


def test_sequential_steps_are_three_a_layer() -> None:
    """What makes queries, keys and values; the KV; everything after it."""
    assert sizes(make(steps="sequential")) == [[QKV], KV, [REST]] * 2 + [[HEAD]]


def test_head_groups_are_a_pipeline() -> None:
    """While the KV of a head group is read, the next one's queries, keys and values are made."""
    half = QKV // 2
    layer = [[half], [half, 64, 32], [64, 32], [REST]]
    assert sizes(make(steps="head-groups")) == layer * 2 + [[HEAD]]


def test_tiles_cut_what_is_read_together() -> None:
    """Every group of weights, into blocks whose sizes add up to it and differ by a byte at most."""
    trace = make(steps="head-groups", tiles=3)
    assert trace.sizes[trace.reads(0)].tolist() == [170, 171, 171]
    whole, cut = (describe_trace(each).kinds for each in (make(steps="head-groups"), trace))
    assert whole is not None
    assert cut is not None
    assert (cut["weights"].size, cut["weights"].blocks) == (whole["weights"].size, 3 * whole["weights"].blocks)


@pytest.mark.parametrize("name", SHAPES)
def test_weights_are_those_of_the_model(name: str) -> None:
    """To the byte: all parameters but the rows of input embeddings; and the counts promised are never less."""
    shape, parameters = SHAPES[name], {"model": name, "context": 200, "steps": "head-groups", "experts_read": "all"}
    trace = synthesize("decode", parameters, 0)
    unread = shape.positions * shape.hidden + (0 if shape.tied else shape.vocabulary * shape.hidden)
    assert int(trace.sizes[trace.block_kind == WEIGHTS].sum()) == 2 * (shape.parameters - unread)
    steps, blocks, reads = amounts(Params(**parameters))
    assert (steps, blocks >= trace.num_blocks, reads >= trace.num_reads) == (trace.num_steps, True, True)


@pytest.mark.parametrize("name", ["llama-3.1-70b", "deepseek-v3", "gpt-oss-20b", "qwen3-next-80b-a3b"])
def test_kv_is_that_of_the_model(name: str) -> None:
    """All layers' bytes of a token, times the context; a layer with a window keeps one less than it attends to."""
    shape, context = SHAPES[name], 500
    trace = synthesize("decode", {"model": name, "context": context, "weights": "none"}, 0)
    held = [context if window is None else window - 1 for window in shape.windows or [None] * shape.kv_layers]
    initial = trace.birth < 0
    assert int(trace.sizes[initial].sum()) == 2 * shape.kv_numbers * sum(held)
    assert trace.num_steps == shape.kv_layers
    assert trace.block_kind is None


def test_layers_without_kv_are_one_step() -> None:
    """Of four layers of Qwen3-Next the last alone attends: with two KV heads, three sub-steps and one with the rest."""
    hybrid = {"model": "qwen3-next-80b-a3b", "layers": 4, "context": 20, "steps": "head-groups"}
    trace = synthesize("decode", hybrid, 0)
    assert trace.step_layer is not None
    assert trace.step_layer.tolist() == [0, 1, 2, 3, 3, 3, 3, 3]
    assert synthesize("decode", hybrid | {"steps": "layer", "weights": "none"}, 0).num_steps == 1


@pytest.mark.parametrize("steps", ["layer", "sequential", "head-groups"])
def test_decoded_tokens_wait_until_a_page_is_full(steps: str) -> None:
    """Eight planes for two head groups, pages of 8 B, two for keys and two for values of each: two tokens of 8 B."""
    trace = make(steps=steps, tokens=5, page="8 B", planes=8)
    born = np.flatnonzero(trace.birth >= 0)
    assert trace.sizes[born].tolist() == [32] * 8
    assert trace.step_token is not None
    assert trace.block_layer is not None
    assert trace.step_layer is not None
    assert trace.step_token[trace.birth[born]].tolist() == [7] * 4 + [9] * 4
    assert (trace.step_layer[trace.birth[born]] == trace.block_layer[born]).all()
    reads = Counter(trace.blocks.tolist())
    assert [reads[block] for block in born.tolist()] == [3] * 4 + [1] * 4
    assert (np.diff(trace.birth) >= 0).all()


def test_a_window_frees_what_lies_before_it() -> None:
    """Of gpt-oss every second layer reads 127 tokens before the one decoded, in blocks of 16, and keeps no others."""
    parameters = {"model": "gpt-oss-20b", "layers": 2, "context": 256, "tokens": 40, "block_tokens": 16, "weights": "none"}
    trace = synthesize("decode", parameters, 0)
    runs = [(start, min(start + 16, 256)) for start in range(129, 256, 16)] + [(256, 272), (272, 288)]
    assert trace.block_layer is not None
    for token in range(40):
        windowed, full = (int(trace.sizes[trace.reads(2 * token + layer)].sum()) // (8 * 2 * 64 * 2) for layer in (0, 1))
        assert full == 256 + token // 16 * 16
        # The token decoded, 256 + token, attends to itself and 127 before it.
        assert windowed == sum(end - start for start, end in runs if 256 + token - 127 < end <= 256 + token)
    assert set(trace.death[trace.block_layer == 1].tolist()) == {80}
    assert (trace.death[trace.block_layer == 0] < 80).sum() == 8 * 2


def test_active_experts_are_drawn_and_all_are_read_otherwise() -> None:
    """A step of Mixtral reads two of eight experts for a sequence, the union for several, the same for an equal seed."""
    few = {"model": "mixtral-8x7b", "layers": 3, "context": 8, "tokens": 4}
    counts = []
    for parameters in ({}, {"batch": 3}, {"experts_read": "all"}):
        trace = synthesize("decode", {**few, **parameters}, 5)
        kind = trace.block_kind
        assert kind is not None
        counts.append([int((kind[trace.reads(step)] == WEIGHTS).sum()) - 1 for step in range(16) if step % 4 < 3])
    assert counts[0] == [2] * 12
    assert set(counts[1]) <= {2, 3, 4, 5, 6}
    assert max(counts[1]) > 2
    assert counts[2] == [8] * 12
    first, again, other = (synthesize("decode", few, seed) for seed in (5, 5, 6))
    assert first.blocks.tolist() == again.blocks.tolist() != other.blocks.tolist()


def test_batch_precision_and_devices_change_bytes() -> None:
    """Three sequences have three times the KV, int8 half of both; each of two devices half the heads."""
    kinds = [
        describe_trace(make(**each)).kinds
        for each in ({}, {"batch": 3}, {"precision": "int8"}, {"kv_bits": 4}, {"tensor_parallel": 2})
    ]
    kv, weights = ([each[name].read_size_per_token for each in kinds if each] for name in ("kv", "weights"))
    assert kv == [384, 3 * 384, 192, 96, 192]
    whole = 2 * (QKV + REST) + HEAD
    # Norms, two of each layer and the last, are whole on each device.
    assert weights == [whole, whole, whole / 2, whole, whole / 2 + 5 * 16]


def test_information_names_kinds_and_assumptions() -> None:
    """What a trace is made of stands in its description."""
    trace = make(batch=2, experts=2, active=1)
    text = info_text(describe_trace(trace), trace)
    assert "of kv " in text
    assert "read a token" in text
    for words in ("attention is dense", "all sequences of the batch", "drawn evenly", "input embeddings are not read"):
        assert words in text


def test_the_gate_knows_how_much_there_is_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exactly, where there is little; else no less than there is, of which the probe has a token."""
    parameters = SMALL | {"tokens": 3, "steps": "head-groups"}
    source = Generated(None, "decode", parameters, 0)
    trace = source.make()
    assert source.totals == totals_of(trace)
    assert source.totals.token_steps == trace.num_steps // 3
    monkeypatch.setattr(trace_source, "MADE", 0)
    large = Generated(None, "decode", parameters, 0)
    totals = large.totals
    assert not totals.firm
    assert (totals.steps, totals.token_steps, totals.layers) == (trace.num_steps, trace.num_steps // 3, 2)
    assert totals.blocks >= trace.num_blocks
    assert totals.reads >= trace.num_reads
    assert totals.peak >= source.totals.peak
    assert large.make().blocks.tolist() == trace.blocks.tolist()
    assert large.probe.num_steps == trace.num_steps // 3


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"weights": "none", "steps": "sequential"}, "steps: found 'sequential' beside weights = 'none', expected 'layer'"),
        ({"model": "deepseek-v3", "kv_heads": 4}, "kv_heads: found 4 beside deepseek-v3, whose heads share one latent vector"),
        ({"experts": 2, "active": 3}, "active: found 3 active of 2 experts, expected at most all of them"),
        ({"kv_heads": 3}, "kv_heads: found 3 KV heads for 4 heads, expected a number that divides them"),
        ({"model": "qwen3-next-80b-a3b", "layers": 3}, "layers: found 3, of which none keeps KV, expected at least 4"),
        ({"tensor_parallel": 3}, "tensor_parallel: found 3 devices, expected a number that shares 4 heads and 2 KV heads"),
        ({"context": 2**30, "batch": 2**20}, "context: found 1073741824 tokens, KV blocks of up to"),
        ({"page": 4096}, 'page: found 4096 without a unit, expected a size with its unit such as "80 GiB" or "80 GB"'),
    ],
)
def test_settings_that_contradict_each_other_are_refused(parameters: dict[str, Any], message: str) -> None:
    """Each with the parameter that does."""
    with pytest.raises(InputError) as caught:
        Params(**({} if "model" in parameters else SMALL | {"block_tokens": None}) | parameters)
    assert str(caught.value).startswith(message)


def test_more_reads_than_rows_hold_are_refused() -> None:
    """Before anything is made."""
    with pytest.raises(LimitError, match="reads, expected at most"):
        synthesize("decode", {"tokens": 2**24, "context": 2**20, "block_tokens": 1}, 0)


@pytest.mark.parametrize("key", ["planes", "dies"])
def test_planes_without_pages_are_refused(key: str) -> None:
    """They say how many pages fill at once, so that there must be pages."""
    with pytest.raises(InputError, match=rf"{key}: found 2 {key} without a page, expected page beside it"):
        make(**{key: 2})
