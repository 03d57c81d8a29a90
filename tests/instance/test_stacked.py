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
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import load, load_instance
from placement_opt.instance.outline import read_outline
from placement_opt.instance.stacked import Stacked
from placement_opt.instance.start import save_initial
from placement_opt.instance.thinned import thinned
from placement_opt.instance.turns import in_layers
from placement_opt.workload.runs import LayerRuns
from tests.runs import save_plain
from tests.stacking import TEXT, both, three_tiers, written
from tests.worlds import any_operations

#: Starts, some of which fill tiers in the order of all blocks of all layers.
STARTS: list[dict[str, object]] = [
    {"rules.initial": "free"},
    {"rules.initial": "home"},
    {"rules.initial": "first-fit"},
    {"rules.initial": {"kv": ["middle", "fast", "slow"]}, "rules.residency": "free"},
    {"rules.initial": "first-fit", "rules.residency": "exclusive"},
    {"rules.initial": "first-fit", "llm.weights": "placed", "llm.tiles": 2},
    {"rules.initial": {"weights": ["fast", "slow"], "kv": ["middle", "slow"]}, "llm.weights": "placed"},
]


@pytest.mark.parametrize("page_tokens", [1, 4])
@pytest.mark.parametrize("start", STARTS, ids=lambda start: "-".join(map(str, start.values())))
def test_layers_are_those_of_the_whole(tmp_path: Path, page_tokens: int, start: dict[str, object]) -> None:
    check_layers(*asked(tmp_path, {"rules.page_tokens": page_tokens, **start}))


def test_layers_start_as_a_file_says(tmp_path: Path) -> None:
    whole, _ = both(tmp_path)
    start = np.zeros((3, whole.num_blocks), dtype=np.bool_)
    there = np.flatnonzero(whole.first_state == 0)
    start[2, there] = True
    start[0, there[7:20]] = True
    save_initial(start, tmp_path / "start.npz")
    first = asked(tmp_path, {"rules.initial": "file", "rules.initial_file": "start.npz"})
    check_layers(*first)
    start[1, there[3]] = True
    save_initial(start, tmp_path / "start.npz")
    other = asked(tmp_path, {"rules.initial": "file", "rules.initial_file": "start.npz"})
    check_layers(*other)
    assert other[1].hash != first[1].hash


def test_layers_of_a_file_of_runs_have_room_by_their_blocks(tmp_path: Path) -> None:
    """Layers of different sizes, whose blocks follow each other in the whole; what has no room for a block each is for some."""
    some = [
        LayerRuns(3, np.full(n, -1, np.int32), np.arange(n + 1), np.zeros(n, np.int32), np.full(n, 2, np.int32))
        for n in (1, 6, 3)
    ]
    save_plain(some, 3, tmp_path / "t.runs", size_unit="bytes", size=1000)
    path = written(tmp_path)
    text = path.read_text()
    path.write_text(text[: text.index("[trace]")] + '[trace]\nfile = "t.runs"\n')
    check_layers(*asked(tmp_path, {"memory.slow.capacity": "10 kB"}, path))
    check_layers(*asked(tmp_path, {"rules.initial": "first-fit"}, path))
    with pytest.raises(InputError, match="found 2 for blocks of a file of runs, which have no tokens, expected 1"):
        in_layers(read_outline(path, {"rules.page_tokens": 2}))


def asked(folder: Path, overrides: dict[str, object], path: Path | None = None) -> tuple[Instance, Stacked]:
    path = path or written(folder)
    return load_instance(path, overrides), in_layers(read_outline(path, overrides))


def check_layers(whole: Instance, question: Stacked) -> None:
    """Each layer is what the whole has of it, in shares that add up to the whole's."""
    count = question.layers
    assert (count, question.num_steps) == (3, whole.num_steps)
    owner = whole.trace.block_layer
    assert owner is not None
    room = np.zeros(3, dtype=np.int64)
    for layer in range(count):
        alone, ids = question.layer(layer), np.flatnonzero(owner == layer)
        room += alone.capacity
        for turn in range(question.turns):
            step = turn * count + layer
            assert (ids[alone.trace.reads(turn)] == whole.trace.reads(step)).all()
        assert (alone.fixed == whole.fixed[layer::count]).all()
        assert (alone.size == whole.size[ids]).all()
        assert (alone.trace.birth == np.where(whole.trace.birth[ids] < 0, -1, whole.trace.birth[ids] // count)).all()
        assert (alone.loads.kind == whole.loads.kind[ids]).all()
        read, born = question.make.amounts(layer)
        tails = (alone.fixed[:, alone.memory.fastest] - question.fixed[alone.memory.fastest]).sum()
        assert alone.read_bytes.sum() <= read.sum() * alone.share_base <= alone.read_bytes.sum() + tails * alone.share_base
        assert (born == np.bincount(alone.trace.birth + 1, alone.size, question.turns + 1)[1:]).all()
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
    assert question.loads.row.shape == whole.loads.row.shape


def test_budgets_and_objective_are_the_wholes(tmp_path: Path) -> None:
    overrides = {
        "memory.fast.energy": "1 pJ/bit",
        "memory.slow.endurance": "3000 cycles",
        "budgets.energy": "2 J/token",
        "budgets.time": "1 s",
        "budgets.slow.lifetime": "5 years",
        "objective.energy": "0.5 s/J",
    }
    whole, question = asked(tmp_path, overrides)
    parts = [question.layer(layer) for layer in range(3)]
    assert question.budgets == whole.budgets
    assert not question.timed
    for h, budget in enumerate(whole.budgets):
        assert sum(part.budgets[h].fixed for part in parts) == budget.fixed
        assert {part.budgets[h].per_second for part in parts} == {budget.per_second}
    assert {part.objective for part in parts} == {question.objective, whole.objective}
    assert (sum(part.metered for part in parts) == whole.metered).all()
    assert (question.loads.metered == whole.loads.metered).all()


def test_what_does_not_fit_in_rows_comes_layer_by_layer(tmp_path: Path) -> None:
    text = TEXT.replace("prefill = 24", "prefill = 3000").replace("tokens = 12", "tokens = 600")
    text = text.replace("layers = 3", "layers = 24")
    (tmp_path / "three.memory.toml").write_text(three_tiers().replace("1 MB", "100 MB"))
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
            {"rules.initial": "first-fit"},
            {"rules.initial": {"kv": ["middle", "slow"]}},
            {"llm.weights": "placed"},
            {"llm.weights": "placed", "llm.tiles": 2},
            {"budgets.time": "1 s"},
            {"budgets.time": "2 s"},
            {"objective.time": 2},
        )
    }
    assert len(hashes) == 17


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


@pytest.mark.parametrize("seed", range(40))
def test_thinned_is_a_question_again(seed: int) -> None:
    """However few blocks are left, and however short room is: in some tier, at home, of what is there at the start."""
    whole = any_operations(seed)
    for every in (2, 3, 7, 10**6):
        part = thinned(whole, every)
        assert 1 <= part.num_blocks <= -(-whole.num_blocks // every) + 1
        assert (part.capacity >= whole.capacity // every).all()
