"""The room of each layer: what the whole has room for, its layers have room for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.instance.load import load_instance
from placement_opt.instance.outline import read_outline
from placement_opt.instance.rooms import Owned, rooms_of
from placement_opt.instance.turns import in_layers
from tests.stacking import stored, written

#: Weights of 9 kB a layer in two tiles.
PLACED: dict[str, object] = {"llm.weights": "placed", "llm.tiles": 2, "llm.weight_bytes": "9 kB"}


@pytest.mark.parametrize(
    ("counts", "overrides"),
    [
        # home holds all and no byte more, most of which are weights of layers with few blocks or none
        ([1, 30, 0], {**PLACED, "memory.slow.capacity": "58 kB"}),
        ([1, 30, 0], {**PLACED, "memory.slow.capacity": "58 kB", "rules.initial": "home"}),
        # three places in each of two tiers for three blocks in each of two layers
        ([3, 3], _tiers := {"memory.fast.capacity": "3 kB", "memory.middle.capacity": "3 kB", "memory.slow.capacity": "0 B"}),
        ([3, 3], {**_tiers, "rules.residency": "exclusive"}),
        ([5, 1, 1], {"memory.fast.capacity": "4 kB", "memory.slow.capacity": "3 kB", "memory.middle.capacity": "0 B"}),
        # KV where a tile of the weights has no room in any layer's share
        ([4, 4, 4], {**PLACED, "rules.initial": {"kv": "fast", "weights": "slow"}, "memory.fast.capacity": "12 kB"}),
        ([4, 8, 4], {**PLACED, "rules.residency": "cache", "recompute.rate": "1 MB/s", "memory.fast.capacity": "9 kB"}),
    ],
)
def test_what_fits_as_a_whole_fits_layer_by_layer(tmp_path: Path, counts: list[int], overrides: dict[str, object]) -> None:
    path = stored(tmp_path, counts)
    home = any(str(value) in ("home", "58 kB") for value in overrides.values())
    overrides = {"rules.residency": "inclusive" if home else "free", **overrides}
    whole, question = load_instance(path, overrides), in_layers(read_outline(path, overrides))
    assert (question.rooms.sum(axis=0) == whole.capacity).all()
    layers = [question.layer(layer) for layer in range(question.layers)]
    assert sum(layer.num_blocks for layer in layers) == whole.num_blocks


def test_pages_that_are_never_full_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    with pytest.raises(InputError, match=r"page_tokens.*: found pages of 99 tokens, none of which is ever full"):
        in_layers(read_outline(path, {"rules.page_tokens": 99}))


@pytest.mark.parametrize("seed", range(60))
def test_shares_add_up_and_hold_what_is_there(seed: int) -> None:
    """Random layers, some with a start: blocks that were dealt into the tiers find room again, of one size in any case."""
    rng = np.random.default_rng(seed)
    tiers, count, one = int(rng.integers(1, 5)), int(rng.integers(1, 5)), seed % 2 == 0
    sizes = np.array([3]) if one else np.array([12, 6, 3])
    blocks = rng.integers(0, 6, (count, len(sizes)))
    blocks[0, -1] += 1
    place = rng.integers(0, tiers, (count, len(sizes), 5 + 1))
    capacity, held, later = np.zeros(tiers, dtype=np.int64), np.zeros((count, tiers), dtype=np.int64), blocks.copy()
    for layer, at in np.ndindex(blocks.shape):
        for number in range(blocks[layer, at]):
            tier = place[layer, at, number]
            capacity[tier] += sizes[at]
            if seed % 3 == 0 and number == 0:
                held[layer, tier] += sizes[at]
                later[layer, at] -= 1
    rooms = rooms_of(Owned(sizes, blocks, later, held), capacity, packed=True)
    assert (rooms.sum(axis=0) == capacity).all()
    assert (rooms >= held).all()
    if one or tiers == 1:
        assert ((rooms // 3).sum(axis=1) * 3 >= blocks @ sizes).all()


def test_a_layer_without_blocks_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"trace.file: found no blocks in layer 1, expected some in each layer of a question"):
        in_layers(read_outline(stored(tmp_path, [2, 0])))
