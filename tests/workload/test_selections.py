"""``selections``: rows of an indexer become steps; the prefill is there, later blocks are produced."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.workload.formats import READERS
from placement_opt.workload.formats.detect import read_any
from placement_opt.workload.transforms.keep import Keep


def row(length: int, chosen: Any, layer: int = 0, request: Any = "r") -> dict[str, Any]:
    return {"request_id": request, "layer_id": layer, "seq_len_current": length, "selected_token_pos": chosen}


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def test_by_hand(tmp_path: Path) -> None:
    """Tokens 0 to 2 are the prefill, token 3 is produced by the first row and read by the third."""
    path = written(tmp_path / "t", [row(4, [0, 3]), row(4, [1], layer=5), row(5, [3, 0, 4])])
    trace = read_any(path)
    assert [trace.reads(step).tolist() for step in range(3)] == [[0], [1], [0, 2]]
    assert trace.birth.tolist() == [-1, -1, 0, 1, 2]
    assert (trace.step_layer.tolist(), trace.block_layer.tolist()) == ([0, 5, 0], [0, 5, 0, 5, 0])  # type: ignore[union-attr]
    assert read_any(path, keep=Keep("last-use")).death.tolist() == [2, 1, 2, 2, 3]
    assert read_any(path, limit=1).num_steps == 1


@pytest.mark.parametrize("tokens", [1, 3])
def test_equals_the_obvious_loop(tmp_path: Path, tokens: int) -> None:
    """Against a dictionary of blocks, row by row, two requests and two layers at random."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        lengths = {(r, n): int(rng.integers(1, 8)) for r in "ab" for n in (0, 1)}
        rows = []
        for _ in range(12):
            request, layer = str(rng.choice(["a", "b"])), int(rng.integers(2))
            length = lengths[request, layer]
            lengths[request, layer] += int(rng.integers(0, 4))
            rows.append(row(length, rng.integers(0, length, rng.integers(0, 5)).tolist(), layer, request))
        trace = READERS["selections"](written(tmp_path / "t", rows), block_tokens=tokens)
        made: dict[Any, int] = {}
        first: dict[Any, int] = {}
        reads = []
        for step, one in enumerate(rows):
            stream = (one["request_id"], one["layer_id"])
            first.setdefault(stream, one["seq_len_current"] - 1)
            for block in range((one["seq_len_current"] - 1) // tokens + 1):
                made.setdefault((stream, block), -1 if block * tokens < first[stream] else step)
            chosen = {(stream, token // tokens) for token in one["selected_token_pos"]}
            reads.append(sorted(made[block] for block in chosen if made[block] < step))
        assert [sorted(trace.birth[trace.reads(step)].tolist()) for step in range(12)] == reads


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(4, [4])], ":1: selected_token_pos: found 4, expected positions from 0 to 3 (seq_len_current 4)"),
        ([row(4, [-1])], ":1: selected_token_pos: found -1, expected positions from 0 to 3 (seq_len_current 4)"),
        ([row(4, "3")], ":1: selected_token_pos: found '3', expected a list of token positions"),
        ([row(4, [1.5])], ":1: selected_token_pos: found [1.5], expected a list of token positions"),
        ([row(4, []), row(3, [])], ":2: seq_len_current: found 3, expected at least 4, as before in this request and layer"),
        ([row(4, [], layer=70000)], ":1: layer_id: found 70000, expected a layer below 65536"),
        ([row(4, [], request=[1])], ":1: request_id: found [1], expected a text or a whole number"),
        ([row(0, [])], ":1: seq_len_current: found 0, expected a whole number from 1 to 2147483647"),
    ],
)
def test_refused_with_its_line(tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    """Line, key, what was found and expected."""
    with pytest.raises(InputError) as caught:
        READERS["selections"](written(tmp_path / "t", rows))
    assert str(caught.value) == str(tmp_path / "t") + message
