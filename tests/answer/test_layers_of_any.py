"""Questions of a file of runs whose blocks are freed, read in part or of a size of their layer: layer by layer as in rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from placement_opt.answer.answer import answer
from placement_opt.answer.played import KeepMoves, play
from placement_opt.base.errors import InputError, PlacementError
from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS, turns
from placement_opt.certify.claims import verify_any
from placement_opt.certify.files import save_prices
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import in_runs, load, load_instance
from placement_opt.instance.outline import read_outline
from placement_opt.instance.stacked import Stacked
from placement_opt.instance.turns import in_layers
from placement_opt.layered.solve import CertifiedPrices
from placement_opt.play.replay import Replay
from placement_opt.play.schedule import Schedule
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from placement_opt.workload.files import runs as runs_file
from placement_opt.workload.files.runs import Shape, open_runs, save_runs
from placement_opt.workload.layered_rows import layer_sizes, layers_of
from placement_opt.workload.runs import LayerRuns
from placement_opt.workload.synth import params
from tests.layering import any_layered
from tests.stacking import three_tiers

RULES = ("inclusive", "exclusive", "free", "cache")


def asked(folder: Path, seed: int) -> Path | None:
    """An instance of a random trace; None where a layer has no block."""
    rng = np.random.default_rng([seed, 8])
    trace = any_layered(rng, base=(1, 3)[seed % 2], frees=seed % 3 > 0, layers=1 + seed % 3)
    layers = layers_of(trace)
    if not all(layer.num_blocks for layer in layers):
        return None
    frees = bool((trace.death < trace.num_steps).any())
    save_runs(layers, Shape(layers[0].turns, "bytes", layer_sizes(trace), trace.share_base, frees), folder / "t.runs")
    room = 3 * len(layers) + int(rng.integers(0, 8))
    (folder / "m.memory.toml").write_text(three_tiers(f"{room} B", f"{room} B", "1 kB", "B/s"))
    rule = RULES[seed // 6 % 4]
    again = '[recompute]\nrate = "3 B/s"\n' if rule == "cache" else ""
    text = '[memory]\nfile = "m.memory.toml"\n[trace]\nfile = "t.runs"\n[rules]\nresidency = '
    path = folder / "any.toml"
    path.write_text(f'schema = 1\nname = "any"\n{text}"{rule}"\n{again}')
    return path


def together(whole: Instance, question: Stacked, schedules: list[Schedule]) -> Schedule:
    """Schedules of the layers as one of the whole, whose ids go layer after layer."""
    offset = np.cumsum([0, *(one.initial.shape[1] for one in schedules)])
    ops, blocks, lengths = list[np.ndarray](), list[np.ndarray](), np.zeros(question.num_steps + 1, dtype=np.int64)
    for step in range(question.num_steps):
        one = schedules[step % question.layers]
        low, high = one.indptr[step // question.layers : step // question.layers + 2]
        ops.append(one.op[low:high])
        blocks.append(one.block[low:high] + offset[step % question.layers])
        lengths[step + 1] = high - low
    initial = np.concatenate([one.initial for one in schedules], axis=1)
    assert initial.shape[1] == whole.num_blocks
    return Schedule("together", initial, np.cumsum(lengths), np.concatenate(ops), np.concatenate(blocks).astype(np.int32))


def questions(folder: Path, seeds: range) -> Iterator[tuple[Instance, Stacked]]:
    """Random traces in rows and layer by layer."""
    for seed in seeds:
        if (path := asked(folder, seed)) is not None:
            yield load_instance(path), in_layers(read_outline(path))


@pytest.mark.parametrize("part", range(4))
def test_what_layers_do_is_legal_in_the_whole(part: int, tmp_path: Path) -> None:
    """In their shares of the room, whatever they free and when: the time is the whole's, and so is the roofline."""
    played = 0
    for whole, question in questions(tmp_path, range(20 * part, 20 * (part + 1))):
        least, rows = turns.roofline(question).lower_bound_s, METHODS["roofline"](whole).lower_bound_s
        assert least is not None
        assert rows is not None
        assert rows * (1.0 - 1e-9) - 0.34 * question.num_steps / 5.0 <= least <= rows * (1.0 + 1e-9)
        try:
            run = play(question, make_scheduler("belady"), KeepMoves(None, trail=True)).run
        except PlacementError:
            continue  # no room for a layer's largest block in its share
        schedules = []
        for layer in range(question.layers):
            alone = simulate(question.layer(layer), make_scheduler("belady"), record=True)
            assert alone.schedule is not None
            schedules.append(alone.schedule)
        again = simulate(whole, Replay(together(whole, question, schedules)))
        assert float(run.exact_latency()) == pytest.approx(float(again.exact_latency()), rel=1e-12)
        assert again.read_bytes == pytest.approx(run.read_bytes)
        assert run.hits.rate == pytest.approx(again.hits.rate)
        played += 1
    assert played > 6


