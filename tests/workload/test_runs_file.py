"""Files of runs: what is written is read, layer by layer, and gives the same answers as the trace in rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from placement_opt.base import room
from placement_opt.base.errors import InputError, LimitError
from placement_opt.workload.files import runs as runs_file
from placement_opt.workload.files import runs_law
from placement_opt.workload.files.runs import is_runs_file, load_rows, open_runs
from placement_opt.workload.layered_rows import layers_of
from placement_opt.workload.layers import Drawn, Given, Stored
from placement_opt.workload.runs import LayerRuns
from placement_opt.workload.synth import drift, params
from placement_opt.workload.trace import Trace
from tests.runs import collect, resign, save_plain, spoilt
from tests.taken import taken

PARAMS = drift.Params(layers=3, prefill=40, tokens=30, read_share=0.4, drift=0.2)


def trace() -> Trace:
    return drift.generate(PARAMS, np.random.default_rng(7))


def written(folder: Path, layers: list[LayerRuns] | None = None) -> Path:
    layers = layers_of(trace()) if layers is None else layers
    save_plain(layers, layers[0].turns, folder / "t.runs", size_unit="token-layers", size=1)
    return folder / "t.runs"


def same(one: LayerRuns, other: LayerRuns) -> bool:
    pairs = ((getattr(one, name), getattr(other, name)) for name in ("birth", "start", "first", "last"))
    return one.turns == other.turns and all(np.array_equal(a, b) for a, b in pairs)


def test_layers_come_back_as_they_were_and_as_they_are_drawn(tmp_path: Path) -> None:
    """Runs, counts of reads and births, sizes of layers: the same from the file, at hand and from the generator."""
    file, given, drawn = Stored(open_runs(written(tmp_path))), Given(tuple(layers_of(trace()))), Drawn(PARAMS, 7)
    assert (file.count, file.turns, file.blocks) == (drawn.count, drawn.turns, drawn.blocks) == (3, 30, 70)
    assert file.runs == given.runs <= drawn.runs
    assert file.digest == given.digest != drawn.digest
    for layer in range(3):
        mine, yours, theirs = (each.layer(layer) for each in (file, given, drawn))
        assert mine is not None
        assert yours is not None
        assert theirs is not None
        assert same(mine, yours)
        assert same(mine, theirs)
        for name in ("reads", "births", "birth", "blocks_of"):
            values = [np.asarray(getattr(each, name)(layer)).tolist() for each in (file, given, drawn)]
            assert values[0] == values[1] == values[2], name
        rows = [[row.tolist() for row in each.rows(layer)] for each in (file, given, drawn)]
        assert rows[0] == rows[1] == rows[2]


def test_the_rows_of_a_file_read_the_same_blocks(tmp_path: Path) -> None:
    """Step by step, up to the ids, which go layer by layer; and its runs are those it came from."""
    back, old = load_rows(written(tmp_path)), trace()
    assert back.num_reads == old.num_reads
    token = old.block_token
    assert token is not None
    for step in range(old.num_steps):
        assert (back.reads(step) - 70 * (step % 3)).tolist() == token[old.reads(step)].tolist()
    assert all(same(a, b) for a, b in zip(layers_of(back), layers_of(old), strict=True))
    assert sorted(back.birth.tolist()) == sorted(old.birth.tolist())


def test_too_many_reads_are_refused_as_rows_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, reads = written(tmp_path), trace().num_reads
    monkeypatch.setattr(params, "LARGEST_READS", 100)
    with pytest.raises(LimitError, match=r"found 1,926 reads, expected at most 100 to be held in memory"):
        load_rows(path)
    assert open_runs(path).num_reads == reads


def test_layers_of_unequal_size_and_blocks_that_are_never_read(tmp_path: Path) -> None:
    first = collect([np.array([0, 2]), np.array([2])], np.array([-1, -1, -1, 1], dtype=np.int32))
    second = collect([np.array([0]), np.array([], dtype=np.int64)], np.array([-1], dtype=np.int32))
    file = open_runs(written(tmp_path, [first, second]))
    assert [entry.blocks for entry in file.layers] == [4, 1]
    assert same(file.layer(0), first)
    assert same(file.layer(1), second)
    assert load_rows(file.path).birth.tolist() == [-1, -1, -1, 2, -1]


@pytest.mark.parametrize(
    ("change", "place", "message"),
    [
        (-5, 0, "produced at no turn"),
        (9, 8, "runs of"),
        (-1, 16, "a run that is none"),
        (0, 16, "touch or are out of order"),
        (3, 24, "a run that is none"),
    ],
)
def test_data_that_are_no_runs_are_refused(tmp_path: Path, change: int, place: int, message: str) -> None:
    """With the old checksum as damaged; with a matching one for what they are."""
    layer = collect([np.array([0]), np.array([1]), np.array([0, 1])], np.array([-1, -1], dtype=np.int32))
    path = written(tmp_path, [layer])
    where = path.stat().st_size - 8 * (layer.num_blocks + layer.num_runs) + place
    if message == "touch or are out of order":
        where, change = where + 4, 1
    spoilt(path, change, where)
    if message != "runs of":
        with pytest.raises(InputError, match="do not match their checksum"):
            open_runs(path).layer(0)
    resign(path, 0)
    with pytest.raises(InputError, match=message):
        open_runs(path).layer(0)


def test_reads_before_birth_and_wrong_counts_are_refused(tmp_path: Path) -> None:
    layer = collect([np.array([0]), np.array([0])], np.array([-1, -1], dtype=np.int32))
    path = written(tmp_path, [layer])
    data = path.stat().st_size - 8 * (layer.num_blocks + layer.num_runs)
    spoilt(path, 0, data)
    resign(path, 0)
    with pytest.raises(InputError, match="read before it is there"):
        open_runs(path).layer(0)
    path = written(tmp_path, [layer])
    spoilt(path, 2, runs_file._HEAD.size + runs_file._ENTRIES[1].size)
    with pytest.raises(InputError, match="table that does not match"):
        open_runs(path)
    resign(path, 0)
    with pytest.raises(InputError, match="other numbers of reads"):
        open_runs(path).layer(0)


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    """Another kind, cut short, longer, unknown versions: each with its numbers."""
    path = written(tmp_path)
    data = path.read_bytes()
    assert is_runs_file(path)
    for changed, message in (
        (b"PK", "another kind of file"),
        (data[:40], "another kind of file"),
        (data[:100], "expected at least"),
        (data[:-1], f"expected {len(data)}"),
        (data + b"0", f"expected {len(data)}"),
        (data[:8] + b"\x09" + data[9:], "version 9 and unit 2"),
        (data[:12] + b"\0\0\0\0" + data[16:], "0 layers"),
        (data[:70] + b"\xff" + data[71:], "found"),
    ):
        path.write_bytes(changed)
        with pytest.raises(InputError, match=message):
            open_runs(path)


def test_a_long_table_is_not_held_in_memory(tmp_path: Path) -> None:
    """Counts of eight million turns (a hole in the file) are looked at piece by piece."""
    data, turns = written(tmp_path, layers_of(trace())[:1]).read_bytes(), 2**23
    path = tmp_path / "long.runs"
    with open(path, "wb") as handle:
        handle.write(data[:16] + turns.to_bytes(4, "little") + data[20 : 64 + 48])
        blocks, runs = (int.from_bytes(data[place : place + 8], "little") for place in (64, 72))
        handle.truncate(64 + 48 + 8 * turns + 8 * blocks + 8 * runs)
    with (
        taken() as memory,
        pytest.raises(InputError, match="found a table that does not match its checksum"),
    ):
        open_runs(path)
    assert memory.peak < 2**24


def test_a_layer_there_is_no_memory_for_is_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both numbers are told before anything is read."""
    found = open_runs(written(tmp_path))
    monkeypatch.setattr(room, "SMALL_BYTES", 0)
    monkeypatch.setattr(room, "available", lambda: 100)
    for read in (found.layer, found.reads):
        with pytest.raises(LimitError, match=r"t\.runs: reading it needs about .* of memory, 100 B are free"):
            read(0)


