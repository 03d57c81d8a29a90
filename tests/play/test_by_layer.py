"""A scheduler that treats each layer by itself does in runs, layer by layer, what it does in rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from placement_opt.base import room
from placement_opt.base.errors import Interrupted, LimitError
from placement_opt.base.limits import Limits
from placement_opt.base.room import NoRoom
from placement_opt.cli import main
from placement_opt.instance.layered import Layered, layered_of
from placement_opt.instance.load import load, load_instance, load_layered
from placement_opt.instance.outline import read_outline
from placement_opt.instance.turns import in_layers
from placement_opt.play.by_layer import by_layer, play_layers
from placement_opt.play.in_runs import plays_in_runs
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import REGISTRY, make_scheduler
from placement_opt.study.compare import compare
from placement_opt.workload.synth import params
from tests.layered.cases import draw, write
from tests.stacking import run_of


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An instance file of two layers of 882 reads, whose trace counts as too large for rows."""
    monkeypatch.setattr(params, "LARGEST_READS", 1000)
    return str(write(tmp_path))


@pytest.mark.parametrize("seed", range(8))
def test_it_takes_as_long_and_moves_as_much(seed: int) -> None:
    """Step by step, on traces of one layer and more; bytes of every kind are the same, and so is the exact time."""
    instance = draw(seed, hbm=(6, 9, 14)[seed % 3] * (1 + seed % 3), floor=0.002 * (seed % 2))
    rows = simulate(instance, make_scheduler("lru"))
    runs = by_layer(layered_of(instance), make_scheduler("lru"))
    assert runs.step_s.tolist() == pytest.approx(rows.step_s.tolist(), rel=1e-12)
    assert runs.exact_latency() == rows.exact_latency()
    assert runs.moved.tolist() == rows.moved.tolist()
    assert runs.hit_rate == rows.hit_rate
    assert runs.tier_read_bytes.tolist() == pytest.approx(rows.tier_read_bytes.tolist(), rel=1e-9)
    assert runs.critical_share.tolist() == pytest.approx(rows.critical_share.tolist(), rel=1e-9)
    assert (runs.tokens, runs.counts) == (rows.tokens, rows.counts)


def test_others_play_with_one_layer_in_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that treat each layer by itself need no rows, in room for a block a layer; from runs at hand there are none."""
    question = load_layered(write(tmp_path))
    playing = [name for name in REGISTRY if getattr(make_scheduler(name), "by_layer", False)]
    assert playing == ["lru"]
    layers = in_layers(read_outline(write(tmp_path)))
    for spec in ("belady", "lru:scope=global", "static", "contender"):
        run, _ = play_layers(question, make_scheduler(spec))
        assert run.instance is question
        alone = [simulate(layers.layer(layer), make_scheduler(spec)) for layer in range(2)]
        assert run.step_s.tolist() == np.stack([one.step_s for one in alone], axis=1).ravel().tolist()
        assert run.exact_latency() == sum(one.exact_latency() for one in alone)
    assert plays_in_runs(question, make_scheduler("lru"))
    small = load_layered(write(tmp_path, room=106))
    assert not plays_in_runs(small, make_scheduler("lru"))
    assert run_of(small, make_scheduler("lru")).latency_s > 0
    with pytest.raises(LimitError, match=r"^belady needs the reads as rows$"):
        run_of(layered_of(draw(2)), make_scheduler("belady"))
    monkeypatch.setattr(room, "READ_BYTES", 2**50)
    with pytest.raises(NoRoom, match=r"reads of a layer"):
        run_of(question, make_scheduler("belady"))
    stopped = Limits()
    stopped.interrupt()
    with pytest.raises(Interrupted, match="lru, layer by layer, was stopped after 0 of 2 layers"):
        run_of(question, make_scheduler("lru"), limits=stopped)


def test_simulate_has_the_same_report_in_runs(
    large: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every key and, but for the hash, every number."""
    argv = ["simulate", large, "--scheduler", "lru"]
    assert main([*argv, "--json"]) == 0
    runs = json.loads(capsys.readouterr().out)
    assert main(argv) == 0
    assert "1,764 reads" in capsys.readouterr().out
    monkeypatch.setattr(params, "LARGEST_READS", 2**30)
    assert main([*argv, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert runs.pop("hash") != rows.pop("hash")
    assert list(runs) == list(rows)
    for key, value in rows.items():
        if isinstance(value, float):
            assert runs[key] == pytest.approx(value, rel=1e-9)
    assert runs["tokens"] == rows["tokens"] == 30
    assert runs["sentences"] == rows["sentences"]


def test_compare_judges_in_runs_what_plays_there(large: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By the bound and the schedule of the engine; one scheduler has one layer in rows at a time, one has none."""
    assert main(["compare", large, "--schedulers", "lru", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["instances"]
    assert found["best_from"] == "scale"
    assert found["roofline_s"] <= found["lower_bound_s"] <= found["best_s"]
    (schedule,) = found["schedules"]
    assert schedule["latency_s"] == simulate(load_instance_of(large), make_scheduler("lru")).latency_s
    assert schedule["verdict"] in ("capacity", "policy", "both")
    assert main(["compare", large, "--schedulers", "lru,belady", "--gap", "5%", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["instances"]
    assert [each["outcome"] for each in found["schedules"]] == ["timed", "timed"]
    lru, belady = (each["latency_s"] for each in found["schedules"])
    assert found["lower_bound_s"] <= belady < lru


def load_instance_of(path: str) -> object:
    """In rows, whatever counts as too large."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(params, "LARGEST_READS", 2**30)
        return load_instance(path)


def test_compare_does_not_depend_on_the_number_of_processes(large: str) -> None:
    """A question in runs is handed to them as it is."""
    question = load(large)
    assert isinstance(question, Layered)
    one, two = (compare([question], ["lru"], jobs=jobs).to_records() for jobs in (1, 2))
    assert one == two
    assert not isinstance(load(write(Path(large).parent, tokens=1, prefill=3)), Layered)


def test_an_empty_layer_is_passed_over() -> None:
    from placement_opt.workload.layered_rows import rows_of
    from tests.runs import collect
    from tests.small import make_instance, two_tier

    rows = [np.array(row) for row in ([0, 1], [2, 3], [0, 1], [2, 3], [0, 4])]
    full = collect(rows, np.array([-1, -1, -1, -1, 2], dtype=np.int32))
    empty = collect([row[:0] for row in rows], np.zeros(0, dtype=np.int32))
    instance = make_instance(two_tier(hbm=4, lpddr=100), rows_of([empty, full], size_unit="bytes", size=[1] * 2))
    run = by_layer(layered_of(instance), make_scheduler("lru"))
    assert run.exact_latency() == simulate(instance, make_scheduler("lru")).exact_latency()