@pytest.mark.parametrize("part", range(4))
def test_both_sides_hold_in_the_whole(part: int, tmp_path: Path) -> None:
    """What layers prove is no more than what a search finds for the whole; files prove both sides again."""
    done = 0
    for whole, question in questions(tmp_path, range(9 * part, 9 * (part + 1))):
        folder = tmp_path / f"moves-{question.hash}"
        folder.mkdir(exist_ok=True)
        found = answer(question, gap=3.0, limits=Limits(seconds=60), folder=folder)
        best = simulate(whole, make_scheduler("optimised")).latency_s
        assert found.state.lower_s <= best * (1.0 + 1e-9)
        files = []
        if isinstance(found.state.prices, CertifiedPrices):
            save_prices(found.state.prices.certificate, tmp_path / "prices")
            files.append(tmp_path / "prices")
        if found.schedule is not None:
            assert found.latency_s is not None
            assert found.latency_s >= found.state.lower_s
            found.schedule.save(tmp_path / "schedule")  # type: ignore[union-attr]
            files.append(tmp_path / "schedule")
        proven = verify_any(question, files)
        if proven.upper is not None:
            assert found.latency_s == pytest.approx(proven.upper_s)
        assert (proven.lower_s or 0.0) <= found.state.lower_s * (1.0 + 1e-9)
        if found.state.bound_from == "layers":
            assert proven.lower_s == pytest.approx(found.state.lower_s)
            done += len(files) == 2
    assert done > 0