def test_a_file_that_was_cut_since_it_was_opened_is_named(tmp_path: Path) -> None:
    """The end of the file in the middle of a layer."""
    path = written(tmp_path)
    found = open_runs(path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(InputError, match=r"t\.runs: found the end of the file, expected more numbers"):
        found.layer(2)


def runs_of(rows: list[list[int]], births: list[int]) -> LayerRuns:
    return collect([np.array(row, dtype=np.int64) for row in rows], np.array(births, dtype=np.int32))


def test_traces_whose_data_are_the_same_bytes_have_other_digests(tmp_path: Path) -> None:
    """One block read once, and two blocks never read, the second produced by turn 1: only the lengths tell them apart."""
    one, other = runs_of([[0], []], [-1]), runs_of([[], []], [-1, 1])
    assert runs_file.layer_digest(one) == runs_file.layer_digest(other)
    assert Given((one,)).digest != Given((other,)).digest
    digests = [open_runs(written(tmp_path, [layer])).digest for layer in (one, other)]
    assert digests == [Given((layer,)).digest for layer in (one, other)]


def test_a_layer_without_blocks_comes_back(tmp_path: Path) -> None:
    """What is written of it is read again, in runs and in rows."""
    full, empty = runs_of([[0, 2], [2]], [-1, -1, -1, 1]), runs_of([[], []], [])
    path = written(tmp_path, [empty, full, empty])
    assert [same(open_runs(path).layer(n), layer) for n, layer in enumerate((empty, full, empty))] == [True] * 3
    back = load_rows(path)
    assert (back.num_blocks, back.num_reads, back.num_steps) == (4, 3, 6)
    assert [same(a, b) for a, b in zip(layers_of(back), (empty, full, empty), strict=True)] == [True] * 3


@pytest.mark.parametrize(
    ("layers", "turns", "size", "message"),
    [
        ([], 2, 1, "found 0 layers, 2 turns and blocks of size 1, expected 1 to 4096 layers"),
        ([([[], []], [])], 2, 1, "found no block in any layer, expected at least one"),
        ([([[0], []], [-1])], 2, 2**50 + 1, f"found 1 layers, 2 turns and blocks of size {2**50 + 1}, expected 1 to 4096"),
        ([([[0], []], [-1])], 2, 0, "found 1 layers, 2 turns and blocks of size 0"),
        ([([[0], []], [-1] * 1025)], 2, 2**50, f"found 1025 blocks of size {2**50}, expected at most 2**60 in all"),
        ([([[0], []], [0])], 2, 1, "layer 0: found a block that is read before it is there"),
    ],
)
def test_what_no_reader_takes_is_not_written(
    tmp_path: Path, layers: list[tuple[list[list[int]], list[int]]], turns: int, size: int, message: str
) -> None:
    """The writer refuses in the reader's words, and leaves no file."""
    made = [runs_of(*layer) for layer in layers]
    with pytest.raises(InputError) as caught:
        save_plain(made, turns, tmp_path / "t.runs", size_unit="bytes", size=size)
    assert str(caught.value).startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_the_reader_refuses_it_with_the_name_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same law, by another door: files that somebody else wrote."""
    one = runs_of([[0], []], [-1])
    path = written(tmp_path, [one])
    data = bytearray(path.read_bytes())
    for size, message in ((2**55, f"found 1 layers, 2 turns and blocks of size {2**55}, expected 1 to"), (0, "found 1 layers")):
        data[24:32] = size.to_bytes(8, "little")
        path.write_bytes(data)
        with pytest.raises(InputError) as caught:
            load_rows(path)
        assert str(caught.value).startswith(f"{path}: {message}")
    path = written(tmp_path, [one])
    monkeypatch.setattr(runs_law, "LARGEST_BLOCKS", 0)
    with pytest.raises(InputError) as caught:
        open_runs(path)
    assert str(caught.value) == f"{path}: found a layer of 1 blocks and 1 runs, expected fewer"


def test_rows_that_cannot_be_are_told_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What only a trace in rows refuses names the file all the same."""

    def refuse(*_: object, **__: object) -> Trace:
        raise InputError("found 2147483647 steps", "expected fewer than 2**31", field="indptr")

    path = written(tmp_path)
    monkeypatch.setattr(runs_file, "rows_of", refuse)
    with pytest.raises(InputError) as caught:
        load_rows(path)
    assert str(caught.value) == f"{path}: indptr: found 2147483647 steps, expected fewer than 2**31"
