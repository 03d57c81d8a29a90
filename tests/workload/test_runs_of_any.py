"""Runs of blocks that are freed, read in part or of a size of their layer: what is written is read, and is that in rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.base.toml import Table
from placement_opt.cli import main
from placement_opt.instance.totals import totals_of
from placement_opt.instance.trace_source import RunsSource
from placement_opt.workload.files import runs as runs_file
from placement_opt.workload.files.npz import save_trace
from placement_opt.workload.files.runs import RunsFile, Shape, load_rows, open_runs, save_runs
from placement_opt.workload.layered_rows import layer_sizes, layers_of, rows_of
from placement_opt.workload.layers import Given, Stored, paged_layer
from placement_opt.workload.runs import LayerRuns
from placement_opt.workload.trace import Trace
from tests.layering import any_layered
from tests.runs import resign, save_plain, spoilt
from tests.small import make_trace

BASES = (1, 4)


def drawn(seed: int) -> Trace:
    return any_layered(np.random.default_rng([seed, 3]), base=BASES[seed % 2], frees=seed % 3 > 0)


def shape_of(trace: Trace, layers: list[LayerRuns]) -> Shape:
    frees = bool((trace.death < trace.num_steps).any())
    return Shape(layers[0].turns, trace.size_unit, layer_sizes(trace), trace.share_base, frees)


def written(trace: Trace, folder: Path) -> Path:
    layers = layers_of(trace)
    save_runs(layers, shape_of(trace, layers), folder / "t.runs")
    return folder / "t.runs"


def by_layer(trace: Trace) -> Trace:
    """The same, its blocks numbered layer after layer."""
    assert trace.block_layer is not None
    order = np.argsort(trace.block_layer, kind="stable")
    number = np.argsort(order, kind="stable")
    blocks, shares = number[trace.blocks], trace.shares
    rows = np.lexsort((blocks, trace.read_step))
    return replace(
        trace,
        blocks=blocks[rows].astype(np.int32),
        birth=trace.birth[order],
        death=trace.death[order],
        size=trace.sizes[order],
        block_layer=trace.block_layer[order],
        shares=None if shares is None else shares[rows],
    )


def same(one: Trace, other: Trace) -> bool:
    names = ("indptr", "blocks", "birth", "death", "sizes", "shares", "share_base", "step_layer", "block_layer", "size_unit")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def same_runs(one: LayerRuns, other: LayerRuns) -> bool:
    names = ("birth", "start", "first", "last", "death", "shares")
    return one.turns == other.turns and all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def slow_runs(trace: Trace, layer: int) -> list[list[tuple[int, int, int]]]:
    """Of each block of a layer: first turn, last turn and share of its runs, read by read."""
    assert trace.block_layer is not None
    count, mine = int(trace.step_layer.max()) + 1, np.flatnonzero(trace.block_layer == layer)  # type: ignore[union-attr]
    found = [list[tuple[int, int, int]]() for _ in mine]
    for n, step in enumerate(trace.read_step.tolist()):
        block = int(trace.blocks[n])
        if trace.block_layer[block] != layer:
            continue
        runs, turn = found[int(np.searchsorted(mine, block))], step // count
        share = 1 if trace.shares is None else int(trace.shares[n])
        if runs and runs[-1][1] == turn - 1 and runs[-1][2] == share:
            runs[-1] = (runs[-1][0], turn, share)
        else:
            runs.append((turn, turn, share))
    return found


@pytest.mark.parametrize("part", range(4))
def test_a_trace_as_runs_and_back(part: int, tmp_path: Path) -> None:
    """At hand and by way of a file: every block, read and share; runs as long as can be; what is said of turns is so."""
    freed = shared = sized = 0
    for seed in range(25 * part, 25 * (part + 1)):
        trace = drawn(seed)
        layers = layers_of(trace)
        for layer, runs in enumerate(layers):
            shares = np.ones(runs.num_runs, dtype=np.int64) if runs.shares is None else runs.shares
            triples = list(zip(runs.first.tolist(), runs.last.tolist(), shares.tolist(), strict=True))
            assert [triples[a:b] for a, b in zip(runs.start[:-1], runs.start[1:], strict=True)] == slow_runs(trace, layer)
        size, base = layer_sizes(trace), trace.share_base
        assert same(rows_of(layers, size_unit="bytes", size=size, share_base=base), by_layer(trace))
        path = written(trace, tmp_path)
        file = open_runs(path)
        assert same(load_rows(path), by_layer(trace))
        assert file.plain == (path.read_bytes()[8] == 1) == shape_of(trace, layers).plain
        assert file.shape == shape_of(trace, layers)
        for layer, runs in enumerate(layers):
            assert file.shares(layer).tolist() == runs.shares_per_turn.tolist()
            assert file.deaths(layer).tolist() == runs.deaths_per_turn.tolist()
            assert file.births(layer).tolist() == runs.births_per_turn.tolist()
            if not runs.num_blocks:
                continue
            alone = paged_layer(Stored(file), layer)
            assert alone is not None
            mine = rows_of([runs], size_unit="bytes", size=size[layer : layer + 1], share_base=base)
            assert same(alone.trace, mine)
        freed, shared, sized = freed + file.shape.frees, shared + (base > 1), sized + (len(set(size)) > 1)
    assert min(freed, shared, sized) > 5


@pytest.mark.parametrize("seed", range(40))
def test_what_is_known_before_it_is_read(seed: int, tmp_path: Path) -> None:
    """Totals are those of the rows; a layer's most blocks at once."""
    trace = drawn(seed)
    path = written(trace, tmp_path)
    found, rows = RunsSource(Table({}, path, "trace", {}), path).totals, totals_of(load_rows(path))
    for name in ("steps", "blocks", "reads", "layers", "pairs", "peak", "smallest", "largest"):
        assert getattr(found, name) == getattr(rows, name), name
    whole = load_rows(path)
    amounts = whole.sizes[whole.blocks] * (1 if whole.shares is None else whole.shares)
    assert found.read_units == -(-int(amounts.sum()) // trace.share_base)
    stored, given = Stored(open_runs(path)), Given(tuple(layers_of(trace)))
    for layer in range(stored.count):
        if not stored.blocks_of(layer):
            assert stored.most_alive(layer) == given.most_alive(layer) == 0
            continue
        alone = paged_layer(stored, layer)
        assert alone is not None
        alive = [int(((alone.trace.birth < state) & (alone.trace.death >= state)).sum()) for state in range(stored.turns + 1)]
        assert stored.most_alive(layer) == given.most_alive(layer) == max(alive)


def test_traces_that_differ_have_other_digests(tmp_path: Path) -> None:
    """In a share, a death, the size of a layer or the base of shares alone."""

    def digest(trace: Trace) -> bytes:
        return open_runs(written(trace, tmp_path)).digest

    one = make_trace([[0], [0]], [-1], shares=[[1], [2]], share_base=4, deaths=[1])
    others = [
        replace(one, shares=np.array([1, 3], dtype=np.uint16)),
        replace(one, death=np.array([2], dtype=np.int32)),
        replace(one, size=np.array([5])),
        replace(one, share_base=5),
        replace(one, shares=None, share_base=1),
    ]
    assert len({digest(trace) for trace in [one, *others]}) == 1 + len(others)


def three() -> Trace:
    """Two blocks of size 3 read in quarters, one freed after turn 1."""
    return make_trace([[0, 1], [0, 1], [1]], [-1, -1], shares=[[1, 2], [1, 4], [4]], share_base=4, deaths=[1, 3], sizes=[3, 3])


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        (4, "death", "layer 0: found a block that is freed at no turn, expected turns after its birth, up to 3"),
        (0, "death", "layer 0: found a block that is read after it was freed, expected no read after its last turn"),
        (5, "share", "layer 0: found a share that is none, expected 1 to 4"),
        (0, "share", "layer 0: found a share that is none, expected 1 to 4"),
        (
            4,
            "second",
            "layer 0: found runs of one block that touch or are out of order, expected a pause between them, or other",
        ),
    ],
)
def test_lives_and_shares_that_cannot_be(tmp_path: Path, change: int, field: str, message: str) -> None:
    """With the right checksum; without it they are damaged."""
    path = written(three(), tmp_path)
    (runs,) = layers_of(three())
    assert (runs.num_blocks, runs.num_runs, runs.shares.tolist()) == (2, 3, [1, 2, 4])  # type: ignore[union-attr]
    end = path.stat().st_size
    data = bytearray(path.read_bytes())
    if field == "death":
        spoilt(path, change, end - 3 * 10 - 2 * 4)
    else:
        at = end - (6 if field == "share" else 4)
        data[at : at + 2] = int(change).to_bytes(2, "little")
        path.write_bytes(data)
    with pytest.raises(InputError, match="do not match their checksum"):
        open_runs(path).layer(0)
    resign(path, 0)
    with pytest.raises(InputError) as caught:
        open_runs(path).layer(0)
    assert str(caught.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize(
    ("base", "size", "message"),
    [
        (0, 3, "found shares over 0, expected a base from 1 to 65535"),
        (2**16, 3, "found shares over 65536, expected a base from 1 to 65535"),
        (4, 0, "found a layer of blocks of size 0, expected sizes from 1 to 2**50"),
        (4, 2**50 + 1, f"found a layer of blocks of size {2**50 + 1}, expected sizes from 1 to 2**50"),
    ],
)
def test_tables_that_cannot_be(tmp_path: Path, base: int, size: int, message: str) -> None:
    path = written(three(), tmp_path)
    data = bytearray(path.read_bytes())
    data[24:32] = base.to_bytes(8, "little")
    entry, head = runs_file._ENTRIES[2], runs_file._HEAD.size
    blocks, runs, _, digest = entry.unpack_from(data, head)
    entry.pack_into(data, head, blocks, runs, size, digest)
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        open_runs(path)
    assert str(caught.value) == f"{path}: {message}"


def test_other_numbers_than_its_runs_have(tmp_path: Path) -> None:
    """Of deaths, and of shares: the last two columns."""
    for column in (8, 12):
        path = written(three(), tmp_path)
        spoilt(path, 7, runs_file._HEAD.size + runs_file._ENTRIES[2].size + column * 3)
        resign(path, 0)
        with pytest.raises(InputError, match="found other numbers of reads, births or deaths than its runs have"):
            open_runs(path).layer(0)


def test_what_runs_do_not_say_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Blocks freed after a step of another layer, and of two sizes in one: by `trace runs`, with the name of the trace."""
    trace = replace(any_layered(np.random.default_rng(5), layers=2), size=np.array([2]))
    assert trace.block_layer is not None
    death = np.where(trace.block_layer == 1, trace.num_steps, np.minimum(trace.death + 1, trace.num_steps))
    odd = replace(trace, death=death.astype(np.int32))
    block = int(np.flatnonzero(odd.death < odd.num_steps)[0])
    sizes = np.arange(trace.num_blocks) + 1
    for other, message in (
        (odd, f"death: found block {block} of layer 0 freed after step {odd.death[block]}, which is of layer 1, expected"),
        (replace(trace, size=sizes), "size: found blocks of sizes "),
    ):
        save_trace(other, tmp_path / "t.npz")
        assert main(["trace", "runs", str(tmp_path / "t.npz"), "-o", str(tmp_path / "t.runs")]) == 2
        assert f"t.npz: {message}" in capsys.readouterr().err
        assert not (tmp_path / "t.runs").exists()


def test_the_command_writes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From a trace in rows; and from an instance of such a file, byte by byte the same."""
    trace = any_layered(np.random.default_rng(9), base=4, layers=3)
    save_trace(trace, tmp_path / "t.npz")
    assert main(["trace", "runs", str(tmp_path / "t.npz"), "-o", str(tmp_path / "t.runs")]) == 0
    assert "3 layers of" in capsys.readouterr().out
    assert same(load_rows(tmp_path / "t.runs"), by_layer(trace))
    text = 'schema = 1\nname = "again"\n[memory]\npreset = "gh200"\n[trace]\nfile = "t.runs"\n'
    (tmp_path / "i.toml").write_text(text)
    assert main(["trace", "runs", str(tmp_path / "i.toml"), "-o", str(tmp_path / "again.runs")]) == 0
    assert (tmp_path / "again.runs").read_bytes() == (tmp_path / "t.runs").read_bytes()


def test_plain_layers_are_written_as_ever(tmp_path: Path) -> None:
    """Version 1, whose digest is that of before."""
    layers = layers_of(make_trace([[0], [0, 1]], [-1, 0]))
    save_plain(layers, 2, tmp_path / "t.runs", size_unit="bytes", size=7)
    file = open_runs(tmp_path / "t.runs")
    assert isinstance(file, RunsFile)
    assert (file.plain, file.share_base, file.layers[0].size) == (True, 1, 7)
    assert file.digest == runs_file.digest_of([(2, 2, runs_file.layer_digest(layers[0]))], 2)
