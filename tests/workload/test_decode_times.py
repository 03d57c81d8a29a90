"""Decoding, timed by the simulator, is the sums that arXiv 2512.03608 describes; labels of its figure 12 beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from placement_opt.instance.load import load_instance
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import REGISTRY
from placement_opt.workload.llm import SHAPES

#: One die: 32 planes, each a page of 4,096 B in 4 us.
DIE = 32.768e9
SLOW = """schema = 1
name = "flash"
processor = "npu"
[tiers.g1]
capacity = "1 TB"
rate = "{g1} B/s"
at = "flash"
page = "{page}"
compute.result = "1/64"
[tiers.g2]
capacity = "1 TB"
rate = "{g2} B/s"
at = "flash"
page = "{page}"
compute.result = "1/64"
[links.bus]
from = "flash"
to = "npu"
rate = "100 TB/s"
"""


def seconds(folder: Path, g1: float, g2: float, start: str, page: str = "1 B", **decode: Any) -> float:
    """A token of LLaMA2-7B, weights and KV where ``start`` says, tiers of so many bytes a second."""
    (folder / "m.toml").write_text(SLOW.format(g1=int(g1), g2=int(g2), page=page))
    decode = {"model": "llama-2-7b", "page": "4 KiB", "planes": 32, "dies": 16} | decode
    keys = "".join(f"{key} = {value!r}\n" for key, value in decode.items())
    (folder / "i.toml").write_text(
        f'schema = 1\nname = "i"\nmemory = {{ file = "m.toml" }}\n[rules]\nresidency = "free"\n'
        f'initial = {{ {start} }}\n[trace]\nsynth = "decode"\nseed = 0\n{keys}'
    )
    return simulate(load_instance(folder / "i.toml"), REGISTRY["static"]()).latency_s


def bytes_of(context: int) -> tuple[int, int, int, int]:
    """Queries, keys and values of a layer; its other weights; the words; its KV."""
    shape = SHAPES["llama-2-7b"]
    parts = shape.parts(0)
    return 2 * parts.qkv, 2 * parts.rest, 2 * shape.head_parameters(), 2 * shape.kv_numbers * context


@pytest.mark.parametrize(("context", "g2", "label"), [(1024, 2, 33.21), (10240, 7, 17.31), (102400, 11, 4.69)])
def test_head_groups_take_the_longer_and_a_share_of_the_shorter(tmp_path: Path, context: int, g2: int, label: float) -> None:
    """max(q, v) + min(q, v) / k and the rest, in every layer; within 2.2 % of what the paper shows."""
    qkv, rest, words, kv = bytes_of(context)
    q, v = qkv / ((16 - g2) * DIE), kv / (g2 * DIE)
    expected = 32 * (max(q, v) + min(q, v) / 32 + rest / ((16 - g2) * DIE)) + words / ((16 - g2) * DIE)
    start = 'weights = "g1", kv = "g2"'
    found = seconds(tmp_path, (16 - g2) * DIE, g2 * DIE, start, steps="head-groups", context=context)
    assert found == pytest.approx(expected, rel=1e-9)
    assert 1 / found == pytest.approx(label, rel=0.022)


@pytest.mark.parametrize(("context", "label"), [(1024, 16.95), (10240, 7.43)])
def test_sequential_steps_add_up(tmp_path: Path, context: int, label: float) -> None:
    """Weights from eight dies, then KV from DRAM of 64 GB/s."""
    qkv, rest, words, kv = bytes_of(context)
    expected = (32 * (qkv + rest) + words) / (8 * DIE) + 32 * kv / 64e9
    found = seconds(tmp_path, 8 * DIE, 64e9, 'weights = "g1", kv = "g2"', steps="sequential", context=context)
    assert found == pytest.approx(expected, rel=1e-9)
    assert 1 / found == pytest.approx(label, rel=0.025)


@pytest.mark.parametrize(("context", "label"), [(1024, 29.69), (10240, 9.16)])
def test_a_shared_buffer_makes_reads_of_kv_mostly_air(tmp_path: Path, context: int, label: float) -> None:
    """Sixteen dies hold both; pages of KV are an eighth full (32 layers)."""
    qkv, rest, words, kv = bytes_of(context)
    expected = (32 * (qkv + rest) + words + 8 * 32 * kv) / (16 * DIE)
    mapping = {"layout": "head-grouped", "buffer": "8 KiB", "steps": "sequential", "context": context}
    found = seconds(tmp_path, 16 * DIE, DIE, 'weights = "g1", kv = "g1"', page="4 KiB", **mapping)
    assert found == pytest.approx(expected, rel=1e-9)
    assert 1 / found == pytest.approx(label, rel=0.03)


def test_a_step_of_a_layer_overlaps_all(tmp_path: Path) -> None:
    """The slower of the two tiers alone counts."""
    qkv, rest, words, kv = bytes_of(1024)
    expected = 32 * max((qkv + rest) / (8 * DIE), kv / DIE) + words / (8 * DIE)
    found = seconds(tmp_path, 8 * DIE, DIE, 'weights = "g1", kv = "g2"', steps="layer", context=1024)
    assert found == pytest.approx(expected, rel=1e-9)
