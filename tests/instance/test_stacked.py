"""Questions whose layers are in rows: the layers are those of the whole."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.base.room import NoRoom
from placement_opt.instance.load import in_layers, load
from placement_opt.instance.outline import read_outline
from placement_opt.instance.stacked import Stacked
from placement_opt.instance.thinned import thinned
from tests.stacking import MEMORY, TEXT, both, written


@pytest.mark.parametrize("page_tokens", [1, 4])
@pytest.mark.parametrize("initial", ["free", "home"])
def test_layers_are_those_of_the_whole(tmp_path: Path, page_tokens: int, initial: str) -> None:
    whole, question = both(tmp_path, page_tokens=page_tokens, initial=initial)
    assert (question.layers, question.turns, question.num_steps) == (3, 12, whole.num_steps)
    owner = whole.trace.block_layer
    assert owner is not None
    room = np.zeros(3, dtype=np.int64)
    for layer in range(question.layers):
        alone, ids = question.layer(layer), np.flatnonzero(owner == layer)
        room += alone.capacity
        for turn in range(question.turns):
            step = turn * question.layers + layer
            assert (ids[alone.trace.reads(turn)] == whole.trace.reads(step)).all()
        assert (alone.fixed == whole.fixed[layer :: question.layers]).all()
        assert (alone.size == whole.size[ids]).all()
        assert (alone.trace.birth == np.where(whole.trace.birth[ids] < 0, -1, whole.trace.birth[ids] // 3)).all()
        if whole.trace.shares is not None:
            mine = owner[whole.trace.blocks] == layer
            assert alone.trace.shares is not None
            assert (np.sort(alone.trace.shares) == np.sort(whole.trace.shares[mine])).all()
        if whole.initial is None:
            assert alone.initial is None
        else:
            assert alone.initial is not None
            assert (alone.initial == whole.initial[:, ids]).all()
    assert (room == whole.capacity).all()
    assert (question.capacity == whole.capacity).all()


def test_what_does_not_fit_in_rows_comes_layer_by_layer(tmp_path: Path) -> None:
    text = TEXT.replace("prefill = 24", "prefill = 3000").replace("tokens = 12", "tokens = 600")
    text = text.replace("layers = 3", "layers = 24")
    (tmp_path / "three.memory.toml").write_text(MEMORY.replace("1 MB", "100 MB"))
    path = tmp_path / "large.toml"
    path.write_text(text)
    limits = Limits(memory=2_000_000_000)
    question = load(path, limits)
    assert isinstance(question, Stacked)
    assert "expected about" in question.why
    assert pickle.loads(pickle.dumps(question)).hash == question.hash
    with pytest.raises(NoRoom, match="reads of a layer"):
        load(path, Limits(memory=200_000_000))


def test_hash_tells_questions_apart(tmp_path: Path) -> None:
    path = written(tmp_path)
    hashes = {
        in_layers(read_outline(path, overrides)).hash
        for overrides in (
            {},
            {"trace.seed": 8},
            {"rules.residency": "free"},
            {"rules.page_tokens": 2},
            {"rules.initial": "home"},
            {"rules.floor": "1 us"},
            {"llm.kv_bytes": "2 kB"},
            {"llm.weight_bytes": "4 kB"},
            {"memory.fast.capacity": "21 %"},
            {"memory.far.up.rate": "5 MB/s"},
        )
    }
    assert len(hashes) == 10


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("rules.initial", "first-fit", "found 'first-fit', expected 'free' or 'home' at this size"),
        ("budgets.energy", "2 J", "found budgets, expected time alone"),
        ("llm.weights", "placed", "found 'placed', expected 'fixed' at this size"),
    ],
)
def test_what_counts_for_all_layers_is_refused(tmp_path: Path, key: str, value: str, message: str) -> None:
    path = written(tmp_path)
    overrides = {key: value, "memory.fast.energy": "1 pJ/bit"}
    with pytest.raises(InputError, match=message):
        in_layers(read_outline(path, overrides))


def test_thinned_takes_a_share_of_everything(tmp_path: Path) -> None:
    whole, _ = both(tmp_path, page_tokens=4, initial="home")
    part = thinned(whole, 3)
    ids = np.arange(1, whole.num_blocks, 3)
    assert part.num_blocks == len(ids)
    assert (part.capacity == whole.capacity // 3).all()
    assert (part.fixed == whole.fixed // 3).all()
    for step in range(whole.num_steps):
        mine = np.isin(whole.trace.reads(step), ids)
        assert (ids[part.trace.reads(step)] == whole.trace.reads(step)[mine]).all()
    assert dataclasses.replace(part, name="").num_reads == np.isin(whole.trace.blocks, ids).sum()