def test_the_question_comes_layer_by_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where two tiers, an inclusive rule and a free start would come in runs."""
    path = asked(tmp_path, 1)
    assert path is not None
    text = path.read_text().replace('file = "m.memory.toml"', 'preset = "gh200"\nhbm.capacity = "100 B"')
    path.write_text(text)
    outline = read_outline(path)
    with pytest.raises(InputError, match=r"trace.file: found blocks that are freed, read in part, or of different si"):
        in_runs(outline)
    monkeypatch.setattr(params, "LARGEST_READS", load_instance(path).num_reads - 1)
    question = load(path)
    assert isinstance(question, Stacked)
    assert question.hash == in_layers(outline).hash


def stored(folder: Path, layers: list[list[tuple[int, int | None, list[tuple[int, int, int]]]]], turns: int, base: int) -> None:
    """A file of runs: of each layer its blocks of 1 kB, their birth, death and (first, last, share) of their runs."""
    made = []
    for blocks in layers:
        spans = [span for _, _, runs in blocks for span in runs]
        first, last, share = np.array(spans, dtype=np.int32).reshape(-1, 3).T
        start = np.cumsum([0, *(len(runs) for _, _, runs in blocks)])
        birth = np.array([born for born, _, _ in blocks], dtype=np.int32)
        death = np.array([turns if freed is None else freed for _, freed, _ in blocks], dtype=np.int32)
        shares = share.astype(np.uint16) if base > 1 else None
        made.append(LayerRuns(turns, birth, start, first.copy(), last.copy(), death, shares))
    save_runs(made, Shape(turns, "bytes", (1000,) * len(layers), base, frees=True), folder / "t.runs")


def question_of(folder: Path, rooms: tuple[str, str], extra: str = "") -> Path:
    energies = (("gpu", 1), ("cpu", 20), ("box", 50))
    memory = three_tiers(*rooms, "1 GB", "kB/s")
    for place, joules in energies:
        memory = memory.replace(f'at = "{place}" }}', f'at = "{place}", energy = "{joules} pJ/bit" }}')
    (folder / "m.memory.toml").write_text(memory)
    path = folder / "q.toml"
    path.write_text(f'schema = 1\nname = "q"\n[memory]\nfile = "m.memory.toml"\n[trace]\nfile = "t.runs"\n{extra}')
    return path


@pytest.mark.parametrize("extra", ["", '[objective]\nenergy = "10000 s/J"\n'])
def test_a_layer_of_weights_alone_counts_whole(extra: str, tmp_path: Path) -> None:
    """Beside layers whose blocks are read in tenths."""
    block = (-1, None, [(0, 3, 5)])
    stored(tmp_path, [[block, block], [block, block], []], 4, 10)
    text = f'[llm]\nweights = "placed"\nweight_bytes = "2 kB"\n[rules]\nresidency = "exclusive"\n{extra}'
    path = question_of(tmp_path, ("2 kB", "3 kB"), text)
    whole, layers = load_instance(path), in_layers(read_outline(path))
    assert layers.num_reads == whole.num_reads
    one, two = (play(question, make_scheduler("all-slow"), None).run for question in (whole, layers))
    assert two.latency_s == pytest.approx(one.latency_s)
    assert two.read_bytes == one.read_bytes
    assert two.consumption.joules == pytest.approx(one.consumption.joules)
    assert two.cost_s == pytest.approx(one.cost_s)


def test_reads_of_little_are_hits_or_none(tmp_path: Path) -> None:
    """A layer that reads less than half a block in all is told by its bytes."""
    stored(tmp_path, [[(-1, None, [(0, 2, 1)])]] * 2, 4, 10)
    path = question_of(tmp_path, ("1 kB", "1 kB"), '[rules]\nresidency = "free"\n')
    run = play(in_layers(read_outline(path)), make_scheduler("all-slow"), None).run
    assert (run.hit_rate, run.hits.rate, run.read_bytes) == (0.0, 0.0, 600.0)


@pytest.mark.parametrize("freed", [None, 1])
def test_layers_have_fast_room_whatever_comes_later(freed: int | None, tmp_path: Path) -> None:
    """A layer to which nothing comes, or no more than it loses, has its share of what a given start leaves."""
    old = (-1, freed, [(0, 1, 1)])
    new = (1, None, [(2, 3, 1)])
    stored(tmp_path, [[old] * 4 + [new] * (4 if freed else 0), [old] * 3 + [new]], 4, 1)
    path = question_of(tmp_path, ("4 kB", "4 kB"), '[rules]\nresidency = "inclusive"\ninitial = "home"\n')
    question = in_layers(read_outline(path))
    assert question.rooms.sum(axis=0).tolist() == question.capacity.tolist()
    assert question.rooms[:, 0].tolist() == ([2285, 1715] if freed else [2000, 2000])
    play(question, make_scheduler("belady"), None)


def test_a_file_is_opened_a_few_times_a_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice as many layers, twice as many opens."""
    opened, true = list[int](), runs_file.open_stored

    def counted(*args: object) -> object:
        opened.append(1)
        return true(*args)

    monkeypatch.setattr(runs_file, "open_stored", counted)
    counts = []
    for layers in (8, 16):
        stored(tmp_path, [[(-1, None, [(0, 1, 1)])]] * layers, 3, 1)
        path = question_of(tmp_path, ("16 kB", "16 kB"), '[rules]\nresidency = "free"\n')
        opened.clear()
        play(in_layers(read_outline(path)), make_scheduler("all-slow"), None)
        counts.append(len(opened))
    assert counts[1] <= 2.1 * counts[0]


def test_shares_of_what_is_huge_are_refused_as_in_rows(tmp_path: Path) -> None:
    stored(tmp_path, [[(-1, None, [(0, 1, 1)])]], 3, 65535)
    path = question_of(tmp_path, ("1 PB", "1 PB"), '[llm]\nkv_bytes = "1 B"\n[rules]\nresidency = "free"\n')
    memory = tmp_path / "m.memory.toml"
    memory.write_text(memory.read_text().replace('"1 GB"', '"1 PB"'))
    save_runs([open_runs(tmp_path / "t.runs").layer(0)], Shape(3, "bytes", (2**46,), 65535, frees=True), tmp_path / "t.runs")
    said = []
    for ask in (load_instance, lambda where: in_layers(read_outline(where))):
        with pytest.raises(InputError, match=r"read in shares of 1/65535, expected at most 32 TiB") as caught:
            ask(path)
        said.append(str(caught.value))
    assert said[0] == said[1]
