"""A share of the layers: what is scaled, what stays, and that the question is the one written by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from placement_opt.base.errors import InputError
from placement_opt.cli import main
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import load_instance, load_layered
from placement_opt.instance.outline import read_outline
from placement_opt.instance.scaled import LayerShare, parse_layer_share, scaled
from placement_opt.workload.files.npz import save_trace
from tests.cli.cases import DRIFT
from tests.instance.cases import FOUR


def four(folder: Path, **values: int) -> Path:
    path = folder / f"four-{values['layers']}.toml"
    path.write_text(FOUR.format(**values))
    return path


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """Four layers."""
    return four(tmp_path, layers=4, hbm=8, lpddr=64, weights=4)


@pytest.fixture
def by_hand(tmp_path: Path) -> Path:
    """One of them, a quarter of the room and of the weights."""
    return four(tmp_path, layers=1, hbm=2, lpddr=16, weights=1)


def test_a_quarter_is_the_instance_written_by_hand(whole: Path, by_hand: Path) -> None:
    """One of four layers, a quarter of every capacity and of the weights: the same hash, rates and loads included."""
    assert load_instance(whole, layers=LayerShare(1, 4)).hash == load_instance(by_hand).hash
    assert load_instance(whole, layers=LayerShare(20, 80)).hash == load_instance(by_hand).hash
    assert load_instance(whole, layers=LayerShare(4, 4)).hash == load_instance(whole).hash
    assert load_layered(whole, layers=LayerShare(1, 4)).hash == load_layered(by_hand).hash


def test_the_layers_are_the_first_of_the_whole(whole: Path) -> None:
    """Two of four layers read what they read in the whole: layers draw from streams of their own."""

    def rows(instance: Instance) -> dict[tuple[int, int], list[int]]:
        trace = instance.trace
        assert trace.step_token is not None
        assert trace.step_layer is not None
        assert trace.block_token is not None
        labels = zip(trace.step_token.tolist(), trace.step_layer.tolist(), strict=True)
        return {label: trace.block_token[trace.reads(step)].tolist() for step, label in enumerate(labels)}

    all_rows, half = rows(load_instance(whole)), rows(load_instance(whole, layers=LayerShare(1, 2)))
    assert half == {label: row for label, row in all_rows.items() if label[1] < 2}


def test_what_is_scaled_and_what_stays(whole: Path) -> None:
    """Layers, capacities (down to bytes) and resident weights (up); overrides of the same keys are scaled too."""
    found = scaled(
        read_outline(whole, {"memory.hbm.capacity": "8388607 B", "llm.weight_resident": "4194301 B"}), LayerShare(1, 4)
    )
    assert found == {
        "trace.layers": 1,
        "llm.layers": 1,
        "memory.hbm.capacity": "2097151 B",
        "memory.lpddr.capacity": "16777216 B",
        "llm.weight_resident": "1048576 B",
    }
    assert scaled(read_outline(whole, {"llm.weight_resident": "0 B"}), LayerShare(1, 2)).keys() == found.keys() - {
        "llm.weight_resident"
    }


@pytest.mark.parametrize(
    "text", ["", "2", "2/", "/80", "0/80", "81/80", "2/80/3", "2.5/80", "-1/4", "1 / 4", "\u0661/4", "1/0"]
)
def test_other_shares_are_refused(text: str) -> None:
    """Two whole numbers, the first no larger."""
    with pytest.raises(InputError, match='expected so many of so many layers, such as "2/80"'):
        parse_layer_share(text)


def test_a_share_that_is_not_whole_is_refused(whole: Path) -> None:
    """With the layers that there are."""
    with pytest.raises(InputError) as caught:
        load_instance(whole, layers=LayerShare(2, 80))
    expected = "found 2/80 of the trace's 4 layers, which is no whole number, expected a share such as 1/4"
    assert str(caught.value) == f"{whole}: --scale-layers: {expected}"


def test_traces_of_other_kinds_are_refused(whole: Path, tmp_path: Path) -> None:
    """Files have the layers that they have; zipf and requests have none; a given start names the blocks of all."""
    save_trace(load_instance(whole).trace, tmp_path / "t.npz")
    text = whole.read_text()
    head, tail = text[: text.index("[trace]")], text[text.index("[rules]") :]
    for trace, what in (('file = "t.npz"', "read from t.npz"), ('synth = "zipf"\nseed = 1', "drawn by zipf")):
        whole.write_text(f"{head}[trace]\n{trace}\n{tail}")
        with pytest.raises(InputError) as caught:
            load_instance(whole, layers=LayerShare(1, 4))
        expected = f"found 1/4 of a trace {what}, whose layers are what they are, expected a trace drawn by drift"
        assert str(caught.value) == f"{whole}: --scale-layers: {expected}"
    whole.write_text(text.replace('floor = "2 us"', 'initial = "file"\ninitial_file = "t.npz"'))
    with pytest.raises(InputError, match=r"found 1/4 of an instance with a start in t\.npz, expected a start that is free"):
        load_instance(whole, layers=LayerShare(1, 4))


def test_commands_take_a_share(whole: Path, by_hand: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All of them give what they give for the instance written by hand."""

    def found(command: list[str], path: Path, *more: str) -> str:
        assert main([command[0], str(path), *command[1:], *more, "--json"]) == 0
        return capsys.readouterr().out

    certificate = str(tmp_path / "c")
    for command in (
        ["bound", "--method", "roofline", "--certificate", certificate],
        ["verify", certificate],
        ["simulate", "--scheduler", "lru"],
        ["compare", "--schedulers", "lru", "--method", "roofline"],
        ["sweep", "--set", "trace.drift=0.1", "--method", "roofline"],
        ["check"],
    ):
        whole_s, hand_s = (
            _stable(json.loads(text)) for text in (found(command, whole, "--scale-layers", "1/4"), found(command, by_hand))
        )
        assert whole_s == hand_s, command
    for path, more in ((whole, ["--scale-layers", "1/4"]), (by_hand, [])):
        assert main(["export", str(path), "--format", "mps", "-o", str(path.with_suffix(".mps")), *more]) == 0
    assert whole.with_suffix(".mps").read_bytes() == by_hand.with_suffix(".mps").read_bytes()


def _stable(value: object) -> object:
    """A document without wall times, free memory and file names."""
    drop = {"solve_s", "wall_s", "allowed_bytes", "file", "files", "verify_s", "seconds"}
    if isinstance(value, dict):
        return {key: _stable(inner) for key, inner in value.items() if key not in drop}
    return [_stable(inner) for inner in value] if isinstance(value, list) else value


def test_the_drift_of_the_tests_can_be_halved(tmp_path: Path) -> None:
    """Without weights and with a preset's capacities, too."""
    path = tmp_path / "drift.toml"
    path.write_text(DRIFT)
    half = load_instance(path, layers=LayerShare(1, 2))
    assert half.num_steps == 12
    assert half.capacity.tolist() == [c // 2 for c in load_instance(path).capacity.tolist()]
